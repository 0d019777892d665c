/* The executor in a scripted world: what it does, in which order, and when to the millisecond. */
#include "tests/exec/scene.h"

#include "planner/manifest.h"

static void
nothing_to_do(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	expect_log(&s, "");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.wall_ns, 0);
	tear_down(&s);
}

static void
steps_run_side_by_side_and_after_each_other(void **state)
{
	struct scene s;
	uint32_t source, image, both[2];

	(void)state;
	set_up(&s);
	source = add_one(&s, KIND_SOURCE, 0);
	image = add_one(&s, KIND_IMAGE, 0);
	both[0] = source;
	both[1] = image;
	add(&s, KIND_ENVIRONMENT, 0, both, 2);
	takes(&s, KIND_SOURCE, 0, 300);
	takes(&s, KIND_IMAGE, 0, 500);
	gives(&s, 0, 1, 100);
	expect_log(&s, "0.000 begin source\n"
		       "0.000 begin image\n"
		       "0.300 ok source\n"
		       "0.500 ok image\n"
		       "0.500 begin environment[0]\n"
		       "0.600 ok environment[0]\n");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.n_ok, 3);
	assert_int_equal(s.result.wall_ns, MS(600));
	tear_down(&s);
}

static void
the_longest_way_goes_first_then_the_order(void **state)
{
	static const int64_t estimates[] = {1, 3, 2, 3};
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_tasks(&s, 0, 4);
	for (uint32_t i = 0; i < 4; i++)
		s.g.nodes[i + 1].estimate_ns = MS(estimates[i]);
	gives(&s, 0, 1, 0);
	takes(&s, KIND_TASK, WORLD_ANY, 10);
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[1]\n"
		       "0.010 ok task[1]\n"
		       "0.010 begin task[3]\n"
		       "0.020 ok task[3]\n"
		       "0.020 begin task[2]\n"
		       "0.030 ok task[2]\n"
		       "0.030 begin task[0]\n"
		       "0.040 ok task[0]\n");
	tear_down(&s);
}

static void
a_chain_of_tasks_needs_slots_too(void **state)
{
	struct scene s;
	uint32_t t;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	t = add_one(&s, KIND_TASK, 0);
	t = add_after(&s, KIND_TASK, 1, t);
	add_after(&s, KIND_TASK, 2, t);
	add_tasks(&s, 3, 2);
	gives(&s, 0, 2, 5);
	takes(&s, KIND_TASK, WORLD_ANY, 10);
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.005 ok environment[0]\n"
		       "0.005 begin task[0]\n"
		       "0.005 begin task[3]\n"
		       "0.015 ok task[0]\n"
		       "0.015 begin task[1]\n"
		       "0.015 ok task[3]\n"
		       "0.015 begin task[4]\n"
		       "0.025 ok task[1]\n"
		       "0.025 begin task[2]\n"
		       "0.025 ok task[4]\n"
		       "0.035 ok task[2]\n");
	tear_down(&s);
}

static void
a_failure_cancels_what_depends_on_it_alone(void **state)
{
	struct scene s;
	uint32_t source, env, all[2];

	(void)state;
	set_up(&s);
	source = add_one(&s, KIND_SOURCE, 0);
	add_one(&s, KIND_IMAGE, 0);
	env = add_after(&s, KIND_ENVIRONMENT, 0, source);
	all[0] = add_one(&s, KIND_TASK, 0);
	all[1] = env;
	add(&s, KIND_RELEASE, 0, all, 2);
	takes(&s, KIND_IMAGE, 0, 50);
	world_add(s.w, &(struct script){.kind = KIND_SOURCE,
			       .run_ns = MS(10),
			       .fail = ERR_HOST,
			       .message = "no such tree"});
	expect_log(&s,
		"0.000 begin source\n"
		"0.000 begin image\n"
		"0.010 fail source: no such tree\n"
		"0.010 skip environment[0]: not begun, since source failed\n"
		"0.010 skip task[0]: not begun: there is no place to run it (no environment got "
		"ready, or none gave a slot)\n"
		"0.010 begin release[0]\n"
		"0.010 ok release[0]\n"
		"0.050 ok image\n");
	assert_int_equal(s.code, ERR_HOST);
	assert_string_equal(s.err.message, "source: no such tree");
	assert_int_equal(s.result.n_failed, 1);
	assert_int_equal(s.result.n_cancelled, 2);
	assert_int_equal(s.result.tasks_cancelled, 1);
	assert_int_equal(s.result.first_failed, source);
	assert_string_equal(s.result.first_failed_id, "source");
	tear_down(&s);
}

