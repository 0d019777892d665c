/* test_fetch: inputs that are objects of S3, fetched where the task runs, by the real runner; S3 is an
 * HTTP server here. */
#include "tests/unit/session_fixture.h"

#include "tests/unit/http_fixture.h"

#define OK "HTTP/1.1 200 OK\r\n"

struct bed {
	struct host h;
	struct http_server http;
	char url[128];
	const char *path; /* the task's PATH; NULL: the usual one */
};

static void
bed_start(struct bed *b)
{
	*b = (struct bed){.path = b->path};
	host_init(&b->h);
	http_server_start(&b->http);
	snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%d/b/in/../%%20?X-Amz-Signature=1&a=b",
		b->http.port);
}

static void
bed_end(struct bed *b)
{
	host_end(&b->h);
	http_server_stop(&b->http);
}

/* Runs a command as a task whose input is this object. */
static struct seen *
run_argv(struct bed *b, const char *input, const char *const *argv)
{
	struct pair env[] = {{STR("FURROW_INPUT"), str_from(input)},
		{STR(FETCH_URL), str_from(b->url)}, {STR(FETCH_ETAG), STR("\"e-2\"")},
		{STR("PATH"), str_from(b->path)}};
	struct session_task task = plain_task;

	task.command.env = (struct pairs){.v = env, .n = b->path ? 4 : 3};
	return host_wait(&b->h, host_submit_as(&b->h, &task, argv));
}

static struct seen *
run(struct bed *b, const char *input, const char *script)
{
	return run_argv(b, input,
		(const char *const[]){"/proc/self/exe", "fetch", "sh", "-c", script, NULL});
}

/* The input, where it lies, whatever tells of the URL, and what else lies there. */
static const char show[] =
	"cat \"$FURROW_INPUT\"; echo \" ${FURROW_INPUT#${FURROW_OUT%out}}\"; "
	"tr '\\0' '\\n' </proc/self/environ | grep -e 'FURROW_FETC[H]' -e 'X-Am[z]'; "
	"tr '\\0' '\\n' </proc/$$/cmdline | grep 'X-Am[z]'; ls -A ../input | wc -l";

static void
fetched(struct bed *b)
{
	static const char first[] = "GET /b/in/../%20?X-Amz-Signature=1&a=b HTTP/1.1\r\n";
	struct seen *s;
	const char *asked;

	bed_start(b);
	http_set_step(&b->http, 0, (struct http_step){.answer = OK, .body = "the input"});
	http_set_step(&b->http, 1, (struct http_step){.answer = OK, .body = ""});
	host_start(&b->h);
	s = run(b, "s3://b/in/a b#1%.txt", show);
	assert_int_equal(s->outcome.exit_status, 0);
	assert_true(str_is(said(s, STREAM_STDOUT), "the input input/a b#1%.txt\n1\n"));
	assert_int_equal(said(s, STREAM_STDERR).n, 0);
	asked = http_asked(&b->http, 0);
	assert_memory_equal(asked, first, strlen(first));
	assert_non_null(strcasestr(asked, "\r\nIf-Match: \"e-2\"\r\n"));
	assert_null(strcasestr(asked, "\r\nAuthorization:"));
	s = run(b, "s3://b/empty", "test -f \"$FURROW_INPUT\" && ! test -s \"$FURROW_INPUT\"");
	assert_int_equal(s->outcome.exit_status, 0);
	bed_end(b);
}

static void
an_object_is_fetched(void **state)
{
	static struct bed b;

	(void)state;
	fetched(&b);
}

/* A folder with these programs, and nothing else. */
static void
link_programs(char dir[64], const char *const *names)
{
	char link[128], program[128];

	snprintf(dir, 64, "/tmp/furrow-fetch.XXXXXX");
	assert_non_null(mkdtemp(dir));
	for (; *names; names++) {
		snprintf(program, sizeof(program), "/usr/bin/%s", *names);
		snprintf(link, sizeof(link), "%s/%s", dir, *names);
		assert_int_equal(symlink(program, link), 0);
	}
}

