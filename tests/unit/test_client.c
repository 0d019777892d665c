/* Calls that succeed: what goes over the wire, and what comes back. */
#include "client_fixture.h"

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
	const struct CMUnitTest tests[] = {
		TEST(s3_request),
		TEST(unsigned_request),
		TEST(query_request),
		TEST(json_request),
		TEST(files),
		TEST(presigned),
		TEST(assumed_role),
		TEST(many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
