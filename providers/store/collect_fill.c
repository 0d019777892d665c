/* collect_fill: the files of one result, into a folder of its own. */
#include "providers/store/collect_fill.h"

#include "providers/store/collect.h"
#include "providers/store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <unistd.h>

struct filling {
	struct store *store;
	int64_t *bytes; /* counts what was written */
	struct error *err;
};

static int
failed(struct filling *f, int os_errno, const char *name)
{
	return error_set_errno(f->err, ERR_HOST, os_errno, "write %s", name);
}

static int
copy_part(struct filling *f, const struct result *r, const char *part, int to)
{
	char name[STORE_NAME_BYTES];
	int64_t size;
	int fd, rc;

	store_result_name(name, &r->key, part);
	rc = store_open(f->store, name, &fd, &size, f->err);
	if (rc < 0)
		return rc;
	while (size > 0) {
		ssize_t n = sendfile(to, fd, NULL, size > INT_MAX ? INT_MAX / 2 : (size_t)size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = failed(f, n < 0 ? errno : EIO, part);
			break;
		}
		size -= n;
		*f->bytes += n;
	}
	close(fd);
	return rc;
}

/* RESULT/stdout or stderr: when the task wrote any, and left no file of that name. */
static int
write_stream(struct filling *f, const struct result *r, const char *part, struct str text,
	int64_t kept, int folder)
{
	int fd, rc;

	if (kept == 0 && text.n == 0)
		return 0;
	fd = openat(folder, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return errno == EEXIST ? 0 : failed(f, errno, part);
	if (text.p) {
		rc = io_write_all(fd, text.p, text.n);
		if (rc < 0)
			rc = failed(f, -rc, part);
		*f->bytes += (int64_t)text.n;
	} else {
		rc = copy_part(f, r, part, fd);
	}
	if (close(fd) < 0 && rc == 0)
		rc = failed(f, errno, part);
	return rc;
}

static int
write_outputs(struct filling *f, const struct result *r, int folder)
{
	char name[STORE_NAME_BYTES];
	int64_t size;
	int fd, rc;

	store_result_name(name, &r->key, "tar");
	rc = store_open(f->store, name, &fd, &size, f->err);
	if (rc < 0)
		return rc;
	/* What a plain tar holds cannot be more than the tar itself. */
	rc = collect_unpack(fd, folder, size, f->err);
	close(fd);
	*f->bytes += r->outcome.output_bytes;
	return rc;
}

bool
collect_has_files(const struct result *r)
{
	return r->has_tar || r->outcome.stdout_kept_bytes || r->outcome.stderr_kept_bytes ||
	       r->stdout_text.n || r->stderr_text.n;
}

int
collect_fill(struct store *s, const struct result *r, int folder, int64_t *bytes, struct error *err)
{
	struct filling f = {.store = s, .bytes = bytes, .err = err};
	int rc = r->has_tar ? write_outputs(&f, r, folder) : 0;

	if (rc == 0)
		rc = write_stream(
			&f, r, "stdout", r->stdout_text, r->outcome.stdout_kept_bytes, folder);
	if (rc == 0)
		rc = write_stream(
			&f, r, "stderr", r->stderr_text, r->outcome.stderr_kept_bytes, folder);
	return rc;
}
