/* s3_ranges: a large object to a file in ranges, side by side, all of one version of it; each is hashed as it comes,
 * where the object was put in parts that are known. */
#include "providers/aws/s3_call.h"

#include "providers/parallel.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const int64_t least_range_bytes = INT64_C(5) << 20; /* S3's own limit of a part */
static const int64_t usual_range_bytes = INT64_C(16) << 20;
static const int64_t most_range_bytes = INT64_C(256) << 20;

struct download {
	struct aws *aws;
	struct str bucket, key, etag, told; /* told: the checksum of it all; absent: none */
	int fd;
	int64_t bytes, range_bytes;
	size_t n;
	struct digest *digests; /* of the ranges; NULL: they are not what was put as parts */
	atomic_bool stop;	/* one has failed: no further ones */
	pthread_mutex_t lock;	/* over what follows */
	int rc;
	struct error err;
};

static int
get_range(struct download *d, struct arena *a, size_t i, struct error *err)
{
	int64_t at = (int64_t)i * d->range_bytes;
	int64_t n = d->bytes - at < d->range_bytes ? d->bytes - at : d->range_bytes;
	struct str range =
		arena_printf(a, "bytes=%lld-%lld", (long long)at, (long long)(at + n - 1));
	struct str sent = arena_printf(a, "bytes %lld-%lld/%lld", (long long)at,
		(long long)(at + n - 1), (long long)d->bytes);
	struct hasher *h = d->digests ? hasher_new() : NULL;
	struct aws_answer answer = {0};
	struct s3_call c;
	int rc;

	s3_call_init(&c, "GET", d->bucket, d->key);
	s3_call_header(&c, "Range", range);
	s3_call_header(&c, "If-Match", d->etag);
	c.request.out_fd = d->fd;
	c.request.out_offset = at;
	c.request.stop = &d->stop;
	c.request.out_hasher = h;
	rc = aws_call(d->aws, a, &c.request, &answer, err);
	if (rc == 0 &&
		(answer.body_bytes != n || !str_eq(aws_header(&answer, "content-range"), sent)))
		rc = error_set(err, ERR_HOST,
			"s3 GetObject %.*s/%.*s: asked for %.*s, and the answer is another part of "
			"it",
			STR_ARG(d->bucket), STR_ARG(d->key), STR_ARG(range));
	if (rc == 0 && h)
		d->digests[i] = hasher_end(h);
	hasher_free(h);
	return rc;
}

static void
take_range(void *ctx, size_t i)
{
	struct download *d = ctx;
	struct arena a = {0};
	struct error err;
	int rc;

	if (atomic_load(&d->stop))
		return;
	rc = get_range(d, &a, i, &err);
	if (rc < 0) {
		pthread_mutex_lock(&d->lock);
		if (d->rc == 0) {
			d->rc = rc;
			d->err = err;
		}
		atomic_store(&d->stop, true);
		pthread_mutex_unlock(&d->lock);
	}
	arena_free(&a);
}

/* What is there, of which version, and how it was put. */
static int
look(struct download *d, struct arena *a, struct str if_etag, struct error *err)
{
	struct aws_answer answer = {0};
	int64_t part_bytes = 0;
	struct s3_object o;
	struct s3_call c;
	int rc;

	s3_call_init(&c, "HEAD", d->bucket, d->key);
	s3_call_header(&c, "x-amz-checksum-mode", STR("ENABLED"));
	if (if_etag.p)
		s3_call_header(&c, "If-Match", if_etag);
	rc = aws_call(d->aws, a, &c.request, &answer, err);
	if (rc < 0)
		return rc;
	s3_read_object(&answer, d->key, &o);
	d->bytes = o.size_bytes;
	d->etag = o.etag;
	d->told = aws_header(&answer, S3_CHECKSUM);
	d->range_bytes = usual_range_bytes;
	if (d->told.n > S3_CHECKSUM_BYTES - 1 &&
		str_to_i64(aws_header(&answer, S3_PART_BYTES), &part_bytes) &&
		part_bytes >= least_range_bytes && part_bytes <= most_range_bytes)
		d->range_bytes = part_bytes;
	d->n = (size_t)((d->bytes + d->range_bytes - 1) / d->range_bytes);
	if (d->range_bytes == part_bytes)
		d->digests = ARENA_ARRAY(a, struct digest, d->n);
	return 0;
}

/* Against S3's checksum. */
static int
check(const struct download *d, struct error *err)
{
	struct pair told = {.name = STR(S3_CHECKSUM), .value = d->told};
	const struct aws_answer answer = {.headers = {.v = &told, .n = d->told.p ? 1 : 0}};
	char checksum[S3_CHECKSUM_BYTES];
	struct digest whole;

	if (!d->digests)
		return s3_check_body(
			&answer, d->bucket, d->key, (struct str){0}, d->fd, d->bytes, err);
	whole = digest_of(d->digests, d->n * sizeof(*d->digests));
	s3_checksum(checksum, &whole);
	return d->told.p && str_starts(d->told, (struct str){checksum, S3_CHECKSUM_BYTES - 1})
		       ? 0
		       : s3_not_what_was_put(d->bucket, d->key, d->bytes, err);
}

int
s3_get_ranges(struct aws *aws, struct arena *a, struct str bucket, struct str key,
	struct str if_etag, int fd, int64_t *bytes, bool *again, struct error *err)
{
	struct download d = {.aws = aws,
		.bucket = bucket,
		.key = key,
		.fd = fd,
		.lock = PTHREAD_MUTEX_INITIALIZER};
	int rc = look(&d, a, if_etag, err);

	if (rc < 0)
		return rc;
	if (d.bytes < S3_RANGES_BYTES || !d.etag.n)
		return 1;
	if (ftruncate(fd, (off_t)d.bytes) < 0)
		return error_set_errno(err, ERR_HOST, errno,
			"s3 GetObject %.*s/%.*s: make room for it", STR_ARG(bucket), STR_ARG(key));
	parallel_for(d.n, S3_THREADS, take_range, &d);
	if (d.rc < 0) {
		*again = d.rc == ERR_STALE && !if_etag.p;
		if (err)
			*err = d.err;
		return d.rc;
	}
	*bytes = d.bytes;
	rc = check(&d, err);
	*again = rc < 0;
	return rc;
}
