/* index: which result is where in the logs of a folder store, and which log this store appends
 * to.
 *
 * A log is read once, hopping from header to header; later only what was appended since. Nothing
 * is cut or changed here but the torn end of a log whose lock is held. */
#include "providers/store/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 256 << 10, LOG_ID_DIGITS = 16, MAX_LOGS = 1 << 15 };

static bool
is_log_name(const char *name)
{
	return strlen(name) == LOG_ID_DIGITS + 4 &&
	       strspn(name, "0123456789abcdef") == LOG_ID_DIGITS &&
	       strcmp(name + LOG_ID_DIGITS, ".log") == 0;
}

void
index_add_locked(struct dir_store *s, const struct record *r, size_t log, uint64_t at)
{
	if (s->n_entries == s->cap_entries) {
		s->cap_entries = s->cap_entries ? s->cap_entries + s->cap_entries / 2 : 256;
		s->entries = mem_realloc(s->entries, s->cap_entries * sizeof(*s->entries));
	}
	s->entries[s->n_entries++] = (struct index_entry){.key = r->key,
		.wall_ns = r->wall_ns,
		.log = log & (MAX_LOGS - 1),
		.removed = r->json_bytes == 0,
		.at = at & ((UINT64_C(1) << 48) - 1)};
	s->sorted = false;
	if (r->wall_ns > s->last_wall_ns)
		s->last_wall_ns = r->wall_ns;
}

void
index_forget_locked(struct dir_store *s)
{
	for (size_t i = 0; i < s->n_logs; i++)
		close(s->logs[i].fd);
	free(s->logs);
	free(s->entries);
	s->logs = NULL;
	s->entries = NULL;
	s->n_logs = s->n_entries = s->cap_entries = 0;
	s->own = -1;
	s->sorted = true;
}

static int
scan_failed(const struct dir_store *s, const struct store_log *log, ssize_t n, struct error *err)
{
	return error_set_errno(
		err, ERR_HOST, (int)-n, "store %s: read results/%s", s->path, log->name);
}

int
index_scan_locked(struct dir_store *s, size_t which, struct error *err)
{
	struct store_log *log = &s->logs[which];
	uint64_t at = log->end, chunk_at = at;
	struct stat st;
	char *chunk;
	ssize_t have = 0;

	if (fstat(log->fd, &st) < 0)
		return scan_failed(s, log, -errno, err);
	log->torn = log->damaged = false;
	if ((uint64_t)st.st_size == at)
		return 0;
	chunk = mem_alloc(CHUNK_BYTES);
	while (at < (uint64_t)st.st_size) {
		struct record r;

		if (at + RECORD_HEADER_BYTES > chunk_at + (uint64_t)have) {
			chunk_at = at;
			have = io_read_at(log->fd, chunk, CHUNK_BYTES, at);
			if (have < 0)
				break;
		}
		if (have - (ssize_t)(at - chunk_at) < RECORD_HEADER_BYTES) {
			log->torn = record_is_torn(chunk, (size_t)have);
			log->damaged = !log->torn;
			break;
		}
		log->damaged = !record_parse(chunk + (at - chunk_at), &r);
		if (log->damaged)
			break;
		log->torn = record_bytes(&r) > (uint64_t)st.st_size - at;
		if (log->torn)
			break;
		index_add_locked(s, &r, which, at);
		at += record_bytes(&r);
	}
	free(chunk);
	log->end = at;
	return have < 0 ? scan_failed(s, log, have, err) : 0;
}

