/* tree_pack: a folder, sorted, to a tar stream. */
#include "cmd/runner/tree.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/dir.h"
#include "cmd/runner/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 100, CHUNK_BYTES = 256 << 10, ASK_BYTES = 1 << 20 };

struct packing {
	struct tree *t;
	int tar_fd;
	unsigned depth; /* folders around what is being packed */
	uint64_t asked_at;
	char path[TAR_NAME_MAX + 1];
	size_t path_n;
	char *chunk;
};

struct names {
	char **v;
	size_t n, cap;
};

static int __attribute__((format(printf, 2, 3))) fail(struct packing *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->t->why, sizeof(p->t->why), fmt, ap);
	va_end(ap);
	return -1;
}

static int
put(struct packing *p, const char *bytes, size_t n)
{
	struct tree *t = p->t;

	t->bytes += n;
	while (n) {
		ssize_t done = write(p->tar_fd, bytes, n);

		if (done < 0 && errno != EINTR)
			return fail(p, "writing it: %s", strerror(errno));
		bytes += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
	if (t->bytes - p->asked_at < ASK_BYTES)
		return 0;
	p->asked_at = t->bytes;
	return t->go_on(t->ctx) ? 0 : fail(p, "nobody waits for it any more");
}

static int
put_header(struct packing *p, const struct tar_entry *e)
{
	char header[TAR_HEADER_MAX];

	return put(p, header, tar_header(header, e));
}

static int
collect_name(void *ctx, const char *name, unsigned char type)
{
	struct names *names = ctx;

	(void)type;
	if (names->n == names->cap) {
		names->cap = names->cap * 2 + 16;
		names->v = must_realloc(names->v, names->cap * sizeof(*names->v));
	}
	names->v[names->n++] = must_copy(name, strlen(name));
	return 0;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
pack_link(struct packing *p, int fd, const char *name)
{
	char target[TAR_NAME_MAX + 1];
	struct tar_entry e = {.type = '2', .name = p->path, .target = target, .mode = 0777};
	ssize_t n = readlinkat(fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return fail(p, "reading the symlink %s: %s", p->path, strerror(errno));
	target[n] = '\0';
	if (!tree_takes_link(p->t, target, p->depth))
		return fail(p, "%s is a symlink to %.200s, which other hosts may not have", p->path,
			target);
	return put_header(p, &e);
}

static uint64_t
seconds_of(const struct stat *st)
{
	return st->st_mtim.tv_sec > 0 && st->st_mtim.tv_sec < INT64_C(1) << 33
		       ? (uint64_t)st->st_mtim.tv_sec
		       : 0;
}

static int
put_content(struct packing *p, int file, uint64_t size)
{
	static const char zeros[TAR_BLOCK_BYTES];
	uint64_t left = size;

	while (left) {
		ssize_t n = read(file, p->chunk, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES);

		if (n <= 0)
			return fail(p, "reading %s: %s", p->path,
				n < 0 ? strerror(errno) : "it became shorter meanwhile");
		if (put(p, p->chunk, (size_t)n) != 0)
			return -1;
		left -= (uint64_t)n;
	}
	return put(p, zeros, (size_t)((0 - size) % TAR_BLOCK_BYTES));
}

static int
pack_file(struct packing *p, int fd, const char *name)
{
	struct tar_entry e = {.type = '0', .name = p->path};
	int rc, file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (file < 0 || fstat(file, &st) != 0) {
		rc = fail(p, "opening %s: %s", p->path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		rc = fail(p, "%s changed while it was packed", p->path);
	} else {
		e.mode = st.st_mode & 0777;
		e.size = (uint64_t)st.st_size;
		e.mtime_s = seconds_of(&st);
		rc = put_header(p, &e);
		if (rc == 0)
			rc = put_content(p, file, e.size);
	}
	if (file >= 0)
		close(file);
	return rc;
}

static int pack_folder(struct packing *p, int fd);

static int
pack_below(struct packing *p, int fd, const char *name, const struct stat *st)
{
	struct tar_entry e = {.type = '5', .name = p->path, .mode = (st->st_mode & 0777) | 0700};
	int rc, below;

	if (p->depth == MAX_DEPTH || p->path_n == TAR_NAME_MAX)
		return fail(p, "folders are nested deeper than %d", MAX_DEPTH);
	below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return fail(p, "opening the folder %s: %s", p->path, strerror(errno));
	p->path[p->path_n++] = '/';
	p->path[p->path_n] = '\0';
	p->depth++;
	rc = put_header(p, &e);
	if (rc == 0)
		rc = pack_folder(p, below);
	p->depth--;
	close(below);
	return rc;
}

static int
pack_entry(struct packing *p, int fd, const char *name)
{
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return fail(p, "reading %s: %s", p->path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return pack_below(p, fd, name, &st);
	if (S_ISREG(st.st_mode))
		return pack_file(p, fd, name);
	if (S_ISLNK(st.st_mode))
		return pack_link(p, fd, name);
	return fail(p, "%s is neither file, folder nor symlink", p->path);
}

static int
pack_folder(struct packing *p, int fd)
{
	struct names names = {0};
	size_t path_n = p->path_n;
	int rc = 0;

	if (dir_each(fd, collect_name, &names) != 0)
		rc = fail(p, "reading the folder %s: %s", p->path, strerror(errno));
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_bytes);
	for (size_t i = 0; i < names.n; i++) {
		size_t n = strlen(names.v[i]);

		if (rc == 0 && path_n + n > TAR_NAME_MAX)
			rc = fail(p, "the path %.200s… is longer than %d bytes", p->path,
				TAR_NAME_MAX);
		if (rc == 0 && (p->depth || strcmp(names.v[i], p->t->marker) != 0)) {
			memcpy(p->path + path_n, names.v[i], n + 1);
			p->path_n = path_n + n;
			rc = pack_entry(p, fd, names.v[i]);
		}
		free(names.v[i]);
	}
	p->path_n = path_n;
	p->path[path_n] = '\0';
	free(names.v);
	return rc;
}

int
tree_pack(struct tree *t, int dir_fd, int tar_fd)
{
	static const char end[2 * TAR_BLOCK_BYTES];
	struct packing p = {.t = t, .tar_fd = tar_fd, .chunk = must_alloc(CHUNK_BYTES)};
	int rc;

	t->bytes = 0;
	t->why[0] = '\0';
	rc = pack_folder(&p, dir_fd);
	if (rc == 0)
		rc = put(&p, end, sizeof(end));
	free(p.chunk);
	return rc;
}
