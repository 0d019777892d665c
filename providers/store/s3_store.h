/* s3_store: what the files of the S3 store share. Nobody else includes it. The layout stands in
 * s3.h. */
#ifndef FURROW_STORE_S3_STORE_H
#define FURROW_STORE_S3_STORE_H

#include "providers/aws/s3.h"
#include "providers/store/ops.h"
#include "providers/store/s3_cache.h"
#include "providers/store/spool.h"

#include <pthread.h>
#include <stdatomic.h>

enum { S3_STORE_THREADS = 48, S3_STORE_WRITER_BYTES = 17 };

struct s3_result;

struct s3_store {
	struct store base; /* first */
	struct aws *aws;
	struct arena arena; /* of the names below; not changed later */
	struct str bucket;
	struct str root; /* the prefix with '/' behind it, or "" */
	char writer[S3_STORE_WRITER_BYTES];
	atomic_uint n_names; /* counts what was named after the writer */
	struct s3_cache cache;

	pthread_mutex_t lock; /* over what follows; never held over a request */
	pthread_cond_t work;
	struct s3_result *first, *last; /* queue */
	pthread_t threads[S3_STORE_THREADS];
	size_t n_queued;
	unsigned n_threads, n_idle; /* idle: waiting, or about to find out that there is work */
	bool closing;
	int64_t last_wall_ns;
	struct spool *spool; /* NULL: not needed yet */
};

static inline struct s3_store *
s3_store_of(struct store *s)
{
	return (struct s3_store *)s;
}

/* The key of an object, with the prefix. */
struct str s3_store_key(const struct s3_store *s, struct arena *a, const char *name);
/* That of a part which is an object of its own. */
struct str s3_store_part_key(
	const struct s3_store *s, struct arena *a, const struct record *r, enum part part);

/* Reads a record, whole and checked; its bytes are in the arena. ERR_MISSING: none. *damaged (may be
 * NULL): it is there, but is not what was put; ERR_HOST then. object may be NULL. */
int s3_store_read_record(struct s3_store *s, struct arena *a, const struct digest *key,
	struct record *out, struct str *bytes, struct s3_object *object, bool *damaged,
	struct error *err);

/* All objects below results/, in byte order. No bucket: none. */
int s3_store_list_results(
	struct s3_store *s, struct arena *a, struct s3_object **out, size_t *n, struct error *err);
/* What follows "results/" is the name of a record (rest "") or of something beside it (".…"). */
bool s3_store_parse_key(
	const struct s3_store *s, struct str key, struct digest *out, struct str *rest);

/* s3_result.c: the operations of store.h, and the end of the uploaders. */
struct store_result *s3_result_begin(struct store *s, const struct digest *key);
int s3_result_write(
	struct store_result *r, enum part part, const void *bytes, size_t n, struct error *err);
int s3_result_take(struct store_result *r, enum part part, const char *path, struct error *err);
int s3_result_offer(
	struct store_result *r, enum part part, int64_t bytes, struct str *url, struct error *err);
int s3_result_placed(struct store_result *r, enum part part, int64_t bytes, struct error *err);
void s3_result_commit(struct store_result *r, struct str json, store_done_fn done, void *ctx);
void s3_result_abort(struct store_result *r);
void s3_result_drain(struct s3_store *s);

/* s3_gc.c */
int s3_store_gc(struct store *s, const struct digest *keep, size_t n_keep, int64_t before_wall_ns,
	bool dry, struct store_gc *out, struct error *err);

#endif
