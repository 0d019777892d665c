/* tasks: the tasks of a run on their way: from the executor to the session of the runner that takes
 * them, and from what that tells to results in the store. A runner is on this machine or on an
 * instance; a run has one or many. */
#ifndef FURROW_TASKS_H
#define FURROW_TASKS_H

#include "planner/plan.h"
#include "providers/host/session.h"
#include "providers/store/store.h"

struct tasks;

struct tasks_config {
	const struct plan *plan;
	struct store *store;
	const struct clock *clock;
	const char *run;  /* its id */
	const char *dir;  /* runs/RUN: what a runner says goes to NAME.log there */
	const char *logs; /* runs/RUN/logs: what tasks write, until it is in the store */
};

/* What config points to has to outlive it. */
void tasks_open(struct tasks **out, const struct tasks_config *config);
/* Every task that was submitted has been answered. */
void tasks_close(struct tasks *all);

/* How many of the plan's tasks have no result yet. Any thread. */
uint32_t tasks_left(struct tasks *all);

/* The owner sets what stands here, and keeps it until tasks_close. */
struct runner {
	struct tasks *tasks;
	struct session *session; /* set before the first task is submitted */
	char name[32];		 /* of its log: "runner", "host-3" */
	char shown[64]; /* where it is, for messages: "this machine", "i-0123456789abcdef0" */
	void (*lost_fn)(void *ctx, const struct error *err); /* on the session's thread, after its
								tasks were answered; may be NULL */
	void *ctx;
	bool lost; /* the runner went away; under the lock of tasks */
};

/* For session_open. */
void runner_events(struct runner *p, struct session_events *events);

/* As struct provider's submit and stop, for tasks. */
void runner_submit(struct runner *p, struct call *call);
void runner_stop(struct runner *p, const struct call *call, int64_t grace_ns);

/* Another runner stands in for one that was lost: all tasks of that were answered. */
void runner_renew(struct runner *p);
bool runner_is_lost(struct runner *p);

#endif
