/* service_quota: what an answer of Service Quotas may be. */
#include "providers/aws/service_quota.h"

#include "providers/aws/ec2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static struct service_quota
parsed(const char *json)
{
	struct service_quota q;
	struct error err;

	assert_int_equal(service_quota_parse(&arena, str_from(json), &q, &err), 0);
	return q;
}

static void
refused(const char *json, const char *why)
{
	struct service_quota q;
	struct error err;

	assert_int_equal(service_quota_parse(&arena, str_from(json), &q, &err), ERR_HOST);
	if (!strstr(err.message, why))
		fail_msg("\"%s\" lacks \"%s\"", err.message, why);
}

static void
answers(void **state)
{
	struct service_quota q = parsed("{\"Quota\":{\"QuotaName\":\"Running\",\"Value\":5.0,"
					"\"Adjustable\":true}}");

	(void)state;
	assert_true(q.has_value && q.value > 4.9 && q.value < 5.1 && q.adjustable);
	assert_true(str_is(q.name, "Running"));
	q = parsed("{\"Quota\":{\"Value\":0}}");
	assert_true(q.has_value && q.value < 0.1 && !q.adjustable && !q.name.p);
	q = parsed("{\"Quota\":{\"Value\":-3}}");
	assert_true(q.has_value && q.value < -2);
	q = parsed("{\"Quota\":{\"Value\":1e300}}");
	assert_true(q.has_value && q.value > 1e299);
	assert_false(parsed("{\"Quota\":{}}").has_value);
	assert_false(parsed("{\"Quota\":{\"Value\":null}}").has_value);
	assert_false(parsed("{\"Quota\":{\"Value\":\"5\"}}").has_value);
}

static void
no_answers(void **state)
{
	(void)state;
	refused("{}", "holds no Quota");
	refused("{\"Quota\":[5]}", "holds no Quota");
	refused("[1]", "holds no Quota");
	refused("", "holds no Quota: ");
	refused("{\"Quota\":", "holds no Quota: ");
}

static void
which(void **state)
{
	static const struct {
		const char *type, *on_demand, *spot;
	} cases[] = {{"t3.micro", "L-1216C47A", "L-34B43A08"},
		{"m7i.large", "L-1216C47A", "L-34B43A08"},
		{"is4gen.large", "L-1216C47A", "L-34B43A08"},
		{"g6.xlarge", "L-DB2E81BA", "L-3819A6DF"},
		{"gr6.4xlarge", "L-DB2E81BA", "L-3819A6DF"},
		{"p5.48xlarge", "L-417A185B", "L-7212CCBC"}, {"trn1.2xlarge", NULL, NULL},
		{"7.x", NULL, NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct ec2_quota *q = ec2_quota_of(str_from(cases[i].type), false);

		if (!cases[i].on_demand) {
			assert_null(q);
			assert_null(ec2_quota_of(str_from(cases[i].type), true));
			continue;
		}
		assert_string_equal(q->code, cases[i].on_demand);
		q = ec2_quota_of(str_from(cases[i].type), true);
		assert_string_equal(q->code, cases[i].spot);
	}
}

static int
end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(no_answers),
		cmocka_unit_test(which),
	};

	return cmocka_run_group_tests_name("service_quota", tests, NULL, end);
}
