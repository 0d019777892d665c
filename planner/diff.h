/* diff: job against observed: what has to change, and why. Pure. */
#ifndef FURROW_DIFF_H
#define FURROW_DIFF_H

#include "planner/job.h"
#include "planner/kind.h"
#include "planner/observed.h"

struct change {
	enum kind kind;
	enum verb verb;
	uint32_t index;
	struct str reason; /* a clause that a person understands: "no result under its key yet" */
};

struct changes {
	struct change *todo; /* verb != VERB_IN_PLACE; in the order of enum kind, then index */
	size_t n_todo;
	struct change *in_place; /* all but tasks */
	size_t n_in_place;
	uint8_t *task_runs; /* [job->n_tasks]: 1 when the task has to run */
	uint32_t n_tasks_run;
	uint32_t n_tasks_in_place;
	uint32_t n_to_collect; /* results that lie in the store but not (or not this one) in `results` */
};

/* Never fails: what observed lacks is what has to be made. A task is in place when its key is in
 * observed->results; means (source, image, environment, release) appear only when a task runs. */
void diff(struct arena *a, struct changes *out, const struct job *job, const struct observed *obs);

/* What to say of a task in place, and of one that runs. */
struct str diff_task_reason(const struct changes *c, const struct job *job, const struct observed *obs,
	uint32_t index);

#endif
