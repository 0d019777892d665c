/* view_model: what the ways of showing a run share: the counts behind a view, and how a finished
 * node reads. */
#ifndef FURROW_VIEW_MODEL_H
#define FURROW_VIEW_MODEL_H

#include "cmd/furrow/view.h"
#include "planner/base/buf.h"
#include "planner/base/clock.h"

enum {
	VIEW_FEW_TASKS = 20,   /* so many tasks at most: each one's success gets a line */
	VIEW_FULL_ERRORS = 10, /* so many failures with the last lines of their stderr */
	VIEW_MAX_ERRORS = 100  /* so many failures with a line; the rest is in the counts */
};

struct view_end {
	uint32_t node, attempt;
	enum node_state state;
	const struct outcome *outcome;
	const struct error *err; /* NULL: ok */
	bool will_retry;
	int64_t t_ns;
};

/* One way of showing. Any may be NULL. The counts are up to date when it is called. */
struct view_way {
	int64_t tick_ns;
	void (*begin)(struct view *v, uint32_t node, uint32_t attempt,
		int64_t t_ns); /* tasks: the process runs */
	void (*end)(struct view *v, const struct view_end *end);
	void (*interrupt)(struct view *v, int count);
	void (*word)(struct view *v, const char *text, int64_t t_ns);
	void (*tick)(struct view *v, int64_t t_ns);
	void (*close)(struct view *v, int64_t t_ns);
};

extern const struct view_way view_way_tty, view_way_plain, view_way_json, view_way_quiet;

struct view {
	struct view_facts facts;
	struct view_target target;
	struct exec_observer observer;
	const struct view_way *way;
	struct buf out; /* what the next write takes along */

	uint32_t *running; /* nodes that run, longest first */
	uint32_t n_running;
	int64_t *since_ns;  /* [n_nodes] of those that run */
	uint8_t *phases;    /* [n_nodes] enum phase */
	uint32_t *attempts; /* [n_nodes] the one that runs */
	uint32_t n_tasks, tasks_ok, tasks_failed, tasks_cancelled, tasks_running;
	uint32_t n_failures; /* lines about failures so far */
	int64_t tasks_ns;    /* of all that ended, together */
	uint32_t tasks_ended;
	int64_t first_task_ns;	   /* when the first task began; < 0: none did */
	int64_t now_ns;		   /* of the last event */
	const struct meter *meter; /* of the run's instances; NULL: not told */

	int64_t told_ns; /* plain: when the last line was written */
	uint32_t told_tasks;
	uint32_t *widths; /* tty: columns of each line of the last frame */
	uint32_t n_lines, cap_lines;
};

const struct node *view_node(const struct view *v, uint32_t node);
/* "task[7] c.txt" or "environment[0]". */
void view_add_name(const struct view *v, struct buf *b, uint32_t node);
/* How many tasks run. A result that is being stored has no slot any more, though its task is not over. */
uint32_t view_running(const struct view *v);
/* "12 of 200 tasks done, 2 running, 1 failed, 34 s, about 2m 10s left". */
void view_add_counts(const struct view *v, struct buf *b, int64_t t_ns);
/* The lines, each with its newline, that stay when a node ended: none when it is not worth one.
 * `eol` goes before each newline. columns: 0, or where to cut. */
void view_add_end(
	struct view *v, struct buf *b, const struct view_end *end, const char *eol, size_t columns);
/* What to say at the first and at the second interrupt. */
void view_add_interrupt(const struct view *v, struct buf *b, int count);
/* How long it will go on; < 0: nobody knows. */
int64_t view_remaining_ns(const struct view *v, int64_t t_ns);
void view_flush(struct view *v);

#endif
