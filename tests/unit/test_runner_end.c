/* test_runner_end: a task ends as a whole, whatever it forked: by itself, at its deadline, on
 * request, or because the runner, furrow or it was killed. */
#include "tests/unit/session_fixture.h"

static uint64_t
sh_with_timeout(struct host *h, const char *script, int64_t timeout_ms, int64_t grace_ms)
{
	struct session_task task = {.attempt = 1,
		.timeout_ns = timeout_ms * NS_PER_MS,
		.grace_ns = grace_ms * NS_PER_MS};
	const char *const argv[] = {"sh", "-c", script, NULL};

	return host_submit_as(h, &task, argv);
}

static int64_t
ran_ms(const struct seen *s)
{
	return (s->outcome.ended_ns - s->outcome.begun_ns) / NS_PER_MS;
}

static void
deadline_ends_it(void **state)
{
	static struct host h;
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	s = host_wait(&h, sh_with_timeout(&h, "exec sleep 60", 100, 5000));
	assert_int_equal(s->why, ENDED_TIMEOUT);
	assert_true(s->outcome.timed_out);
	assert_int_equal(s->outcome.signal, SIGTERM);
	assert_true(ran_ms(s) >= 100 && ran_ms(s) < 4000);
	/* In time: nothing happens. */
	s = host_wait(&h, sh_with_timeout(&h, "sleep 0.05; echo done", 20000, 100));
	assert_int_equal(s->why, ENDED_SELF);
	assert_said(s, "done\n");
	/* Asked to end, it has its grace. */
	s = host_wait(
		&h, sh_with_timeout(&h,
			    "trap 'sleep 0.1; echo saved; exit 3' TERM; echo on; while :; do sleep "
			    "0.02; done",
			    100, 10000));
	assert_int_equal(s->why, ENDED_TIMEOUT);
	assert_int_equal(s->outcome.exit_status, 3);
	assert_said(s, "on\nsaved\n");
	host_end(&h);
}

static void
deadline_is_not_to_be_ignored(void **state)
{
	static struct host h;
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	s = host_wait(
		&h, sh_with_timeout(&h, "trap '' TERM; while :; do sleep 0.05; done", 100, 200));
	assert_int_equal(s->why, ENDED_TIMEOUT);
	assert_int_equal(s->outcome.signal, SIGKILL);
	assert_true(ran_ms(s) >= 300 && ran_ms(s) < 4000);
	/* Stopped ones don't sleep through it either. */
	s = host_wait(&h, sh_with_timeout(&h, "kill -STOP $$", 100, 3000));
	assert_int_equal(s->outcome.signal, SIGTERM);
	host_end(&h);
}

/* TERM kills the shell at once; its child in the group has the rest of the grace to save what it
 * has. */
static void
grace_is_the_groups(void **state)
{
	static struct host h;
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	s = host_wait(
		&h, sh_with_timeout(&h,
			    "sh -c \"trap 'sleep 0.2; echo saved; exit' TERM; echo on; while :; "
			    "do sleep 0.02; done\" & wait; echo never",
			    150, 10000));
	assert_int_equal(s->why, ENDED_TIMEOUT);
	assert_said(s, "on\nsaved\n");
	assert_int_equal(s->outcome.signal, SIGTERM);
	host_end(&h);
}

/* What is left when the main process ends by itself. */
static void
background_is_ended(void **state)
{
	static struct host h;
	static const char *const ways[] = {
		"sleep 1000 & echo $!",
		"sleep 1000 >/dev/null 2>&1 & echo $!",
		"trap '' TERM HUP; sleep 1000 & echo $!",
		/* Out of the group. */
		"setsid sleep 1000 & sleep 0.1; pgrep -n -s $! -x sleep || echo $!",
		/* A daemon: its parent has ended before the task does. */
		"sh -c 'setsid sh -c \"echo \\$\\$; exec sleep 1000\" & sleep 0.1'",
		"sh -c 'setsid sh -c \"echo \\$\\$; exec sleep 1000 >/dev/null 2>&1\" & sleep 0.1'",
		/* One that hides: no environment, no output, another folder. */
		"sh -c 'cd /; setsid env -i sh -c \"echo \\$\\$; exec sleep 1000 >/dev/null 2>&1\" "
		"& "
		"sleep 0.1'",
		/* One that hides but for its output. */
		"sh -c 'cd /; setsid env -i sh -c \"echo \\$\\$; exec sleep 1000\" & sleep 0.1'",
	};

	(void)state;
	host_init(&h);
	h.base.slots = 1;
	host_start(&h);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct seen *s = host_run(&h, ways[i]);
		pid_t pid = pid_in(said(s, STREAM_STDOUT));

		assert_int_equal(s->why, ENDED_SELF);
		assert_int_equal(s->outcome.exit_status, 0);
		if (!gone_soon(pid))
			fail_msg("it lives: %s", ways[i]);
	}
	host_end(&h);
}

