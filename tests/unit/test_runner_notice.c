/* test_runner_notice: `furrow-runner host` asks the metadata service whether the instance is to be interrupted, and tells it
 * between what the run's runner says; whatever that service answers, the run goes on. */
#include "tests/unit/place_fixture.h"

#include "tests/unit/http_fixture.h"

#include <poll.h>

static struct http_server imds;

static int
set_up_imds(void **state)
{
	set_up(state);
	http_server_start(&imds);
	snprintf(place.imds, sizeof(place.imds), "127.0.0.1:%d", imds.port);
	return 0;
}

static int
tear_down_imds(void **state)
{
	int rc = tear_down(state);

	http_server_stop(&imds);
	return rc;
}

/* The i-th answer: a token, then what is to come. */
static void
gives_token(size_t i, const char *token)
{
	http_set_step(&imds, i, (struct http_step){.answer = HTTP_OK, .body = token});
}

static void
answers(size_t i, const char *body)
{
	http_set_step(&imds, i, (struct http_step){.answer = HTTP_OK, .body = body});
}

/* {"action":…,"time":in so many seconds} */
static const char *
notice_in(const char *action, int64_t seconds, const char *fraction)
{
	static char text[2][128];
	static int turn;
	char *out = text[turn++ % 2], stamp[32];
	time_t at = time(NULL) + seconds;
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, 128, "{\"action\": \"%s\", \"time\": \"%s%sZ\"}", action, stamp, fraction);
	return out;
}

static bool
asked_soon(size_t n)
{
	for (int i = 0; i < PATIENCE_S * 100 && http_n_asked(&imds) < n; i++)
		pause_ns(10 * NS_PER_MS);
	return http_n_asked(&imds) >= n;
}

/* It runs a task meanwhile. */
static void
run_goes_on(void)
{
	assert_said(host_run(&place.h, "echo on"), "on\n");
}

static void
expect_notice(const char *action, int64_t at_least_s, int64_t at_most_s)
{
	host_wait_notice(&place.h);
	assert_string_equal(place.h.action, action);
	assert_in_range(place.h.notice_left_ns, at_least_s * NS_PER_S, at_most_s * NS_PER_S);
	assert_true(llabs(place.h.notice_wall_s - (int64_t)time(NULL)) <= at_most_s + 1);
}

static void
it_is_told(void **state)
{
	(void)state;
	gives_token(0, "to-ken==");
	answers(1, notice_in("terminate", 100, ""));
	begin(&(struct wish){0});
	expect_notice("terminate", 60, 100);
	assert_has(http_asked(&imds, 0), "PUT /latest/api/token HTTP/1.1\r\n");
	assert_has(http_asked(&imds, 0), "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n");
	assert_has(http_asked(&imds, 1), "GET /latest/meta-data/spot/instance-action HTTP/1.1\r\n");
	assert_has(http_asked(&imds, 1), "X-aws-ec2-metadata-token: to-ken==\r\n");
	run_goes_on();
	goodbye();
	assert_string_equal(errors(), "");
}

/* With members and blanks that nobody knows yet, and a fraction. */
static void
it_is_told_in_other_words(void **state)
{
	static char text[256];

	(void)state;
	gives_token(0, "t");
	snprintf(text, sizeof(text), " {\"new\" : 17,\"none\":null , %s\n",
		notice_in("hibernate", 30, ".000") + 1);
	answers(1, text);
	begin(&(struct wish){0});
	expect_notice("hibernate", 1, 30);
	goodbye();
}

/* It was to be a moment ago. */
static void
it_is_late(void **state)
{
	(void)state;
	gives_token(0, "t");
	answers(1, notice_in("stop", -20, ""));
	begin(&(struct wish){0});
	host_wait_notice(&place.h);
	assert_int_equal(place.h.notice_left_ns, 0);
	goodbye();
}

