/* retry: what a failure of AWS means, whether it is tried again, and when. Decided by the service's
 * code before the HTTP status: InsufficientInstanceCapacity comes as a 500. */
#ifndef FURROW_AWS_RETRY_H
#define FURROW_AWS_RETRY_H

#include "planner/base/error.h"

#include <stdatomic.h>
#include <stdbool.h>

/* What may be tried once to put a request right. */
enum aws_mend {
	AWS_MEND_CREDENTIALS = 1, /* look for them anew */
	AWS_MEND_CLOCK = 2,	  /* take the server's time */
	AWS_MEND_REGION = 4	  /* S3: sign for the bucket's own region */
};

struct aws_verdict {
	enum error_code code;
	enum error_class class;
	unsigned int mend;
	bool untouched; /* the server did nothing: even what is not repeatable may be sent again */
};

/* code: the service's own, "" when there is none. */
struct aws_verdict aws_retry_judge(const char *code, int status);

/* How long to wait after attempt number `attempt` (from 1) failed with this class: full jitter,
 * drawn from *random; but not less than after_ns, as far as that is reasonable. */
int64_t aws_retry_delay_ns(
	enum error_class class, uint32_t attempt, uint64_t *random, int64_t after_ns);
/* The headers' values (absent: NULL): x-amz-retry-after in milliseconds, Retry-After in seconds. 0:
 * none. */
int64_t aws_retry_after_ns(const char *x_amz_retry_after, const char *retry_after);

/* Tokens for retries, for all calls of a client: when most calls fail, few are tried again. */
struct aws_quota {
	atomic_int left;
};
enum { AWS_QUOTA = 500, AWS_QUOTA_COST = 5 };
void aws_quota_init(struct aws_quota *q);
/* false: none left. */
bool aws_quota_take(struct aws_quota *q);
/* A call succeeded, after so many retries. */
void aws_quota_give(struct aws_quota *q, uint32_t retries);

#endif
