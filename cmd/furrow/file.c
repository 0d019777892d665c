/* file: reading and writing files and folders for the commands. */
#include "cmd/furrow/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads n bytes from where fd stands; less when the file ends before. < 0: errno tells. */
static ssize_t
read_up_to(int fd, char *p, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = read(fd, p + have, n - have);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		have += (size_t)r;
	}
	return (ssize_t)have;
}

static int
too_large(const char *path, size_t max_bytes, struct error *err)
{
	if (max_bytes % (1 << 20) == 0)
		return error_set(err, ERR_INPUT, "read %s: it is larger than %zu MiB", path,
			max_bytes >> 20);
	return error_set(err, ERR_INPUT, "read %s: it is larger than %zu bytes", path, max_bytes);
}

/* A file in /proc or a pipe tells no size, so what is read decides, not what stat says. */
static int
read_all(struct arena *a, int fd, const char *path, size_t max_bytes, size_t guess,
	struct str *bytes, struct error *err)
{
	size_t cap = guess + 1, n = 0;
	char *p = NULL;
	ssize_t r;
	int rc = 0;

	for (;;) {
		if (cap > max_bytes + 1)
			cap = max_bytes + 1;
		p = mem_realloc(p, cap);
		r = read_up_to(fd, p + n, cap - n);
		if (r >= 0)
			n += (size_t)r;
		if (r < 0 || n < cap || n > max_bytes)
			break;
		cap *= 2;
	}
	if (r < 0)
		rc = error_set_errno(
			err, errno == EISDIR ? ERR_INPUT : ERR_HOST, errno, "read %s", path);
	else if (n > max_bytes)
		rc = too_large(path, max_bytes, err);
	else
		*bytes = arena_str(a, (struct str){.p = p, .n = n});
	free(p);
	return rc;
}

int
file_read(struct arena *a, const char *path, size_t max_bytes, struct str *bytes, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int rc;

	if (fd < 0)
		return error_set_errno(err,
			errno == ENOENT || errno == ENOTDIR ? ERR_MISSING : ERR_INPUT, errno,
			"open %s", path);
	if (fstat(fd, &st) != 0)
		st.st_size = 0;
	rc = read_all(a, fd, path, max_bytes,
		st.st_size > 0 && (uint64_t)st.st_size <= max_bytes ? (size_t)st.st_size : 4096,
		bytes, err);
	close(fd);
	return rc;
}

int
file_map(const char *path, struct str *bytes, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;
	int rc = 0;

	*bytes = STR("");
	if (fd < 0)
		return error_set_errno(
			err, errno == ENOENT ? ERR_MISSING : ERR_HOST, errno, "open %s", path);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		rc = error_set(err, ERR_INPUT, "%s is not a file", path);
	} else if (st.st_size > 0) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			rc = error_set_errno(err, ERR_HOST, errno, "map %s", path);
		else
			*bytes = (struct str){.p = p, .n = (size_t)st.st_size};
	}
	close(fd);
	return rc;
}

void
file_unmap(struct str bytes)
{
	if (bytes.n)
		munmap((void *)(uintptr_t)bytes.p, bytes.n);
}

struct str
file_tail(struct arena *a, const char *path, size_t max_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct str out = {0};
	struct stat st;
	ssize_t n;
	char *p;

	if (fd < 0)
		return out;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		if (st.st_size > (off_t)max_bytes)
			lseek(fd, st.st_size - (off_t)max_bytes, SEEK_SET);
		p = arena_alloc(a, max_bytes);
		n = read_up_to(fd, p, max_bytes);
		if (n >= 0)
			out = (struct str){.p = p, .n = (size_t)n};
	}
	close(fd);
	return out;
}

static int
write_all(int fd, struct str bytes)
{
	while (bytes.n) {
		ssize_t w = write(fd, bytes.p, bytes.n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		bytes = str_from_index(bytes, (size_t)w);
	}
	return 0;
}

int
file_create(const char *path, struct str bytes, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int rc = 0;

	if (fd < 0)
		return error_set_errno(
			err, errno == EEXIST ? ERR_INPUT : ERR_HOST, errno, "create %s", path);
	if (write_all(fd, bytes) != 0 || fsync(fd) != 0) {
		rc = error_set_errno(err, ERR_HOST, errno, "write %s", path);
		unlink(path);
	}
	close(fd);
	return rc;
}

int
file_replace(const char *path, struct str bytes, struct error *err)
{
	struct arena a = {0};
	const char *temporary = arena_printf(&a, "%s.%d.tmp", path, (int)getpid()).p;
	int rc;

	unlink(temporary);
	rc = file_create(temporary, bytes, err);
	if (rc == 0 && rename(temporary, path) != 0) {
		rc = error_set_errno(err, ERR_HOST, errno, "rename %s to %s", temporary, path);
		unlink(temporary);
	}
	arena_free(&a);
	return rc;
}

int
file_write_through(const char *path, struct str bytes, struct error *err)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
	int rc = 0;

	if (fd < 0)
		return error_set_errno(
			err, errno == EACCES ? ERR_INPUT : ERR_HOST, errno, "open %s", path);
	if (write_all(fd, bytes) != 0)
		rc = error_set_errno(err, ERR_HOST, errno, "write %s", path);
	if (close(fd) != 0 && rc == 0)
		rc = error_set_errno(err, ERR_HOST, errno, "write %s", path);
	return rc;
}

/* Sums what lies below the folder dir, which it closes. */
static int64_t
sum_dir(int dir)
{
	DIR *d = fdopendir(dir);
	int64_t bytes = 0;
	struct dirent *e;

	if (!d) {
		close(dir);
		return 0;
	}
	while ((e = readdir(d))) {
		struct stat st;
		int sub;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		bytes += (int64_t)st.st_blocks * 512;
		if (!S_ISDIR(st.st_mode))
			continue;
		sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			bytes += sum_dir(sub);
	}
	closedir(d);
	return bytes;
}

int64_t
file_disk_bytes(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? 0 : sum_dir(fd);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names
file_names(struct arena *a, const char *dir)
{
	struct names out = {0};
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t cap = 0;
	char **v = NULL;

	if (!d)
		return out;
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (out.n == cap) {
			cap = cap ? cap * 2 : 64;
			v = mem_realloc(v, cap * sizeof(*v));
		}
		v[out.n++] = arena_cstr(a, str_from(e->d_name));
	}
	closedir(d);
	if (out.n)
		qsort(v, out.n, sizeof(*v), by_name);
	out.v = ARENA_ARRAY(a, char *, out.n);
	if (out.n)
		memcpy(out.v, v, out.n * sizeof(*v));
	free(v);
	return out;
}
