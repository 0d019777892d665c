/* state: what the executor knows of a run. Inside of the executor only; all of it belongs to the
 * coordinator's thread. */
#ifndef FURROW_STATE_H
#define FURROW_STATE_H

#include "planner/execute/budget.h"
#include "planner/execute/executor.h"
#include "planner/execute/places.h"
#include "planner/execute/ready.h"
#include "planner/execute/retry.h"

enum {
	ACKS_MAX = 64, /* threads that wait for one write to the disk */
	/* A line is on disk so long after it was written, at the latest. */
	SYNC_AFTER_NS = 50 * 1000 * 1000
};

/* How far the run is being ended. */
enum level {
	LEVEL_GO,
	LEVEL_DRAIN, /* nothing new but `always` nodes */
	LEVEL_STOP,  /* tasks were asked to end */
	LEVEL_KILL   /* and killed */
};

/* A node that was handed out. */
struct flight {
	struct call call;	    /* first: the port gives back a pointer to it */
	struct flight *prev, *next; /* in the order of being handed out; free ones: next alone */
	uint32_t place;		    /* index into places.v; NO_PLACE: a step */
	enum phase phase;
	bool begun; /* its process runs, since begun_ns */
	int64_t begun_ns;
	bool stopped; /* by request */
	bool drained; /* likewise, since it queued at a place that will be taken away */
	/* It was asked back, unless it has begun: another place has a slot for it. */
	bool recalled;
};

/* What changes of a node, besides its state. */
struct progress {
	/* While RUNNING, and PENDING inside of an attempt; NULL when another attempt is awaited. */
	struct flight *flight;
	int64_t ready_ns;
	uint32_t waits; /* for so many to end */
	uint32_t attempts;
	/* Of these, how many a place took with it before they had begun. */
	uint32_t unbegun;
	bool again; /* it was ok, and is to be made once more */
	/* Of an environment: what was told of its place before that was there; NULL: nothing. */
	struct exec_event *early;
	/* Of hand_out when it became ready: a later one began it, then it had to wait. */
	uint32_t pass;
	/* Of one that was cancelled: the node that it came from, maybe over others. */
	uint32_t cause;
};

/* A thread that waits for its line to be on disk. */
struct ack {
	void *waiter;
	bool always; /* it goes on even if that fails */
};

struct run {
	const struct graph *graph;
	const struct exec_options *options;
	const struct exec_port *port;
	const struct exec_observer *observer;
	struct journal *journal;
	struct exec_result *result;
	struct arena *a;

	uint8_t *states; /* result->states */
	struct progress *nodes;
	/* Nodes in the order of their ends; from n_told on, those after them don't know yet. */
	uint32_t *ended;
	uint32_t n_ended, n_told;
	uint32_t n_givers;	   /* nodes that give slots and have not ended */
	uint32_t n_takers;	   /* nodes that need one and have not ended */
	uint32_t n_plain;	   /* nodes that are not `always` and have not ended */
	struct ready steps, tasks; /* may hold nodes that were cancelled meanwhile */
	struct ready timers;	   /* PENDING nodes by minus the time */
	struct places places;
	bool placeless; /* there is no place and there never will be */
	uint32_t pass;
	struct retrier retry;
	uint64_t spans; /* serial of the last one */

	struct flight *first, *last, *spare;
	uint32_t n_flights; /* of the list, steps that are PENDING included */

	enum level level;
	struct error why; /* from LEVEL_DRAIN on: what nodes that are cancelled are told */
	int interrupts;
	enum error_code other_failure; /* of the first node that failed otherwise than ERR_TASK */
	struct error other_error;
	struct error lost;  /* the first place that was lost; code ERR_NONE: none */
	bool lost_for_good; /* a task ended badly for that */

	/* What took how long in this run, for what may be made again. */
	int64_t tasks_ns, boots_ns;
	uint32_t n_tasks_seen, n_boots_seen;

	struct meter meter;
	/* What follows of it for max_cost, as of so many changes of it: when tasks are stopped, and from
	 * when on none that still queues can be done. */
	bool foreseen;
	uint64_t foreseen_at;
	int64_t stop_ns, drain_ns;

	int64_t last_ns; /* time never goes back */
	int64_t next_tick_ns;
	int64_t sync_due_ns;	    /* INT64_MAX: all is on disk */
	struct error journal_error; /* code ERR_NONE: it is fine */
	struct ack acks[ACKS_MAX];  /* of lines that were written and are not on disk yet */
	uint32_t n_acks;
};

