/* s3_result: results on their way into a bucket. Callers queue them; up to S3_STORE_THREADS
 * uploaders, started as there is work, take one each: first its large parts, then the record that
 * names them. */
#include "providers/store/s3_store.h"

#include "planner/base/clock.h"
#include "providers/store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 256 << 10, OFFER_S = 12 * 3600 };

static const int64_t put_max_bytes = INT64_C(5) << 30; /* of one PUT */

struct pending_part {
	struct buf bytes;     /* as long as it fits into the record */
	char *path;	      /* else: its file; NULL: none */
	char *source;	      /* the file that was taken over: removed once all is durable */
	bool offered, placed; /* placed: somebody else has put it there */
	uint64_t n;
};

struct s3_result {
	struct store_result base; /* first */
	struct s3_store *store;
	struct s3_result *next;
	struct arena arena;
	struct record record;
	struct pending_part parts[PART_COUNT];
	struct buf json;
	bool aborted; /* only to be taken away */
	store_done_fn done;
	void *ctx;
};

static struct s3_result *
result_of(struct store_result *r)
{
	return (struct s3_result *)r;
}

static char *
copy_of(const char *text)
{
	size_t n = strlen(text) + 1;

	return memcpy(mem_alloc(n), text, n);
}

struct store_result *
s3_result_begin(struct store *s, const struct digest *key)
{
	struct s3_result *r = mem_alloc(sizeof(*r));

	*r = (struct s3_result){
		.base = {.store = s}, .store = s3_store_of(s), .record = {.key = *key}};
	return &r->base;
}

static int
part_failed(const struct s3_result *r, enum part part, int rc, struct error *err)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &r->record.key);
	return error_set_errno(err, ERR_HOST, -rc, "store %s: keep %s of result %.12s",
		r->base.store->where, record_part_name(part), hex);
}

/* Parts with objects of their own are named after their writer. */
static void
need_owner(struct s3_result *r)
{
	if (r->record.owner[0] == '\0')
		snprintf(r->record.owner, sizeof(r->record.owner), "%s%08x", r->store->writer,
			atomic_fetch_add(&r->store->n_names, 1) + 1);
}

static int
append_file(const char *path, const void *bytes, size_t n)
{
	/* Opened each time: there may be more results on their way than there are descriptors. */
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0)
		return -errno;
	rc = io_write_all(fd, bytes, n);
	close(fd);
	return rc;
}

static int
spill(struct s3_result *r, enum part part, struct error *err)
{
	struct pending_part *p = &r->parts[part];
	char path[SPOOL_PATH_BYTES];
	int rc = 0;

	pthread_mutex_lock(&r->store->lock);
	if (!r->store->spool)
		rc = spool_open(&r->store->spool, err);
	pthread_mutex_unlock(&r->store->lock);
	if (rc == 0)
		rc = spool_name(r->store->spool, path, err);
	if (rc < 0)
		return rc;
	p->path = copy_of(path);
	rc = append_file(path, p->bytes.p, p->bytes.n);
	if (rc < 0)
		return part_failed(r, part, rc, err);
	buf_free(&p->bytes);
	return 0;
}

int
s3_result_write(
	struct store_result *result, enum part part, const void *bytes, size_t n, struct error *err)
{
	struct s3_result *r = result_of(result);
	struct pending_part *p = &r->parts[part];
	int rc = 0;

	p->n += n;
	if (!p->path && p->n <= RECORD_INLINE_BYTES) {
		buf_add(&p->bytes, bytes, n);
		return 0;
	}
	if (!p->path)
		rc = spill(r, part, err);
	if (rc == 0) {
		rc = append_file(p->path, bytes, n);
		if (rc < 0)
			rc = part_failed(r, part, rc, err);
	}
	return rc;
}

static int
copy_in(struct s3_result *r, enum part part, int fd, struct error *err)
{
	char *chunk = mem_alloc(COPY_BYTES);
	int rc = 0;

	for (uint64_t at = 0; rc == 0;) {
		ssize_t n = io_read_at(fd, chunk, COPY_BYTES, at);

		if (n < 0)
			rc = part_failed(r, part, (int)n, err);
		if (n <= 0)
			break;
		rc = s3_result_write(&r->base, part, chunk, (size_t)n, err);
		at += (uint64_t)n;
	}
	free(chunk);
	return rc;
}

