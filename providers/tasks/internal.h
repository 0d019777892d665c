/* internal: what a task on its way is, for the files of this room.
 *
 * A task_run belongs to the coordinator until it stands in `tasks`; then to the session's thread,
 * until that takes it out again, as it ended or was lost; then, when there is a result, to the
 * store's thread. Who has it may free it, so nobody else may look at it, but for what is under the
 * lock while it stands in the table. */
#ifndef FURROW_TASKS_INTERNAL_H
#define FURROW_TASKS_INTERNAL_H

#include "planner/base/buf.h"
#include "providers/tasks/tasks.h"

#include <stdatomic.h>

enum { STDOUT, STDERR, STREAMS };

struct offer_job;

struct stream {
	struct buf head; /* the first RESULT_INLINE_BYTES + 1: what may go into result.json */
	int64_t bytes;	 /* taken in so far */
};

struct task_run {
	struct tasks *all;
	struct runner *runner;
	struct call *call;
	uint32_t index, attempt;
	uint64_t id;
	int64_t run_start_ns; /* the run's zero on CLOCK_BOOTTIME */
	struct stream streams[STREAMS];
	struct store_result *result; /* NULL until there is output, or the end */
	bool has_tar;
	bool placed; /* result has it where the runner put it */
	/* Under all->lock. The one whose URL the runner has, or gets; NULL: none, or the thread of
	 * offers has it. */
	struct store_result *offer;
	bool offer_placed; /* it had been placed when the connection was cut */
	/* Of an object to fetch. NULL: none; or, under all->lock, one that is not made yet, and so
	 * the task was not sent. */
	char *input_url;
	bool begun;
	struct outcome outcome;
	struct error failure; /* of taking in what the session told; code ERR_NONE: none */
};

/* Offers that wait for a URL. Under the lock of tasks. */
struct offers {
	struct offer_job *first, *last;
	pthread_t thread; /* makes URLs */
	bool has_thread, closing;
	pthread_cond_t changed;
};

struct tasks {
	struct tasks_config config;
	const struct job *job;
	pthread_mutex_t lock;
	struct task_run **v; /* [job->n_tasks] what sessions' threads have; under lock */
	struct offers offers;
	atomic_uint n_left; /* to run and not ended well */
	bool *left_nothing; /* [job->n_tasks] stored by this run, without a file; the store's thread */
};

/* NULL: this runner has no such task. */
struct task_run *task_find_locked(struct runner *r, uint64_t id);
/* Taking in what the session told failed; the first reason counts. */
void task_fail_once(struct task_run *t, const struct error *err);
/* session_events.lost; ctx: the runner. */
void runner_lost(void *ctx, const struct error *err);
/* Where what the task says of its own time is kept. */
void task_trace_path(struct buf *out, const struct task_run *t);

/* session_events.offer and .placed; ctx: the runner. */
void offers_ask(void *ctx, uint64_t id, int64_t tar_bytes);
void offers_placed(void *ctx, uint64_t id, int64_t tar_bytes);
/* Has the same thread call input_make. false: there is no thread to be had. */
bool offers_input(struct runner *r, uint64_t id);
/* Joins the thread; what still waits is not answered any more. */
void offers_end(struct tasks *all);

/* Takes a task out of the table; NULL: this runner has no such task. */
struct task_run *task_take(struct runner *r, uint64_t id);
/* Hands a task that stands in the table to the session. With the door and all->lock held. */
void task_send(struct task_run *t);
/* Answers the executor and forgets the task. The thread that has it; t is gone afterwards. */
void task_finish(struct task_run *t, enum step step, const struct error *err);

/* Whether a task waits for the URL of its input. */
bool input_is_awaited_locked(const struct task_run *t);
/* Makes the URL, on the thread of offers, and sends the task. */
void input_make(struct runner *r, uint64_t id);
/* What the runner is to start, so that it fetches the input first. */
void input_wrap(const struct task_run *t, struct arena *a, struct task_command *command);
/* Whether that, and not the task's own command, has failed: err says how. */
bool input_failed(struct task_run *t, struct error *err);

#endif
