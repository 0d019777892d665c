/* budget: what may still begin under max_cost, and when what runs has to end. Decides; does nothing. */
#ifndef FURROW_BUDGET_H
#define FURROW_BUDGET_H

#include "planner/execute/meter.h"

struct budget {
	double max_usd;	  /* <= 0: no limit */
	int64_t grace_ns; /* that a task which is stopped may take */
};

/* From when tasks have ended until EC2 bills no more: saying so, once more when it throttles. */
#define BUDGET_RELEASE_NS (10 * INT64_C(1000000000))

/* When tasks have to be stopped, so that all is released before the limit: may be past; INT64_MAX:
 * never. */
int64_t budget_stop_ns(const struct budget *b, const struct meter *m, int64_t now_ns);

/* Whether a task that takes ns (< 0: unknown, it is let try) can be done until then. */
bool budget_allows_task(const struct budget *b, const struct meter *m, int64_t now_ns, int64_t ns);

/* Whether an instance may be launched that is of use after ns (< 0: unknown): it has to be paid for a
 * minute at least, and shortens what all others have left. hourly_usd < 0: unknown, so it may not. */
bool budget_allows_launch(const struct budget *b, const struct meter *m, int64_t now_ns,
	double hourly_usd, int64_t ns);

#endif
