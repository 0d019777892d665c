/* Spot prices: which of the history holds, and what is not believed. */
#include "tests/unit/prices_fixture.h"

static void
the_newest_spot_price_holds(void **state)
{
	struct price_finding f = finding();
	const struct ec2_price *v;

	(void)state;
	SCRIPT({SPOT, .body = HISTORY(ITEM("m5.large", "us-east-2b", L, "0.0400", T1)
					      ITEM("m5.large", "us-east-2a", L, "0.0300", T1)
						      ITEM("m5.large", "us-east-2a", "Windows",
							      "0.0001", T2),
			      "more")},
		{SPOT, .body = HISTORY(ITEM("m5.large", "us-east-2a", V, "0.0350", T2)
					       ITEM("c5.large", "us-east-2a", L, "0.0310", T1) ITEM(
						       "m5.large", "us-east-2b", V, "0.0400", T1),
			       "")});
	assert_int_equal(price_spot_ask(NULL, STR("us-east-2"), &f, &service.err), 0);
	finished();
	has("DescribeSpotPriceHistory us-east-2\nStartTime=NOW\n"
	    "ProductDescription.1=Linux/UNIX\n"
	    "ProductDescription.2=Linux/UNIX (Amazon VPC)\nMaxResults=1000\n");
	has("NextToken=more");
	assert_int_equal(f.rows.n, 3);
	v = f.rows.v;
	believed(&f, 0, "c5.large", 0.031);
	believed(&f, 1, "m5.large", 0.035);
	assert_string_equal(v[1].zone.p, "us-east-2a");
	believed(&f, 2, "m5.large", 0.04);
	assert_string_equal(v[2].zone.p, "us-east-2b");
	assert_true(v[0].spot);
	assert_null(price_doubts_told(&service.arena, &f.doubts).p);
}

static void
bad_spot_prices(void **state)
{
	static const struct {
		const char *items, *told;
	} cases[] = {
		{HISTORY(ITEM("m5.large", "us-east-2a", L, "0.030", T1)
				 ITEM("m5.large", "us-east-2a", L, "0.000000", T2),
			 ""),
			"1 is not believed: m5.large in us-east-2a: a spot price of '0.000000' "
			"USD: it is "
			"0"},
		{HISTORY(ITEM("m5.large", "us-east-2a", V, "0.00001", T1), ""),
			"1 is not believed: m5.large in us-east-2a: a spot price of '0.00001' USD: "
			"nothing is that cheap"},
		{HISTORY(ITEM("m5.large", "us-east-2a", L, "-1", T1), ""),
			"1 is not believed: m5.large in us-east-2a: a spot price of '-1' USD: it "
			"is "
			"negative"},
		{HISTORY(ITEM("m5.large", "us-east-2a", L, "99999", T1), ""),
			"1 is not believed: m5.large in us-east-2a: a spot price of '99999' USD: "
			"nothing "
			"is that dear"},
		{HISTORY(ITEM("m5.large", "us-east-2a", L, "", T1), ""),
			"1 is not believed: m5.large in us-east-2a: a spot price of '' USD: it is "
			"no "
			"number"},
		{HISTORY(ITEM("m5.large", "us-east-2a", L, "0.03", T1)
				 ITEM("m5.large", "us-east-2a", V, "0.04", T1),
			 ""),
			"1 is not believed: m5.large in us-east-2a: two spot prices of one time, "
			"'0.03' "
			"and '0.04' USD"},
		{HISTORY(ITEM("", "us-east-2a", L, "0.03", T1), ""),
			"1 is not believed: a spot price of '0.03' without a type or zone"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct price_finding f = finding();

		SCRIPT({SPOT, .body = cases[i].items});
		assert_int_equal(price_spot_ask(NULL, STR("us-east-2"), &f, &service.err), 0);
		assert_int_equal(f.rows.n, 0);
		assert_string_equal(price_doubts_told(&service.arena, &f.doubts).p, cases[i].told);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_spot_price_holds),
		cmocka_unit_test(bad_spot_prices),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
