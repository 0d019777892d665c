/* tasks: the tasks of a run on their way: from the executor to the session of the runner that takes
 * them, and from what that tells to results in the store. A runner is on this machine or on an
 * instance; a run has one or many. */
#ifndef FURROW_TASKS_H
#define FURROW_TASKS_H

#include "planner/plan.h"
#include "providers/host/session.h"
#include "providers/store/collect.h"
#include "providers/store/store.h"

#include <pthread.h>

struct tasks;

struct tasks_config {
	const struct plan *plan;
	struct store *store;
	const struct clock *clock;
	const char *run;  /* its id */
	const char *dir;  /* runs/RUN: what a runner says goes to NAME.log there */
	const char *logs; /* runs/RUN/logs: what tasks write, until it is in the store */
	/* For a job whose inputs are objects: a URL that gives a task's, for some hours and as long as it
	 * is unchanged: a GET with `If-Match` and its ETag. In the arena. Called where a task is
	 * submitted. */
	int (*input_url)(
		void *ctx, uint32_t index, struct arena *a, struct str *url, struct error *err);
	void *input_ctx;
};

/* What config points to has to outlive it. */
void tasks_open(struct tasks **out, const struct tasks_config *config);
/* Every task that was submitted has been answered. */
void tasks_close(struct tasks *all);

/* How many of the plan's tasks have no result yet. Any thread. */
uint32_t tasks_left(struct tasks *all);

/* What collect brings of all the plan's tasks, each into its folder; once none runs any more. What this
 * run itself stored is not looked at again where there is nothing to bring. */
struct collect_item *tasks_to_collect(struct tasks *all, struct arena *a);

/* What a runner's tasks do when its connection ends. */
enum runner_state {
	RUNNER_LIVE,
	RUNNER_CUT, /* they are kept: somebody tries to reach the runner again */
	RUNNER_LOST /* they were answered as lost, and so is whatever is submitted */
};

/* The owner sets what stands here, by runner_init, and keeps it until tasks_close. */
struct runner {
	struct tasks *tasks;
	char name[32];	/* of its log: "runner", "host-3" */
	char shown[64]; /* where it is, for messages: "this machine", "i-0123456789abcdef0" */
	/* The connection ended; on the session's thread. true: the runner is cut, and the owner goes
	 * on with runner_resume or runner_give_up, from another thread. NULL: it is lost at once. */
	bool (*cut)(void *ctx, const struct error *err);
	/* session_events.notice; NULL: nobody wants to know. */
	void (*noticed)(void *ctx, const char *action, int64_t left_ns, int64_t wall_s);
	void *ctx;
	pthread_mutex_t door;	 /* over session: held for calls that don't block only */
	struct session *session; /* set before the first task is submitted; NULL: none, or cut */
	enum runner_state state; /* under the lock of tasks */
	unsigned n_cuts;	 /* that were mended; changed under both */
};

void runner_init(struct runner *r, struct tasks *all, const char *name, const char *shown);
void runner_destroy(struct runner *r);
/* A line in the runner's log. */
void runner_note(const struct runner *r, struct str text);

/* Before it is closed: nobody uses it any more when this returns. NULL: there is none. */
struct session *runner_take_session(struct runner *r);

/* For session_open. */
void runner_events(struct runner *r, struct session_events *events);

/* As struct provider's submit and stop, for tasks. */
void runner_submit(struct runner *r, struct call *call);
void runner_stop(struct runner *r, const struct call *call, int64_t grace_ns);

/* A new connection to the same runner, after a cut: its tasks go on where they were. What the runner
 * doesn't know of is sent to it, or, when it had begun, lost. The old session was closed. */
void runner_resume(struct runner *r, struct session *session, const struct session_host *host);
/* The runner cannot be reached any more. */
void runner_give_up(struct runner *r, const struct error *err);

/* Another runner stands in for one that was lost: all tasks of that were answered. */
void runner_renew(struct runner *r);
enum runner_state runner_state(struct runner *r);

#endif
