/* inventory_internal: what the files of the inventory share. */
#ifndef FURROW_INVENTORY_INTERNAL_H
#define FURROW_INVENTORY_INTERNAL_H

#include "providers/aws/s3.h"
#include "providers/fleet/inventory.h"

#include <pthread.h>

struct job_lock;

enum inventory_part {
	PART_INSTANCES,
	PART_GROUPS,
	PART_SOURCES,
	PART_SETUPS,
	PART_RUNNERS,
	PART_LOCKS,
	INVENTORY_PARTS
};

/* A job's lock in one store: ours, or why not. */
struct holding {
	struct str job, bucket, prefix;
	struct job_lock *lock; /* NULL: nobody has it, or `why` */
	int rc;		       /* of taking it, or looking at it */
	struct str why;	       /* rc < 0 */
	struct holding *next;
};

struct inventory_locks {
	pthread_mutex_t lock; /* over the list: held while locks are added and taken */
	struct arena arena;   /* theirs */
	struct holding *first;
};

struct inventory {
	struct aws *aws;
	const struct clock *clock;
	const atomic_bool *stop;
	struct arena arena;		     /* until close */
	struct arena reads[INVENTORY_PARTS]; /* of the last reading: parts come side by side */
	struct str as, job, store, bucket, prefix; /* bucket absent: not asked for yet */
	bool no_bucket;				   /* found not to be there */
	struct inventory_item *v;
	size_t n, n_instances;
	struct inventory_locks *locks;
	bool own_locks; /* no other inventory's as well */
};

/* inventory_wait.c */
bool inventory_is_stopped(const struct inventory *inv);
/* In slices; false: stopped. */
bool inventory_sleep(const struct inventory *inv, int64_t ns);
/* inventory.c: the bucket; may take a call. */
int inventory_locate(struct inventory *inv, struct error *err);

/* inventory_lock.c */
/* NULL: the job's lock was not looked at, or nobody has it. */
const struct holding *inventory_holding(const struct inventory *inv, struct str job);
/* Whether what was locked still is. */
int inventory_check(const struct inventory *inv, struct str job, struct error *err);
void inventory_unlock(struct inventory_locks *locks);

#endif
