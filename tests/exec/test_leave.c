/* Tests of places that will be taken away: no new task there, what runs may end, what queued goes elsewhere, and whether
 * another one is made. */
#include "tests/exec/scene.h"

#include "planner/manifest.h"

/* Two hosts of one slot, and n tasks of 100 ms. Up at 30 ms. */
static void
set_up_two(struct scene *s, uint32_t n)
{
	uint32_t nodes[64];

	set_up(s);
	for (uint32_t i = 0; i < 2; i++) {
		nodes[i] = add_one(s, KIND_INSTANCE, i);
		nodes[2 + i] = add_after(s, KIND_ENVIRONMENT, i, nodes[i]);
		takes(s, KIND_INSTANCE, i, 20);
		gives(s, i, 1, 10);
	}
	for (uint32_t i = 0; i < n; i++)
		nodes[4 + i] = add_one(s, KIND_TASK, i);
	add(s, KIND_RELEASE, 0, nodes, 4 + n);
	add(s, KIND_RELEASE, 1, nodes, 4 + n);
	takes(s, KIND_TASK, WORLD_ANY, 100);
	s->options.ahead = 1;
	s->options.remake_places = true;
	s->options.retry =
		(struct retry_policy){.task_attempts = 2, .task_for_mask = RETRY_INTERRUPTION};
}

static void
expect(struct scene *s, const char *part)
{
	if (!strstr(world_log(s->w), part))
		fail_msg("lacks\n%sin\n%s", part, world_log(s->w));
}

static void
what_runs_may_end_and_what_queues_goes_elsewhere(void **state)
{
	struct scene s;

	(void)state;
	set_up_two(&s, 4);
	world_notice_at(s.w, 0, MS(80), MS(120000));
	expect_log(&s, "0.000 begin instance[0]\n"
		       "0.000 begin instance[1]\n"
		       "0.020 ok instance[0]\n"
		       "0.020 begin environment[0]\n"
		       "0.020 ok instance[1]\n"
		       "0.020 begin environment[1]\n"
		       "0.030 ok environment[0]\n"
		       "0.030 begin task[0]\n"
		       "0.030 begin task[1]\n"
		       "0.030 ok environment[1]\n"
		       "0.030 begin task[2]\n"
		       "0.080 kill task[1]\n"
		       "0.080 host 0 will be interrupted; its 1 running task has until then, 1 "
		       "that waits there goes elsewhere\n"
		       "0.080 fail task[1]: environment[0], where it queued, will be taken away "
		       "(will retry)\n"
		       "0.130 ok task[0]\n"
		       "0.130 no other instance for environment[0]: what is left ends in about 0.1 "
		       "s with it, in 0.2 s without\n"
		       "0.130 begin task[1] again (2)\n"
		       "0.130 ok task[2]\n"
		       "0.130 begin task[3]\n"
		       "0.230 ok task[1]\n"
		       "0.330 ok task[3]\n"
		       "0.330 begin release[0]\n"
		       "0.330 begin release[1]\n"
		       "0.330 ok release[0]\n"
		       "0.330 ok release[1]\n");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.lost.code, ERR_NONE);
	tear_down(&s);
}

/* The time is over before the task is: it runs elsewhere, and that is its second attempt. */
static void
what_does_not_end_in_time_is_lost(void **state)
{
	struct scene s;

	(void)state;
	set_up_two(&s, 2);
	takes(&s, KIND_TASK, 0, 10000);
	world_add(s.w, &(struct script){.kind = KIND_TASK, .attempt = 2, .run_ns = MS(50)});
	world_notice_at(s.w, 0, MS(80), MS(100));
	world_lose_place_at(s.w, 0, MS(180));
	play(&s);
	expect(&s, "0.080 host 0 will be interrupted; its 1 running task has until then\n");
	expect(&s, "0.180 fail task[0]: the host went away (will retry)\n");
	expect(&s, "0.180 begin task[0] again (2)\n0.230 ok task[0]\n");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.lost.code, ERR_NONE);
	tear_down(&s);
}

/* Every attempt counts, but not what only queued there. */
static void
queueing_there_is_no_attempt(void **state)
{
	struct scene s;

	(void)state;
	set_up_two(&s, 4);
	s.options.retry.task_attempts = 1;
	world_notice_at(s.w, 0, MS(80), MS(100));
	play(&s);
	expect(&s, "begin task[1] again (2)\n");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.tasks_ok, 4);
	tear_down(&s);
}

/* Ten seconds each, and forty of them. */
static void
another_one_is_made_when_that_pays(void **state)
{
	struct scene s;

	(void)state;
	set_up_two(&s, 40);
	takes(&s, KIND_TASK, WORLD_ANY, 10000);
	world_notice_at(s.w, 1, MS(15000), MS(120000));
	play(&s);
	expect(&s, "15.000 host 1 will be interrupted; its 1 running task has until then, 1 that "
		   "waits "
		   "there goes elsewhere\n");
	expect(&s, "20.030 another instance for environment[1]: what is left ends in about 3 min "
		   "with it, in "
		   "6 min without\n"
		   "20.030 begin instance[1] again (2)\n");
	expect(&s, "20.060 ok environment[1]\n");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.tasks_ok, 40);
	assert_true(s.result.wall_ns < MS(220000));
	tear_down(&s);
}