static int
open_log(struct dir_store *s, const char *name, struct error *err)
{
	struct store_log log = {.fd = -1};
	char path[STORE_PATH_BYTES];
	struct stat st;

	snprintf(path, sizeof(path), "results/%s", name);
	snprintf(log.name, sizeof(log.name), "%s", name);
	log.fd = openat(s->dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (log.fd < 0 && errno == ENOENT)
		return 0;
	if (log.fd < 0 || fstat(log.fd, &st) < 0) {
		int rc = scan_failed(s, &log, -errno, err);

		if (log.fd >= 0)
			close(log.fd);
		return rc;
	}
	if (!S_ISREG(st.st_mode) || s->n_logs == MAX_LOGS) {
		close(log.fd);
		return 0;
	}
	log.dev = st.st_dev;
	log.ino = st.st_ino;
	s->logs = mem_realloc(s->logs, (s->n_logs + 1) * sizeof(*s->logs));
	s->logs[s->n_logs++] = log;
	return 0;
}

static struct store_log *
find_log(struct dir_store *s, const char *name)
{
	for (size_t i = 0; i < s->n_logs; i++) {
		if (strcmp(s->logs[i].name, name) == 0)
			return &s->logs[i];
	}
	return NULL;
}

/* Whether the name still leads to the file that is open: gc puts another one in its place. */
static bool
is_at_its_name(const struct dir_store *s, const char *name, int fd)
{
	char path[STORE_PATH_BYTES];
	struct stat a, b;

	snprintf(path, sizeof(path), "results/%s", name);
	return fstat(fd, &a) == 0 && fstatat(s->dir_fd, path, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int
list_logs(struct dir_store *s, struct error *err)
{
	int fd = openat(s->dir_fd, "results", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (!d) {
		rc = errno == ENOENT ? 0
				     : error_set_errno(err, ERR_HOST, errno,
					       "store %s: list results", s->path);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (rc == 0 && (e = readdir(d))) {
		if (is_log_name(e->d_name) && !find_log(s, e->d_name))
			rc = open_log(s, e->d_name, err);
	}
	closedir(d);
	return rc;
}

int
index_refresh_locked(struct dir_store *s, struct error *err)
{
	int rc;

	for (size_t i = 0; i < s->n_logs; i++) {
		if (!is_at_its_name(s, s->logs[i].name, s->logs[i].fd)) {
			index_forget_locked(s);
			break;
		}
	}
	rc = list_logs(s, err);
	for (size_t i = 0; rc == 0 && i < s->n_logs; i++)
		rc = index_scan_locked(s, i, err);
	return rc;
}

static int
by_key_then_time(const void *a, const void *b)
{
	const struct index_entry *x = a, *y = b;
	int c = digest_cmp(&x->key, &y->key);

	if (c)
		return c;
	if (x->wall_ns != y->wall_ns)
		return x->wall_ns < y->wall_ns ? -1 : 1;
	if (x->log != y->log)
		return x->log < y->log ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

void
index_sort_locked(struct dir_store *s)
{
	size_t kept = 0;

	if (s->sorted)
		return;
	qsort(s->entries, s->n_entries, sizeof(*s->entries), by_key_then_time);
	for (size_t i = 0; i < s->n_entries; i++) {
		bool is_last = i + 1 == s->n_entries ||
			       digest_cmp(&s->entries[i].key, &s->entries[i + 1].key) != 0;

		if (is_last)
			s->entries[kept++] = s->entries[i];
	}
	s->n_entries = kept;
	s->sorted = true;
}

static int
by_key(const void *key, const void *entry)
{
	return digest_cmp(key, &((const struct index_entry *)entry)->key);
}

int
index_find_locked(
	struct dir_store *s, const struct digest *key, struct index_entry *out, struct error *err)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		const struct index_entry *e;
		int rc;

		index_sort_locked(s);
		e = s->n_entries ? bsearch(key, s->entries, s->n_entries, sizeof(*e), by_key)
				 : NULL;
		if (e) {
			*out = *e;
			return 0;
		}
		rc = attempt == 0 ? index_refresh_locked(s, err) : 0;
		if (rc < 0)
			return rc;
	}
	return ERR_MISSING;
}

int
log_try_lock(struct dir_store *s, const char *name, int *fd, struct error *err)
{
	char path[STORE_PATH_BYTES];

	snprintf(path, sizeof(path), "results/%s", name);
	*fd = openat(s->dir_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0 && errno == ENOENT)
		return 0;
	if (*fd < 0)
		return error_set_errno(
			err, ERR_HOST, errno, "store %s: open %s for writing", s->path, path);
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0 && is_at_its_name(s, name, *fd))
		return 1;
	close(*fd);
	return 0;
}

/* Takes up a log that nobody holds. 1 when it could be had. */
static int
adopt(struct dir_store *s, size_t which, struct error *err)
{
	struct store_log *log = &s->logs[which];
	int fd, rc = log->damaged ? 0 : log_try_lock(s, log->name, &fd, err);

	if (rc <= 0)
		return rc;
	close(log->fd);
	log->fd = fd;
	rc = index_scan_locked(s, which, err); /* up to what its last holder wrote */
	if (rc == 0 && log->torn && ftruncate(fd, (off_t)log->end) < 0)
		rc = error_set_errno(err, ERR_HOST, errno,
			"store %s: cut the torn end of results/%s", s->path, log->name);
	if (rc < 0 || log->damaged) {
		flock(fd, LOCK_UN);
		return rc;
	}
	log->torn = false;
	s->own = (int)which;
	return 1;
}

static int
create_log(struct dir_store *s, struct error *err)
{
	char id[LOG_ID_DIGITS + 1], path[STORE_PATH_BYTES];
	int fd, rc;

	dir_random_hex(id, LOG_ID_DIGITS);
	snprintf(path, sizeof(path), "results/%s.log", id);
	rc = dir_make_parents(s, path);
	if (rc < 0)
		return error_set_errno(err, ERR_HOST, -rc, "store %s: make results", s->path);
	fd = openat(s->dir_fd, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "store %s: create %s", s->path, path);
	close(fd);
	rc = dir_sync_parent(s, path);
	if (rc < 0)
		return error_set_errno(err, ERR_HOST, -rc, "store %s: sync results", s->path);
	return open_log(s, path + strlen("results/"), err);
}

int
index_own_locked(struct dir_store *s, struct error *err)
{
	int rc;

	/* Somebody may have removed the store meanwhile: nothing is to be written into a file
	 * without a name. */
	if (s->own >= 0 && is_at_its_name(s, s->logs[s->own].name, s->logs[s->own].fd))
		return 0;
	rc = index_refresh_locked(s, err);
	if (rc < 0)
		return rc;
	for (;;) {
		size_t before = s->n_logs;

		for (size_t i = 0; i < s->n_logs; i++) {
			rc = adopt(s, i, err);
			if (rc != 0)
				return rc < 0 ? rc : 0;
		}
		rc = create_log(s, err);
		if (rc < 0)
			return rc;
		if (s->n_logs == before)
			return error_set(
				err, ERR_HOST, "store %s: too many logs in results", s->path);
	}
}

static int
damaged(const struct dir_store *s, const struct store_log *log, uint64_t at, struct error *err)
{
	return error_set(err, ERR_HOST,
		"store %s: results/%s is damaged at byte %llu (it is not as it was written); "
		"`furrow gc` removes "
		"the damaged result, the next apply makes it anew",
		s->path, log->name, (unsigned long long)at);
}

int
log_read_record(const struct dir_store *s, const struct store_log *log, uint64_t at,
	struct record *out, struct buf *bytes, struct error *err)
{
	enum { GUESS_BYTES = 4096 }; /* most records are smaller: one read */
	ssize_t n;
	size_t whole;

	buf_clear(bytes);
	n = io_read_at(log->fd, buf_reserve(bytes, GUESS_BYTES), GUESS_BYTES, at);
	if (n < 0)
		return scan_failed(s, log, n, err);
	if (n < RECORD_HEADER_BYTES || !record_parse(bytes->p, out))
		return damaged(s, log, at, err);
	whole = (size_t)record_bytes(out);
	bytes->n = (size_t)n < whole ? (size_t)n : whole;
	if (bytes->n < whole) {
		size_t rest = whole - bytes->n;

		n = io_read_at(log->fd, buf_reserve(bytes, rest), rest, at + bytes->n);
		if (n < 0)
			return scan_failed(s, log, n, err);
		bytes->n += (size_t)n;
	}
	return record_check(buf_str(bytes)) ? 0 : damaged(s, log, at, err);
}
