/* How runs end before their time: lost places, interrupts, time that is up, a failure, a full disk. */
#include "tests/exec/scene.h"

#include "planner/execute/journal.h"
#include "planner/manifest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void
a_lost_place_gives_its_tasks_to_another(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_one(&s, KIND_ENVIRONMENT, 1);
	add_tasks(&s, 0, 3);
	gives(&s, 0, 2, 0);
	gives(&s, 1, 1, 0);
	takes(&s, KIND_TASK, WORLD_ANY, 100);
	world_lose_place_at(s.w, 0, MS(30));
	s.options.retry = (struct retry_policy){
		.task_attempts = 2, .task_for_mask = RETRY_INTERRUPTION, .delay_ns = MS(5000)};
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 begin environment[1]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[0]\n"
		       "0.000 begin task[1]\n"
		       "0.000 ok environment[1]\n"
		       "0.000 begin task[2]\n"
		       "0.030 lost environment[0]\n"
		       "0.030 kill task[1]\n"
		       "0.030 fail task[0]: the host went away (will retry)\n"
		       "0.030 fail task[1]: environment[0], where it ran, was lost (will retry)\n"
		       "0.100 ok task[2]\n"
		       "0.100 begin task[0] again (2)\n"
		       "0.200 ok task[0]\n"
		       "0.200 begin task[1] again (2)\n"
		       "0.300 ok task[1]\n");
	assert_int_equal(s.code, 0);
	tear_down(&s);
}

static void
the_last_place_lost_ends_it(void **state)
{
	struct scene s;
	uint32_t env;

	(void)state;
	set_up(&s);
	env = add_one(&s, KIND_ENVIRONMENT, 0);
	add_tasks(&s, 0, 2);
	add_after(&s, KIND_RELEASE, 0, env);
	gives(&s, 0, 1, 0);
	takes(&s, KIND_TASK, WORLD_ANY, 100);
	takes(&s, KIND_RELEASE, 0, 10);
	world_lose_place_at(s.w, 0, MS(30));
	s.options.retry =
		(struct retry_policy){.task_attempts = 9, .task_for_mask = RETRY_INTERRUPTION};
	expect_log(&s,
		"0.000 begin environment[0]\n"
		"0.000 ok environment[0]\n"
		"0.000 begin release[0]\n"
		"0.000 begin task[0]\n"
		"0.010 ok release[0]\n"
		"0.030 lost environment[0]\n"
		"0.030 fail task[0]: the host went away\n"
		"0.030 skip task[1]: not begun: there is no place to run it (every environment "
		"that was ready has been lost)\n");
	assert_int_equal(s.code, ERR_HOST);
	assert_string_equal(s.err.message,
		"environment[0] was lost: the host went away; 0 of 2 tasks are done: apply again, "
		"what is finished is kept");
	assert_int_equal(s.result.tasks_failed, 1);
	assert_int_equal(s.result.tasks_cancelled, 1);
	tear_down(&s);
}

static void
what_queued_at_a_lost_place_did_not_run(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_tasks(&s, 0, 3);
	gives(&s, 0, 1, 0);
	takes(&s, KIND_TASK, WORLD_ANY, 100);
	world_lose_place_at(s.w, 0, MS(130));
	s.options.ahead = 2;
	s.options.retry =
		(struct retry_policy){.task_attempts = 9, .task_for_mask = RETRY_INTERRUPTION};
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[0]\n"
		       "0.000 begin task[1]\n"
		       "0.000 begin task[2]\n"
		       "0.100 ok task[0]\n"
		       "0.130 lost environment[0]\n"
		       "0.130 kill task[2]\n"
		       "0.130 fail task[1]: the host went away\n"
		       "0.130 cancel task[2]: not begun: environment[0] was lost before\n");
	assert_int_equal(s.code, ERR_HOST);
	assert_string_equal(s.err.message,
		"environment[0] was lost: the host went away; 1 of 3 tasks are done: apply again, "
		"what is finished is kept");
	assert_int_equal(s.result.tasks_failed, 1);
	assert_int_equal(s.result.tasks_cancelled, 1);
	assert_string_equal(s.result.lost.message, "environment[0] was lost: the host went away");
	tear_down(&s);
}

