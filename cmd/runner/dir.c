/* dir: getdents and unlinkat. */
#include "cmd/runner/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	ENTRIES_BYTES = 4096,
	MAX_DEPTH = 64 /* of recursion; what lies deeper is moved up first */
};

int
dir_each(int fd, dir_fn each, void *ctx)
{
	_Alignas(struct dirent64) char entries[ENTRIES_BYTES];
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	while ((n = getdents64(fd, entries, sizeof(entries))) > 0) {
		for (ssize_t at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(entries + at);
			int r;

			at += d->d_reclen;
			if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
				continue;
			r = each(ctx, d->d_name, d->d_type);
			if (r != 0)
				return r;
		}
	}
	return n < 0 ? -1 : 0;
}

struct removal {
	int top_fd; /* what is emptied; too deep folders are moved up here, for the next pass */
	int fd;
	int depth;
	int *budget;
	int first_errno;
	int removed; /* in this pass, or moved away */
};

static int remove_all(struct removal *r);

static int
move_up(struct removal *r, const char *name)
{
	char to[32];

	for (int i = 0; i < INT_MAX; i++) {
		snprintf(to, sizeof(to), ".deep-%d", i);
		if (renameat(r->fd, name, r->top_fd, to) == 0)
			return 0;
		if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
			return -1;
	}
	return -1;
}

static int
remove_folder(struct removal *r, const char *name)
{
	struct removal in = *r;
	int e = 0;

	if (r->depth == MAX_DEPTH)
		return move_up(r, name);
	in.fd = openat(r->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in.fd < 0 && errno == EACCES && fchmodat(r->fd, name, 0700, 0) == 0)
		in.fd = openat(r->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in.fd < 0)
		return -1;
	in.depth++;
	/* A folder without the right to write cannot be emptied by its owner either. */
	if (remove_all(&in) != 0 &&
		(errno != EACCES || fchmod(in.fd, 0700) != 0 || remove_all(&in) != 0))
		e = errno;
	close(in.fd);
	errno = e;
	return e ? -1 : unlinkat(r->fd, name, AT_REMOVEDIR);
}

static int
remove_entry(void *ctx, const char *name, unsigned char type)
{
	struct removal *r = ctx;
	int result = -1;

	if (*r->budget <= 0) {
		r->first_errno = EAGAIN;
		return 1;
	}
	--*r->budget;
	errno = EISDIR;
	if (type != DT_DIR)
		result = unlinkat(r->fd, name, 0);
	if (result != 0 && (errno == EISDIR || errno == EPERM))
		result = remove_folder(r, name);
	if (result == 0 || errno == ENOENT)
		r->removed++;
	else if (!r->first_errno)
		r->first_errno = errno;
	return 0;
}

/* Passes over the folder until one finds nothing to remove: a listing may pass over names while
 * others go. */
static int
remove_all(struct removal *r)
{
	do {
		r->removed = r->first_errno = 0;
		if (dir_each(r->fd, remove_entry, r) < 0 && !r->first_errno)
			r->first_errno = errno;
	} while (r->removed && !r->first_errno);
	errno = r->first_errno;
	return r->first_errno ? -1 : 0;
}

int
dir_empty(int fd, int *budget)
{
	struct removal r = {.top_fd = fd, .fd = fd, .budget = budget};

	return remove_all(&r);
}

int
dir_remove(int at_fd, const char *name)
{
	int budget = INT_MAX, e = 0;
	int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == EACCES && fchmodat(at_fd, name, 0700, 0) == 0)
		fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? unlinkat(at_fd, name, 0) : -1;
	if (fchmod(fd, 0700) != 0 || dir_empty(fd, &budget) != 0)
		e = errno;
	close(fd);
	errno = e;
	return e ? -1 : unlinkat(at_fd, name, AT_REMOVEDIR);
}
