/* The price list: what is asked of it, what of the answers is believed and what is said of the rest. */
#include "tests/unit/prices_fixture.h"

static void
asks_for_a_whole_region_in_pages(void **state)
{
	struct price_finding f = finding();

	(void)state;
	SCRIPT({GET, .body = PAGE("a/+=1", machine("m5.large", "0.0960000000"),
			     machine("c5.large", "0.0850000000"))},
		{GET, .body = PAGE(NULL, machine("t3.micro", "0.0104000000"),
			      machine("m5.large", "0.0960000000"))});
	assert_int_equal(
		price_list_ask(NULL, PRICES_ON_DEMAND, STR("us-east-2"), &f, &service.err), 0);
	finished();
	assert_string_equal(buf_cstr(&service.asked),
		GET " us-east-1\n"
		    "{\"ServiceCode\":\"AmazonEC2\",\"FormatVersion\":\"aws_v1\",\"MaxResults\":"
		    "100,\"Filters\":["
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"regionCode\",\"Value\":\"us-east-2\"},"
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"operatingSystem\",\"Value\":\"Linux\"},"
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"tenancy\",\"Value\":\"Shared\"},"
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"preInstalledSw\",\"Value\":\"NA\"},"
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"capacitystatus\",\"Value\":\"Used\"},"
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"marketoption\",\"Value\":\"OnDemand\"}]"
		    "}\n" GET " us-east-1\n"
		    "{\"ServiceCode\":\"AmazonEC2\",\"FormatVersion\":\"aws_v1\",\"MaxResults\":"
		    "100,\"Filters\":["
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"regionCode\",\"Value\":\"us-east-2\"},"
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"operatingSystem\",\"Value\":\"Linux\"},"
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"tenancy\",\"Value\":\"Shared\"},"
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"preInstalledSw\",\"Value\":\"NA\"},"
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"capacitystatus\",\"Value\":\"Used\"},"
		    "{\"Type\":\"TERM_MATCH\",\"Field\":\"marketoption\",\"Value\":\"OnDemand\"}],"
		    "\"NextToken\":\"a/+=1\"}\n");
	assert_int_equal(f.rows.n, 3);
	believed(&f, 0, "c5.large", 0.085);
	believed(&f, 1, "m5.large", 0.096);
	believed(&f, 2, "t3.micro", 0.0104);
	assert_null(price_doubts_told(&service.arena, &f.doubts).p);
}

