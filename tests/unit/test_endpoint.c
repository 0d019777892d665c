/* Where services are: AWS's own against botocore's rules (endpoint_cases.txt, by endpoint_cases.py), and configured ones. */
#include "providers/aws/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_has(text, part)                                       \
	do {                                                         \
		if (!strstr((text), (part)))                         \
			fail_msg("'%s' lacks '%s'", (text), (part)); \
	} while (0)

struct fixture {
	struct arena arena;
	struct error err;
	struct endpoint at;
	struct shared_config *config;
	const char *fips, *dualstack, *url;
};

static const char *
environment(void *ctx, const char *name)
{
	struct fixture *f = ctx;

	if (strcmp(name, "AWS_USE_FIPS_ENDPOINT") == 0)
		return f->fips;
	if (strcmp(name, "AWS_USE_DUALSTACK_ENDPOINT") == 0)
		return f->dualstack;
	if (strcmp(name, "AWS_ENDPOINT_URL") == 0)
		return f->url;
	return strcmp(name, "HOME") == 0 ? "/nonexistent" : NULL;
}

static int
find(struct fixture *f, const char *service, struct str region, struct str bucket)
{
	int s = 0, rc;

	while (s < AWS_SERVICES && strcmp(endpoint_service((enum aws_service)s), service) != 0)
		s++;
	assert_in_range(s, 0, AWS_SERVICES - 1);
	f->err = (struct error){0};
	assert_int_equal(
		shared_config_open(&f->config, (struct str){0}, environment, f, &f->err), 0);
	rc = endpoint_find(
		&f->arena, &f->at, (enum aws_service)s, region, bucket, f->config, &f->err);
	/* What is found lives as long as the configuration does. */
	if (rc == 0) {
		f->at.scheme = arena_str(&f->arena, f->at.scheme);
		f->at.host = arena_str(&f->arena, f->at.host);
		f->at.base_path = arena_str(&f->arena, f->at.base_path);
	}
	shared_config_close(f->config);
	return rc;
}

static void
check_line(struct fixture *f, char *line)
{
	char service[16], region[32], bucket[32], url[128];
	int fips, dualstack, rc;
	struct str got;

	if (line[0] == '#')
		return;
	assert_int_equal(sscanf(line, "%15s %31s %d %d %31s %127s", service, region, &fips,
				 &dualstack, bucket, url),
		6);
	f->fips = fips ? "TRUE" : NULL;
	f->dualstack = dualstack ? "true" : "false";
	rc = find(f, service, str_from(region),
		strcmp(bucket, "-") == 0 ? (struct str){0} : str_from(bucket));
	if (strcmp(url, "error") == 0) {
		assert_int_equal(rc, ERR_INPUT);
		assert_has(f->err.message, "FIPS");
		return;
	}
	if (rc < 0)
		fail_msg("%s%s", line, f->err.message);
	got = arena_printf(&f->arena, "%.*s://%.*s%.*s", STR_ARG(f->at.scheme), STR_ARG(f->at.host),
		STR_ARG(f->at.base_path));
	if (!str_is(got, url))
		fail_msg("%sgot %.*s", line, STR_ARG(got));
	assert_false(f->at.custom);
}

static void
as_botocore(void **state)
{
	struct fixture f = {0};
	FILE *file = fopen("tests/unit/endpoint_cases.txt", "r");
	char line[512];
	int n = 0;

	(void)state;
	assert_non_null(file);
	for (; fgets(line, sizeof(line), file); n++)
		check_line(&f, line);
	fclose(file);
	assert_true(n > 300);
	arena_free(&f.arena);
}

