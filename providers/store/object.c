/* object: the objects of a folder store by name. Results are looked up in the logs (index.c) and
 * put by commit.c; the others are plain files: written under a temporary name, synced, renamed,
 * their folder synced. */
#include "providers/store/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int
missing(const struct dir_store *s, const char *name, struct error *err)
{
	return error_set(err, ERR_MISSING, "store %s: there is no %s", s->path, name);
}

/* The record of a result: its bytes are in `bytes` then. */
static int
load_record(struct dir_store *s, const struct digest *key, const char *name, struct record *r,
	struct buf *bytes, struct error *err)
{
	struct index_entry e;
	int rc;

	pthread_mutex_lock(&s->index_lock);
	rc = index_find_locked(s, key, &e, err);
	if (rc == 0)
		rc = log_read_record(s, &s->logs[e.log], e.at, r, bytes, err);
	pthread_mutex_unlock(&s->index_lock);
	if (rc == ERR_MISSING || (rc == 0 && r->json_bytes == 0))
		return missing(s, name, err);
	return rc;
}

static int
open_file(struct dir_store *s, const char *path, const char *name, int *fd, int64_t *size_bytes,
	struct error *err)
{
	struct stat st;

	*fd = openat(s->dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0 && errno == ENOENT)
		return missing(s, name, err);
	if (*fd < 0 || fstat(*fd, &st) < 0) {
		int rc = error_set_errno(err, ERR_HOST, errno, "store %s: open %s", s->path, name);

		if (*fd >= 0)
			close(*fd);
		return rc;
	}
	*size_bytes = st.st_size;
	return 0;
}

static int
open_bytes(struct dir_store *s, struct str bytes, const char *name, int *fd, int64_t *size_bytes,
	struct error *err)
{
	int rc;

	*fd = memfd_create("furrow-object", MFD_CLOEXEC);
	rc = *fd < 0 ? -errno : io_write_all(*fd, bytes.p, bytes.n);
	if (rc == 0 && lseek(*fd, 0, SEEK_SET) < 0)
		rc = -errno;
	*size_bytes = (int64_t)bytes.n;
	if (rc == 0)
		return 0;
	if (*fd >= 0)
		close(*fd);
	return error_set_errno(err, ERR_HOST, -rc, "store %s: open %s", s->path, name);
}

static int
open_part_file(struct dir_store *s, const struct record *r, enum part part, const char *name,
	int *fd, int64_t *size_bytes, struct error *err)
{
	char path[STORE_PATH_BYTES];
	int rc;

	dir_part_path(path, r, part);
	rc = open_file(s, path, name, fd, size_bytes, err);
	if (rc < 0)
		return rc;
	if ((uint64_t)*size_bytes != r->parts[part].bytes) {
		close(*fd);
		return error_set(err, ERR_HOST,
			"store %s: %s has %lld bytes, %llu were written; `furrow gc` removes it",
			s->path, path, (long long)*size_bytes,
			(unsigned long long)r->parts[part].bytes);
	}
	return 0;
}

int
dir_open(struct store *store, const struct store_name *name, int *fd, int64_t *size_bytes,
	struct error *err)
{
	struct dir_store *s = dir_of(store);
	struct record r = {0};
	struct buf bytes = {0};
	int rc;

	if (!name->is_result)
		return open_file(s, name->text, name->text, fd, size_bytes, err);
	rc = load_record(s, &name->key, name->text, &r, &bytes, err);
	if (rc == 0 && name->is_json)
		rc = open_bytes(
			s, record_json(&r, buf_str(&bytes)), name->text, fd, size_bytes, err);
	else if (rc == 0 && r.parts[name->part].bytes == 0)
		rc = missing(s, name->text, err);
	else if (rc == 0 && r.parts[name->part].in_file)
		rc = open_part_file(s, &r, name->part, name->text, fd, size_bytes, err);
	else if (rc == 0)
		rc = open_bytes(s, record_inline_part(&r, name->part, buf_str(&bytes)), name->text,
			fd, size_bytes, err);
	buf_free(&bytes);
	return rc;
}

static int
get_file(struct dir_store *s, struct arena *a, const struct store_name *name, struct str *bytes,
	struct error *err)
{
	int64_t size = 0;
	ssize_t n;
	char *p;
	int fd = -1, rc = dir_open(&s->base, name, &fd, &size, err);

