/* s3_call: what the files of s3 share: building a request, reading headers, times and checksums.
 * Nobody else includes it. */
#ifndef FURROW_AWS_S3_CALL_H
#define FURROW_AWS_S3_CALL_H

#include "providers/aws/s3.h"
#include "providers/aws/xml.h"

enum {
	S3_PAIRS = 8,
	S3_CHECKSUM_BYTES = 45,	    /* base64 of a SHA-256 and a NUL */
	S3_NONCE_BYTES = 33,	    /* 32 hex digits and a NUL */
	S3_THREADS = 8,		    /* requests of one caller side by side */
	S3_RANGES_BYTES = 64 << 20, /* from here on objects are fetched in ranges */
	S3_BATCH = 1000		    /* keys of a listing's page, and of one DeleteObjects */
};

#define S3_NONCE "x-amz-meta-furrow-nonce"     /* who has written it: tells our own lost reply */
#define S3_PART_BYTES "x-amz-meta-furrow-part" /* size of its parts, when it was put in parts */
#define S3_CHECKSUM "x-amz-checksum-sha256"

/* A request with room for its pairs. Not to be copied. */
struct s3_call {
	struct aws_request request;
	struct pair query[S3_PAIRS], headers[S3_PAIRS];
};

void s3_call_init(struct s3_call *c, const char *method, struct str bucket, struct str key);
/* What is absent as a value is a name alone. */
void s3_call_query(struct s3_call *c, const char *name, struct str value);
void s3_call_header(struct s3_call *c, const char *name, struct str value);
/* A body in memory with its checksum, which is written to `checksum` and must live as long. */
void s3_call_body(struct s3_call *c, struct str body, char checksum[S3_CHECKSUM_BYTES]);

void s3_checksum(char out[S3_CHECKSUM_BYTES], const struct digest *d);
void s3_nonce(char out[S3_NONCE_BYTES]);
/* SHA-256 of bytes [offset, offset + bytes) of a file; ERR_HOST when it cannot be read or is shorter. */
int s3_digest_file(int fd, int64_t offset, int64_t bytes, struct digest *out, struct error *err);

/* "Wed, 25 Nov 2026 04:45:46 GMT" (RFC 9110) or "2026-11-25T04:45:46.000Z"; 0 for anything else. */
int64_t s3_time(struct str text);

/* ETag, size and times out of an answer's headers. */
void s3_read_object(const struct aws_answer *answer, struct str key, struct s3_object *out);

/* Checks what was read against the checksum that came with it. in_memory or, when absent, the first
 * bytes of fd. */
int s3_check_body(const struct aws_answer *answer, struct str bucket, struct str key,
	struct str in_memory, int fd, int64_t bytes, struct error *err);

/* A checksum that is not the one S3 keeps: ERR_HOST, CLASS_TRANSIENT. */
int s3_not_what_was_put(struct str bucket, struct str key, int64_t bytes, struct error *err);

/* s3_get_file side by side, with a HEAD before it. Errors as there; 1: nothing was done, it is too small for
 * that. again: set when another try may help, as what came is not what was put, or of several versions. */
int s3_get_ranges(struct aws *aws, struct arena *a, struct str bucket, struct str key,
	struct str if_etag, int fd, int64_t *bytes, bool *again, struct error *err);

/* s3_put_file in one request. */
int s3_put_whole_file(struct aws *aws, struct arena *a, struct str bucket, struct str key, int fd,
	int64_t bytes, struct error *err);

/* A page of ListObjectsV2. */
struct s3_page {
	struct s3_object *objects;
	size_t n;
	struct strings prefixes; /* CommonPrefixes, whole */
	struct str next;	 /* continuation token; absent: the last page */
};
/* ERR_HOST for what is no such page. Any bytes. */
int s3_page_parse(struct arena *a, struct s3_page *out, struct str bytes, struct error *err);
/* Decodes encoding-type=url: %XX, and '+' as a blank. false: not well-formed. */
bool s3_url_decode(struct arena *a, struct str *text);

#endif
