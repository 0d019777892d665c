/* start: a task's folder, pipes, environment and process. */
#ifndef RUNNER_START_H
#define RUNNER_START_H

#include "cmd/runner/task.h"

/* Makes what a waiting task needs besides a process: done beforehand, its slot is empty for less
 * long. 0, or -1 with the task's message. Once is enough. */
int start_prepare(struct runner *r, struct task *t);

/* Prepares it if need be and starts its process: pid and begun_ns. 0, or -1 with the task's
 * message. */
int start(struct runner *r, struct task *t);

/* Closes its pipes: it will not be started. */
void start_undo(struct runner *r, struct task *t);

#endif
