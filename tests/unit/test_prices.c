/* prices: what is asked of the price list and the spot history, what of the answers is believed and what
 * is said of the rest, what is kept for how long. */
#include "tests/unit/ec2_fixture.h"
#include "tests/unit/region_fixture.h"

#include "planner/base/json.h"
#include "providers/aws/prices_parts.h"
#include "providers/parallel.h"
#include "providers/store/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GET "AWSPriceListService.GetProducts"
#define SPOT "DescribeSpotPriceHistory"
#define HOUR_NS (INT64_C(3600) * NS_PER_S)

/* Scripts have an order. */
void
parallel_for(size_t n, size_t threads, void (*fn)(void *ctx, size_t i), void *ctx)
{
	(void)threads;
	for (size_t i = 0; i < n; i++)
		fn(ctx, i);
}

static int64_t shift_ns; /* the clock runs ahead by so much */

static int64_t
shifted_wall(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec + shift_ns;
}

static int64_t
now(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

const struct clock *
clock_system(void)
{
	static const struct clock c = {.now_ns = now, .wall_ns = shifted_wall};

	return &c;
}

void
clock_format_rfc3339(char out[CLOCK_RFC3339_BYTES], int64_t wall_ns)
{
	snprintf(out, CLOCK_RFC3339_BYTES, "%s", wall_ns > 0 ? "NOW" : "BEFORE");
}

/* --- what the price list answers */

static struct str
held(struct buf *b)
{
	struct str s = arena_str(&service.arena, buf_str(b));

	buf_free(b);
	return s;
}

/* A product of the list; more: further attributes ("\"a\":\"b\","). price: of pricePerUnit. */
static struct str
product(const char *family, const char *attributes, const char *unit, const char *price)
{
	return arena_printf(&service.arena,
		"{\"product\":{%s\"attributes\":{%s\"regionCode\":\"us-east-2\","
		"\"locationType\":\"AWS Region\"},\"sku\":\"S\"},\"serviceCode\":\"X\","
		"\"terms\":{\"OnDemand\":{\"S.J\":{\"priceDimensions\":{\"S.J.6\":"
		"{\"unit\":\"%s\",\"beginRange\":\"0\",\"endRange\":\"Inf\","
		"\"pricePerUnit\":%s}}}},\"Reserved\":{\"S.R\":{\"priceDimensions\":{\"S.R.6\":"
		"{\"unit\":\"Hrs\",\"pricePerUnit\":{\"USD\":\"0.0570000000\"}}}}}},"
		"\"version\":\"20261101\"}",
		family, attributes, unit, price);
}

static struct str
machine_priced(const char *type, const char *unit, const char *price)
{
	return product("\"productFamily\":\"Compute Instance\",",
		arena_printf(&service.arena,
			"\"instanceType\":\"%s\",\"operatingSystem\":\"Linux\",\"tenancy\":"
			"\"Shared\",\"preInstalledSw\":\"NA\",\"capacitystatus\":\"Used\","
			"\"marketoption\":\"OnDemand\",",
			type)
			.p,
		unit, price);
}

static struct str
machine(const char *type, const char *usd)
{
	return machine_priced(type, "Hrs", arena_printf(&service.arena, "{\"USD\":\"%s\"}", usd).p);
}

static struct str
disk(const char *usd)
{
	return product("\"productFamily\":\"Storage\",",
		"\"volumeApiName\":\"gp3\",\"usagetype\":\"USE2-EBS:VolumeUsage.gp3\",", "GB-Mo",
		arena_printf(&service.arena, "{\"USD\":\"%s\"}", usd).p);
}

static struct str
address(const char *usage, const char *usd)
{
	return product("",
		arena_printf(&service.arena,
			"\"group\":\"VPCPublicIPv4Address\",\"usagetype\":\"%s\",", usage)
			.p,
		"Hrs", arena_printf(&service.arena, "{\"USD\":\"%s\"}", usd).p);
}

#define PAGE(next, ...)                               \
	page(next, (const struct str[]){__VA_ARGS__}, \
		sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))

