/* s3_cache: records that this process has put, once store_remember was called, so that bringing them
 * together asks S3 for none of them again. Any thread. */
#ifndef FURROW_STORE_S3_CACHE_H
#define FURROW_STORE_S3_CACHE_H

#include "planner/base/arena.h"
#include "planner/base/buf.h"
#include "planner/base/digest.h"

#include <pthread.h>

enum { S3_CACHE_BYTES = 64 << 20 };

/* Zeroed, but for the lock: s3_cache_init. Once it is full nothing more is taken in. */
struct s3_cache {
	pthread_mutex_t lock;
	struct s3_cached *v; /* open addressing; cap a power of two, at most half full */
	size_t n, cap, bytes;
	bool on; /* else nothing is taken in */
};

void s3_cache_init(struct s3_cache *c);
void s3_cache_open(struct s3_cache *c);
void s3_cache_free(struct s3_cache *c);
/* Takes over the bytes, or frees them. */
void s3_cache_put(struct s3_cache *c, const struct digest *key, struct buf bytes);
/* A copy in the arena; absent: it is not here. */
struct str s3_cache_get(struct s3_cache *c, struct arena *a, const struct digest *key);
void s3_cache_drop(struct s3_cache *c, const struct digest *key);

#endif