static void
asks_where_the_list_is_answered(void **state)
{
	static const struct {
		const char *region, *asked;
	} cases[] = {{"us-west-2", GET " us-east-1\n"}, {"eu-west-1", GET " eu-central-1\n"},
		{"ap-northeast-1", GET " ap-south-1\n"}, {"sa-east-1", GET " us-east-1\n"},
		{"cn-north-1", GET " cn-northwest-1\n"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct price_finding f = finding();

		SCRIPT({GET, .body = "{\"PriceList\":[]}"});
		assert_int_equal(price_list_ask(NULL, PRICES_ON_DEMAND, str_from(cases[i].region),
					 &f, &service.err),
			0);
		has(cases[i].asked);
	}
	SCRIPT({.action = "none"});
	assert_int_equal(price_list_ask(NULL, PRICES_ON_DEMAND, STR("us-gov-west-1"),
				 &(struct price_finding){.arena = &service.arena}, &service.err),
		ERR_INPUT);
	says("the partition aws-us-gov of us-gov-west-1 has no price list of its own");
}

static struct str
doubts_of(struct str entry)
{
	struct price_finding f = finding();
	struct str told;

	SCRIPT({GET, .body = PAGE(NULL, entry, machine("m5.large", "0.0960000000"))});
	assert_int_equal(
		price_list_ask(NULL, PRICES_ON_DEMAND, STR("us-east-2"), &f, &service.err), 0);
	told = price_doubts_told(&service.arena, &f.doubts);
	/* Whatever it is, the others hold. */
	believed(&f, 0, "m5.large", 0.096);
	assert_int_equal(f.rows.n, 1);
	return told.p ? told : STR("");
}

static void
what_cannot_be_a_price_is_left_out_and_told(void **state)
{
	static const struct {
		const char *usd, *told;
	} cases[] = {
		{"0.0000000000", "1 is not believed: c5.large: '0.0000000000' USD: it is 0"},
		{"0", "1 is not believed: c5.large: '0' USD: it is 0"},
		{"-0.0850000000",
			"1 is not believed: c5.large: '-0.0850000000' USD: it is negative"},
		{"NaN", "1 is not believed: c5.large: 'NaN' USD: it is no number"},
		{"inf", "1 is not believed: c5.large: 'inf' USD: it is no number"},
		{"", "1 is not believed: c5.large: '' USD: it is no number"},
		{"0x1p-3", "1 is not believed: c5.large: '0x1p-3' USD: it is no number"},
		{"0.085 ", "1 is not believed: c5.large: '0.085 ' USD: it is no number"},
		{"1.000.0", "1 is not believed: c5.large: '1.000.0' USD: it is no number"},
		{"10000.01", "1 is not believed: c5.large: '10000.01' USD: nothing is that dear"},
		{"0.00001", "1 is not believed: c5.large: '0.00001' USD: nothing is that cheap"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(doubts_of(machine("c5.large", cases[i].usd)).p, cases[i].told);
	assert_string_equal(doubts_of(machine_priced("c5.large", "Hrs", "{\"CNY\":\"0.7\"}")).p,
		"1 is not believed: c5.large: the price is in CNY, not in USD");
	assert_string_equal(doubts_of(machine_priced("c5.large", "Hrs", "{}")).p,
		"1 is not believed: c5.large: the price is in no currency, not in USD");
	assert_string_equal(
		doubts_of(machine_priced("c5.large", "Quantity", "{\"USD\":\"0.085\"}")).p,
		"1 is not believed: c5.large: a price for a unit of 'Quantity', not 'Hrs'");
	assert_string_equal(doubts_of(machine("m5 large", "0.085")).p,
		"1 is not believed: an entry of the list names no type");
	assert_string_equal(doubts_of(STR("{\"product\":")).p,
		"1 is not believed: an entry of the list is no product: unexpected token near end "
		"of file");
	assert_string_equal(doubts_of(STR("{\"sku\":\"S\"}")).p,
		"1 is not believed: an entry of the list is no product: it has none");
}

static void
no_terms_and_two_prices(void **state)
{
	struct price_finding f = finding();
	struct str bare = STR("{\"product\":{\"attributes\":{\"instanceType\":\"x1.large\","
			      "\"regionCode\":\"us-east-2\",\"operatingSystem\":\"Linux\","
			      "\"tenancy\":\"Shared\",\"preInstalledSw\":\"NA\","
			      "\"capacitystatus\":\"Used\",\"marketoption\":\"OnDemand\"}},"
			      "\"terms\":{\"Reserved\":{}}}");

	(void)state;
	assert_string_equal(doubts_of(bare).p, "1 is not believed: x1.large: no on-demand price");
	SCRIPT({GET, .body = PAGE("2", machine("c5.large", "0.085"), machine("m5.large", "0.096"))},
		{GET, .body = PAGE(NULL, machine("c5.large", "0.17"))});
	assert_int_equal(
		price_list_ask(NULL, PRICES_ON_DEMAND, STR("us-east-2"), &f, &service.err), 0);
	assert_int_equal(f.rows.n, 1);
	believed(&f, 0, "m5.large", 0.096);
	assert_string_equal(price_doubts_told(&service.arena, &f.doubts).p,
		"1 is not believed: c5.large: two prices, 0.085 and 0.17 USD");
}

static void
the_first_few_doubts_stand_for_all(void **state)
{
	struct price_finding f = finding();

	(void)state;
	SCRIPT({GET, .body = PAGE(NULL, machine("a", "0"), machine("b", "0"), machine("c", "0"),
			     machine("d", "0"), machine("e", "0"))});
	assert_int_equal(
		price_list_ask(NULL, PRICES_ON_DEMAND, STR("us-east-2"), &f, &service.err), 0);
	assert_string_equal(price_doubts_told(&service.arena, &f.doubts).p,
		"5 are not believed: a: '0' USD: it is 0; b: '0' USD: it is 0; c: '0' USD: it is "
		"0; and 2 more");
}

static void
other_places_and_wares_are_passed_over(void **state)
{
	struct price_finding f = finding();
	struct str zone = STR("{\"product\":{\"attributes\":{\"instanceType\":\"m5.large\","
			      "\"regionCode\":\"us-east-2\",\"locationType\":\"AWS Local Zone\"}},"
			      "\"terms\":{}}");
	struct str other = STR("{\"product\":{\"attributes\":{\"instanceType\":\"m5.large\","
			       "\"regionCode\":\"us-east-1\"}},\"terms\":{}}");
	struct str windows = STR("{\"product\":{\"attributes\":{\"instanceType\":\"m5.large\","
				 "\"regionCode\":\"us-east-2\",\"operatingSystem\":\"Windows\"}},"
				 "\"terms\":{}}");

	(void)state;
	SCRIPT({GET, .body = PAGE(NULL, zone, other, windows, machine("m5.large", "0.096"))});
	assert_int_equal(
		price_list_ask(NULL, PRICES_ON_DEMAND, STR("us-east-2"), &f, &service.err), 0);
	assert_int_equal(f.rows.n, 1);
	assert_null(price_doubts_told(&service.arena, &f.doubts).p);

	f = finding();
	SCRIPT({GET, .body = PAGE(NULL, address("USE2-PublicIPv4:IdleAddress", "0.004"),
			     address("USE2-PublicIPv4:ContiguousBlock", "0.008"),
			     address("USE2-PublicIPv4:InUseAddress", "0.0050000000"))});
	assert_int_equal(
		price_list_ask(NULL, PRICES_ADDRESS, STR("us-east-2"), &f, &service.err), 0);
	has("\"ServiceCode\":\"AmazonVPC\"");
	has("\"Field\":\"group\",\"Value\":\"VPCPublicIPv4Address\"");
	assert_int_equal(f.rows.n, 1);
	believed(&f, 0, "ipv4", 0.005);
}

static void
answers_that_are_none(void **state)
{
	struct price_finding f = finding();

	(void)state;
	SCRIPT({GET, .body = "<html>"});
	assert_int_equal(price_list_ask(NULL, PRICES_ON_DEMAND, STR("us-east-2"), &f, &service.err),
		ERR_HOST);
	says("pricing GetProducts: the answer is no JSON: line 1");
	SCRIPT({GET, .body = "{\"PriceList\":{}}"});
	assert_int_equal(price_list_ask(NULL, PRICES_ON_DEMAND, STR("us-east-2"), &f, &service.err),
		ERR_HOST);
	says("has no PriceList");
	SCRIPT({GET, .body = PAGE("x", machine("a", "1"))},
		{GET, .body = PAGE("x", machine("a", "1"))});
	assert_int_equal(price_list_ask(NULL, PRICES_ON_DEMAND, STR("us-east-2"), &f, &service.err),
		ERR_HOST);
	says("a page names itself as the next one");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_for_a_whole_region_in_pages),
		cmocka_unit_test(asks_where_the_list_is_answered),
		cmocka_unit_test(what_cannot_be_a_price_is_left_out_and_told),
		cmocka_unit_test(no_terms_and_two_prices),
		cmocka_unit_test(the_first_few_doubts_stand_for_all),
		cmocka_unit_test(other_places_and_wares_are_passed_over),
		cmocka_unit_test(answers_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
