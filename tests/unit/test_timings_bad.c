/* timings: everything that is no journal is refused, with its line and a reason. */
#include "tests/unit/journal_fixture.h"

/* A journal with these lines in it is refused at line `at`, with a message that has `like`. */
struct refused {
	const char *ev, *more, *like;
};

static void
lines_that_are_refused(void **state)
{
	static const struct refused cases[] = {
		{"begin", ",\"t\":5,\"span\":\"00000000000000aa\",\"node\":\"task[99]\"",
			"is no node"},
		{"begin", ",\"t\":5,\"span\":\"00000000000000aa\",\"node\":\"tusk\"", "is no node"},
		{"begin", ",\"t\":5,\"span\":\"00000000000000aa\"", "is no node"},
		{"begin", ",\"t\":5,\"span\":\"0000000000000001\",\"node\":\"task[1]\"",
			"its span"},
		{"begin", ",\"t\":5,\"span\":\"xyz\",\"node\":\"task[1]\"", "its span"},
		{"begin", ",\"t\":5,\"span\":\"0000000000000000\",\"node\":\"task[1]\"",
			"its span"},
		{"begin", ",\"t\":5,\"span\":\"00000000000000aa\",\"node\":\"task[0]\"",
			"before the one before"},
		{"begin", ",\"t\":5,\"span\":\"00000000000000aa\",\"node\":\"task[1]\",\"try\":2",
			"follows"},
		{"begin", ",\"t\":5,\"span\":\"00000000000000aa\",\"node\":\"task[1]\",\"ready\":6",
			"ready"},
		{"begin",
			",\"t\":5,\"span\":\"00000000000000aa\",\"node\":\"task[1]\",\"phase\":"
			"\"x\"",
			"phase"},
		{"begin", ",\"t\":1,\"span\":\"00000000000000aa\",\"node\":\"task[1]\"",
			"its time"},
		{"begin", ",\"t\":-5", "no event"},
		{"begin", ",\"t\":\"5\"", "no event"},
		{"begin", ",\"t\":5.5", "no event"},
		{"begin", ",\"n\":-1", "no event"},
		{"begin", ",\"n\":99", "number 99"},
		{"end", ",\"t\":5,\"span\":\"00000000000000aa\",\"st\":\"ok\"", "has the span"},
		{"end", ",\"t\":5,\"st\":\"ok\"", "has the span"},
		{"end", ",\"t\":5,\"span\":\"0000000000000001\",\"st\":\"fine\"",
			"ends as nothing"},
		{"end", ",\"t\":5,\"span\":\"0000000000000001\"", "ends as nothing"},
		{"end", ",\"t\":5,\"span\":\"0000000000000001\",\"st\":\"ok\",\"a\":3", "no event"},
		{"end", ",\"t\":5,\"span\":\"0000000000000001\",\"st\":\"ok\",\"a\":{\"ran\":[1]}",
			"no event"},
		{"end", ",\"t\":5,\"span\":\"0000000000000001\",\"st\":\"ok\",\"a\":{\"cpu\":-1}",
			"no event"},
		{"phase", ",\"t\":5,\"span\":\"0000000000000001\",\"phase\":\"lunch\"", "no phase"},
		{"phase", ",\"t\":5,\"span\":\"0000000000000009\",\"phase\":\"boot\"",
			"has the span"},
		{"intent", ",\"t\":5,\"span\":\"0000000000000009\"", "has the span"},
		{"effect", ",\"t\":5,\"span\":\"0000000000000009\"", "has the span"},
		{"done", ",\"t\":1", "its time"},
		{"node", ",\"id\":\"task[7]\"", "after the first event"},
		{"run", ",\"v\":1,\"run\":\"x\"", "in the middle"},
		{"begin", ",\"t\":5 garbage", "no event"},
	};
	struct fixture *f = *state;
	size_t before;

	node(f, "task[0..1]", ",\"needs\":\"slot\"");
	begin(f, 3, 1, "task[0]", ",\"phase\":\"run\",\"ready\":2,\"why\":\"slot\"");
	before = f->text.n;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->text.n = before;
		f->lines = 3;
		line(f, cases[i].ev, "%s", cases[i].more);
		line(f, "weather", ",\"t\":9");
		assert_int_equal(
			timings_parse(&f->a, &f->t, buf_str(&f->text), STR("dir/j"), &f->err),
			ERR_INPUT);
		assert_int_equal(f->err.line, 4);
		if (strncmp(f->err.message, "dir/j:4: ", 9) != 0 ||
			!strstr(f->err.message, cases[i].like))
			fail_msg("%s: %s", cases[i].more, f->err.message);
	}
}