static const char *
page(const char *next, const struct str *entries, size_t n)
{
	struct buf b = {0};

	buf_add_cstr(&b, "{\"FormatVersion\":\"aws_v1\",\"PriceList\":[");
	for (size_t i = 0; i < n; i++) {
		buf_add_cstr(&b, i ? "," : "");
		json_add_string(&b, entries[i]);
	}
	buf_add_char(&b, ']');
	if (next)
		json_add_member_string(&b, "NextToken", str_from(next));
	buf_add_char(&b, '}');
	return held(&b).p;
}

static struct price_finding
finding(void)
{
	return (struct price_finding){.arena = &service.arena};
}

static void
believed(const struct price_finding *f, size_t i, const char *type, double usd)
{
	const struct ec2_price *row = &((const struct ec2_price *)f->rows.v)[i];

	assert_true(i < f->rows.n);
	assert_string_equal(row->type.p, type);
	assert_true(fabs(row->hourly_usd - usd) < 1e-9);
}

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

/* --- spot */

#define ITEM(type, zone, product, usd, at)                                        \
	"<item><instanceType>" type "</instanceType><productDescription>" product \
	"</productDescription><spotPrice>" usd "</spotPrice><timestamp>" at       \
	"</timestamp><availabilityZone>" zone "</availabilityZone></item>"
#define HISTORY(items, next)                                                                       \
	"<r><spotPriceHistorySet>" items "</spotPriceHistorySet><nextToken>" next "</nextToken></" \
	"r>"
#define L "Linux/UNIX"
#define V "Linux/UNIX (Amazon VPC)"
#define T1 "2026-11-28T07:00:00.000Z"
#define T2 "2026-11-28T08:00:00.000Z"

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

/* --- all of it, and what is kept */

static char cache[] = "/tmp/furrow-test-prices-XXXXXX";

static int
make_cache(void **state)
{
	(void)state;
	strcpy(cache + strlen(cache) - 6, "XXXXXX");
	assert_non_null(mkdtemp(cache));
	unsetenv("AWS_ENDPOINT_URL");
	unsetenv("AWS_ENDPOINT_URL_EC2");
	unsetenv("AWS_ENDPOINT_URL_PRICING");
	unsetenv("FURROW_SPOT_ADVISOR_URL");
	shift_ns = 0;
	return 0;
}

static size_t
each_file(void (*fn)(const char *path))
{
	DIR *d = opendir(cache);
	size_t n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		char path[400];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", cache, e->d_name);
		if (fn)
			fn(path);
		n++;
	}
	closedir(d);
	return n;
}

static void
remove_file(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

static int
drop_cache(void **state)
{
	(void)state;
	each_file(remove_file);
	return rmdir(cache);
}

/* One byte of the middle is another. */
static void
damage(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDWR);
	char c;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pread(fd, &c, 1, st.st_size / 2), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, st.st_size / 2), 1);
	close(fd);
}

#define USUAL                                                                                  \
	{GET, .body = PAGE(NULL, machine("m5.large", "0.0960000000"),                          \
		      machine("c5.large", "0.0850000000"))},                                   \
		{GET, .body = PAGE(NULL, disk("0.0800000000"))},                               \
		{GET, .body = PAGE(                                                            \
			      NULL, address("USE2-PublicIPv4:InUseAddress", "0.0050000000"))}, \
	{                                                                                      \
		SPOT, .body = HISTORY(ITEM("m5.large", "us-east-2b", L, "0.0400", T1)          \
					      ITEM("m5.large", "us-east-2a", L, "0.0350", T1), \
			      "")                                                              \
	}

static int
read_prices(bool refresh, struct ec2_prices *out)
{
	return ec2_prices_read(
		NULL, &service.arena, cache, STR("us-east-2"), refresh, out, &service.err);
}

