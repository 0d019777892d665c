/* reap: what becomes of processes: a task ends as a whole, whatever it forked and wherever that
 * went.
 *
 * A task is a process group of its own. When its main process ended, by itself or not, the rest of
 * the group is killed at once (a task that was asked to end has the rest of its grace for that).
 * What left the group (setsid, daemons) falls to the runner, who is a subreaper, when its parent
 * ends; it is told by FURROW_OUT in its environment, else by its group or current folder, and is
 * killed when its task has ended. What cannot be told goes when no task runs. A process that nobody
 * knows but that still holds a task's stdout or stderr is found by that. */
#ifndef RUNNER_REAP_H
#define RUNNER_REAP_H

#include "cmd/runner/task.h"

/* Collects every child that ended, and looks after what ended tasks left. */
void reap(struct runner *r);
/* The second half alone. */
void reap_orphans(struct runner *r);

/* TERM to the task's group, having noted who else is below it. */
void reap_ask(struct task *t);
/* KILL to all of a task that can be found. */
void reap_kill(struct runner *r, struct task *t);
/* KILL to whoever still holds its streams. */
void reap_holders(struct task *t);
/* KILL to all descendants of the runner, until there are none (or that takes too long). */
void reap_everything(struct runner *r);

#endif