/* Nothing was tried, so `retry` has no say in it, and no attempt is spent. */
static void
what_queued_at_a_lost_place_goes_to_another(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_one(&s, KIND_ENVIRONMENT, 1);
	add_tasks(&s, 0, 2);
	gives(&s, 0, 1, 0);
	gives(&s, 1, 1, 500);
	world_add(s.w, &(struct script){.kind = KIND_TASK,
			       .index = WORLD_ANY,
			       .lead_ns = MS(50),
			       .run_ns = MS(100)});
	world_add(s.w, &(struct script){.kind = KIND_TASK,
			       .index = 0,
			       .attempt = 2,
			       .run_ns = MS(100),
			       .fail = ERR_TASK});
	world_lose_place_at(s.w, 0, MS(30));
	s.options.retry = (struct retry_policy){.task_attempts = 2, .task_for_mask = RETRY_ERROR};
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 begin environment[1]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[0]\n"
		       "0.030 lost environment[0]\n"
		       "0.030 fail task[0]: the host went away (will retry)\n"
		       "0.500 ok environment[1]\n"
		       "0.500 begin task[0] again (2)\n"
		       "0.600 fail task[0]: it failed (will retry)\n"
		       "0.600 begin task[0] again (3)\n"
		       "0.750 ok task[0]\n"
		       "0.750 begin task[1]\n"
		       "0.900 ok task[1]\n");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.lost.code, ERR_NONE);
	tear_down(&s);
}

static void
another_environment_on_its_way_is_waited_for(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_one(&s, KIND_ENVIRONMENT, 1);
	add_tasks(&s, 0, 1);
	gives(&s, 0, 1, 0);
	gives(&s, 1, 1, 500);
	takes(&s, KIND_TASK, WORLD_ANY, 100);
	world_lose_place_at(s.w, 0, MS(30));
	s.options.retry =
		(struct retry_policy){.task_attempts = 2, .task_for_mask = RETRY_INTERRUPTION};
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 begin environment[1]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[0]\n"
		       "0.030 lost environment[0]\n"
		       "0.030 fail task[0]: the host went away (will retry)\n"
		       "0.500 ok environment[1]\n"
		       "0.500 begin task[0] again (2)\n"
		       "0.600 ok task[0]\n");
	assert_int_equal(s.code, 0);
	tear_down(&s);
}

static void
set_up_remake(struct scene *s)
{
	uint32_t nodes[5];

	set_up(s);
	nodes[3] = add_one(s, KIND_INSTANCE, 0);
	nodes[4] = add_after(s, KIND_ENVIRONMENT, 0, nodes[3]);
	for (uint32_t i = 0; i < 3; i++)
		nodes[i] = add_one(s, KIND_TASK, i);
	add(s, KIND_RELEASE, 0, nodes, 5);
	takes(s, KIND_INSTANCE, 0, 20);
	gives(s, 0, 1, 10);
	takes(s, KIND_TASK, WORLD_ANY, 100);
	s->options.ahead = 1;
	s->options.remake_places = true;
	s->options.retry =
		(struct retry_policy){.task_attempts = 2, .task_for_mask = RETRY_INTERRUPTION};
}

#define REMAKE_BEGIN                   \
	"0.000 begin instance[0]\n"    \
	"0.020 ok instance[0]\n"       \
	"0.020 begin environment[0]\n" \
	"0.030 ok environment[0]\n"    \
	"0.030 begin task[0]\n"        \
	"0.030 begin task[1]\n"        \
	"0.130 ok task[0]\n"           \
	"0.130 begin task[2]\n"        \
	"0.150 lost environment[0]\n"  \
	"0.150 kill task[2]\n"

