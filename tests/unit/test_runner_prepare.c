/* test_runner_prepare: what `furrow-runner host` makes ready for a run: the source, and what setup makes. */
#include "tests/unit/http_fixture.h"
#include "tests/unit/place_fixture.h"

#define SOURCE_ID "5011ce"
#define ENV_ID "e57"

/* A packed source, as the store has it. */
static const char *
packed(size_t *n)
{
	static char bytes[8 << 10];
	char script[1024];
	const char *argv[] = {"sh", "-c", script, NULL};
	int fd;

	snprintf(script, sizeof(script),
		"cd '%s' && mkdir -p tree/sub && echo one >tree/a && echo two >tree/sub/b && tar "
		"-czf "
		"tree.tar.gz -C tree .",
		place.h.dir);
	run_quietly(argv);
	fd = open(at("/tree.tar.gz"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	*n = (size_t)snprintf(bytes, sizeof(bytes),
		"HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", (long)lseek(fd, 0, SEEK_END));
	*n += (size_t)pread(fd, bytes + *n, sizeof(bytes) - *n, 0);
	close(fd);
	return bytes;
}

static void
answer(struct http_server *http, size_t i, const char *text, size_t n)
{
	pthread_mutex_lock(&http->lock);
	http->steps[i] = (struct http_step){.answer = text, .bytes = n};
	pthread_mutex_unlock(&http->lock);
}

static void
make_source(void)
{
	mkdir(at("/var/lib/furrow/source/" SOURCE_ID), 0755);
	mkdir(at("/var/lib/furrow/source/" SOURCE_ID "/sub"), 0755);
	write_text(at("/var/lib/furrow/source/" SOURCE_ID "/a"), "one\n");
	write_text(at("/var/lib/furrow/source/" SOURCE_ID "/sub/b"), "two\n");
}

static void
the_source_is_fetched(void **state)
{
	struct http_server http = {0};
	char url[2048];
	size_t n;
	const char *tar = packed(&n);

	(void)state;
	http_server_start(&http);
	answer(&http, 0, "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", 0);
	answer(&http, 1, tar, n);
	/* A long one, as those of temporary credentials are. */
	snprintf(url, sizeof(url),
		"http://127.0.0.1:%d/b/k?X-Amz-Security-Token=%01500d&x=[1-3]{a}", http.port, 0);
	mkdir(at("/var/lib/furrow/source/" SOURCE_ID ".1.partial"),
		0755); /* of one that was killed */
	begin(&(struct wish){.source_id = SOURCE_ID, .source_url = url});
	assert_string_equal(read_text(at("/var/lib/furrow/source/" SOURCE_ID "/sub/b")), "two\n");
	assert_false(is_there(at("/var/lib/furrow/source/" SOURCE_ID ".1.partial")));
	assert_non_null(strstr(http_asked(&http, 1), "&x=[1-3]{a}"));
	goodbye();
	assert_int_equal(http_n_asked(&http), 2);
	http_server_stop(&http);
	/* Once there it is not asked for. */
	begin(&(struct wish){.source_id = SOURCE_ID, .source_url = "http://127.0.0.1:1/"});
	goodbye();
}

static void
the_source_cannot_be_fetched(void **state)
{
	struct http_server http = {0};
	char url[128];

	(void)state;
	http_server_start(&http);
	answer(&http, 0, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 0);
	answer(&http, 1, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope", 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/k", http.port);
	refused(&(struct wish){.source_id = SOURCE_ID, .source_url = url}, 1, "403");
	assert_non_null(strstr(errors(), "the source could not be fetched (status 22)"));
	refused(&(struct wish){.source_id = SOURCE_ID, .source_url = url}, 1, "not in gzip format");
	http_server_stop(&http);
	call();
	assert_string_equal(listed("sources"), "");
	assert_false(is_there(at("/run/furrow/runs/%s", place.h.run)));
}

static void
the_boot_is_still_at_it(void **state)
{
	char line[64];

	(void)state;
	write_text(at("/run/furrow/source.id"), SOURCE_ID "\n");
	snprintf(line, sizeof(line), "%d\n", (int)getpid());
	write_text(at("/run/furrow/get_source.pid"), line);
	call();
	order(&(struct wish){.source_id = SOURCE_ID, .source_url = "http://127.0.0.1:1/"});
	pause_ns(300 * NS_PER_MS);
	assert_int_equal(waitpid(place.pid, NULL, WNOHANG), 0);
	assert_string_equal(errors(), "");
	make_source();
	open_session();
	goodbye();
}

/* The boot's URL may be good no more, or the script may be gone: then the order's own URL counts. */
static void
the_boot_is_of_no_use(void **state)
{
	struct http_server http = {0};
	char url[128], line[64];
	size_t n;
	const char *tar = packed(&n);

	(void)state;
	http_server_start(&http);
	answer(&http, 0, tar, n);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/k", http.port);
	write_text(at("/run/furrow/source.id"), SOURCE_ID "\n");
	snprintf(line, sizeof(line), "%d\n", (int)getpid());
	write_text(at("/run/furrow/get_source.pid"), line);
	write_text(at("/run/furrow/boot.err"), "runner: 503\nsource: curl: (22) 403\n");
	begin(&(struct wish){.source_id = SOURCE_ID, .source_url = url});
	goodbye();
	http_server_stop(&http);
}

static void
setup_runs_once(void **state)
{
	const struct wish w = {.source_id = SOURCE_ID,
		.env_id = ENV_ID,
		.setup = "echo ran >>../../../../../count; cat sub/b; pwd >where; env >vars; "
			 "yes | head -n 1 >/dev/null; ls >files",
		.files = {"sub/b"},
		.vars = {"COLOUR=a b", "PATH=/bin:/usr/bin"}};
	const char *vars;

	(void)state;
	make_source();
	begin(&w);
	assert_string_equal(read_text(at("/count")), "ran\n");
	assert_string_equal(read_text(at("/var/lib/furrow/env/" ENV_ID ".log")), "two\n");
	assert_string_equal(
		read_text(at("/var/lib/furrow/env/" ENV_ID "/files")), "files\nsub\nvars\nwhere\n");
	vars = read_text(at("/var/lib/furrow/env/" ENV_ID "/vars"));
	assert_non_null(strstr(vars, "COLOUR=a b\n"));
	assert_non_null(strstr(vars, "PATH=/bin:/usr/bin\n"));
	assert_non_null(strstr(vars, place.h.run));
	assert_null(strstr(vars, "TEST_STRAY"));
	goodbye();
	begin(&w);
	assert_string_equal(listed("envs"), ENV_ID);
	assert_string_equal(read_text(at("/count")), "ran\n");
	goodbye();
}

static void
setup_fails_and_then_does_not(void **state)
{
	struct wish w = {.env_id = ENV_ID,
		.setup = "mkdir left; chmod 0 left; seq 3000; echo the reason >&2; exit 7"};

	(void)state;
	refused(&w, 1, "environment.setup ended with status 7");
	assert_non_null(strstr(errors(), "\n2999\n3000\nthe reason\n"));
	assert_null(strstr(errors(), "\n1000\n"));
	assert_non_null(strstr(errors(), "/var/lib/furrow/env/" ENV_ID ".log"));
	assert_false(is_there(at("/run/furrow/runs/%s", place.h.run)));
	call();
	assert_string_equal(listed("envs"), "");
	hang_up();
	assert_int_equal(exit_status(), 0);
	/* Again, from nothing. */
	w.setup = "mkdir left";
	begin(&w);
	goodbye();
	refused(&(struct wish){.env_id = "e58", .setup = "kill -9 $$"}, 1, "status 137");
}

/* Whoever started sshd ignored the ends of its children, and everybody below inherits that. */
static void
setup_fails_where_children_are_ignored(void **state)
{
	(void)state;
	place.ignores_children = true;
	refused(&(struct wish){.env_id = ENV_ID, .setup = "exit 7"}, 1,
		"environment.setup ended with status 7");
}

static void
setup_lacks_a_file(void **state)
{
	(void)state;
	make_source();
	refused(&(struct wish){.source_id = SOURCE_ID,
			.env_id = ENV_ID,
			.setup = "true",
			.files = {"a", "sub/no"}},
		1, "/sub/no: No such file or directory");
	assert_false(is_there(at("/var/lib/furrow/env/" ENV_ID "/.furrow-ready")));
}

static void
setup_ends_with_the_connection(void **state)
{
	(void)state;
	call();
	order(&(struct wish){.env_id = ENV_ID,
		.setup = "touch begun; sh -c 'echo $$ >pid; exec sleep 1000' & wait"});
	assert_true(there_soon(at("/var/lib/furrow/env/" ENV_ID "/pid")));
	pause_ns(50 * NS_PER_MS);
	hang_up();
	assert_int_equal(exit_status(), 1);
	assert_true(
		gone_soon(pid_in(str_from(read_text(at("/var/lib/furrow/env/" ENV_ID "/pid"))))));
	assert_false(is_there(at("/var/lib/furrow/env/" ENV_ID "/.furrow-ready")));
}

/* The network went without a word; furrow comes again while the host still believes in the first. */
static void
the_newest_has_the_turn(void **state)
{
	const struct wish w = {.env_id = ENV_ID,
		.setup = "echo ran >>../../../../../count; if [ -e ../../../../../slow ]; then "
			 "rm ../../../../../slow; echo $$ >../../../../../pid; sleep 1000; fi; "
			 "touch done"};
	int first_fd;
	pid_t first, setup;

	(void)state;
	write_text(at("/slow"), "");
	call();
	order(&w);
	assert_true(there_soon(at("/pid")));
	pause_ns(50 * NS_PER_MS);
	setup = pid_in(str_from(read_text(at("/pid"))));
	first = place.pid;
	first_fd = place.fd;
	begin(&w);
	assert_int_equal(exit_status_of(first), 1);
	assert_false(lives(setup));
	close(first_fd);
	assert_string_equal(read_text(at("/count")), "ran\nran\n");
	assert_true(is_there(at("/var/lib/furrow/env/" ENV_ID "/done")));
	assert_said(host_run(&place.h, "echo on"), "on\n");
	goodbye();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_source_is_fetched),
		TEST(the_source_cannot_be_fetched),
		TEST(the_boot_is_still_at_it),
		TEST(the_boot_is_of_no_use),
		TEST(setup_runs_once),
		TEST(setup_fails_and_then_does_not),
		TEST(setup_fails_where_children_are_ignored),
		TEST(setup_lacks_a_file),
		TEST(setup_ends_with_the_connection),
		TEST(the_newest_has_the_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
