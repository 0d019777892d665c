/* Tests of what people read: durations, sizes, ages, bytes that came from elsewhere; and of reading help texts and spans. */
#include "cmd/furrow/command.h"
#include "cmd/furrow/help_text.h"
#include "cmd/furrow/text.h"
#include "cmd/furrow/trace.h"
#include "planner/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void
durations(void **state)
{
	static const struct {
		int64_t ns;
		const char *text, *elapsed;
	} cases[] = {
		{-1, "-", "0 s"},
		{0, "0.0 ms", "0 s"},
		{400000, "0.4 ms", "0 s"},
		{10 * NS_PER_MS, "10 ms", "0 s"},
		{999 * NS_PER_MS + 999999, "999 ms", "0 s"},
		{NS_PER_S, "1.0 s", "1 s"},
		{34 * NS_PER_S + 290 * NS_PER_MS, "34.2 s", "34 s"},
		{100 * NS_PER_S - 1, "99.9 s", "99 s"},
		{100 * NS_PER_S, "1m 40s", "1m 40s"},
		{725 * NS_PER_S, "12m 05s", "12m 05s"},
		{6000 * NS_PER_S, "1h 40m", "1h 40m"},
		{172800 * NS_PER_S, "2d 00h", "2d 00h"},
		{INT64_MAX, "106751d 23h", "106751d 23h"},
	};
	char text[TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(text_duration(text, cases[i].ns), cases[i].text);
		assert_string_equal(text_elapsed(text, cases[i].ns), cases[i].elapsed);
	}
}

static void
sizes(void **state)
{
	char text[TEXT_BYTES];

	(void)state;
	assert_string_equal(text_bytes(text, -1), "-");
	assert_string_equal(text_bytes(text, 0), "0 B");
	assert_string_equal(text_bytes(text, 1023), "1023 B");
	assert_string_equal(text_bytes(text, 1024), "1.0 KiB");
	assert_string_equal(text_bytes(text, 1024 * 1024 - 1), "1.0 MiB");
	assert_string_equal(text_bytes(text, INT64_C(512) << 30), "512 GiB");
	assert_string_equal(text_bytes(text, INT64_MAX), "8.0 EiB");
}

static void
ages(void **state)
{
	char text[TEXT_BYTES];

	(void)state;
	assert_string_equal(text_ago(text, -5), "just now");
	assert_string_equal(text_ago(text, NS_PER_S), "1 second ago");
	assert_string_equal(text_ago(text, 59 * NS_PER_S), "59 seconds ago");
	assert_string_equal(text_ago(text, 3600 * NS_PER_S), "1 hour ago");
	assert_string_equal(text_ago(text, 40 * 86400 * NS_PER_S), "40 days ago");
}

static void
is_safe(struct str in, size_t columns, const char *want)
{
	struct buf b = {0};

	text_add_safe(&b, in, columns);
	assert_string_equal(buf_cstr(&b), want);
	if (columns)
		assert_true(text_columns(buf_str(&b)) <= columns);
	buf_free(&b);
}

static void
foreign_bytes(void **state)
{
	(void)state;
	is_safe(STR("plain"), 0, "plain");
	is_safe(STR(""), 5, "");
	is_safe((struct str){0}, 5, "");
	is_safe(STR("a\033[2Jb\r\n\tc\x7f\0d"), 0, "a?[2Jb?? c??d");
	is_safe(STR("\xc2\x9b"
		    "2J"),
		0, "??2J"); /* CSI as one character */
	is_safe(STR("\xff\xfe"), 0, "??");
	is_safe(STR("\xe2\x82"), 0, "??");
	is_safe(STR("gr\xc3\xb6\xc3\x9f"), 4, "gr\xc3\xb6\xc3\x9f");
	is_safe(STR("gr\xc3\xb6\xc3\x9f"
		    "er"),
		5, "gr...");
	is_safe(STR("abcdef"), 6, "abcdef");
	is_safe(STR("abcdef"), 5, "ab...");
	is_safe(STR("abcdef"), 3, "abc");
	is_safe(STR("abcdef"), 1, "a");
}

static void
last_lines(void **state)
{
	(void)state;
	assert_true(str_is(text_last_lines(STR("a\nb\nc\n"), 2), "b\nc"));
	assert_true(str_is(text_last_lines(STR("a\nb\nc"), 5), "a\nb\nc"));
	assert_true(str_is(text_last_lines(STR("a\n\n\n"), 1), "a"));
	assert_true(str_is(text_last_lines(STR("\n\n"), 1), ""));
	assert_true(str_is(text_last_lines(STR(""), 1), ""));
}