static void
a_lost_place_is_made_again(void **state)
{
	struct scene s;

	(void)state;
	set_up_remake(&s);
	world_lose_place_at(s.w, 0, MS(150));
	expect_log(&s, REMAKE_BEGIN
		"0.150 fail task[1]: the host went away (will retry)\n"
		"0.150 fail task[2]: environment[0], where it queued, was lost (will retry)\n"
		"0.150 another instance for environment[0]: 2 waiting tasks can run nowhere else, "
		"and end in about 0.2 s with it\n"
		"0.150 begin instance[0] again (2)\n"
		"0.170 ok instance[0]\n"
		"0.170 begin environment[0] again (2)\n"
		"0.180 ok environment[0]\n"
		"0.180 begin task[1] again (2)\n"
		"0.180 begin task[2] again (2)\n"
		"0.280 ok task[1]\n"
		"0.380 ok task[2]\n"
		"0.380 begin release[0]\n"
		"0.380 ok release[0]\n");
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.n_ok, 6);
	assert_int_equal(s.result.lost.code, ERR_NONE);
	tear_down(&s);
}

static void
a_place_is_not_made_again_for_ever(void **state)
{
	struct scene s;

	(void)state;
	set_up_remake(&s);
	world_lose_place_at(s.w, 0, MS(150));
	world_lose_place_at(s.w, 0, MS(200));
	play(&s);
	assert_non_null(strstr(world_log(s.w),
		"0.200 fail task[1]: the host went away\n"
		"0.200 cancel task[2]: not begun: environment[0] was lost before\n"
		"0.200 begin release[0]\n"));
	assert_int_equal(s.code, ERR_HOST);
	assert_int_equal(s.result.tasks_failed, 1);
	tear_down(&s);
}

static void
a_place_that_cannot_be_made_again(void **state)
{
	struct scene s;

	(void)state;
	set_up_remake(&s);
	world_lose_place_at(s.w, 0, MS(150));
	world_add(s.w, &(struct script){.kind = KIND_ENVIRONMENT,
			       .attempt = 2,
			       .fail = ERR_HOST,
			       .message = "no runner"});
	expect_log(&s, REMAKE_BEGIN
		"0.150 fail task[1]: the host went away (will retry)\n"
		"0.150 fail task[2]: environment[0], where it queued, was lost (will retry)\n"
		"0.150 another instance for environment[0]: 2 waiting tasks can run nowhere else, "
		"and end in about 0.2 s with it\n"
		"0.150 begin instance[0] again (2)\n"
		"0.170 ok instance[0]\n"
		"0.170 begin environment[0] again (2)\n"
		"0.170 fail environment[0]: no runner\n"
		"0.170 cancel task[1]: not begun: there is no place to run it (every environment "
		"that was ready has been lost)\n"
		"0.170 cancel task[2]: not begun: there is no place to run it (every environment "
		"that was ready has been lost)\n"
		"0.170 begin release[0]\n"
		"0.170 ok release[0]\n");
	assert_int_equal(s.code, ERR_HOST);
	assert_string_equal(s.err.message, "environment[0]: no runner");
	assert_int_equal(s.result.tasks_cancelled, 2);
	tear_down(&s);
}

static void
a_place_is_not_made_again_when_nobody_asked(void **state)
{
	struct scene s;

	(void)state;
	set_up_remake(&s);
	s.options.retry.task_for_mask = RETRY_ERROR;
	world_lose_place_at(s.w, 0, MS(150));
	play(&s);
	assert_null(strstr(world_log(s.w), "again"));
	assert_int_equal(s.code, ERR_HOST);
	tear_down(&s);
}

/* It was made once, and nothing went wrong with that. */
static void
an_interrupt_calls_off_making_a_place_again(void **state)
{
	struct scene s;

	(void)state;
	set_up_remake(&s);
	world_lose_place_at(s.w, 0, MS(150));
	world_interrupt_at(s.w, MS(160));
	play(&s);
	assert_non_null(
		strstr(world_log(s.w), "0.160 interrupt 1\n"
				       "0.160 cancel task[1]: not begun: the run was interrupted\n"
				       "0.160 cancel task[2]: not begun: the run was interrupted\n"
				       "0.170 ok instance[0]\n"
				       "0.170 begin release[0]\n"));
	assert_int_equal(s.code, ERR_CANCELLED);
	assert_int_equal(s.result.n_ok, 4);
	assert_int_equal(s.result.n_cancelled, 2);
	tear_down(&s);
}

