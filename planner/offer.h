/* offer: what an instance can be had as, and for how much: a type, in a zone, in a market. Ranked by
 * what the job would pay. Pure. */
#ifndef FURROW_OFFER_H
#define FURROW_OFFER_H

#include "planner/manifest.h"

enum { OFFER_UNRATED = -1 };

struct offer {
	struct str type;
	struct str zone;   /* absent: any of the region's */
	struct str region; /* absent: the fleet's */
	struct str
		image; /* of the machine, which each region has its own of; absent: the fleet's */
	bool far;      /* in another region than the store: what goes there and back is paid for */
	struct str gpu_name;
	int64_t cpus, memory_bytes, gpus;
	enum arch arch;
	bool spot, bare_metal;
	/* US dollars an hour; < 0: not known. credits: what a burstable type costs beside its price
	 * when all its CPUs are busy. extras: the disk, and the public address. */
	double instance_usd, credits_usd, extras_usd;
	/* Spot: how often EC2 takes such ones back, 0 (less than 5 % a month) to 4 (more than
	 * 20 %), OFFER_UNRATED: not known. */
	int interrupted;
	uint32_t slots; /* tasks at a time, >= 1 */
	int64_t weight; /* its size, in no unit: what ranks offers without a price */
	/* Set by offers_rank: what the job would pay. */
	uint32_t n_instances; /* that it would use */
	double job_usd;	      /* an hour of these, for each of the rounds of tasks; < 0: unknown */
};

/* An hour of one, all told; < 0: not known. */
double offer_hourly_usd(const struct offer *o);
/* An hour of one task slot; < 0: not known. */
double offer_slot_usd(const struct offer *o);

/* What a burstable type (t3.micro) pays an hour for CPU credits when all its CPUs are busy, in
 * unlimited mode: vCPUs times what is above its baseline times the price of a vCPU-hour of credits. 0
 * for all others. Source: Amazon EC2 User Guide, "Burstable performance instances". */
double offer_credits_usd(struct str type, int64_t cpus);

struct offer_need {
	uint32_t tasks;		/* that are to run */
	uint32_t max_instances; /* >= 1 */
	uint32_t max_slots;	/* 0: no limit */
};

/* How many of these the tasks keep busy, at most max_instances. */
uint32_t offer_count(const struct offer_need *need, uint32_t slots);

/* The best first. What counts, in this order: a price is known; what the job pays for all rounds of
 * its tasks; where that is the same to 2 %: on-demand before spot, the less interrupted before the
 * more; then the store's region, fewer GPUs, the smaller one, and by type and zone. Without prices the smaller comes first. */
void offers_rank(struct offer *offers, size_t n, const struct offer_need *need);

/* "m7i.large (spot) in us-east-2a" */
struct str offer_name(struct arena *a, const struct offer *o);

/* An amount as people read prices: "$0.0412", "$1.25", "$12.3"; "price unknown" below 0. */
struct str offer_money(struct arena *a, double usd);

#endif
