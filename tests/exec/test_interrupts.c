/* Interrupts: a first drains, a second stops, a third kills. */
#include "tests/exec/busy.h"

#include "planner/manifest.h"

static void
a_first_interrupt_drains(void **state)
{
	struct scene s;

	(void)state;
	set_up_busy(&s);
	world_interrupt_at(s.w, MS(100));
	expect_log(&s, BUSY_BEGIN "0.100 interrupt 1\n"
				  "0.100 skip task[3]: not begun: the run was interrupted\n"
				  "0.100 cancel instance[1]: not begun: the run was interrupted\n"
				  "0.100 kill task[2]\n"
				  "0.100 cancel task[2]: not begun: the run was interrupted\n"
				  "1.000 ok task[0]\n"
				  "1.000 ok task[1]\n"
				  "1.000 begin collect\n"
				  "1.000 begin release[0]\n"
				  "1.000 ok collect\n"
				  "1.000 ok release[0]\n");
	assert_int_equal(s.code, ERR_CANCELLED);
	assert_string_equal(s.err.message,
		"interrupted: 2 of 4 tasks are done, the others are left for the next time");
	assert_true(s.result.interrupted);
	tear_down(&s);
}

static void
a_second_interrupt_stops(void **state)
{
	struct scene s;

	(void)state;
	set_up_busy(&s);
	world_add(s.w, &(struct script){.kind = KIND_TASK,
			       .index = 1,
			       .run_ns = MS(1000000),
			       .ignores_term = true});
	world_interrupt_at(s.w, MS(100));
	world_interrupt_at(s.w, MS(200));
	expect_log(&s, BUSY_BEGIN "0.100 interrupt 1\n"
				  "0.100 skip task[3]: not begun: the run was interrupted\n"
				  "0.100 cancel instance[1]: not begun: the run was interrupted\n"
				  "0.100 kill task[2]\n"
				  "0.100 cancel task[2]: not begun: the run was interrupted\n"
				  "0.200 interrupt 2\n"
				  "0.200 stop task[0]\n"
				  "0.200 stop task[1]\n"
				  "0.200 cancel task[0]: stopped\n"
				  "5.200 cancel task[1]: stopped\n"
				  "5.200 begin collect\n"
				  "5.200 begin release[0]\n"
				  "5.200 ok collect\n"
				  "5.200 ok release[0]\n");
	assert_int_equal(s.result.tasks_cancelled, 4);
	tear_down(&s);
}

static void
a_third_interrupt_kills(void **state)
{
	struct scene s;

	(void)state;
	set_up_busy(&s);
	world_add(s.w, &(struct script){.kind = KIND_TASK,
			       .index = 1,
			       .run_ns = MS(1000000),
			       .ignores_term = true});
	for (int i = 1; i <= 4; i++)
		world_interrupt_at(s.w, MS(100) * i);
	play(&s);
	assert_non_null(strstr(world_log(s.w), "0.300 interrupt 3\n0.300 kill task[1]\n"
					       "0.300 cancel task[1]: stopped\n"));
	assert_int_equal(s.result.wall_ns, MS(300));
	tear_down(&s);
}

static void
a_running_step_is_asked_to_stop_and_waited_for(void **state)
{
	struct scene s;
	uint32_t source;

	(void)state;
	set_up(&s);
	source = add_one(&s, KIND_SOURCE, 0);
	add_after(&s, KIND_IMAGE, 0, source);
	add_after(&s, KIND_RELEASE, 0, source);
	takes(&s, KIND_SOURCE, 0, 1000);
	world_interrupt_at(s.w, MS(100));
	world_interrupt_at(s.w, MS(200));
	world_interrupt_at(s.w, MS(300));
	expect_log(&s, "0.000 begin source\n"
		       "0.100 interrupt 1\n"
		       "0.100 skip image: not begun: the run was interrupted\n"
		       "0.200 interrupt 2\n"
		       "0.200 stop source\n"
		       "0.300 interrupt 3\n"
		       "0.300 kill source\n"
		       "1.000 ok source\n"
		       "1.000 begin release[0]\n"
		       "1.000 ok release[0]\n");
	tear_down(&s);
}

