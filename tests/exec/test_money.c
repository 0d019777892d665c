/* What a run costs while it runs, and max_cost: what is not begun for it, what is stopped, and that it is
 * never passed. A dollar is 100 s of one instance at $36 an hour. */
#include "tests/exec/scene.h"

#include "planner/execute/budget.h"
#include "planner/manifest.h"

#define HOURLY 36.0

static void
add_timed(struct scene *s, enum kind kind, uint32_t index, int64_t ms, const uint32_t *after,
	uint32_t n, double hourly_usd)
{
	struct node node = {.kind = kind,
		.verb = VERB_RUN,
		.index = index,
		.needs_slot = kind == KIND_TASK,
		.gives_slots = kind == KIND_ENVIRONMENT,
		.always = kind == KIND_RELEASE,
		.hourly_usd = hourly_usd,
		.estimate_ns = ms < 0 ? -1 : MS(ms),
		.p90_ns = -1};

	graph_add(&s->g, &node, after, n);
}

static void
launches(struct scene *s, uint32_t index, double hourly_usd)
{
	world_add(s->w, &(struct script){.kind = KIND_INSTANCE,
				.index = index,
				.intent = "RunInstances",
				.effect = "i-1",
				.hourly_usd = hourly_usd});
}

/* instance[0], environment[0] ready after 10 s with one slot, n tasks, release[0]. */
static void
one_host(struct scene *s, uint32_t n, int64_t estimate_ms)
{
	uint32_t after[16] = {0, 1};

	set_up(s);
	add_timed(s, KIND_INSTANCE, 0, 0, NULL, 0, HOURLY);
	add_timed(s, KIND_ENVIRONMENT, 0, 10000, after, 1, 0);
	for (uint32_t i = 0; i < n; i++) {
		add_timed(s, KIND_TASK, i, estimate_ms, NULL, 0, 0);
		after[2 + i] = 2 + i;
	}
	add_timed(s, KIND_RELEASE, 0, 1000, after, 2 + n, 0);
	launches(s, 0, HOURLY);
	gives(s, 0, 1, 10000);
	takes(s, KIND_TASK, WORLD_ANY, 20000);
	takes(s, KIND_RELEASE, 0, 1000);
	s->options.max_cost_usd = 1;
}

static void
near(double is, double expected)
{
	if (is < expected - 0.0001 || is > expected + 0.0001)
		fail_msg("%.6f, expected %.6f", is, expected);
}

static void
what_would_pass_it_is_not_begun(void **state)
{
	struct scene s;

	(void)state;
	one_host(&s, 5, 20000);
	expect_log(&s,
		"0.000 begin instance[0]\n"
		"0.000 ok instance[0]\n"
		"0.000 begin environment[0]\n"
		"10.000 ok environment[0]\n"
		"10.000 begin task[0]\n"
		"30.000 ok task[0]\n"
		"30.000 begin task[1]\n"
		"50.000 ok task[1]\n"
		"50.000 begin task[2]\n"
		"65.000 skip task[3]: not begun: it would pass max_cost ($1.00; $0.65 is spent)\n"
		"65.000 skip task[4]: not begun: it would pass max_cost ($1.00; $0.65 is spent)\n"
		"70.000 ok task[2]\n"
		"70.000 begin release[0]\n"
		"71.000 ok release[0]\n");
	assert_int_equal(s.code, ERR_TASK);
	assert_string_equal(s.err.message, "max_cost ($1.00) allows no more: 3 of 5 tasks are done "
					   "for $0.71; raise it, or run "
					   "this again to go on");
	assert_true(s.result.out_of_money);
	near(s.result.usd, 0.71);
	tear_down(&s);
}

static void
a_shorter_task_may_still_fit(void **state)
{
	uint32_t after[] = {0, 1, 2, 3};
	struct scene s;

	(void)state;
	set_up(&s);
	add_timed(&s, KIND_INSTANCE, 0, 0, NULL, 0, HOURLY);
	add_timed(&s, KIND_ENVIRONMENT, 0, 10000, after, 1, 0);
	add_timed(&s, KIND_TASK, 0, 80000, NULL, 0, 0);
	add_timed(&s, KIND_TASK, 1, 20000, NULL, 0, 0);
	add_timed(&s, KIND_RELEASE, 0, 1000, after, 4, 0);
	launches(&s, 0, HOURLY);
	gives(&s, 0, 1, 10000);
	takes(&s, KIND_TASK, 0, 80000);
	takes(&s, KIND_TASK, 1, 20000);
	s.options.max_cost_usd = 1;
	expect_log(&s,
		"0.000 begin instance[0]\n"
		"0.000 ok instance[0]\n"
		"0.000 begin environment[0]\n"
		"10.000 ok environment[0]\n"
		"10.000 skip task[0]: not begun: it would pass max_cost ($1.00; $0.60 is spent)\n"
		"10.000 begin task[1]\n"
		"30.000 ok task[1]\n"
		"30.000 begin release[0]\n"
		"30.000 ok release[0]\n");
	assert_int_equal(s.code, ERR_TASK);
	near(s.result.usd, 0.60);
	tear_down(&s);
}

