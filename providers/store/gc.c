/* gc: removing from a folder store what nobody wants any more. A log is written anew without it,
 * beside the old one, and put in its place; then files go that no record names. Killed at any
 * moment, it leaves a store that is whole. */
#include "providers/store/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct owner {
	char name[RECORD_OWNER_BYTES];
};

struct collection {
	struct dir_store *s;
	struct digest *keep; /* sorted */
	size_t n_keep;
	int64_t before_wall_ns;
	bool dry;
	bool others;	      /* another process holds a log: what it may refer to stays */
	struct owner *owners; /* of part files that a kept record names */
	size_t n_owners, cap_owners;
	struct store_gc *count;
};

static int
compare_digests(const void *a, const void *b)
{
	return digest_cmp(a, b);
}

static int
compare_owners(const void *a, const void *b)
{
	return strcmp(((const struct owner *)a)->name, ((const struct owner *)b)->name);
}

static bool
has_files(const struct record *r)
{
	for (int i = 0; i < PART_COUNT; i++) {
		if (r->parts[i].in_file)
			return true;
	}
	return false;
}

static void
add_owner(struct collection *c, const struct record *r)
{
	if (!has_files(r))
		return;
	if (c->n_owners == c->cap_owners) {
		c->cap_owners = c->cap_owners ? c->cap_owners * 2 : 64;
		c->owners = mem_realloc(c->owners, c->cap_owners * sizeof(*c->owners));
	}
	memcpy(c->owners[c->n_owners++].name, r->owner, RECORD_OWNER_BYTES);
}

static bool
files_are_whole(const struct dir_store *s, const struct record *r)
{
	for (int i = 0; i < PART_COUNT; i++) {
		char path[STORE_PATH_BYTES];
		struct stat st;

		if (!r->parts[i].in_file)
			continue;
		dir_part_path(path, r, (enum part)i);
		if (fstatat(s->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode) || (uint64_t)st.st_size != r->parts[i].bytes)
			return false;
	}
	return true;
}

static int64_t
all_bytes(const struct record *r)
{
	uint64_t n = record_bytes(r);

	for (int i = 0; i < PART_COUNT; i++)
		n += r->parts[i].in_file ? r->parts[i].bytes : 0;
	return (int64_t)n;
}

/* Whether a record stays. Counts it when it doesn't. */
static bool
stays(struct collection *c, const struct index_entry *e, const struct record *r, bool is_whole)
{
	struct index_entry latest;
	bool is_latest = index_find_locked(c->s, &e->key, &latest, NULL) == 0 &&
			 latest.log == e->log && latest.at == e->at;

	if (is_latest && is_whole && e->removed)
		return c->others; /* it may speak of a result in a log that stays as it is */
	if (is_latest && is_whole &&
		(e->wall_ns >= c->before_wall_ns ||
			(c->n_keep && bsearch(&e->key, c->keep, c->n_keep, sizeof(*c->keep),
					      compare_digests))))
		return true;
	if (is_latest) {
		c->count->n_results++;
		c->count->n_damaged += !is_whole;
	}
	c->count->bytes += all_bytes(r);
	return false;
}

/* What of one log stays, and whether that is all of it. */
struct survey {
	struct index_entry *v; /* by offset */
	size_t n;
	bool all;
};