static void
is_usual(const struct ec2_prices *p)
{
	assert_int_equal(p->n, 4);
	assert_string_equal(p->v[0].type.p, "c5.large");
	assert_null(p->v[0].zone.p);
	assert_false(p->v[0].spot);
	assert_string_equal(p->v[1].type.p, "m5.large");
	assert_false(p->v[1].spot);
	assert_true(fabs(p->v[1].hourly_usd - 0.096) < 1e-9);
	assert_string_equal(p->v[2].zone.p, "us-east-2a");
	assert_true(p->v[2].spot);
	assert_true(fabs(p->v[2].hourly_usd - 0.035) < 1e-9);
	assert_string_equal(p->v[3].zone.p, "us-east-2b");
	assert_true(p->on_demand && p->spot && p->disk);
	assert_true(fabs(p->disk_gib_month_usd - 0.08) < 1e-9);
	assert_true(fabs(p->address_hourly_usd - 0.005) < 1e-9);
}

static void
reads_all_and_keeps_it(void **state)
{
	struct ec2_prices p;

	(void)state;
	SCRIPT(USUAL);
	assert_int_equal(read_prices(false, &p), 0);
	finished();
	is_usual(&p);
	assert_null(p.missing.p);
	assert_true(p.read_wall_ns > 0);
	assert_int_equal(each_file(NULL), 4);

	shift_ns = 4 * HOUR_NS - 60 * NS_PER_S;
	SCRIPT({.action = "none"});
	assert_int_equal(read_prices(false, &p), 0);
	is_usual(&p);
	assert_null(p.missing.p);

	SCRIPT(USUAL);
	assert_int_equal(read_prices(true, &p), 0);
	finished();
	is_usual(&p);

	shift_ns += 4 * HOUR_NS;
	SCRIPT(USUAL);
	assert_int_equal(read_prices(false, &p), 0);
	finished();

	/* The clock was set back: how old they are isn't known. */
	shift_ns = 0;
	SCRIPT(USUAL);
	assert_int_equal(read_prices(false, &p), 0);
	finished();
	is_usual(&p);
}

static void
damaged_and_foreign_files_are_asked_anew(void **state)
{
	struct ec2_prices p;

	(void)state;
	SCRIPT(USUAL);
	assert_int_equal(read_prices(false, &p), 0);
	each_file(damage);
	SCRIPT(USUAL);
	assert_int_equal(read_prices(false, &p), 0);
	finished();
	is_usual(&p);
	/* Another endpoint's are others. */
	setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1);
	SCRIPT(USUAL);
	assert_int_equal(read_prices(false, &p), 0);
	finished();
	assert_int_equal(each_file(NULL), 8);
}

static void
stale_ones_when_new_ones_cannot_be_had(void **state)
{
	struct ec2_prices p;

	(void)state;
	SCRIPT(USUAL);
	assert_int_equal(read_prices(false, &p), 0);
	shift_ns = 5 * HOUR_NS;
	SCRIPT({GET, .code = "AccessDeniedException"},
		{GET, .body = PAGE(NULL, disk("0.0900000000"))},
		{GET, .code = "AccessDeniedException"}, {SPOT, .code = "UnauthorizedOperation"});
	assert_int_equal(read_prices(false, &p), 0);
	finished();
	assert_int_equal(p.n, 4);
	assert_true(p.on_demand && p.spot && p.disk);
	assert_true(fabs(p.disk_gib_month_usd - 0.09) < 1e-9);
	assert_string_equal(p.missing.p,
		"on-demand prices of us-east-2 cannot be had: ec2 " GET
		": AccessDeniedException: words; those of 5 hours ago are used; "
		"nor can the price of public addresses; "
		"spot prices of us-east-2 cannot be had: ec2 " SPOT
		": UnauthorizedOperation: words; those of 5 hours ago are used");
}

