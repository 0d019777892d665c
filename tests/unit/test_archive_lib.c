/* libarchive's table: loaded once, every member there, and a small archive goes round. */
#include "providers/archive/lib.h"
#include "providers/dynlib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
all_members_are_set(void **state)
{
	const struct libarchive *lib, *again;
	struct error err;

	(void)state;
	assert_int_equal(libarchive_load(&lib, &err), 0);
#define IS_SET(name) assert_non_null(lib->name);
	LIBARCHIVE_FUNCTIONS(IS_SET)
	assert_int_equal(libarchive_load(&again, NULL), 0);
	assert_ptr_equal(lib, again);
}

static void
round_trip(void **state)
{
	const struct libarchive *lib;
	struct archive *a;
	struct archive_entry *e;
	char bytes[8] = "";
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	assert_int_equal(libarchive_load(&lib, NULL), 0);
	a = lib->archive_write_new();
	assert_int_equal(lib->archive_write_set_format_pax_restricted(a), ARCHIVE_OK);
	assert_int_equal(lib->archive_write_open_fd(a, fileno(file)), ARCHIVE_OK);
	e = lib->archive_entry_new();
	lib->archive_entry_set_pathname(e, "a/b");
	lib->archive_entry_set_filetype(e, AE_IFREG);
	lib->archive_entry_set_perm(e, 0644);
	lib->archive_entry_set_size(e, 3);
	assert_int_equal(lib->archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(lib->archive_write_data(a, "xyz", 3), 3);
	assert_int_equal(lib->archive_write_close(a), ARCHIVE_OK);
	lib->archive_entry_free(e);
	lib->archive_write_free(a);
	rewind(file);

	a = lib->archive_read_new();
	assert_int_equal(lib->archive_read_support_format_tar(a), ARCHIVE_OK);
	assert_int_equal(lib->archive_read_open_fd(a, fileno(file), 10240), ARCHIVE_OK);
	assert_int_equal(lib->archive_read_next_header(a, &e), ARCHIVE_OK);
	assert_string_equal(lib->archive_entry_pathname(e), "a/b");
	assert_int_equal(lib->archive_read_data(a, bytes, sizeof(bytes)), 3);
	assert_string_equal(bytes, "xyz");
	assert_int_equal(lib->archive_read_next_header(a, &e), ARCHIVE_EOF);
	lib->archive_read_free(a);
	fclose(file);
}

static void
missing_library(void **state)
{
	struct error err;
	void *table = NULL;
	const struct dynlib_symbol symbol = {"no_such_function", 0};

	(void)state;
	assert_int_equal(
		dynlib_load(&table, "libfurrow-none.so.1", "libfurrow-none1", &symbol, 1, &err),
		ERR_HOST);
	assert_non_null(strstr(err.message, "apt-get install libfurrow-none1"));
	assert_int_equal(dynlib_load(&table, "libarchive.so.13", "libarchive13", &symbol, 1, &err),
		ERR_HOST);
	assert_non_null(strstr(err.message, "lacks the function no_such_function"));
	assert_null(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_members_are_set),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(missing_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
