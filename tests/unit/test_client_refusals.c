/* Calls that fail: in which words, with which class, and with which secrets left out. */
#include "client_fixture.h"

static void
no_credentials(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("AWS_SESSION_TOKEN");
	open_client(f);
	fails(f, call(f, &r), ERR_INPUT, CLASS_DENIED, "s3 GetObject s3://bucket/k: ");
	assert_int_equal(http_n_asked(&f->server), 0);
}

static void
denied(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("dir/k"), list = get_object("");
	struct query q = {.service = AWS_EC2, .action = "RunInstances"};
	const struct xml *root;

	answers(f, 0, "HTTP/1.1 403 F\r\n",
		ERROR_XML("UnauthorizedOperation",
			"You are not authorized to perform this operation. User: "
			"arn:aws:iam::123456789012:user/me is not authorized to perform: "
			"ec2:CreateTags on resource: arn:aws:ec2:us-east-2:123456789012:instance/* "
			"because no identity-based policy allows the ec2:CreateTags action. "
			"Encoded "
			"authorization failure message: 4GIOHlTkIaWHQD0Q0m6XSnuUMCm"));
	fails(f, query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err), ERR_INPUT,
		CLASS_DENIED,
		"to the policy of arn:aws:iam::123456789012:user/me add "
		"{\"Effect\":\"Allow\",\"Action\":\"ec2:CreateTags\",\"Resource\":"
		"\"arn:aws:ec2:us-east-2:123456789012:instance/*\"}");
	assert_lacks(f->err.message, "4GIOH");
	assert_lacks(f->err.message, "Encoded");
	answers(f, 1, "HTTP/1.1 403 F\r\n", ERROR_XML("UnauthorizedOperation", "no"));
	fails(f, query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err), ERR_INPUT,
		CLASS_DENIED,
		"add {\"Effect\":\"Allow\",\"Action\":\"ec2:RunInstances\",\"Resource\":\"*\"}");
	answers(f, 2, "HTTP/1.1 403 F\r\n",
		"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
	fails(f, call(f, &r), ERR_INPUT, CLASS_DENIED,
		"add {\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::"
		"bucket/*\"}");
	answers(f, 3, "HTTP/1.1 403 F\r\n",
		"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
	fails(f, call(f, &list), ERR_INPUT, CLASS_DENIED,
		"s3 ListObjectsV2 s3://bucket: AccessDenied: Access Denied; to the policy of "
		"whoever is in ");
	assert_has(f->err.message,
		"add "
		"{\"Effect\":\"Allow\",\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::"
		"bucket\"}");
	r.method = "HEAD";
	f->server.steps[4] = (struct http_step){.answer = "HTTP/1.1 403 F\r\n\r\n", .close = true};
	fails(f, call(f, &r), ERR_INPUT, CLASS_DENIED,
		"s3 HeadObject s3://bucket/dir/k: HTTP status 403 with nothing more; to the "
		"policy");
	answers(f, 5, "HTTP/1.1 403 F\r\n",
		ERROR_XML("AccessDenied", "User: arn:u is not authorized to perform: "
					  "ec2:RunInstances with an explicit "
					  "deny in a service control policy"));
	fails(f, query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err), ERR_INPUT,
		CLASS_DENIED, "a policy denies ec2:RunInstances on * explicitly");
	query_free(&q);
}

/* AWS repeats the request, token and all. */
static void
echoed_secrets(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	answers(f, 0, "HTTP/1.1 403 F\r\n",
		"<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we "
		"calculated does not match. The Canonical String for this request should have been "
		"'GET x-amz-security-token:" TEST_TOKEN "'</Message></Error>");
	fails(f, call(f, &r), ERR_INPUT, CLASS_DENIED, "the secret key that belongs to " TEST_KEY);
	assert_lacks(f->err.message, "Canonical");
	answers(f, 1, "HTTP/1.1 400 F\r\n",
		"<Error><Code>InvalidArgument</Code><Message>bad " TEST_TOKEN " or " TEST_SECRET
		" and " TEST_TOKEN "</Message></Error>");
	fails(f, call(f, &r), ERR_INPUT, CLASS_FATAL,
		"InvalidArgument: bad [secret] or [secret] and [secret]");
	answers(f, 2, "HTTP/1.1 403 F\r\n",
		"<Error><Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided "
		"does not exist in our records.</Message></Error>");
	fails(f, call(f, &r), ERR_INPUT, CLASS_DENIED, "AWS doesn't know the access key " TEST_KEY);
}

