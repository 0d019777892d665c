/* places: which place takes the next task. */
#include "planner/execute/places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint32_t
choose_and_take(struct places *p, uint32_t waiting)
{
	uint32_t at = places_choose(p, waiting, 0);

	if (at != NO_PLACE)
		places_take(p, at);
	return at;
}

static void
nowhere(void **state)
{
	struct places p;

	(void)state;
	places_init(&p, 0, 3);
	assert_int_equal(places_choose(&p, 1, 0), NO_PLACE);
	places_add(&p, 0, 1);
	places_take(&p, 0);
	places_lose(&p, 0);
	assert_int_equal(places_choose(&p, 9, 0), NO_PLACE);
	assert_int_equal(p.slots, 0);
	assert_int_equal(p.in_flight, 0);
	places_give_back(&p, 0, false);
	assert_int_equal(p.in_flight, 0);
	places_free(&p);
}

static void
the_most_free_slots_first(void **state)
{
	struct places p;

	(void)state;
	places_init(&p, 0, 0);
	places_add(&p, 4, 1);
	places_add(&p, 7, 3);
	assert_int_equal(choose_and_take(&p, 9), 1);
	assert_int_equal(choose_and_take(&p, 9), 1);
	assert_int_equal(choose_and_take(&p, 9), 0);
	assert_int_equal(choose_and_take(&p, 9), 1);
	assert_int_equal(choose_and_take(&p, 9), NO_PLACE);
	places_give_back(&p, 0, false);
	assert_int_equal(choose_and_take(&p, 9), 0);
	places_free(&p);
}

static void
ahead_only_while_every_slot_can_count_on_another_task(void **state)
{
	struct places p;

	(void)state;
	places_init(&p, 0, 2);
	places_add(&p, 0, 2);
	places_add(&p, 1, 2);
	for (int i = 0; i < 4; i++)
		assert_int_not_equal(choose_and_take(&p, 1), NO_PLACE);
	assert_int_equal(places_choose(&p, 4, 0), NO_PLACE);
	assert_int_equal(choose_and_take(&p, 9), 0);
	assert_int_equal(choose_and_take(&p, 9), 1);
	assert_int_equal(choose_and_take(&p, 9), 0);
	assert_int_equal(choose_and_take(&p, 9), 1);
	assert_int_equal(choose_and_take(&p, 9), NO_PLACE);
	places_free(&p);
}

static void
one_place_alone_queues_to_the_last(void **state)
{
	struct places p;

	(void)state;
	places_init(&p, 0, 1);
	places_add(&p, 0, 1);
	places_take(&p, 0);
	assert_int_equal(places_choose(&p, 1, 0), 0);
	assert_int_equal(places_choose(&p, 1, 1), NO_PLACE); /* but another one is coming */
	assert_int_equal(places_choose(&p, 3, 1), 0);
	places_free(&p);
}

static void
the_cap_counts_all_and_queues_nothing(void **state)
{
	struct places p;

	(void)state;
	places_init(&p, 3, 5);
	places_add(&p, 0, 2);
	places_add(&p, 1, 2);
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(choose_and_take(&p, 99), NO_PLACE);
	assert_int_equal(choose_and_take(&p, 99), NO_PLACE);
	places_lose(&p, 1); /* now there are 2 slots, so the cap limits nothing */
	assert_int_equal(places_choose(&p, 99, 0), 0);
	places_free(&p);
}

/* It gets nothing any more and does not count, but under -j what runs there does. */
static void
one_that_leaves(void **state)
{
	struct places p;

	(void)state;
	places_init(&p, 3, 0);
	places_add(&p, 0, 2);
	places_add(&p, 1, 4);
	places_take(&p, 0);
	places_take(&p, 0);
	places_leave(&p, 0);
	places_leave(&p, 0);
	assert_int_equal(p.n_live, 1);
	assert_int_equal(p.slots, 4);
	assert_int_equal(p.in_flight, 0);
	assert_int_equal(choose_and_take(&p, 9), 1);
	assert_int_equal(choose_and_take(&p, 9), NO_PLACE);
	places_give_back(&p, 0, false);
	assert_int_equal(choose_and_take(&p, 9), 1);
	places_lose(&p, 0);
	assert_int_equal(p.slots, 4);
	assert_int_equal(choose_and_take(&p, 9), 1);
	assert_int_equal(choose_and_take(&p, 9), NO_PLACE);
	places_give_back(&p, 0, false); /* what was lost there is answered at last */
	assert_int_equal(p.in_flight, 3);
	assert_int_equal(p.ending, 0);
	places_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nowhere),
		cmocka_unit_test(the_most_free_slots_first),
		cmocka_unit_test(ahead_only_while_every_slot_can_count_on_another_task),
		cmocka_unit_test(one_place_alone_queues_to_the_last),
		cmocka_unit_test(the_cap_counts_all_and_queues_nothing),
		cmocka_unit_test(one_that_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
