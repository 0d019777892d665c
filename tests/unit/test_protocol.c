/* test_protocol: frames and fields, there and back, and every way in which bytes can be none. */
#include "planner/base/protocol.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
frame_there_and_back(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES + 5];
	struct frame f = {.type = FRAME_STREAM,
		.stream = STREAM_STDERR,
		.id = UINT64_C(0x0123456789abcdef),
		.payload = STR("hello")};
	struct frame got;

	(void)state;
	frame_header(bytes, &f);
	memcpy(bytes + FRAME_HEADER_BYTES, "hello", 5);
	assert_int_equal(frame_read((struct str){.p = (char *)bytes, .n = sizeof(bytes)}, &got),
		sizeof(bytes));
	assert_int_equal(got.type, FRAME_STREAM);
	assert_int_equal(got.stream, STREAM_STDERR);
	assert_true(got.id == f.id);
	assert_true(str_is(got.payload, "hello"));
	assert_ptr_equal(got.payload.p, bytes + FRAME_HEADER_BYTES);
}

static void
header_is_little_endian(void **state)
{
	static const uint8_t want[FRAME_HEADER_BYTES] = {0x04, 0x03, 0, 0, FRAME_TASK, 0, 0, 0,
		0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
	uint8_t bytes[FRAME_HEADER_BYTES];
	struct frame f = {
		.type = FRAME_TASK, .id = UINT64_C(0x1122334455667788), .payload.n = 0x304};

	(void)state;
	frame_header(bytes, &f);
	assert_memory_equal(bytes, want, sizeof(want));
}

static void
frame_not_all_there(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES + 3] = {0};
	struct frame f = {.type = FRAME_NOTE, .payload.n = 3}, got;

	(void)state;
	frame_header(bytes, &f);
	for (size_t n = 0; n < sizeof(bytes); n++)
		assert_int_equal(frame_read((struct str){.p = (char *)bytes, .n = n}, &got), 0);
	assert_int_equal(frame_read((struct str){.p = (char *)bytes, .n = sizeof(bytes)}, &got),
		sizeof(bytes));
}

static void
frame_too_long_or_reserved(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES];
	struct frame f = {.type = FRAME_NOTE, .payload.n = FRAME_MAX_BYTES}, got;
	struct str s = {.p = (char *)bytes, .n = sizeof(bytes)};

	(void)state;
	frame_header(bytes, &f);
	assert_int_equal(frame_read(s, &got), 0);
	f.payload.n = FRAME_MAX_BYTES + 1;
	frame_header(bytes, &f);
	assert_int_equal(frame_read(s, &got), -1);
	f.payload.n = 0;
	for (int i = 6; i < 8; i++) {
		frame_header(bytes, &f);
		bytes[i] = 1;
		assert_int_equal(frame_read(s, &got), -1);
	}
	memset(bytes, 'H', sizeof(bytes)); /* "HTTP…", say */
	assert_int_equal(frame_read(s, &got), -1);
}

static void
fields_there_and_back(void **state)
{
	uint8_t bytes[128], *at = bytes;
	struct fields f;

	(void)state;
	at = put_u8(at, 200);
	at = put_u32(at, UINT32_MAX);
	at = put_u64(at, UINT64_MAX - 1);
	at = put_i64(at, INT64_MIN);
	at = put_str(at, STR("a\0b"));
	at = put_str(at, STR(""));
	at = put_str(at, (struct str){0});
	f = (struct fields){.rest = {.p = (char *)bytes, .n = (size_t)(at - bytes)}};
	assert_int_equal(field_u8(&f), 200);
	assert_true(field_u32(&f) == UINT32_MAX);
	assert_true(field_u64(&f) == UINT64_MAX - 1);
	assert_true(field_i64(&f) == INT64_MIN);
	assert_true(str_eq(field_str(&f), STR("a\0b")));
	assert_int_equal(field_str(&f).n, 0);
	assert_int_equal(field_str(&f).n, 0);
	assert_false(f.bad);
	assert_int_equal(f.rest.n, 0);
	assert_int_equal(field_u8(&f), 0);
	assert_true(f.bad);
}

static void
fields_cut_short(void **state)
{
	uint8_t bytes[32], *end = put_str(put_u32(bytes, 7), STR("text"));

	(void)state;
	for (size_t n = 0; n < (size_t)(end - bytes); n++) {
		struct fields f = {.rest = {.p = (char *)bytes, .n = n}};

		field_u32(&f);
		assert_null(field_str(&f).p);
		assert_true(f.bad);
		/* Once bad, what is behind is not taken for something else. */
		assert_int_equal(field_u8(&f), 0);
	}
}

static void
string_longer_than_its_payload(void **state)
{
	uint8_t bytes[8];
	struct fields f = {.rest = {.p = (char *)bytes, .n = sizeof(bytes)}};

	(void)state;
	put_u32(bytes, UINT32_MAX);
	assert_null(field_str(&f).p);
	assert_true(f.bad);
}

static void
count_of_a_list(void **state)
{
	uint8_t bytes[4 + 12];
	struct fields f;

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	for (uint32_t n = 0; n < 6; n++) {
		put_u32(bytes, n);
		f = (struct fields){.rest = {.p = (char *)bytes, .n = sizeof(bytes)}};
		assert_int_equal(field_count(&f, 4), n <= 3 ? n : 0);
		assert_int_equal(f.bad, n > 3);
	}
	put_u32(bytes, UINT32_MAX);
	f = (struct fields){.rest = {.p = (char *)bytes, .n = sizeof(bytes)}};
	assert_int_equal(field_count(&f, 8), 0);
	assert_true(f.bad);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_there_and_back),
		cmocka_unit_test(header_is_little_endian),
		cmocka_unit_test(frame_not_all_there),
		cmocka_unit_test(frame_too_long_or_reserved),
		cmocka_unit_test(fields_there_and_back),
		cmocka_unit_test(fields_cut_short),
		cmocka_unit_test(string_longer_than_its_payload),
		cmocka_unit_test(count_of_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
