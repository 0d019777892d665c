/* hint: what a person should know of a plan beside what it does. Pure. */
#include "planner/plan.h"

#include "planner/manifest.h"

static bool
launches_spot(const struct changes *c)
{
	for (size_t i = 0; i < c->n_todo; i++) {
		if (c->todo[i].kind == KIND_INSTANCE && c->todo[i].verb == VERB_CREATE)
			return c->n_offers > 0 && c->offers[0].spot;
	}
	return false;
}

struct str
plan_hint(const struct plan *p, struct str *name)
{
	const struct retry *retry = &p->job.manifest->retry;
	bool again = retry->attempts > 1 && retry->for_mask & RETRY_INTERRUPTION;

	*name = (struct str){0};
	if (again || !launches_spot(&p->changes))
		return (struct str){0};
	*name = STR("spot-without-retry");
	if (retry->attempts > 1)
		return STR("a task whose spot instance EC2 takes back is not tried again: "
			   "retry.for does not name interruption");
	return STR("a task whose spot instance EC2 takes back is not tried again; retry: "
		   "{attempts: 3} does that, spot: false takes no such instance");
}
