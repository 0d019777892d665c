/* units: what is read, what is refused, and what is proposed then. */
#include "planner/base/clock.h"
#include "planner/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define GIB (INT64_C(1) << 30)
#define MIB (INT64_C(1) << 20)

static void
duration_is(const char *text, int64_t want_ns)
{
	struct unit_problem why;
	int64_t ns = -1;

	if (!units_duration(str_from(text), &ns, &why))
		fail_msg("%s: %s", text, why.message);
	assert_int_equal(ns, want_ns);
}

static void
refused(bool taken, const struct unit_problem *why, const char *text, const char *part,
	const char *proposal)
{
	if (taken)
		fail_msg("'%s' was taken", text);
	if (!strstr(why->message, part))
		fail_msg("'%s': \"%s\" lacks \"%s\"", text, why->message, part);
	assert_string_equal(why->proposal, proposal);
}

static void
duration_refused(const char *text, const char *part, const char *proposal)
{
	struct unit_problem why;
	int64_t ns;

	refused(units_duration(str_from(text), &ns, &why), &why, text, part, proposal);
}

static void
durations(void **state)
{
	(void)state;
	duration_is("0", 0);
	duration_is("10m", 600 * NS_PER_S);
	duration_is("1h30m", 5400 * NS_PER_S);
	duration_is("5s", 5 * NS_PER_S);
	duration_is("500ms", 500 * NS_PER_MS);
	duration_is("1.5h", 5400 * NS_PER_S);
	duration_is("0.001s", NS_PER_MS);
	duration_is("1m0.5s", 60 * NS_PER_S + 500 * NS_PER_MS);
	duration_is("2d", 2 * 86400 * NS_PER_S);
	duration_is("36500d", INT64_C(36500) * 86400 * NS_PER_S);
	duration_is("0s", 0);
}

static void
durations_refused(void **state)
{
	(void)state;
	duration_refused("", "'' is no duration; expected numbers with units", "");
	duration_refused("90", "'90' is no duration", "90s");
	duration_refused("10 m", "is no duration", "10m");
	duration_refused("10min", "is no duration", "10m");
	duration_refused("2 hours", "is no duration", "2h");
	duration_refused("1 Hour 30 Minutes", "is no duration", "1h30m");
	duration_refused("10M", "is no duration", "10m");
	duration_refused("30m1h", "is no duration", "");
	duration_refused("1m1m", "is no duration", "");
	duration_refused("1.5h30m", "is no duration", "");
	duration_refused("-5m", "'-5m' is negative", "");
	duration_refused("-", "is no duration", "");
	duration_refused("5x", "is no duration", "");
	duration_refused("m", "is no duration", "");
	duration_refused("1.s", "is no duration", "");
	duration_refused(".5s", "is no duration", "");
	duration_refused("1e3s", "is no duration", "");
	duration_refused("010m", "is no duration", "");
	duration_refused("36501d", "is too large", "");
	duration_refused("99999999999999999999s", "is too large", "");
	duration_refused("9223372036854775807d", "is too large", "");
	duration_refused("soon", "is no duration", "");
}

static void
sizes(void **state)
{
	struct unit_problem why;
	int64_t bytes;

	(void)state;
	assert_true(units_size(STR("16GiB"), &bytes, &why));
	assert_int_equal(bytes, 16 * GIB);
	assert_true(units_size(STR("1.5GiB"), &bytes, &why));
	assert_int_equal(bytes, 3 * GIB / 2);
	assert_true(units_size(STR("1KiB"), &bytes, &why));
	assert_int_equal(bytes, 1024);
	assert_true(units_size(STR("8388607TiB"), &bytes, &why));
	assert_true(units_rate(STR("300MiB/s"), &bytes, &why));
	assert_int_equal(bytes, 300 * MIB);
}

static void
size_refused(const char *text, const char *part, const char *proposal)
{
	struct unit_problem why;
	int64_t bytes;

	refused(units_size(str_from(text), &bytes, &why), &why, text, part, proposal);
}

