/* result.json: what is written is read; what is odd is refused or, when it is merely more,
 * ignored. */
#include "tests/unit/store_fixture.h"

static struct str
write_sample(struct buf *b)
{
	static struct pair record[] = {{STR("entrypoint"), STR("./count.sh \"$FURROW_INPUT\"")},
		{STR("input"), STR("a\nb")}};
	struct result r = {.key = key_of(1),
		.job = STR("wordcount"),
		.label = STR("alice.txt"),
		.run = STR("01J"),
		.commit = STR("0123456789012345678901234567890123456789"),
		.patch_sha256 = STR("ab"),
		.index = 99999,
		.attempt = 2,
		.begun = STR("2026-11-23T06:18:00.123Z"),
		.stdout_text = STR("\"caf\xc3\xa9\"\n\x01\0end"),
		.has_tar = true,
		.record = {record, 2},
		.outcome = {.ran = true,
			.begun_ns = 5000000000,
			.ended_ns = 6234567891,
			.cpu_ns = 10000000,
			.max_rss_bytes = 5 << 20,
			.stdout_bytes = 15,
			.stdout_kept_bytes = 15,
			.stderr_bytes = INT64_C(10000000000),
			.stderr_kept_bytes = 1 << 20,
			.output_bytes = 77,
			.output_files = 3}};

	result_write(b, &r);
	return buf_str(b);
}

static void
test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0}, again = {0};
	struct str bytes = write_sample(&b);
	struct digest key = key_of(1);
	struct result r;

	assert_int_equal(result_parse(&f->a, &r, bytes, &f->err), 0);
	assert_memory_equal(&r.key, &key, sizeof(key));
	assert_true(str_is(r.job, "wordcount"));
	assert_true(str_is(r.label, "alice.txt"));
	assert_true(str_is(r.patch_sha256, "ab"));
	assert_int_equal(r.index, 99999);
	assert_int_equal(r.attempt, 2);
	assert_int_equal(r.outcome.ended_ns, 1234567891);
	assert_int_equal(r.outcome.cpu_ns, 10000000);
	assert_int_equal(r.outcome.stderr_bytes, INT64_C(10000000000));
	assert_int_equal(r.stdout_text.n, 13);
	assert_memory_equal(r.stdout_text.p, "\"caf\xc3\xa9\"\n\x01\0end", 13);
	assert_null(r.stderr_text.p);
	assert_true(r.has_tar);
	assert_int_equal(r.record.n, 2);
	assert_true(str_is(r.record.v[1].value, "a\nb"));
	result_write(&again, &r);
	assert_int_equal(b.n, again.n);
	assert_memory_equal(b.p, again.p, b.n);
	buf_free(&b);
	buf_free(&again);
}

static void
test_text(void **state)
{
	struct buf b = {0};
	struct result r = {.key = key_of(1),
		.job = STR("j"),
		.label = STR("l"),
		.run = STR("R"),
		.attempt = 1,
		.begun = STR("2026-11-23T06:18:00.000Z"),
		.stdout_text = STR(""),
		.stderr_text = STR("e"),
		.outcome = {.ended_ns = 1500000000, .stderr_bytes = 1, .stderr_kept_bytes = 1}};

	(void)state;
	result_write(&b, &r);
	assert_non_null(strstr(buf_cstr(&b),
		",\"job\":\"j\",\"label\":\"l\",\"index\":0,\"run\":\"R\",\"attempt\":1,\"commit\":"
		"null,"
		"\"begun\":\"2026-11-23T06:18:00.000Z\",\"s\":1.5,\"cpu_s\":0,\"max_rss\":0,"
		"\"exit\":0,"
		"\"stdout\":{\"bytes\":0,\"kept\":0,\"text\":\"\"},\"stderr\":{\"bytes\":1,"
		"\"kept\":1,\"text\":\"e\"},"
		"\"outputs\":{\"files\":0,\"bytes\":0,\"tar\":false},\"record\":[]}"));
	buf_free(&b);
}

static void
test_inline(void **state)
{
	static char large[RESULT_INLINE_BYTES + 1];

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_true(result_is_inline(STR("")));
	assert_true(result_is_inline((struct str){large, RESULT_INLINE_BYTES}));
	assert_false(result_is_inline((struct str){large, RESULT_INLINE_BYTES + 1}));
	assert_false(result_is_inline(STR("caf\xe9")));
}

#define KEY "\"key\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\""