/* Two instances, and what each is let go by; instance[1] cannot be had. */
static void
set_up_half(struct scene *s)
{
	uint32_t n[6];

	set_up(s);
	for (uint32_t i = 0; i < 2; i++) {
		n[i] = add_one(s, KIND_INSTANCE, i);
		n[2 + i] = add_after(s, KIND_ENVIRONMENT, i, n[i]);
		gives(s, i, 1, 10);
	}
	n[4] = add_one(s, KIND_TASK, 0);
	n[5] = add_one(s, KIND_TASK, 1);
	add(s, KIND_COLLECT, 0, &n[4], 2);
	add(s, KIND_RELEASE, 0, n, 6);
	add(s, KIND_RELEASE, 1, n, 6);
	takes(s, KIND_TASK, WORLD_ANY, 100);
	world_add(s->w, &(struct script){.kind = KIND_INSTANCE,
				.index = 1,
				.fail = ERR_HOST,
				.message = "no capacity"});
}

static void
what_the_others_stood_in_for(void **state)
{
	struct scene s;

	(void)state;
	set_up_half(&s);
	play(&s);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.tasks_ok, 2);
	assert_int_equal(s.result.n_failed, 1);
	assert_string_equal(s.result.first_failed_id, "instance[1]");
	assert_non_null(strstr(world_log(s.w), "ok release[1]\n"));
	tear_down(&s);
}

/* It is more than an instance that failed: what is left over costs money, or results are missing. */
static void
what_nobody_stood_in_for(void **state)
{
	static const enum kind kinds[] = {KIND_RELEASE, KIND_COLLECT, KIND_TASK};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct scene s;

		set_up_half(&s);
		world_add(s.w, &(struct script){.kind = kinds[i],
				       .fail = kinds[i] == KIND_TASK ? ERR_TASK : ERR_HOST,
				       .message = "no"});
		play(&s);
		assert_int_equal(s.code, ERR_HOST);
		tear_down(&s);
	}
}

static void
no_environment_at_all(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_tasks(&s, 0, 1);
	expect_log(&s,
		"0.000 skip task[0]: not begun: there is no place to run it (no environment got "
		"ready, or none gave a slot)\n");
	assert_int_equal(s.code, ERR_HOST);
	assert_string_equal(s.err.message, "no task could begin: no environment gave a slot");
	tear_down(&s);
}

static void
an_environment_without_slots(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	add_one(&s, KIND_ENVIRONMENT, 0);
	add_tasks(&s, 0, 2);
	gives(&s, 0, 0, 10);
	play(&s);
	assert_int_equal(s.code, ERR_HOST);
	assert_int_equal(s.result.tasks_cancelled, 2);
	assert_int_equal(s.result.wall_ns, MS(10));
	tear_down(&s);
}

/* Two tasks run, one queues at the place, one waits; an instance boots; collect and release have to
 * run. */
static void
set_up_busy(struct scene *s)
{
	uint32_t tasks[5];

	set_up(s);
	tasks[4] = add_one(s, KIND_ENVIRONMENT, 0);
	for (uint32_t i = 0; i < 4; i++)
		tasks[i] = add_one(s, KIND_TASK, i);
	add(s, KIND_COLLECT, 0, tasks, 4);
	add(s, KIND_RELEASE, 0, tasks, 5);
	add_one(s, KIND_INSTANCE, 1);
	gives(s, 0, 2, 0);
	takes(s, KIND_TASK, WORLD_ANY, 1000);
	world_add(s->w,
		&(struct script){
			.kind = KIND_INSTANCE, .index = 1, .pendings = 9, .pending_ns = MS(700)});
	s->options.ahead = 1;
}

