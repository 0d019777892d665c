/* export: a source written out whole, as a folder or as an archive. Both are deterministic: the
 * listing's order, fixed times and modes, no owners. */
#include "providers/archive/lib.h"
#include "providers/git/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A folder being written, as a stack of open folders. The listing is sorted, so each is entered
 * once. */
struct folder_out {
	const struct source_entry *e; /* the one being written */
	struct buf name;	      /* its last part */
	struct buf folder;	      /* path of the innermost open folder */
	int *fds;		      /* fds[0] is the top */
	size_t n_fds, cap_fds;
	int fd;		   /* a file's while it is written; else -1 */
	struct buf target; /* a link's while it is read */
};

static const struct timespec source_times[2] = {
	{.tv_sec = SOURCE_TIME_S}, {.tv_sec = SOURCE_TIME_S}};

static void
push_fd(struct folder_out *x, int fd)
{
	if (x->n_fds == x->cap_fds) {
		x->cap_fds = x->cap_fds ? x->cap_fds * 2 : 16;
		x->fds = mem_realloc(x->fds, x->cap_fds * sizeof(*x->fds));
	}
	x->fds[x->n_fds++] = fd;
}

/* Writing a file changes its folder's time, so a folder gets its own when all of it is there. */
static int
leave_folder(struct folder_out *x, struct error *err)
{
	int fd = x->fds[x->n_fds - 1], rc = 0;

	if (fchmod(fd, 0755) < 0 || futimens(fd, source_times) < 0)
		rc = error_set_errno(
			err, ERR_HOST, errno, "finish folder %.*s", STR_ARG(buf_str(&x->folder)));
	close(fd);
	x->n_fds--;
	relative_cut(&x->folder);
	return rc;
}