static void
nobody_else_is_there_for_what_waits(void **state)
{
	struct scene s;

	(void)state;
	set_up_two(&s, 5);
	world_add(s.w, &(struct script){.kind = KIND_INSTANCE, .index = 1, .fail = ERR_HOST});
	world_notice_at(s.w, 0, MS(40), MS(100));
	play(&s);
	expect(&s,
		"0.130 another instance for environment[0]: 4 waiting tasks can run nowhere else");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.tasks_ok, 5);
	tear_down(&s);
}

/* Nor may another one be made: what runs may end, what waits is left for the next time. */
static void
nobody_else_and_nobody_asked(void **state)
{
	struct scene s;

	(void)state;
	set_up_two(&s, 5);
	s.options.retry.task_for_mask = RETRY_ERROR;
	world_add(s.w, &(struct script){.kind = KIND_INSTANCE, .index = 1, .fail = ERR_HOST});
	world_notice_at(s.w, 0, MS(40), MS(100));
	play(&s);
	expect(&s, "0.130 ok task[0]\n");
	expect(&s, "(every environment that was ready will be taken away)\n");
	assert_int_equal(s.code, ERR_HOST);
	assert_string_equal(
		s.result.lost.message, "environment[0] was taken away: host 0 will be interrupted");
	assert_int_equal(s.result.tasks_ok, 1);
	assert_int_equal(s.result.tasks_cancelled, 4);
	tear_down(&s);
}

/* Nothing runs at a host that is told about: so nothing is waited for. */
static void
an_idle_place(void **state)
{
	struct scene s;

	(void)state;
	set_up_two(&s, 1);
	world_notice_at(s.w, 1, MS(40), MS(100));
	play(&s);
	expect(&s, "0.040 host 1 will be interrupted; no task runs there\n"
		   "0.040 no other instance for environment[1]: no task waits for a slot\n");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.n_ok, s.g.n_nodes);
	tear_down(&s);
}

/* What comes twice, or of a place that never was, changes nothing; what comes before the environment's answer
 * does. */
static void
notices_at_odd_times(void **state)
{
	struct scene s;

	(void)state;
	set_up_two(&s, 6);
	world_notice_at(s.w, 0, MS(25), MS(1000));
	world_notice_at(s.w, 0, MS(35), MS(1000));
	world_notice_at(s.w, 7, MS(60), MS(1000));
	world_notice_at(s.w, 1, MS(5), MS(1000));
	play(&s);
	expect(&s,
		"0.030 ok environment[0]\n0.030 host 0 will be interrupted; no task runs there\n");
	assert_null(strstr(world_log(s.w), "host 1"));
	assert_null(strstr(strstr(world_log(s.w), "host 0") + 1, "host 0"));
	assert_int_equal(s.code, 0);
	tear_down(&s);
}

static void
an_interrupt_while_a_place_leaves(void **state)
{
	struct scene s;

	(void)state;
	set_up_two(&s, 6);
	takes(&s, KIND_TASK, WORLD_ANY, 10000);
	world_notice_at(s.w, 0, MS(60), MS(120000));
	world_interrupt_at(s.w, MS(100));
	play(&s);
	expect(&s, "10.030 ok task[0]\n");
	assert_null(strstr(world_log(s.w), "again"));
	assert_int_equal(s.code, ERR_CANCELLED);
	assert_int_equal(s.result.tasks_ok, 2);
	tear_down(&s);
}

/* At $36 an hour each costs a minute at least, 60 cents: that is enough for two. */
static void
another_one_that_is_too_dear(void **state)
{
	struct scene s;

	(void)state;
	set_up_two(&s, 12);
	takes(&s, KIND_TASK, WORLD_ANY, 10000);
	for (uint32_t i = 0; i < 2; i++)
		world_add(s.w, &(struct script){.kind = KIND_INSTANCE,
				       .index = i,
				       .run_ns = MS(20),
				       .intent = "RunInstances",
				       .effect = "i-1",
				       .hourly_usd = 36});
	s.options.max_cost_usd = 1.7;
	world_notice_at(s.w, 1, MS(15000), MS(120000));
	play(&s);
	expect(&s, "20.030 no other instance for environment[1]: max_cost leaves no room for it\n");
	tear_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_runs_may_end_and_what_queues_goes_elsewhere),
		cmocka_unit_test(what_does_not_end_in_time_is_lost),
		cmocka_unit_test(queueing_there_is_no_attempt),
		cmocka_unit_test(another_one_is_made_when_that_pays),
		cmocka_unit_test(nobody_else_is_there_for_what_waits),
		cmocka_unit_test(nobody_else_and_nobody_asked),
		cmocka_unit_test(an_idle_place),
		cmocka_unit_test(notices_at_odd_times),
		cmocka_unit_test(an_interrupt_while_a_place_leaves),
		cmocka_unit_test(another_one_that_is_too_dear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
