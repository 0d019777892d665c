/* budget: keeping a run below max_cost. */
#include "planner/execute/budget.h"

/* Asked to end so long before the limit is reached. */
static int64_t
stop_before(const struct budget *b, int64_t limit_ns)
{
	int64_t needs_ns = BUDGET_RELEASE_NS + (b->grace_ns > 0 ? b->grace_ns : 0);

	return limit_ns == INT64_MAX ? INT64_MAX : limit_ns - needs_ns;
}

int64_t
budget_stop_ns(const struct budget *b, const struct meter *m, int64_t now_ns)
{
	if (b->max_usd <= 0)
		return INT64_MAX;
	return stop_before(b, meter_when(m, now_ns, 0, b->max_usd));
}

static bool
fits(int64_t stop_ns, int64_t now_ns, int64_t ns)
{
	int64_t end_ns;

	if (__builtin_add_overflow(now_ns, ns > 0 ? ns : 0, &end_ns))
		end_ns = INT64_MAX;
	return stop_ns == INT64_MAX || end_ns < stop_ns;
}

bool
budget_allows_task(const struct budget *b, const struct meter *m, int64_t now_ns, int64_t ns)
{
	return fits(budget_stop_ns(b, m, now_ns), now_ns, ns);
}

bool
budget_allows_launch(const struct budget *b, const struct meter *m, int64_t now_ns,
	double hourly_usd, int64_t ns)
{
	if (b->max_usd <= 0)
		return true;
	if (hourly_usd < 0)
		return false;
	return fits(stop_before(b, meter_when(m, now_ns, hourly_usd, b->max_usd)), now_ns, ns);
}
