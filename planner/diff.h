/* diff: job against observed: what has to change, and why. Pure. */
#ifndef FURROW_DIFF_H
#define FURROW_DIFF_H

#include "planner/job.h"
#include "planner/kind.h"
#include "planner/observed.h"

/* Why a change is what it is, in a form that can be compared; `reason` is the same in words. */
enum cause {
	CAUSE_HAS_RESULT,  /* task: in place */
	CAUSE_NO_RESULT,   /* task: it never had one that anybody remembers */
	CAUSE_KEY_CHANGED, /* task: the last result was made under another key */
	CAUSE_RESULT_GONE, /* task: it had a result under this key, the store lost it */
	CAUSE_THERE,	   /* means: found in place */
	CAUSE_MISSING,	   /* means: has to be made */
	CAUSE_NEEDS_SETUP, /* environment: has to be made, setup included */
	CAUSE_KEPT_SETUP,  /* environment: has to be made, from what setup left before */
	CAUSE_COLLECTED,   /* collect: every result lies in `results` */
	CAUSE_TO_COLLECT,  /* collect: new folders only */
	CAUSE_TO_REPLACE,  /* collect: a folder holds an older result, which is replaced */
	CAUSE_OVER,	   /* release: the run is over */
	CAUSE_WARM,	   /* instance: found running, and used */
	CAUSE_UNUSED,	   /* instance: found running, but not used */
	CAUSE_KEEP,	   /* release: the instance waits for the next apply */
	CAUSE_COUNT
};

const char *cause_name(enum cause c);		 /* "no-result" */
bool cause_parse(struct str s, enum cause *out); /* the reverse */

struct change {
	enum kind kind;
	enum verb verb;
	enum cause cause;
	uint32_t index;
	struct str reason; /* a clause that a person understands: "no result yet" */
};

struct changes {
	struct change *todo; /* verb != VERB_IN_PLACE; in the order of enum kind, then index */
	size_t n_todo;
	struct change *in_place; /* all but tasks; in the same order */
	size_t n_in_place;
	uint8_t *task_runs; /* [job->n_tasks]: 1 when the task has to run */
	uint32_t n_tasks_run;
	uint32_t n_tasks_in_place;
	uint32_t n_to_collect; /* results that lie in the store but not (or not this one) in
				  `results` */
	uint32_t n_instances;  /* that the run uses; 0 on this machine */
	struct offer *offers;  /* for new instances: the best first; none on this machine */
	size_t n_offers;
	uint32_t n_spare;      /* that it doesn't use and lets go of; numbered behind those */
	uint32_t n_to_replace; /* folders in `results` that hold an older result of a task to run or
				  to collect */
};

/* Never fails: what observed lacks is what has to be made. A task is in place when its key is in
 * observed->results; means (source, image, environment, release) appear in todo only when a task
 * runs. */
void diff(struct arena *a, struct changes *out, const struct job *job, const struct observed *obs);

/* What to say of a task in place, and of one that runs. Static text. */
struct str diff_task_reason(
	const struct changes *c, const struct job *job, const struct observed *obs, uint32_t index);

#endif