static void
a_task_that_fails_while_draining_is_not_tried_again(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_tasks(&s, 0, 1);
	gives(&s, 0, 1, 0);
	world_add(s.w, &(struct script){.kind = KIND_TASK, .run_ns = MS(200), .fail = ERR_TASK});
	world_interrupt_at(s.w, MS(100));
	s.options.retry = (struct retry_policy){.task_attempts = 3, .task_for_mask = RETRY_ERROR};
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[0]\n"
		       "0.100 interrupt 1\n"
		       "0.200 fail task[0]: it failed\n");
	assert_int_equal(s.code, ERR_CANCELLED);
	tear_down(&s);
}

static void
waiting_for_another_attempt_is_cut_short(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_tasks(&s, 0, 1);
	gives(&s, 0, 1, 0);
	world_add(s.w, &(struct script){.kind = KIND_TASK, .fail = ERR_TASK});
	world_interrupt_at(s.w, 1);
	s.options.retry = (struct retry_policy){
		.task_attempts = 3, .task_for_mask = RETRY_ERROR, .delay_ns = MS(20000), .seed = 1};
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[0]\n"
		       "0.000 fail task[0]: it failed (will retry)\n"
		       "0.000 interrupt 1\n"
		       "0.000 cancel task[0]: not begun: the run was interrupted\n");
	assert_int_equal(s.result.wall_ns, 1);
	tear_down(&s);
}

static void
an_interrupt_that_comes_too_late_changes_nothing(void **state)
{
	struct scene s;
	uint32_t source;

	(void)state;
	set_up(&s);
	source = add_one(&s, KIND_SOURCE, 0);
	add_after(&s, KIND_RELEASE, 0, source);
	takes(&s, KIND_RELEASE, 0, 100);
	world_interrupt_at(s.w, MS(50));
	play(&s);
	assert_int_equal(s.code, 0);
	assert_true(s.result.interrupted);
	tear_down(&s);
}

static void
an_intent_is_refused_while_draining_an_effect_is_not(void **state)
{
	struct scene s;
	uint32_t access;

	(void)state;
	set_up(&s);
	access = add_one(&s, KIND_ACCESS, 0);
	add_one(&s, KIND_INSTANCE, 0);
	add_after(&s, KIND_RELEASE, 0, access);
	world_add(s.w, &(struct script){.kind = KIND_ACCESS,
			       .intent = "CreateSecurityGroup",
			       .effect = "sg-1",
			       .run_ns = MS(200)});
	/* it asks at the moment of the interrupt, after it */
	world_interrupt_at(s.w, MS(100));
	world_add(s.w,
		&(struct script){
			.kind = KIND_RELEASE, .intent = "TerminateInstances", .run_ns = MS(10)});
	world_add(s.w, &(struct script){.kind = KIND_INSTANCE, .run_ns = MS(50)});
	expect_log(&s, "0.000 begin access\n"
		       "0.000 begin instance[0]\n"
		       "0.050 ok instance[0]\n"
		       "0.100 interrupt 1\n"
		       "0.200 ok access\n"
		       "0.200 begin release[0]\n"
		       "0.210 ok release[0]\n");
	assert_int_equal(s.code, 0);
	tear_down(&s);

	set_up(&s);
	world_interrupt_at(s.w, 0);
	add_one(&s, KIND_INSTANCE, 0);
	world_add(s.w, &(struct script){.kind = KIND_INSTANCE, .intent = "RunInstances"});
	expect_log(&s, "0.000 begin instance[0]\n"
		       "0.000 interrupt 1\n"
		       "0.000 refused instance[0]\n"
		       "0.000 cancel instance[0]: refused\n");
	assert_int_equal(s.code, ERR_CANCELLED);
	tear_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_interrupt_drains),
		cmocka_unit_test(a_second_interrupt_stops),
		cmocka_unit_test(a_third_interrupt_kills),
		cmocka_unit_test(a_running_step_is_asked_to_stop_and_waited_for),
		cmocka_unit_test(a_task_that_fails_while_draining_is_not_tried_again),
		cmocka_unit_test(waiting_for_another_attempt_is_cut_short),
		cmocka_unit_test(an_interrupt_that_comes_too_late_changes_nothing),
		cmocka_unit_test(an_intent_is_refused_while_draining_an_effect_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
