/* What helps to choose among offers beside their prices: in which zones a type is, how often spot ones are
 * interrupted; and the recorded region that other tests choose in. */
#include "tests/unit/prices_fixture.h"
#include "tests/unit/region_fixture.h"

#define OFFER(type, zone)                                                            \
	"<item><instanceType>" type "</instanceType><locationType>availability-zone" \
	"</locationType><location>" zone "</location></item>"
#define OFFERS(items, next)                                                               \
	"<r><instanceTypeOfferingSet>" items "</instanceTypeOfferingSet><nextToken>" next \
	"</nextToken></r>"

static void
offerings_by_zone(void **state)
{
	struct ec2_offering *v;
	size_t n;

	(void)state;
	SCRIPT({"DescribeInstanceTypeOfferings",
		       .body = OFFERS(OFFER("m5.large", "us-east-2b")
					      OFFER("m5.large", "us-east-2a"),
			       "t")},
		{"DescribeInstanceTypeOfferings",
			.body = OFFERS(OFFER("c5.large", "us-east-2c"), "")});
	assert_int_equal(ec2_offerings(NULL, &service.arena, cache, STR("us-east-2"), false, &v, &n,
				 &service.err),
		0);
	finished();
	has("LocationType=availability-zone\nMaxResults=1000\n");
	for (int again = 0; again < 2; again++) {
		assert_int_equal(n, 3);
		assert_true(str_is(v[0].type, "c5.large") && str_is(v[0].zone, "us-east-2c"));
		assert_true(str_is(v[1].type, "m5.large") && str_is(v[1].zone, "us-east-2a"));
		assert_true(str_is(v[2].type, "m5.large") && str_is(v[2].zone, "us-east-2b"));
		SCRIPT({.action = "none"});
		assert_int_equal(ec2_offerings(NULL, &service.arena, cache, STR("us-east-2"), false,
					 &v, &n, &service.err),
			0);
	}
	/* Old ones are better than none. */
	shift_ns = 5 * HOUR_NS;
	SCRIPT({"DescribeInstanceTypeOfferings", .code = "UnauthorizedOperation"});
	assert_int_equal(ec2_offerings(NULL, &service.arena, cache, STR("us-east-2"), false, &v, &n,
				 &service.err),
		0);
	finished();
	assert_int_equal(n, 3);
	SCRIPT({"DescribeInstanceTypeOfferings", .code = "UnauthorizedOperation"});
	assert_int_equal(ec2_offerings(NULL, &service.arena, cache, STR("eu-west-1"), false, &v, &n,
				 &service.err),
		ERR_INPUT);
	assert_int_equal(n, 0);
	SCRIPT({"DescribeInstanceTypeOfferings", .body = OFFERS("", "")});
	assert_int_equal(ec2_offerings(NULL, &service.arena, cache, STR("eu-west-1"), false, &v, &n,
				 &service.err),
		ERR_HOST);
	says("no zone of eu-west-1 has any instance type");
}

static void
interruptions(void **state)
{
	struct ec2_interruption *v;
	struct str missing;
	size_t n;

	(void)state;
	assert_int_equal(
		interruptions_parse(&service.arena,
			STR("{\"ranges\":[],\"spot_advisor\":{\"us-east-2\":{\"Linux\":{"
			    "\"m5.large\":{\"s\":70,\"r\":1},\"c5.large\":{\"s\":1,\"r\":4},"
			    "\"x\":{\"r\":5},\"y\":{\"r\":-1},\"z\":{\"r\":\"1\"},\"w\":7}}}}"),
			STR("us-east-2"), &v, &n, &service.err),
		0);
	assert_int_equal(n, 2);
	assert_int_equal(ec2_interruption_of(v, n, STR("m5.large")), 1);
	assert_int_equal(ec2_interruption_of(v, n, STR("c5.large")), 4);
	assert_int_equal(ec2_interruption_of(v, n, STR("x")), EC2_INTERRUPTION_UNKNOWN);
	assert_int_equal(interruptions_parse(&service.arena, STR("{\"spot_advisor\":{}}"),
				 STR("us-east-2"), &v, &n, &service.err),
		ERR_HOST);
	says("the file has nothing of us-east-2");
	assert_int_equal(interruptions_parse(
				 &service.arena, STR("[]"), STR("us-east-2"), &v, &n, &service.err),
		ERR_HOST);
	says("the file has no spot_advisor");
	assert_int_equal(interruptions_parse(&service.arena, STR("<Error>"), STR("us-east-2"), &v,
				 &n, &service.err),
		ERR_HOST);
	says("the file is no JSON");
	/* Who asks another than AWS is not to ask AWS's public file either. */
	setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1);
	assert_int_equal(ec2_interruptions(&service.arena, cache, STR("us-east-2"), false, &v, &n,
				 &missing, &service.err),
		0);
	assert_int_equal(n, 0);
	assert_true(str_starts(missing, STR("interruptions of spot instances are not known")));
	setenv("FURROW_SPOT_ADVISOR_URL", "http://127.0.0.1:1/x", 1);
	assert_int_equal(ec2_interruptions(&service.arena, cache, STR("us-east-2"), false, &v, &n,
				 &missing, &service.err),
		0);
	assert_int_equal(n, 0);
	assert_true(str_starts(missing,
		STR("interruptions of spot instances cannot be had: http://127.0.0.1:1/x: ")));
}

static void
the_recorded_region(void **state)
{
	struct recorded_region r;
	size_t on_demand = 0, k = 0;

	(void)state;
	recorded_region_load(&service.arena, &r);
	assert_int_equal(r.n_types, 1263);
	assert_true(r.n_offerings > 3000);
	for (size_t i = 0; i < r.prices.n; i++)
		on_demand += !r.prices.v[i].spot;
	assert_true(on_demand > 1000 && r.prices.n > 2 * on_demand);
	for (size_t i = 1; i < r.n_offerings; i++)
		assert_true(str_cmp(r.offerings[i - 1].type, r.offerings[i].type) <= 0);
	while (!str_is(r.prices.v[k].type, "m5.large"))
		k++;
	assert_true(fabs(r.prices.v[k].hourly_usd - 0.096) < 1e-9);
	assert_string_equal(r.prices.v[k + 3].zone.p, "us-east-2c");
	assert_in_range(
		ec2_interruption_of(r.interruptions, r.n_interruptions, STR("m5.large")), 0, 4);
	assert_int_equal(ec2_interruption_of(r.interruptions, r.n_interruptions, STR("mac1.metal")),
		EC2_INTERRUPTION_UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_recorded_region),
		cmocka_unit_test_setup_teardown(offerings_by_zone, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(interruptions, make_cache, drop_cache),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
