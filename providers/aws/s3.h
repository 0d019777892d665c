/* s3: objects of S3: what the store, uploads and inputs need. All block; errors as aws_call's.
 * Strings live in the arena. Keys are any bytes. */
#ifndef FURROW_AWS_S3_H
#define FURROW_AWS_S3_H

#include "providers/aws/client.h"

struct s3_object {
	struct str key, etag; /* etag with its quotes */
	int64_t size_bytes, modified_wall_ns;
};

/* Splits "s3://bucket/prefix"; false when it is none, or the bucket's name cannot be one. */
bool s3_parse_url(struct str url, struct str *bucket, struct str *key);

/* All keys that begin with prefix, in UTF-8 byte order; all pages. limit 0: none. */
int s3_list(struct aws *aws, struct arena *a, struct str bucket, struct str prefix, size_t limit,
	struct s3_object **out, size_t *n, struct error *err);

/* What a put asks for. Zero: nothing. */
struct s3_condition {
	bool if_absent;	    /* If-None-Match: * */
	struct str if_etag; /* If-Match */
};
/* Integrity end to end: x-amz-checksum-sha256 is sent, and checked by S3. etag may be NULL. ERR_STALE: the
 * condition does not hold. A put whose answer was lost and whose retry finds its own object has
 * succeeded. */
int s3_put(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct str bytes,
	const struct s3_condition *condition, struct str *etag, struct error *err);
/* From a file; above 64 MiB in parts, side by side. */
int s3_put_file(struct aws *aws, struct arena *a, struct str bucket, struct str key, int fd,
	int64_t bytes, struct error *err);

/* Whole, checked against its checksum when it has one; ERR_MISSING; ERR_STALE when if_etag doesn't match. */
int s3_get(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct str if_etag,
	size_t max_bytes, struct str *bytes, struct s3_object *object, struct error *err);
int s3_get_file(struct aws *aws, struct arena *a, struct str bucket, struct str key,
	struct str if_etag, int fd, int64_t *bytes, struct error *err);
int s3_head(struct aws *aws, struct arena *a, struct str bucket, struct str key,
	struct s3_object *out, struct error *err);

int s3_delete(struct aws *aws, struct arena *a, struct str bucket, struct str key,
	const struct s3_condition *condition, struct error *err);
int s3_delete_many(struct aws *aws, struct arena *a, struct str bucket, const struct strings *keys,
	struct error *err);

/* ERR_MISSING: none. ERR_INPUT: another account's; or another region's (named in the message). */
int s3_head_bucket(struct aws *aws, struct arena *a, struct str bucket, struct error *err);
/* Private, with public access blocked; already the account's own: 0. */
int s3_create_bucket(struct aws *aws, struct arena *a, struct str bucket, struct error *err);
/* Uploads in parts that were begun before before_wall_ns and never finished. */
int s3_abort_uploads(struct aws *aws, struct arena *a, struct str bucket, struct str prefix,
	int64_t before_wall_ns, uint32_t *n, struct error *err);

#endif
