/* io: whole reads and writes of files. */
#include "providers/store/io.h"

#include "planner/base/buf.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int
io_write_all(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		ssize_t wrote = write(fd, p, n);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return wrote < 0 ? -errno : -EIO;
		p += wrote;
		n -= (size_t)wrote;
	}
	return 0;
}

ssize_t
io_read_at(int fd, void *bytes, size_t n, uint64_t at)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = pread(fd, (char *)bytes + have, n - have, (off_t)(at + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

int
io_make_folders(const char *path)
{
	struct buf b = {0};
	int rc;

	for (const char *p = path; *p; p++) {
		if (*p == '/' && p > path) {
			buf_clear(&b);
			buf_add(&b, path, (size_t)(p - path));
			mkdir(buf_cstr(&b), 0777);
		}
	}
	rc = mkdir(path, 0777) < 0 && errno != EEXIST ? -errno : 0;
	buf_free(&b);
	return rc;
}