/* Nobody knew how long they take; what runs has its grace, and the release its time. */
static void
what_runs_is_stopped_in_time(void **state)
{
	struct scene s;

	(void)state;
	one_host(&s, 5, -1);
	world_add(s.w,
		&(struct script){
			.kind = KIND_TASK, .index = 3, .run_ns = MS(60000), .ignores_term = true});
	expect_log(&s,
		"0.000 begin instance[0]\n"
		"0.000 ok instance[0]\n"
		"0.000 begin environment[0]\n"
		"10.000 ok environment[0]\n"
		"10.000 begin task[0]\n"
		"30.000 ok task[0]\n"
		"30.000 begin task[1]\n"
		"50.000 ok task[1]\n"
		"50.000 begin task[2]\n"
		"70.000 ok task[2]\n"
		"70.000 begin task[3]\n"
		"85.000 skip task[4]: not begun: it would pass max_cost ($1.00; $0.85 is spent)\n"
		"85.000 stop task[3]\n"
		"90.000 cancel task[3]: stopped\n"
		"90.000 begin release[0]\n"
		"91.000 ok release[0]\n");
	assert_int_equal(s.code, ERR_TASK);
	assert_true(s.result.out_of_money);
	near(s.result.usd, 0.91);
	tear_down(&s);
}

/* One that queues at its host would begin when it cannot be done any more. */
static void
what_queues_at_its_host_is_taken_back(void **state)
{
	struct scene s;

	(void)state;
	one_host(&s, 5, 20000);
	s.options.ahead = 8;
	play(&s);
	assert_int_equal(s.code, ERR_TASK);
	assert_int_equal(s.result.tasks_ok, 3);
	assert_int_equal(s.result.tasks_cancelled, 2);
	assert_non_null(strstr(world_log(s.w), "65.000 kill task[4]\n"));
	assert_non_null(strstr(world_log(s.w), "70.000 ok task[2]\n"));
	near(s.result.usd, 0.71);
	tear_down(&s);
}

/* A minute of the second would have to be paid, whatever it does. */
static void
no_instance_is_launched_that_would_pass_it(void **state)
{
	uint32_t after[] = {0, 1, 2, 3, 4, 5};
	struct scene s;

	(void)state;
	set_up(&s);
	add_timed(&s, KIND_INSTANCE, 0, 0, NULL, 0, HOURLY);
	add_timed(&s, KIND_INSTANCE, 1, 0, NULL, 0, HOURLY);
	add_timed(&s, KIND_ENVIRONMENT, 0, 10000, &after[0], 1, 0);
	add_timed(&s, KIND_ENVIRONMENT, 1, 10000, &after[1], 1, 0);
	add_timed(&s, KIND_TASK, 0, 10000, NULL, 0, 0);
	add_timed(&s, KIND_TASK, 1, 10000, NULL, 0, 0);
	add_timed(&s, KIND_RELEASE, 0, 1000, after, 6, 0);
	add_timed(&s, KIND_RELEASE, 1, 1000, after, 6, 0);
	launches(&s, WORLD_ANY, HOURLY);
	gives(&s, 0, 1, 10000);
	gives(&s, 1, 1, 10000);
	takes(&s, KIND_TASK, WORLD_ANY, 10000);
	s.options.max_cost_usd = 1;
	expect_log(&s, "0.000 begin instance[0]\n"
		       "0.000 begin instance[1]\n"
		       "0.000 refused instance[1]\n"
		       "0.000 cancel instance[1]: refused\n"
		       "0.000 skip environment[1]: not begun, since instance[1] was cancelled\n"
		       "0.000 ok instance[0]\n"
		       "0.000 begin environment[0]\n"
		       "10.000 ok environment[0]\n"
		       "10.000 begin task[0]\n"
		       "20.000 ok task[0]\n"
		       "20.000 begin task[1]\n"
		       "30.000 ok task[1]\n"
		       "30.000 begin release[0]\n"
		       "30.000 begin release[1]\n"
		       "30.000 ok release[0]\n"
		       "30.000 ok release[1]\n");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.tasks_ok, 2);
	near(s.result.usd, 0.60);
	tear_down(&s);
}

static void
a_warm_one_counts_from_the_begin_and_by_the_second(void **state)
{
	uint32_t after[] = {0, 1};
	struct scene s;

	(void)state;
	set_up(&s);
	add_timed(&s, KIND_ENVIRONMENT, 0, -1, NULL, 0, HOURLY);
	add_timed(&s, KIND_TASK, 0, -1, NULL, 0, 0);
	add_timed(&s, KIND_RELEASE, 0, -1, after, 2, 0);
	gives(&s, 0, 1, 1000);
	takes(&s, KIND_TASK, 0, 4000);
	s.options.max_cost_usd = 1;
	play(&s);
	assert_int_equal(s.code, 0);
	near(s.result.usd, 0.05);
	assert_false(s.result.usd_least);
	tear_down(&s);
}