static void
nothing_can_be_had(void **state)
{
	struct ec2_prices p;

	(void)state;
	SCRIPT({GET, .code = "AccessDeniedException"},
		{GET, .body = PAGE(NULL, disk("0.0000000000"))},
		{GET, .body = "{\"PriceList\":[]}"}, {SPOT, .code = "UnauthorizedOperation"});
	assert_int_equal(read_prices(false, &p), 0);
	finished();
	assert_int_equal(p.n, 0);
	assert_false(p.on_demand || p.spot || p.disk);
	assert_int_equal(p.read_wall_ns, 0);
	assert_true(fabs(p.disk_gib_month_usd - PRICE_DISK_ASSUMED_USD) < 1e-9);
	assert_true(fabs(p.address_hourly_usd - PRICE_ADDRESS_ASSUMED_USD) < 1e-9);
	assert_string_equal(p.missing.p,
		"on-demand prices of us-east-2 cannot be had: ec2 " GET
		": AccessDeniedException: words; "
		"the price of disks of us-east-2 cannot be had: 1 is not believed: gp3: "
		"'0.0000000000' USD: it is 0: 0.08 USD a GiB and month is assumed; "
		"the price of public addresses of us-east-2 cannot be had: AWS's list has none for "
		"this region: 0.005 USD an hour is assumed; "
		"spot prices of us-east-2 cannot be had: ec2 " SPOT
		": UnauthorizedOperation: words");
	assert_int_equal(each_file(NULL), 0);
	SCRIPT({GET, .code = "Stopped", .rc = ERR_CANCELLED},
		{GET, .code = "Stopped", .rc = ERR_CANCELLED},
		{GET, .code = "Stopped", .rc = ERR_CANCELLED},
		{SPOT, .code = "Stopped", .rc = ERR_CANCELLED});
	assert_int_equal(read_prices(false, &p), ERR_CANCELLED);
}

static void
doubts_are_kept_as_well(void **state)
{
	static const char told[] =
		"on-demand prices of us-east-2: 1 is not believed: c5.large: '0' USD: it is 0";
	struct ec2_prices p;

	(void)state;
	SCRIPT({GET, .body = PAGE(NULL, machine("m5.large", "0.096"), machine("c5.large", "0"))},
		{GET, .body = PAGE(NULL, disk("0.08"))},
		{GET, .body = PAGE(NULL, address("PublicIPv4:InUseAddress", "0.005"))},
		{SPOT, .body = HISTORY(ITEM("m5.large", "us-east-2a", L, "0.03", T1), "")});
	assert_int_equal(read_prices(false, &p), 0);
	assert_string_equal(p.missing.p, told);
	SCRIPT({.action = "none"});
	assert_int_equal(read_prices(false, &p), 0);
	assert_string_equal(p.missing.p, told);
	assert_int_equal(p.n, 2);
}

/* --- offerings */

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

/* --- interruptions */

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
		cmocka_unit_test(asks_for_a_whole_region_in_pages),
		cmocka_unit_test(asks_where_the_list_is_answered),
		cmocka_unit_test(what_cannot_be_a_price_is_left_out_and_told),
		cmocka_unit_test(no_terms_and_two_prices),
		cmocka_unit_test(the_first_few_doubts_stand_for_all),
		cmocka_unit_test(other_places_and_wares_are_passed_over),
		cmocka_unit_test(answers_that_are_none),
		cmocka_unit_test(the_newest_spot_price_holds),
		cmocka_unit_test(bad_spot_prices),
		cmocka_unit_test(the_recorded_region),
		cmocka_unit_test_setup_teardown(reads_all_and_keeps_it, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(
			damaged_and_foreign_files_are_asked_anew, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(
			stale_ones_when_new_ones_cannot_be_had, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(nothing_can_be_had, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(doubts_are_kept_as_well, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(offerings_by_zone, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(interruptions, make_cache, drop_cache),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
