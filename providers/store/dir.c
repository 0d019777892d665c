/* dir: the folder store: opening it, and its objects. The layout stands in dir.h. Objects other than results are plain
 * files: written under a temporary name, synced, renamed, their folder synced. */
#include "providers/store/dir.h"

#include "planner/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER "furrow-store"
#define MARKER_NEW ".furrow-store.new"

/* What the name of an object leads to. */
struct object {
	bool is_result;
	struct digest key;
	bool is_json;
	enum part part;
	char path[STORE_PATH_BYTES]; /* of anything but a result: relative to the store */
};

int
dir_write_all(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		ssize_t wrote = write(fd, p, n);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return wrote < 0 ? -errno : -EIO;
		p += wrote;
		n -= (size_t)wrote;
	}
	return 0;
}

ssize_t
dir_read_at(int fd, void *bytes, size_t n, uint64_t at)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = pread(fd, (char *)bytes + have, n - have, (off_t)(at + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

void
dir_random_hex(char *out, size_t digits)
{
	uint8_t random[16] = {0};

	for (size_t i = 0; i < digits; i++) {
		if (i % (2 * sizeof(random)) == 0 && getrandom(random, sizeof(random), 0) < 0)
			abort(); /* cannot fail for so few bytes */
		out[i] = "0123456789abcdef"[random[i / 2 % sizeof(random)] >> (i % 2 * 4) & 15];
	}
	out[digits] = '\0';
}

void
dir_part_path(char out[STORE_PATH_BYTES], const struct record *r, enum part part)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &r->key);
	snprintf(out, STORE_PATH_BYTES, "parts/%.2s/%s.%s.%s", hex, hex + 2, r->owner, record_part_name(part));
}

static int
sync_folder(struct store *s, const char *path)
{
	int fd = openat(s->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fsync(fd) < 0 && errno != EINVAL ? -errno : 0; /* EINVAL: nothing to sync there */
	close(fd);
	return rc;
}

int
dir_sync_parent(struct store *s, const char *path)
{
	char parent[STORE_PATH_BYTES];
	const char *slash = strrchr(path, '/');

	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	return sync_folder(s, parent);
}

int
dir_make_parents(struct store *s, const char *path)
{
	char parent[STORE_PATH_BYTES];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		int rc;

		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (mkdirat(s->dir_fd, parent, 0777) < 0) {
			if (errno == EEXIST)
				continue;
			return -errno;
		}
		rc = dir_sync_parent(s, parent);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* 1: it is a store, 0: there is no marker, < 0: a store that this furrow cannot take. */
static int
check_marker(int dir_fd, const char *path, struct error *err)
{
	char text[32];
	int64_t version;
	ssize_t n;
	int fd = openat(dir_fd, MARKER, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "open store %s: read " MARKER, path);
	n = dir_read_at(fd, text, sizeof(text), 0);
	close(fd);
	if (n < 0)
		return error_set_errno(err, ERR_HOST, (int)-n, "open store %s: read " MARKER, path);
	if (!str_to_i64(str_trim((struct str){.p = text, .n = (size_t)n}), &version) || version < 1)
		return error_set(err, ERR_INPUT,
			"open store %s: its file " MARKER " holds no version; if this is a store, write \"1\" into it, "
			"else name another folder as `store`",
			path);
	if (version > STORE_VERSION)
		return error_set(err, ERR_INPUT,
			"open store %s: it was made by a newer furrow (store version %lld, this furrow knows %d); use "
			"that furrow, or name another folder as `store`",
			path, (long long)version, STORE_VERSION);
	return 1;
}

static int
is_empty(int dir_fd, bool *empty)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	*empty = true;
	if (!d) {
		int rc = -errno;

		if (fd >= 0)
			close(fd);
		return rc;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, MARKER_NEW))
			*empty = false;
	}
	closedir(d);
	return 0;
}

