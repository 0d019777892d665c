/* retry: classification and back-off. */
#include "planner/execute/retry.h"

#include "planner/base/clock.h"
#include "planner/manifest.h"

void
retry_init(struct retrier *r, const struct retry_policy *policy)
{
	*r = (struct retrier){.policy = policy, .random = policy->seed, .quota = RETRY_QUOTA};
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t
next_random(struct retrier *r)
{
	uint64_t z = r->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* A longer delay that the manifest asks for is meant; nobody asked it of what it does not name. */
static int64_t
back_off_ns(struct retrier *r, bool asked, uint32_t attempt)
{
	int64_t limit = RETRY_DELAY_MAX_S * NS_PER_S;
	int64_t delay = r->policy->delay_ns;

	if (delay <= 0)
		return 0;
	if (asked && delay > limit)
		limit = delay;
	for (uint32_t i = 1; i < attempt && delay < limit; i++)
		delay *= 2;
	if (delay > limit)
		delay = limit;
	return (int64_t)(next_random(r) % ((uint64_t)delay + 1));
}

static bool
exit_code_counts(const struct retry_policy *p, const struct outcome *o)
{
	int status = o->signal ? 128 + o->signal : o->exit_status;

	if (p->n_exit_codes == 0)
		return true;
	for (size_t i = 0; i < p->n_exit_codes; i++) {
		if (p->exit_codes[i] == status)
			return true;
	}
	return false;
}

static bool
is_interruption(const struct outcome *o, const struct error *e)
{
	return o->place_lost || e->class == CLASS_INTERRUPTED;
}

/* Whether the manifest's `retry.for` names this failure of a task. */
static bool
is_asked_for(const struct retry_policy *p, const struct outcome *o, const struct error *e)
{
	if (is_interruption(o, e))
		return p->task_for_mask & RETRY_INTERRUPTION;
	if (e->class == CLASS_CAPACITY)
		return p->task_for_mask & RETRY_NO_CAPACITY;
	if (o->timed_out)
		return p->task_for_mask & RETRY_TIMEOUT;
	if (!o->ran || e->code != ERR_TASK)
		return false;
	return (p->task_for_mask & RETRY_ERROR) && exit_code_counts(p, o);
}

/* Whether trying again may help although nobody asked for it, and can be paid for. */
static bool
is_worth_it(struct retrier *r, bool is_task, uint32_t attempt, const struct outcome *o,
	const struct error *e)
{
	bool helps = e->class == CLASS_TRANSIENT || e->class == CLASS_THROTTLED ||
		     (!is_task && e->class == CLASS_CAPACITY &&
			     (r->policy->task_for_mask & RETRY_NO_CAPACITY));

	if (!helps || (o->ran && !o->fetching) || attempt >= r->policy->step_attempts ||
		r->quota < RETRY_COST)
		return false;
	r->quota -= RETRY_COST;
	return true;
}

bool
retry_again(struct retrier *r, bool is_task, uint32_t attempt, const struct outcome *outcome,
	const struct error *failure, int64_t *delay_ns)
{
	bool asked = is_task && is_asked_for(r->policy, outcome, failure);

	if (failure->code == ERR_CANCELLED || failure->code == ERR_INTERNAL)
		return false;
	if (asked) {
		if (attempt >= r->policy->task_attempts)
			return false;
	} else if (!is_worth_it(r, is_task, attempt, outcome, failure)) {
		return false;
	}
	*delay_ns = is_interruption(outcome, failure) ? 0 : back_off_ns(r, asked, attempt);
	return true;
}

void
retry_succeeded(struct retrier *r)
{
	if (r->quota < RETRY_QUOTA)
		r->quota++;
}