static void
the_cause_is_named_over_several_steps(void **state)
{
	struct scene s;
	uint32_t n;

	(void)state;
	set_up(&s);
	n = add_one(&s, KIND_ACCESS, 0);
	n = add_after(&s, KIND_INSTANCE, 4, n);
	n = add_after(&s, KIND_ENVIRONMENT, 4, n);
	add_after(&s, KIND_RELEASE, 4, n);
	world_add(s.w, &(struct script){.kind = KIND_ACCESS, .fail = ERR_HOST});
	expect_log(&s, "0.000 begin access\n"
		       "0.000 fail access: it failed\n"
		       "0.000 skip instance[4]: not begun, since access failed\n"
		       "0.000 skip environment[4]: not begun, since access failed\n"
		       "0.000 begin release[4]\n"
		       "0.000 ok release[4]\n");
	tear_down(&s);
}

static void
tasks_failed_is_told_apart(void **state)
{
	struct scene s;
	uint32_t tasks[3];

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	for (uint32_t i = 0; i < 3; i++)
		tasks[i] = add_one(&s, KIND_TASK, i);
	add(&s, KIND_COLLECT, 0, tasks, 3);
	gives(&s, 0, 3, 0);
	takes(&s, KIND_TASK, WORLD_ANY, 10);
	world_add(s.w, &(struct script){.kind = KIND_TASK,
			       .index = 1,
			       .run_ns = MS(10),
			       .fail = ERR_TASK,
			       .exit_status = 3,
			       .message = "exit status 3"});
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[0]\n"
		       "0.000 begin task[1]\n"
		       "0.000 begin task[2]\n"
		       "0.010 ok task[0]\n"
		       "0.010 fail task[1]: exit status 3\n"
		       "0.010 ok task[2]\n"
		       "0.010 begin collect\n"
		       "0.010 ok collect\n");
	assert_int_equal(s.code, ERR_TASK);
	assert_string_equal(
		s.err.message, "1 of 3 tasks failed; the first was task[1]: exit status 3");
	assert_int_equal(s.result.tasks_ok, 2);
	assert_int_equal(s.result.tasks_failed, 1);
	tear_down(&s);
}

static void
the_first_place_ready_starts_the_first_tasks(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_one(&s, KIND_ENVIRONMENT, 1);
	add_tasks(&s, 0, 4);
	gives(&s, 0, 1, 100);
	gives(&s, 1, 2, 20);
	takes(&s, KIND_TASK, WORLD_ANY, 90);
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 begin environment[1]\n"
		       "0.020 ok environment[1]\n"
		       "0.020 begin task[0]\n"
		       "0.020 begin task[1]\n"
		       "0.100 ok environment[0]\n"
		       "0.100 begin task[2]\n"
		       "0.110 ok task[0]\n"
		       "0.110 begin task[3]\n"
		       "0.110 ok task[1]\n"
		       "0.190 ok task[2]\n"
		       "0.200 ok task[3]\n");
	tear_down(&s);
}

static void
tasks_queue_ahead_at_a_place(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_tasks(&s, 0, 20);
	gives(&s, 0, 2, 0);
	takes(&s, KIND_TASK, WORLD_ANY, 10);
	s.options.ahead = 3;
	play(&s);
	assert_int_equal(s.code, 0);
	assert_int_equal(world_max_running(s.w), 2);
	assert_int_equal(world_max_queued(s.w), 3);
	assert_int_equal(s.result.wall_ns, MS(100));
	tear_down(&s);
}

static void
near_the_end_tasks_wait_for_whichever_place_is_free(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_one(&s, KIND_ENVIRONMENT, 1);
	add_tasks(&s, 0, 6);
	gives(&s, 0, 2, 0);
	gives(&s, 1, 2, 0);
	takes(&s, KIND_TASK, WORLD_ANY, 10);
	takes(&s, KIND_TASK, 0, 100);
	takes(&s, KIND_TASK, 2, 100);
	s.options.ahead = 1;
	play(&s);
	/* The two last tasks would wait for 90 ms, had they been sent ahead to the place of the
	 * long ones. */
	assert_int_equal(world_max_queued(s.w), 0);
	assert_int_equal(s.result.wall_ns, MS(100));
	tear_down(&s);
}

static void
many_tasks_queue_ahead_at_several_places(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_one(&s, KIND_ENVIRONMENT, 1);
	add_tasks(&s, 0, 40);
	gives(&s, 0, 2, 0);
	gives(&s, 1, 2, 0);
	takes(&s, KIND_TASK, WORLD_ANY, 10);
	s.options.ahead = 2;
	play(&s);
	assert_int_equal(world_max_queued(s.w), 2);
	assert_int_equal(world_max_running(s.w), 4);
	assert_int_equal(s.result.wall_ns, MS(100));
	tear_down(&s);
}

