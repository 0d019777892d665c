/* ecr: which images are Amazon's registries', and what an answer with a login may be. */
#include "tests/unit/ec2_fixture.h"

#include "providers/aws/ecr.h"

static void
is_there(const char *image, const char *account, const char *region)
{
	struct str got_account, got_region;

	if (!ecr_is_there(str_from(image), &got_account, &got_region))
		fail_msg("%s is not seen as one of ECR's", image);
	assert_true(str_is(got_account, account) && str_is(got_region, region));
}

static void
is_elsewhere(const char *image)
{
	struct str account, region;

	if (ecr_is_there(str_from(image), &account, &region))
		fail_msg("%s is taken for one of ECR's", image);
}

static void
registries(void **state)
{
	(void)state;
	is_there("123456789012.dkr.ecr.us-east-2.amazonaws.com/a:1", "123456789012", "us-east-2");
	is_there("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a/b@sha256:00", "123456789012",
		"cn-north-1");
	is_there("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/a", "123456789012",
		"us-gov-west-1");
	is_elsewhere("docker.io/library/python:3.12");
	is_elsewhere("public.ecr.aws/docker/library/busybox:1"); /* needs no login */
	is_elsewhere("12345678901.dkr.ecr.us-east-2.amazonaws.com/a");
	is_elsewhere("12345678901x.dkr.ecr.us-east-2.amazonaws.com/a");
	is_elsewhere("123456789012.dkr.ecr.us-east-2/a");
	is_elsewhere("123456789012.dkr.ecr..amazonaws.com/a");
	is_elsewhere("123456789012.dkr.ecr.us-east-2.amazonaws.com");
	is_elsewhere("123456789012.dkx.ecr.us-east-2.amazonaws.com/a");
	is_elsewhere("");
}

static void
no_login(const char *json, const char *why)
{
	struct error err = {0};
	struct str auth;

	assert_int_equal(ecr_parse_login(&service.arena, str_from(json), &auth, &err), ERR_HOST);
	if (!strstr(err.message, why))
		fail_msg("\"%s\" lacks \"%s\"", err.message, why);
}

static void
answers(void **state)
{
	struct str auth;

	(void)state;
	assert_int_equal(ecr_parse_login(&service.arena,
				 STR("{\"authorizationData\":[{\"authorizationToken\":\"QVdTOng=\","
				     "\"expiresAt\":1.4e9,\"proxyEndpoint\":\"https://x\"}]}"),
				 &auth, &service.err),
		0);
	assert_true(str_is(auth, "QVdTOng="));
	no_login("{\"authorizationData\":[]}", "holds no login");
	no_login("{\"authorizationData\":[{\"authorizationToken\":\"\"}]}", "holds no login");
	no_login("{\"authorizationData\":[{\"authorizationToken\":5}]}", "holds no login");
	no_login("{\"authorizationData\":{\"authorizationToken\":\"QVdTOng=\"}}", "holds no login");
	no_login("<html>", "holds no login: ");
	no_login("", "holds no login");
}

static void
the_call(void **state)
{
	struct str auth;

	(void)state;
	SCRIPT({"AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
		.body = "{\"authorizationData\":[{\"authorizationToken\":\"QVdTOng=\"}]}"});
	assert_int_equal(ecr_login(NULL, &service.arena, STR("eu-west-1"), &auth, &service.err), 0);
	assert_true(str_is(auth, "QVdTOng="));
	finished();
	if (!strstr(buf_cstr(&service.asked), "eu-west-1"))
		fail_msg("the registry's region is not asked: %s", buf_cstr(&service.asked));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(registries, teardown),
		cmocka_unit_test_teardown(answers, teardown),
		cmocka_unit_test_teardown(the_call, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
