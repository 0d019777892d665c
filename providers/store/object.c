/* object: the objects of a folder store by name. Results are looked up in the logs (index.c) and
 * put by commit.c; the others are plain files: written under a temporary name, synced, renamed,
 * their folder synced. */
#include "providers/store/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the name of an object leads to. */
struct object {
	bool is_result;
	struct digest key;
	bool is_json;
	enum part part;
	char path[STORE_PATH_BYTES]; /* of anything but a result: relative to the store */
};

void
store_result_name(char out[STORE_NAME_BYTES], const struct digest *key, const char *part)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, key);
	snprintf(out, STORE_NAME_BYTES, "results/%.2s/%s%s%s", hex, hex + 2, part ? "." : "",
		part ? part : "");
}

static bool
parse_result_name(struct str name, struct object *out)
{
	char hex[DIGEST_HEX_BYTES];
	struct str rest = str_from_index(name, sizeof("results/") - 1);

	if (rest.n < 2 + 1 + 62 || rest.p[2] != '/')
		return false;
	snprintf(hex, sizeof(hex), "%.2s%.62s", rest.p, rest.p + 3);
	if (!digest_parse(str_from(hex), &out->key))
		return false;
	rest = str_from_index(rest, 2 + 1 + 62);
	out->is_json = rest.n == 0;
	return out->is_json ||
	       (rest.p[0] == '.' && record_part_parse(str_from_index(rest, 1), &out->part));
}

static bool
is_plain_path(struct str name)
{
	while (name.p) {
		struct str part = str_cut(&name, '/');

		if (part.n == 0 || part.p[0] == '.')
			return false;
		for (size_t i = 0; i < part.n; i++) {
			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "._-",
				    part.p[i]))
				return false;
		}
	}
	return true;
}

static int
parse_name(const struct store *s, const char *name, struct object *out, struct error *err)
{
	struct str n = str_from(name);

	*out = (struct object){.is_result = str_starts(n, STR("results/"))};
	if (out->is_result && parse_result_name(n, out))
		return 0;
	if (!out->is_result && n.n < STORE_NAME_BYTES && is_plain_path(n) &&
		(str_starts(n, STR("history/")) || str_starts(n, STR("blobs/")))) {
		snprintf(out->path, sizeof(out->path), "%s", name);
		return 0;
	}
	return error_set(
		err, ERR_INTERNAL, "store %s: '%s' is no name of an object", s->path, name);
}

static int
missing(const struct store *s, const char *name, struct error *err)
{
	return error_set(err, ERR_MISSING, "store %s: there is no %s", s->path, name);
}

/* The record of a result: its bytes are in `bytes` then. */
static int
load_record(struct store *s, const struct digest *key, const char *name, struct record *r,
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
open_file(struct store *s, const char *path, const char *name, int *fd, int64_t *size_bytes,
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
open_bytes(struct store *s, struct str bytes, const char *name, int *fd, int64_t *size_bytes,
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
open_part_file(struct store *s, const struct record *r, enum part part, const char *name, int *fd,
	int64_t *size_bytes, struct error *err)
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
store_open(struct store *s, const char *name, int *fd, int64_t *size_bytes, struct error *err)
{
	struct object o = {0};
	struct record r = {0};
	struct buf bytes = {0};
	int rc = parse_name(s, name, &o, err);

	if (rc < 0)
		return rc;
	if (!o.is_result)
		return open_file(s, o.path, name, fd, size_bytes, err);
	rc = load_record(s, &o.key, name, &r, &bytes, err);
	if (rc == 0 && o.is_json)
		rc = open_bytes(s, record_json(&r, buf_str(&bytes)), name, fd, size_bytes, err);
	else if (rc == 0 && r.parts[o.part].bytes == 0)
		rc = missing(s, name, err);
	else if (rc == 0 && r.parts[o.part].in_file)
		rc = open_part_file(s, &r, o.part, name, fd, size_bytes, err);
	else if (rc == 0)
		rc = open_bytes(s, record_inline_part(&r, o.part, buf_str(&bytes)), name, fd,
			size_bytes, err);
	buf_free(&bytes);
	return rc;
}

static int
get_file(struct store *s, struct arena *a, const char *name, struct str *bytes, struct error *err)
{
	int64_t size = 0;
	ssize_t n;
	char *p;
	int fd = -1, rc = store_open(s, name, &fd, &size, err);

	if (rc < 0)
		return rc;
	if (size > STORE_GET_BYTES) {
		close(fd);
		return error_set(err, ERR_HOST,
			"store %s: %s is too large to be read at once (%lld bytes)", s->path, name,
			(long long)size);
	}
	p = arena_alloc(a, (size_t)size + 1);
	n = io_read_at(fd, p, (size_t)size, 0);
	close(fd);
	if (n < 0)
		return error_set_errno(err, ERR_HOST, (int)-n, "store %s: read %s", s->path, name);
	*bytes = (struct str){.p = p, .n = (size_t)n};
	return 0;
}

int
store_get(struct store *s, struct arena *a, const char *name, struct str *bytes, struct error *err)
{
	struct object o;
	struct record r;
	struct buf record = {0};
	struct str in_record = {0};
	int rc = parse_name(s, name, &o, err);

	if (rc < 0)
		return rc;
	if (!o.is_result)
		return get_file(s, a, name, bytes, err);
	rc = load_record(s, &o.key, name, &r, &record, err);
	if (rc == 0)
		in_record = o.is_json ? record_json(&r, buf_str(&record))
				      : record_inline_part(&r, o.part, buf_str(&record));
	if (in_record.p)
		*bytes = arena_str(a, in_record);
	else if (rc == 0)
		rc = get_file(s, a, name, bytes, err);
	buf_free(&record);
	return rc;
}

static int
put_file(struct store *s, const char *temporary, const char *path, struct str bytes)
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
store_put(struct store *s, const char *name, struct str bytes, struct error *err)
{
	char temporary[STORE_PATH_BYTES];
	struct object o;
	int rc = parse_name(s, name, &o, err);

	if (rc < 0)
		return rc;
	if (o.is_result)
		return error_set(err, ERR_INTERNAL,
			"store %s: put %s: results are put by store_result_commit", s->path, name);
	rc = writer_temporary(s, temporary, err);
	if (rc < 0)
		return rc;
	rc = put_file(s, temporary, o.path, bytes);
	return rc < 0 ? error_set_errno(err, ERR_HOST, -rc, "store %s: put %s", s->path, name) : 0;
}

int
store_remove(struct store *s, const char *name, struct error *err)
{
	struct object o;
	int rc = parse_name(s, name, &o, err);

	if (rc < 0)
		return rc;
	if (o.is_result && !o.is_json)
		return error_set(err, ERR_INTERNAL,
			"store %s: remove %s: a result is removed as a whole", s->path, name);
	if (o.is_result)
		return commit_remove_result(s, &o.key, err);
	if (unlinkat(s->dir_fd, o.path, 0) < 0)
		return errno == ENOENT ? 0
				       : error_set_errno(err, ERR_HOST, errno,
						 "store %s: remove %s", s->path, name);
	rc = dir_sync_parent(s, o.path);
	return rc < 0 ? error_set_errno(err, ERR_HOST, -rc, "store %s: remove %s", s->path, name)
		      : 0;
}

int
store_list_results(
	struct store *s, struct arena *a, struct digest **keys, size_t *n, struct error *err)
{
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
