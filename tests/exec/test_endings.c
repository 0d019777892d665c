/* How runs end before their time: nowhere to run, time that is up, a failure, a full disk. */
#include "tests/exec/busy.h"

#include "planner/execute/journal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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
		cmocka_unit_test(what_the_others_stood_in_for),
		cmocka_unit_test(what_nobody_stood_in_for),
		cmocka_unit_test(no_environment_at_all),
		cmocka_unit_test(an_environment_without_slots),
		cmocka_unit_test(max_duration_stops),
		cmocka_unit_test(max_duration_does_not_hurry_the_release),
		cmocka_unit_test(fail_fast_starts_nothing_more),
		cmocka_unit_test(an_intent_waits_for_the_disk_and_no_longer),
		cmocka_unit_test(a_journal_that_cannot_be_written_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
