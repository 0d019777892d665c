/* summary: the end of an apply: what became of it, how long it took and where the time went, what
 * failed with its last words, what was reused. */
#ifndef FURROW_SUMMARY_H
#define FURROW_SUMMARY_H

#include "planner/execute/timings.h"
#include "planner/plan.h"

struct summary {
	const struct plan *plan;
	const struct timings *timings;
	struct str results_dir; /* as people call it */
	const char *logs;	/* folder of the attempts' streams; NULL: none */
	int exit_status;
	bool fail_fast;		  /* a failed task ends the run */
	bool out_of_time;	  /* max_duration was over */
	bool out_of_money;	  /* max_cost would have been passed */
	const struct pairs *left; /* what still costs money; NULL: nothing */
	uint32_t n_warm;	  /* instances that wait for the next apply */
	struct str lost;	  /* of a place, when tasks were left for that; absent: none */
	bool color;
};

void summary_write(struct buf *out, const struct summary *s);

/* {"furrow_run":1,"run":…,"job":…,"exit":…,"wall_s":…,"tasks":{"total","in_place","done","failed","stopped","not_run"},
 *  (see summary_add_money_json),
 *  "lost"?, "left"?:[{"id","by_hand"}], "warm"?: how many instances wait for the next apply,
 *  "phases":{"run":{"critical_s":…,"all_s":…},…},"critical_path":[{"id","label"?,"s"}],
 *  "failures":[{"id","label"?,"attempts","error","stderr"}],"reused":[…],"results":…} and a newline
 */
void summary_write_json(struct buf *out, const struct summary *s);

/* "$0.12", "at least $0.12" when one instance has no known price; nothing when the run had no instances.
 * Returns whether it said something. */
bool summary_add_usd(struct buf *out, const struct timings *t);
/* "plan said     about 30 s (+14 %), $0.10 (+20 %)" with a newline: what was foreseen, and by how much it
 * was more; nothing when nothing was. */
void summary_add_said(struct buf *out, const struct timings *t, bool color);

/* "  run    30.1 s   88 %    2m 10s" for each phase that took time, with a heading and the sum. */
void summary_add_phases(struct buf *out, const struct timings *t, bool color);

/* "usd":…,"usd_least":…, "said":{"s"?,"usd"?}, "instances":[{"index","id"|null,"begin_s","end_s"?,"hourly_usd",
 * "usd"}]: members; without instances only "said". */
void summary_add_money_json(struct buf *out, const struct timings *t);

/* Nodes of the critical path in the order of time, in the arena. */
const struct timing_node **summary_critical_path(
	struct arena *a, const struct timings *t, size_t *n);

#endif
