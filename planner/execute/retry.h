/* retry: whether a failed attempt is followed by another one, and when.
 *
 * For tasks the manifest's `retry` decides: its `for` says which failures, its `attempts` how
 * often. What is no fault of the task and went wrong before its process was started (a transient or
 * throttled call) is met as it is for other nodes: up to step_attempts times, as long as there is
 * quota.
 *
 * The delay doubles from attempt to attempt, up to RETRY_DELAY_MAX_S or to what the manifest's `retry`
 * asks for when that is more, and is drawn between nothing and that much (full jitter), so that what
 * failed together doesn't come back together. A task whose place was lost
 * goes to another one at once. */
#ifndef FURROW_RETRY_H
#define FURROW_RETRY_H

#include "planner/execute/executor.h"

enum {
	RETRY_QUOTA = 500, /* tokens for retries that the manifest didn't ask for … */
	RETRY_COST = 5, /* … each takes so many; a success gives one back (as in the AWS SDKs) */
	RETRY_DELAY_MAX_S = 20
};

struct retrier {
	const struct retry_policy *policy;
	uint64_t random; /* state of the jitter */
	int quota;
};

/* policy must outlive it. */
void retry_init(struct retrier *r, const struct retry_policy *policy);

/* Asked after attempt number `attempt` (from 1) failed. true: again, after *delay_ns. */
bool retry_again(struct retrier *r, bool is_task, uint32_t attempt, const struct outcome *outcome,
	const struct error *failure, int64_t *delay_ns);

void retry_succeeded(struct retrier *r);

#endif
