/* test_runner_host: what `furrow-runner host` says of the host, the order of which run it is to serve, and
 * the run itself. */
#include "tests/unit/place_fixture.h"

static void
an_empty_host(void **state)
{
	(void)state;
	unlink(at("/run/furrow/until"));
	call();
	for (const char *const *list =
			(const char *const[]){"runners", "sources", "envs", "runs", NULL};
		*list; list++)
		assert_string_equal(listed(*list), "");
	assert_true(json_integer_value(word("cpus")) > 0);
	assert_true(json_integer_value(word("memory")) > 1 << 20);
	assert_true(json_real_value(word("uptime_s")) > 0);
	assert_true(labs((long)(json_real_value(word("uptime_s")) - (double)uptime_s())) <= 2);
	assert_null(word("until_s"));
	assert_null(word("boot_err"));
	assert_int_equal(json_object_size(word("boot")), 0);
	hang_up();
	assert_int_equal(exit_status(), 0);
	assert_string_equal(errors(), "");
}

static void
not_even_folders(void **state)
{
	const char *const remove[] = {"rm", "-rf", at("/run"), at("/var"), NULL};

	(void)state;
	run_quietly(remove);
	call();
	assert_string_equal(listed("sources"), "");
	order(&(struct wish){0});
	assert_int_equal(exit_status(), 1);
	assert_non_null(strstr(errors(), "/run/furrow/turn: No such file"));
}

static void
what_is_there(void **state)
{
	char line[64];

	(void)state;
	write_text(at("/var/lib/furrow/runner/0a1b"), "");
	write_text(at("/var/lib/furrow/runner/0a1c.partial"), "");
	mkdir(at("/var/lib/furrow/source/beef"), 0755);
	mkdir(at("/var/lib/furrow/source/feed"), 0755);
	mkdir(at("/var/lib/furrow/source/feed2.12.partial"), 0755);
	mkdir(at("/var/lib/furrow/source/lost+found"), 0755);
	mkdir(at("/var/lib/furrow/env/aa"), 0755);
	write_text(at("/var/lib/furrow/env/aa/.furrow-ready"), "");
	mkdir(at("/var/lib/furrow/env/bb"), 0755);
	write_text(at("/var/lib/furrow/env/aa.log"), "");
	mkdir(at("/run/furrow/runs"), 0755);
	write_text(at("/run/furrow/runs/DEAD"), "4194303 17\n");
	write_text(at("/run/furrow/runs/ODD"), "-1 x\n");
	/* A pid that another process has now. */
	snprintf(line, sizeof(line), "%d 1\n", (int)getpid());
	write_text(at("/run/furrow/runs/REUSED"), line);
	write_text(at("/run/furrow/runs/DEAD.sock"), "");
	write_text(at("/run/furrow/until"), "12345\n");
	call();
	assert_string_equal(listed("runners"), "0a1b");
	assert_string_equal(listed("sources"), "beef feed");
	assert_string_equal(listed("envs"), "aa");
	assert_string_equal(listed("runs"), "");
	assert_int_equal(json_integer_value(word("until_s")), 12345);
}

static void
how_it_booted(void **state)
{
	static const char odd[] = "source: \"a\\b\" \x1b[31m\x07\x80\xff\n";

	(void)state;
	write_text(at("/run/furrow/boot"),
		"start 3.25\nrunner 4.5\nstart 99\nsource\n\"} 1\nevil\x1b 2\nbad nan\nworse inf\n"
		"low -1\nhuge 1e300\nsource 5\nrunner 6\nhalf 7");
	write_text(at("/run/furrow/boot.err"), odd);
	call();
	assert_int_equal(json_object_size(word("boot")), 4);
	assert_true(json_number_value(json_object_get(word("boot"), "start")) == 3.25);
	assert_true(json_number_value(json_object_get(word("boot"), "runner")) == 4.5);
	assert_true(json_number_value(json_object_get(word("boot"), "source")) == 5);
	assert_string_equal(json_string_value(word("boot_err")),
		"source: \"a\\b\" \x1b[31m\x07\xc2\x80\xc3\xbf\n");
}