static void
a_token_that_is_good_no_more(void **state)
{
	(void)state;
	gives_token(0, "old");
	http_set_step(&imds, 1,
		(struct http_step){.answer = "HTTP/1.1 401 Unauthorized\r\n", .body = "no"});
	gives_token(2, "new");
	answers(3, notice_in("terminate", 100, ""));
	begin(&(struct wish){0});
	host_wait_notice(&place.h);
	assert_has(http_asked(&imds, 3), "X-aws-ec2-metadata-token: new\r\n");
	goodbye();
}

/* Not without end: the next look is as good. */
static void
no_token_is_ever_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i += 2) {
		gives_token(i, "t");
		http_set_step(&imds, i + 1,
			(struct http_step){.answer = "HTTP/1.1 401 Unauthorized\r\n", .body = ""});
	}
	begin(&(struct wish){0});
	assert_true(asked_soon(4));
	run_goes_on();
	assert_true(http_n_asked(&imds) <= 8); /* two looks, should this have taken so long */
	goodbye();
}

/* First 404, as on every instance that nobody wants back; five seconds later it is there. */
static void
it_is_looked_for_again(void **state)
{
	(void)state;
	gives_token(0, "t");
	http_set_step(&imds, 1,
		(struct http_step){.answer = "HTTP/1.1 404 Not Found\r\n", .body = "<html>"});
	answers(2, notice_in("terminate", 100, ""));
	begin(&(struct wish){0});
	expect_notice("terminate", 60, 100);
	goodbye();
	assert_string_equal(errors(), "");
}

/* Each is passed over, and a word says so once; nobody is told of an interruption. */
static void
what_makes_no_sense(void **state)
{
	static const char *const bodies[] = {"", "soon", "{}", "[]", "{\"action\":\"terminate\"}",
		"{\"time\":\"2026-11-28T12:00:00Z\"}",
		"{\"action\":\"terminate\",\"time\":\"2026-02-30T12:00:00Z\"}",
		"{\"action\":\"terminate\",\"time\":\"2026-11-28T12:00:00\"}",
		"{\"action\":\"terminate\",\"time\":\"-026-11-28T12:00:00Z\"}",
		"{\"action\":\"terminate\",\"time\":\"tomorrow, I would say\"}",
		"{\"action\":\"terminate\",\"time\":\"9999-11-28T12:00:00Z\"}",
		"{\"action\":\"terminate\",\"time\":1732341600}",
		"{\"action\":\"rm -rf /\",\"time\":\"%s\"}",
		"{\"action\":\"terminateterminate\",\"time\":\"%s\"}",
		"{\"action\":\"terminate\",\"time\":\"%s\"} and more",
		"{\"action\":\"terminate\",\"time\":\"%s\"",
		"{\"action\":{\"action\":\"terminate\"},\"time\":\"%s\"}",
		"{\"act\\u0069on\":\"terminate\",\"time\":\"%s\"}"};
	static char kept[sizeof(bodies) / sizeof(bodies[0])]
			[160]; /* the server's thread reads them */
	const char *good = notice_in("stop", 100, "");
	char stamp[32];

	(void)state;
	snprintf(stamp, sizeof(stamp), "%.20s", strstr(good, "20"));
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		char *body = kept[i];

		tear_down(state);
		set_up(state);
		snprintf(place.imds, sizeof(place.imds), "127.0.0.1:%d", imds.port);
		snprintf(body, sizeof(kept[i]), bodies[i], stamp);
		gives_token(2 * i, "t");
		answers(2 * i + 1, body);
		begin(&(struct wish){0});
		assert_true(asked_soon(2 * i + 2));
		for (int n = 0; n < PATIENCE_S * 100 && !strstr(errors(), "makes no sense"); n++)
			pause_ns(10 * NS_PER_MS);
		if (!strstr(errors(), "makes no sense, and is not heeded: HTTP 200, \""))
			fail_msg("'%s': %s", body, errors());
		run_goes_on();
		assert_string_equal(place.h.action, "");
		goodbye();
	}
}

