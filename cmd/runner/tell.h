/* tell: sending what furrow doesn't know of a task yet, as far as the window goes. */
#ifndef RUNNER_TELL_H
#define RUNNER_TELL_H

#include "cmd/runner/task.h"

void tell_begun(struct runner *r, const struct task *t);
/* Streams; and when nothing of the task runs any more its trace, its output, its end, after which
 * it is DONE. */
void tell(struct runner *r, struct task *t);
/* From the beginning again, for a new connection. */
void tell_again(struct runner *r, struct task *t);
/* Lets go of what telling needed. */
void tell_stop(struct task *t);

#endif