static void
python_where_there_is_no_curl(void **state)
{
	static const char *const programs[] = {
		"python3", "sh", "cat", "env", "grep", "tr", "ls", "wc", "test", NULL};
	static struct bed b;
	char dir[64];
	struct seen *s;

	(void)state;
	link_programs(dir, programs);
	b.path = dir;
	fetched(&b);
	bed_start(&b);
	http_set_step(&b.http, 0,
		(struct http_step){.answer = "HTTP/1.1 412 Precondition Failed\r\n",
			.body = "<Error><Code>PreconditionFailed</Code></Error>"});
	http_set_step(&b.http, 1,
		(struct http_step){.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthe",
			.close = true});
	http_set_step(&b.http, 2, (struct http_step){.answer = OK, .body = "the input"});
	host_start(&b.h);
	s = run(&b, "s3://b/in/a", "cat $FURROW_INPUT");
	assert_int_equal(s->outcome.exit_status, FETCH_CHANGED);
	s = run(&b, "s3://b/in/a", "cat $FURROW_INPUT");
	assert_true(str_is(said(s, STREAM_STDOUT), "the input"));
	bed_end(&b);
	run_quietly((const char *const[]){"rm", "-rf", dir, NULL});
}

static void
neither_curl_nor_python(void **state)
{
	static const char *const programs[] = {"sh", NULL};
	static struct bed b;
	char dir[64];
	struct seen *s;

	(void)state;
	link_programs(dir, programs);
	b.path = dir;
	bed_start(&b);
	host_start(&b.h);
	s = run(&b, "s3://b/in/a", "echo ran");
	assert_int_equal(s->outcome.exit_status, FETCH_FAILED);
	assert_true(str_is(said(s, STREAM_STDERR),
		FETCH_SAYS "s3://b/in/a: there is neither curl nor python3 to fetch it\n"));
	assert_int_equal(said(s, STREAM_STDOUT).n, 0);
	bed_end(&b);
	run_quietly((const char *const[]){"rm", "-rf", dir, NULL});
}

static void
one_that_changed(void **state)
{
	static struct bed b;
	struct seen *s;

	(void)state;
	bed_start(&b);
	http_set_step(&b.http, 0,
		(struct http_step){.answer = "HTTP/1.1 412 Precondition Failed\r\n",
			.body = "<Error><Code>PreconditionFailed</Code></Error>"});
	http_set_step(&b.http, 1,
		(struct http_step){.answer = "HTTP/1.1 404 Not Found\r\n",
			.body = "<Error><Code>NoSuchKey</Code></Error>"});
	host_start(&b.h);
	s = run(&b, "s3://b/in/a", "echo ran");
	assert_int_equal(s->outcome.exit_status, FETCH_CHANGED);
	assert_true(str_is(said(s, STREAM_STDERR),
		FETCH_SAYS "s3://b/in/a changed since the plan (ETag \"e-2\"): plan again\n"));
	assert_int_equal(said(s, STREAM_STDOUT).n, 0);
	s = run(&b, "s3://b/in/a", "echo ran");
	assert_int_equal(s->outcome.exit_status, FETCH_CHANGED);
	assert_true(str_is(said(s, STREAM_STDERR),
		FETCH_SAYS "s3://b/in/a is not there any more: plan again\n"));
	assert_int_equal(http_n_asked(&b.http), 2); /* asking again does not help */
	bed_end(&b);
}

static void
what_may_pass_is_tried_again(void **state)
{
	static struct bed b;
	struct seen *s;

	(void)state;
	bed_start(&b);
	http_set_step(&b.http, 0,
		(struct http_step){.answer = "HTTP/1.1 503 Slow Down\r\n",
			.body = "<Error><Code>SlowDown</Code></Error>"});
	http_set_step(&b.http, 1,
		(struct http_step){.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthe",
			.close = true});
	http_set_step(&b.http, 2, (struct http_step){.answer = OK, .body = "the input"});
	host_start(&b.h);
	s = run(&b, "s3://b/in/a", "cat $FURROW_INPUT");
	assert_true(str_is(said(s, STREAM_STDOUT), "the input"));
	assert_int_equal(said(s, STREAM_STDERR).n, 0);
	assert_int_equal(http_n_asked(&b.http), 3);
	bed_end(&b);
}