#define BUSY_BEGIN                     \
	"0.000 begin environment[0]\n" \
	"0.000 begin instance[1]\n"    \
	"0.000 ok environment[0]\n"    \
	"0.000 begin task[0]\n"        \
	"0.000 begin task[1]\n"        \
	"0.000 begin task[2]\n"

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
max_duration_stops(void **state)
{
	struct scene s;

	(void)state;
	set_up_busy(&s);
	s.options.deadline_ns = MS(400);
	world_add(s.w,
		&(struct script){
			.kind = KIND_TASK, .index = 1, .run_ns = MS(1000000), .term_ns = MS(30)});
	expect_log(&s, BUSY_BEGIN "0.400 skip task[3]: not begun: max_duration passed\n"
				  "0.400 cancel instance[1]: not begun: max_duration passed\n"
				  "0.400 kill task[2]\n"
				  "0.400 stop task[0]\n"
				  "0.400 stop task[1]\n"
				  "0.400 cancel task[2]: not begun: max_duration passed\n"
				  "0.400 cancel task[0]: stopped\n"
				  "0.430 cancel task[1]: stopped\n"
				  "0.430 begin collect\n"
				  "0.430 begin release[0]\n"
				  "0.430 ok collect\n"
				  "0.430 ok release[0]\n");
	assert_int_equal(s.code, ERR_TASK);
	assert_true(s.result.out_of_time);
	assert_false(s.result.interrupted);
	tear_down(&s);
}

static void
max_duration_does_not_hurry_the_release(void **state)
{
	struct scene s;
	uint32_t source;

	(void)state;
	set_up(&s);
	source = add_one(&s, KIND_SOURCE, 0);
	add_after(&s, KIND_RELEASE, 0, source);
	takes(&s, KIND_RELEASE, 0, 100);
	s.options.deadline_ns = MS(50);
	play(&s);
	assert_int_equal(s.code, 0);
	assert_false(s.result.out_of_time);
	tear_down(&s);
}

static void
fail_fast_starts_nothing_more(void **state)
{
	struct scene s;

	(void)state;
	set_up_busy(&s);
	s.options.fail_fast = true;
	world_add(s.w, &(struct script){
			       .kind = KIND_TASK, .index = 0, .run_ns = MS(100), .fail = ERR_TASK});
	s.options.ahead = 0;
	expect_log(&s, "0.000 begin environment[0]\n"
		       "0.000 begin instance[1]\n"
		       "0.000 ok environment[0]\n"
		       "0.000 begin task[0]\n"
		       "0.000 begin task[1]\n"
		       "0.100 fail task[0]: it failed\n"
		       "0.100 skip task[2]: not begun: task[0] failed, and fail_fast is set\n"
		       "0.100 skip task[3]: not begun: task[0] failed, and fail_fast is set\n"
		       "0.100 cancel instance[1]: not begun: task[0] failed, and fail_fast is set\n"
		       "1.000 ok task[1]\n"
		       "1.000 begin collect\n"
		       "1.000 begin release[0]\n"
		       "1.000 ok collect\n"
		       "1.000 ok release[0]\n");
	assert_int_equal(s.code, ERR_TASK);
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

static void
an_intent_waits_for_the_disk_and_no_longer(void **state)
{
	const struct journal_head head = {.run = "x", .trace = "0"};
	char folder[] = "/tmp/furrow-intent.XXXXXX", path[64];
	struct journal *j = NULL;
	struct scene s;

	(void)state;
	set_up(&s);
	for (uint32_t i = 0; i < 100; i++) /* more than wait for one write */
		add_one(&s, KIND_INSTANCE, i);
	world_add(s.w, &(struct script){.kind = KIND_INSTANCE,
			       .index = WORLD_ANY,
			       .intent = "RunInstances",
			       .effect = "i-1",
			       .run_ns = MS(10)});
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/j", folder);
	assert_int_equal(graph_freeze(&s.g, &s.err), 0);
	assert_int_equal(journal_create(&j, path, &head, &s.g, &s.err), 0);
	s.code = executor_run(&s.a, &s.g, &s.options, world_port(s.w), j, NULL, &s.result, &s.err);
	assert_int_equal(journal_close(j, &s.result, 0, &s.err), 0);
	unlink(path);
	rmdir(folder);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.result.wall_ns, MS(10));
	tear_down(&s);
}