static int
write_marker(int dir_fd)
{
	char text[16];
	int fd, rc;

	fd = openat(dir_fd, MARKER_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%d\n", STORE_VERSION);
	rc = dir_write_all(fd, text, strlen(text));
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	close(fd);
	if (rc == 0 && renameat(dir_fd, MARKER_NEW, dir_fd, MARKER) < 0)
		rc = -errno;
	if (rc < 0)
		unlinkat(dir_fd, MARKER_NEW, 0);
	else if (fsync(dir_fd) < 0 && errno != EINVAL)
		rc = -errno;
	return rc;
}

/* Makes an empty folder a store; ERR_MISSING for one when not `create`. */
static int
init(int dir_fd, const char *path, bool create, struct error *err)
{
	bool empty;
	int rc = is_empty(dir_fd, &empty);

	if (rc == 0 && !empty)
		return error_set(err, ERR_INPUT,
			"open store %s: the folder is not empty and is no furrow store (it has no file " MARKER
			"); name an empty or a new folder as `store`",
			path);
	if (rc == 0 && !create)
		return error_set(err, ERR_MISSING, "open store %s: there is no store yet", path);
	if (rc == 0)
		rc = write_marker(dir_fd);
	return rc < 0 ? error_set_errno(err, ERR_HOST, -rc, "make store %s", path) : 0;
}

static int
check_or_init(int dir_fd, const char *path, bool create, struct error *err)
{
	int rc = check_marker(dir_fd, path, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	flock(dir_fd, LOCK_EX); /* another process may be at it as well; without locks: then without */
	rc = check_marker(dir_fd, path, err);
	if (rc == 0)
		rc = init(dir_fd, path, create, err);
	flock(dir_fd, LOCK_UN);
	return rc < 0 ? rc : 0;
}

/* mkdir -p; 0, or -errno of the last one. */
static int
make_folders(const char *path)
{
	struct buf b = {0};
	int rc;

	for (const char *p = path; *p; p++) {
		if (*p == '/' && p > path) {
			buf_clear(&b);
			buf_add(&b, path, (size_t)(p - path));
			mkdir(buf_cstr(&b), 0777);
		}
	}
	rc = mkdir(path, 0777) < 0 && errno != EEXIST ? -errno : 0;
	buf_free(&b);
	return rc;
}

static int
open_folder(const char *path, bool create, int *fd, struct error *err)
{
	int made = create ? make_folders(path) : 0;

	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	if (errno == ENOTDIR || made == -ENOTDIR)
		return error_set_errno(err, ERR_INPUT, ENOTDIR, "open store %s (name a folder as `store`)", path);
	if (made < 0)
		return error_set_errno(err, ERR_HOST, -made, "make store %s", path);
	return error_set_errno(err, errno == ENOENT ? ERR_MISSING : ERR_HOST, errno, "open store %s", path);
}

int
store_open_dir(struct store **out, const char *path, bool create, struct error *err)
{
	struct store *s;
	int fd, rc;

	*out = NULL;
	rc = open_folder(path, create, &fd, err);
	if (rc < 0)
		return rc;
	rc = check_or_init(fd, path, create, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	s = mem_alloc(sizeof(*s));
	*s = (struct store){.dir_fd = fd, .own = -1, .writer_fd = -1, .sorted = true};
	s->path = mem_alloc(strlen(path) + 1);
	memcpy(s->path, path, strlen(path) + 1);
	pthread_mutex_init(&s->index_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	*out = s;
	return 0;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	commit_drain(s);
	writer_close(s);
	index_forget_locked(s);
	close(s->dir_fd);
	pthread_mutex_destroy(&s->index_lock);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->work);
	free(s->path);
	free(s);
}

const char *
store_where(const struct store *s)
{
	return s->path;
}

void
store_result_name(char out[STORE_NAME_BYTES], const struct digest *key, const char *part)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, key);
	snprintf(out, STORE_NAME_BYTES, "results/%.2s/%s%s%s", hex, hex + 2, part ? "." : "", part ? part : "");
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
	return out->is_json || (rest.p[0] == '.' && record_part_parse(str_from_index(rest, 1), &out->part));
}

static bool
is_plain_path(struct str name)
{
	while (name.p) {
		struct str part = str_cut(&name, '/');

		if (part.n == 0 || part.p[0] == '.')
			return false;
		for (size_t i = 0; i < part.n; i++) {
			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", part.p[i]))
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
	return error_set(err, ERR_INTERNAL, "store %s: '%s' is no name of an object", s->path, name);
}

static int
missing(const struct store *s, const char *name, struct error *err)
{
	return error_set(err, ERR_MISSING, "store %s: there is no %s", s->path, name);
}

/* The record of a result: its bytes are in `bytes` then. */
static int
load_record(struct store *s, const struct digest *key, const char *name, struct record *r, struct buf *bytes,
	struct error *err)
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
open_file(struct store *s, const char *path, const char *name, int *fd, int64_t *size_bytes, struct error *err)
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
open_bytes(struct store *s, struct str bytes, const char *name, int *fd, int64_t *size_bytes, struct error *err)
{
	int rc;

	*fd = memfd_create("furrow-object", MFD_CLOEXEC);
	rc = *fd < 0 ? -errno : dir_write_all(*fd, bytes.p, bytes.n);
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
	if (rc == 0 && (uint64_t)*size_bytes != r->parts[part].bytes) {
		close(*fd);
		return error_set(err, ERR_HOST, "store %s: %s has %lld bytes, %llu were written; `furrow gc` removes it",
			s->path, path, (long long)*size_bytes, (unsigned long long)r->parts[part].bytes);
	}
	return rc;
}

int
store_open(struct store *s, const char *name, int *fd, int64_t *size_bytes, struct error *err)
{
	struct object o;
	struct record r;
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
		rc = open_bytes(s, record_inline_part(&r, o.part, buf_str(&bytes)), name, fd, size_bytes, err);
	buf_free(&bytes);
	return rc;
}

static int
get_file(struct store *s, struct arena *a, const char *name, struct str *bytes, struct error *err)
{
	int64_t size;
	ssize_t n;
	char *p;
	int fd, rc = store_open(s, name, &fd, &size, err);

	if (rc < 0)
		return rc;
	if (size > STORE_GET_BYTES) {
		close(fd);
		return error_set(err, ERR_HOST, "store %s: %s is too large to be read at once (%lld bytes)", s->path,
			name, (long long)size);
	}
	p = arena_alloc(a, (size_t)size + 1);
	n = dir_read_at(fd, p, (size_t)size, 0);
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
	rc = dir_write_all(fd, bytes.p, bytes.n);
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
		return error_set(err, ERR_INTERNAL, "store %s: put %s: results are put by store_result_commit",
			s->path, name);
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
		return error_set(err, ERR_INTERNAL, "store %s: remove %s: a result is removed as a whole", s->path,
			name);
	if (o.is_result)
		return commit_remove_result(s, &o.key, err);
	if (unlinkat(s->dir_fd, o.path, 0) < 0)
		return errno == ENOENT ? 0
				       : error_set_errno(err, ERR_HOST, errno, "store %s: remove %s", s->path, name);
	rc = dir_sync_parent(s, o.path);
	return rc < 0 ? error_set_errno(err, ERR_HOST, -rc, "store %s: remove %s", s->path, name) : 0;
}

int
store_list_results(struct store *s, struct arena *a, struct digest **keys, size_t *n, struct error *err)
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