static void
max_slots_caps_over_all_places(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_one(&s, KIND_ENVIRONMENT, 1);
	add_tasks(&s, 0, 12);
	gives(&s, 0, 4, 0);
	gives(&s, 1, 4, 0);
	takes(&s, KIND_TASK, WORLD_ANY, 10);
	s.options.max_slots = 3;
	s.options.ahead = 2;
	play(&s);
	assert_int_equal(s.code, 0);
	assert_int_equal(world_max_running(s.w), 3);
	assert_int_equal(world_max_queued(s.w), 0);
	assert_int_equal(s.result.wall_ns, MS(40));
	tear_down(&s);
}

static void
a_task_is_tried_again(void **state)
{
	static const int codes[] = {75};
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_tasks(&s, 0, 2);
	gives(&s, 0, 2, 0);
	takes(&s, KIND_TASK, 0, 30);
	world_add(s.w, &(struct script){.kind = KIND_TASK,
			       .index = 0,
			       .attempt = 1,
			       .run_ns = MS(10),
			       .fail = ERR_TASK,
			       .exit_status = 75});
	world_add(s.w, &(struct script){.kind = KIND_TASK,
			       .index = 1,
			       .run_ns = MS(10),
			       .fail = ERR_TASK,
			       .exit_status = 1});
	s.options.retry = (struct retry_policy){.task_attempts = 3,
		.task_for_mask = RETRY_ERROR,
		.exit_codes = codes,
		.n_exit_codes = 1};
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[0]\n"
		       "0.000 begin task[1]\n"
		       "0.010 fail task[0]: it failed (will retry)\n"
		       "0.010 begin task[0] again (2)\n"
		       "0.010 fail task[1]: it failed\n"
		       "0.040 ok task[0]\n");
	assert_int_equal(s.code, ERR_TASK);
	tear_down(&s);
}

static void
attempts_have_an_end(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_tasks(&s, 0, 1);
	gives(&s, 0, 1, 0);
	world_add(s.w, &(struct script){.kind = KIND_TASK, .run_ns = MS(1), .fail = ERR_TASK});
	s.options.retry = (struct retry_policy){.task_attempts = 3, .task_for_mask = RETRY_ERROR};
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[0]\n"
		       "0.001 fail task[0]: it failed (will retry)\n"
		       "0.001 begin task[0] again (2)\n"
		       "0.002 fail task[0]: it failed (will retry)\n"
		       "0.002 begin task[0] again (3)\n"
		       "0.003 fail task[0]: it failed\n");
	assert_int_equal(s.result.tasks_failed, 1);
	tear_down(&s);
}

static void
a_delay_lets_others_have_the_slot(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_tasks(&s, 0, 2);
	gives(&s, 0, 1, 0);
	world_add(s.w, &(struct script){.kind = KIND_TASK,
			       .index = 0,
			       .attempt = 1,
			       .run_ns = MS(10),
			       .fail = ERR_TASK});
	takes(&s, KIND_TASK, 1, 30);
	s.options.retry = (struct retry_policy){
		.task_attempts = 2, .task_for_mask = RETRY_ERROR, .delay_ns = MS(4000), .seed = 7};
	play(&s);
	assert_int_equal(s.code, 0);
	assert_non_null(strstr(world_log(s.w), "0.010 begin task[1]\n"));
	assert_true(s.result.wall_ns > MS(40) && s.result.wall_ns <= MS(4010));
	tear_down(&s);
}

static void
a_transient_step_is_tried_again_a_fatal_one_is_not(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_SOURCE, 0);
	add_one(&s, KIND_IMAGE, 0);
	world_add(s.w, &(struct script){.kind = KIND_SOURCE,
			       .attempt = 1,
			       .run_ns = MS(10),
			       .fail = ERR_HOST,
			       .class = CLASS_TRANSIENT});
	world_add(s.w, &(struct script){.kind = KIND_IMAGE,
			       .run_ns = MS(20),
			       .fail = ERR_INPUT,
			       .message = "no such image"});
	s.options.retry.step_attempts = 3;
	expect_log(&s, "0.000 begin source\n"
		       "0.000 begin image\n"
		       "0.010 fail source: it failed (will retry)\n"
		       "0.010 begin source again (2)\n"
		       "0.010 ok source\n"
		       "0.020 fail image: no such image\n");
	assert_int_equal(s.code, ERR_INPUT);
	tear_down(&s);
}

static void
pending_steps_come_back_in_time(void **state)
{
	struct scene s;
	uint32_t instance;

	(void)state;
	set_up(&s);
	instance = add_one(&s, KIND_INSTANCE, 0);
	add_after(&s, KIND_ENVIRONMENT, 0, instance);
	world_add(s.w, &(struct script){.kind = KIND_INSTANCE,
			       .pendings = 3,
			       .pending_ns = MS(1000),
			       .run_ns = MS(5),
			       .phase = PHASE_BOOT,
			       .phase_after_ns = MS(2)});
	expect_log(&s, "0.000 begin instance[0]\n"
		       "3.002 boot instance[0]\n"
		       "3.005 ok instance[0]\n"
		       "3.005 begin environment[0]\n"
		       "3.005 ok environment[0]\n");
	tear_down(&s);
}

