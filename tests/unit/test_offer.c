/* offer: what is cheapest for so many tasks, and what decides when several cost the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>

#include "planner/offer.h"

enum { MANY = 16 };

static struct offer
offer(const char *type, int64_t cpus, bool spot, double usd)
{
	return (struct offer){.type = str_from(type),
		.zone = STR("z-a"),
		.cpus = cpus,
		.slots = (uint32_t)cpus,
		.spot = spot,
		.instance_usd = usd,
		.interrupted = OFFER_UNRATED,
		.weight = cpus};
}

static void
near(double got, double wanted)
{
	if (fabs(got - wanted) > 1e-9)
		fail_msg("%.9f, wanted %.9f", got, wanted);
}

static const struct offer_need ten = {.tasks = 10, .max_instances = 20};

static void
best_is(struct offer *v, size_t n, const struct offer_need *need, const char *type)
{
	offers_rank(v, n, need);
	if (!str_is(v[0].type, type))
		fail_msg("%.*s was taken for the best, not %s", STR_ARG(v[0].type), type);
}

static void
the_cheapest_by_slot(void **state)
{
	struct offer v[] = {offer("a.large", 2, false, 0.10), offer("b.large", 2, false, 0.08),
		offer("b.xlarge", 4, false, 0.20)};

	(void)state;
	best_is(v, 3, &ten, "b.large");
	assert_int_equal(v[0].n_instances, 5);
	near(v[0].job_usd, 0.40);
	near(offer_slot_usd(&v[0]), 0.04);
}

/* A large one that is cheaper by slot is not cheaper when most of it stays idle. */
static void
tasks_are_packed(void **state)
{
	struct offer v[] = {offer("a.large", 2, false, 0.10), offer("a.16xlarge", 64, false, 2.00)};
	const struct offer_need many = {.tasks = 640, .max_instances = 400};

	(void)state;
	best_is(v, 2, &ten, "a.large");
	best_is(v, 2, &many, "a.16xlarge");
}

static void
rounds_count(void **state)
{
	/* With one instance ten tasks take five rounds on two slots, and two on eight. */
	struct offer v[] = {offer("a.large", 2, false, 0.10), offer("a.2xlarge", 8, false, 0.22)};
	const struct offer_need one = {.tasks = 10, .max_instances = 1};

	(void)state;
	best_is(v, 2, &one, "a.2xlarge");
	near(v[0].job_usd, 0.44);
	near(v[1].job_usd, 0.50);
}

static void
fewer_slots_are_wanted(void **state)
{
	struct offer v[] = {offer("a.large", 2, false, 0.10), offer("a.2xlarge", 8, false, 0.38)};
	const struct offer_need two = {.tasks = 10, .max_instances = 20, .max_slots = 2};

	(void)state;
	best_is(v, 2, &ten, "a.large");
	assert_int_equal(v[0].n_instances, 5);
	best_is(v, 2, &two, "a.large");
	assert_int_equal(v[0].n_instances, 1);
}

/* The same to 2 %: the less interrupted wins, and on-demand is never interrupted. */
static void
ties(void **state)
{
	struct offer v[] = {offer("s.often", 2, true, 0.0990), offer("s.rarely", 2, true, 0.1000),
		offer("s.unrated", 2, true, 0.0995), offer("d.never", 2, false, 0.1005)};

	(void)state;
	v[0].interrupted = 4;
	v[1].interrupted = 0;
	best_is(v, 4, &ten, "d.never");
	assert_true(str_is(v[1].type, "s.rarely"));
	assert_true(str_is(v[2].type, "s.unrated"));
	assert_true(str_is(v[3].type, "s.often"));
	for (size_t i = 0; i < 4; i++) {
		if (str_is(v[i].type, "d.never"))
			v[i].instance_usd = 0.1015; /* 2.5 % more than the cheapest */
	}
	best_is(v, 4, &ten, "s.rarely");
	assert_true(str_is(v[3].type, "d.never"));
}

static void
all_that_comes_with_it(void **state)
{
	struct offer v[] = {offer("a.large", 2, false, 0.10), offer("a.xlarge", 4, false, 0.20)};
	const struct offer_need four = {.tasks = 4, .max_instances = 9};

	(void)state;
	v[0].extras_usd = v[1].extras_usd = 0.02; /* an address and a disk each */
	best_is(v, 2, &four, "a.xlarge");
	v[0].extras_usd = -1;
	best_is(v, 2, &four, "a.large"); /* what is not known comes last */
	assert_true(v[1].job_usd < 0 && offer_hourly_usd(&v[1]) < 0 && offer_slot_usd(&v[1]) < 0);
}

