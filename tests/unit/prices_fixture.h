/* prices_fixture: what the price list and the spot history answer, a clock that runs ahead, and a folder for
 * what is kept. */
#ifndef FURROW_TEST_PRICES_FIXTURE_H
#define FURROW_TEST_PRICES_FIXTURE_H

#include "tests/unit/ec2_fixture.h"

#include "planner/base/json.h"
#include "providers/aws/prices_parts.h"
#include "providers/parallel.h"
#include "providers/store/io.h"

#include <dirent.h>
#include <math.h>
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

static inline int64_t
shifted_wall(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec + shift_ns;
}

static inline int64_t
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

static inline struct str
held(struct buf *b)
{
	struct str s = arena_str(&service.arena, buf_str(b));

	buf_free(b);
	return s;
}

/* A product of the list; more: further attributes ("\"a\":\"b\","). price: of pricePerUnit. */
static inline struct str
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

static inline struct str
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

static inline struct str
machine(const char *type, const char *usd)
{
	return machine_priced(type, "Hrs", arena_printf(&service.arena, "{\"USD\":\"%s\"}", usd).p);
}

static inline struct str
disk(const char *usd)
{
	return product("\"productFamily\":\"Storage\",",
		"\"volumeApiName\":\"gp3\",\"usagetype\":\"USE2-EBS:VolumeUsage.gp3\",", "GB-Mo",
		arena_printf(&service.arena, "{\"USD\":\"%s\"}", usd).p);
}

static inline struct str
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

static inline const char *
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

static inline struct price_finding
finding(void)
{
	return (struct price_finding){.arena = &service.arena};
}

static inline void
believed(const struct price_finding *f, size_t i, const char *type, double usd)
{
	const struct ec2_price *row = &((const struct ec2_price *)f->rows.v)[i];

	assert_true(i < f->rows.n);
	assert_string_equal(row->type.p, type);
	assert_true(fabs(row->hourly_usd - usd) < 1e-9);
}

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

static char cache[] = "/tmp/furrow-test-prices-XXXXXX";

static inline int
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

static inline size_t
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

static inline void
remove_file(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

static inline int
drop_cache(void **state)
{
	(void)state;
	each_file(remove_file);
	return rmdir(cache);
}

#endif
