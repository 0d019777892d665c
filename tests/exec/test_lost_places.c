/* Places that are lost while they have tasks: where those go, what is made again, when it is over. */
#include "tests/exec/scene.h"

#include "planner/manifest.h"

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