static void
burstable_types_pay_for_credits(void **state)
{
	struct offer v[] = {
		offer("t3.large", 2, false, 0.0832), offer("c7i.large", 2, false, 0.0893)};

	(void)state;
	near(offer_credits_usd(STR("t3.micro"), 2), 0.09);
	near(offer_credits_usd(STR("t4g.2xlarge"), 8), 0.192);
	near(offer_credits_usd(STR("t2.xlarge"), 4), 0.155);
	near(offer_credits_usd(STR("t3.metal"), 2), 0);
	near(offer_credits_usd(STR("trn1.2xlarge"), 8), 0);
	near(offer_credits_usd(STR("m5.large"), 2), 0);
	v[0].credits_usd = offer_credits_usd(v[0].type, 2);
	best_is(v, 2, &ten, "c7i.large");
}

static void
without_prices_the_smaller(void **state)
{
	struct offer v[] = {offer("b.xlarge", 4, true, -1), offer("a.large", 2, true, -1),
		offer("a.large", 2, false, -1), offer("g.large", 1, false, -1)};

	(void)state;
	v[3].gpus = 1;
	best_is(v, 4, &ten, "a.large");
	assert_false(v[0].spot);
	assert_int_equal(v[0].n_instances, 5);
	assert_true(str_is(v[1].type, "g.large"));
}

/* What goes between regions is paid for; what EC2 takes back costs more than that. */
static void
near_the_store(void **state)
{
	struct offer v[] = {offer("a.large", 2, false, 0.100), offer("b.large", 2, false, 0.101),
		offer("c.large", 2, true, 0.100)};

	(void)state;
	v[0].far = true;
	best_is(v, 3, &ten, "b.large");
	assert_true(v[1].far);
	for (size_t i = 0; i < 3; i++)
		v[i].far = !v[i].spot;
	best_is(v, 3, &ten, "a.large");
	for (size_t i = 0; i < 3; i++) {
		v[i].far = str_is(v[i].type, "a.large");
		if (v[i].far)
			v[i].instance_usd = 0.09;
	}
	best_is(v, 3, &ten, "a.large");
}

/* The order is one, however the offers came. */
static void
order_of_arrival_is_nothing(void **state)
{
	struct offer v[MANY], first[MANY];

	(void)state;
	for (size_t turn = 0; turn < MANY; turn++) {
		for (size_t i = 0; i < MANY; i++) {
			size_t k = (i * 7 + turn) % MANY;

			v[i] = offer(k % 2 ? "a.large" : "b.large", 2, k % 4 < 2,
				0.1 + 0.001 * (double)(k / 2));
			v[i].zone = k < MANY / 2 ? STR("z-a") : STR("z-b");
			v[i].interrupted = (int)(k % 5) - 1;
		}
		offers_rank(v, MANY, &ten);
		if (turn == 0)
			memcpy(first, v, sizeof(v));
		for (size_t i = 0; i < MANY; i++) {
			near(v[i].instance_usd, first[i].instance_usd);
			assert_true(str_eq(v[i].type, first[i].type) &&
				    str_eq(v[i].zone, first[i].zone));
		}
	}
	offers_rank(v, 0, &ten);
}

static void
words(void **state)
{
	struct arena a = {0};
	struct offer o = offer("m7i.large", 2, true, 0.1);

	(void)state;
	assert_string_equal(offer_name(&a, &o).p, "m7i.large (spot) in z-a");
	o.spot = false;
	o.zone = (struct str){0};
	assert_string_equal(offer_name(&a, &o).p, "m7i.large");
	assert_string_equal(offer_money(&a, 0.04123).p, "$0.0412");
	assert_string_equal(offer_money(&a, 1.256).p, "$1.26");
	assert_string_equal(offer_money(&a, 32.77).p, "$32.8");
	assert_string_equal(offer_money(&a, -1).p, "price unknown");
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cheapest_by_slot),
		cmocka_unit_test(tasks_are_packed),
		cmocka_unit_test(rounds_count),
		cmocka_unit_test(fewer_slots_are_wanted),
		cmocka_unit_test(ties),
		cmocka_unit_test(all_that_comes_with_it),
		cmocka_unit_test(burstable_types_pay_for_credits),
		cmocka_unit_test(without_prices_the_smaller),
		cmocka_unit_test(near_the_store),
		cmocka_unit_test(order_of_arrival_is_nothing),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
