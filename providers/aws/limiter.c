/* limiter: one interval. Answers that were under way together count as one throttling. */
#include "providers/aws/limiter.h"

#include "planner/base/clock.h"

static const int64_t first_ns = 50 * NS_PER_MS, longest_ns = 2 * NS_PER_S,
		     shortest_ns = 5 * NS_PER_MS, together_ns = 250 * NS_PER_MS;

void
limiter_init(struct limiter *l)
{
	*l = (struct limiter){.slowed_ns = INT64_MIN / 2};
	pthread_mutex_init(&l->lock, NULL);
}

void
limiter_destroy(struct limiter *l)
{
	pthread_mutex_destroy(&l->lock);
}

int64_t
limiter_take(struct limiter *l, int64_t now_ns)
{
	int64_t at;

	pthread_mutex_lock(&l->lock);
	at = l->interval_ns && l->next_ns > now_ns ? l->next_ns : now_ns;
	l->next_ns = at + l->interval_ns;
	pthread_mutex_unlock(&l->lock);
	return at;
}

void
limiter_throttled(struct limiter *l, int64_t now_ns)
{
	pthread_mutex_lock(&l->lock);
	if (now_ns - l->slowed_ns >= together_ns) {
		l->slowed_ns = now_ns;
		l->interval_ns = l->interval_ns ? l->interval_ns * 2 : first_ns;
		if (l->interval_ns > longest_ns)
			l->interval_ns = longest_ns;
		if (l->next_ns < now_ns + l->interval_ns)
			l->next_ns = now_ns + l->interval_ns;
	}
	pthread_mutex_unlock(&l->lock);
}

void
limiter_succeeded(struct limiter *l)
{
	pthread_mutex_lock(&l->lock);
	l->interval_ns -= l->interval_ns / 8;
	if (l->interval_ns < shortest_ns)
		l->interval_ns = 0;
	pthread_mutex_unlock(&l->lock);
}