static int
by_place(const void *a, const void *b)
{
	const struct index_entry *x = a, *y = b;

	if (x->log != y->log)
		return x->log < y->log ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void
survey_log(struct collection *c, size_t which, const struct index_entry *entries, size_t n,
	struct survey *out)
{
	struct store_log *log = &c->s->logs[which];
	struct buf bytes = {0};

	*out = (struct survey){
		.v = mem_alloc(n * sizeof(*out->v)), .all = !log->torn && !log->damaged};
	for (size_t i = 0; i < n; i++) {
		struct record r = {0};
		bool whole = log_read_record(c->s, log, entries[i].at, &r, &bytes, NULL) == 0 &&
			     files_are_whole(c->s, &r);

		if (stays(c, &entries[i], &r, whole)) {
			out->v[out->n++] = entries[i];
			add_owner(c, &r);
		} else {
			out->all = false;
		}
	}
	buf_free(&bytes);
}

static int
copy_records(struct dir_store *s, const struct store_log *log, const struct survey *survey, int fd,
	struct error *err)
{
	struct buf bytes = {0};
	struct record r;
	int rc = 0;

	for (size_t i = 0; i < survey->n && rc == 0; i++) {
		rc = log_read_record(s, log, survey->v[i].at, &r, &bytes, err);
		if (rc == 0) {
			int wrote = io_write_all(fd, bytes.p, bytes.n);

			if (wrote < 0)
				rc = error_set_errno(err, ERR_HOST, -wrote,
					"store %s: write results anew", s->path);
		}
	}
	buf_free(&bytes);
	return rc;
}

static int
replace_log(struct dir_store *s, const struct store_log *log, const struct survey *survey,
	struct error *err)
{
	char temporary[STORE_PATH_BYTES], path[STORE_PATH_BYTES];
	int fd, rc = writer_temporary(s, temporary, err);

	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "results/%s", log->name);
	fd = openat(s->dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_set_errno(
			err, ERR_HOST, errno, "store %s: write results anew", s->path);
	rc = copy_records(s, log, survey, fd, err);
	if (rc == 0 && (fsync(fd) < 0 || renameat(s->dir_fd, temporary, s->dir_fd, path) < 0))
		rc = error_set_errno(err, ERR_HOST, errno, "store %s: replace %s", s->path, path);
	close(fd);
	if (rc < 0)
		unlinkat(s->dir_fd, temporary, 0);
	return rc;
}

/* With the log locked against appending. */
static int
collect_log(struct collection *c, size_t which, const struct index_entry *entries, size_t n,
	struct error *err)
{
	struct dir_store *s = c->s;
	struct survey survey;
	char path[STORE_PATH_BYTES];
	int rc = 0;

	survey_log(c, which, entries, n, &survey);
	snprintf(path, sizeof(path), "results/%s", s->logs[which].name);
	if (!c->dry && survey.n == 0 && unlinkat(s->dir_fd, path, 0) < 0)
		rc = error_set_errno(err, ERR_HOST, errno, "store %s: remove %s", s->path, path);
	else if (!c->dry && survey.n && !survey.all)
		rc = replace_log(s, &s->logs[which], &survey, err);
	free(survey.v);
	if (rc == 0 && !c->dry) {
		rc = dir_sync_parent(s, path);
		if (rc < 0)
			rc = error_set_errno(err, ERR_HOST, -rc, "store %s: sync results", s->path);
	}
	return rc;
}

/* What another process holds stays as it is, with the files that it names. */
static void
keep_log(struct collection *c, size_t which, const struct index_entry *entries, size_t n)
{
	struct buf bytes = {0};
	struct record r;

	for (size_t i = 0; i < n; i++) {
		if (log_read_record(c->s, &c->s->logs[which], entries[i].at, &r, &bytes, NULL) == 0)
			add_owner(c, &r);
	}
	buf_free(&bytes);
}

/* Locks a log against appending: 1 with *fd; 0: another process has it, or it is another file by
 * now. */
static int
lock_log(struct dir_store *s, size_t which, int *fd, struct error *err)
{
	struct stat st;
	int rc = log_try_lock(s, s->logs[which].name, fd, err);

	if (rc == 1 && (fstat(*fd, &st) < 0 || st.st_ino != s->logs[which].ino)) {
		close(*fd);
		rc = 0;
	}
	return rc;
}

/* Every record there is, by place. What is locked cannot grow any more. */
static struct index_entry *
all_entries(struct dir_store *s, size_t *n)
{
	struct index_entry *v = mem_alloc(s->n_entries * sizeof(*v));

	*n = s->n_entries;
	if (*n)
		memcpy(v, s->entries, *n * sizeof(*v));
	qsort(v, *n, sizeof(*v), by_place);
	return v;
}

static int
collect_logs(struct collection *c, struct error *err)
{
	struct dir_store *s = c->s;
	int *locks = mem_alloc(s->n_logs * sizeof(*locks));
	struct index_entry *entries;
	size_t n, n_locks = s->n_logs;
	int rc = 0;

	for (size_t i = 0; i < n_locks; i++) {
		int locked = rc < 0 ? 0 : lock_log(s, i, &locks[i], err);

		rc = locked < 0 ? locked : rc;
		if (locked <= 0)
			locks[i] = -1;
		c->others |= locked == 0;
		if (rc == 0)
			rc = index_scan_locked(s, i, err);
	}
	entries = all_entries(s, &n);
	for (size_t i = 0, at = 0; rc == 0 && i < n_locks; i++) {
		size_t from = at;

		while (at < n && entries[at].log == i)
			at++;
		if (locks[i] >= 0)
			rc = collect_log(c, i, entries + from, at - from, err);
		else
			keep_log(c, i, entries + from, at - from);
	}
	for (size_t i = 0; i < n_locks; i++) {
		if (locks[i] >= 0)
			close(locks[i]);
	}
	free(entries);
	free(locks);
	return rc;
}

/* "REST.OWNER.part": the owner, when that is such a name. */
static bool
owner_of_file(const char *name, struct owner *out)
{
	if (strlen(name) < 62 + 1 + RECORD_OWNER_BYTES || name[62] != '.' ||
		name[62 + RECORD_OWNER_BYTES] != '.')
		return false;
	memcpy(out->name, name + 63, RECORD_OWNER_BYTES - 1);
	out->name[RECORD_OWNER_BYTES - 1] = '\0';
	return true;
}

static void
collect_file(struct collection *c, int dir, const char *name)
{
	char writer[WRITER_BYTES];
	struct owner owner;
	struct stat st;

	if (!owner_of_file(name, &owner))
		return;
	if (c->n_owners && bsearch(&owner, c->owners, c->n_owners, sizeof(owner), compare_owners))
		return;
	snprintf(writer, sizeof(writer), "%.16s", owner.name);
	if (writer_is_alive(c->s, writer) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* its record is about to come */
	c->count->n_temporary++;
	c->count->bytes += st.st_size;
	if (!c->dry)
		unlinkat(dir, name, 0);
}

static void
collect_files(struct collection *c)
{
	if (c->n_owners)
		qsort(c->owners, c->n_owners, sizeof(*c->owners), compare_owners);
	for (int i = 0; i < 256; i++) {
		char path[STORE_PATH_BYTES];
		struct dirent *e;
		DIR *d;
		int fd;

		snprintf(path, sizeof(path), "parts/%02x", i);
		fd = openat(c->s->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		d = fd < 0 ? NULL : fdopendir(fd);
		if (!d) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		while ((e = readdir(d)))
			collect_file(c, fd, e->d_name);
		closedir(d);
	}
}

int
dir_gc(struct store *store, const struct digest *keep, size_t n_keep, int64_t before_wall_ns,
	bool dry, struct store_gc *out, struct error *err)
{
	struct dir_store *s = dir_of(store);
	struct collection c = {.s = s,
		.n_keep = n_keep,
		.before_wall_ns = before_wall_ns,
		.dry = dry,
		.count = out};
	int rc;

	*out = (struct store_gc){0};
	c.keep = mem_alloc(n_keep * sizeof(*c.keep));
	if (n_keep)
		memcpy(c.keep, keep, n_keep * sizeof(*c.keep));
	qsort(c.keep, n_keep, sizeof(*c.keep), compare_digests);
	pthread_mutex_lock(&s->index_lock);
	index_forget_locked(
		s); /* so that superseded records are seen as well; gives back a log of our own */
	rc = index_refresh_locked(s, err);
	if (rc == 0)
		rc = collect_logs(&c, err);
	if (rc == 0)
		collect_files(&c);
	writer_sweep(s, dry, out);
	index_forget_locked(s);
	pthread_mutex_unlock(&s->index_lock);
	free(c.keep);
	free(c.owners);
	return rc;
}
