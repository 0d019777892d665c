/* world: what lies behind the executor's port, scripted, on a virtual clock: latency, failure,
 * pending, lost places, interrupts. Nothing takes any real time, and the same script gives the same
 * run.
 *
 * A place runs at most as many tasks as it gave slots; what it gets beyond that queues there in
 * order. One that is to be lost may have 64 at most. */
#ifndef FURROW_TEST_WORLD_H
#define FURROW_TEST_WORLD_H

#include "planner/base/clock.h"
#include "planner/execute/executor.h"

#define MS(n) ((n)*NS_PER_MS)

enum { WORLD_ANY = UINT32_MAX };

/* What happens at one node. Zero is: it succeeds at once. */
struct script {
	enum kind kind;
	uint32_t index;	  /* WORLD_ANY: each of the kind */
	uint32_t attempt; /* 0: each */

	int64_t lead_ns;    /* task: from having a slot at its place until its process is there */
	int64_t run_ns;	    /* task: of its process; step: until it answers */
	int64_t collect_ns; /* task: from its process's end to the answer */
	bool quiet;	    /* task: does not tell that its process is there */

	uint32_t slots;	   /* given */
	uint32_t pendings; /* step: answers PENDING so often at first, for pending_ns each */
	int64_t pending_ns;
	enum phase phase; /* step: goes over to it (if it isn't PHASE_QUEUE) after phase_after_ns */
	int64_t phase_after_ns;
	const char *intent; /* step: asks for it before run_ns starts, */
	const char *effect; /* and tells of this at its end */
	double hourly_usd;  /* of what it makes by these */

	enum error_code fail; /* ERR_NONE: it succeeds */
	enum error_class class;
	const char *message;
	int exit_status; /* task: with fail */
	bool timed_out;
	bool not_run; /* task: fails before there is a process */
	bool place_lost;
	bool ignores_term; /* task: ends when killed only; others need term_ns */
	int64_t term_ns;
};

struct world;

struct world *world_new(void);
void world_free(struct world *w);

/* The last one added that fits is the one for an attempt. */
void world_add(struct world *w, const struct script *s);

void world_interrupt_at(struct world *w, int64_t t_ns);
/* The place and all that runs there are gone from then on. Only one of the tasks there tells; the
 * others have to be stopped before they answer (as cancelled). */
void world_lose_place_at(struct world *w, uint32_t place, int64_t t_ns);

/* It is told that the place will be gone after left_ns: what it is when world_lose_place_at says so. */
void world_notice_at(struct world *w, uint32_t place, int64_t t_ns, int64_t left_ns);

/* It is told that the place's instance has ended. */
void world_gone_at(struct world *w, uint32_t place, int64_t t_ns);

const struct exec_port *world_port(struct world *w);

/* Writes the log: a line for each thing that the executor does, "SECONDS WHAT". */
const struct exec_observer *world_observer(struct world *w, const struct graph *graph);
const char *world_log(struct world *w);

int64_t world_now_ns(const struct world *w);
uint32_t world_max_running(const struct world *w); /* processes at a time over all places */
uint32_t world_max_queued(const struct world *w);  /* at one place */

#endif