/* A limit on file sizes is like a disk that gets full. */
static void
a_journal_that_cannot_be_written_stops(void **state)
{
	const struct journal_head head = {.run = "x", .trace = "0"};
	char folder[] = "/tmp/furrow-full.XXXXXX", path[64];
	struct rlimit before, limit;
	struct journal *j = NULL;
	struct stat st;
	struct scene s;

	(void)state;
	set_up_busy(&s);
	world_add(s.w, &(struct script){.kind = KIND_RELEASE, .intent = "Stop", .effect = "s-1"});
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/j", folder);
	assert_int_equal(graph_freeze(&s.g, &s.err), 0);
	assert_int_equal(journal_create(&j, path, &head, &s.g, &s.err), 0);
	assert_int_equal(stat(path, &st), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur =
		(rlim_t)st.st_size + 700; /* what begins fits, the first end of a task does not */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	s.code = executor_run(&s.a, &s.g, &s.options, world_port(s.w), j, world_observer(s.w, &s.g),
		&s.result, &s.err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(s.code, ERR_HOST);
	assert_non_null(strstr(s.err.message, path));
	assert_int_equal(journal_close(j, &s.result, 3, &s.err), ERR_HOST);
	unlink(path);
	rmdir(folder);
	assert_string_equal(world_log(s.w),
		BUSY_BEGIN "1.000 ok task[0]\n"
			   "1.000 skip task[3]: not begun: the journal could not be written\n"
			   "1.000 cancel instance[1]: not begun: the journal could not be written\n"
			   "1.000 stop task[1]\n"
			   "1.000 stop task[2]\n"
			   "1.000 cancel task[1]: stopped\n"
			   "1.000 cancel task[2]: stopped\n"
			   "1.000 begin collect\n"
			   "1.000 begin release[0]\n"
			   "1.000 ok collect\n"
			   "1.000 ok release[0]\n");
	tear_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_place_gives_its_tasks_to_another),
		cmocka_unit_test(the_last_place_lost_ends_it),
		cmocka_unit_test(what_queued_at_a_lost_place_did_not_run),
		cmocka_unit_test(what_queued_at_a_lost_place_goes_to_another),
		cmocka_unit_test(another_environment_on_its_way_is_waited_for),
		cmocka_unit_test(a_lost_place_is_made_again),
		cmocka_unit_test(a_place_is_not_made_again_for_ever),
		cmocka_unit_test(a_place_that_cannot_be_made_again),
		cmocka_unit_test(a_place_is_not_made_again_when_nobody_asked),
		cmocka_unit_test(an_interrupt_calls_off_making_a_place_again),
		cmocka_unit_test(what_the_others_stood_in_for),
		cmocka_unit_test(what_nobody_stood_in_for),
		cmocka_unit_test(no_environment_at_all),
		cmocka_unit_test(an_environment_without_slots),
		cmocka_unit_test(a_first_interrupt_drains),
		cmocka_unit_test(a_second_interrupt_stops),
		cmocka_unit_test(a_third_interrupt_kills),
		cmocka_unit_test(a_running_step_is_asked_to_stop_and_waited_for),
		cmocka_unit_test(a_task_that_fails_while_draining_is_not_tried_again),
		cmocka_unit_test(waiting_for_another_attempt_is_cut_short),
		cmocka_unit_test(an_interrupt_that_comes_too_late_changes_nothing),
		cmocka_unit_test(max_duration_stops),
		cmocka_unit_test(max_duration_does_not_hurry_the_release),
		cmocka_unit_test(fail_fast_starts_nothing_more),
		cmocka_unit_test(an_intent_is_refused_while_draining_an_effect_is_not),
		cmocka_unit_test(an_intent_waits_for_the_disk_and_no_longer),
		cmocka_unit_test(a_journal_that_cannot_be_written_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
