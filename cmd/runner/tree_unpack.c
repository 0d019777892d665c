/* tree_unpack: what tree_pack made, into a folder. The tar may have been made by anybody: paths are
 * walked one component at a time and never through a symlink, nothing is written over, and what is
 * not as tree_pack makes it is refused. */
#include "cmd/runner/tree.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MAX_DEPTH = 100,
	CHUNK_BYTES = 256 << 10, /* whole blocks */
	ASK_BYTES = 1 << 20,
	PAX_MAX_BYTES = 16 * TAR_BLOCK_BYTES * 2,
	/* Of a header: where its fields begin, and how long they are. */
	MODE_AT = 100,
	SIZE_AT = 124,
	MTIME_AT = 136,
	SUM_AT = 148,
	TYPE_AT = 156,
	TARGET_AT = 157,
	MAGIC_AT = 257,
	PREFIX_AT = 345,
	NAME_BYTES = 100
};

struct unpacking {
	struct tree *t;
	int root, tar_fd;
	uint64_t limit, asked_at;
	/* Of the member. */
	char name[TAR_NAME_MAX + 1], target[TAR_NAME_MAX + 1];
	bool has_name, has_target, has_size; /* a pax header said it */
	uint64_t size, mode, mtime_s;
	char *chunk;
};

static int __attribute__((format(printf, 2, 3))) fail(struct unpacking *u, const char *fmt, ...)
{
	char *out = u->t->why;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, sizeof(u->t->why), fmt, ap);
	va_end(ap);
	/* Names are anybody's, and this is for people. */
	for (; *out; out++) {
		if ((unsigned char)*out < ' ' || (unsigned char)*out > '~')
			*out = '?';
	}
	return -1;
}

static int
refuse(struct unpacking *u, const char *why)
{
	return fail(u, "'%.200s' %s: refused", u->name, why);
}

