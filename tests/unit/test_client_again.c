/* Calls that do not succeed at once: what is tried again, what is mended first, what ends that. */
#include "client_fixture.h"

static void
slow_down_then_success(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	answers(f, 0, "HTTP/1.1 503 S\r\n", "<Error><Code>SlowDown</Code></Error>");
	answers(f, 1, HTTP_OK, "x");
	ok(f, call(f, &r));
	assert_int_equal(f->answer.attempts, 2);
	assert_int_equal(aws_counts(f->aws).retries, 1);
	assert_int_equal(aws_counts(f->aws).requests, 2);
	assert_int_equal(aws_counts(f->aws).connections, 1);
}

static void
all_attempts(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	for (size_t i = 0; i < 8; i++)
		answers(f, i, "HTTP/1.1 500 S\r\n",
			"<Error><Code>InternalError</Code><Message>We encountered an internal "
			"error.</Message><RequestId>R7</RequestId></Error>");
	fails(f, call(f, &r), ERR_HOST, CLASS_TRANSIENT,
		"s3 GetObject s3://bucket/k: InternalError: We encountered an internal error. (4 "
		"attempts, request R7)");
	assert_int_equal(http_n_asked(&f->server), 4);
	assert_int_equal(f->err.http_status, 500);
	r.attempts = 1;
	assert_int_equal(call(f, &r), ERR_HOST);
	assert_int_equal(http_n_asked(&f->server), 5);
	r.attempts = 0;
	setenv("AWS_MAX_ATTEMPTS", "2", 1);
	open_client(f);
	assert_int_equal(call(f, &r), ERR_HOST);
	assert_int_equal(http_n_asked(&f->server), 7);
}

/* Capacity comes as a 500, and is not asked for again. */
static void
capacity_once(void **state)
{
	struct fixture *f = *state;
	struct query q = {.service = AWS_EC2, .action = "RunInstances"};
	const struct xml *root;

	answers(f, 0, "HTTP/1.1 500 S\r\n",
		ERROR_XML("InsufficientInstanceCapacity", "We currently do not have"));
	fails(f, query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err), ERR_HOST,
		CLASS_CAPACITY,
		"ec2 RunInstances in us-east-2: InsufficientInstanceCapacity: We currently do not "
		"have (request req-1)");
	assert_string_equal(f->answer.code, "InsufficientInstanceCapacity");
	assert_string_equal(f->answer.request_id, "req-1");
	assert_int_equal(http_n_asked(&f->server), 1);
	query_free(&q);
}

static void
cut_body_then_success(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	f->server.steps[0] = (struct http_step){
		.answer = HTTP_OK "Content-Length: 100\r\n\r\nhalf", .close = true};
	answers(f, 1, HTTP_OK, "whole");
	ok(f, call(f, &r));
	assert_true(str_is(f->answer.body, "whole"));
	assert_int_equal(f->answer.attempts, 2);
}

static void
lost_reply(void **state)
{
	struct fixture *f = *state;
	struct query q = {
		.service = AWS_EC2, .action = "CreateSecurityGroup", .repeat = AWS_REPEAT_UNSENT};
	const struct xml *root;

	f->server.steps[0] = (struct http_step){.close = true};
	answers(f, 1, HTTP_OK, "<R/>");
	answers(f, 2, "HTTP/1.1 503 U\r\n", ERROR_XML("Unavailable", "try later"));
	answers(f, 3, "HTTP/1.1 503 U\r\n", ERROR_XML("RequestLimitExceeded", "too fast"));
	answers(f, 4, HTTP_OK, "<R/>");
	fails(f, query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err), ERR_HOST,
		CLASS_TRANSIENT, "whether AWS has done it is not known");
	assert_has(f->err.message, "ec2 CreateSecurityGroup in us-east-2: POST http://127.0.0.1");
	assert_int_equal(http_n_asked(&f->server), 1);
	ok(f, query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err));
	/* "Unavailable" may have done something … */
	assert_int_equal(query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err), ERR_HOST);
	assert_int_equal(http_n_asked(&f->server), 3);
	/* … throttling has not. */
	ok(f, query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err));
	assert_int_equal(http_n_asked(&f->server), 5);
	/* What can be repeated is. */
	q.repeat = AWS_REPEAT;
	f->server.steps[5] = (struct http_step){.close = true};
	answers(f, 6, HTTP_OK, "<R/>");
	ok(f, query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err));
	query_free(&q);
}