static void
help_options_are_read(void **state)
{
	const char *at = help_options(
		"usage: x\n\nOptions:\n  -j, --jobs N   so many\n      --json     all of it\n"
		"                 in one line\n  -m, --manifest FILE  it\n      "
		"--bare\n\nEnvironment:\n"
		"  --no\n");
	struct help_option o;

	(void)state;
	assert_true(help_next(&at, &o));
	assert_int_equal(o.letter, 'j');
	assert_true(str_is(o.name, "jobs") && str_is(o.value, "N") && str_is(o.text, "so many"));
	assert_true(help_next(&at, &o));
	assert_int_equal(o.letter, 0);
	assert_true(str_is(o.name, "json") && str_is(o.value, "") && str_is(o.text, "all of it"));
	assert_true(help_next(&at, &o));
	assert_true(str_is(o.name, "manifest") && str_is(o.value, "FILE"));
	assert_true(help_next(&at, &o));
	assert_true(str_is(o.name, "bare") && str_is(o.text, ""));
	assert_false(help_next(&at, &o));
	at = help_options("nothing");
	assert_false(help_next(&at, &o));
}

static void
every_command_helps(void **state)
{
	static const char *const parts[] = {
		"\n\nExamples:\n", "\nOptions:\n", "\nEnvironment:\n", "\nExit codes:\n"};

	(void)state;
	for (const struct command *const *c = commands; *c; c++) {
		const char *at = (*c)->help;
		char usage[64];
		struct help_option o;
		bool help = false;
		int examples = 0;

		snprintf(usage, sizeof(usage), "usage: furrow %s", (*c)->name);
		assert_int_equal(strncmp(at, usage, strlen(usage)), 0);
		for (const char *p = strstr(at, parts[0]) + 1;
			(p = strstr(p, "\n  ")) && p < strstr(at, parts[1]); p++)
			examples++;
		if (examples < 3)
			fail_msg("%s has %d examples", (*c)->name, examples);
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			at = strstr(at, parts[i]);
			assert_non_null(at);
		}
		at = help_options((*c)->help);
		while (help_next(&at, &o))
			help |= str_is(o.name, "help");
		assert_true(help);
		for (const char *line = (*c)->help; *line;) {
			size_t n = strcspn(line, "\n");

			if (n > 82)
				fail_msg("%s: a line of %zu: %.*s", (*c)->name, n, (int)n, line);
			line += n + (line[n] == '\n');
		}
	}
}

static void
spans(void **state)
{
	struct arena a = {0};
	struct trace t;

	(void)state;
	trace_parse(&a, &t,
		STR("{\"name\":\"late\",\"start\":1003,\"end\":1004.5}\n"
		    "{\"name\":\"inner\",\"start\":1001,\"end\":1002}\n"
		    "\n"
		    "{\"name\":\"outer\",\"start\":1000.5,\"end\":1002.5,\"more\":1}\n"
		    "{\"name\":\"ns\",\"start\":1001250000000000000,\"end\":1001250000500000000}"),
		1000 * NS_PER_S);
	assert_int_equal(t.n, 4);
	assert_int_equal(t.n_bad, 0);
	assert_true(str_is(t.v[0].name, "outer") && str_is(t.v[1].name, "inner") &&
		    str_is(t.v[2].name, "late"));
	assert_true(t.v[0].start_ns == NS_PER_S / 2 && t.v[0].end_ns == 5 * NS_PER_S / 2);
	assert_int_equal(t.v[0].depth, 0);
	assert_int_equal(t.v[1].depth, 1);
	assert_int_equal(t.v[2].depth, 0);
	assert_true(t.v[3].end_ns - t.v[3].start_ns == NS_PER_S / 2);
	arena_free(&a);
}

static void
bad_spans(void **state)
{
	struct arena a = {0};
	struct trace t;

	(void)state;
	trace_parse(&a, &t,
		STR("nonsense\n{}\n{\"name\":1,\"start\":1,\"end\":2}\n{\"name\":\"x\",\"start\":3,"
		    "\"end\":2}\n"
		    "{\"name\":\"x\",\"start\":-1,\"end\":2}\n{\"name\":\"x\",\"start\":1e300,"
		    "\"end\":1e301}\n"
		    "{\"name\":\"x\",\"start\":\"1\",\"end\":2}\n[1]\n\x01\xff\n{\"name\":\"torn\","
		    "\"sta"),
		0);
	assert_int_equal(t.n, 0);
	assert_int_equal(t.n_bad, 10);
	trace_parse(&a, &t, (struct str){0}, 0);
	assert_int_equal(t.n, 0);
	arena_free(&a);
}

static void
messages(void **state)
{
	struct buf b = {0};

	(void)state;
	text_add_message(&b, STR("one\n two\033\nthree\n\n"), STR(" (2 attempts)"), "");
	text_add_message(&b, STR("alone"), (struct str){0}, "!");
	text_add_message(&b, STR(""), STR("."), "");
	assert_string_equal(
		buf_cstr(&b), "one (2 attempts)\n    |  two?\n    | three\nalone!\n.\n");
	buf_free(&b);
	assert_true(str_is(text_first_line(STR("a\nb")), "a"));
	assert_null(text_first_line((struct str){0}).p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(ages),
		cmocka_unit_test(foreign_bytes),
		cmocka_unit_test(last_lines),
		cmocka_unit_test(help_options_are_read),
		cmocka_unit_test(every_command_helps),
		cmocka_unit_test(spans),
		cmocka_unit_test(bad_spans),
		cmocka_unit_test(messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
