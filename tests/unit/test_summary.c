/* Tests of the end of an apply: what it says in words and as JSON, for runs of every outcome; and of what a run leaves for
 * the next plan. */
#include "cmd/furrow/record.h"
#include "cmd/furrow/summary.h"

#include "planner/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

enum { N_NODES = 5, N_TASKS = 4 };

struct story {
	struct manifest manifest;
	struct task tasks[N_TASKS];
	struct change in_place[2];
	struct plan plan;
	struct timing_attempt attempts[N_NODES][2];
	struct timing_node nodes[N_NODES];
	struct timings timings;
	struct summary summary;
	struct buf text;
};

static void
set_node(struct story *s, int i, enum kind kind, uint32_t index, enum node_state state,
	int64_t ready_ms, int64_t end_ms)
{
	struct timing_node *n = &s->nodes[i];
	struct timing_attempt *a = s->attempts[i];

	*n = (struct timing_node){
		.kind = kind, .index = index, .state = state, .attempts = a, .n_attempts = 1};
	n->ready_ns = ready_ms * NS_PER_MS;
	n->end_ns = end_ms * NS_PER_MS;
	a[0] = (struct timing_attempt){
		.attempt = 1, .begin_ns = n->ready_ns, .end_ns = n->end_ns, .state = state};
	a[0].outcome.ran = kind == KIND_TASK;
	a[0].outcome.begun_ns = n->ready_ns + 10 * NS_PER_MS;
	a[0].outcome.ended_ns = n->end_ns;
}

static void
mark_critical(struct story *s, int i, int64_t ms)
{
	s->nodes[i].critical = true;
	s->nodes[i].critical_ns = ms * NS_PER_MS;
}

/* One task in place, three to run: two done, one failed at its second attempt. */
static int
tell(void **state)
{
	static struct story s;
	static const char *const labels[N_TASKS] = {"a.txt", "b.txt", "c.txt", "d.txt"};

	s = (struct story){0};
	s.manifest.name = STR("demo");
	for (int i = 0; i < N_TASKS; i++) {
		s.tasks[i].label = str_from(labels[i]);
		s.tasks[i].key = digest_of(labels[i], 1);
	}
	s.in_place[0] = (struct change){.kind = KIND_SOURCE};
	s.in_place[1] = (struct change){.kind = KIND_INSTANCE};
	s.plan.job = (struct job){.manifest = &s.manifest, .tasks = s.tasks, .n_tasks = N_TASKS};
	s.plan.changes = (struct changes){
		.in_place = s.in_place, .n_in_place = 2, .n_tasks_run = 3, .n_tasks_in_place = 1};
	set_node(&s, 0, KIND_ENVIRONMENT, 0, NODE_OK, 0, 500);
	set_node(&s, 1, KIND_TASK, 1, NODE_OK, 500, 1500);
	set_node(&s, 2, KIND_TASK, 2, NODE_FAILED, 500, 3000);
	set_node(&s, 3, KIND_TASK, 3, NODE_OK, 500, 2500);
	set_node(&s, 4, KIND_COLLECT, 0, NODE_OK, 3000, 3200);
	s.attempts[2][1] = s.attempts[2][0];
	s.attempts[2][1].attempt = 2;
	s.attempts[2][1].error = STR("exit status 3");
	s.nodes[2].n_attempts = 2;
	mark_critical(&s, 0, 500);
	mark_critical(&s, 2, 2500);
	mark_critical(&s, 4, 200);
	s.timings = (struct timings){.run = STR("01RUN"),
		.job = STR("demo"),
		.nodes = s.nodes,
		.n_nodes = N_NODES,
		.done = true,
		.exit_code = 1,
		.wall_ns = 3200 * NS_PER_MS};
	s.timings.critical_phase_ns[PHASE_ENV] = s.timings.phase_ns[PHASE_ENV] = 500 * NS_PER_MS;
	s.timings.critical_phase_ns[PHASE_RUN] = 2500 * NS_PER_MS;
	s.timings.phase_ns[PHASE_RUN] = 5500 * NS_PER_MS;
	s.timings.critical_phase_ns[PHASE_COLLECT] = s.timings.phase_ns[PHASE_COLLECT] =
		200 * NS_PER_MS;
	s.summary = (struct summary){.plan = &s.plan,
		.timings = &s.timings,
		.results_dir = STR("results"),
		.exit_status = 1};
	*state = &s;
	return 0;
}

static int
forget(void **state)
{
	struct story *s = *state;

	buf_free(&s->text);
	return 0;
}

