/* offer: which of the instances that would do a job pays least for. */
#include "planner/offer.h"

#include <math.h>
#include <stdlib.h>

/* Prices that differ by less are the same: the address and the disk of one more instance. */
static const double same_share = 0.02;

double
offer_hourly_usd(const struct offer *o)
{
	if (o->instance_usd < 0 || o->credits_usd < 0 || o->extras_usd < 0)
		return -1;
	return o->instance_usd + o->credits_usd + o->extras_usd;
}

double
offer_slot_usd(const struct offer *o)
{
	double usd = offer_hourly_usd(o);

	return usd < 0 ? -1 : usd / o->slots;
}

double
offer_credits_usd(struct str type, int64_t cpus)
{
	/* Of one vCPU, in percent. */
	static const struct {
		const char *size;
		double baseline, baseline_t2;
	} sizes[] = {{"nano", 5, 5}, {"micro", 10, 10}, {"small", 20, 20}, {"medium", 20, 20},
		{"large", 30, 30}, {"xlarge", 40, 22.5}, {"2xlarge", 40, 17}};
	struct str family = str_cut(&type, '.');
	double vcpu_usd = str_is(family, "t4g") ? 0.04 : 0.05;
	bool t2 = str_is(family, "t2");

	if (!t2 && !str_is(family, "t3") && !str_is(family, "t3a") && !str_is(family, "t4g"))
		return 0;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		double baseline = t2 ? sizes[i].baseline_t2 : sizes[i].baseline;

		if (str_is(type, sizes[i].size))
			return (double)cpus * (1 - baseline / 100) * vcpu_usd;
	}
	return 0;
}

static uint32_t
wanted_slots(const struct offer_need *need)
{
	return need->max_slots && need->tasks > need->max_slots ? need->max_slots : need->tasks;
}

uint32_t
offer_count(const struct offer_need *need, uint32_t slots)
{
	uint32_t wanted = wanted_slots(need);
	uint32_t n = wanted / slots + (wanted % slots != 0);

	return n < need->max_instances ? n : need->max_instances;
}

/* All tasks taking the same time, in rounds of as many as there are slots for. */
static void
price_job(struct offer *o, const struct offer_need *need)
{
	double hourly = offer_hourly_usd(o), slots;
	uint32_t wanted = wanted_slots(need);

	o->n_instances = offer_count(need, o->slots);
	slots = (double)o->n_instances * o->slots;
	if (slots > wanted)
		slots = wanted;
	o->job_usd = hourly < 0 ? -1 : 0;
	if (hourly >= 0 && slots > 0)
		o->job_usd = hourly * o->n_instances * ceil(need->tasks / slots);
}

static int
by_number(double x, double y)
{
	return (x > y) - (x < y);
}

/* 0: never. What is not rated may be anything. */
static int
risk(const struct offer *o)
{
	if (!o->spot)
		return 0;
	return o->interrupted == OFFER_UNRATED ? 3 : 1 + o->interrupted;
}

static int
by_kind(const struct offer *x, const struct offer *y)
{
	int order = risk(x) - risk(y);

	if (order == 0)
		order = x->far - y->far;
	if (order == 0)
		order = by_number((double)x->gpus, (double)y->gpus);
	if (order == 0)
		order = by_number((double)x->weight, (double)y->weight);
	if (order == 0)
		order = by_number(x->job_usd, y->job_usd);
	if (order == 0)
		order = str_cmp(x->type, y->type);
	return order ? order : str_cmp(x->zone, y->zone);
}

static int
by_price(const void *a, const void *b)
{
	const struct offer *x = a, *y = b;
	int order = (x->job_usd < 0) - (y->job_usd < 0);

	if (order == 0)
		order = by_number(x->job_usd, y->job_usd);
	return order ? order : by_kind(x, y);
}

static int
by_merit(const void *a, const void *b)
{
	return by_kind(a, b);
}

void
offers_rank(struct offer *offers, size_t n, const struct offer_need *need)
{
	size_t same;

	for (size_t i = 0; i < n; i++)
		price_job(&offers[i], need);
	if (n)
		qsort(offers, n, sizeof(*offers), by_price);
	/* Groups of the same price, each counted from its cheapest, so that the order is one. */
	for (size_t i = 0; i < n; i += same) {
		double most = offers[i].job_usd * (1 + same_share);

		for (same = 1; i + same < n; same++) {
			double usd = offers[i + same].job_usd;

			if (usd < 0 || usd > most)
				break;
		}
		qsort(&offers[i], same, sizeof(*offers), by_merit);
	}
}

struct str
offer_name(struct arena *a, const struct offer *o)
{
	return arena_printf(a, "%.*s%s%s%.*s", STR_ARG(o->type), o->spot ? " (spot)" : "",
		o->zone.p ? " in " : "", STR_ARG(o->zone));
}

struct str
offer_money(struct arena *a, double usd)
{
	if (usd < 0)
		return STR("price unknown");
	if (usd < 1)
		return arena_printf(a, "$%.4f", usd);
	return usd < 10 ? arena_printf(a, "$%.2f", usd) : arena_printf(a, "$%.1f", usd);
}
