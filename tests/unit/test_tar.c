/* test_tar: headers of the tar streams that a runner makes, byte for byte where others count them.
 */
#include "cmd/runner/tar.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static unsigned long
octal(const char *field, size_t n)
{
	char text[16] = {0};

	memcpy(text, field, n);
	return strtoul(text, NULL, 8);
}

static void
assert_sum(const char *block)
{
	unsigned long sum = 0;

	for (int i = 0; i < TAR_BLOCK_BYTES; i++)
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)block[i];
	assert_int_equal(octal(block + 148, 6), sum);
	assert_int_equal(block[154], '\0');
	assert_int_equal(block[155], ' ');
}

static void
plain_file(void **state)
{
	char out[TAR_HEADER_MAX];
	struct tar_entry e = {.type = '0', .name = "a/b", .mode = 0640, .size = 1234567};

	(void)state;
	assert_int_equal(tar_header(out, &e), TAR_BLOCK_BYTES);
	assert_string_equal(out, "a/b");
	assert_int_equal(octal(out + 100, 8), 0640);
	assert_int_equal(octal(out + 124, 12), 1234567);
	assert_int_equal(octal(out + 136, 12), 0);
	assert_int_equal(out[156], '0');
	assert_memory_equal(out + 257, "ustar\00000", 8);
	assert_sum(out);
}

static void
name_of_just_a_field(void **state)
{
	char out[TAR_HEADER_MAX], name[102];
	struct tar_entry e = {.type = '0', .name = name};

	(void)state;
	memset(name, 'x', sizeof(name));
	name[100] = '\0';
	assert_int_equal(tar_header(out, &e), TAR_BLOCK_BYTES);
	assert_memory_equal(out, name, 100);
	assert_sum(out);
	name[100] = 'x';
	name[101] = '\0';
	assert_int_equal(tar_header(out, &e), 3 * TAR_BLOCK_BYTES);
	assert_int_equal(out[156], 'x');
	assert_sum(out);
	assert_memory_equal(out + 512, "111 path=xxx", 12);
	assert_int_equal(octal(out + 124, 12), 111);
	assert_memory_equal(out + 1024, name, 100);
	assert_sum(out + 1024);
}

/* A record counts its own length: where that takes a digit more. */
static void
lengths_of_records(void **state)
{
	(void)state;
	for (size_t n = 1; n < 1200; n++) {
		char value[1201], out[1300];
		size_t made;

		memset(value, 'v', n);
		value[n] = '\0';
		made = (size_t)(put_record(out, "k", value) - out);
		assert_int_equal(strtoul(out, NULL, 10), made);
		assert_int_equal(out[made - 1], '\n');
		assert_int_equal(strchr(out, ' ')[1], 'k');
	}
}

static void
eight_gib(void **state)
{
	char out[TAR_HEADER_MAX];
	struct tar_entry e = {.type = '0', .name = "big", .size = (UINT64_C(8) << 30) - 1};

	(void)state;
	assert_int_equal(tar_header(out, &e), TAR_BLOCK_BYTES);
	assert_memory_equal(out + 124, "77777777777", 12);
	e.size++;
	assert_int_equal(tar_header(out, &e), 3 * TAR_BLOCK_BYTES);
	assert_memory_equal(out + 512, "19 size=8589934592\n", 19);
	assert_int_equal(octal(out + 1024 + 124, 12), 0);
}

static void
beyond_ascii(void **state)
{
	char out[TAR_HEADER_MAX];
	struct tar_entry e = {.type = '2', .name = "gr\xc3\xbcn", .target = "t"};

	(void)state;
	assert_int_equal(tar_header(out, &e), 3 * TAR_BLOCK_BYTES);
	assert_memory_equal(out + 512, "14 path=gr\xc3\xbcn\n", 14);
	e.target = "\xff";
	tar_header(out, &e);
	assert_memory_equal(
		out + 512, "21 hdrcharset=BINARY\n14 path=gr\xc3\xbcn\n14 linkpath=\xff\n", 49);
	assert_int_equal(out[1024 + 156], '2');
}

static void
longest_names(void **state)
{
	static char name[TAR_NAME_MAX + 1], target[TAR_NAME_MAX + 1], out[TAR_HEADER_MAX];
	struct tar_entry e = {.type = '2', .name = name, .target = target};

	(void)state;
	memset(name, 'n', TAR_NAME_MAX);
	memset(target, 't', TAR_NAME_MAX);
	assert_int_equal(tar_header(out, &e) % TAR_BLOCK_BYTES, 0);
	assert_memory_equal(out + 512, "4107 path=nnn", 13);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_file),
		cmocka_unit_test(name_of_just_a_field),
		cmocka_unit_test(lengths_of_records),
		cmocka_unit_test(eight_gib),
		cmocka_unit_test(beyond_ascii),
		cmocka_unit_test(longest_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