static void
words(void **state)
{
	struct story *s = *state;

	summary_write(&s->text, &s->summary);
	assert_string_equal(buf_cstr(&s->text),
		"\n"
		"failed task[2] c.txt: exit status 3 (2 attempts)\n"
		"2 tasks done, 1 failed, 1 in place before, in 3.2 s\n"
		"furrow logs 'task[2]' prints what it wrote; apply again tries what failed\n"
		"\n"
		"where the time went   critical path          all steps\n"
		"  env                        500 ms  16 %          500 ms\n"
		"  run                         2.5 s  78 %           5.5 s\n"
		"  collect                    200 ms   6 %          200 ms\n"
		"  together                    3.2 s 100 %           6.2 s\n"
		"\n"
		"critical path  environment[0] 500 ms > task[2] c.txt 2.5 s > collect 200 ms\n"
		"reused         source, 1 result\n"
		"results        results/\n"
		"run            01RUN\n");
}

static void
colours_do_not_change_words(void **state)
{
	struct story *s = *state;
	struct buf plain = {0}, bare = {0};

	summary_write(&plain, &s->summary);
	s->summary.color = true;
	summary_write(&s->text, &s->summary);
	for (const char *p = buf_cstr(&s->text); *p; p++) {
		if (*p == '\033')
			p = strchr(p, 'm');
		else
			buf_add_char(&bare, *p);
	}
	assert_string_equal(buf_cstr(&bare), buf_cstr(&plain));
	buf_free(&plain);
	buf_free(&bare);
}

static void
interrupted(void **state)
{
	struct story *s = *state;

	s->timings.interrupted = true;
	s->nodes[3].state = NODE_CANCELLED;
	s->attempts[3][0].outcome.ran = false;
	summary_write(&s->text, &s->summary);
	assert_non_null(strstr(
		buf_cstr(&s->text), "1 task done, 1 failed, 1 did not run, 1 in place before"));
	assert_non_null(strstr(buf_cstr(&s->text), "the next apply goes on from here\n"));
}

static void
stopped_is_not_not_run(void **state)
{
	struct story *s = *state;

	s->timings.interrupted = true;
	s->nodes[1].state = s->nodes[3].state = NODE_CANCELLED;
	s->attempts[3][0].outcome.ran = false;
	summary_write(&s->text, &s->summary);
	assert_non_null(strstr(buf_cstr(&s->text),
		"0 tasks done, 1 failed, 1 stopped, 1 did not run, 1 in place"));
	buf_clear(&s->text);
	summary_write_json(&s->text, &s->summary);
	assert_non_null(
		strstr(buf_cstr(&s->text), "\"done\":0,\"failed\":1,\"stopped\":1,\"not_run\":1}"));
}

static void
a_lost_place_is_told_once(void **state)
{
	struct story *s = *state;

	s->summary.lost = STR("environment[0] was lost: the runner ended");
	summary_write(&s->text, &s->summary);
	assert_non_null(
		strstr(buf_cstr(&s->text), "in 3.2 s\nenvironment[0] was lost: the runner ended\n"
					   "apply again: what is finished is kept\n"));
}

static void
what_the_others_stood_in_for(void **state)
{
	static const char warning[] = "warning: every task has its result, though";
	struct story *s = *state;

	s->nodes[2].state = NODE_OK;
	s->nodes[0].state = NODE_FAILED;
	s->attempts[0][0].error = STR("no capacity");
	summary_write(&s->text, &s->summary);
	assert_null(strstr(buf_cstr(&s->text), warning));
	buf_clear(&s->text);
	s->summary.exit_status = 0;
	summary_write(&s->text, &s->summary);
	assert_non_null(
		strstr(buf_cstr(&s->text), "failed environment[0]: no capacity\n3 tasks done"));
	assert_non_null(strstr(buf_cstr(&s->text),
		"warning: every task has its result, though environment[0] failed: the others did "
		"the work\n"));
}

static void
what_is_left_is_named(void **state)
{
	struct pair pair = {
		STR("i-0abc"), STR("aws ec2 terminate-instances --instance-ids i-0abc")};
	const struct pairs left = {.v = &pair, .n = 1};
	struct story *s = *state;

	s->summary.left = &left;
	summary_write_json(&s->text, &s->summary);
	assert_non_null(strstr(buf_cstr(&s->text),
		",\"left\":[{\"id\":\"i-0abc\",\"by_hand\":\"aws ec2 terminate-instances "
		"--instance-ids i-0abc\"}],\"phases\""));
}

static void
what_stays_warm_is_told(void **state)
{
	struct story *s = *state;

	s->summary.n_warm = 2;
	s->manifest.instances.idle_ns = 300 * NS_PER_S;
	summary_write(&s->text, &s->summary);
	assert_non_null(strstr(buf_cstr(&s->text), "\n2 instances stay warm for 5m and cost money "
						   "meanwhile; furrow destroy ends them\n"));
	buf_clear(&s->text);
	s->summary.n_warm = 1;
	summary_write(&s->text, &s->summary);
	assert_non_null(strstr(buf_cstr(&s->text), "\n1 instance stays warm for 5m and costs money "
						   "meanwhile; furrow destroy ends it\n"));
	buf_clear(&s->text);
	summary_write_json(&s->text, &s->summary);
	assert_non_null(strstr(buf_cstr(&s->text), ",\"warm\":1,"));
}