static void
test_more_and_less(void **state)
{
	struct fixture *f = *state;
	struct result r;

	assert_int_equal(result_parse(&f->a, &r, STR("{\"furrow_result\":1," KEY "}"), &f->err), 0);
	assert_null(r.job.p);
	assert_int_equal(r.record.n, 0);
	assert_int_equal(result_parse(&f->a, &r,
				 STR("{\"furrow_result\":1," KEY
				     ",\"s\":2,\"later\":{\"x\":[1]},\"stdout\":{\"text\":\"a\","
				     "\"sha256\":\"b\"}}"),
				 &f->err),
		0);
	assert_int_equal(r.outcome.ended_ns, INT64_C(2000000000));
	assert_true(str_is(r.stdout_text, "a"));
}

static void
test_refuses(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{"", "no JSON"},
		{"{", "no JSON"},
		{"[]", "no result"},
		{"{}", "no result"},
		{"{\"furrow_result\":\"1\"}", "no result"},
		{"{\"furrow_result\":0," KEY "}", "no result"},
		{"{\"furrow_result\":2," KEY "}", "newer furrow"},
		{"{\"furrow_result\":1}", "\"key\""},
		{"{\"furrow_result\":1,\"key\":\"00\"}", "\"key\""},
		{"{\"furrow_result\":1,\"key\":7}", "\"key\""},
		{"{\"furrow_result\":1," KEY "," KEY "}", "duplicate"},
		{"{\"furrow_result\":1," KEY ",\"index\":-1}", "\"index\""},
		{"{\"furrow_result\":1," KEY ",\"index\":4294967296}", "\"index\""},
		{"{\"furrow_result\":1," KEY ",\"index\":1.5}", "\"index\""},
		{"{\"furrow_result\":1," KEY ",\"label\":[]}", "\"label\""},
		{"{\"furrow_result\":1," KEY ",\"s\":\"1\"}", "\"s\""},
		{"{\"furrow_result\":1," KEY ",\"s\":1e300}", "\"s\""},
		{"{\"furrow_result\":1," KEY ",\"stdout\":1}", "\"stdout\""},
		{"{\"furrow_result\":1," KEY ",\"stdout\":{\"text\":1}}", "\"text\""},
		{"{\"furrow_result\":1," KEY ",\"outputs\":[]}", "\"outputs\""},
		{"{\"furrow_result\":1," KEY ",\"record\":{}}", "\"record\""},
		{"{\"furrow_result\":1," KEY ",\"record\":[1]}", "\"record\""},
		{"{\"furrow_result\":1," KEY ",\"record\":[[\"a\"]]}", "\"record\""},
	};
	struct result r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(
			result_parse(&f->a, &r, str_from(bad[i].text), &f->err), ERR_INPUT);
		if (!strstr(f->err.message, bad[i].message))
			fail_msg("%s: %s", bad[i].text, f->err.message);
	}
	assert_int_equal(result_parse(&f->a, &r, (struct str){0}, &f->err), ERR_INPUT);
}

static void
test_cut_anywhere(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};
	struct str bytes = write_sample(&b);
	struct result r;

	for (size_t n = 0; n < bytes.n; n++)
		assert_int_equal(
			result_parse(&f->a, &r, (struct str){bytes.p, n}, &f->err), ERR_INPUT);
	buf_free(&b);
}

static void
test_load(void **state)
{
	struct fixture *f = *state;
	struct waiting w = WAITING_INIT;
	struct digest key = key_of(5), other = key_of(6);
	struct store_result *r;
	struct result result;
	struct buf b = {0};

	assert_int_equal(result_load(f->s, &f->a, &result, &key, &f->err), ERR_MISSING);
	put(f->s, 5, STR("x"), 0, 0);
	assert_int_equal(result_load(f->s, &f->a, &result, &key, &f->err), 0);
	assert_true(str_is(result.stdout_text, "x"));
	assert_int_equal(store_result_begin(f->s, &other, &r, &f->err), 0);
	store_result_commit(r, write_sample(&b), on_done, &w); /* of key 1, put as 6 */
	wait_for(&w, 1);
	assert_int_equal(result_load(f->s, &f->a, &result, &other, &f->err), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "another key"));
	buf_free(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_text),
		TEST(test_inline),
		TEST(test_more_and_less),
		TEST(test_refuses),
		TEST(test_cut_anywhere),
		TEST(test_load),
	};

	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
