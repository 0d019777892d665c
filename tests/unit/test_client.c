/* Calls from the inside out: what goes over the wire, what is tried again, what is mended, and in which words
 * failures are told. */
#include "client_fixture.h"

#define ERROR_XML(code, words)                                                                   \
	"<?xml version=\"1.0\"?>\n<Response><Errors><Error><Code>" code "</Code><Message>" words \
	"</Message></Error></Errors><RequestID>req-1</RequestID></Response>"

static void
fails(struct fixture *f, int rc, enum error_code code, enum error_class class, const char *words)
{
	assert_has(f->err.message, words);
	assert_int_equal(rc, code);
	assert_int_equal(f->err.code, code);
	assert_int_equal(f->err.class, class);
	no_secrets(f);
}

static void
s3_request(void **state)
{
	struct fixture *f = *state;
	struct pair query[] = {{STR("x"), STR("a b")}, {STR("uploads"), {0}}};
	struct pair headers[] = {{STR("X-Amz-Meta-A"), STR("  b   c ")}};
	struct aws_request r = get_object("a b/../ü//c+%");

	r.query = (struct pairs){query, 2};
	r.headers = (struct pairs){headers, 1};
	answers(f, 0, HTTP_OK "ETag: \"e\"\r\nx-amz-request-id: R1\r\n", "bytes");
	ok(f, call(f, &r));
	assert_true(str_is(f->answer.body, "bytes"));
	assert_true(str_is(aws_header(&f->answer, "etag"), "\"e\""));
	assert_null(aws_header(&f->answer, "none").p);
	assert_string_equal(f->answer.request_id, "R1");
	assert_string_equal(f->answer.code, "");
	assert_int_equal(f->answer.attempts, 1);
	assert_has(http_asked(&f->server, 0),
		"GET /bucket/a%20b/../%C3%BC//c%2B%25?uploads=&x=a%20b HTTP/1.1\r\n");
	assert_has(http_asked(&f->server, 0),
		arena_printf(&f->arena, "Host: 127.0.0.1:%d\r\n", f->server.port).p);
	assert_has(http_asked(&f->server, 0), "X-Amz-Meta-A: b c\r\n");
	assert_has(http_asked(&f->server, 0), "X-Amz-Security-Token: " TEST_TOKEN "\r\n");
	assert_has(http_asked(&f->server, 0),
		"X-Amz-Content-Sha256: "
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n");
	assert_has(http_asked(&f->server, 0),
		"/us-east-2/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
		"x-amz-meta-a;x-amz-security-token, Signature=");
}

static void
unsigned_request(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	r.is_unsigned = true;
	answers(f, 0, HTTP_OK, "");
	ok(f, call(f, &r));
	assert_lacks(http_asked(&f->server, 0), "Authorization");
	assert_lacks(http_asked(&f->server, 0), "X-Amz-");
}

static void
query_request(void **state)
{
	struct fixture *f = *state;
	struct query q = {.service = AWS_EC2, .action = "DescribeInstances"};
	const struct xml *root;

	query_add(&q, STR("tag:furrow:job"), "Filter.%d.Name", 1);
	query_add(&q, STR("a b+c&d=é"), "Filter.%d.Value.%d", 1, 1);
	query_add(&q, (struct str){0}, "NextToken");
	query_add_int(&q, -5, "MaxResults");
	query_add_bool(&q, true, "DryRun");
	answers(f, 0, HTTP_OK, "<R xmlns='x'><requestId>r</requestId></R>");
	answers(f, 1, HTTP_OK, "no xml");
	ok(f, query_call(f->aws, &f->arena, &q, &root, NULL, &f->err));
	assert_true(str_is(xml_text(root, "requestId"), "r"));
	assert_has(http_asked(&f->server, 0),
		"\r\n\r\nAction=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag%3Afurrow%"
		"3Ajob&Filter.1.Value.1=a%20b%2Bc%26d%3D%C3%A9&MaxResults=-5&DryRun=true");
	assert_has(http_asked(&f->server, 0),
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n");
	assert_has(http_asked(&f->server, 0), "/us-east-2/ec2/aws4_request");
	fails(f, query_call(f->aws, &f->arena, &q, &root, NULL, &f->err), ERR_HOST, CLASS_FATAL,
		"ec2 DescribeInstances: the answer is not the XML");
	assert_null(root);
	query_free(&q);
}

static void
json_request(void **state)
{
	struct fixture *f = *state;

	answers(f, 0, HTTP_OK "x-amzn-RequestId: J1\r\n", "{\"Parameter\":{}}");
	answers(f, 1, "HTTP/1.1 400 B\r\n",
		"{\"__type\":\"com.amazonaws.ssm#ParameterNotFound\",\"message\":\"no /a\"}");
	ok(f, aws_json_call(f->aws, &f->arena, AWS_SSM, STR("eu-west-1"), "AmazonSSM.GetParameter",
		      STR("{\"Name\":\"/a\"}"), &f->answer, &f->err));
	assert_string_equal(f->answer.request_id, "J1");
	assert_has(http_asked(&f->server, 0), "X-Amz-Target: AmazonSSM.GetParameter\r\n");
	assert_has(http_asked(&f->server, 0), "/eu-west-1/ssm/aws4_request");
	fails(f,
		aws_json_call(f->aws, &f->arena, AWS_SSM, (struct str){0}, "AmazonSSM.GetParameter",
			STR("{}"), &f->answer, &f->err),
		ERR_MISSING, CLASS_FATAL,
		"ssm GetParameter in us-east-2: ParameterNotFound: no /a");
	assert_string_equal(f->answer.code, "ParameterNotFound");
}

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

static void
files(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");
	FILE *file = tmpfile();
	struct aws_body body;
	char got[16] = "";

	assert_non_null(file);
	fputs("..hello", file);
	fflush(file);
	body = (struct aws_body){.fd = fileno(file), .offset = 2, .bytes = 5};
	r.method = "PUT";
	r.from = &body;
	answers(f, 0, "HTTP/1.1 500 S\r\n", "");
	answers(f, 1, HTTP_OK, "");
	ok(f, call(f, &r));
	assert_has(http_asked(&f->server, 1), "\r\n\r\nhello");
	/* printf hello | sha256sum */
	assert_has(http_asked(&f->server, 1),
		"X-Amz-Content-Sha256: "
		"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	body.bytes = 100;
	fails(f, call(f, &r), ERR_HOST, CLASS_FATAL,
		"s3 PutObject s3://bucket/k: the file that is to be sent became shorter");
	assert_int_equal(http_n_asked(&f->server), 2);
	r = get_object("k");
	r.out_fd = fileno(file);
	r.out_offset = 2;
	f->server.steps[2] =
		(struct http_step){.answer = HTTP_OK "Content-Length: 5\r\n\r\nHE", .close = true};
	answers(f, 3, HTTP_OK, "HELLO");
	ok(f, call(f, &r));
	assert_int_equal(f->answer.body_bytes, 5);
	assert_int_equal(pread(fileno(file), got, 15, 0), 7);
	assert_string_equal(got, "..HELLO");
	fclose(file);
}

static void
presigned(void **state)
{
	struct fixture *f = *state;
	struct pair part[] = {{STR("partNumber"), STR("2")}, {STR("uploadId"), STR("a/b+")}};
	struct pairs query = {part, 2};
	struct str url;

	ok(f, aws_presign(f->aws, &f->arena, "PUT", STR("bucket"), STR("a b/ü"), &query, NULL, 3600,
		      &url, &f->err));
	assert_has(url.p, arena_printf(&f->arena,
				  "http://127.0.0.1:%d/bucket/a%%20b/"
				  "%%C3%%BC?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
				  "X-Amz-Credential=" TEST_KEY "%%2F",
				  f->server.port)
				  .p);
	assert_has(url.p, "&X-Amz-Expires=3600&X-Amz-Security-Token=IQoJ");
	assert_has(
		url.p, "&X-Amz-SignedHeaders=host&partNumber=2&uploadId=a%2Fb%2B&X-Amz-Signature=");
	assert_int_equal(http_n_asked(&f->server), 0);
	assert_int_equal(aws_presign(f->aws, &f->arena, "GET", STR("bucket"), STR("k"), NULL, NULL,
				 604801, &url, &f->err),
		ERR_INTERNAL);
	fails(f,
		aws_presign(f->aws, &f->arena, "GET", STR("no bucket"), STR("k"), NULL, NULL, 10,
			&url, &f->err),
		ERR_INPUT, CLASS_FATAL, "'no bucket' cannot be a bucket's name");
}

/* A role is assumed with the credentials of another profile, by an STS call of this client's. */
static void
assumed_role(void **state)
{
	struct fixture *f = *state;
	struct aws_request r = get_object("k");

	write_home(f, "config",
		"[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n"
		"external_id = x y\n[profile base]\naws_access_key_id = AKIDBASE\n"
		"aws_secret_access_key = basesecret\n",
		0600);
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("AWS_SESSION_TOKEN");
	open_client(f);
	answers(f, 0, HTTP_OK,
		"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE"
		"</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>tok</SessionToken>"
		"<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>"
		"</AssumeRoleResponse>");
	answers(f, 1, HTTP_OK, "x");
	ok(f, call(f, &r));
	assert_has(http_asked(&f->server, 0), "Credential=AKIDBASE/");
	assert_has(http_asked(&f->server, 0), "/sts/aws4_request");
	assert_has(http_asked(&f->server, 0),
		"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam");
	assert_has(http_asked(&f->server, 0), "&ExternalId=x%20y");
	assert_lacks(http_asked(&f->server, 0), "DurationSeconds");
	assert_has(http_asked(&f->server, 1), "Credential=ASIAROLE/");
	assert_has(http_asked(&f->server, 1), "X-Amz-Security-Token: tok\r\n");
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

struct caller {
	struct fixture *f;
	int failed;
};

static void *
call_often(void *ctx)
{
	struct caller *c = ctx;
	struct arena a = {0};

	for (int i = 0; i < 8; i++) {
		struct aws_request r = get_object("k");
		struct aws_answer answer;
		struct error err;

		if (aws_call(c->f->aws, &a, &r, &answer, &err) < 0)
			c->failed++;
	}
	arena_free(&a);
	return NULL;
}

static void
many_threads(void **state)
{
	struct fixture *f = *state;
	struct caller c[6];
	pthread_t t[6];

	for (size_t i = 0; i < HTTP_STEPS; i++)
		answers(f, i, HTTP_OK, "x");
	answers(f, 3, "HTTP/1.1 301 M\r\nx-amz-bucket-region: eu-central-1\r\n", "");
	answers(f, 9, "HTTP/1.1 500 M\r\n", "");
	f->server.steps[20] = (struct http_step){.close = true};
	for (int i = 0; i < 6; i++) {
		c[i] = (struct caller){f, 0};
		assert_int_equal(pthread_create(&t[i], NULL, call_often, &c[i]), 0);
	}
	for (int i = 0; i < 6; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(c[i].failed, 0);
	}
	assert_in_range(aws_counts(f->aws).connections, 1, 8);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {TEST(s3_request), TEST(unsigned_request),
		TEST(query_request), TEST(json_request), TEST(slow_down_then_success),
		TEST(all_attempts), TEST(capacity_once), TEST(cut_body_then_success),
		TEST(lost_reply), TEST(never_arrived), TEST(region_redirect), TEST(region_nonsense),
		TEST(error_in_success), TEST(clock_is_mended), TEST(expired_token),
		TEST(expired_for_good), TEST(no_credentials), TEST(denied), TEST(echoed_secrets),
		TEST(no_xml_where_it_belongs), TEST(a_page_for_a_success), TEST(missing_and_stale),
		TEST(stops), TEST(files), TEST(presigned), TEST(assumed_role),
		TEST(refuses_to_open), TEST(many_threads)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