static void
out_of_time(void **state)
{
	struct story *s = *state;

	s->summary.out_of_time = true;
	summary_write(&s->text, &s->summary);
	assert_non_null(strstr(buf_cstr(&s->text), "max_duration is over"));
}

/* What did not run is named, and how to go on; what the plan said stands beside it. */
static void
out_of_money(void **state)
{
	static struct timing_life lives[2] = {
		{.index = 0, .begin_ns = 0, .end_ns = 3, .hourly_usd = 0.36, .usd = 0.36},
		{.index = 1,
			.id = {.p = "i-1", .n = 3},
			.end_ns = -1,
			.hourly_usd = -1,
			.usd = -1}};
	struct story *s = *state;

	s->manifest.max_cost_usd = 0.5;
	s->timings.lives = lives;
	s->timings.n_lives = 2;
	s->timings.usd = 0.36;
	s->timings.usd_least = true;
	s->timings.said_ns = 1600 * NS_PER_MS;
	s->timings.said_usd = 0.30;
	s->summary.out_of_money = true;
	s->nodes[2].state = s->nodes[3].state = NODE_CANCELLED;
	summary_write(&s->text, &s->summary);
	assert_non_null(strstr(buf_cstr(&s->text), " in 3.2 s, for at least $0.36\n"));
	assert_non_null(strstr(buf_cstr(&s->text),
		"max_cost ($0.50) allows no more: raise it, or apply again with as much for the "
		"rest\n"
		"not done: task[2,3]\n"
		"what is done is kept: the next apply goes on from here\n"));
	assert_non_null(
		strstr(buf_cstr(&s->text), "plan said      1.6 s (it was 100 % more), $0.30\n"));
	buf_clear(&s->text);
	s->timings.n_lives = 1;
	s->timings.usd_least = false;
	summary_write(&s->text, &s->summary);
	assert_non_null(strstr(
		buf_cstr(&s->text), "1.6 s (it was 100 % more), $0.30 (it was 20 % more)\n"));
	buf_clear(&s->text);
	s->timings.n_lives = 2;
	summary_write_json(&s->text, &s->summary);
	assert_non_null(strstr(buf_cstr(&s->text),
		",\"usd\":0.36,\"usd_least\":false,\"said\":{\"s\":1.6,\"usd\":0.3},\"instances\":["
		"{\"index\":0,"
		"\"id\":null,\"begin_s\":0,\"end_s\":0.000000003,\"hourly_usd\":0.36,\"usd\":0.36},"
		"{\"index\":1,\"id\":\"i-1\",\"begin_s\":0,\"hourly_usd\":null,\"usd\":null}]"));
	buf_clear(&s->text);
	s->timings.interrupted = true;
	summary_write(&s->text, &s->summary);
	assert_null(strstr(buf_cstr(&s->text), "plan said"));
}

/* An instance less, and all is done. */
static void
enough_money_after_all(void **state)
{
	struct story *s = *state;

	s->summary.out_of_money = true;
	s->nodes[2].state = NODE_OK;
	summary_write(&s->text, &s->summary);
	assert_null(strstr(buf_cstr(&s->text), "max_cost"));
}

static void
nothing_took_time(void **state)
{
	struct story *s = *state;

	s->timings.n_nodes = 0;
	s->timings.wall_ns = 0;
	memset(s->timings.phase_ns, 0, sizeof(s->timings.phase_ns));
	memset(s->timings.critical_phase_ns, 0, sizeof(s->timings.critical_phase_ns));
	summary_write(&s->text, &s->summary);
	assert_non_null(strstr(buf_cstr(&s->text), "0 tasks done, 3 did not run"));
}

static void
a_long_path_is_cut(void **state)
{
	enum { LONG = 50 };
	static struct timing_node nodes[LONG];
	struct story *s = *state;
	struct arena a = {0};
	size_t n;

	for (uint32_t i = 0; i < LONG; i++)
		nodes[i] = (struct timing_node){.kind = KIND_TASK,
			.index = LONG - i,
			.critical = true,
			.end_ns = LONG - i,
			.state = NODE_OK};
	s->timings.nodes = nodes;
	s->timings.n_nodes = LONG;
	assert_int_equal(summary_critical_path(&a, &s->timings, &n)[0]->index, 1);
	assert_int_equal(n, LONG);
	summary_write(&s->text, &s->summary);
	assert_non_null(strstr(buf_cstr(&s->text), " > (42 more) > "));
	assert_non_null(strstr(buf_cstr(&s->text), " > task[50] "));
	assert_null(strstr(buf_cstr(&s->text), "task[20]"));
	arena_free(&a);
}