static void
custom(struct fixture *f, const char *url, const char *bucket, const char *scheme, const char *host,
	const char *path)
{
	f->url = url;
	if (find(f, "s3", STR("us-east-2"), str_from(bucket)) < 0)
		fail_msg("%s: %s", url, f->err.message);
	assert_true(f->at.custom);
	assert_string_equal(arena_cstr(&f->arena, f->at.scheme), scheme);
	assert_string_equal(arena_cstr(&f->arena, f->at.host), host);
	assert_string_equal(arena_cstr(&f->arena, f->at.base_path), path);
}

static void
configured(void **state)
{
	struct fixture f = {0};

	(void)state;
	custom(&f, "http://127.0.0.1:5000", NULL, "http", "127.0.0.1:5000", "");
	custom(&f, "http://127.0.0.1:5000/", "b-1", "http", "127.0.0.1:5000", "/b-1");
	custom(&f, "https://s3.example.org/base/", "b-1", "https", "s3.example.org", "/base/b-1");
	custom(&f, "http://[::1]:9000", "b-1", "http", "[::1]:9000", "/b-1");
	/* As clients send the Host header. */
	custom(&f, "https://x.example:443", NULL, "https", "x.example", "");
	custom(&f, "http://x.example:80/a", NULL, "http", "x.example", "/a");
	custom(&f, "http://x.example:443", NULL, "http", "x.example:443", "");
	arena_free(&f.arena);
}

static void
refused(void **state)
{
	static const char *const urls[] = {"127.0.0.1:5000", "ftp://x", "http://", "http:///a",
		"http://user@x", "http://x y", "http://x?q", "http://x/a?q", "http://x/a b",
		"http://x/\xc3\xbc", "http://x#f"};
	struct fixture f = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		f.url = urls[i];
		if (find(&f, "ec2", STR("us-east-2"), (struct str){0}) != ERR_INPUT)
			fail_msg("%s was taken", urls[i]);
		assert_has(f.err.message, urls[i]);
	}
	f.url = NULL;
	assert_int_equal(find(&f, "s3", STR("us-east-2"), STR("a/b")), ERR_INPUT);
	assert_int_equal(find(&f, "s3", STR("us-east-2"), STR("a")), ERR_INPUT);
	assert_int_equal(find(&f, "s3", STR("us-east-2"), STR("-ab")), ERR_INPUT);
	assert_int_equal(find(&f, "s3", STR("us-east-2"), STR("..")), ERR_INPUT);
	assert_int_equal(find(&f, "s3", STR("us-east-2"), STR("a\0b")), ERR_INPUT);
	arena_free(&f.arena);
}

static void
regions(void **state)
{
	(void)state;
	assert_true(endpoint_is_region(STR("us-east-1")));
	assert_true(endpoint_is_region(STR("us-gov-west-1")));
	assert_true(endpoint_is_region(STR("ap-southeast-17")));
	assert_false(endpoint_is_region(STR("")));
	assert_false(endpoint_is_region((struct str){0}));
	assert_false(endpoint_is_region(STR("us-east")));
	assert_false(endpoint_is_region(STR("us-east-1a")));
	assert_false(endpoint_is_region(STR("us-east-")));
	assert_false(endpoint_is_region(STR("us--1")));
	assert_false(endpoint_is_region(STR("-us-east-1")));
	assert_false(endpoint_is_region(STR("1-2-3")));
	assert_false(endpoint_is_region(STR("US-EAST-1")));
	assert_false(endpoint_is_region(STR("us-east-1/")));
	assert_false(endpoint_is_region(STR("us-east-1.evil")));
	assert_false(endpoint_is_region(STR("us-east-1\0")));
	assert_string_equal(endpoint_partition(STR("cn-north-1")), "aws-cn");
	assert_string_equal(endpoint_partition(STR("us-gov-west-1")), "aws-us-gov");
	assert_string_equal(endpoint_partition(STR("us-isob-east-1")), "aws-iso-b");
	assert_string_equal(endpoint_partition(STR("eu-west-1")), "aws");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_botocore),
		cmocka_unit_test(configured),
		cmocka_unit_test(refused),
		cmocka_unit_test(regions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
