/* ranges: lists of numbers there and back, cut, and refused. */
#include "planner/ranges.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
test_ranges(void **state)
{
	static const struct {
		uint32_t v[8];
		size_t n, max;
		const char *text;
	} cases[] = {
		{{0}, 0, 0, ""},
		{{7}, 1, 0, "7"},
		{{0, 1}, 2, 0, "0,1"},
		{{0, 1, 2}, 3, 0, "0..2"},
		{{0, 1, 2, 3, 7}, 5, 0, "0..3,7"},
		{{1, 3, 5, 7, 9}, 5, 0, "1,3,5,7,9"},
		{{1, 3, 5, 7, 9}, 5, 13, "1,3,5,7,9"},
		{{1, 3, 5, 7, 9}, 5, 9, "1,3,5,..."},
		{{1, 3, 5, 7, 9}, 5, 8, "1,3,..."},
		{{1, 3, 5, 7, 9}, 5, 1, "1,..."},
		{{10, 11, 12, 99999}, 4, 0, "10..12,99999"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = {0};
		uint8_t set[16];

		ranges_add(&b, cases[i].v, cases[i].n, cases[i].max);
		assert_string_equal(buf_cstr(&b), cases[i].text);
		if (cases[i].max == 0 && cases[i].n && cases[i].v[cases[i].n - 1] < 16) {
			size_t n = 0;

			assert_true(ranges_parse(buf_str(&b), set, 16));
			for (uint32_t k = 0; k < 16; k++)
				n += set[k];
			assert_int_equal(n, cases[i].n);
			for (size_t k = 0; k < cases[i].n; k++)
				assert_int_equal(set[cases[i].v[k]], 1);
		}
		buf_free(&b);
	}
}

static void
test_bad_ranges(void **state)
{
	static const char *const bad[] = {",", "1,", ",1", "a", "1..", "1..1", "2..1", "1...2",
		"01", "16", "0..16", "1,1", "3,2", "1..3,3", "-1", "+1", " 1", "1 ", "1.2", "1,...",
		"99999999999999999999"};
	uint8_t set[16];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (ranges_parse(str_from(bad[i]), set, 16))
			fail_msg("'%s' was taken", bad[i]);
	}
	assert_true(ranges_parse(STR(""), set, 0));
	assert_false(ranges_parse(STR("0"), set, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_bad_ranges),
	};

	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
