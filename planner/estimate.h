/* estimate: how long a node takes, from how long it took before. */
#ifndef FURROW_ESTIMATE_H
#define FURROW_ESTIMATE_H

#include "planner/graph.h"

/* What is asked for every node, looked up once. Points into history and job. */
struct estimator {
	const struct job *job;
	const struct history *history;
	int64_t task_p50_ns, task_p90_ns; /* over all tasks known; < 0: none is */
};

void estimator_init(struct estimator *e, const struct job *job, const struct history *history);

/* Fills estimate_ns and p90_ns of a node by its kind and index, and an environment's by whether its
 * instance is warm: as long as on a new one, as long as no warm one was seen.
 *
 * What was seen before takes as long as the last time, and 9 times out of 10 at most a quarter
 * more: history keeps the newest duration, not its spread. A task that was never seen takes what
 * the others take. < 0: unknown. */
void estimate_node(const struct estimator *e, struct node *node);

#endif