static int
enter_folder(struct folder_out *x, struct str part, struct error *err)
{
	int fd;

	buf_clear(&x->name);
	buf_add_str(&x->name, part);
	if (x->folder.n)
		buf_add_char(&x->folder, '/');
	buf_add_str(&x->folder, part);
	fd = x->fds[x->n_fds - 1];
	if (mkdirat(fd, buf_cstr(&x->name), 0700) < 0)
		return error_set_errno(
			err, ERR_HOST, errno, "make folder %.*s", STR_ARG(buf_str(&x->folder)));
	fd = openat(fd, buf_cstr(&x->name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(
			err, ERR_HOST, errno, "open folder %.*s", STR_ARG(buf_str(&x->folder)));
	push_fd(x, fd);
	return 0;
}

/* Leaves and enters folders until the innermost is that of the path; its last part goes to x->name.
 */
static int
go_to_folder(struct folder_out *x, struct str path, struct error *err)
{
	struct str rest;
	int rc = 0;

	while (x->n_fds > 1 && rc == 0) {
		rest = relative_below(buf_str(&x->folder), path);
		if (rest.p && rest.n)
			break;
		rc = leave_folder(x, err);
	}
	rest = relative_below(buf_str(&x->folder), path);
	while (rc == 0) {
		struct str part = str_cut(&rest, '/');

		if (!rest.p) {
			buf_clear(&x->name);
			buf_add_str(&x->name, part);
			break;
		}
		rc = enter_folder(x, part, err);
	}
	return rc;
}

static int
file_begin(void *ctx, int64_t n_bytes, struct error *err)
{
	struct folder_out *x = ctx;
	int dir_fd = x->fds[x->n_fds - 1];

	(void)n_bytes;
	buf_clear(&x->target);
	if (x->e->mode == FILE_SYMLINK)
		return 0;
	x->fd = openat(dir_fd, buf_cstr(&x->name),
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (x->fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "create %.*s", STR_ARG(x->e->path));
	return 0;
}

static int
file_write(void *ctx, const char *bytes, size_t n, struct error *err)
{
	struct folder_out *x = ctx;

	if (x->e->mode == FILE_SYMLINK) {
		buf_add(&x->target, bytes, n);
		return 0;
	}
	while (n) {
		ssize_t put = write(x->fd, bytes, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return error_set_errno(
				err, ERR_HOST, errno, "write %.*s", STR_ARG(x->e->path));
		bytes += put;
		n -= (size_t)put;
	}
	return 0;
}

static int
finish_file(struct folder_out *x, struct error *err)
{
	int dir_fd = x->fds[x->n_fds - 1];
	bool done;

	if (x->e->mode == FILE_SYMLINK)
		done = symlinkat(buf_cstr(&x->target), dir_fd, buf_cstr(&x->name)) == 0 &&
		       utimensat(dir_fd, buf_cstr(&x->name), source_times, AT_SYMLINK_NOFOLLOW) ==
			       0;
	else
		done = fchmod(x->fd, x->e->mode & 0777) == 0 && futimens(x->fd, source_times) == 0;
	if (!done)
		return error_set_errno(err, ERR_HOST, errno, "finish %.*s", STR_ARG(x->e->path));
	return 0;
}

static int
export_entry(struct source_reader *r, struct folder_out *x, const struct source_entry *e,
	struct error *err)
{
	struct bytes_out to = {.ctx = x, .begin = file_begin, .write = file_write};
	int rc = go_to_folder(x, e->path, err);

	x->e = e;
	x->fd = -1;
	if (rc == 0)
		rc = reader_bytes(r, e, &to, err);
	if (rc == 0)
		rc = finish_file(x, err);
	if (x->fd >= 0 && close(x->fd) < 0 && rc == 0)
		rc = error_set_errno(err, ERR_HOST, errno, "write %.*s", STR_ARG(e->path));
	return rc;
}

int
reader_export(struct source_reader *r, const struct source *s, const char *dir, struct error *err)
{
	struct folder_out x = {.fd = -1};
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "open folder %s", dir);
	push_fd(&x, fd);
	for (size_t i = 0; rc == 0 && i < s->n_entries; i++)
		rc = export_entry(r, &x, &s->entries[i], err);
	while (rc == 0 && x.n_fds)
		rc = leave_folder(&x, err);
	while (x.n_fds)
		close(x.fds[--x.n_fds]);
	free(x.fds);
	buf_free(&x.name);
	buf_free(&x.folder);
	buf_free(&x.target);
	return rc;
}

/* An archive being written. */
struct archive_out {
	const struct libarchive *lib;
	struct archive *archive;
	struct archive_entry *head;
	const struct source_entry *e;
	struct buf path, target;
	bool gzip;
};

static int
archive_failed(struct archive_out *x, struct error *err)
{
	const char *text = x->lib->archive_error_string(x->archive);
	int os_errno = x->lib->archive_errno(x->archive);

	if (os_errno > 0)
		return error_set_errno(err, ERR_HOST, os_errno, "write the source's archive");
	return error_set(err, ERR_HOST, "write the source's archive: %s",
		text ? text : "libarchive gives no reason");
}

static int
write_head(struct archive_out *x, int64_t n_bytes, struct error *err)
{
	const struct libarchive *lib = x->lib;
	bool link = x->e->mode == FILE_SYMLINK;

	lib->archive_entry_clear(x->head);
	buf_clear(&x->path);
	buf_add_str(&x->path, x->e->path);
	lib->archive_entry_set_pathname(x->head, buf_cstr(&x->path));
	lib->archive_entry_set_filetype(x->head, link ? AE_IFLNK : AE_IFREG);
	lib->archive_entry_set_perm(x->head, link ? 0777 : x->e->mode & 0777);
	lib->archive_entry_set_size(x->head, link ? 0 : n_bytes);
	lib->archive_entry_set_mtime(x->head, SOURCE_TIME_S, 0);
	lib->archive_entry_set_uid(x->head, 0);
	lib->archive_entry_set_gid(x->head, 0);
	if (link)
		lib->archive_entry_set_symlink(x->head, buf_cstr(&x->target));
	if (lib->archive_write_header(x->archive, x->head) < ARCHIVE_WARN)
		return archive_failed(x, err);
	return 0;
}

static int
packed_begin(void *ctx, int64_t n_bytes, struct error *err)
{
	struct archive_out *x = ctx;

	buf_clear(&x->target);
	return x->e->mode == FILE_SYMLINK ? 0 : write_head(x, n_bytes, err);
}

static int
packed_write(void *ctx, const char *bytes, size_t n, struct error *err)
{
	struct archive_out *x = ctx;

	if (x->e->mode == FILE_SYMLINK) {
		buf_add(&x->target, bytes, n);
		return 0;
	}
	while (n) {
		la_ssize_t put = x->lib->archive_write_data(x->archive, bytes, n);

		if (put <= 0)
			return archive_failed(x, err);
		bytes += put;
		n -= (size_t)put;
	}
	return 0;
}

static int
pack_entries(
	struct source_reader *r, struct archive_out *x, const struct source *s, struct error *err)
{
	struct bytes_out to = {.ctx = x, .begin = packed_begin, .write = packed_write};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n_entries; i++) {
		x->e = &s->entries[i];
		rc = reader_bytes(r, x->e, &to, err);
		if (rc == 0 && x->e->mode == FILE_SYMLINK)
			rc = write_head(x, 0, err);
	}
	if (rc == 0 && x->lib->archive_write_close(x->archive) < ARCHIVE_WARN)
		rc = archive_failed(x, err);
	return rc;
}

/* Without the time of day, which gzip would keep. */
static bool
add_gzip(const struct libarchive *lib, struct archive *archive)
{
	return lib->archive_write_add_filter_gzip(archive) == ARCHIVE_OK &&
	       lib->archive_write_set_options(archive, "gzip:!timestamp") == ARCHIVE_OK;
}

/* furrow stays in the C locale, so a name beyond ASCII goes into the archive byte by byte. */
static bool
open_archive(struct archive_out *x, int fd)
{
	const struct libarchive *lib = x->lib;

	return lib->archive_write_set_format_pax_restricted(x->archive) == ARCHIVE_OK &&
	       (!x->gzip || add_gzip(lib, x->archive)) &&
	       lib->archive_write_set_bytes_per_block(x->archive, 64 << 10) == ARCHIVE_OK &&
	       lib->archive_write_set_bytes_in_last_block(x->archive, 1) == ARCHIVE_OK &&
	       lib->archive_write_open_fd(x->archive, fd) == ARCHIVE_OK;
}

int
reader_pack(struct source_reader *r, const struct source *s, int fd, bool gzip, struct error *err)
{
	struct archive_out x = {.gzip = gzip};
	int rc = libarchive_load(&x.lib, err);

	if (rc < 0)
		return rc;
	x.archive = x.lib->archive_write_new();
	x.head = x.lib->archive_entry_new();
	if (!x.archive || !x.head)
		rc = error_set(err, ERR_HOST, "write the source's archive: out of memory");
	else
		rc = open_archive(&x, fd) ? pack_entries(r, &x, s, err) : archive_failed(&x, err);
	x.lib->archive_entry_free(x.head);
	x.lib->archive_write_free(x.archive);
	buf_free(&x.path);
	buf_free(&x.target);
	return rc;
}