/* A large file stays where it is until it is sent: nothing is gained by moving it. */
int
s3_result_take(struct store_result *result, enum part part, const char *path, struct error *err)
{
	struct s3_result *r = result_of(result);
	struct pending_part *p = &r->parts[part];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		rc = error_set_errno(
			err, ERR_HOST, errno, "store %s: take %s", result->store->where, path);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	if (st.st_size > RECORD_INLINE_BYTES && p->n == 0) {
		p->path = copy_of(path);
		p->n = (uint64_t)st.st_size;
	} else {
		rc = copy_in(r, part, fd, err);
	}
	p->source = copy_of(path);
	close(fd);
	return rc;
}

int
s3_result_offer(struct store_result *result, enum part part, int64_t bytes, struct str *url,
	struct error *err)
{
	struct s3_result *r = result_of(result);
	int rc;

	if (bytes > put_max_bytes)
		return error_set(err, ERR_INPUT,
			"store %s: %lld bytes are more than S3 takes in one PUT (5 GiB)",
			result->store->where, (long long)bytes);
	need_owner(r);
	rc = aws_presign(r->store->aws, &r->arena, "PUT", r->store->bucket,
		s3_store_part_key(r->store, &r->arena, &r->record, part), NULL, NULL, OFFER_S, url,
		err);
	r->parts[part].offered |= rc == 0;
	return rc < 0 ? error_wrap(err, "store %s", result->store->where) : 0;
}

int
s3_result_placed(struct store_result *result, enum part part, int64_t bytes, struct error *err)
{
	struct s3_result *r = result_of(result);
	struct pending_part *p = &r->parts[part];

	if (!p->offered || p->n || bytes < 0)
		return error_set(err, ERR_INTERNAL,
			"store %s: %s was not offered, or has other bytes already",
			result->store->where, record_part_name(part));
	p->placed = true;
	p->n = (uint64_t)bytes;
	return 0;
}

/* Removes the files of its parts; done: those that were taken over as well. */
static void
clean_up(struct s3_result *r, bool done)
{
	for (int i = 0; i < PART_COUNT; i++) {
		struct pending_part *p = &r->parts[i];

		if (p->source && done)
			unlink(p->source);
		if (p->path && (!p->source || strcmp(p->path, p->source) != 0))
			unlink(p->path);
		buf_free(&p->bytes);
		free(p->path);
		free(p->source);
	}
	buf_free(&r->json);
	arena_free(&r->arena);
}

static int
send_file(struct s3_result *r, enum part part, struct str key, struct error *err)
{
	struct pending_part *p = &r->parts[part];
	struct stat st;
	int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc;

	if (fd < 0)
		return part_failed(r, part, -errno, err);
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != p->n)
		rc = error_set(err, ERR_HOST, "store %s: %s has changed while it waited to be sent",
			r->base.store->where, p->path);
	else
		rc = s3_put_file(
			r->store->aws, &r->arena, r->store->bucket, key, fd, (int64_t)p->n, err);
	close(fd);
	return rc;
}

/* That what somebody else has put is there, as large as was said. */
static int
check_placed(struct s3_result *r, enum part part, struct str key, struct error *err)
{
	struct s3_object o;
	int rc = s3_head(r->store->aws, &r->arena, r->store->bucket, key, &o, err);

	if (rc == ERR_MISSING)
		return error_set(err, ERR_HOST,
			"store %s: the host said that it has put s3://%.*s/%.*s there, but it is "
			"not there",
			r->base.store->where, STR_ARG(r->store->bucket), STR_ARG(key));
	if (rc == 0 && (uint64_t)o.size_bytes != r->parts[part].n)
		return error_set(err, ERR_HOST,
			"store %s: s3://%.*s/%.*s has %lld bytes, the host said %llu",
			r->base.store->where, STR_ARG(r->store->bucket), STR_ARG(key),
			(long long)o.size_bytes, (unsigned long long)r->parts[part].n);
	return rc;
}

static bool
has_object(const struct pending_part *p)
{
	return p->n && (p->path || p->placed);
}

static int
send_parts(struct s3_result *r, struct error *err)
{
	int rc = 0;

	for (int i = 0; i < PART_COUNT && rc == 0; i++) {
		struct str key;

		if (!has_object(&r->parts[i]))
			continue;
		need_owner(r);
		key = s3_store_part_key(r->store, &r->arena, &r->record, (enum part)i);
		rc = r->parts[i].placed ? check_placed(r, (enum part)i, key, err)
					: send_file(r, (enum part)i, key, err);
	}
	return rc;
}