/* One task's daemon is not another's business: it lives as long as its own task. */
static void
daemons_belong_to_their_task(void **state)
{
	static struct host h;
	uint64_t id;
	pid_t pid;

	(void)state;
	host_init(&h);
	h.base.slots = 2;
	host_start(&h);
	id = host_sh(&h,
		"sh -c 'setsid sh -c \"echo \\$\\$; exec sleep 1000 >/dev/null\" & sleep 0.1'; "
		"exec sleep 1");
	host_wait_bytes(&h, id, 2);
	pause_ns(200 * NS_PER_MS);
	pid = pid_in(said(&h.seen[id], STREAM_STDOUT));
	for (int i = 0; i < 5; i++)
		host_run(&h, "true");
	assert_true(lives(pid));
	assert_int_equal(h.seen[id].ended, 0);
	host_wait(&h, id);
	assert_true(gone_soon(pid));
	host_end(&h);
}

static void
deadline_ends_what_went_away(void **state)
{
	static struct host h;
	struct seen *s;
	uint64_t id;

	(void)state;
	host_init(&h);
	host_start(&h);
	id = sh_with_timeout(&h,
		"trap '' TERM; sh -c 'trap \"\" TERM; cd /; setsid env -i sh -c \"trap \\\"\\\" "
		"TERM; "
		"echo \\$\\$; exec sleep 1000 >/dev/null 2>&1\" & wait' & while :; do sleep 0.05; "
		"done",
		300, 100);
	s = host_wait(&h, id);
	assert_int_equal(s->why, ENDED_TIMEOUT);
	assert_true(gone_soon(pid_in(said(s, STREAM_STDOUT))));
	host_end(&h);
}

static void
a_storm_of_forks_ends(void **state)
{
	static struct host h;
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	s = host_wait(
		&h, sh_with_timeout(&h,
			    "f() { setsid sh -c 'sleep 1000' & }; while :; do f; sleep 0.01; done",
			    300, 0));
	assert_int_equal(s->why, ENDED_TIMEOUT);
	assert_int_equal(spawn_sweep(h.run), 0);
	host_end(&h);
}

static void
stop_on_request(void **state)
{
	static struct host h;
	uint64_t running, waiting, third;
	struct seen *s;

	(void)state;
	host_init(&h);
	h.base.slots = 1;
	host_start(&h);
	running = host_sh(&h, "trap '' TERM; echo on; while :; do sleep 0.05; done");
	waiting = host_sh(&h, "echo never");
	third = host_sh(&h, "echo third");
	host_wait_bytes(&h, running, 3);
	session_stop_task(h.session, waiting, 10 * NS_PER_S);
	s = host_wait(&h, waiting);
	assert_int_equal(s->why, ENDED_STOPPED);
	assert_false(s->outcome.ran);
	assert_int_equal(s->begun, 0);
	session_stop_task(h.session, running, 60 * NS_PER_S);
	pause_ns(100 * NS_PER_MS);
	assert_int_equal(h.seen[running].ended, 0);
	/* A second, less patient one. */
	session_stop_task(h.session, running, 0);
	s = host_wait(&h, running);
	assert_int_equal(s->why, ENDED_STOPPED);
	assert_int_equal(s->outcome.signal, SIGKILL);
	assert_said(host_wait(&h, third), "third\n");
	session_stop_task(h.session, 4711, 0);	/* nobody */
	session_stop_task(h.session, third, 0); /* over */
	assert_said(host_run(&h, "echo on"), "on\n");
	host_end(&h);
}

/* What has begun goes on; what has not, does not begin. */
static void
taken_back_unless_it_runs(void **state)
{
	static struct host h;
	uint64_t running, waiting;
	struct seen *s;

	(void)state;
	host_init(&h);
	h.base.slots = 1;
	host_start(&h);
	running = host_sh(&h, "echo on; exec sleep 1000");
	waiting = host_sh(&h, "echo never");
	host_wait_bytes(&h, running, 3);
	session_stop_task(h.session, running, -1);
	session_stop_task(h.session, waiting, -1);
	s = host_wait(&h, waiting);
	assert_int_equal(s->why, ENDED_STOPPED);
	assert_false(s->outcome.ran);
	assert_int_equal(h.seen[running].ended, 0);
	session_stop_task(h.session, running, 10 * NS_PER_S);
	s = host_wait(&h, running);
	assert_int_equal(s->why, ENDED_STOPPED);
	assert_true(s->outcome.ran);
	host_end(&h);
}

