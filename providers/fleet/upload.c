/* upload: the job's source and the runner go to the store, under what they are: from there hosts
 * fetch them by URLs that need no credentials. */
#include "providers/fleet/internal.h"

#include "providers/aws/s3.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t url_s = 3600;

static struct str
source_key(const struct fleet_run *r, struct arena *a)
{
	struct str job = r->site->site.config.manifest->name;

	return fleet_object(r->site, a,
		arena_printf(a, "sources/%.*s/%s.tar.gz", STR_ARG(job), r->source_id).p);
}

static struct str
runner_key(const struct fleet_run *r, struct arena *a)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &r->site->runner_sha256);
	return fleet_object(r->site, a, arena_printf(a, "runners/%s", hex).p);
}

static int
upload_runner(struct fleet_run *r, struct arena *a, struct error *err)
{
	const char *path = r->site->runner_path;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) != 0)
		rc = error_set_errno(err, ERR_HOST, errno, "cannot read %s", path);
	else
		rc = s3_put_file(
			r->site->aws, a, r->site->bucket, runner_key(r, a), fd, st.st_size, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* The packed source, as a file without a name. */
static int
pack_source(struct fleet_run *r, int *fd, int64_t *bytes, struct error *err)
{
	const char *dir = r->dir;
	struct stat st;
	int rc;

	*fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "cannot make a file in %s", dir);
	rc = source_archive(r->site->reader, &r->site->site.seen.source, *fd, true, err);
	if (rc == 0 && fstat(*fd, &st) == 0)
		*bytes = st.st_size;
	return rc;
}

static int
upload_source(struct fleet_run *r, struct arena *a, struct error *err)
{
	int64_t bytes = 0;
	int fd;
	int rc = pack_source(r, &fd, &bytes, err);

	if (rc == 0)
		rc = s3_put_file(
			r->site->aws, a, r->site->bucket, source_key(r, a), fd, bytes, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

int
fleet_upload(struct fleet_run *r, struct arena *a, struct error *err)
{
	const struct observed *o = &r->plan->observed;
	int rc = fleet_check_lock(r->site, err);

	if (rc == 0 && !o->fleet.runner_ready)
		rc = upload_runner(r, a, err);
	if (rc == 0 && !o->source_ready)
		rc = upload_source(r, a, err);
	return rc;
}

int
fleet_file_urls(struct fleet_run *r, struct arena *a, struct str *runner, struct str *source,
	struct error *err)
{
	struct fleet_site *s = r->site;
	int rc = aws_presign(
		s->aws, a, "GET", s->bucket, runner_key(r, a), NULL, NULL, url_s, runner, err);

	if (rc == 0)
		rc = aws_presign(s->aws, a, "GET", s->bucket, source_key(r, a), NULL, NULL, url_s,
			source, err);
	return rc;
}
