/* commit: results on their way into a folder store. Callers queue them; one thread, started with
 * the first, takes all that are there as one batch: parts with files of their own are synced and
 * named, then all records are appended to the log with one write and one fdatasync, then each is
 * told. It doesn't wait for a batch to fill up, but where the caller lets it (store_gather). */
#include "providers/store/dir.h"

#include "planner/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BATCH_BYTES =
		8 << 20, /* of records: bounds memory, and how long the first of a batch waits */
	SYNC_EACH = 8,	 /* up to so many files are synced one by one, more with one syncfs */
	COPY_BYTES = 256 << 10
};

#define GATHER_STEP_NS (NS_PER_S / 1000)

struct pending_part {
	struct buf bytes; /* as long as it fits into the record */
	char *temporary;  /* else: its file, relative to the store; NULL: none */
	char *source;	  /* the file that was taken over, to go back to when the commit fails */
	bool renamed;	  /* temporary is that file */
	bool placed;	  /* the file has its name in parts */
	uint64_t n;
};

struct dir_result {
	struct store_result base; /* first */
	struct dir_store *store;
	struct dir_result *next;
	struct record record;
	struct pending_part parts[PART_COUNT];
	struct buf json;
	store_done_fn done;
	void *ctx;
	int failed; /* < 0: err says why */
	struct error err;
};

struct store_result *
dir_result_begin(struct store *s, const struct digest *key)
{
	struct dir_result *r = mem_alloc(sizeof(*r));

	*r = (struct dir_result){.base = {.store = s}, .store = dir_of(s), .record = {.key = *key}};
	return &r->base;
}

static struct dir_result *
result_of(struct store_result *r)
{
	return (struct dir_result *)r;
}

static char *
copy_of(const char *text)
{
	size_t n = strlen(text) + 1;

	return memcpy(mem_alloc(n), text, n);
}

static int
part_failed(const struct dir_result *r, enum part part, int rc, struct error *err)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &r->record.key);
	return error_set_errno(err, ERR_HOST, -rc, "store %s: write %s of result %.12s",
		r->store->path, record_part_name(part), hex);
}

