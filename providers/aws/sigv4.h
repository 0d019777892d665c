/* sigv4: AWS Signature Version 4, stage by stage. Pure: no clock, no environment, no network.
 * Source: "AWS Signature Version 4 for API requests" and "Authenticating Requests" of S3's API
 * reference. */
#ifndef FURROW_AWS_SIGV4_H
#define FURROW_AWS_SIGV4_H

#include "planner/base/arena.h"
#include "planner/base/buf.h"
#include "planner/base/digest.h"
#include "planner/manifest.h"

enum {
	SIGV4_TIME_BYTES = 17,		/* "20150830T123600Z" and a NUL */
	SIGV4_EXPIRES_MAX_S = 7 * 86400 /* of a presigned URL */
};

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

struct sigv4 {
	const char *method; /* "GET" */
	struct str path;    /* as it goes over the wire, percent-encoded */
	struct pairs query; /* not encoded; a value absent or empty: "uploads=" */
	struct pairs
		headers;    /* all that are sent, host among them (with its port unless default) */
	struct str payload; /* SHA-256 of the body in hex, or SIGV4_UNSIGNED_PAYLOAD */
	bool s3; /* the path is signed as it is; for others it is normalised and encoded again */
	struct str region, service; /* service: its signing name */
	char time[SIGV4_TIME_BYTES];
};

void sigv4_time(char out[SIGV4_TIME_BYTES], int64_t wall_ns);

/* Encoded, sorted by name and then value: good for the wire as well. */
void sigv4_query(struct buf *out, const struct pairs *query);
/* A header's value as it is signed: trimmed, inner runs of blanks as one. */
void sigv4_header_value(struct buf *out, struct str value);
/* "host;x-amz-date": every header but those that proxies may change. */
void sigv4_signed_headers(struct buf *out, const struct pairs *headers);
void sigv4_canonical_request(struct buf *out, const struct sigv4 *r);
void sigv4_string_to_sign(struct buf *out, const struct sigv4 *r, struct str canonical_request);
/* HMAC "AWS4" + secret -> date -> region -> service -> "aws4_request". Some microseconds: not worth
 * a cache beside a network's round trip. */
struct digest sigv4_signing_key(const struct sigv4 *r, struct str secret);
void sigv4_signature(
	char out[DIGEST_HEX_BYTES], const struct digest *signing_key, struct str string_to_sign);
/* The value of the Authorization header. */
void sigv4_authorization(
	struct buf *out, const struct sigv4 *r, struct str key_id, const char *signature);

/* All stages: appends the Authorization header's value for r. */
void sigv4_sign(struct buf *out, const struct sigv4 *r, struct str key_id, struct str secret);

/* A request whose signature goes into the URL: appends the whole query string for r, whose query is
 * what the request itself asks for. token may be absent. */
void sigv4_presign(struct buf *out, const struct sigv4 *r, struct str key_id, struct str secret,
	struct str token, int64_t expires_s);
/* r's query and, behind it, X-Amz-Algorithm and the like, all but the signature; in the arena. */
struct pairs sigv4_presigned_query(struct arena *a, const struct sigv4 *r, struct str key_id,
	struct str token, int64_t expires_s);

#endif
