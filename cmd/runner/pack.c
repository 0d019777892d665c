/* pack: a walk over one or two trees at once, as an iterator. */
#include "cmd/runner/pack.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/dir.h"
#include "cmd/runner/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 100, SIDES = 2 /* work/OUTPUTS, out/ */ };
static const char *const side_names[SIDES] = {"the working folder", "FURROW_OUT"};

/* A folder that is being walked. Names are bytes in a block: a byte of sides (bit 0, bit 1), the
 * name, NUL. */
struct level {
	int fd[SIDES]; /* -1: not on this side */
	char *block;
	size_t block_n, block_cap;
	char **names;
	size_t n_names, at;
	size_t path_n; /* length of the path up to here */
};

struct pack {
	struct level level[MAX_DEPTH];
	size_t depth;
	char path[TAR_NAME_MAX + 1]; /* member names */
	char *source;
	bool skip_source_links;
	char headers[TAR_HEADER_MAX]; /* on their way out */
	size_t headers_at, headers_n;
	int file; /* whose bytes are on their way out; -1: none */
	uint64_t left, padding;
	uint64_t n_files, n_bytes;
	bool any, ended;
	char error[512];
};

static int __attribute__((format(printf, 2, 3))) fail(struct pack *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!p->error[0])
		vsnprintf(p->error, sizeof(p->error), fmt, ap);
	va_end(ap);
	return -1;
}

static int
compare_names(const void *a, const void *b)
{
	/* Past the byte of sides. */
	return strcmp(*(char *const *)a + 1, *(char *const *)b + 1);
}

struct listing {
	struct level *l;
	char side;
	size_t n;
};

static int
list_name(void *ctx, const char *name, unsigned char type)
{
	struct listing *list = ctx;
	struct level *l = list->l;
	size_t n = strlen(name) + 2;

	(void)type;
	if (l->block_cap - l->block_n < n) {
		l->block_cap = l->block_cap * 2 + n + 256;
		l->block = must_realloc(l->block, l->block_cap);
	}
	l->block[l->block_n] = list->side;
	memcpy(l->block + l->block_n + 1, name, n - 1);
	l->block_n += n;
	list->n++;
	return 0;
}

/* Sorted, a name that is on both sides once. */
static void
sort_names(struct level *l, size_t n)
{
	char *at = l->block;

	l->names = must_alloc((n + 1) * sizeof(*l->names));
	for (size_t i = 0; i < n; i++) {
		l->names[i] = at;
		at += strlen(at + 1) + 2;
	}
	qsort(l->names, n, sizeof(*l->names), compare_names);
	l->n_names = 0;
	for (size_t i = 0; i < n; i++) {
		if (l->n_names && compare_names(&l->names[l->n_names - 1], &l->names[i]) == 0)
			l->names[l->n_names - 1][0] =
				(char)(l->names[l->n_names - 1][0] | l->names[i][0]);
		else
			l->names[l->n_names++] = l->names[i];
	}
}

/* Goes into a folder; takes the descriptors over. */
static int
enter(struct pack *p, const int fd[SIDES], size_t path_n)
{
	struct level *l = &p->level[p->depth];
	size_t n = 0;
	int result = 0;

	*l = (struct level){.fd = {fd[0], fd[1]}, .path_n = path_n};
	p->depth++;
	for (int side = 0; side < SIDES; side++) {
		struct listing list = {.l = l, .side = (char)(1 << side)};

		if (fd[side] >= 0 && dir_each(fd[side], list_name, &list) != 0)
			result = fail(p, "reading the folder %.*s of the outputs: %s", (int)path_n,
				p->path, strerror(errno));
		n += list.n;
	}
	sort_names(l, n);
	return result;
}

static void
leave(struct pack *p)
{
	struct level *l = &p->level[--p->depth];

	for (int side = 0; side < SIDES; side++) {
		if (l->fd[side] >= 0)
			close(l->fd[side]);
	}
	free(l->block);
	free(l->names);
}

static void
put_header(struct pack *p, const struct tar_entry *e)
{
	p->headers_n = tar_header(p->headers, e);
	p->headers_at = 0;
	p->any = true;
}

/* Leading ".." may go up to the top, one that comes later may not be: what stands before it could
 * be a symlink itself. */
static bool
stays_inside(const char *target, size_t depth)
{
	bool leading = true;

	if (target[0] == '/' || target[0] == '\0')
		return false;
	while (*target) {
		size_t n = strcspn(target, "/");

		if (n == 2 && memcmp(target, "..", 2) == 0) {
			if (!leading || depth == 0)
				return false;
			depth--;
		} else if (n > 0 && !(n == 1 && target[0] == '.')) {
			leading = false;
		}
		target += n;
		target += strspn(target, "/");
	}
	return true;
}

static bool
is_source_link(const struct pack *p, const char *target, const char *name)
{
	size_t n = strlen(p->source);

	return p->skip_source_links && p->depth == 1 && n && strncmp(target, p->source, n) == 0 &&
	       target[n] == '/' && strcmp(target + n + 1, name) == 0;
}

