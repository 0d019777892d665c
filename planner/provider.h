/* provider: the one interface between the executor and the world. A provider makes, changes and
 * removes things; when, how often and in which order is the executor's business. */
#ifndef FURROW_PROVIDER_H
#define FURROW_PROVIDER_H

#include "planner/base/error.h"
#include "planner/boot.h"
#include "planner/graph.h"

struct call;

enum step { STEP_DONE, STEP_FAILED, STEP_PENDING };

/* What is to be known of a finished call. Zero is "nothing to say". Times are on the run's clock
 * (call->sink->now_ns). */
struct outcome {
	uint32_t slots; /* environment: how many tasks at a time */
	/* Likewise, of an instance that was launched: how it came up. The provider's, which keeps it
	 * for as long as the run; NULL: nothing to tell. */
	const struct boot *boot;
	int64_t phase_ns
		[PHASE_COUNT]; /* shares of the node's wall; what is left becomes PHASE_OTHER */
	bool ran;	       /* task: the process was started; the fields below hold */
	int64_t begun_ns, ended_ns; /* when the process ran */
	int exit_status;	    /* -1 when ended by a signal */
	int signal;
	bool timed_out;
	int64_t cpu_ns, max_rss_bytes;
	int64_t stdout_bytes, stderr_bytes;	      /* written by the task */
	int64_t stdout_kept_bytes, stderr_kept_bytes; /* less than written: the cap was reached */
	int64_t output_bytes, output_files;
	bool place_lost; /* the failure is the place's, not the task's: its host went away */
	bool fetching; /* nor this: its process failed to fetch the input, and never became the task's */
};

/* What a call may tell while it lasts. Any thread, except where said. */
struct sink {
	int64_t (*now_ns)(struct call *call);
	/* The node goes over to another phase now. */
	void (*phase)(struct call *call, enum phase phase);
	/* The task's process was started (t_ns on the run's clock). */
	void (*begun)(struct call *call, int64_t t_ns);
	/* On disk when it returns; < 0: it isn't, so don't make the call. Not on the
	 * coordinator's thread. */
	int (*intent)(struct call *call, const char *op, const char *token, struct error *err);
	/* Likewise, for what came of it. */
	int (*effect)(struct call *call, const char *id, struct error *err);
	/* Ends the call; exactly once, the call is gone after that. Copies outcome and err. err
	 * may be NULL when DONE. PENDING is answered by step()'s return value only. */
	void (*answer)(struct call *call, enum step step, const struct outcome *outcome,
		const struct error *err);
};

/* One attempt at one node. Belongs to the executor; lives until answered. */
struct call {
	const struct sink *sink;
	const struct node *node;
	uint32_t node_index;
	uint32_t attempt;	  /* 1, 2, … */
	uint32_t place;		  /* task: index of the environment whose slot it has */
	char trace[33], span[17]; /* W3C trace context, lower-case hex */
	/* out, before intent and effect: what an hour costs of what is made; 0: nothing, < 0: unknown */
	double hourly_usd;
	int64_t pending_until_ns; /* out, with STEP_PENDING: not before this */
	int64_t timeout_ns;	  /* task: of this attempt; < 0: none */
	void *provider_data;	  /* the provider's own, kept over PENDING; NULL at first */
};

/* Who hears what a provider tells without being asked. Any thread; never blocks. */
struct ear {
	void *ctx;
	/* The place of environment[place] will be taken away in so long, and is to get no task any
	 * more; text says so to people, as "i-0… will be interrupted at 12:00:03". Once is enough. */
	void (*notice)(void *ctx, uint32_t place, int64_t left_ns, const char *text);
	/* The instance under environment[place] has ended and costs nothing any more, by whomever it was
	 * ended. Told before anything is launched in its place, and before a call that fails for it is
	 * answered. */
	void (*gone)(void *ctx, uint32_t place);
};

enum { STOP_UNBEGUN = -1 };

struct provider {
	void *ctx;
	/* From now on this one hears (a copy is kept), NULL: nobody any more. May be NULL. */
	void (*listen)(void *ctx, const struct ear *ear);
	/* Does, or goes on with, anything but a task, on a worker's thread. May block, but gives
	 * back with PENDING what would only wait. Fills *outcome; *err when FAILED. */
	enum step (*step)(void *ctx, struct call *call, struct outcome *outcome, struct error *err);
	/* Starts a task at call->place. Never blocks; the coordinator's thread. Ends by
	 * sink->answer. */
	void (*submit)(void *ctx, struct call *call);
	/* Ends a submitted task that was not answered yet: TERM, then KILL after grace_ns (0:
	 * KILL at once; STOP_UNBEGUN: only if it has not begun). The answer still comes, as failed with ERR_CANCELLED. For a step: asks
	 * it to end early; it may take its time. Never blocks; the coordinator's thread. */
	void (*stop)(void *ctx, struct call *call, int64_t grace_ns);
};

#endif