static void
never_arrived(void **state)
{
	struct fixture *f = *state;
	struct query q = {.service = AWS_EC2,
		.action = "CreateSecurityGroup",
		.repeat = AWS_REPEAT_UNSENT,
		.attempts = 3};
	const struct xml *root;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	setenv("AWS_ENDPOINT_URL",
		arena_printf(&f->arena, "http://127.0.0.1:%d/", ntohs(at.sin_port)).p, 1);
	open_client(f);
	fails(f, query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err), ERR_HOST,
		CLASS_TRANSIENT, "(3 attempts)");
	assert_lacks(f->err.message, "not known");
	assert_int_equal(f->answer.attempts, 3);
	assert_int_equal(f->answer.status, 0);
	close(fd);
	query_free(&q);
}

static void
region_redirect(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	answers(f, 0, "HTTP/1.1 301 M\r\nx-amz-bucket-region: eu-central-1\r\n",
		"<Error><Code>PermanentRedirect</Code></Error>");
	answers(f, 1, HTTP_OK, "x");
	answers(f, 2, HTTP_OK, "y");
	r.attempts = 1;
	ok(f, call(f, &r));
	assert_has(http_asked(&f->server, 0), "/us-east-2/s3/aws4_request");
	assert_has(http_asked(&f->server, 1), "/eu-central-1/s3/aws4_request");
	ok(f, call(f, &r));
	assert_has(http_asked(&f->server, 2), "/eu-central-1/s3/aws4_request");
	/* Another bucket begins in the client's region; its body names the region. */
	r.bucket = STR("other");
	answers(f, 3, "HTTP/1.1 400 B\r\n",
		"<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting "
		"'us-west-2'</Message><Region>us-west-2</Region></Error>");
	answers(f, 4, HTTP_OK, "x");
	ok(f, call(f, &r));
	assert_has(http_asked(&f->server, 3), "/us-east-2/s3/aws4_request");
	assert_has(http_asked(&f->server, 4), "/us-west-2/s3/aws4_request");
	/* HEAD has no body; and nobody is sent around forever. */
	r.bucket = STR("third");
	r.method = "HEAD";
	f->server.steps[5] = (struct http_step){
		.answer = "HTTP/1.1 400 B\r\nx-amz-bucket-region: eu-west-1\r\n\r\n",
		.close = true};
	f->server.steps[6] = (struct http_step){
		.answer = "HTTP/1.1 301 B\r\nx-amz-bucket-region: eu-west-2\r\n\r\n",
		.close = true};
	fails(f, call(f, &r), ERR_HOST, CLASS_FATAL,
		"s3 HeadObject s3://third/k: HTTP status 301 with nothing more; the bucket is in "
		"eu-west-2, not in eu-west-1");
	assert_int_equal(http_n_asked(&f->server), 7);
}

static void
region_nonsense(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	answers(f, 0, "HTTP/1.1 301 M\r\nx-amz-bucket-region: evil.example/x\r\n",
		"<Error><Code>PermanentRedirect</Code></Error>");
	fails(f, call(f, &r), ERR_HOST, CLASS_FATAL, "PermanentRedirect");
	assert_int_equal(http_n_asked(&f->server), 1);
	r.region = STR("us east 1");
	fails(f, call(f, &r), ERR_INPUT, CLASS_FATAL, "'us east 1' is no name of a region");
	r.region = STR("a-very-long-name-that-is-no-region-but-long-1");
	fails(f, call(f, &r), ERR_INPUT, CLASS_FATAL, "is no name of a region");
	assert_int_equal(http_n_asked(&f->server), 1);
}

static void
error_in_success(void **state)
{
	struct fixture *f = *state;
	struct pair query[] = {{STR("uploadId"), STR("u")}};
	struct aws_request r = get_object("k");

	r.method = "POST";
	r.query = (struct pairs){query, 1};
	answers(f, 0, HTTP_OK,
		"  \n <?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>");
	answers(f, 1, HTTP_OK, "<CompleteMultipartUploadResult/>");
	answers(f, 2, HTTP_OK, "<Error><Code>AccessDenied</Code></Error>");
	answers(f, 3, HTTP_OK, "<Error><Code>Strange</Code></Error>");
	answers(f, 4, HTTP_OK, "<Error>an object</Error>");
	ok(f, call(f, &r));
	assert_int_equal(f->answer.attempts, 2);
	fails(f, call(f, &r), ERR_INPUT, CLASS_DENIED,
		"s3 CompleteMultipartUpload s3://bucket/k: AccessDenied");
	r.attempts = 1;
	fails(f, call(f, &r), ERR_HOST, CLASS_TRANSIENT, "Strange");
	r.method = "GET";
	ok(f, call(f, &r));
}

