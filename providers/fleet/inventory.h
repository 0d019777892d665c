/* inventory: what of furrow's is in one region of an account, whoever launched it, and ending it. It is
 * told by tags and by names in the store alone: no manifest and no state of this machine is needed.
 * One thread at a time for each. */
#ifndef FURROW_INVENTORY_H
#define FURROW_INVENTORY_H

#include "planner/base/arena.h"
#include "planner/base/clock.h"
#include "planner/base/error.h"
#include "planner/manifest.h"

#include <stdatomic.h>

struct aws;
struct inventory;
struct inventory_locks;
struct store;

enum inventory_kind {
	INVENTORY_INSTANCE, /* in every state but terminated */
	INVENTORY_GROUP,
	INVENTORY_SOURCE, /* in the store, as are these: */
	INVENTORY_SETUP,  /* what environment.setup left */
	INVENTORY_RUNNER,
	INVENTORY_LOCK
};

struct inventory_item {
	enum inventory_kind kind;
	const char *what;		   /* for people: "instance", "security group", … */
	struct str id;			   /* "i-…", "sg-…", "s3://bucket/key" */
	struct str job;			   /* absent: of none in particular */
	struct str store;		   /* of the job, as its tag says; absent: it has none */
	struct str name;		   /* of a group */
	struct str run, type, zone, token; /* of an instance: these and the next two */
	const char *state;		   /* as EC2 told it last */
	bool spot;
	int64_t since_wall_ns; /* launched, or put; 0: not told */
	int64_t bytes;	       /* of an object; < 0: none */
	struct str stays;      /* why it is not to be removed; absent: it is */
	struct str problem;    /* why it was not removed although it should; absent: none */
	bool gone;
	int64_t absent_since_ns; /* since when EC2 doesn't find it; 0: it does */
};

/* What inventories of several regions lock together: instances of a job in one region may name a store in another.
 * Closed before these, which gives the locks back. */
struct inventory_locks *inventory_locks_open(void);
void inventory_locks_close(struct inventory_locks *locks); /* NULL: nothing */

struct inventory_options {
	struct str region;	       /* absent: as the SDKs find it */
	struct inventory_locks *locks; /* NULL: its own alone */
	struct str job;		       /* absent: of all jobs */
	struct str store; /* s3://bucket/prefix; absent: the account's own for the region */
	struct str as;	  /* whom others find at a job that we have locked: "destroy" */
	const struct clock *clock;
	const atomic_bool *stop; /* true: what waits gives up; NULL: nothing stops it */
};

/* Reads the settings of the environment, makes no call. ERR_INPUT: these, or the store, are wrong. */
int inventory_open(
	struct inventory **out, const struct inventory_options *options, struct error *err);
void inventory_close(struct inventory *inv); /* gives back the locks that it alone took */

const char *inventory_region(const struct inventory *inv);
struct aws *inventory_aws(struct inventory *inv);
/* "s3://bucket/prefix", after inventory_lock. In the arena. */
struct str inventory_store(const struct inventory *inv, struct arena *a);
/* Valid until the next inventory_read or _await; the strings until close. */
struct inventory_item *inventory_items(struct inventory *inv, size_t *n);

/* Looks what is there, replacing what was known. Instances come first, those launched first before
 * others. objects: also what lies in the store: the job's sources and what setup left, or, of all jobs, these,
 * runners and locks. ERR_INPUT: also for a region that there is none of. */
int inventory_read(struct inventory *inv, bool objects, struct error *err);

/* EC2 may be late with what it has launched: waits until each of these ClientTokens shows in one of the n regions, or
 * EC2 would have shown what was asked for at asked_wall_ns. ERR_CANCELLED: stopped. */
int inventory_await(struct inventory *const *v, size_t n, const struct strings *tokens,
	int64_t asked_wall_ns, struct error *err);

/* Keeps others from applying the job (options.job) until close: in its store, and in those that the tags
 * of its instances name, so call it before and after reading. look: only looks whether somebody does.
 * No bucket yet: nobody. ERR_LOCKED. */
int inventory_lock(struct inventory *inv, bool look, struct error *err);

/* For gc: whatever is younger stays, and so does all of a job that somebody is at, or of which that
 * cannot be known; groups stay when an instance of their job does. The locks of all other jobs are
 * held until close (look: only looked at). Regions that lock together may be judged side by side. */
struct inventory_ages {
	int64_t instance_ns, object_ns;
};
void inventory_judge(struct inventory *inv, const struct inventory_ages *ages, bool look);

/* Removes what doesn't stay. Instances are gone when EC2 says terminated, or doesn't find them for a
 * minute; then their groups are removed. Regions may be cleared side by side. 0: all is gone. Else the first failure, or ERR_CANCELLED, and
 * items tell `gone` and `problem`. */
int inventory_remove(struct inventory *inv, struct error *err);

/* After inventory_judge: why what lies in the store must not be touched, as somebody is at a job that
 * uses it; absent: nobody is. */
struct str inventory_busy(const struct inventory *inv);

/* All regions that the account may use. */
int inventory_regions(
	struct inventory *inv, struct arena *a, struct strings *out, struct error *err);

/* The region's store; the caller's. ERR_MISSING: there is no bucket. */
int inventory_open_store(struct inventory *inv, struct store **out, struct error *err);

/* "aws ec2 terminate-instances --region … --instance-ids i-…": how to remove it without furrow. */
struct str inventory_by_hand(
	struct arena *a, const struct inventory_item *item, const char *region);

#endif
