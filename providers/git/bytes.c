/* bytes: what an entry of a source holds. Its id names bytes, so where they come from is free: the
 * object database when it has them, else the working file, which is hashed on the way and has to
 * have the id still. */
#include "providers/git/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK_BYTES = 128 << 10 };

static int
stale(struct str path, struct error *err)
{
	return error_set(err, ERR_STALE,
		"%.*s changed since it was listed; run this again when nobody writes to it",
		STR_ARG(path));
}

static int
object_bytes(struct source_reader *r, const struct source_entry *e, const git_oid *oid,
	const struct bytes_out *to, struct error *err)
{
	git_odb_object *object = NULL;
	size_t n;
	int rc;

	if (r->git->git_odb_read(&object, r->odb, oid) < 0)
		return libgit2_fail(r->git, err, ERR_INPUT,
			"read %.*s from the git repository %.*s (git fsck tells what is broken)",
			STR_ARG(e->path), STR_ARG(r->repo_root));
	n = r->git->git_odb_object_size(object);
	rc = to->begin(to->ctx, (int64_t)n, err);
	if (rc == 0)
		rc = to->write(to->ctx, r->git->git_odb_object_data(object), n, err);
	r->git->git_odb_object_free(object);
	return rc;
}

/* The bytes of an open working file of e->size_bytes; what the sink got is worthless unless 0 comes
 * back. */
static int
regular_bytes(struct source_reader *r, int fd, const struct source_entry *e,
	const struct bytes_out *to, struct error *err)
{
	char *chunk = mem_alloc(CHUNK_BYTES);
	int64_t left = e->size_bytes;
	uint8_t id[BLOB_ID_BYTES];
	ssize_t n;
	int rc = to->begin(to->ctx, left, err);

	blob_hasher_begin(r->hasher, left);
	while (rc == 0 && (n = read(fd, chunk, CHUNK_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = error_set_errno(err, ERR_INPUT, errno, "read %.*s", STR_ARG(e->path));
			break;
		}
		left -= n;
		if (left < 0)
			break;
		blob_hasher_add(r->hasher, chunk, (size_t)n);
		rc = to->write(to->ctx, chunk, (size_t)n, err);
	}
	blob_hasher_end(r->hasher, id);
	if (rc == 0 && (left != 0 || memcmp(id, e->id, sizeof(id)) != 0))
		rc = stale(e->path, err);
	free(chunk);
	return rc;
}

static int
link_bytes(int dir_fd, const char *name, const struct source_entry *e, const struct bytes_out *to,
	struct error *err)
{
	char target[PATH_MAX];
	uint8_t id[BLOB_ID_BYTES];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));
	int rc;

	if (n < 0)
		return stale(e->path, err);
	if (source_blob_id(id, (struct str){target, (size_t)n}, err) < 0 ||
		memcmp(id, e->id, sizeof(id)) != 0)
		return stale(e->path, err);
	rc = to->begin(to->ctx, n, err);
	return rc < 0 ? rc : to->write(to->ctx, target, (size_t)n, err);
}

static int
file_bytes(struct source_reader *r, int dir_fd, const char *name, const struct source_entry *e,
	const struct bytes_out *to, struct error *err)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? stale(e->path, err)
							 : error_set_errno(err, ERR_INPUT, errno,
								   "open %.*s", STR_ARG(e->path));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != e->size_bytes)
		rc = stale(e->path, err);
	else
		rc = regular_bytes(r, fd, e, to, err);
	close(fd);
	return rc;
}

static int
working_bytes(struct source_reader *r, const struct source_entry *e, const struct bytes_out *to,
	struct error *err)
{
	int root_fd, dir_fd, rc;
	const char *name;
	char *path;

	if (!r->root.p)
		return error_set(err, ERR_INPUT,
			"%.*s is not in the git repository %.*s (git fsck tells what is missing)",
			STR_ARG(e->path), STR_ARG(r->repo_root));
	path = mem_alloc(e->path.n + 1);
	memcpy(path, e->path.p, e->path.n);
	path[e->path.n] = '\0';
	root_fd = open(r->root.p, O_PATH | O_DIRECTORY | O_CLOEXEC);
	dir_fd = root_fd < 0 ? -1 : blob_open_folder(root_fd, path, &name);
	if (dir_fd < 0)
		rc = stale(e->path, err);
	else if (e->mode == FILE_SYMLINK)
		rc = link_bytes(dir_fd, name, e, to, err);
	else
		rc = file_bytes(r, dir_fd, name, e, to, err);
	if (dir_fd >= 0)
		close(dir_fd);
	if (root_fd >= 0)
		close(root_fd);
	free(path);
	return rc;
}

int
reader_bytes(struct source_reader *r, const struct source_entry *e, const struct bytes_out *to,
	struct error *err)
{
	git_oid oid;

	if (!r->git)
		return working_bytes(r, e, to, err);
	memcpy(oid.id, e->id, sizeof(oid.id));
	if (e->size_bytes < 0 ||
		r->git->git_odb_exists_ext(r->odb, &oid, GIT_ODB_LOOKUP_NO_REFRESH))
		return object_bytes(r, e, &oid, to, err);
	return working_bytes(r, e, to, err);
}

struct memory {
	struct arena *arena;
	char *p;
	size_t n;
};

static int
memory_begin(void *ctx, int64_t n_bytes, struct error *err)
{
	struct memory *m = ctx;

	(void)err;
	m->p = arena_alloc(m->arena, (size_t)n_bytes + 1);
	return 0;
}

static int
memory_write(void *ctx, const char *bytes, size_t n, struct error *err)
{
	struct memory *m = ctx;

	(void)err;
	if (n)
		memcpy(m->p + m->n, bytes, n);
	m->n += n;
	return 0;
}

int
reader_read(struct source_reader *r, struct arena *a, const struct source_entry *e,
	struct str *bytes, struct error *err)
{
	struct memory m = {.arena = a};
	struct bytes_out to = {.ctx = &m, .begin = memory_begin, .write = memory_write};
	int rc = reader_bytes(r, e, &to, err);

	if (rc == 0)
		*bytes = (struct str){m.p, m.n};
	return rc;
}