/* Without a limit a price that nobody knows is told, with one it is refused. */
/* Host 1 ends in the middle, and nobody pays for what comes after that; told twice, or of one that never was, it
 * is the same. Its price is known still when it is asked whether another one fits. */
static void
one_that_has_ended_costs_nothing_more(void **state)
{
	uint32_t after[] = {0, 1, 2, 3, 4, 5};
	struct scene s;

	(void)state;
	set_up(&s);
	for (uint32_t i = 0; i < 2; i++)
		add_timed(&s, KIND_INSTANCE, i, 0, NULL, 0, HOURLY);
	for (uint32_t i = 0; i < 2; i++)
		add_timed(&s, KIND_ENVIRONMENT, i, 10000, &after[i], 1, 0);
	for (uint32_t i = 0; i < 2; i++)
		add_timed(&s, KIND_TASK, i, -1, NULL, 0, 0);
	for (uint32_t i = 0; i < 2; i++)
		add_timed(&s, KIND_RELEASE, i, 1000, after, 6, 0);
	launches(&s, WORLD_ANY, HOURLY);
	gives(&s, 0, 1, 10000);
	gives(&s, 1, 1, 10000);
	takes(&s, KIND_TASK, 0, 160000);
	takes(&s, KIND_TASK, 1, 10000);
	world_add(s.w, &(struct script){
			       .kind = KIND_TASK, .index = 1, .attempt = 1, .run_ns = MS(160000)});
	s.options.remake_places = true;
	s.options.retry =
		(struct retry_policy){.task_attempts = 2, .task_for_mask = RETRY_INTERRUPTION};
	s.options.max_cost_usd = 3.5;
	world_gone_at(s.w, 1, MS(149000));
	world_lose_place_at(s.w, 1, MS(150000));
	world_gone_at(s.w, 1, MS(155000));
	world_gone_at(s.w, 7, MS(150000));
	play(&s);
	assert_non_null(strstr(world_log(s.w), "150.000 no other instance for environment[1]: "
					       "max_cost leaves no room for it\n"));
	assert_non_null(strstr(world_log(s.w), "180.000 ok task[1]\n"));
	assert_int_equal(s.code, 0);
	near(s.result.usd, 1.49 + 1.80);
	tear_down(&s);
}

static void
an_unknown_price(void **state)
{
	struct scene s;

	(void)state;
	one_host(&s, 1, 20000);
	launches(&s, 0, -1);
	s.options.max_cost_usd = 0;
	play(&s);
	assert_int_equal(s.code, 0);
	assert_true(s.result.usd_least);
	near(s.result.usd, 0);
	tear_down(&s);
	one_host(&s, 1, 20000);
	launches(&s, 0, -1);
	play(&s);
	assert_int_equal(s.code, ERR_TASK);
	assert_int_equal(s.result.tasks_ok, 0);
	near(s.result.usd, 0);
	tear_down(&s);
}

/* When it will have cost so much, against adding up second by second. */
static void
the_meter_foresees_what_it_counts(void **state)
{
	struct meter m = {0};

	(void)state;
	meter_begin(&m, 0, 0, 36, true);
	meter_begin(&m, 7, MS(30000), 72, true);
	meter_begin(&m, 3, MS(10000), 18, false);
	meter_ask(&m, 4, MS(40000), 9);
	meter_end(&m, 0, MS(45000));
	near(meter_usd(&m, MS(45000)), 0.60 + 1.20 + 0.175);
	near(meter_hourly_usd(&m), 90);
	for (double usd = 2; usd < 20; usd += 0.37) {
		int64_t when = meter_when(&m, MS(45000), 3.6, usd);
		struct meter then = {0};

		meter_begin(&then, 7, MS(30000), 72, true);
		meter_begin(&then, 3, MS(10000), 18, false);
		meter_begin(&then, 4, MS(40000), 9, true);
		meter_begin(&then, 5, MS(45000), 3.6, true);
		if (when > MS(45000))
			near(0.60 + meter_usd(&then, when), usd);
		else
			assert_true(0.60 + meter_usd(&then, when) >= usd);
		meter_free(&then);
	}
	meter_unask(&m, 4);
	meter_unask(&m, 7);
	near(meter_hourly_usd(&m), 90);
	meter_end(&m, 7, MS(45000));
	meter_end(&m, 3, MS(45000));
	assert_true(meter_when(&m, MS(45000), 0, 100) == INT64_MAX);
	assert_true(meter_when(&m, MS(45000), 0, 1) == MS(45000));
	meter_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_would_pass_it_is_not_begun),
		cmocka_unit_test(a_shorter_task_may_still_fit),
		cmocka_unit_test(what_runs_is_stopped_in_time),
		cmocka_unit_test(what_queues_at_its_host_is_taken_back),
		cmocka_unit_test(no_instance_is_launched_that_would_pass_it),
		cmocka_unit_test(a_warm_one_counts_from_the_begin_and_by_the_second),
		cmocka_unit_test(one_that_has_ended_costs_nothing_more),
		cmocka_unit_test(an_unknown_price),
		cmocka_unit_test(the_meter_foresees_what_it_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