/* What fits is said, what matters most first, and it stays one line of JSON. */
static void
very_many(void **state)
{
	static char noise[8 << 10];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		char name[128];

		snprintf(name, sizeof(name), "/var/lib/furrow/source/%064x", i);
		mkdir(at("%s", name), 0755);
	}
	memset(noise, 0xff, sizeof(noise));
	write_file(at("/run/furrow/boot"), noise, sizeof(noise));
	write_file(at("/run/furrow/boot.err"), noise, sizeof(noise));
	mkdir(at("/run/furrow/runs"), 0755);
	begin(&(struct wish){0});
	assert_true(strlen(place.text) < 60 << 10);
	assert_true(json_array_size(word("sources")) > 100);
	assert_true(json_array_size(word("sources")) < 2000);
	call();
	assert_string_equal(listed("runs"), place.h.run);
	assert_true(json_string_length(word("boot_err")) > 4000);
	hang_up();
	assert_int_equal(exit_status(), 0);
	session_close(place.h.session, 20 * NS_PER_S, NULL);
}

static void
nothing_is_ordered(void **state)
{
	(void)state;
	mkdir(at("/run/furrow/runs"), 0755);
	write_text(at("/run/furrow/runs/OTHER"), "4194303 17\n");
	call();
	shutdown(place.fd, SHUT_WR);
	assert_int_equal(exit_status(), 0);
	assert_string_equal(read_text(at("/run/furrow/until")), "9999999\n");
	assert_true(is_there(at("/run/furrow/runs/OTHER")));
	assert_false(is_there(at("/run/furrow/turn")));
	assert_string_equal(errors(), "");
}

