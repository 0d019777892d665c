/* executor: walks a frozen graph. One coordinator (the caller's thread) owns all state of the run
 * and is the only writer of the journal. Readiness is a counter per node; among ready nodes the one
 * with the longest remaining path goes first.
 *
 * It reaches the world through a port, which is threads and a provider in earnest (pool.h) and a
 * scripted world on a virtual clock in tests: the loop itself is the same. */
#ifndef FURROW_EXECUTOR_H
#define FURROW_EXECUTOR_H

#include "planner/provider.h"

struct journal;
struct meter;

enum exec_event_type {
	EVENT_BEGUN,	/* call, t_ns */
	EVENT_PHASE,	/* call, t_ns, phase */
	EVENT_INTENT,	/* call, text (op), text2 (token), waiter: `ack` lets that go on */
	EVENT_EFFECT,	/* call, text (id); likewise */
	EVENT_ANSWER,	/* call, step, outcome, err */
	EVENT_NOTICE,	/* place, t_ns, until_ns, text: see struct ear */
	EVENT_GONE,	/* place, t_ns: likewise */
	EVENT_INTERRUPT /* SIGINT or SIGTERM: signal; the second one stops what runs */
};

struct exec_event {
	enum exec_event_type type;
	struct call *call;
	int64_t t_ns;
	enum phase phase;
	enum step step;
	int signal;
	uint32_t place;	  /* index of the environment that will be taken away or is gone, */
	int64_t until_ns; /* and when it will be */
	struct outcome outcome;
	struct error err;
	char text[128], text2[128];
	void *waiter; /* the port's own, for ack */
};

struct exec_port {
	void *ctx;
	int64_t (*now_ns)(void *ctx); /* nanoseconds since the run began */
	/* Answers may come at any time after start and submit, also before these return: by way of
	 * wait. */
	void (*start)(void *ctx, struct call *call);  /* a step, on some worker; never blocks */
	void (*submit)(void *ctx, struct call *call); /* a task; never blocks */
	void (*stop)(void *ctx, struct call *call, int64_t grace_ns); /* as a provider's */
	/* Waits until an event came or until_ns (INT64_MAX: for ever); false: the time came. */
	bool (*wait)(void *ctx, int64_t until_ns, struct exec_event *out);
	/* The line is on disk (0); or it isn't, so the call must not be made: ERR_CANCELLED when
	 * the run is being ended, ERR_INPUT when max_cost forbids it, ERR_HOST when the journal could
	 * not be written. */
	void (*ack)(void *ctx, void *waiter, int result);
	const struct sink *sink; /* what calls are given */
};

struct retry_policy {
	uint32_t task_attempts; /* in all */
	unsigned task_for_mask; /* of enum retry_for */
	const int *exit_codes;	/* if any: RETRY_ERROR holds for these only */
	size_t n_exit_codes;
	uint32_t step_attempts; /* of other nodes, for transient and throttled failures */
	int64_t delay_ns;	/* base; doubles, full jitter, at most 20 s */
	uint64_t seed;		/* of the jitter: same seed, same run */
};

enum node_state {
	NODE_WAITING,
	NODE_READY,
	NODE_RUNNING,
	NODE_PENDING,
	NODE_OK,
	NODE_FAILED,
	NODE_CANCELLED, /* never begun, or ended by request */
};

/* Called on the coordinator's thread; must not block for long. Any may be NULL, and the observer
 * too. */