static void
what_does_not_pass(void **state)
{
	static struct bed b;
	struct seen *s;

	(void)state;
	bed_start(&b);
	http_set_step(&b.http, 0,
		(struct http_step){.answer = "HTTP/1.1 403 Forbidden\r\n",
			.body = "<?xml?>\n<Error><Code>AccessDenied</Code><Message>Request has "
				"\x1b[1mexpired"
				"</Message></Error>"});
	http_set_step(&b.http, 1,
		(struct http_step){
			.answer = "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/x\r\n",
			.body = ""});
	host_start(&b.h);
	s = run(&b, "s3://b/in/a", "echo ran");
	assert_int_equal(s->outcome.exit_status, FETCH_FAILED);
	assert_true(str_is(said(s, STREAM_STDERR),
		FETCH_SAYS "s3://b/in/a: S3 answers 403 AccessDenied: Request has ?[1mexpired\n"));
	s = run(&b, "s3://b/in/a", "echo ran");
	assert_int_equal(s->outcome.exit_status, FETCH_FAILED);
	assert_true(str_is(said(s, STREAM_STDERR), FETCH_SAYS "s3://b/in/a: S3 answers 301\n"));
	assert_int_equal(http_n_asked(&b.http), 2);
	bed_end(&b);
}

static void
a_command_that_is_none(void **state)
{
	static struct bed b;
	struct seen *s;

	(void)state;
	bed_start(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = OK, .body = "x"});
	host_start(&b.h);
	s = run_argv(&b, "s3://b/in/a",
		(const char *const[]){"/proc/self/exe", "fetch", "not-there", NULL});
	assert_int_equal(s->outcome.exit_status, 127);
	assert_true(str_is(said(s, STREAM_STDERR),
		FETCH_SAYS "starting not-there: No such file or directory\n"));
	bed_end(&b);
}

/* While the fetch waits, a stop ends it. */
static void
stopped_meanwhile(void **state)
{
	static struct bed b;
	struct session_task task = plain_task;
	struct seen *s;
	uint64_t id;

	(void)state;
	bed_start(&b);
	http_set_step(
		&b.http, 0, (struct http_step){.hang = true, .answer = "HTTP/1.1 200 OK\r\n"});
	host_start(&b.h);
	task.command.env = (struct pairs){
		.v = (struct pair[]){{STR("FURROW_INPUT"), STR("s3://b/a")},
			{STR(FETCH_URL), str_from(b.url)}, {STR(FETCH_ETAG), STR("\"e\"")}},
		.n = 3};
	id = host_submit_as(
		&b.h, &task, (const char *const[]){"/proc/self/exe", "fetch", "echo", "ran", NULL});
	for (int i = 0; http_n_asked(&b.http) == 0 && i < 1000; i++)
		pause_ns(10 * NS_PER_MS);
	session_stop_task(b.h.session, id, 5 * NS_PER_S);
	s = host_wait(&b.h, id);
	assert_int_equal(s->why, ENDED_STOPPED);
	assert_int_equal(said(s, STREAM_STDOUT).n, 0);
	bed_end(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_is_fetched),
		cmocka_unit_test(python_where_there_is_no_curl),
		cmocka_unit_test(neither_curl_nor_python),
		cmocka_unit_test(one_that_changed),
		cmocka_unit_test(what_may_pass_is_tried_again),
		cmocka_unit_test(what_does_not_pass),
		cmocka_unit_test(a_command_that_is_none),
		cmocka_unit_test(stopped_meanwhile),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
