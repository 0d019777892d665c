/* Tasks that were given ahead to the host that was ready first, and others that have nothing to do: long ones are taken
 * back, short ones are not, and what has begun stays. */
#include "tests/exec/scene.h"

#include "planner/manifest.h"

/* Three environments with a slot each, ready after 10 ms, 500 ms and 500 ms, n tasks, what is to come ahead. */
static void
three_hosts(struct scene *s, uint32_t n, int64_t task_ms)
{
	set_up(s);
	for (uint32_t i = 0; i < 3; i++)
		add_one(s, KIND_ENVIRONMENT, i);
	add_tasks(s, 0, n);
	gives(s, 0, 1, 10);
	gives(s, 1, 1, 500);
	gives(s, 2, 1, 500);
	takes(s, KIND_TASK, WORLD_ANY, task_ms);
	s->options.ahead = 16;
}

static unsigned
count(const struct scene *s, const char *what)
{
	const char *at = world_log(s->w);
	unsigned n = 0;

	while ((at = strstr(at, what))) {
		at += strlen(what);
		n++;
	}
	return n;
}

/* Six of nine queue at the first one; all are done in three rounds or four nevertheless. To be given elsewhere
 * before it began is no attempt. */
static void
long_ones_come_back(void **state)
{
	struct scene s;

	(void)state;
	three_hosts(&s, 9, 6000);
	play(&s);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.tasks_ok, 9);
	assert_true(s.result.wall_ns <= MS(500 + 4 * 6000));
	assert_non_null(strstr(world_log(s.w),
		"environment[0], where it queued, has others before it (will retry)\n"));
	assert_int_equal(count(&s, " recall "), count(&s, "(will retry)"));
	assert_int_equal(count(&s, " again "), count(&s, " recall "));
	tear_down(&s);
}

/* They are done sooner where they are. */
static void
short_ones_stay(void **state)
{
	struct scene s;

	(void)state;
	three_hosts(&s, 200, 20);
	play(&s);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.tasks_ok, 200);
	assert_int_equal(count(&s, " recall "), 0);
	tear_down(&s);
}

/* Nothing is known of tasks yet, but one has been running for a second while others wait behind it. */
static void
behind_one_that_is_long(void **state)
{
	struct scene s;

	(void)state;
	three_hosts(&s, 7, 20);
	world_add(s.w, &(struct script){.kind = KIND_TASK, .index = 0, .run_ns = MS(60000)});
	play(&s);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.tasks_ok, 7);
	assert_int_equal(count(&s, " recall task[0]"), 0);
	assert_non_null(strstr(world_log(s.w), "1.010 recall task["));
	/* All others are done long before it is. */
	assert_null(strstr(strstr(world_log(s.w), "ok task[0]") + 1, "ok task["));
	assert_true(s.result.wall_ns < MS(61000));
	tear_down(&s);
}

/* Nor may an interrupted run begin anything. */
static void
at_the_end_of_the_run_nothing_comes_back(void **state)
{
	struct scene s;

	(void)state;
	three_hosts(&s, 9, 6000);
	world_interrupt_at(s.w, MS(5000));
	play(&s);
	assert_int_equal(s.code, ERR_CANCELLED);
	assert_int_equal(s.result.tasks_ok + s.result.tasks_cancelled, 9);
	assert_int_equal(s.result.tasks_ok, 3);
	tear_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_ones_come_back),
		cmocka_unit_test(short_ones_stay),
		cmocka_unit_test(behind_one_that_is_long),
		cmocka_unit_test(at_the_end_of_the_run_nothing_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
