/* client: the one door to the APIs of AWS: signs, sends, tells failures apart, tries again. Any
 * thread may call; each call blocks its own thread only. */
#ifndef FURROW_AWS_CLIENT_H
#define FURROW_AWS_CLIENT_H

#include "planner/base/arena.h"
#include "planner/base/clock.h"
#include "planner/base/digest.h"
#include "planner/base/error.h"
#include "planner/manifest.h"

#include <stdatomic.h>

struct aws;

enum aws_service {
	AWS_EC2,
	AWS_S3,
	AWS_STS,
	AWS_SSM,
	AWS_PRICING,
	AWS_QUOTAS,
	AWS_ECR,
	AWS_SERVICES
};

struct aws_options {
	struct str region;  /* of the manifest's infra; absent: as the SDKs find it */
	struct str profile; /* absent: AWS_PROFILE, AWS_DEFAULT_PROFILE, "default" */
	const struct clock *clock;
};

/* Reads environment and shared files, makes no call. ERR_INPUT: a file of it is wrong, no region.
 * Credentials are looked for by the first call that is signed. */
int aws_open(struct aws **out, const struct aws_options *options, struct error *err);
void aws_close(struct aws *aws);
const char *aws_region(const struct aws *aws);
/* The region that a bucket lies in, when S3 had to say so: it is another than was asked in. NULL: it hasn't. */
const char *aws_learnt_region(struct aws *aws, struct str bucket);
/* Who furrow is to AWS, and where that was found: "environment", "profile work (sso)". Makes a call
 * only when the place where credentials are has to be asked. */
int aws_identity(
	struct aws *aws, struct arena *a, struct str *key_id, struct str *from, struct error *err);
/* The time on the servers, as far as calls have shown that ours is another. */
int64_t aws_wall_ns(const struct aws *aws);

/* Whether sending a request a second time is safe when its answer was lost. */
enum aws_repeat {
	AWS_REPEAT,	  /* reads, and what is idempotent by token, condition or nature */
	AWS_REPEAT_UNSENT /* only when the server said that it did nothing, or never got it */
};

struct aws_request {
	enum aws_service service;
	struct str region;  /* absent: the client's */
	const char *method; /* "GET" */
	struct str bucket;  /* S3: absent for ListBuckets only */
	struct str path;    /* S3: the key, any bytes, not encoded; others: absent, "/" is meant */
	struct pairs query; /* names and values not encoded; a value absent: `?uploads` */
	struct pairs headers; /* beside host, x-amz-date, x-amz-content-sha256, the token and the
				 signature. Trimmed as SigV4 wants them */
	struct str body;      /* in memory; or, when absent: */
	const struct aws_body *from; /* from a file; NULL: none */
	int out_fd; /* > 0: the body of a 2xx is written there (pwrite from out_offset on, so a
				retry begins anew) instead of to memory */
	int64_t out_offset;
	struct hasher *out_hasher; /* NULL, or: holds what was written there, when it succeeded */
	size_t max_bytes;	   /* of a body in memory; 0: 64 MiB */
	bool is_unsigned;
	enum aws_repeat repeat;
	uint32_t attempts;	 /* in all; 0: AWS_MAX_ATTEMPTS or 4 */
	const atomic_bool *stop; /* NULL, or: ERR_CANCELLED soon after it became true */
};

struct aws_body {
	int fd; /* read with pread */
	int64_t offset, bytes;
	const struct digest *sha256; /* NULL: computed, in a pass of its own */
};

struct aws_answer {
	int status;
	struct pairs headers; /* names in lower case, values trimmed */
	struct str body;      /* "" when it went to out_fd; NUL-terminated */
	int64_t body_bytes;
	char code[64]; /* of a failure: the service's own ("NoSuchKey"); "" when it has none */
	char request_id[64];
	uint32_t attempts;
	uint32_t sends; /* how often it went out in all, whatever became of it */
};

/* Signs, sends, reads the whole answer; body and headers live in the arena. 0 for 2xx. Otherwise
 * < 0 with *answer filled as far as there was one, and err->class from the service's code (then the
 * status), see retry.c:
 *   ERR_MISSING    404, and the codes *.NotFound, NoSuchKey, NoSuchBucket, ParameterNotFound
 *   ERR_STALE      412 PreconditionFailed, 409 ConditionalRequestConflict (after retries)
 *   ERR_INPUT      what was asked is wrong (unknown type, region, …), or denied (CLASS_DENIED), or there
 *                  are no credentials: the message lists what was tried
 *   ERR_HOST       all else
 * A message tells the action, on what, the service's code and words, and what to do:
 * "ec2 RunInstances in us-east-2: UnauthorizedOperation: …; allow ec2:RunInstances in the policy of …".
 * Throttling and transient failures are tried again here, with back-off and jitter; all calls to a
 * service that throttles are slowed down. CLASS_CAPACITY and CLASS_QUOTA never are. Expired
 * credentials and a clock that is off are mended once. */
int aws_call(struct aws *aws, struct arena *a, const struct aws_request *request,
	struct aws_answer *answer, struct error *err);

/* Of a header, absent when there is none. name in lower case. */
struct str aws_header(const struct aws_answer *answer, const char *name);

/* A URL that does one S3 request without credentials, for expires_s <= 604800. `headers` are signed
 * as well and must be sent with it. In the arena, NUL-terminated. May fetch credentials; a URL is good
 * for no longer than these. */
int aws_presign(struct aws *aws, struct arena *a, const char *method, struct str bucket,
	struct str key, const struct pairs *query, const struct pairs *headers, int64_t expires_s,
	struct str *url, struct error *err);

/* How many requests were sent so far, and how many connections were made: for `make bench` and tests. */
struct aws_counts {
	uint64_t requests, connections, retries;
};
struct aws_counts aws_counts(const struct aws *aws);

#endif
