/* Tests of lines that are wider than the terminal. */
#include "cmd/furrow/wrap.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
lines_are_broken(void **state)
{
	static const struct {
		size_t columns;
		const char *text, *wrapped;
	} cases[] = {
		{40, "", ""},
		{40, "short\n\n  + as well\n", "short\n\n  + as well\n"},
		{20, "no newline at all, but long", "no newline at all,\n  but long"},
		{20, "exactly twenty wide!\n", "exactly twenty wide!\n"},
		{20, "a blank at the end. \n", "a blank at the end. \n"},
		/* What goes on stands below its text. */
		{24, "  + id[0]  launch c5a.large in us-east-2c\n",
			"  + id[0]  launch\n           c5a.large in\n           us-east-2c\n"},
		{24, "row    one two three four five six\n",
			"row    one two three\n       four five six\n"},
		{24, "               one two three four\n",
			"               one two\n  three four\n"},
		/* Two blanks that stand too far to the right are no column. */
		{20, "one two three fou  five six\n", "one two three fou\n  five six\n"},
		{12, "s3://a-bucket/of/a/long/name is long\n",
			"s3://a-bucket/of/a/long/name\n  is long\n"},
		{12, "in s3://a-bucket/of/a/long/name\n", "in s3://a-bucket/of/a/long/name\n"},
		/* Colours and the bytes of one character. */
		{12, "\033[1mten of it\033[0m up\n", "\033[1mten of it\033[0m up\n"},
		{12, "\033[1mten of it\033[0m up so\n", "\033[1mten of it\033[0m up\n  so\n"},
		{12, "äöüäöüäöü äö\n", "äöüäöüäöü äö\n"},
		/* What a program said is not ours. */
		{12, "    | as it was written, to the letter\n",
			"    | as it was written, to the letter\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = {0};

		wrap_add(&b, str_from(cases[i].text), cases[i].columns);
		assert_string_equal(buf_cstr(&b), cases[i].wrapped);
		buf_free(&b);
	}
}

static void
not_on_a_pipe(void **state)
{
	struct buf b = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_add_cstr(&b, "wide ");
	wrap_for(&b, -1);
	assert_int_equal(b.n, 500);
	assert_null(memchr(b.p, '\n', b.n));
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_broken),
		cmocka_unit_test(not_on_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