static void
many_failures_are_counted(void **state)
{
	enum { MANY = 40 };
	static struct timing_node nodes[MANY];
	struct story *s = *state;
	size_t lines = 0;

	for (uint32_t i = 0; i < MANY; i++)
		nodes[i] =
			(struct timing_node){.kind = KIND_TASK, .index = i, .state = NODE_FAILED};
	s->timings.nodes = nodes;
	s->timings.n_nodes = MANY;
	s->plan.changes.n_tasks_run = MANY;
	summary_write(&s->text, &s->summary);
	for (const char *p = buf_cstr(&s->text); (p = strstr(p, "failed task[")); p++)
		lines++;
	assert_int_equal(lines, 10);
	assert_non_null(strstr(buf_cstr(&s->text), "and 30 more that failed"));
}

static void
json(void **state)
{
	struct story *s = *state;
	json_t *doc;
	const char *label;
	int done, failed, exit_code;
	double wall, run;

	summary_write_json(&s->text, &s->summary);
	doc = json_loadb(s->text.p, s->text.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(doc);
	assert_int_equal(
		json_unpack(doc, "{s:i, s:F, s:{s:i, s:i}, s:{s:{s:F}}, s:[{s:s}]}", "exit",
			&exit_code, "wall_s", &wall, "tasks", "done", &done, "failed", &failed,
			"phases", "run", "critical_s", &run, "failures", "label", &label),
		0);
	assert_int_equal(exit_code, 1);
	assert_int_equal(done, 2);
	assert_int_equal(failed, 1);
	assert_true(wall == 3.2 && run == 2.5);
	assert_string_equal(label, "c.txt");
	assert_int_equal(json_array_size(json_object_get(doc, "critical_path")), 3);
	assert_int_equal(json_array_size(json_object_get(doc, "reused")), 1);
	json_decref(doc);
}

static void
history_of_a_run(void **state)
{
	struct story *s = *state;
	struct arena a = {0};
	struct history h;

	record_history(&a, &h, &s->plan, &s->timings);
	/* The failed task is not in it; a task took as long as its process. */
	assert_int_equal(h.n, 4);
	assert_int_equal(h.v[0].kind, KIND_ENVIRONMENT);
	assert_true(str_is(h.v[0].label, "-") && digest_is_zero(&h.v[0].key) &&
		    h.v[0].ns == 500 * NS_PER_MS);
	assert_true(str_is(h.v[1].label, "b.txt") && h.v[1].ns == 990 * NS_PER_MS);
	assert_int_equal(digest_cmp(&h.v[1].key, &s->tasks[1].key), 0);
	assert_true(str_is(h.v[2].label, "d.txt"));
	assert_int_equal(h.v[3].kind, KIND_COLLECT);
	assert_int_equal(h.v[3].count, 1);
	/* On instances: one that was there is no measure for one that has to boot. */
	s->plan.observed.fleet.there = true;
	record_history(&a, &h, &s->plan, &s->timings);
	assert_true(str_is(h.v[0].label, "warm"));
	s->nodes[0].kind = KIND_INSTANCE;
	s->nodes[1].kind = KIND_ENVIRONMENT;
	s->nodes[1].index = 0;
	record_history(&a, &h, &s->plan, &s->timings);
	assert_int_equal(h.v[1].kind, KIND_ENVIRONMENT);
	assert_true(str_is(h.v[1].label, "-"));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(words, tell, forget),
		cmocka_unit_test_setup_teardown(colours_do_not_change_words, tell, forget),
		cmocka_unit_test_setup_teardown(interrupted, tell, forget),
		cmocka_unit_test_setup_teardown(stopped_is_not_not_run, tell, forget),
		cmocka_unit_test_setup_teardown(a_lost_place_is_told_once, tell, forget),
		cmocka_unit_test_setup_teardown(what_the_others_stood_in_for, tell, forget),
		cmocka_unit_test_setup_teardown(what_is_left_is_named, tell, forget),
		cmocka_unit_test_setup_teardown(what_stays_warm_is_told, tell, forget),
		cmocka_unit_test_setup_teardown(out_of_time, tell, forget),
		cmocka_unit_test_setup_teardown(out_of_money, tell, forget),
		cmocka_unit_test_setup_teardown(enough_money_after_all, tell, forget),
		cmocka_unit_test_setup_teardown(nothing_took_time, tell, forget),
		cmocka_unit_test_setup_teardown(a_long_path_is_cut, tell, forget),
		cmocka_unit_test_setup_teardown(many_failures_are_counted, tell, forget),
		cmocka_unit_test_setup_teardown(json, tell, forget),
		cmocka_unit_test_setup_teardown(history_of_a_run, tell, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
