/* s3_cache: a hash table by key, of which the first bytes are as good as random. */
#include "providers/store/s3_cache.h"

#include <stdlib.h>

enum { FIRST_CAP = 64 };

struct s3_cached {
	struct digest key;
	struct buf bytes;
	bool taken; /* stays when it is dropped, with no bytes */
};

void
s3_cache_init(struct s3_cache *c)
{
	*c = (struct s3_cache){0};
	pthread_mutex_init(&c->lock, NULL);
}

void
s3_cache_open(struct s3_cache *c)
{
	pthread_mutex_lock(&c->lock);
	c->on = true;
	pthread_mutex_unlock(&c->lock);
}

void
s3_cache_free(struct s3_cache *c)
{
	for (size_t i = 0; i < c->cap; i++)
		buf_free(&c->v[i].bytes);
	free(c->v);
	pthread_mutex_destroy(&c->lock);
}

/* Its place, or the free one where it belongs; NULL: there are no places at all. */
static struct s3_cached *
find(const struct s3_cache *c, const struct digest *key)
{
	size_t at;

	if (!c->cap)
		return NULL;
	memcpy(&at, key->b, sizeof(at));
	while (c->v[at & (c->cap - 1)].taken && digest_cmp(&c->v[at & (c->cap - 1)].key, key) != 0)
		at++;
	return &c->v[at & (c->cap - 1)];
}

static void
grow(struct s3_cache *c)
{
	struct s3_cache larger = {.cap = c->cap ? c->cap * 2 : FIRST_CAP};

	larger.v = mem_alloc(larger.cap * sizeof(*larger.v));
	memset(larger.v, 0, larger.cap * sizeof(*larger.v));
	for (size_t i = 0; i < c->cap; i++) {
		if (c->v[i].taken)
			*find(&larger, &c->v[i].key) = c->v[i];
	}
	free(c->v);
	c->v = larger.v;
	c->cap = larger.cap;
}

static void
put_locked(struct s3_cache *c, const struct digest *key, struct buf *bytes)
{
	struct s3_cached *at;

	if (c->n * 2 >= c->cap)
		grow(c);
	at = find(c, key);
	c->bytes -= at->bytes.n;
	buf_free(&at->bytes);
	c->n += !at->taken;
	*at = (struct s3_cached){.key = *key, .taken = true};
	if (c->bytes + bytes->n <= S3_CACHE_BYTES) {
		/* What it has grown by is of no use any more, and there can be many. */
		bytes->p = mem_realloc(bytes->p, bytes->n ? bytes->n : 1);
		bytes->cap = bytes->n;
		at->bytes = *bytes;
		c->bytes += bytes->n;
		*bytes = (struct buf){0};
	}
}

void
s3_cache_put(struct s3_cache *c, const struct digest *key, struct buf bytes)
{
	pthread_mutex_lock(&c->lock);
	if (c->on)
		put_locked(c, key, &bytes);
	pthread_mutex_unlock(&c->lock);
	buf_free(&bytes);
}

struct str
s3_cache_get(struct s3_cache *c, struct arena *a, const struct digest *key)
{
	const struct s3_cached *at;
	struct str found = {0};

	pthread_mutex_lock(&c->lock);
	at = find(c, key);
	if (at && at->bytes.n)
		found = arena_str(a, buf_str(&at->bytes));
	pthread_mutex_unlock(&c->lock);
	return found;
}

void
s3_cache_drop(struct s3_cache *c, const struct digest *key)
{
	struct s3_cached *at;

	pthread_mutex_lock(&c->lock);
	at = find(c, key);
	if (at) {
		c->bytes -= at->bytes.n;
		buf_free(&at->bytes);
	}
	pthread_mutex_unlock(&c->lock);
}
