/* meter: what the instances of a run have cost so far: each from when it was made to when it was let
 * go, by its price. Belongs to one thread; reads no clock. */
#ifndef FURROW_METER_H
#define FURROW_METER_H

#include <stdbool.h>
#include <stdint.h>

/* One instance, by the index that instance[i], environment[i] and release[i] share. */
struct metered {
	/* asked: EC2 may launch it at any moment; runs: it costs money. */
	bool asked, runs, launched;
	int64_t since_ns;
	double hourly_usd; /* of the last one that was there or asked for; 0: none */
};

struct meter {
	struct metered *v;
	uint32_t n, cap;
	double gone_usd;  /* of those that were let go */
	bool least;	  /* one had no known price: it is more than what is told */
	uint64_t changes; /* so often the following have changed what is to come */
};

/* It is about to be asked for. */
void meter_ask(struct meter *m, uint32_t index, int64_t t_ns, double hourly_usd);
/* It runs. launched: by this run, so that EC2's least is paid. One that stood there before is gone.
 * hourly_usd < 0: nobody knows. */
void meter_begin(struct meter *m, uint32_t index, int64_t t_ns, double hourly_usd, bool launched);
/* There is none, or not any more. */
void meter_end(struct meter *m, uint32_t index, int64_t t_ns);
/* What was asked for was not to be had, if it doesn't run. */
void meter_unask(struct meter *m, uint32_t index);

/* What they cost up to t_ns, and what an hour of those that run costs. */
double meter_usd(const struct meter *m, int64_t t_ns);
double meter_hourly_usd(const struct meter *m);

/* When they will have cost so much, from now_ns on, what was asked for and another one at more_usd an
 * hour (0: none) included: it would be launched now. now_ns: it is that much already; INT64_MAX: never. */
int64_t meter_when(const struct meter *m, int64_t now_ns, double more_usd, double usd);

void meter_free(struct meter *m);

#endif