static void
no_xml_where_it_belongs(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	r.attempts = 1;
	answers(f, 0, "HTTP/1.1 502 B\r\n",
		"<html>\r\n<head><title>502 Bad Gateway</title></head>");
	fails(f, call(f, &r), ERR_HOST, CLASS_TRANSIENT,
		"HTTP status 502 with a page of HTML, as a proxy or load balancer sends it: <html> "
		"<head><title>502 Bad Gateway</title></head>");
	answers(f, 1, "HTTP/1.1 503 B\r\n", "");
	fails(f, call(f, &r), ERR_HOST, CLASS_TRANSIENT, "HTTP status 503 with nothing more");
	answers(f, 2, "HTTP/1.1 418 B\r\n", "I am\x1b[31m a \x01teapot\xff");
	fails(f, call(f, &r), ERR_HOST, CLASS_FATAL,
		"HTTP status 418 with words that AWS doesn't use: I am [31m a teapot?");
}

/* As a proxy sends it that wants a login first. An object may be a page. */
static void
a_page_for_a_success(void **state)
{
	struct fixture *f = *state;
	struct query q = {.service = AWS_EC2, .action = "RunInstances"};
	struct aws_request r = get_object("index.html");
	const struct xml *root;

	answers(f, 0, HTTP_OK, "\r\n<!DOCTYPE html><html><body>Log in</body></html>");
	answers(f, 1, HTTP_OK, "<RunInstancesResponse/>");
	ok(f, query_call(f->aws, &f->arena, &q, &root, &f->answer, &f->err));
	assert_int_equal(f->answer.attempts, 2);
	assert_int_equal(f->answer.sends, 2);
	answers(f, 2, HTTP_OK, "<html>my page</html>");
	ok(f, call(f, &r));
	assert_int_equal(f->answer.attempts, 1);
	r.method = "PUT";
	r.attempts = 1;
	answers(f, 3, HTTP_OK, "<html>Log in</html>");
	fails(f, call(f, &r), ERR_HOST, CLASS_TRANSIENT, "HTTP status 200 with a page of HTML");
	query_free(&q);
}

static void
missing_and_stale(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	answers(f, 0, "HTTP/1.1 404 N\r\n",
		"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist."
		"</Message></Error>");
	fails(f, call(f, &r), ERR_MISSING, CLASS_FATAL,
		"s3 GetObject s3://bucket/k: NoSuchKey: The specified key does not exist.");
	assert_string_equal(f->answer.code, "NoSuchKey");
	assert_int_equal(f->answer.status, 404);
	r.method = "HEAD";
	f->server.steps[1] = (struct http_step){.answer = "HTTP/1.1 404 N\r\n\r\n", .close = true};
	fails(f, call(f, &r), ERR_MISSING, CLASS_FATAL, "HTTP status 404");
	r.method = "PUT";
	r.body = STR("x");
	answers(f, 2, "HTTP/1.1 412 P\r\n", "<Error><Code>PreconditionFailed</Code></Error>");
	fails(f, call(f, &r), ERR_STALE, CLASS_FATAL, "PreconditionFailed");
	answers(f, 3, "HTTP/1.1 409 C\r\n",
		"<Error><Code>ConditionalRequestConflict</Code></Error>");
	answers(f, 4, HTTP_OK, "");
	ok(f, call(f, &r));
	assert_int_equal(f->answer.attempts, 2);
}

static void
refuses_to_open(void **state)
{
	struct fixture *f = *state;
	struct aws_options none = {0}, bad = {.region = STR("us-east")},
			   evil = {.region = STR("us-east-1.evil.example")};
	struct aws *aws = NULL;

	assert_int_equal(aws_open(&aws, &none, &f->err), ERR_INPUT);
	assert_has(f->err.message, "AWS_REGION");
	assert_int_equal(aws_open(&aws, &bad, &f->err), ERR_INPUT);
	assert_has(f->err.message, "'us-east' is no name of a region");
	assert_int_equal(aws_open(&aws, &evil, &f->err), ERR_INPUT);
	setenv("AWS_REGION", "eu-west-3", 1);
	ok(f, aws_open(&aws, &none, &f->err));
	assert_string_equal(aws_region(aws), "eu-west-3");
	aws_close(aws);
	setenv("AWS_MAX_ATTEMPTS", "many", 1);
	assert_int_equal(aws_open(&aws, &none, &f->err), ERR_INPUT);
	assert_has(f->err.message, "AWS_MAX_ATTEMPTS");
	setenv("AWS_MAX_ATTEMPTS", "0", 1);
	assert_int_equal(aws_open(&aws, &none, &f->err), ERR_INPUT);
	aws_close(NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(no_credentials),
		TEST(denied),
		TEST(echoed_secrets),
		TEST(no_xml_where_it_belongs),
		TEST(a_page_for_a_success),
		TEST(missing_and_stale),
		TEST(refuses_to_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