/* Parts that no record will name. */
static void
take_away(struct s3_result *r)
{
	for (int i = 0; i < PART_COUNT; i++) {
		struct error unwanted;

		if (r->record.owner[0] && has_object(&r->parts[i]))
			s3_delete(r->store->aws, &r->arena, r->store->bucket,
				s3_store_part_key(r->store, &r->arena, &r->record, (enum part)i),
				NULL, &unwanted);
	}
}

static int
send_record(struct s3_result *r, struct error *err)
{
	struct str parts[PART_COUNT];
	char name[STORE_NAME_BYTES];
	struct buf bytes = {0};
	int64_t now = clock_system()->wall_ns(clock_system()->ctx);
	int rc;

	pthread_mutex_lock(&r->store->lock);
	r->store->last_wall_ns = now > r->store->last_wall_ns ? now : r->store->last_wall_ns + 1;
	r->record.wall_ns = r->store->last_wall_ns;
	pthread_mutex_unlock(&r->store->lock);
	r->record.json_bytes = r->json.n;
	for (int i = 0; i < PART_COUNT; i++) {
		parts[i] = buf_str(&r->parts[i].bytes);
		r->record.parts[i] = (struct record_part){
			.in_file = has_object(&r->parts[i]), .bytes = r->parts[i].n};
	}
	record_write(&bytes, &r->record, buf_str(&r->json), parts);
	store_result_name(name, &r->record.key, NULL);
	rc = s3_put(r->store->aws, &r->arena, r->store->bucket,
		s3_store_key(r->store, &r->arena, name), buf_str(&bytes), NULL, NULL, err);
	if (rc == 0)
		s3_cache_put(&r->store->cache, &r->record.key, bytes);
	else
		buf_free(&bytes);
	return rc;
}

static void
upload(struct s3_result *r)
{
	struct error err;
	int rc;

	if (r->aborted) {
		take_away(r);
		clean_up(r, false);
		free(r);
		return;
	}
	rc = send_parts(r, &err);
	if (rc < 0)
		take_away(r);
	else
		rc = send_record(r, &err); /* its parts stay when that fails: it may be there */
	if (rc < 0) {
		char hex[DIGEST_HEX_BYTES];

		digest_hex(hex, &r->record.key);
		error_wrap(&err, "store %s: commit result %.12s", r->base.store->where, hex);
	}
	clean_up(r, rc == 0);
	r->done(r->ctx, rc < 0 ? &err : NULL);
	free(r);
}

static struct s3_result *
take_locked(struct s3_store *s)
{
	struct s3_result *r = s->first;

	s->first = r->next;
	if (!s->first)
		s->last = NULL;
	s->n_queued--;
	return r;
}

static void *
uploader(void *arg)
{
	struct s3_store *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct s3_result *r;

		while (!s->first && !s->closing) {
			s->n_idle++;
			pthread_cond_wait(&s->work, &s->lock);
			s->n_idle--;
		}
		if (!s->first)
			break;
		r = take_locked(s);
		pthread_mutex_unlock(&s->lock);
		upload(r);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void
enqueue(struct s3_result *r)
{
	struct s3_store *s = r->store;
	struct s3_result *own = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->last)
		s->last->next = r;
	else
		s->first = r;
	s->last = r;
	s->n_queued++;
	if (s->n_queued > s->n_idle && s->n_threads < S3_STORE_THREADS &&
		pthread_create(&s->threads[s->n_threads], NULL, uploader, s) == 0)
		s->n_threads++;
	if (s->n_threads == 0)
		own = take_locked(s); /* no thread to be had: then on this one */
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	if (own)
		upload(own);
}

void
s3_result_commit(struct store_result *result, struct str json, store_done_fn done, void *ctx)
{
	struct s3_result *r = result_of(result);

	buf_add_str(&r->json, json);
	r->done = done;
	r->ctx = ctx;
	enqueue(r);
}

void
s3_result_abort(struct store_result *result)
{
	struct s3_result *r = result_of(result);
	bool placed = false;

	for (int i = 0; i < PART_COUNT; i++) {
		placed |= r->parts[i].placed;
		if (!r->parts[i].placed)
			r->parts[i].n = 0; /* never sent */
	}
	r->aborted = true;
	if (placed) {
		enqueue(r);
		return;
	}
	clean_up(r, false);
	free(r);
}

void
s3_result_drain(struct s3_store *s)
{
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < s->n_threads; i++)
		pthread_join(s->threads[i], NULL);
}
