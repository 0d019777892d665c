/* image: what containers on instances are made of. A registry's image is pulled by each host, by the
 * digest that its tag has now; an archive goes to the store once, and each host fetches it from there. */
#include "providers/fleet/internal.h"

#include "providers/aws/ecr.h"
#include "providers/aws/s3.h"
#include "providers/container/archive.h"
#include "providers/container/far.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t url_s = 3600;

bool
fleet_has_image(const struct fleet_site *s)
{
	const struct environment *e = &s->site.config.manifest->environment;

	return e->image.p || e->build.context.p;
}

static int
read_archive(struct fleet_site *s, struct arena *a, const struct image_archive *archive,
	struct error *err)
{
	struct far_image *out = &s->container;
	int rc = archive_image_id(a, archive,
		s->site.config.manifest->instances.arch == ARCH_ARM64 ? "arm64" : "amd64",
		&out->digest, err);

	out->path = archive->path;
	out->pull = arena_printf(a, "%s:%.*s", archive->is_oci ? "oci-archive" : "docker-archive",
		STR_ARG(archive->ref.p ? archive->ref : STR("")));
	return rc;
}

static int
read_registry(struct fleet_site *s, struct arena *a, struct error *err)
{
	const struct manifest *m = s->site.config.manifest;
	struct far_image *out = &s->container;
	const char *cache = fleet_cache_dir(a);
	struct str account, region, auth = {0};
	int rc = 0;

	if (ecr_is_there(m->environment.image, &account, &region))
		rc = ecr_login(s->aws, a, arena_str(a, region), &auth, err);
	if (rc < 0)
		return rc;
	return image_far(a, m->environment.image, m->instances.arch == ARCH_ARM64,
		cache ? arena_printf(a, "%s/images", cache).p : NULL, auth, &out->pull,
		&out->digest, &out->login, err);
}

static int
find_stored(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct far_image *image = &s->container;
	struct s3_object unwanted;
	int rc = fleet_locate_store(s, err);

	if (rc < 0)
		return rc;
	/* Beside the job's sources, with which it is removed. */
	image->object = fleet_object(s, a,
		arena_printf(a, "sources/%.*s/%.*s.%s-image.tar",
			STR_ARG(s->site.config.manifest->name), STR_ARG(image->id),
			str_starts(image->pull, STR("oci-")) ? "oci" : "docker")
			.p);
	rc = s3_head(s->aws, a, s->bucket, image->object, &unwanted, err);
	s->site.seen.observed.image_ready = rc == 0;
	return rc == ERR_MISSING ? 0 : rc;
}

int
fleet_read_image(struct fleet_site *s, struct arena *a, struct error *err)
{
	const struct environment *e = &s->site.config.manifest->environment;
	struct image_archive archive;
	struct str image = archive_absolute(a, s->site.config.manifest_dir, e->image);
	bool stored = archive_parse(a, &archive, image);
	int rc = stored ? read_archive(s, a, &archive, err) : read_registry(s, a, err);

	if (rc == ERR_INPUT)
		return fleet_at(err, &e->pos_image, "environment.image");
	if (rc < 0)
		return rc;
	s->container.id = str_from_index(s->container.digest, strlen("sha256:"));
	s->site.seen.inputs.image_digest = s->container.digest;
	s->site.seen.observed.image_ready = true;
	return stored ? find_stored(s, a, err) : 0;
}

void
fleet_observe_build(struct fleet_site *s, const char *id)
{
	if (!s->site.config.manifest->environment.build.context.p)
		return;
	s->container.id = arena_str(&s->arena, str_from(id));
	s->container.pull = arena_printf(&s->arena, "localhost/furrow-image:%s", id);
	s->container.built = true;
}

int
fleet_upload_image(struct fleet_run *r, struct arena *a, struct error *err)
{
	const struct far_image *image = &r->site->container;
	const char *path = arena_cstr(a, image->path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fleet_check_lock(r->site, err);
	struct stat st = {0};

	if (rc == 0 && (fd < 0 || fstat(fd, &st) != 0))
		rc = error_set_errno(err, ERR_HOST, errno, "cannot read %s", path);
	if (rc == 0)
		rc = s3_put_file(
			r->site->aws, a, r->site->bucket, image->object, fd, st.st_size, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

int
fleet_image_url(struct fleet_run *r, struct arena *a, struct str *url, struct error *err)
{
	struct fleet_site *s = r->site;

	*url = STR("");
	if (!s->container.object.p)
		return 0;
	return aws_presign(
		s->aws, a, "GET", s->bucket, s->container.object, NULL, NULL, url_s, url, err);
}
