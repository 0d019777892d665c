/* state: the observed side of a golden plan, as text.
 *
 * The state is a statement a line; '#' begins a remark. A word may hold %XX for a byte. SEED is any
 * word, standing for whatever digest it has. Labels may be "all"; "other" is no task's.
 *
 *   commit BRANCH SEED       the source is this commit (default: main 1)
 *   dirty SEED               with these uncommitted changes
 *   folder                   the source is a folder outside git
 *   untracked N TEXT         files that git doesn't know
 *   manifest-at PATH         of the manifest within the workdir (default: furrow.yaml; "-": none)
 *   file PATH SEED [x|l]     a file of the source with this content; executable, or a symlink
 *   files N PREFIX SEED      PREFIX00000 and so on
 *   list TEXT                a line of the file that `inputs: {file: …}` names
 *   object KEY SEED          one below the bucket of `inputs: {s3: …}`, with an ETag by SEED
 *   image SEED               what the image's digest is
 *   machine NAME CPUS GIB ARCH         (default: box 2 24 x86_64)
 *   engine NAME VERSION      (default: none)
 *   ready [source] [image] [setup]
 *   results LABEL…           tasks with a result in the store
 *   collected LABEL…         tasks whose result lies in `results`
 *   old LABEL…               tasks of which an older result lies there
 *   took KIND SECONDS [warm]           history; of environments on warm instances
 *   task LABEL SECONDS [this]          history of a task: with this key, else with another one
 *   fleet TYPE CPUS GIB MAX  the job runs on instances, new ones of this type
 *   offer TYPE ZONE CPUS GIB on-demand|spot USD [BRACKET]    an hour of it, after `fleet`
 *   no-prices                api.pricing did not answer
 *   warm ID [source] [setup] [image] [image-gone] [image-other] [dead] [not:WHY]
 *                            an instance that is there, after `fleet`; at the price of the first offer
 *   shared [bucket] [group] [runner] [spot]
 *   slots N                  (default: 2; with a fleet: of the instances used)
 *   task-time TIME           --task-time
 *   infra NAME               --infra
 *   rev NAME                 --rev */
#ifndef FURROW_TESTS_PLAN_STATE_H
#define FURROW_TESTS_PLAN_STATE_H

#include "planner/diag.h"
#include "planner/plan.h"

/* One side: the job and the plan that come of a manifest and a state. */
struct side {
	struct arena *arena;
	struct buf *problem; /* what the test failed of */
	struct manifest manifest;
	struct source source;
	struct diagnostics diags;
	struct job_inputs inputs;
	struct buf list;
	struct plan plan;
	struct str task_time; /* for the curve; absent: not given */
	bool broken;	      /* diags say why there is no plan */
	struct str bytes;     /* of the manifest */
};

/* Adds a line to what a test failed of. */
void test_fail(struct buf *problem, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All that can be known before there are tasks: source, machine, options. */
void side_read_state(struct side *s, struct str text);

/* Results, collected folders and history, by the labels of s->plan.job's tasks. */
void side_read_tasks(struct side *s, struct str text);

#endif
