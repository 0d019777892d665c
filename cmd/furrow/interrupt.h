/* interrupt: for commands that wait for others to be done: the first SIGINT, SIGTERM or SIGHUP asks them
 * to stop, the second ends the process. */
#ifndef FURROW_INTERRUPT_H
#define FURROW_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>

/* True once one came. */
extern const atomic_bool *const interrupt_flag;

void interrupt_catch(void);
/* Back to what was before interrupt_catch. Returns 128 + the signal that came; 0: none. */
int interrupt_release(void);

#endif
