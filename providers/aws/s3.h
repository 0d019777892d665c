/* s3: objects of S3: what the store, uploads and inputs need. All block; errors as aws_call's.
 * Strings live in the arena. Keys are any bytes. */
#ifndef FURROW_AWS_S3_H
#define FURROW_AWS_S3_H

#include "providers/aws/client.h"

struct s3_object {
	struct str key, etag; /* etag with its quotes */
	int64_t size_bytes;
	int64_t modified_wall_ns; /* by S3's clock, in whole seconds; 0: not told */
	int64_t answered_wall_ns; /* likewise, when it answered; 0 from a listing */
};

/* Splits "s3://bucket/prefix"; false when it is none, or the bucket's name cannot be one. */
bool s3_parse_url(struct str url, struct str *bucket, struct str *key);

/* All keys that begin with prefix, in byte order; all pages. limit 0: none. */
int s3_list(struct aws *aws, struct arena *a, struct str bucket, struct str prefix, size_t limit,
	struct s3_object **out, size_t *n, struct error *err);
/* The folders right below prefix ("" or ending in '/'): what follows it up to the next '/', in byte
 * order, once each. */
int s3_list_folders(struct aws *aws, struct arena *a, struct str bucket, struct str prefix,
	struct strings *out, struct error *err);

/* What a put asks for. Zero: nothing. */
struct s3_condition {
	bool if_absent;		 /* If-None-Match: * */
	struct str if_etag;	 /* If-Match */
	const atomic_bool *stop; /* as in struct aws_request; NULL: none */
};
/* Integrity end to end: x-amz-checksum-sha256 is sent, and checked by S3. etag may be NULL. ERR_STALE: the
 * condition does not hold. A put whose answer was lost and whose retry finds its own object has
 * succeeded. */
int s3_put(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct str bytes,
	const struct s3_condition *condition, struct str *etag, struct error *err);
/* From a file (pread from its beginning); above 64 MiB in parts, side by side: all of it or nothing,
 * nothing half done is left there. */
int s3_put_file(struct aws *aws, struct arena *a, struct str bucket, struct str key, int fd,
	int64_t bytes, struct error *err);

/* Whole, checked against its checksum when it has one; ERR_MISSING; ERR_STALE when if_etag (absent: any)
 * doesn't match. object may be NULL. s3_get_file writes from the file's beginning on; about_bytes: how large it
 * is thought to be, -1: not known; what is larger than 64 MiB comes in ranges, side by side. */
int s3_get(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct str if_etag,
	size_t max_bytes, struct str *bytes, struct s3_object *object, struct error *err);
int s3_get_file(struct aws *aws, struct arena *a, struct str bucket, struct str key,
	struct str if_etag, int64_t about_bytes, int fd, int64_t *bytes, struct error *err);
int s3_head(struct aws *aws, struct arena *a, struct str bucket, struct str key,
	struct s3_object *out, struct error *err);

/* None there: 0. condition (NULL: none): if_etag alone; ERR_STALE: it is another one by now. */
int s3_delete(struct aws *aws, struct arena *a, struct str bucket, struct str key,
	const struct s3_condition *condition, struct error *err);
/* Any number, a thousand a request, side by side; keys that are not there are none that fail. */
int s3_delete_many(struct aws *aws, struct arena *a, struct str bucket, const struct strings *keys,
	struct error *err);

/* ERR_MISSING: none. ERR_INPUT: another account's; or another region's (named in the message).
 * now_wall_ns (may be NULL): S3's clock. */
int s3_head_bucket(struct aws *aws, struct arena *a, struct str bucket, int64_t *now_wall_ns,
	struct error *err);
/* Whether the bucket blocks public access in all four ways. */
int s3_blocks_public(
	struct aws *aws, struct arena *a, struct str bucket, bool *blocked, struct error *err);
/* Asks, without writing anything, whether a key may be put: 0, or the refusal. */
int s3_may_put(
	struct aws *aws, struct arena *a, struct str bucket, struct str key, struct error *err);
/* Private, with public access blocked; already the account's own: 0. */
int s3_create_bucket(struct aws *aws, struct arena *a, struct str bucket, struct error *err);
/* Ends uploads in parts that were begun before before_wall_ns and never finished; counts them. dry:
 * only counts. */
int s3_abort_uploads(struct aws *aws, struct arena *a, struct str bucket, struct str prefix,
	int64_t before_wall_ns, bool dry, uint32_t *n, struct error *err);

#endif
