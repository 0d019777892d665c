/* unpack: a result's tar into a folder. The tar may have been made by anybody: nothing is
 * written outside of the folder, no link leads out of it, and what is written is bounded. Paths
 * are walked one component at a time, never through a symlink, so a link that an earlier member
 * made cannot lead a later one astray. */
#include "providers/store/collect.h"

#include "providers/archive/lib.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10, MEMBER_BYTES = 512 /* what each member counts besides its bytes */ };

struct unpacking {
	const struct libarchive *lib;
	struct archive *archive;
	struct archive_entry *entry;
	int root;
	int64_t limit, used;
	struct str path; /* of the member, without what says nothing */
	struct error *err;
};

static int
refuse(struct unpacking *u, const char *why)
{
	return error_set(u->err, ERR_HOST, "unpack outputs: '%.*s' %s: refused",
		(int)(u->path.n < 300 ? u->path.n : 300), u->path.p, why);
}

static int
failed(struct unpacking *u, int os_errno, const char *what)
{
	return error_set_errno(u->err, ERR_HOST, os_errno, "unpack outputs: %s '%.*s'", what,
		(int)(u->path.n < 300 ? u->path.n : 300), u->path.p);
}

static int
spend(struct unpacking *u, int64_t bytes)
{
	if (bytes > u->limit - u->used)
		return error_set(u->err, ERR_HOST,
			"unpack outputs: '%.*s' takes more than the %lld bytes that were "
			"announced: refused",
			(int)(u->path.n < 300 ? u->path.n : 300), u->path.p, (long long)u->limit);
	u->used += bytes;
	return 0;
}

/* Cuts the next part that says something off *rest; absent at the end. */
static struct str
next_part(struct str *rest)
{
	while (rest->p) {
		struct str part = str_cut(rest, '/');

		if (part.n && !str_is(part, "."))
			return part;
	}
	return (struct str){0};
}

static bool
is_safe(struct str path)
{
	struct str part;

	if (!path.p || (path.n && path.p[0] == '/'))
		return false;
	while ((part = next_part(&path)).p) {
		if (str_is(part, ".."))
			return false;
	}
	return true;
}

static int
step_into(int parent, const char *name, bool make)
{
	if (make && mkdirat(parent, name, 0777) < 0 && errno != EEXIST)
		return -errno;
	parent = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return parent < 0 ? -errno : parent;
}

/* Opens the folder that path lies in, and gives its last part. < 0: -errno. depth: of that
 * folder below the root. */
static int
open_parent(int root, struct str path, bool make, char last[NAME_MAX + 1], int *depth)
{
	struct str part = next_part(&path);
	int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);

	*depth = 0;
	if (fd < 0)
		return -errno;
	for (;;) {
		struct str next = next_part(&path);
		int below;

		if (part.n > NAME_MAX) {
			close(fd);
			return -ENAMETOOLONG;
		}
		snprintf(last, NAME_MAX + 1, "%.*s", STR_ARG(part));
		if (!next.p)
			return fd;
		below = step_into(fd, last, make);
		close(fd);
		if (below < 0)
			return below;
		fd = below;
		part = next;
		++*depth;
	}
}

static int
write_at(int fd, const char *p, size_t n, int64_t at)
{
	while (n) {
		ssize_t wrote = pwrite(fd, p, n, (off_t)at);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return wrote < 0 ? -errno : -EIO;
		p += wrote;
		n -= (size_t)wrote;
		at += wrote;
	}
	return 0;
}

static int
broken(struct unpacking *u)
{
	const char *text = u->lib->archive_error_string(u->archive);

	return error_set(u->err, ERR_HOST, "unpack outputs: the archive is broken: %s",
		text ? text : "no reason given");
}

/* The bytes of a regular file; holes count, as they may be filled. */
static int
write_content(struct unpacking *u, int fd)
{
	int64_t end = 0;

	for (;;) {
		const void *block;
		size_t n;
		int64_t at;
		int rc = u->lib->archive_read_data_block(u->archive, &block, &n, &at);

		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK)
			return broken(u);
		if (at < end || at > INT64_MAX - (int64_t)n)
			return refuse(u, "is out of order");
		rc = spend(u, at + (int64_t)n - end);
		if (rc < 0)
			return rc;
		rc = write_at(fd, block, n, at);
		if (rc < 0)
			return failed(u, -rc, "write");
		end = at + (int64_t)n;
	}
	if (u->lib->archive_entry_size(u->entry) > end) { /* ends in a hole */
		int rc = spend(u, u->lib->archive_entry_size(u->entry) - end);

		if (rc < 0)
			return rc;
		if (ftruncate(fd, (off_t)u->lib->archive_entry_size(u->entry)) < 0)
			return failed(u, errno, "write");
	}
	return 0;
}

static int
make_failed(struct unpacking *u)
{
	if (errno == EEXIST)
		return refuse(u, "is in the archive twice, or where there is a folder");
	return failed(u, errno, "make");
}

