/* job_lock: one apply of a job at a time, over all machines: an object locks/JOB beside the store, with
 * a lease that a thread of its own renews. Whoever dies leaves a lock that runs out by itself.
 *
 *   {"furrow_lock":1,"job":…,"run":…,"host":…,"machine":…,"pid":…,"user":…,"since":"<RFC 3339>",
 *    "until":"<RFC 3339>","lease_s":…,"nonce":…}
 *
 * Every step is a conditional request (If-None-Match, If-Match), so of two who want it one gets it.
 * Whether a lease has run out is told by S3's clock alone: its Date against the object's
 * Last-Modified; a machine whose clock is off takes no lock from anybody and loses none. */
#ifndef FURROW_JOB_LOCK_H
#define FURROW_JOB_LOCK_H

#include "planner/base/arena.h"
#include "planner/base/clock.h"
#include "planner/base/error.h"

struct aws;
struct job_lock;

enum { JOB_LOCK_LEASE_S = 60 };

struct job_lock_options {
	struct str bucket, prefix; /* where the store is; prefix absent or "": none */
	struct str job, run;
	int64_t lease_ns;	   /* 0: JOB_LOCK_LEASE_S; at least a second */
	const struct clock *clock; /* now_ns decides, wall_ns is for people; NULL: the machine's */
};

/* Who has a job's lock. */
struct job_holder {
	bool held; /* by somebody whose lease has not run out */
	struct str run, host, user, since, until;
	int64_t pid;
};

/* ERR_LOCKED: another run has it: who, since when, until when its lease lasts. A lock that has run
 * out, or whose process on this machine is gone, is taken over. ERR_INPUT: a newer furrow's.
 * aws must outlive the lock. */
int job_lock_take(struct job_lock **out, struct aws *aws, const struct job_lock_options *options,
	struct error *err);

/* Whether it is still held: before everything that changes something. No request, any thread.
 * ERR_LOCKED: somebody has taken it over or removed it; ERR_HOST: it could not be renewed in time, the
 * message says why; CLASS_TRANSIENT, since it may be yet. */
int job_lock_check(struct job_lock *l, struct error *err);

/* Gives it back, and stops renewing. What fails is left to run out. NULL is fine. */
void job_lock_release(struct job_lock *l);

/* Looks who has it, for status; nobody: held is false. Strings live in the arena. */
int job_lock_holder(struct aws *aws, struct arena *a, const struct job_lock_options *options,
	struct job_holder *out, struct error *err);

#endif
