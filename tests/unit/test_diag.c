/* diag: order, what is dropped, and how a place is shown. */
#include "planner/diag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct str text;

static struct str
source(void *ctx, struct str file)
{
	(void)ctx;
	return str_is(file, "gone") ? (struct str){0} : text;
}

static struct pos
at(uint32_t line, uint32_t col, uint32_t len)
{
	return (struct pos){.file = STR("f"), .line = line, .col = col, .len = len};
}

static void
shows(struct pos pos, const char *hint, const char *message, const char *want)
{
	struct arena a = {0};
	struct diagnostics d = {.arena = &a};
	struct buf b = {0};

	diag_add(&d, DIAG_ERROR, pos, str_from(hint), "%s", message);
	diag_render(&b, &d.v[0], source, NULL);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
	arena_free(&a);
}

static void
caret(void **state)
{
	(void)state;
	text = STR("a: 1\n  memory: 16Gb\nlast");
	shows(at(2, 11, 4), "did you mean '16GiB'?", "no size",
		"f:2:11: error: no size; did you mean '16GiB'?\n"
		"    2 |   memory: 16Gb\n"
		"      |           ^~~~\n");
	/* Without a length, the word there. */
	shows(at(2, 3, 0), NULL, "m",
		"f:2:3: error: m\n    2 |   memory: 16Gb\n      |   ^~~~~~\n");
	shows(at(3, 1, 99), NULL, "m", "f:3:1: error: m\n    3 | last\n      | ^~~~\n");
	/* Places that are not there show what there is. */
	shows(at(3, 99, 5), NULL, "m", "f:3:99: error: m\n    3 | last\n      |     ^\n");
	shows(at(9, 1, 1), NULL, "m", "f:9:1: error: m\n");
	shows(at(0, 0, 0), NULL, "m", "f: error: m\n");
	shows((struct pos){.file = STR("gone"), .line = 1, .col = 1}, NULL, "m",
		"gone:1:1: error: m\n");
}

static void
odd_characters(void **state)
{
	(void)state;
	text = STR("\tk: \x1b[31mred\x80 \xe2\x80\xae"
		   "x\r\n");
	shows(at(1, 2, 1), NULL,
		"a\x1b"
		"b\nc",
		"f:1:2: error: a?b?c\n    1 |  k: ?[31mred? ?x\n      |  ^\n");
	/* Columns are bytes, carets are characters: wide ones take two. */
	text = STR("\xc3\xa4\xe6\x97\xa5: x");
	shows(at(1, 8, 1), NULL, "m",
		"f:1:8: error: m\n    1 | \xc3\xa4\xe6\x97\xa5: x\n      |      ^\n");
	text = STR("\xef\xbb\xbfk: x");
	shows(at(1, 4, 1), NULL, "m", "f:1:4: error: m\n    1 | k: x\n      |    ^\n");
}

static void
long_lines(void **state)
{
	struct arena a = {0};
	struct diagnostics d = {.arena = &a};
	struct buf b = {0}, line = {0};
	const char *p;

	(void)state;
	for (int i = 0; i < 500; i++)
		buf_add_cstr(&line, i == 250 ? "BAD" : "x");
	text = buf_str(&line);
	diag_add(&d, DIAG_WARNING, at(1, 251, 3), (struct str){0}, "m");
	diag_render(&b, &d.v[0], source, NULL);
	p = strchr(buf_cstr(&b), '\n') + 1;
	assert_non_null(strstr(p, "    1 | \xe2\x80\xa6xxx"));
	assert_non_null(strstr(p, "BADxxx"));
	assert_non_null(strstr(p, "x\xe2\x80\xa6\n"));
	assert_true(strchr(p, '\n') - p < 110);
	/* The caret stands below the word: the mark before it is three bytes and one column. */
	assert_int_equal(
		strstr(p, "BAD") - p - 2, strchr(strchr(p, '\n'), '^') - strchr(p, '\n') - 1);
	buf_free(&b);
	buf_free(&line);
	arena_free(&a);
}

static void
order_and_limits(void **state)
{
	struct arena a = {0};
	struct diagnostics d = {.arena = &a};
	struct pos other = {.file = STR("e"), .line = 9, .col = 9};

	(void)state;
	diag_add(&d, DIAG_ERROR, at(2, 1, 0), (struct str){0}, "third");
	diag_add(&d, DIAG_WARNING, at(1, 5, 0), (struct str){0}, "second");
	diag_add(&d, DIAG_ERROR, at(2, 1, 0), (struct str){0}, "fourth");
	diag_add(&d, DIAG_ERROR, other, (struct str){0}, "first");
	diag_add(&d, DIAG_ERROR, at(2, 1, 0), (struct str){0}, "third");
	diag_sort(&d);
	assert_int_equal(d.n, 4);
	assert_int_equal(d.n_errors, 3);
	assert_int_equal(d.n_warnings, 1);
	assert_true(str_is(d.v[0].message, "first"));
	assert_true(str_is(d.v[1].message, "second"));
	assert_true(str_is(d.v[2].message, "third"));
	assert_true(str_is(d.v[3].message, "fourth"));
	for (uint32_t i = 0; i < 200; i++)
		diag_add(&d, DIAG_ERROR, at(10 + i, 1, 0), (struct str){0}, "m");
	assert_int_equal(d.n, DIAG_MAX);
	assert_int_equal(d.n_errors, 203);
	arena_free(&a);
}

static void
quoting(void **state)
{
	char out[DIAG_QUOTE_BYTES];
	char longer[100];

	(void)state;
	assert_string_equal(diag_quote(out, STR("a b")), "'a b'");
	assert_string_equal(diag_quote(out, (struct str){0}), "''");
	memset(longer, 'x', sizeof(longer));
	memcpy(longer + 59, "\xc3\xa4", 2); /* not cut in two */
	diag_quote(out, (struct str){.p = longer, .n = sizeof(longer)});
	assert_int_equal(strlen(out), 1 + 59 + 3 + 1);
	assert_true(str_is_utf8(str_from(out)));
}

static void
json(void **state)
{
	struct diagnostic d = {
		.severity = DIAG_WARNING, .pos = at(3, 4, 1), .message = STR("a \"b\"")};
	struct buf b = {0};

	(void)state;
	diag_render_json(&b, &d);
	assert_string_equal(buf_cstr(&b),
		"{\"severity\":\"warning\",\"file\":\"f\",\"line\":3,\"column\":4,"
		"\"message\":\"a \\\"b\\\"\",\"hint\":null}");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(caret),
		cmocka_unit_test(odd_characters),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(order_and_limits),
		cmocka_unit_test(quoting),
		cmocka_unit_test(json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