/* state.c: time, flights, journal */

int64_t run_now(struct run *r);
/* A time that a port has told, not before any other. */
int64_t run_stamp(struct run *r, int64_t t_ns);
struct flight *run_new_flight(struct run *r, uint32_t node, uint32_t place);
void run_free_flight(struct run *r, struct flight *f);
/* Takes the result of writing a line: from a good one on it is known when it has to be on disk. */
void run_wrote(struct run *r, int code);
/* Brings the journal to disk and lets those go on who wait for that. */
void run_commit(struct run *r);

/* nodes.c: becoming ready, ending, being cancelled */

bool node_has_ended(const struct run *r, uint32_t node);
/* All it comes after has ended, or its delay is over. */
void node_make_ready(struct run *r, uint32_t node, int64_t t_ns);
/* Counts it and has nodes_settle tell those after it. */
void node_end(struct run *r, uint32_t node, enum node_state state);
/* Of one that does not run at this moment. One that was ok before stays that. */
void node_cancel(struct run *r, uint32_t node, const struct error *why);
/* Tells those that come after what has ended. */
void nodes_settle(struct run *r);
/* Of the environment of a place that was lost, and the instance under it: takes back that they
 * ended, so that what needs a slot waits for it; false: something stands on them already. */
bool nodes_reopen(struct run *r, uint32_t environment);
/* Whether what nodes_reopen took back is still to be begun. */
bool nodes_is_open(const struct run *r, uint32_t environment);
/* Then: begins with it, or lets it be as it was. */
void nodes_remake(struct run *r, uint32_t environment);
void nodes_close(struct run *r, uint32_t environment);
/* What comes first of an environment: its instance when the graph has that, else itself. */
uint32_t nodes_first(const struct run *r, uint32_t environment);
/* Cancels all that has not begun and may be: only those that need a slot, or all but `always`
 * ones. */
void nodes_cancel_waiting(struct run *r, bool takers_only, const struct error *why);

/* money.c: what the run costs, and max_cost */

/* An attempt begins: at a warm host it costs from the run's begin on. */
void money_begins(struct run *r, const struct call *call);
/* Before EC2 is asked for it, and when it is there. */
bool money_allows_launch(struct run *r, const struct call *call);
/* Likewise, for one more like that which is or was there. */
bool money_allows_another(const struct run *r, uint32_t index);
void money_launched(struct run *r, const struct call *call);
/* EVENT_GONE: nobody pays for what has ended by itself. */
void money_gone(struct run *r, const struct exec_event *e);
/* A node that is no task ended for good. */
void money_ended(struct run *r, const struct node *n, bool ok);
/* false: it is not to be begun. */
bool money_allows_task(struct run *r, uint32_t node, struct error *why);
/* What is due by now, and when the next is. */
void money_keep(struct run *r, int64_t now_ns);
int64_t money_next_ns(struct run *r);

/* leave.c: places that are taken away, at once or with notice */

/* Of an environment; n_nodes: none, in tests. */
uint32_t environment_node(const struct run *r, uint32_t index);
/* EVENT_NOTICE. */
void place_noticed(struct run *r, const struct exec_event *e);
/* A task that was there has told that it is gone. Whatever else runs there is as good as gone; each still
 * has to answer, and that may need a push. */
void place_lost(struct run *r, const struct flight *teller, const struct error *why);
/* Something that was in flight there was answered: when nothing is any more, and another place may be made
 * for it, it is decided whether that pays. at may be NO_PLACE. */
void place_emptied(struct run *r, uint32_t at);

/* even.c: tasks that queue while another place has a slot free */

/* Asks for those back that are worth it. */
void even_out(struct run *r);
/* When it may be worth it. */
int64_t even_next_ns(struct run *r);

/* events.c */

/* Asks for the end of a task that was submitted. */
void stop_flight(struct run *r, struct flight *f, int64_t grace_ns);

void event_handle(struct run *r, const struct exec_event *e);
/* An attempt that has ended well; also without an event, in a dry run. */
void event_succeed(struct run *r, struct flight *f, const struct outcome *outcome, int64_t t_ns);
/* Goes up to a level; why: what nodes are told that don't begin for it. */
void run_escalate(struct run *r, enum level level, enum error_code code, const char *why);

#endif
