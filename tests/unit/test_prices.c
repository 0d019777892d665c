/* prices: all that is asked for a region, what is kept of it for how long, and what is used and said when
 * new ones cannot be had. */
#include "tests/unit/prices_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_all_and_keeps_it, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(
			damaged_and_foreign_files_are_asked_anew, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(
			stale_ones_when_new_ones_cannot_be_had, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(nothing_can_be_had, make_cache, drop_cache),
		cmocka_unit_test_setup_teardown(doubts_are_kept_as_well, make_cache, drop_cache),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
