/* The records of a log: what is written is read, and what is cut or changed is noticed. */
#include "tests/unit/store_fixture.h"

#include "providers/store/record.h"

static struct str
sample(struct buf *b, struct record *r)
{
	struct str parts[PART_COUNT] = {STR("tar bytes"), STR(""), STR("on stderr\n")};

	*r = (struct record){.key = key_of(7),
		.wall_ns = 1795400000123456789,
		.json_bytes = 6,
		.parts = {{.bytes = 9}, {.in_file = true, .bytes = UINT64_C(5000000000)},
			{.bytes = 10}},
		.owner = "0123456789abcdef00000001"};
	record_write(b, r, STR("{\"a\":}"), parts);
	return buf_str(b);
}

static void
test_round_trip(void **state)
{
	struct buf b = {0};
	struct record in, out;
	struct str bytes = sample(&b, &in);

	(void)state;
	assert_int_equal(bytes.n, RECORD_HEADER_BYTES + 6 + 9 + 10 + 1);
	assert_true(record_parse(bytes.p, &out));
	assert_memory_equal(&in.key, &out.key, sizeof(in.key));
	assert_int_equal(out.wall_ns, in.wall_ns);
	assert_int_equal(out.json_bytes, 6);
	assert_int_equal(out.parts[PART_STDOUT].bytes, UINT64_C(5000000000));
	assert_true(out.parts[PART_STDOUT].in_file);
	assert_string_equal(out.owner, in.owner);
	assert_int_equal(record_bytes(&out), bytes.n);
	assert_true(record_check(bytes));
	assert_true(str_is(record_json(&out, bytes), "{\"a\":}"));
	assert_true(str_is(record_inline_part(&out, PART_TAR, bytes), "tar bytes"));
	assert_null(record_inline_part(&out, PART_STDOUT, bytes).p);
	assert_true(str_is(record_inline_part(&out, PART_STDERR, bytes), "on stderr\n"));
	buf_free(&b);
}

static void
test_every_changed_byte_is_noticed(void **state)
{
	struct buf b = {0};
	struct record in;
	struct str bytes = sample(&b, &in);

	(void)state;
	for (size_t i = 0; i < bytes.n; i++) {
		bool is_padding = i >= 190 && i < RECORD_HEADER_BYTES - 1;

		b.p[i] ^= 1;
		if (!is_padding)
			assert_false(record_check(bytes));
		b.p[i] ^= 1;
	}
	assert_true(record_check(bytes));
	buf_free(&b);
}

static void
test_cut_at_every_byte(void **state)
{
	struct buf b = {0};
	struct record in;
	struct str bytes = sample(&b, &in);

	(void)state;
	for (size_t n = 0; n < bytes.n; n++)
		assert_false(record_check((struct str){.p = bytes.p, .n = n}));
	for (size_t n = 0; n < RECORD_HEADER_BYTES; n++)
		assert_true(record_is_torn(bytes.p, n));
	assert_false(record_is_torn("something else", 14));
	buf_free(&b);
}

static void
test_limits(void **state)
{
	struct buf b = {0};
	struct record in, out;

	(void)state;
	sample(&b, &in);
	memcpy(b.p + 98, "04000001", 8); /* json_bytes beyond what is allowed */
	assert_false(record_parse(b.p, &out));
	memcpy(b.p + 98, "00000006", 8);
	assert_true(record_parse(b.p, &out));
	memcpy(b.p + 107, "i000000010001", 13); /* an inline part that is too large */
	assert_false(record_parse(b.p, &out));
	memcpy(b.p + 107, "x000000000009", 13);
	assert_false(record_parse(b.p, &out));
	memcpy(b.p + 107, "i00000000000A", 13);
	assert_false(record_parse(b.p, &out));
	buf_free(&b);
}

static void
test_part_names(void **state)
{
	enum part part;

	(void)state;
	assert_true(record_part_parse(STR("stderr"), &part));
	assert_int_equal(part, PART_STDERR);
	assert_string_equal(record_part_name(PART_TAR), "tar");
	assert_false(record_part_parse(STR("ta"), &part));
	assert_false(record_part_parse(STR(""), &part));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_changed_byte_is_noticed),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_part_names),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