static void
node_lines_that_are_refused(void **state)
{
	static const char *const ids[] = {"tusk[1]", "task", "source[1]", "task[", "task[]",
		"task[1", "task[x]", "task[1,]", "task[2..1]", "task[1..]", "task[4294967295]",
		"task[-1]", "", "task[0..4000000]", "task[1 ]"};
	struct fixture *f = *state;
	size_t before = f->text.n;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		f->text.n = before;
		f->lines = 1;
		node(f, ids[i], "");
		if (timings_parse(&f->a, &f->t, buf_str(&f->text), STR("j"), &f->err) != ERR_INPUT)
			fail_msg("%s", ids[i]);
		assert_int_equal(f->err.line, 2);
	}
	f->text.n = before;
	f->lines = 1;
	node(f, "task[1]", ",\"after\":[\"task[0]\",3]");
	assert_int_equal(
		timings_parse(&f->a, &f->t, buf_str(&f->text), STR("j"), &f->err), ERR_INPUT);
	f->text.n = before;
	f->lines = 1;
	node(f, "task[1..3]", "");
	node(f, "task[2]", "");
	assert_int_equal(
		timings_parse(&f->a, &f->t, buf_str(&f->text), STR("j"), &f->err), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "task[2] twice"));
}

static void
nothing_comes_after_the_end(void **state)
{
	struct fixture *f = *state;

	set_up_run(f);
	line(f, "weather", ",\"t\":999");
	assert_int_equal(
		timings_parse(&f->a, &f->t, buf_str(&f->text), STR("j"), &f->err), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "after the end of the run"));
}

static void
what_is_no_journal(void **state)
{
	static const struct {
		const char *text, *like;
	} cases[] = {
		{"", "no whole line"},
		{"{\"ev\":\"run\"", "no whole line"},
		{"\n", "no journal"},
		{"hello\n", "no journal"},
		{"{}\n", "no journal"},
		{"[]\n", "no journal"},
		{"{\"ev\":\"node\",\"n\":0}\n", "no journal"},
		{"{\"n\":0,\"ev\":\"run\"}\n", "no journal"},
		{"{\"ev\":\"run\",\"v\":1,\"n\":0}\n", "no journal"},
		{"{\"ev\":\"run\",\"n\":0,\"run\":\"x\"}\n", "no journal"},
		{"{\"ev\":\"run\",\"v\":0,\"n\":0,\"run\":\"x\"}\n", "no journal"},
		{"{\"ev\":\"run\",\"v\":1,\"n\":1,\"run\":\"x\"}\n", "number 1"},
		{"{\"ev\":\"run\",\"v\":2,\"shape\":\"different\"}\n", "newer furrow"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int head = 0; head < 2; head++) {
			int (*parser)(struct arena *, struct timings *, struct str, struct str,
				struct error *) = head ? timings_parse_head : timings_parse;

			if (parser(&f->a, &f->t, str_from(cases[i].text), STR("j"), &f->err) !=
				ERR_INPUT)
				fail_msg("%s", cases[i].text);
			if (!strstr(f->err.message, cases[i].like))
				fail_msg("%s: %s", cases[i].text, f->err.message);
			assert_int_equal(f->err.line, 1);
		}
	}
	assert_int_equal(timings_parse(&f->a, &f->t, (struct str){0}, STR("j"), NULL), ERR_INPUT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_that_are_refused),
		TEST(node_lines_that_are_refused),
		TEST(nothing_comes_after_the_end),
		TEST(what_is_no_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
