/* scan: a line of JSON read from front to back. */
#include "planner/execute/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static struct scan
over(const char *text)
{
	return (struct scan){.rest = str_from(text), .arena = &arena};
}

/* Whether a whole line is one value. */
static bool
is_json(const char *text)
{
	struct scan s = over(text);

	scan_skip(&s);
	scan_end(&s);
	return !s.bad;
}

static void
members_in_turn(void **state)
{
	struct scan s =
		over("{ \"a\" : 12,\"b\":\"x\",\"c\":[1, 2,3],\"d\":{},\"e\":[],\"f\":true}");
	struct str key;
	int64_t sum = 0;

	(void)state;
	scan_object(&s);
	assert_true(scan_member(&s, &key) && str_is(key, "a"));
	assert_int_equal(scan_int(&s), 12);
	assert_true(scan_member(&s, &key) && str_is(key, "b"));
	assert_true(str_is(scan_string(&s), "x"));
	assert_true(scan_member(&s, &key) && str_is(key, "c"));
	scan_array(&s);
	while (scan_item(&s))
		sum += scan_count(&s);
	assert_int_equal(sum, 6);
	assert_true(scan_member(&s, &key) && str_is(key, "d"));
	scan_skip(&s);
	assert_true(scan_member(&s, &key) && str_is(key, "e"));
	scan_array(&s);
	assert_false(scan_item(&s));
	assert_true(scan_member(&s, &key) && str_is(key, "f"));
	assert_true(scan_bool(&s));
	assert_false(scan_member(&s, &key));
	scan_end(&s);
	assert_false(s.bad);
}

static void
numbers(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
		bool bad;
	} cases[] = {
		{"0", 0, false},
		{"9223372036854775807", INT64_MAX, false},
		{"-9223372036854775808", INT64_MIN, false},
		{"9223372036854775808", 0, true},
		{"", 0, true},
		{"-", 0, true},
		{"1-2", 0, true},
		{"1.5", 0, true},
		{"1e3", 0, true},
		{"\"1\"", 0, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scan s = over(cases[i].text);

		assert_int_equal(scan_int(&s), cases[i].value);
		assert_int_equal(s.bad, cases[i].bad);
	}
	struct scan s = over("-1");

	assert_int_equal(scan_count(&s), 0);
	assert_true(s.bad);
}

static void
strings(void **state)
{
	static const struct {
		const char *text, *value; /* NULL: bad */
	} cases[] = {
		{"\"\"", ""},
		{"\"plain\"", "plain"},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
		{"\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00.\"",
			"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80."},
		{"\"\\ud83d\"", NULL},
		{"\"\\ud83dx\"", NULL},
		{"\"\\ud83d\\u0041\"", NULL},
		{"\"\\ude00\"", NULL},
		{"\"\\u12\"", NULL},
		{"\"\\u12g4\"", NULL},
		{"\"\\x\"", NULL},
		{"\"open", NULL},
		{"\"open\\\"", NULL},
		{"\"\t\"", NULL},
		{"plain", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scan s = over(cases[i].text);
		struct str got = scan_string(&s);

		assert_int_equal(s.bad, cases[i].value == NULL);
		if (cases[i].value)
			assert_true(str_is(got, cases[i].value));
		else
			assert_null(got.p);
	}
}

static void
what_is_json_and_what_is_not(void **state)
{
	static const char *const good[] = {"{}", "[]", "null", "true", "-1.5e+3", "\"x\"",
		"[1,{\"a\":[null,false]},\"\\u0000\"]", " { \"a\" : [ ] } "};
	static const char *const bad[] = {"", "{", "}", "[", "[1", "[1,]", "[,1]", "[1 2]",
		"{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "nul", "truefalse",
		"1 2", "{}{}", "[}", "{]", "\x01"};
	char deep[100];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!is_json(good[i]))
			fail_msg("%s", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (is_json(bad[i]))
			fail_msg("%s", bad[i]);
	}
	memset(deep, '[', 50);
	memset(deep + 50, ']', 49);
	deep[99] = '\0';
	assert_false(is_json(deep));
}

static void
bad_stays_bad(void **state)
{
	struct scan s = over("{\"a\":x,\"b\":1}");
	struct str key;

	(void)state;
	scan_object(&s);
	assert_true(scan_member(&s, &key));
	assert_int_equal(scan_int(&s), 0);
	assert_true(s.bad);
	assert_false(scan_member(&s, &key));
	assert_false(scan_item(&s));
	assert_int_equal(scan_int(&s), 0);
	assert_null(scan_string(&s).p);
	assert_false(scan_bool(&s));
	scan_end(&s);
	assert_true(s.bad);
}

static int
free_arena(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_in_turn),
		cmocka_unit_test(numbers),
		cmocka_unit_test(strings),
		cmocka_unit_test(what_is_json_and_what_is_not),
		cmocka_unit_test(bad_stays_bad),
	};

	return cmocka_run_group_tests(tests, NULL, free_arena);
}