/* Neither a service that is slow, nor one that talks without end, nor one that is none, keeps the run waiting. */
static void
a_service_that_is_none(void **state)
{
	static char flood[64 << 10];
	const struct http_step steps[] = {{.hang = true}, {.answer = HTTP_OK, .body = flood},
		{.answer = "SSH-2.0-OpenSSH_9.2\r\n\r\n", .close = true},
		{.answer = HTTP_OK, .body = "a\r\nX-Evil: b"}, {.close = true},
		{.answer = HTTP_OK "Content-Length: 100\r\n\r\nshort", .close = true},
		{.answer = "HTTP/1.1 403 Forbidden\r\n", .body = ""}};

	(void)state;
	memset(flood, 'x', sizeof(flood) - 1);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		size_t n = http_n_asked(&imds);

		tear_down(state);
		set_up(state);
		snprintf(place.imds, sizeof(place.imds), "127.0.0.1:%d", imds.port);
		http_set_step(&imds, n, steps[i]);
		begin(&(struct wish){0});
		assert_true(asked_soon(n + 1));
		run_goes_on();
		assert_string_equal(place.h.action, "");
		goodbye();
	}
}

/* Between two frames of the runner's, however much that says. */
static void
it_is_told_amid_a_flood(void **state)
{
	struct seen *s;

	(void)state;
	gives_token(0, "t");
	http_set_step(&imds, 1,
		(struct http_step){.answer = HTTP_OK,
			.body = notice_in("terminate", 100, ""),
			.delay_ms = 300});
	begin(&(struct wish){0});
	s = host_run(&place.h, "head -c 10000000 /dev/zero");
	assert_int_equal(s->outcome.exit_status, 0);
	assert_int_equal(s->bytes, 10000000);
	host_wait_notice(&place.h);
	goodbye();
}

/* It stands there before anything else. */
static void
expect_notice_first(void)
{
	struct pollfd p = {.fd = place.fd, .events = POLLIN};
	uint8_t head[FRAME_HEADER_BYTES];

	assert_int_equal(poll(&p, 1, PATIENCE_S * 1000), 1);
	assert_int_equal(recv(place.fd, head, sizeof(head), MSG_PEEK), sizeof(head));
	assert_int_equal(head[4], FRAME_NOTICE);
}

/* While setup runs, long before the runner's first word. */
static void
it_is_told_while_the_host_is_prepared(void **state)
{
	(void)state;
	gives_token(0, "t");
	answers(1, notice_in("terminate", 100, ""));
	call();
	order(&(struct wish){.env_id = "e58",
		.setup = "i=0; while [ ! -e ../../../../../go ]; do sleep 0.05; i=$((i+1)); "
			 "[ $i -lt 2000 ] || exit 1; done"});
	expect_notice_first();
	write_text(at("/go"), "");
	open_session();
	expect_notice("terminate", 60, 100);
	run_goes_on();
	goodbye();
}

/* And while the boot fetches, which may be all of an image. */
static void
it_is_told_while_the_boot_is_at_it(void **state)
{
	const char *id = "0123456789012345678901234567890123456789012345678901234567890123";
	char line[80];

	(void)state;
	gives_token(0, "t");
	answers(1, notice_in("terminate", 100, ""));
	snprintf(line, sizeof(line), "%s\n", id);
	write_text(at("/run/furrow/source.id"), line);
	snprintf(line, sizeof(line), "%d\n", (int)getpid());
	write_text(at("/run/furrow/get_source.pid"), line);
	call();
	order(&(struct wish){.source_id = id, .source_url = "http://127.0.0.1:1/"});
	expect_notice_first();
	hang_up();
	assert_int_equal(exit_status(), 1);
}

#define TEST_IMDS(f) cmocka_unit_test_setup_teardown(f, set_up_imds, tear_down_imds)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IMDS(it_is_told),
		TEST_IMDS(it_is_told_in_other_words),
		TEST_IMDS(it_is_late),
		TEST_IMDS(a_token_that_is_good_no_more),
		TEST_IMDS(no_token_is_ever_good),
		TEST_IMDS(it_is_looked_for_again),
		TEST_IMDS(what_makes_no_sense),
		TEST_IMDS(a_service_that_is_none),
		TEST_IMDS(it_is_told_amid_a_flood),
		TEST_IMDS(it_is_told_while_the_host_is_prepared),
		TEST_IMDS(it_is_told_while_the_boot_is_at_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
