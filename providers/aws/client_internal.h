/* client_internal: what the files of the client share. Nobody else includes it. */
#ifndef FURROW_AWS_CLIENT_INTERNAL_H
#define FURROW_AWS_CLIENT_INTERNAL_H

#include "providers/aws/client.h"
#include "providers/aws/credentials.h"
#include "providers/aws/endpoint.h"
#include "providers/aws/failure.h"
#include "providers/aws/http.h"
#include "providers/aws/limiter.h"
#include "providers/aws/operation.h"
#include "providers/aws/retry.h"
#include "providers/aws/shared_config.h"
#include "providers/aws/sigv4.h"

#include <pthread.h>

enum { CLIENT_REGION_BYTES = 40 };

/* Where a bucket turned out to be. */
struct bucket_region {
	struct bucket_region *next;
	char region[CLIENT_REGION_BYTES];
	char bucket[];
};

struct aws {
	char region[CLIENT_REGION_BYTES];
	const struct clock *clock;
	struct shared_config *config;
	struct credentials_chain *chain;
	struct http *http;
	struct limiter limiters[AWS_SERVICES];
	struct aws_quota quota;
	uint32_t max_attempts;
	_Atomic int64_t skew_ns; /* the servers' clock less ours */
	_Atomic uint64_t retries, jitter;
	pthread_mutex_t lock;
	struct bucket_region *buckets; /* under the lock; only added to */
};

/* One aws_call. */
struct call {
	struct aws *aws;
	struct arena *arena; /* the caller's: what is answered */
	struct arena scratch;
	const struct aws_request *request;
	const struct credentials *as; /* NULL: the chain's */
	struct credentials who;	      /* of the last attempt */
	char region[CLIENT_REGION_BYTES];
	struct operation operation;
	struct str payload; /* SHA-256 of the body in hex */
	unsigned int mended;
	int64_t skew_ns; /* as the last attempt was signed with */
	uint32_t attempts, retries, sends;
	uint64_t random;
};

/* A request as it goes out. */
struct signed_request {
	const char *url;
	struct pairs headers;
};

/* aws_call with credentials that the chain doesn't know. */
int client_call_as(struct aws *aws, struct arena *a, const struct aws_request *request,
	const struct credentials *as, struct aws_answer *answer, struct error *err);

/* The region to begin with. */
void client_region_of(
	struct aws *aws, const struct aws_request *request, char out[CLIENT_REGION_BYTES]);
void client_learn_region(struct aws *aws, struct str bucket, const char *region);

/* SHA-256 of what the request sends, in hex. */
int client_hash_body(
	struct arena *a, const struct aws_request *request, struct str *hex, struct error *err);
/* For the call's region and credentials, now. */
int client_sign(struct call *c, struct signed_request *out, struct error *err);

/* Fills err from what came back. */
int client_fail(const struct call *c, const struct failure *f, const struct aws_verdict *v,
	int status, struct error *err);
/* No (whole) answer came; err says why. sent: AWS may have got the request. */
int client_fail_unanswered(const struct call *c, bool sent, struct error *err);

/* For struct credentials_world; ctx: the client. */
int client_assume_role(void *ctx, struct arena *a, const struct credentials *by, struct str region,
	struct str role_arn, struct str session_name, struct str external_id, int64_t duration_s,
	struct str *xml, struct error *err);
int client_fetch(void *ctx, struct arena *a, const char *method, const char *url,
	const char *const *headers, struct str body, int64_t timeout_ns, int *status,
	struct str *answer, struct error *err);

#endif