	if (rc < 0)
		return rc;
	if (size > STORE_GET_BYTES) {
		close(fd);
		return error_set(err, ERR_HOST,
			"store %s: %s is too large to be read at once (%lld bytes)", s->path,
			name->text, (long long)size);
	}
	p = arena_alloc(a, (size_t)size + 1);
	n = io_read_at(fd, p, (size_t)size, 0);
	close(fd);
	if (n < 0)
		return error_set_errno(
			err, ERR_HOST, (int)-n, "store %s: read %s", s->path, name->text);
	*bytes = (struct str){.p = p, .n = (size_t)n};
	return 0;
}

int
dir_get(struct store *store, struct arena *a, const struct store_name *name, struct str *bytes,
	struct error *err)
{
	struct dir_store *s = dir_of(store);
	struct record r;
	struct buf record = {0};
	struct str in_record = {0};
	int rc;

	if (!name->is_result)
		return get_file(s, a, name, bytes, err);
	rc = load_record(s, &name->key, name->text, &r, &record, err);
	if (rc == 0)
		in_record = name->is_json ? record_json(&r, buf_str(&record))
					  : record_inline_part(&r, name->part, buf_str(&record));
	if (in_record.p)
		*bytes = arena_str(a, in_record);
	else if (rc == 0)
		rc = get_file(s, a, name, bytes, err);
	buf_free(&record);
	return rc;
}

static int
put_file(struct dir_store *s, const char *temporary, const char *path, struct str bytes)
{
	int fd = openat(s->dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int rc;

	if (fd < 0)
		return -errno;
	rc = io_write_all(fd, bytes.p, bytes.n);
	if (rc == 0 && fdatasync(fd) < 0)
		rc = -errno;
	close(fd);
	if (rc == 0)
		rc = dir_make_parents(s, path);
	if (rc == 0 && renameat(s->dir_fd, temporary, s->dir_fd, path) < 0)
		rc = -errno;
	if (rc == 0)
		return dir_sync_parent(s, path);
	unlinkat(s->dir_fd, temporary, 0);
	return rc;
}

int
dir_put(struct store *store, const struct store_name *name, struct str bytes, struct error *err)
{
	struct dir_store *s = dir_of(store);
	char temporary[STORE_PATH_BYTES];
	int rc = writer_temporary(s, temporary, err);

	if (rc < 0)
		return rc;
	rc = put_file(s, temporary, name->text, bytes);
	return rc < 0 ? error_set_errno(err, ERR_HOST, -rc, "store %s: put %s", s->path, name->text)
		      : 0;
}

int
dir_remove(struct store *store, const struct store_name *name, struct error *err)
{
	struct dir_store *s = dir_of(store);
	int rc;

	if (name->is_result)
		return commit_remove_result(s, &name->key, err);
	if (unlinkat(s->dir_fd, name->text, 0) < 0)
		rc = errno == ENOENT ? 0 : -errno;
	else
		rc = dir_sync_parent(s, name->text);
	return rc < 0 ? error_set_errno(
				err, ERR_HOST, -rc, "store %s: remove %s", s->path, name->text)
		      : 0;
}

int
dir_list_results(
	struct store *store, struct arena *a, struct digest **keys, size_t *n, struct error *err)
{
	struct dir_store *s = dir_of(store);
	int rc;

	*keys = NULL;
	*n = 0;
	pthread_mutex_lock(&s->index_lock);
	rc = index_refresh_locked(s, err);
	if (rc == 0) {
		index_sort_locked(s);
		*keys = ARENA_ARRAY(a, struct digest, s->n_entries);
		for (size_t i = 0; i < s->n_entries; i++) {
			if (!s->entries[i].removed)
				(*keys)[(*n)++] = s->entries[i].key;
		}
	}
	pthread_mutex_unlock(&s->index_lock);
	return rc;
}

static int
by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Names of what is in one folder: the folder's objects have no further '/'. */
int
dir_list(struct store *store, struct arena *a, const char *folder, struct strings *out,
	struct error *err)
{
	struct dir_store *s = dir_of(store);
	int fd = openat(s->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t cap = 0;

	if (!d) {
		int rc = errno == ENOENT ? 0
					 : error_set_errno(err, ERR_HOST, errno,
						   "store %s: list %s", s->path, folder);

		if (fd >= 0)
			close(fd);
		return rc;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (out->n == cap) {
			struct str *more;

			cap = cap ? cap * 2 : 16;
			more = ARENA_ARRAY(a, struct str, cap);
			if (out->n)
				memcpy(more, out->v, out->n * sizeof(*more));
			out->v = more;
		}
		out->v[out->n++] = arena_str(a, str_from(e->d_name));
	}
	closedir(d);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), by_bytes);
	return 0;
}