static void
a_dry_run_walks_and_does_nothing(void **state)
{
	struct scene s;
	uint32_t source, env, all[2];

	(void)state;
	set_up(&s);
	source = add_one(&s, KIND_SOURCE, 0);
	env = add_after(&s, KIND_ENVIRONMENT, 0, source);
	all[0] = add_one(&s, KIND_TASK, 0);
	all[1] = add_one(&s, KIND_TASK, 1);
	add(&s, KIND_COLLECT, 0, all, 2);
	add_after(&s, KIND_RELEASE, 0, env);
	takes(&s, KIND_SOURCE, 0, 1000);
	s.options.dry_run = true;
	expect_log(&s, "0.000 begin source\n"
		       "0.000 ok source\n"
		       "0.000 begin environment[0]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin release[0]\n"
		       "0.000 ok release[0]\n"
		       "0.000 begin task[0]\n"
		       "0.000 ok task[0]\n"
		       "0.000 begin task[1]\n"
		       "0.000 ok task[1]\n"
		       "0.000 begin collect\n"
		       "0.000 ok collect\n");
	assert_int_equal(s.code, 0);
	tear_down(&s);

	set_up(&s);
	add_tasks(&s, 0, 2);
	s.options.dry_run = true;
	play(&s);
	assert_int_equal(s.code, ERR_HOST);
	tear_down(&s);
}

static void
count_tick(void *ctx, int64_t t_ns)
{
	int64_t *last = ctx;

	assert_true(t_ns == 0 || t_ns == *last + MS(100));
	*last = t_ns;
}

static void
it_ticks_while_something_runs(void **state)
{
	int64_t last = -1;
	const struct exec_observer ticker = {.ctx = &last, .tick = count_tick, .tick_ns = MS(100)};
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_SOURCE, 0);
	takes(&s, KIND_SOURCE, 0, 1050);
	assert_int_equal(graph_freeze(&s.g, &s.err), 0);
	s.code = executor_run(
		&s.a, &s.g, &s.options, world_port(s.w), NULL, &ticker, &s.result, &s.err);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.wall_ns, MS(1050));
	assert_int_equal(last, MS(1000));
	tear_down(&s);
}

static void
a_hundred_thousand_tasks(void **state)
{
	enum { N = 100000 };
	struct scene s;
	uint32_t *tasks;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	tasks = ARENA_ARRAY(&s.a, uint32_t, N);
	for (uint32_t i = 0; i < N; i++)
		tasks[i] = add_one(&s, KIND_TASK, i);
	add(&s, KIND_COLLECT, 0, tasks, N);
	gives(&s, 0, 8, 0);
	takes(&s, KIND_TASK, WORLD_ANY, 8);
	s.options.ahead = 2;
	assert_int_equal(graph_freeze(&s.g, &s.err), 0);
	s.code = executor_run(
		&s.a, &s.g, &s.options, world_port(s.w), NULL, NULL, &s.result, &s.err);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.n_ok, N + 2);
	assert_int_equal(s.result.wall_ns, MS(N));
	tear_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_do),
		cmocka_unit_test(steps_run_side_by_side_and_after_each_other),
		cmocka_unit_test(the_longest_way_goes_first_then_the_order),
		cmocka_unit_test(a_chain_of_tasks_needs_slots_too),
		cmocka_unit_test(a_failure_cancels_what_depends_on_it_alone),
		cmocka_unit_test(the_cause_is_named_over_several_steps),
		cmocka_unit_test(tasks_failed_is_told_apart),
		cmocka_unit_test(the_first_place_ready_starts_the_first_tasks),
		cmocka_unit_test(tasks_queue_ahead_at_a_place),
		cmocka_unit_test(near_the_end_tasks_wait_for_whichever_place_is_free),
		cmocka_unit_test(many_tasks_queue_ahead_at_several_places),
		cmocka_unit_test(max_slots_caps_over_all_places),
		cmocka_unit_test(a_task_is_tried_again),
		cmocka_unit_test(attempts_have_an_end),
		cmocka_unit_test(a_delay_lets_others_have_the_slot),
		cmocka_unit_test(a_transient_step_is_tried_again_a_fatal_one_is_not),
		cmocka_unit_test(pending_steps_come_back_in_time),
		cmocka_unit_test(a_dry_run_walks_and_does_nothing),
		cmocka_unit_test(it_ticks_while_something_runs),
		cmocka_unit_test(a_hundred_thousand_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
