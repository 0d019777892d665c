/* lock: one apply at a time, per state folder, and of a job per store that lies elsewhere. flock(2),
 * so a dead holder's lock is free; the file says who holds it. */
#ifndef FURROW_LOCK_H
#define FURROW_LOCK_H

#include "planner/base/error.h"

struct lock;

/* ERR_LOCKED, naming holder's pid, run and since when, when another process has it. run: written
 * into the file. */
int lock_take(struct lock **out, const char *path, const char *run, struct error *err);
void lock_release(struct lock *l);
/* The holder's pid, 0: free. For status. run: at least 27 bytes. */
int lock_holder(const char *path, char run[32]);

#endif