static int
unpack_file(struct unpacking *u, int parent, const char *name)
{
	/* Neither setuid nor setgid, and always such that its owner can work with it. */
	mode_t mode = (u->lib->archive_entry_perm(u->entry) & 0777) | 0600;
	int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int rc;

	if (fd < 0)
		return make_failed(u);
	rc = write_content(u, fd);
	if (close(fd) < 0 && rc == 0)
		rc = failed(u, errno, "write");
	return rc;
}

/* A target may climb only at its beginning, and not above the folder: depth levels from where
 * the link really lies. What follows goes down only, through links for which the same holds. */
static bool
stays_inside(struct str target, int depth)
{
	bool down = false;

	if (!target.p || target.n == 0 || target.p[0] == '/')
		return false;
	while (target.p) {
		struct str part = next_part(&target);

		if (!part.p)
			break;
		if (!str_is(part, ".."))
			down = true;
		else if (down || depth-- == 0)
			return false;
	}
	return true;
}

static int
unpack_symlink(struct unpacking *u, int parent, const char *name, int depth)
{
	const char *target = u->lib->archive_entry_symlink(u->entry);

	if (!target || !stays_inside(str_from(target), depth))
		return refuse(u, "is a symlink that leads out of its folder (or might)");
	if (symlinkat(target, parent, name) < 0)
		return make_failed(u);
	return 0;
}

static int
unpack_hardlink(struct unpacking *u, int parent, const char *name, struct str target)
{
	char last[NAME_MAX + 1];
	struct stat st;
	int depth, from, rc = 0;

	if (!is_safe(target))
		return refuse(u, "is a hard link to outside of its folder");
	from = open_parent(u->root, target, false, last, &depth);
	if (from < 0 || fstatat(from, last, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		rc = refuse(u, "is a hard link to what is no file before it in the archive");
	else if (linkat(from, last, parent, name, 0) < 0)
		rc = make_failed(u);
	if (from >= 0)
		close(from);
	return rc;
}

static int
unpack_folder(struct unpacking *u, int parent, const char *name)
{
	int fd = step_into(parent, name, true);

	if (fd == -ENOTDIR || fd == -ELOOP)
		return refuse(u, "is a folder where there is a file");
	if (fd < 0)
		return failed(u, -fd, "make");
	close(fd);
	return 0;
}

static int
unpack_into(struct unpacking *u, int parent, const char *name, int depth)
{
	const char *hardlink = u->lib->archive_entry_hardlink(u->entry);

	if (hardlink)
		return unpack_hardlink(u, parent, name, str_from(hardlink));
	switch (u->lib->archive_entry_filetype(u->entry)) {
	case AE_IFREG:
		return unpack_file(u, parent, name);
	case AE_IFDIR:
		return unpack_folder(u, parent, name);
	case AE_IFLNK:
		return unpack_symlink(u, parent, name, depth);
	default:
		return refuse(u, "is neither file, folder nor link");
	}
}

static int
unpack_member(struct unpacking *u)
{
	const char *name = u->lib->archive_entry_pathname(u->entry);
	char last[NAME_MAX + 1];
	struct str rest;
	int parent, depth, rc;

	u->path = str_from(name ? name : "(unreadable name)");
	if (!name || !is_safe(u->path))
		return refuse(u, "is a path that leads out of its folder");
	rc = spend(u, MEMBER_BYTES);
	rest = u->path;
	if (rc < 0)
		return rc;
	if (!next_part(&rest).p) /* the folder itself */
		return u->lib->archive_entry_filetype(u->entry) == AE_IFDIR
			       ? 0
			       : refuse(u, "has no name");
	parent = open_parent(u->root, u->path, true, last, &depth);
	if (parent == -ENOTDIR || parent == -ELOOP)
		return refuse(u, "lies in what is no folder");
	if (parent < 0)
		return failed(u, -parent, "make");
	rc = unpack_into(u, parent, last, depth);
	close(parent);
	return rc;
}

int
collect_unpack(int tar_fd, int dir_fd, int64_t limit_bytes, struct error *err)
{
	struct unpacking u = {.root = dir_fd, .limit = limit_bytes, .err = err};
	int rc = libarchive_load(&u.lib, err);

	if (rc < 0)
		return rc;
	u.archive = u.lib->archive_read_new();
	if (!u.archive)
		return error_set(err, ERR_HOST, "unpack outputs: libarchive has no memory");
	if (u.lib->archive_read_support_format_tar(u.archive) != ARCHIVE_OK ||
		u.lib->archive_read_open_fd(u.archive, tar_fd, READ_BYTES) != ARCHIVE_OK)
		rc = broken(&u);
	while (rc == 0) {
		int got = u.lib->archive_read_next_header(u.archive, &u.entry);

		if (got == ARCHIVE_EOF)
			break;
		/* A warning tells of a name that this locale cannot show: it is there
		 * nevertheless. */
		rc = got == ARCHIVE_OK || got == ARCHIVE_WARN ? unpack_member(&u) : broken(&u);
	}
	u.lib->archive_read_free(u.archive);
	return rc;
}