struct exec_observer {
	void *ctx;
	void (*begin)(void *ctx, uint32_t node, uint32_t attempt, int64_t t_ns); /* handed out */
	void (*begun)(void *ctx, uint32_t node, int64_t t_ns); /* a task's process runs */
	void (*phase)(void *ctx, uint32_t node, enum phase phase, int64_t t_ns);
	/* err: NULL when ok. will_retry: another attempt follows. A node that is cancelled before
	 * it began: attempt 0, outcome NULL. */
	void (*end)(void *ctx, uint32_t node, uint32_t attempt, enum node_state state,
		const struct outcome *outcome, const struct error *err, bool will_retry,
		int64_t t_ns);
	void (*interrupt)(void *ctx, int count);
	/* Once, at first: what counts the money until executor_run returns. */
	void (*meter)(void *ctx, const struct meter *meter);
	/* A word on what happens to the places, of the executor's own. */
	void (*word)(void *ctx, const char *text, int64_t t_ns);
	void (*tick)(void *ctx, int64_t t_ns); /* about ten times a second while something runs */
	int64_t tick_ns;		       /* 0: no ticks */
};

struct exec_options {
	uint32_t max_slots; /* -j: tasks at a time over all places; 0: no limit */
	bool fail_fast; /* after a failed task nothing new is started, as after a first interrupt */
	int64_t deadline_ns; /* max_duration; <= 0: none. When it comes: as a second interrupt */
	/* max_cost; <= 0: none. What would pass it is not begun; when it is about to be passed: as a second
	 * interrupt, so much before that all can be released. */
	double max_cost_usd;
	int64_t task_timeout_ns; /* <= 0: none */
	int64_t grace_ns;	 /* between TERM and KILL */
	/* Tasks given to a place beyond its slots, so that no slot waits for a round trip: they
	 * have to queue there. Not while max_slots is what limits. */
	uint32_t ahead;
	struct retry_policy retry;
	/* A place that is lost is made again: see executor_run. */
	bool remake_places;
	bool dry_run; /* -n: walks the same loop, starts nothing */
};

struct exec_result {
	uint32_t n_ok, n_failed, n_cancelled; /* nodes */
	uint32_t tasks_ok, tasks_failed, tasks_cancelled;
	int64_t wall_ns;
	bool interrupted, out_of_time, out_of_money;
	double usd;	   /* what its instances cost; */
	bool usd_least;	   /* at least: of one the price was not known */
	uint8_t *states;   /* [n_nodes] enum node_state, in the arena given */
	struct error lost; /* of a place, when tasks are left for that; code ERR_NONE: none */
	struct error first_error; /* of the node that failed first; code ERR_NONE: none */
	uint32_t first_failed;
	char first_failed_id[KIND_ID_BYTES];
};

/* Runs the graph to its end. 0 when every node is ok, or when all but instances and environments are, which the
 * others stood in for; else the code that decides the exit: ERR_HOST
 * when the journal could not be written, ERR_CANCELLED when interrupted, the code of the first that
 * failed with another one than ERR_TASK, ERR_HOST when tasks had no place to run at or were left by
 * one that was lost, ERR_TASK when tasks failed or max_duration passed. *err tells it. journal may be NULL (reads, tests). A
 * journal that cannot be written ends the run as a second interrupt would.
 *
 * A task that a place took with it before its process was there did not run: that is no attempt in
 * the eyes of `retry`, it goes to another place, or is cancelled when there is none.
 *
 * A place that will be taken away (EVENT_NOTICE) gets no task any more. What runs there may end, what
 * queues there goes elsewhere, and that is no attempt.
 *
 * With remake_places, an environment whose place was lost is begun again, its instance first when
 * the graph has it, as long as retry names interruptions and the environment has attempts left.
 * That comes when all tasks of the old place are answered, and nothing that comes after the two has
 * begun.
 *
 * The first interrupt cancels all that has not begun, what waits for another attempt, what is
 * PENDING, and what queues at a place; what runs goes on to its end, unless it asks for an intent:
 * that is refused. The second stops tasks with grace_ns, the third with none; a step that runs is
 * waited for. `always` nodes run in any case, and may act even when the journal cannot be
 * written: they put away what costs money. A PENDING step that is given up is not called again:
 * what its provider_data holds is the provider's to find and free at its own end. */
int executor_run(struct arena *a, const struct graph *graph, const struct exec_options *options,
	const struct exec_port *port, struct journal *journal, const struct exec_observer *observer,
	struct exec_result *result, struct error *err);

#endif