static void
no_order(void **state)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	static const struct wish bad[] = {
		{.run = ""},
		{.run = "../../etc"},
		{.run = "A B"},
		{.source_id = "../x"},
		{.env_id = "a/b"},
		{.env_id = "e57", .files = {"/etc/passwd"}},
		{.env_id = "e57", .files = {"a/../../b"}},
		{.env_id = "e57", .files = {".."}},
		{.env_id = "e57", .files = {""}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(&bad[i], 64, "no order");
	call();
	send_frame(FRAME_HELLO, "hello", 5);
	assert_int_equal(exit_status(), 64);
	hang_up();
	/* One that ends before its length. */
	call();
	send_frame(FRAME_ORDER, "\x04\0\0\0TEST\1", 9);
	assert_int_equal(exit_status(), 64);
	hang_up();
	call();
	assert_int_equal(write(place.fd, http, sizeof(http)), sizeof(http));
	assert_int_equal(exit_status(), 64);
	assert_string_equal(read_text(at("/run/furrow/until")), "9999999\n");
	assert_false(is_there(at("/run/furrow/runs")));
}

static void
a_run_to_its_end(void **state)
{
	struct seen *s;

	(void)state;
	begin(&(struct wish){.idle_s = 300});
	assert_true(labs(until() - (long)uptime_s() - 600) <= 2);
	s = host_run(&place.h, "echo $FURROW_RUN; pwd; echo x >$FURROW_OUT/x");
	assert_int_equal(s->outcome.exit_status, 0);
	assert_non_null(memmem(s->streams[STREAM_STDOUT].p, s->streams[STREAM_STDOUT].n,
		"/var/lib/furrow/run/", 20));
	assert_true(s->tar.n > 0);
	goodbye();
	assert_true(labs(until() - (long)uptime_s() - 300) <= 2);
	assert_false(is_there(at("/var/lib/furrow/run/%s", place.h.run)));
	assert_false(is_there(at("/run/furrow/runs/%s", place.h.run)));
	assert_false(is_there(at("/run/furrow/runs/%s.sock", place.h.run)));
	assert_string_equal(errors(), "");
	assert_true(is_there(at("/run/furrow/runs/%s.log", place.h.run)));
	call();
	assert_string_equal(listed("runs"), "");
}

/* idle 0: furrow terminates it; when it cannot, the host goes after a minute. */
static void
a_minute_is_left(void **state)
{
	(void)state;
	begin(&(struct wish){0});
	goodbye();
	assert_true(labs(until() - (long)uptime_s() - 60) <= 2);
}

static void
a_cut_and_back(void **state)
{
	uint64_t id;
	pid_t runner;

	(void)state;
	place.h.linger_s = 30;
	begin(&(struct wish){0});
	runner = (pid_t)place.h.told.pid;
	id = host_sh(&place.h, "echo before; sleep 0.5; echo after");
	host_wait_bytes(&place.h, id, 7);
	cut();
	assert_int_equal(exit_status(), 1);
	assert_true(lives(runner));
	call();
	assert_string_equal(listed("runs"), place.h.run);
	order(&(struct wish){0});
	open_session();
	assert_int_equal(place.h.told.pid, runner);
	assert_int_equal(place.h.told.n_tasks, 1);
	buf_clear(&place.h.seen[id].streams[STREAM_STDOUT]);
	session_resume(place.h.session, id, 7, 0);
	assert_said(host_wait(&place.h, id), "after\n");
	goodbye();
	assert_false(is_there(at("/var/lib/furrow/run/%s", place.h.run)));
}

static void
another_run_is_ended_first(void **state)
{
	char other[40], script[256];
	uint64_t id;
	pid_t runner, task;

	(void)state;
	place.h.linger_s = 30;
	begin(&(struct wish){0});
	runner = (pid_t)place.h.told.pid;
	snprintf(script, sizeof(script),
		"echo $$; trap '' TERM; touch big; while :; do sleep 1; done");
	id = host_sh(&place.h, script);
	host_wait_bytes(&place.h, id, 2);
	task = pid_in(said(&place.h.seen[id], STREAM_STDOUT));
	cut();
	assert_int_equal(exit_status(), 1);
	snprintf(other, sizeof(other), "%s", place.h.run);
	write_text(at("/run/furrow/runs/DEAD"), "4194303 17\n");
	mkdir(at("/var/lib/furrow/run/DEAD"), 0755);
	mkdir(at("/var/lib/furrow/run/OLDER.gone"), 0755);
	snprintf(place.h.run, sizeof(place.h.run), "NEXT%d", (int)getpid());
	begin(&(struct wish){0});
	assert_false(lives(runner));
	assert_false(lives(task));
	assert_false(is_there(at("/run/furrow/runs/%s", other)));
	assert_false(is_there(at("/run/furrow/runs/DEAD")));
	assert_false(is_there(at("/var/lib/furrow/run/%s", other)));
	assert_false(is_there(at("/var/lib/furrow/run/DEAD")));
	assert_true(gone_in_time(at("/var/lib/furrow/run/%s.gone", other)));
	assert_true(gone_in_time(at("/var/lib/furrow/run/OLDER.gone")));
	assert_said(host_run(&place.h, "echo on"), "on\n");
	goodbye();
}

static void
what_comes_renews_the_lease(void **state)
{
	(void)state;
	begin(&(struct wish){.lease_s = 5});
	write_text(at("/run/furrow/until"), "1\n");
	assert_int_equal(host_run(&place.h, "true")->outcome.exit_status, 0);
	assert_true(labs(until() - (long)uptime_s() - 5) <= 2);
	/* One of an hour need not be renewed with each word. */
	goodbye();
	begin(&(struct wish){.lease_s = 3600});
	write_text(at("/run/furrow/until"), "1\n");
	assert_int_equal(host_run(&place.h, "true")->outcome.exit_status, 0);
	assert_int_equal(until(), 1);
	goodbye();
}

static void
a_lease_that_cannot_be_written(void **state)
{
	int64_t begun_s = uptime_s();
	int n = 0;

	(void)state;
	unlink(at("/run/furrow/until"));
	mkdir(at("/run/furrow/until"), 0755);
	begin(&(struct wish){0});
	assert_non_null(strstr(errors(), "renewing the lease in "));
	assert_said(host_run(&place.h, "echo on"), "on\n");
	for (int i = 0; i < 20; i++)
		host_run(&place.h, "true");
	/* Not with every word. */
	for (const char *p = errors(); (p = strstr(p, "renewing")); p++)
		n++;
	assert_true(n <= 2 + uptime_s() - begun_s);
	goodbye();
}

static void
the_runner_cannot_start(void **state)
{
	(void)state;
	write_text(at("/run/furrow/runs"), "");
	refused(&(struct wish){0}, 1, "the runner of ");
	unlink(at("/run/furrow/runs"));
	snprintf(place.h.run, sizeof(place.h.run), "T%d", (int)getpid());
	mkdir(at("/run/furrow/runs"), 0755);
	mkdir(at("/run/furrow/runs/%s.sock", place.h.run), 0755);
	refused(&(struct wish){0}, 1, "did not start");
	assert_non_null(strstr(errors(), ".sock: "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_host),
		TEST(not_even_folders),
		TEST(what_is_there),
		TEST(how_it_booted),
		TEST(very_many),
		TEST(nothing_is_ordered),
		TEST(no_order),
		TEST(a_run_to_its_end),
		TEST(a_minute_is_left),
		TEST(a_cut_and_back),
		TEST(another_run_is_ended_first),
		TEST(what_comes_renews_the_lease),
		TEST(a_lease_that_cannot_be_written),
		TEST(the_runner_cannot_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