static int
pack_link(struct pack *p, int fd, const char *name)
{
	char target[TAR_NAME_MAX + 1];
	struct tar_entry e = {.type = '2', .name = p->path, .target = target, .mode = 0777};
	ssize_t n = readlinkat(fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return fail(
			p, "reading the symlink %s of the outputs: %s", p->path, strerror(errno));
	target[n] = '\0';
	if (is_source_link(p, target, name))
		return 0;
	if (!stays_inside(target, p->depth - 1))
		return fail(p,
			"output %s is a symlink to %.200s, which leaves the outputs; copy the file "
			"there "
			"instead",
			p->path, target);
	put_header(p, &e);
	return 0;
}

static int
pack_file(struct pack *p, int fd, const char *name)
{
	struct tar_entry e = {.type = '0', .name = p->path};
	struct stat st;

	p->file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (p->file < 0 || fstat(p->file, &st) != 0)
		return fail(p, "opening the output %s: %s", p->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(p, "output %s changed while it was packed", p->path);
	e.mode = st.st_mode & 0777;
	e.size = (uint64_t)st.st_size;
	p->left = e.size;
	p->padding = (0 - e.size) % TAR_BLOCK_BYTES;
	p->n_files++;
	put_header(p, &e);
	return 0;
}

static int
pack_folder(struct pack *p, const struct level *l, const char *name, unsigned sides, size_t path_n,
	unsigned mode)
{
	struct tar_entry e = {.type = '5', .name = p->path, .mode = (mode & 0777) | 0700};
	int fd[SIDES] = {-1, -1};

	if (p->depth == MAX_DEPTH || path_n >= TAR_NAME_MAX)
		return fail(p, "the outputs are nested deeper than %d folders", MAX_DEPTH);
	p->path[path_n++] = '/';
	p->path[path_n] = '\0';
	for (int side = 0; side < SIDES; side++) {
		if (!(sides & 1u << side))
			continue;
		fd[side] =
			openat(l->fd[side], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd[side] < 0) {
			fail(p, "opening the output folder %s: %s", p->path, strerror(errno));
			if (side == 1 && fd[0] >= 0)
				close(fd[0]);
			return -1;
		}
	}
	put_header(p, &e);
	return enter(p, fd, path_n);
}

static const char *
kind_of(mode_t mode)
{
	return S_ISFIFO(mode)			? "a named pipe"
	       : S_ISSOCK(mode)			? "a socket"
	       : S_ISBLK(mode) || S_ISCHR(mode) ? "a device"
						: "no file";
}

/* The next entry of the innermost folder, or out of it. */
static int
advance(struct pack *p)
{
	struct level *l = &p->level[p->depth - 1];
	const char *name;
	unsigned sides;
	struct stat st;
	size_t n;
	int fd;

	if (l->at == l->n_names) {
		leave(p);
		return 0;
	}
	sides = (unsigned)l->names[l->at][0];
	name = l->names[l->at++] + 1;
	n = strlen(name);
	if (l->path_n + n > TAR_NAME_MAX)
		return fail(p, "the path of the output %.*s… is longer than %d bytes",
			(int)(l->path_n > 200 ? 200 : l->path_n), p->path, TAR_NAME_MAX);
	memcpy(p->path + l->path_n, name, n + 1);
	fd = l->fd[sides & 1 ? 0 : 1];
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return fail(p, "reading the output %s: %s", p->path, strerror(errno));
	if (sides == 3) {
		struct stat st2;

		if (fstatat(l->fd[1], name, &st2, AT_SYMLINK_NOFOLLOW) != 0 ||
			!S_ISDIR(st.st_mode) || !S_ISDIR(st2.st_mode))
			return fail(p,
				"output %s lies both in %s and in %s; write it to one of them",
				p->path, side_names[0], side_names[1]);
	}
	if (S_ISDIR(st.st_mode))
		return pack_folder(p, l, name, sides, l->path_n + n, st.st_mode);
	if (S_ISREG(st.st_mode))
		return pack_file(p, fd, name);
	if (S_ISLNK(st.st_mode))
		return pack_link(p, fd, name);
	return fail(p, "output %s is %s; only files, folders and symlinks can be outputs", p->path,
		kind_of(st.st_mode));
}

/* work/OUTPUTS, part by part: none of them may be a symlink. *fd: the folder, -1: not there, or a
 * file, which is then the one name of the top level. */
static int
open_outputs(
	struct pack *p, int task_fd, const char *outputs, int *fd, char *file, size_t file_bytes)
{
	int at = -1;

	file[0] = '\0';
	if (outputs[0])
		at = openat(task_fd, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	while (at >= 0) {
		char part[NAME_MAX + 1];
		size_t n;
		struct stat st;
		int next;

		outputs += strspn(outputs, "/");
		n = strcspn(outputs, "/");
		if (n == 0)
			break;
		if (n > NAME_MAX || (n == 2 && memcmp(outputs, "..", 2) == 0)) {
			close(at);
			return fail(p, "outputs: %s is no path below the working folder", outputs);
		}
		memcpy(part, outputs, n);
		part[n] = '\0';
		outputs += n;
		next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next >= 0 || errno == ENOENT) {
			close(at);
			at = next;
			continue;
		}
		if (errno == ENOTDIR && fstatat(at, part, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(st.st_mode) && outputs[strspn(outputs, "/")] == '\0') {
			snprintf(file, file_bytes, "%s", part);
			break;
		}
		close(at);
		return fail(p, "outputs: %s in the working folder is no file or folder of its own",
			part);
	}
	*fd = at;
	return 0;
}

struct pack *
pack_open(int task_fd, const char *outputs, const char *source)
{
	struct pack *p = must_alloc(sizeof(*p));
	int fd[SIDES] = {-1, -1};
	char file[NAME_MAX + 1];

	p->file = -1;
	p->source = must_copy(source, strlen(source));
	p->skip_source_links = outputs[strspn(outputs, "./")] == '\0';
	if (open_outputs(p, task_fd, outputs, &fd[0], file, sizeof(file)) != 0)
		return p;
	fd[1] = openat(task_fd, "out", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd[1] < 0 && errno != ENOENT)
		fail(p, "opening the folder FURROW_OUT: %s", strerror(errno));
	if (fd[0] >= 0 && file[0]) {
		/* A folder of one name. */
		const int only_out[SIDES] = {-1, fd[1]};
		struct listing list = {.l = &p->level[0], .side = 1};

		enter(p, only_out, 0);
		p->level[0].fd[0] = fd[0];
		list.n = p->level[0].n_names;
		free(p->level[0].names);
		list_name(&list, file, 0);
		sort_names(&p->level[0], list.n);
		return p;
	}
	enter(p, fd, 0);
	return p;
}

/* Bytes of the file that is on its way out, or of the zeros behind it. */
static ssize_t
read_file(struct pack *p, char *out, size_t n)
{
	ssize_t got;

	if (p->left) {
		got = read(p->file, out, n < p->left ? n : (size_t)p->left);
		if (got <= 0)
			return fail(p, "reading the output %s: %s", p->path,
				got < 0 ? strerror(errno) : "it became shorter meanwhile");
		p->left -= (uint64_t)got;
		p->n_bytes += (uint64_t)got;
	} else {
		got = (ssize_t)(n < p->padding ? n : (size_t)p->padding);
		memset(out, 0, (size_t)got);
		p->padding -= (uint64_t)got;
	}
	if (!p->left && !p->padding) {
		close(p->file);
		p->file = -1;
	}
	return got;
}

ssize_t
pack_read(struct pack *p, void *out, size_t n)
{
	char *at = out;
	size_t done = 0;

	while (done < n && !p->error[0]) {
		size_t room = n - done, headers = p->headers_n - p->headers_at;

		if (headers) {
			if (headers > room)
				headers = room;
			memcpy(at + done, p->headers + p->headers_at, headers);
			p->headers_at += headers;
			done += headers;
		} else if (p->file >= 0) {
			ssize_t got = p->left || p->padding ? read_file(p, at + done, room) : 0;

			if (got < 0)
				return -1;
			done += (size_t)got;
			if (got == 0) {
				close(p->file); /* it was empty */
				p->file = -1;
			}
		} else if (p->depth) {
			advance(p);
		} else if (p->any && !p->ended) {
			/* The end of an archive: two blocks of zeros. */
			memset(p->headers, 0, 2 * TAR_BLOCK_BYTES);
			p->headers_at = 0;
			p->headers_n = 2 * TAR_BLOCK_BYTES;
			p->ended = true;
		} else {
			break;
		}
	}
	return p->error[0] ? -1 : (ssize_t)done;
}

int
pack_measure(struct pack *p, unsigned n_entries, uint64_t *tar_bytes)
{
	for (unsigned i = 0; i < n_entries && !p->error[0]; i++) {
		if (!p->depth) {
			*tar_bytes += p->any ? 2 * TAR_BLOCK_BYTES : 0;
			return 1;
		}
		if (advance(p) != 0)
			break;
		*tar_bytes += p->headers_n;
		p->headers_n = 0;
		if (p->file >= 0) {
			*tar_bytes += p->left + p->padding;
			p->n_bytes += p->left;
			p->left = p->padding = 0;
			close(p->file);
			p->file = -1;
		}
	}
	return p->error[0] ? -1 : 0;
}

const char *
pack_error(const struct pack *p)
{
	return p->error;
}

uint64_t
pack_files(const struct pack *p)
{
	return p->n_files;
}

uint64_t
pack_bytes(const struct pack *p)
{
	return p->n_bytes;
}

void
pack_close(struct pack *p)
{
	while (p->depth)
		leave(p);
	if (p->file >= 0)
		close(p->file);
	free(p->source);
	free(p);
}