/* kill -9 of a task's main process: its children go with it. */
static void
main_process_is_killed(void **state)
{
	static struct host h;
	struct seen *s;
	uint64_t id;
	pid_t main_pid, child;

	(void)state;
	host_init(&h);
	host_start(&h);
	id = host_sh(&h, "sleep 1000 & printf '%08d%08d' $$ $!; wait");
	host_wait_bytes(&h, id, 16);
	main_pid = pid_in((struct str){.p = said(&h.seen[id], 1).p, .n = 8});
	child = pid_in((struct str){.p = said(&h.seen[id], 1).p + 8, .n = 8});
	kill(main_pid, SIGKILL);
	s = host_wait(&h, id);
	assert_int_equal(s->why, ENDED_SELF);
	assert_int_equal(s->outcome.signal, SIGKILL);
	assert_true(gone_soon(child));
	host_end(&h);
}

/* Starts one task with all kinds of descendants; gives the pids of those. */
static void
start_family(struct host *h, pid_t pids[3])
{
	uint64_t id = host_sh(
		h, "setsid sleep 1000 & a=$!; sleep 1000 & printf '%08d%08d%08d' $$ $a $!; wait");

	host_wait_bytes(h, id, 24);
	for (int i = 0; i < 3; i++)
		pids[i] = pid_in((struct str){.p = said(&h->seen[id], 1).p + i * 8, .n = 8});
}

static void
runner_is_killed(void **state)
{
	static struct host h;
	pid_t pids[3];

	(void)state;
	spawn_adopt_orphans();
	host_init(&h);
	host_start(&h);
	start_family(&h, pids);
	kill(h.runner, SIGKILL);
	host_wait_lost(&h);
	assert_int_equal(h.why.code, ERR_HOST);
	/* The main process went with the runner; the rest is found by its run. */
	assert_true(gone_soon(pids[0]));
	assert_int_equal(spawn_sweep(h.run), 2);
	for (int i = 0; i < 3; i++)
		assert_true(gone_soon(pids[i]));
	assert_int_equal(session_close(h.session, NS_PER_S, NULL), 0);
	spawn_kill_children();
	host_free(&h);
}

static void
furrow_is_killed(void **state)
{
	static struct host h;
	pid_t pids[3];
	char tasks[128];
	int status;

	(void)state;
	host_init(&h);
	host_start(&h);
	start_family(&h, pids);
	/* What the kernel does to a killed furrow's socket. */
	shutdown(h.fd, SHUT_RDWR);
	assert_int_equal(waitpid(h.runner, &status, 0), h.runner);
	assert_int_equal(status, 0);
	for (int i = 0; i < 3; i++)
		assert_false(lives(pids[i]));
	snprintf(tasks, sizeof(tasks), "%s/tasks", h.root);
	assert_int_equal(access(tasks, F_OK), -1);
	host_wait_lost(&h);
	session_close(h.session, NS_PER_S, NULL);
	host_free(&h);
}

static void
runner_is_asked_to_end(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		static struct host h;
		pid_t pids[3];
		int status;

		host_init(&h);
		host_start(&h);
		start_family(&h, pids);
		kill(h.runner, signals[i]);
		assert_int_equal(waitpid(h.runner, &status, 0), h.runner);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 128 + signals[i]);
		for (int k = 0; k < 3; k++)
			assert_false(lives(pids[k]));
		host_wait_lost(&h);
		session_close(h.session, NS_PER_S, NULL);
		host_free(&h);
	}
}

static void
close_ends_all(void **state)
{
	static struct host h;
	pid_t pids[3];

	(void)state;
	host_init(&h);
	host_start(&h);
	start_family(&h, pids);
	host_end(&h);
	for (int i = 0; i < 3; i++)
		assert_false(lives(pids[i]));
}

/* Killing the runner's own helper costs nothing but time. */
static void
helper_is_killed(void **state)
{
	static struct host h;
	char pid[16];
	const char *const argv[] = {"pkill", "-KILL", "-P", pid, "furrow-runner", NULL};

	(void)state;
	host_init(&h);
	host_start(&h);
	host_run(&h, "true");
	snprintf(pid, sizeof(pid), "%d", (int)h.runner);
	run_quietly(argv);
	for (int i = 0; i < 5; i++)
		assert_said(host_run(&h, "echo on"), "on\n");
	host_end(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadline_ends_it),
		cmocka_unit_test(deadline_is_not_to_be_ignored),
		cmocka_unit_test(grace_is_the_groups),
		cmocka_unit_test(background_is_ended),
		cmocka_unit_test(daemons_belong_to_their_task),
		cmocka_unit_test(deadline_ends_what_went_away),
		cmocka_unit_test(a_storm_of_forks_ends),
		cmocka_unit_test(stop_on_request),
		cmocka_unit_test(taken_back_unless_it_runs),
		cmocka_unit_test(main_process_is_killed),
		cmocka_unit_test(runner_is_killed),
		cmocka_unit_test(furrow_is_killed),
		cmocka_unit_test(runner_is_asked_to_end),
		cmocka_unit_test(close_ends_all),
		cmocka_unit_test(helper_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