static void
sizes_refused(void **state)
{
	struct unit_problem why;
	int64_t n;

	(void)state;
	size_refused("16Gb",
		"'16Gb' is no size; expected a number with a unit of KiB, MiB, GiB or TiB",
		"16GiB");
	size_refused("16GB", "is no size", "16GiB");
	size_refused("16G", "is no size", "16GiB");
	size_refused("16gib", "is no size", "16GiB");
	size_refused("16 GiB", "is no size", "16GiB");
	size_refused("512m", "is no size", "512MiB");
	size_refused("2 terabytes", "is no size", "");
	size_refused("16", "is no size", "16GiB");
	size_refused("17179869184", "is no size", "16GiB");
	size_refused("536870912", "is no size", "512MiB");
	size_refused("16PiB", "is no size", "");
	size_refused("GiB", "is no size", "");
	size_refused("-1GiB", "is negative", "");
	size_refused("0GiB", "is too small", "");
	size_refused("0.0000001KiB", "is too small", "");
	size_refused("8388608TiB", "is too large", "");
	size_refused("99999999999999999999GiB", "is too large", "");
	size_refused("1..2GiB", "is no size", "");
	size_refused("a very long text that is no size at all, and that a message must not repeat "
		     "as a whole",
		"that a message …' is no size", "");
	refused(units_rate(STR("300MB/s"), &n, &why), &why, "300MB/s", "is no rate", "300MiB/s");
	refused(units_rate(STR("300MiB"), &n, &why), &why, "300MiB", "is no rate", "300MiB/s");
	refused(units_rate(STR("/s"), &n, &why), &why, "/s", "is no rate", "");
}

static void
range_is(bool taken, const struct unit_problem *why, struct range r, int64_t min, int64_t max)
{
	if (!taken)
		fail_msg("%s", why->message);
	assert_int_equal(r.min, min);
	assert_int_equal(r.max, max);
}

static void
ranges(void **state)
{
	struct unit_problem why;
	struct range r;

	(void)state;
	range_is(units_count_range(STR("4"), 1, &r, &why), &why, r, 4, 4);
	range_is(units_count_range(STR("4+"), 1, &r, &why), &why, r, 4, INT64_MAX);
	range_is(units_count_range(STR("4..8"), 1, &r, &why), &why, r, 4, 8);
	range_is(units_count_range(STR("4..4"), 1, &r, &why), &why, r, 4, 4);
	range_is(units_size_range(STR("16GiB"), &r, &why), &why, r, 16 * GIB, 16 * GIB);
	range_is(units_size_range(STR("16GiB+"), &r, &why), &why, r, 16 * GIB, INT64_MAX);
	range_is(units_size_range(STR("512MiB..1.5GiB"), &r, &why), &why, r, 512 * MIB, 1536 * MIB);
}

static void
range_refused(const char *text, const char *part, const char *proposal)
{
	struct unit_problem why;
	struct range r;

	refused(units_count_range(str_from(text), 1, &r, &why), &why, text, part, proposal);
}

static void
size_range_refused(const char *text, const char *part, const char *proposal)
{
	struct unit_problem why;
	struct range r;

	refused(units_size_range(str_from(text), &r, &why), &why, text, part, proposal);
}

static void
ranges_refused(void **state)
{
	(void)state;
	range_refused("0..", "is no count", "");
	range_refused("4-8", "is no count; expected a whole number, or a range", "4..8");
	range_refused(">=4", "is no count", "4+");
	range_refused("4..", "is no count", "4+");
	range_refused("4...8", "is no count", "4..8");
	range_refused("4 .. 8", "is no count", "4..8");
	range_refused("8..4", "ends before it begins", "");
	range_refused("0", "is too small", "");
	range_refused("-4", "is negative", "");
	range_refused("2.5", "is no count", "");
	range_refused("..", "is no count", "");
	range_refused("+", "is no count", "");
	range_refused("", "is no count", "");
	range_refused("four", "is no count", "");
	range_refused("99999999999999999999", "is too large", "");
	size_range_refused("16Gb+", "is no size", "16GiB+");
	size_range_refused("8..32GB", "is no size", "8GiB..32GiB");
	size_range_refused(">= 16GB", "is no size", "16GiB+");
	size_range_refused("32GiB..8GiB", "ends before it begins", "");
}

static void
money(void **state)
{
	struct unit_problem why;
	double usd;

	(void)state;
	assert_true(units_money(STR("0.50"), &usd, &why));
	assert_true(usd > 0.499999 && usd < 0.500001);
	assert_true(units_money(STR("5"), &usd, &why));
	assert_true(usd > 4.999999 && usd < 5.000001);
	assert_true(units_money(STR("0.000001"), &usd, &why));
	refused(units_money(STR("$5"), &usd, &why), &why, "$5", "is no amount of money", "5");
	refused(units_money(STR("5 USD"), &usd, &why), &why, "5 USD", "is no amount of money", "5");
	refused(units_money(STR("1,50"), &usd, &why), &why, "1,50", "is no amount of money",
		"1.50");
	refused(units_money(STR(".5"), &usd, &why), &why, ".5", "is no amount of money", "0.5");
	refused(units_money(STR("-1"), &usd, &why), &why, "-1", "is negative", "");
	refused(units_money(STR("nan"), &usd, &why), &why, "nan", "is no amount of money", "");
	refused(units_money(STR("1e3"), &usd, &why), &why, "1e3", "is no amount of money", "");
	refused(units_money(STR("0.0000001"), &usd, &why), &why, "0.0000001", "is no amount", "");
	refused(units_money(STR("1000000001"), &usd, &why), &why, "1000000001", "is too large", "");
}

