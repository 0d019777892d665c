/* pool: the executor's port in earnest: worker threads, a mailbox, and a provider. */
#ifndef FURROW_POOL_H
#define FURROW_POOL_H

#include "planner/base/clock.h"
#include "planner/execute/executor.h"

struct pool;

/* Threads are started when there is work for them, at most n_workers (0 counts as 1); steps that
 * find none free wait, the one with the longest remaining path first. The run begins now: now_ns
 * counts from here. The clock has to run as fast as CLOCK_MONOTONIC does. provider and clock must
 * outlive it. */
struct pool *pool_open(
	const struct provider *provider, const struct clock *clock, unsigned n_workers);
const struct exec_port *pool_port(struct pool *p);

/* Posts an EVENT_INTERRUPT. Async-signal-safe; any thread. */
void pool_interrupt(struct pool *p, int signal);

/* Waits for the workers; every call must have been answered. p may be NULL. */
void pool_close(struct pool *p);

#endif