static void
clock_is_mended(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");
	const char *error = "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference "
			    "between the request time and the current time is too "
			    "large.</Message></Error>";

	answers(f, 0, "HTTP/1.1 403 F\r\nDate: Fri, 01 Jan 2010 10:00:00 GMT\r\n", error);
	answers(f, 1, HTTP_OK, "x");
	answers(f, 2, HTTP_OK, "y");
	answers(f, 3, "HTTP/1.1 403 F\r\nDate: Fri, 01 Jan 2010 10:00:00 GMT\r\n", error);
	r.attempts = 1;
	ok(f, call(f, &r));
	assert_has(http_asked(&f->server, 1), "X-Amz-Date: 20100101T1000");
	assert_has(http_asked(&f->server, 1), "/20100101/us-east-2/s3/");
	ok(f, call(f, &r));
	assert_has(http_asked(&f->server, 2), "X-Amz-Date: 20100101T1000");
	/* The server's clock is ours by now: nothing is left to mend. */
	fails(f, call(f, &r), ERR_INPUT, CLASS_DENIED, "set this machine's clock");
	assert_int_equal(http_n_asked(&f->server), 4);
}

static void
with_process(struct fixture *f)
{
	const char *script = "#!/bin/sh\n"
			     "echo x >>$(dirname \"$0\")/count\n"
			     "n=$(wc -l <$(dirname \"$0\")/count)\n"
			     "echo \"{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"AKIDNUMBER$n\\\","
			     "\\\"SecretAccessKey\\\":\\\"secretsecret$n\\\",\\\"SessionToken\\\":"
			     "\\\"t$n\\\"}\"\n";

	write_home(f, "process", script, 0700);
	write_home(f, "config",
		arena_printf(&f->arena, "[default]\ncredential_process = %s/process\n", f->home).p,
		0600);
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("AWS_SESSION_TOKEN");
	open_client(f);
}

static void
expired_token(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");
	const char *expired =
		"<Error><Code>ExpiredToken</Code><Message>The provided token has expired."
		"</Message></Error>";

	with_process(f);
	answers(f, 0, "HTTP/1.1 400 B\r\n", expired);
	answers(f, 1, HTTP_OK, "x");
	answers(f, 2, "HTTP/1.1 400 B\r\n", expired);
	answers(f, 3, "HTTP/1.1 400 B\r\n", expired);
	r.attempts = 1;
	ok(f, call(f, &r));
	assert_has(http_asked(&f->server, 0), "Credential=AKIDNUMBER1/");
	assert_has(http_asked(&f->server, 1), "Credential=AKIDNUMBER2/");
	fails(f, call(f, &r), ERR_INPUT, CLASS_DENIED, "have expired: renew them");
	assert_int_equal(http_n_asked(&f->server), 4);
}

/* The same ones again: not asked twice. */
static void
expired_for_good(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	answers(f, 0, "HTTP/1.1 400 B\r\n", "<Error><Code>ExpiredToken</Code></Error>");
	fails(f, call(f, &r), ERR_INPUT, CLASS_DENIED, "have expired: renew them");
	assert_int_equal(http_n_asked(&f->server), 1);
}

struct stopper {
	atomic_bool stop;
};

static void *
stop_soon(void *ctx)
{
	sleep_ms(150);
	atomic_store(&((struct stopper *)ctx)->stop, true);
	return NULL;
}

static void
stops(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");
	struct stopper s = {false};
	int64_t began = now_ms();
	pthread_t t;

	r.stop = &s.stop;
	f->server.steps[0] = (struct http_step){.hang = true};
	assert_int_equal(pthread_create(&t, NULL, stop_soon, &s), 0);
	fails(f, call(f, &r), ERR_CANCELLED, CLASS_FATAL, "s3 GetObject s3://bucket/k: stopped");
	assert_in_range(now_ms() - began, 140, 300);
	pthread_join(t, NULL);
	/* Already stopped: nothing is sent. */
	fails(f, call(f, &r), ERR_CANCELLED, CLASS_FATAL, "stopped");
	assert_int_equal(http_n_asked(&f->server), 1);
	/* While it waits for another attempt. */
	atomic_store(&s.stop, false);
	answers(f, 1, "HTTP/1.1 503 S\r\nRetry-After: 4\r\n",
		"<Error><Code>SlowDown</Code></Error>");
	began = now_ms();
	assert_int_equal(pthread_create(&t, NULL, stop_soon, &s), 0);
	fails(f, call(f, &r), ERR_CANCELLED, CLASS_FATAL, "stopped");
	assert_in_range(now_ms() - began, 140, 300);
	pthread_join(t, NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(slow_down_then_success),
		TEST(all_attempts),
		TEST(capacity_once),
		TEST(cut_body_then_success),
		TEST(lost_reply),
		TEST(never_arrived),
		TEST(region_redirect),
		TEST(region_nonsense),
		TEST(error_in_success),
		TEST(clock_is_mended),
		TEST(expired_token),
		TEST(expired_for_good),
		TEST(stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