static void
counts(void **state)
{
	struct unit_problem why;
	int64_t n;

	(void)state;
	assert_true(units_count(STR("100000"), 1, 100000, &n, &why));
	assert_int_equal(n, 100000);
	refused(units_count(STR("100001"), 1, 100000, &n, &why), &why, "100001",
		"is too large; expected a whole number from 1 to 100000", "");
	refused(units_count(STR("0"), 1, INT64_MAX, &n, &why), &why, "0",
		"a whole number of 1 or more", "");
	refused(units_count(STR("-3"), 1, 5, &n, &why), &why, "-3", "is too small", "");
	refused(units_count(STR("1_000"), 1, 5000, &n, &why), &why, "1_000", "is no whole number",
		"1000");
	refused(units_count(STR("1,000"), 1, 5000, &n, &why), &why, "1,000", "is no whole number",
		"1000");
	refused(units_count(STR("010"), 1, 50, &n, &why), &why, "010", "is no whole number", "10");
	refused(units_count(STR("5.0"), 1, 50, &n, &why), &why, "5.0", "is no whole number", "5");
	refused(units_count(STR("+5"), 1, 50, &n, &why), &why, "+5", "is no whole number", "5");
	refused(units_count(STR("0x10"), 1, 50, &n, &why), &why, "0x10", "is no whole number", "");
	refused(units_count(STR("9,999"), 1, 50, &n, &why), &why, "9,999", "is no whole number",
		"");
	refused(units_count(STR("99999999999999999999"), 1, 50, &n, &why), &why, "", "is too large",
		"");
	refused(units_count(STR("-99999999999999999999"), 1, 50, &n, &why), &why, "",
		"is too small", "");
}

static void
the_other_way(void **state)
{
	static const char *const durations_text[] = {"1h30m", "500ms", "2d", "1m1s", "10m"};
	struct arena a = {0};
	struct unit_problem why;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		int64_t ns;

		assert_true(units_duration(str_from(durations_text[i]), &ns, &why));
		assert_string_equal(units_format_duration(&a, ns).p, durations_text[i]);
	}
	assert_string_equal(units_format_duration(&a, 0).p, "0");
	assert_string_equal(units_format_size(&a, 16 * GIB).p, "16GiB");
	assert_string_equal(units_format_size(&a, 3 * GIB / 2).p, "1.5GiB");
	assert_string_equal(units_format_size(&a, 100).p, "100 bytes");
	assert_string_equal(units_format_range(&a, (struct range){4, INT64_MAX}).p, "4+");
	assert_string_equal(units_format_range(&a, (struct range){4, 8}).p, "4..8");
	assert_string_equal(units_format_range(&a, (struct range){4, 4}).p, "4");
	arena_free(&a);
}

/* A proposal is always something that the reader takes. */
static void
proposals_are_taken(void **state)
{
	static const char alphabet[] = "019.-+: GibmMsh/";
	unsigned seed = 12345;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		struct unit_problem why;
		struct range range;
		char text[10];
		struct str s = {.p = text, .n = 0};
		int64_t n;

		seed = seed * 1103515245u + 12345u;
		s.n = (seed >> 16) % sizeof(text);
		for (size_t i = 0; i < s.n; i++) {
			seed = seed * 1103515245u + 12345u;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		if (!units_duration(s, &n, &why) && why.proposal[0])
			assert_true(units_duration(str_from(why.proposal), &n, &why));
		if (!units_size_range(s, &range, &why) && why.proposal[0])
			assert_true(units_size_range(str_from(why.proposal), &range, &why));
		if (!units_count_range(s, 0, &range, &why) && why.proposal[0])
			assert_true(units_count_range(str_from(why.proposal), 0, &range, &why));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(durations_refused),
		cmocka_unit_test(sizes),
		cmocka_unit_test(sizes_refused),
		cmocka_unit_test(ranges),
		cmocka_unit_test(ranges_refused),
		cmocka_unit_test(money),
		cmocka_unit_test(counts),
		cmocka_unit_test(the_other_way),
		cmocka_unit_test(proposals_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
