/* history: what is read, what is left out, and what merging keeps. */
#include "tests/unit/job_fixture.h"

#include "planner/history.h"

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEAD "furrow-history 1\n"

static struct history
parse(struct fixture *f, const char *text)
{
	struct history h;

	history_parse(&f->arena, &h, str_from(text));
	return h;
}

static void
lines_are_read(void **state)
{
	struct fixture *f = *state;
	struct history h = parse(f, HEAD "source\t-\t-\t5\t1\n"
					 "task\ta.txt\t" KEY_A "\t1500000000\t3\n"
					 "task\tb.txt\t" KEY_B "\t0\t1\n");
	const struct history_entry *e = history_find(&h, KIND_TASK, STR("a.txt"));

	assert_int_equal(h.n, 3);
	assert_non_null(e);
	assert_int_equal(e->ns, 1500000000);
	assert_int_equal(e->count, 3);
	assert_int_equal(e->key.b[31], 0xaa);
	e = history_find(&h, KIND_SOURCE, STR("-"));
	assert_non_null(e);
	assert_true(digest_is_zero(&e->key));
	assert_null(history_find(&h, KIND_TASK, STR("a")));
	assert_null(history_find(&h, KIND_TASK, STR("-")));
	assert_null(history_find(&h, KIND_IMAGE, STR("-")));
	assert_null(history_find(&(struct history){0}, KIND_TASK, STR("a")));
}

static void
what_is_no_history(void **state)
{
	static const char *const v[] = {"", "\n", "furrow-history",
		"furrow-history 2\ntask\ta\t-\t1\t1\n", "task\ta\t-\t1\t1\n", HEAD,
		"furrow-history 1", "\xff\xfe"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		assert_int_equal(parse(f, v[i]).n, 0);
	history_parse(&f->arena, &(struct history){0}, (struct str){0});
}

static void
bad_lines_are_skipped(void **state)
{
	static const char *const v[] = {"", "task", "task\ta", "task\ta\t-", "task\ta\t-\t1",
		"tasks\ta\t-\t1\t1", "task\t\t-\t1\t1", "task\ta\tzz\t1\t1", "task\ta\t-\t-1\t1",
		"task\ta\t-\t1\t0", "task\ta\t-\t1\t-1", "task\ta\t-\t1\t4294967296",
		"task\ta\t-\t9223372036854775808\t1", "task\ta\t-\t1.5\t1",
		"task\ta\t-\t1\t1\textra", "task\ta\t-\t1\t1\r"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct str text = arena_printf(&f->arena, HEAD "%s\ntask\tz\t-\t7\t1\n", v[i]);
		struct history h = parse(f, text.p);

		if (h.n != 1 || h.v[0].ns != 7)
			fail_msg("'%s' was taken", v[i]);
	}
	/* cut off in the middle */
	assert_int_equal(parse(f, HEAD "task\ta\t-\t1\t1\ntask\tb\t-\t").n, 1);
	assert_int_equal(parse(f, HEAD "task\ta\t-\t1\t1").n, 1);
}

static void
disorder_is_sorted(void **state)
{
	struct fixture *f = *state;
	struct history h = parse(f, HEAD "task\tb\t-\t1\t1\nsource\t-\t-\t2\t1\ntask\ta\t-\t3\t1\n"
					 "task\tb\t-\t4\t1\ntask\tb\t-\t5\t2\n");

	assert_int_equal(h.n, 3);
	assert_int_equal(h.v[0].kind, KIND_SOURCE);
	assert_str(h.v[1].label, "a");
	assert_str(h.v[2].label, "b");
	assert_int_equal(h.v[2].ns, 5); /* the last line counts */
}

static void
quantiles(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};
	struct history h;
	int64_t p50, p90;

	buf_add_cstr(&b, HEAD "source\t-\t-\t1000\t1\n");
	for (int i = 1; i <= 10; i++) {
		buf_addf(&b, "task\t%d\t-\t%d\t1\n", 10 + i, 11 - i);
		h = parse(f, buf_cstr(&b));
		assert_true(history_quantiles(&h, KIND_TASK, &p50, &p90));
		if (i == 1) {
			assert_int_equal(p50, 10);
			assert_int_equal(p90, 10);
		}
	}
	assert_int_equal(p50, 5);
	assert_int_equal(p90, 9);
	assert_true(history_quantiles(&h, KIND_SOURCE, &p50, &p90));
	assert_int_equal(p50, 1000);
	assert_false(history_quantiles(&h, KIND_IMAGE, &p50, &p90));
	buf_free(&b);
}

static void
merging(void **state)
{
	struct fixture *f = *state;
	struct history older = parse(f, HEAD "source\t-\t-\t5\t4\n"
					     "task\ta\t" KEY_A "\t10\t2\n"
					     "task\tb\t" KEY_A "\t20\t4294967295\n"
					     "task\tz\t-\t40\t1\n");
	struct history newer = parse(f, HEAD "task\t0\t-\t1\t1\n"
					     "task\ta\t" KEY_B "\t11\t1\n"
					     "task\tb\t" KEY_A "\t21\t1\n");
	struct buf b = {0};

	history_merge(&b, &older, &newer);
	assert_string_equal(buf_cstr(&b), HEAD "source\t-\t-\t5\t4\n"
					       "task\t0\t-\t1\t1\n"
					       "task\ta\t" KEY_B "\t11\t3\n"
					       "task\tb\t" KEY_A "\t21\t4294967295\n"
					       "task\tz\t-\t40\t1\n");
	buf_clear(&b);
	history_merge(&b, &(struct history){0}, &(struct history){0});
	assert_string_equal(buf_cstr(&b), HEAD);
	buf_clear(&b);
	history_merge(&b, &older, &(struct history){0});
	assert_int_equal(parse(f, buf_cstr(&b)).n, older.n);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(lines_are_read),
		fixture_test(what_is_no_history),
		fixture_test(bad_lines_are_skipped),
		fixture_test(disorder_is_sorted),
		fixture_test(quantiles),
		fixture_test(merging),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
