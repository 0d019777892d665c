/* saved_plan: a plan that `furrow plan -o` saved, on its way to be applied: exactly that, and once.
 */
#ifndef FURROW_SAVED_PLAN_H
#define FURROW_SAVED_PLAN_H

#include "cmd/furrow/options.h"
#include "cmd/furrow/prepare.h"

struct saved_plan {
	bool there; /* false: a manifest was named, or nothing */
	const char *path;
	struct plan_file file;
};

/* Whether the argument names a saved plan (its content starts with '{'); if so, reads it, and sets
 * the options that it was made with. ERR_INPUT: it can't be read, was edited, or the options
 * contradict it. */
int saved_plan_open(struct saved_plan *s, struct arena *a, struct options *o, const char *argument,
	struct error *err);

/* ERR_STALE when it was applied already, naming the run; or when what it was made from has moved. A
 * plan that is not there is fine. */
int saved_plan_check(const struct saved_plan *s, const struct prepared *p, struct error *err);

/* Marks it as applied by a run, durably, in .furrow/applied; ERR_STALE when somebody was faster. */
int saved_plan_take(
	const struct saved_plan *s, const struct prepared *p, const char *run, struct error *err);

#endif
