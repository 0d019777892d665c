/* s3_standin_bucket: a bucket in memory: objects and unfinished uploads, and what happened to it. */
#ifndef FURROW_TESTS_S3_STANDIN_BUCKET_H
#define FURROW_TESTS_S3_STANDIN_BUCKET_H

#include "planner/base/buf.h"
#include "providers/aws/s3_call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { STANDIN_OBJECTS = 1 << 15, STANDIN_PARTS = 64, STANDIN_LOG = 1 << 16 };

struct standin_object {
	char *key;
	size_t key_n;
	struct buf body;
	char etag[32], checksum[64], nonce[64], part[24];
	int64_t modified_ns;
};

struct standin_upload {
	char id[16];
	char *key;
	size_t key_n;
	char nonce[64], part[24];
	struct buf parts[STANDIN_PARTS];
	int64_t begun_ns;
	bool open;
};

typedef int (*standin_hook)(
	const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after);

struct standin {
	pthread_mutex_t lock;
	struct standin_object *objects[STANDIN_OBJECTS]; /* by key */
	size_t n;
	struct standin_upload uploads[64];
	size_t n_uploads;
	int64_t now_ns; /* S3's clock; goes on by a millisecond with each request */
	size_t page;	/* of a listing; 0: a thousand */
	const char *region;
	bool no_bucket, ignores_ranges;
	char *log[STANDIN_LOG]; /* "PUT key?query" */
	size_t n_log;
	unsigned n_running, max_running; /* requests at the same time */
	int delay_us;			 /* of each */
	/* Asked before (after: false) and after each request; 0 to go on, else what aws_call gives.
	 * Without the lock. */
	_Atomic(standin_hook) hook;
	int (*presign)(struct error *err); /* asked before a URL is made; 0 to go on */
};
static struct standin standin = {.lock = PTHREAD_MUTEX_INITIALIZER,
	.now_ns = INT64_C(1795000000) * NS_PER_S,
	.region = "us-east-2"};

/* The object, or where it belongs. */
static inline bool
standin_find(struct str key, size_t *at)
{
	size_t low = 0, high = standin.n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		struct standin_object *o = standin.objects[mid];
		int c = str_cmp((struct str){.p = o->key, .n = o->key_n}, key);

		if (c == 0) {
			*at = mid;
			return true;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*at = low;
	return false;
}

static inline void
standin_remove(size_t at)
{
	struct standin_object *o = standin.objects[at];

	free(o->key);
	buf_free(&o->body);
	free(o);
	memmove(&standin.objects[at], &standin.objects[at + 1],
		(--standin.n - at) * sizeof(standin.objects[0]));
}

static inline struct standin_object *
standin_make(struct str key)
{
	struct standin_object *o;
	size_t at;

	if (standin_find(key, &at)) {
		buf_clear(&standin.objects[at]->body);
		return standin.objects[at];
	}
	o = calloc(1, sizeof(*o));
	o->key = malloc(key.n + 1);
	memcpy(o->key, key.p, key.n);
	o->key_n = key.n;
	memmove(&standin.objects[at + 1], &standin.objects[at],
		(standin.n++ - at) * sizeof(standin.objects[0]));
	standin.objects[at] = o;
	return o;
}

static inline void
standin_copy(char *out, size_t size, struct str s)
{
	snprintf(out, size, "%.*s", STR_ARG(s));
}

static inline void
standin_store(struct standin_object *o, struct buf *body, struct str checksum, struct str nonce,
	struct str part)
{
	struct digest d = digest_of(body->p ? body->p : "", body->n);
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &d);
	snprintf(o->etag, sizeof(o->etag), "\"%.24s\"", hex);
	standin_copy(o->checksum, sizeof(o->checksum), checksum);
	standin_copy(o->nonce, sizeof(o->nonce), nonce);
	standin_copy(o->part, sizeof(o->part), part);
	o->modified_ns = standin.now_ns;
	buf_add(&o->body, body->p, body->n);
}

/* Completing an upload: its parts one behind the other, the checksum that of their checksums. */
static inline void
standin_complete(struct standin_upload *u)
{
	struct buf whole = {0}, sums = {0};
	char checksum[64];
	struct digest d;
	int n = 0;

	for (int i = 1; i < STANDIN_PARTS; i++) {
		if (u->parts[i].n == 0)
			continue;
		d = digest_of(u->parts[i].p, u->parts[i].n);
		buf_add(&sums, d.b, sizeof(d.b));
		buf_add(&whole, u->parts[i].p, u->parts[i].n);
		buf_free(&u->parts[i]);
		u->parts[i] = (struct buf){0};
		n++;
	}
	d = digest_of(sums.p ? sums.p : "", sums.n);
	s3_checksum(checksum, &d);
	snprintf(checksum + strlen(checksum), sizeof(checksum) - 48, "-%d", n);
	standin_store(standin_make((struct str){.p = u->key, .n = u->key_n}), &whole,
		str_from(checksum), str_from(u->nonce), str_from(u->part));
	u->open = false;
	buf_free(&whole);
	buf_free(&sums);
}

static inline bool
standin_has(const char *key)
{
	size_t at;

	return standin_find(str_from(key), &at);
}

/* Empties it, for the next test. */
static inline void
standin_reset(void)
{
	while (standin.n)
		standin_remove(standin.n - 1);
	for (size_t i = 0; i < standin.n_uploads; i++) {
		for (int k = 0; k < STANDIN_PARTS; k++)
			buf_free(&standin.uploads[i].parts[k]);
		free(standin.uploads[i].key);
		standin.uploads[i] = (struct standin_upload){0};
	}
	for (size_t i = 0; i < standin.n_log; i++)
		free(standin.log[i]);
	standin.n_uploads = standin.n_log = standin.page = 0;
	standin.n_running = standin.max_running = 0;
	standin.delay_us = 0;
	standin.hook = NULL;
	standin.presign = NULL;
	standin.no_bucket = false;
	standin.region = "us-east-2";
	standin.now_ns = INT64_C(1795000000) * NS_PER_S;
}

#endif
