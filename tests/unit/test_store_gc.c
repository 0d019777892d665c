/* Removing what nobody wants any more, beside others who write and read. */
#include "tests/unit/store_fixture.h"

#include <sys/wait.h>

static void
test_gc(void **state)
{
	struct fixture *f = *state;
	struct digest keep[2] = {key_of(9), key_of(3)};
	struct store_gc gc;
	int64_t later = INT64_MAX;

	for (unsigned i = 0; i < 6; i++)
		put(f->s, i, STR("text"), i % 2 ? 100000 : 10, 0);
	put(f->s, 3, STR("newer"), 100000, 0);
	assert_int_equal(
		store_gc(f->s, keep, 2, 0, false, &gc, &f->err), 0); /* nothing is old enough */
	assert_int_equal(gc.n_results, 0);
	assert_int_equal(check_all_whole(f->s), 6);
	assert_int_equal(store_gc(f->s, keep, 2, later, true, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 5);
	assert_true(gc.bytes > 200000);
	assert_int_equal(check_all_whole(f->s), 6);
	reopen(f); /* its writer's files are garbage only when it is gone */
	assert_int_equal(store_gc(f->s, keep, 2, later, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 5);
	assert_int_equal(check_all_whole(f->s), 1);
	assert_int_equal(get(f, 3, "tar").n, 100000);
	assert_int_equal(store_gc(f->s, NULL, 0, later, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 1);
	assert_int_equal(count_results(f->s), 0);
	assert_int_equal(count_entries(f->path, "results"), 0);
	put(f->s, 1, STR("text"), 0, 0);
	assert_int_equal(check_all_whole(f->s), 1);
}

static size_t
count_part_files(struct fixture *f)
{
	char folder[PATH_MAX];
	size_t n = 0;

	for (int i = 0; i < 256; i++) {
		snprintf(folder, sizeof(folder), "parts/%02x", i);
		n += count_entries(f->path, folder);
	}
	return n;
}

static void
test_gc_of_what_dead_writers_left(void **state)
{
	struct fixture *f = *state;
	struct digest key = key_of(1);
	struct store_result *r;
	struct store_gc gc;
	char tar[70000] = {0};

	put(f->s, 1, STR("text"), 100000, 0);
	put(f->s, 1, STR("text"), 100000, 0); /* the first one's file is nobody's now */
	assert_int_equal(count_part_files(f), 2);
	if (fork() == 0) {
		store_open_dir(&f->s, f->path, true, &f->err);
		store_result_begin(f->s, &key, &r, &f->err);
		store_result_write(r, "tar", tar, sizeof(tar), &f->err);
		_exit(0); /* leaves a temporary file */
	}
	wait(NULL);
	assert_int_equal(store_gc(f->s, &key, 1, 0, true, &gc, &f->err), 0);
	assert_int_equal(gc.n_temporary, 1);
	assert_int_equal(store_gc(f->s, &key, 1, 0, false, &gc, &f->err), 0);
	assert_int_equal(
		gc.n_temporary, 1); /* the part is this writer's: it might be about to be named */
	reopen(f);
	assert_int_equal(store_gc(f->s, &key, 1, 0, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_temporary, 1);
	assert_int_equal(gc.bytes, 100000);
	assert_int_equal(count_part_files(f), 1);
	assert_int_equal(check_all_whole(f->s), 1);
}

static void
test_gc_beside_a_writer(void **state)
{
	struct fixture *f = *state;
	struct store *other;
	struct store_gc gc;
	char name[STORE_NAME_BYTES];
	struct digest key = key_of(1);

	put(f->s, 1, STR("text"), 100000, 0);
	reopen(f);
	assert_int_equal(store_open_dir(&other, f->path, true, &f->err), 0);
	put(other, 2, STR("text"), 100000, 0); /* takes up the log, holds it */
	assert_int_equal(store_gc(f->s, NULL, 0, INT64_MAX, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 0);
	assert_int_equal(check_all_whole(f->s), 2);
	put(f->s, 3, STR("text"), 0, 0); /* into a log of its own */
	store_result_name(name, &key, NULL);
	assert_int_equal(store_remove(f->s, name, &f->err), 0);
	assert_int_equal(store_gc(f->s, NULL, 0, INT64_MAX, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 1); /* 3; that 1 was removed stays known */
	assert_int_equal(check_all_whole(f->s), 1);
	store_close(other);
	assert_int_equal(store_gc(f->s, NULL, 0, INT64_MAX, false, &gc, &f->err), 0);
	assert_int_equal(count_results(f->s), 0);
	assert_int_equal(count_entries(f->path, "results"), 0);
	assert_int_equal(count_part_files(f), 0);
}

/* An index that was read before a gc is read anew. */
static void
test_reading_on_after_a_gc(void **state)
{
	struct fixture *f = *state;
	struct digest keep = key_of(2);
	struct store *other;
	struct store_gc gc;

	for (unsigned i = 0; i < 4; i++)
		put(f->s, i, STR("text"), 0, 0);
	reopen(f);
	assert_int_equal(count_results(f->s), 4);
	assert_int_equal(store_open_dir(&other, f->path, true, &f->err), 0);
	assert_int_equal(store_gc(other, &keep, 1, INT64_MAX, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 3);
	store_close(other);
	assert_non_null(get(f, 2, NULL).p); /* from where it was */
	assert_int_equal(check_all_whole(f->s), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_gc),
		TEST(test_gc_of_what_dead_writers_left),
		TEST(test_gc_beside_a_writer),
		TEST(test_reading_on_after_a_gc),
	};

	return cmocka_run_group_tests_name("store_gc", tests, NULL, NULL);
}