/* All n bytes, a multiple of a block. */
static int
get(struct unpacking *u, char *out, size_t n)
{
	struct tree *t = u->t;

	if (n > u->limit - t->bytes)
		return fail(u,
			"it unpacks to more than the %llu bytes that were announced: refused",
			(unsigned long long)u->limit);
	t->bytes += n;
	while (n) {
		ssize_t got = read(u->tar_fd, out, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return fail(
				u, "reading it: %s", got < 0 ? strerror(errno) : "it is cut short");
		out += got;
		n -= (size_t)got;
	}
	if (t->bytes - u->asked_at < ASK_BYTES)
		return 0;
	u->asked_at = t->bytes;
	return t->go_on(t->ctx) ? 0 : fail(u, "nobody waits for it any more");
}

/* Octal digits, then NULs or blanks, and nothing else. */
static bool
read_octal(const char *field, size_t n, uint64_t *out)
{
	size_t i = 0;

	*out = 0;
	for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
		*out = *out * 8 + (uint64_t)(field[i] - '0');
	if (i == 0)
		return false;
	for (; i < n; i++) {
		if (field[i] != '\0' && field[i] != ' ')
			return false;
	}
	return true;
}

static bool
is_zero(const char *block)
{
	for (int i = 0; i < TAR_BLOCK_BYTES; i++) {
		if (block[i])
			return false;
	}
	return true;
}

static bool
is_header(const char *block)
{
	uint64_t told, sum = 0;

	for (int i = 0; i < TAR_BLOCK_BYTES; i++)
		sum += i >= SUM_AT && i < SUM_AT + 8 ? ' ' : (unsigned char)block[i];
	return read_octal(block + SUM_AT, 8, &told) && told == sum &&
	       memcmp(block + MAGIC_AT, "ustar\00000", 8) == 0 && block[PREFIX_AT] == '\0';
}

static bool
copy_value(char *out, const char *value, size_t n)
{
	if (n == 0 || n > TAR_NAME_MAX || memchr(value, '\0', n))
		return false;
	memcpy(out, value, n);
	out[n] = '\0';
	return true;
}

static bool
read_size(uint64_t *out, const char *value, size_t n)
{
	*out = 0;
	for (size_t i = 0; i < n; i++) {
		if (value[i] < '0' || value[i] > '9' || *out > UINT64_MAX / 100)
			return false;
		*out = *out * 10 + (uint64_t)(value[i] - '0');
	}
	return n > 0;
}

static bool
key_is(const char *key, size_t n, const char *want)
{
	return n == strlen(want) && memcmp(key, want, n) == 0;
}

static bool
take_record(struct unpacking *u, const char *key, size_t key_n, const char *value, size_t n)
{
	if (key_is(key, key_n, "path"))
		return u->has_name = copy_value(u->name, value, n);
	if (key_is(key, key_n, "linkpath"))
		return u->has_target = copy_value(u->target, value, n);
	if (key_is(key, key_n, "size"))
		return u->has_size = read_size(&u->size, value, n);
	return key_is(key, key_n, "hdrcharset");
}

/* "LENGTH KEY=VALUE\n", one after the other. */
static bool
take_records(struct unpacking *u, const char *at, size_t left)
{
	while (left) {
		size_t n = 0, digits = 0;
		const char *key, *equals;

		for (; digits < left && digits < 6 && at[digits] >= '0' && at[digits] <= '9';
			digits++)
			n = n * 10 + (size_t)(at[digits] - '0');
		if (digits == 0 || n > left || n < digits + 3 || at[digits] != ' ' ||
			at[n - 1] != '\n')
			return false;
		key = at + digits + 1;
		equals = memchr(key, '=', n - digits - 2);
		if (!equals || !take_record(u, key, (size_t)(equals - key), equals + 1,
				       (size_t)(at + n - 1 - (equals + 1))))
			return false;
		at += n;
		left -= n;
	}
	return true;
}

static int
read_pax(struct unpacking *u, uint64_t size)
{
	char records[PAX_MAX_BYTES] = {0};

	if (size == 0 || size > sizeof(records))
		return fail(u, "it has a header of %llu bytes: refused", (unsigned long long)size);
	if (get(u, records, (size + TAR_BLOCK_BYTES - 1) / TAR_BLOCK_BYTES * TAR_BLOCK_BYTES) != 0)
		return -1;
	return take_records(u, records, (size_t)size)
		       ? 0
		       : fail(u, "it has a header that none of ours has: refused");
}

/* The next member's header, after what a pax header says of it. 1; 0: the end; -1. */
static int
next_member(struct unpacking *u, char *type)
{
	char block[TAR_BLOCK_BYTES] = {0};
	uint64_t size;
	bool pax = false;

	u->has_name = u->has_target = u->has_size = false;
	for (;;) {
		if (get(u, block, sizeof(block)) != 0)
			return -1;
		if (is_zero(block))
			return pax ? fail(u, "it is cut short") : 0;
		if (!is_header(block) || !read_octal(block + SIZE_AT, 12, &size) ||
			!read_octal(block + MODE_AT, 8, &u->mode) ||
			!read_octal(block + MTIME_AT, 12, &u->mtime_s))
			return fail(u, "it is no archive of ours: refused");
		if (block[TYPE_AT] != 'x')
			break;
		if (pax || read_pax(u, size) != 0)
			return pax ? fail(u, "it is no archive of ours: refused") : -1;
		pax = true;
	}
	*type = block[TYPE_AT];
	if (!u->has_name)
		snprintf(u->name, sizeof(u->name), "%.*s", NAME_BYTES, block);
	if (!u->has_target)
		snprintf(u->target, sizeof(u->target), "%.*s", NAME_BYTES, block + TARGET_AT);
	if (!u->has_size)
		u->size = size;
	return 1;
}

/* The folder that the member lies in, and its last part; parts were all made before. -1: refused. */
static int
open_parent(struct unpacking *u, char last[NAME_MAX + 1], unsigned *depth)
{
	const char *at = u->name;
	int fd = fcntl(u->root, F_DUPFD_CLOEXEC, 0);

	*depth = 0;
	while (fd >= 0) {
		size_t n = strcspn(at, "/");
		int below;

		if (n == 0 || n > NAME_MAX || (n == 1 && at[0] == '.') ||
			(n == 2 && memcmp(at, "..", 2) == 0) || *depth == MAX_DEPTH) {
			close(fd);
			return refuse(u, "is a path that leads out of its folder, or none of ours");
		}
		memcpy(last, at, n);
		last[n] = '\0';
		at += n;
		if (at[0] == '\0' || at[1] == '\0')
			return fd;
		at++;
		below = openat(fd, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		fd = below;
		++*depth;
	}
	return errno == ENOTDIR || errno == ELOOP || errno == ENOENT
		       ? refuse(u, "lies in what is no folder")
		       : fail(u, "opening what '%.200s' lies in: %s", u->name, strerror(errno));
}

static int
make_failed(struct unpacking *u)
{
	return errno == EEXIST ? refuse(u, "is there twice")
			       : fail(u, "making '%.200s': %s", u->name, strerror(errno));
}

static int
write_all(struct unpacking *u, int fd, const char *at, size_t n)
{
	while (n) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno != EINTR)
			return fail(u, "writing '%.200s': %s", u->name, strerror(errno));
		at += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
	return 0;
}

static int
fill_file(struct unpacking *u, int fd)
{
	const struct timespec times[2] = {
		{.tv_sec = (time_t)u->mtime_s}, {.tv_sec = (time_t)u->mtime_s}};
	uint64_t left = u->size;

	while (left) {
		size_t n = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
		size_t blocks = (n + TAR_BLOCK_BYTES - 1) / TAR_BLOCK_BYTES * TAR_BLOCK_BYTES;

		if (get(u, u->chunk, blocks) != 0 || write_all(u, fd, u->chunk, n) != 0)
			return -1;
		left -= n;
	}
	if (fchmod(fd, (mode_t)(u->mode & 0777)) != 0 || futimens(fd, times) != 0)
		return fail(u, "writing '%.200s': %s", u->name, strerror(errno));
	return 0;
}

static int
unpack_file(struct unpacking *u, int parent, const char *name)
{
	int rc, fd = openat(
			parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return make_failed(u);
	rc = fill_file(u, fd);
	if (close(fd) != 0 && rc == 0)
		rc = fail(u, "writing '%.200s': %s", u->name, strerror(errno));
	return rc;
}

static int
unpack_folder(struct unpacking *u, int parent, const char *name)
{
	if (mkdirat(parent, name, 0700) != 0 ||
		fchmodat(parent, name, (mode_t)(u->mode & 0777) | 0700, 0) != 0)
		return make_failed(u);
	return 0;
}

static int
unpack_member(struct unpacking *u, char type)
{
	size_t n = strlen(u->name);
	bool folder = n && u->name[n - 1] == '/';
	char last[NAME_MAX + 1];
	unsigned depth;
	int parent, rc;

	if (type != '0' && type != '2' && type != '5')
		return refuse(u, "is neither file, folder nor symlink");
	if (folder != (type == '5') || (type != '0' && u->size) || u->mode > 0777)
		return refuse(u, "is not as ours are");
	if (strcmp(u->name, u->t->marker) == 0)
		return refuse(u, "is not for an archive to make");
	parent = open_parent(u, last, &depth);
	if (parent < 0)
		return -1;
	if (type == '0')
		rc = unpack_file(u, parent, last);
	else if (type == '5')
		rc = unpack_folder(u, parent, last);
	else if (!tree_takes_link(u->t, u->target, depth))
		rc = refuse(u, "is a symlink that leads out of its folder");
	else
		rc = symlinkat(u->target, parent, last) == 0 ? 0 : make_failed(u);
	close(parent);
	return rc;
}

int
tree_unpack(struct tree *t, int dir_fd, int tar_fd, uint64_t limit_bytes)
{
	struct unpacking *u = must_alloc(sizeof(*u));
	char type = 0;
	int got;

	t->bytes = 0;
	t->why[0] = '\0';
	u->t = t;
	u->root = dir_fd;
	u->tar_fd = tar_fd;
	u->limit = limit_bytes;
	u->chunk = must_alloc(CHUNK_BYTES);
	while ((got = next_member(u, &type)) > 0) {
		got = unpack_member(u, type);
		if (got != 0)
			break;
	}
	free(u->chunk);
	free(u);
	return got;
}
