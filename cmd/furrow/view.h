/* view: what one sees of a run while it lasts. An exec_observer that keeps count, and one of four
 * ways to show it: live on a terminal, plain lines, JSON lines, or nothing. Writes through a
 * target, so that tests can look at every byte. */
#ifndef FURROW_VIEW_H
#define FURROW_VIEW_H

#include "cmd/furrow/config.h"
#include "planner/execute/executor.h"
#include "planner/plan.h"

struct view_target {
	void *ctx;
	void (*write)(void *ctx, struct str bytes);
	void (*size)(void *ctx, unsigned *rows, unsigned *columns); /* asked for every frame */
};

/* What all ways of showing know of the run. */
struct view_facts {
	const struct plan *plan;
	const char *run;
	const char *logs; /* folder of INDEX.ATTEMPT.stderr, for the last words of what failed;
			     NULL: none */
	bool color;
};

struct view;

/* wish AUTO: TTY when standard error is a terminal that can move its cursor and nobody said CI,
 * else PLAIN. */
enum progress view_decide(enum progress wish);

/* Standard error. */
const struct view_target *view_stderr(void);

/* Of facts and target a copy is kept; plan must outlive it. mode is not AUTO. */
struct view *view_open(
	enum progress mode, const struct view_facts *facts, const struct view_target *target);
const struct exec_observer *view_observer(const struct view *v);
/* Takes the live part off the screen. t_ns: since the run began. */
void view_close(struct view *v, int64_t t_ns);

#endif