static int
append_file(struct dir_store *s, const char *path, const void *bytes, size_t n)
{
	/* Opened each time: there may be more results on their way than there are descriptors. */
	int fd = openat(
		s->dir_fd, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
	int rc;

	if (fd < 0)
		return -errno;
	rc = io_write_all(fd, bytes, n);
	close(fd);
	return rc;
}

/* Gives the part a file, with what it has so far. */
static int
spill(struct dir_result *r, enum part part, struct error *err)
{
	struct pending_part *p = &r->parts[part];
	char path[STORE_PATH_BYTES];
	int rc = writer_temporary(r->store, path, err);

	if (rc < 0)
		return rc;
	p->temporary = copy_of(path);
	rc = append_file(r->store, path, p->bytes.p, p->bytes.n);
	if (rc < 0)
		return part_failed(r, part, rc, err);
	buf_free(&p->bytes);
	return 0;
}

int
dir_result_write(
	struct store_result *result, enum part part, const void *bytes, size_t n, struct error *err)
{
	struct dir_result *r = result_of(result);
	struct pending_part *p = &r->parts[part];
	int rc = 0;

	p->n += n;
	if (!p->temporary && p->n <= RECORD_INLINE_BYTES) {
		buf_add(&p->bytes, bytes, n);
		return 0;
	}
	if (!p->temporary)
		rc = spill(r, part, err);
	if (rc == 0) {
		rc = append_file(r->store, p->temporary, bytes, n);
		if (rc < 0)
			rc = part_failed(r, part, rc, err);
	}
	return rc;
}

/* Of a file on another file system. */
static int
copy_in(struct dir_result *r, enum part part, int fd, struct error *err)
{
	char *chunk = mem_alloc(COPY_BYTES);
	int rc = 0;

	for (uint64_t at = 0; rc == 0;) {
		ssize_t n = io_read_at(fd, chunk, COPY_BYTES, at);

		if (n < 0)
			rc = part_failed(r, part, (int)n, err);
		if (n <= 0)
			break;
		rc = dir_result_write(&r->base, part, chunk, (size_t)n, err);
		at += (uint64_t)n;
	}
	free(chunk);
	return rc;
}

int
dir_result_take(struct store_result *result, enum part part, const char *path, struct error *err)
{
	struct dir_result *r = result_of(result);
	char temporary[STORE_PATH_BYTES];
	struct pending_part *p = &r->parts[part];
	struct stat st;
	int fd, rc = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0) {
		rc = error_set_errno(
			err, ERR_HOST, errno, "store %s: take %s", r->store->path, path);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	p->source = copy_of(path);
	if (st.st_size > RECORD_INLINE_BYTES && p->n == 0) {
		rc = writer_temporary(r->store, temporary, err);
		p->renamed = rc == 0 && renameat(AT_FDCWD, path, r->store->dir_fd, temporary) == 0;
	}
	if (p->renamed) {
		p->temporary = copy_of(temporary);
		p->n = (uint64_t)st.st_size;
	} else if (rc == 0) {
		rc = copy_in(r, part, fd, err);
	}
	close(fd);
	return rc;
}

/* Takes back what lies in files; with `keep`, the parts are in place. */
static void
clean_up(struct dir_result *r, bool keep)
{
	for (int i = 0; i < PART_COUNT; i++) {
		struct pending_part *p = &r->parts[i];
		char path[STORE_PATH_BYTES];

		dir_part_path(path, &r->record, (enum part)i);
		if (keep && p->source)
			unlink(p->source); /* a renamed one is gone already */
		else if (!keep && p->renamed)
			renameat(r->store->dir_fd, p->placed ? path : p->temporary, AT_FDCWD,
				p->source);
		else if (!keep && p->temporary)
			unlinkat(r->store->dir_fd, p->placed ? path : p->temporary, 0);
		buf_free(&p->bytes);
		free(p->temporary);
		free(p->source);
	}
	buf_free(&r->json);
}

void
dir_result_abort(struct store_result *result)
{
	struct dir_result *r = result_of(result);

	clean_up(r, false);
	free(r);
}

static size_t
count_files_of(const struct dir_result *r)
{
	size_t n = 0;

	for (int i = 0; i < PART_COUNT; i++)
		n += r->parts[i].temporary != NULL;
	return n;
}

static size_t
count_files(const struct dir_result *list)
{
	size_t n = 0;

	for (; list; list = list->next)
		n += count_files_of(list);
	return n;
}

static int
sync_file(struct dir_store *s, const char *path)
{
	int fd = openat(s->dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fdatasync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int
place_part(struct dir_store *s, struct dir_result *r, enum part which, bool sync)
{
	struct pending_part *p = &r->parts[which];
	char path[STORE_PATH_BYTES];
	int rc = sync ? sync_file(s, p->temporary) : 0;

	dir_part_path(path, &r->record, which);
	if (rc == 0)
		rc = dir_make_parents(s, path);
	if (rc == 0 && renameat(s->dir_fd, p->temporary, s->dir_fd, path) < 0)
		rc = -errno;
	p->placed = rc == 0;
	return rc;
}

static int
place_parts(struct dir_store *s, struct dir_result *r, bool sync)
{
	char path[STORE_PATH_BYTES];
	bool any = false;
	int rc = 0;

	for (int i = 0; i < PART_COUNT && rc == 0; i++) {
		if (!r->parts[i].temporary)
			continue;
		any = true;
		rc = place_part(s, r, (enum part)i, sync);
	}
	dir_part_path(path, &r->record, PART_TAR); /* all of them are in one folder */
	return any && sync && rc == 0 ? dir_sync_parent(s, path) : rc;
}

static void
fail(struct dir_result *r, int rc)
{
	char hex[DIGEST_HEX_BYTES];

	if (r->failed)
		return;
	digest_hex(hex, &r->record.key);
	r->failed = error_set_errno(
		&r->err, ERR_HOST, -rc, "store %s: commit result %.12s", r->store->path, hex);
}

/* Gives the parts that have files their names, durably, before a record says that they are
 * there. Few are synced one by one; many at once, with whatever else the file system has to
 * write. */
static void
place_files(struct dir_store *s, struct dir_result *list)
{
	size_t n = count_files(list);
	bool each = n <= SYNC_EACH;
	int rc = 0;

	if (n == 0)
		return;
	if (!each && syncfs(s->dir_fd) < 0)
		rc = -errno;
	for (struct dir_result *r = list; r; r = r->next) {
		int placed = rc == 0 && !r->failed ? place_parts(s, r, each) : 0;

		if (placed < 0)
			fail(r, placed);
	}
	if (rc == 0 && !each && syncfs(s->dir_fd) < 0)
		rc = -errno;
	for (struct dir_result *r = list; rc < 0 && r; r = r->next) {
		if (count_files_of(r))
			fail(r, rc);
	}
}

static void
add_record(struct buf *out, struct dir_result *r)
{
	struct str parts[PART_COUNT];

	r->record.json_bytes = r->json.n;
	for (int i = 0; i < PART_COUNT; i++) {
		parts[i] = buf_str(&r->parts[i].bytes);
		r->record.parts[i] = (struct record_part){
			.in_file = r->parts[i].temporary != NULL, .bytes = r->parts[i].n};
	}
	record_write(out, &r->record, buf_str(&r->json), parts);
}

/* Writes and syncs; what cannot be written whole is cut again. Says how many records are there
 * for good. */
static int
append(const struct store_log *log, struct str records, const uint64_t *ends, size_t n,
	size_t *n_whole)
{
	size_t wrote = 0;
	int rc = 0;

	while (wrote < records.n && rc == 0) {
		ssize_t got = pwrite(
			log->fd, records.p + wrote, records.n - wrote, (off_t)(log->end + wrote));

		if (got > 0)
			wrote += (size_t)got;
		else if (got == 0 || errno != EINTR)
			rc = got == 0 ? -EIO : -errno;
	}
	for (*n_whole = 0; *n_whole < n && ends[*n_whole] <= wrote;)
		++*n_whole;
	if (rc < 0 &&
		ftruncate(log->fd, (off_t)(log->end + (*n_whole ? ends[*n_whole - 1] : 0))) < 0)
		*n_whole = 0;
	if (*n_whole && fdatasync(log->fd) < 0) {
		rc = -errno;
		*n_whole = 0;
		if (ftruncate(log->fd, (off_t)log->end) < 0)
			return rc;
	}
	return rc;
}

/* Puts the records of all that have not failed into the log. */
static int
append_batch(struct dir_store *s, struct dir_result *list, struct error *err)
{
	struct dir_result **live;
	struct buf records = {0};
	struct store_log *log;
	uint64_t *ends;
	size_t n = 0, n_whole = 0;
	int rc = index_own_locked(s, err);

	if (rc < 0)
		return rc;
	log = &s->logs[s->own];
	for (struct dir_result *r = list; r; r = r->next)
		n += !r->failed;
	live = mem_alloc(n * sizeof(*live));
	ends = mem_alloc(n * sizeof(*ends));
	n = 0;
	for (struct dir_result *r = list; r; r = r->next) {
		int64_t now = clock_system()->wall_ns(clock_system()->ctx);

		if (r->failed)
			continue;
		s->last_wall_ns = r->record.wall_ns =
			now > s->last_wall_ns ? now : s->last_wall_ns + 1;
		add_record(&records, r);
		live[n] = r;
		ends[n++] = records.n;
	}
	rc = n ? append(log, buf_str(&records), ends, n, &n_whole) : 0;
	for (size_t i = 0; i < n_whole; i++)
		index_add_locked(
			s, &live[i]->record, (size_t)s->own, log->end + (i ? ends[i - 1] : 0));
	for (size_t i = n_whole; i < n; i++)
		fail(live[i], rc);
	log->end += n_whole ? ends[n_whole - 1] : 0;
	buf_free(&records);
	free(live);
	free(ends);
	return 0;
}

static void
commit_batch(struct dir_store *s, struct dir_result *list)
{
	struct error err;
	int rc;

	place_files(s, list);
	pthread_mutex_lock(&s->index_lock);
	rc = append_batch(s, list, &err);
	pthread_mutex_unlock(&s->index_lock);
	while (list) {
		struct dir_result *r = list;

		list = r->next;
		if (rc < 0 && !r->failed) {
			r->failed = rc;
			r->err = err;
		}
		clean_up(r, !r->failed);
		r->done(r->ctx, r->failed ? &r->err : NULL);
		free(r);
	}
}

/* Cuts a batch off the queue. */
static struct dir_result *
take_batch_locked(struct dir_store *s)
{
	struct dir_result *list = s->first, *r = list;
	size_t bytes = 0;

	for (;; r = r->next) {
		bytes += RECORD_HEADER_BYTES + r->json.n;
		for (int i = 0; i < PART_COUNT; i++)
			bytes += r->parts[i].bytes.n;
		if (!r->next || bytes >= BATCH_BYTES)
			break;
	}
	s->first = r->next;
	if (!s->first)
		s->last = NULL;
	r->next = NULL;
	return list;
}

/* After a batch: waits while others come in, so that a stream of them isn't a sync for each. */
static void
gather_locked(struct dir_store *s)
{
	const struct timespec step = {.tv_nsec = GATHER_STEP_NS};
	const struct dir_result *last;
	int64_t waited_ns = 0;

	do {
		last = s->last;
		pthread_mutex_unlock(&s->lock);
		nanosleep(&step, NULL);
		waited_ns += GATHER_STEP_NS;
		pthread_mutex_lock(&s->lock);
	} while (s->last != last && waited_ns < s->gather_ns && !s->closing);
}

static void *
committer(void *arg)
{
	struct dir_store *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct dir_result *list;

		while (!s->first && !s->closing)
			pthread_cond_wait(&s->work, &s->lock);
		if (!s->first)
			break;
		list = take_batch_locked(s);
		pthread_mutex_unlock(&s->lock);
		commit_batch(s, list);
		pthread_mutex_lock(&s->lock);
		if (s->gather_ns > 0)
			gather_locked(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void
enqueue(struct dir_result *r)
{
	struct dir_store *s = r->store;
	struct dir_result *list = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->last)
		s->last->next = r;
	else
		s->first = r;
	s->last = r;
	if (!s->started)
		s->started = pthread_create(&s->committer, NULL, committer, s) == 0;
	if (!s->started)
		list = take_batch_locked(s); /* no thread to be had: then on this one */
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	if (list)
		commit_batch(s, list);
}

void
dir_result_commit(struct store_result *result, struct str json, store_done_fn done, void *ctx)
{
	struct dir_result *r = result_of(result);

	buf_add_str(&r->json, json);
	r->done = done;
	r->ctx = ctx;
	if (count_files_of(r) && writer_owner(r->store, r->record.owner, &r->err) < 0)
		r->failed = r->err.code;
	enqueue(r);
}

void
commit_gather(struct store *store, int64_t at_most_ns)
{
	struct dir_store *s = dir_of(store);

	pthread_mutex_lock(&s->lock);
	s->gather_ns = at_most_ns;
	pthread_mutex_unlock(&s->lock);
}

void
commit_drain(struct dir_store *s)
{
	bool started;

	pthread_mutex_lock(&s->lock);
	s->closing = true;
	started = s->started;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	if (started)
		pthread_join(s->committer, NULL);
}

struct removal {
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool is_over;
	struct error err;
};

static void
removed(void *ctx, const struct error *err)
{
	struct removal *w = ctx;

	pthread_mutex_lock(&w->lock);
	if (err)
		w->err = *err;
	w->is_over = true;
	pthread_cond_signal(&w->over);
	pthread_mutex_unlock(&w->lock);
}

int
commit_remove_result(struct dir_store *s, const struct digest *key, struct error *err)
{
	struct removal w = {.lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};
	struct index_entry e;
	int rc;

	pthread_mutex_lock(&s->index_lock);
	rc = index_find_locked(s, key, &e, err);
	pthread_mutex_unlock(&s->index_lock);
	if (rc < 0 || e.removed)
		return rc == ERR_MISSING || rc == 0 ? 0 : rc;
	dir_result_commit(dir_result_begin(&s->base, key), STR(""), removed, &w);
	pthread_mutex_lock(&w.lock);
	while (!w.is_over)
		pthread_cond_wait(&w.over, &w.lock);
	pthread_mutex_unlock(&w.lock);
	if (w.err.code != ERR_NONE && err)
		*err = w.err;
	return w.err.code;
}
