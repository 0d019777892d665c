/* The folder store: opening it, its logs; and what every store does. */
#include "tests/unit/store_cases.h"

#include <sys/wait.h>

static void
test_open(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX], text[16];
	struct store *s;

	assert_string_equal(read_file(f->path, "furrow-store", text, sizeof(text)), "1\n");
	assert_string_equal(store_where(f->s), f->path);
	assert_int_equal(store_open_dir(&s, f->path, true, &f->err), 0);
	store_close(s);
	snprintf(path, sizeof(path), "%s/a/b/c", f->root);
	assert_int_equal(store_open_dir(&s, path, false, &f->err), ERR_MISSING);
	assert_null(s);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(store_open_dir(&s, path, true, &f->err), 0);
	store_close(s);
}

static void
test_open_refuses(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX], text[16];
	struct store *s;

	snprintf(path, sizeof(path), "%s/other", f->root);
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(store_open_dir(&s, path, false, &f->err), ERR_MISSING);
	assert_int_equal(count_entries(f->root, "other"), 0);
	write_file(path, "thesis.txt", "x", 1);
	assert_int_equal(store_open_dir(&s, path, true, &f->err), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "not empty"));
	assert_int_equal(count_entries(f->root, "other"), 1);
	assert_int_equal(store_open_dir(&s, path, false, &f->err), ERR_INPUT);

	write_file(path, "furrow-store", "2\n", 2);
	assert_int_equal(store_open_dir(&s, path, true, &f->err), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "made by a newer furrow"));
	for (const char *const *bad =
			(const char *const[]){"", "one\n", "0\n", "-1\n", "1 2\n", NULL};
		*bad; bad++) {
		write_file(path, "furrow-store", *bad, strlen(*bad));
		assert_int_equal(store_open_dir(&s, path, true, &f->err), ERR_INPUT);
		assert_string_equal(read_file(path, "furrow-store", text, sizeof(text)), *bad);
	}

	write_file(f->root, "file", "x", 1);
	snprintf(path, sizeof(path), "%s/file", f->root);
	assert_int_equal(store_open_dir(&s, path, true, &f->err), ERR_INPUT);
	assert_int_equal(store_open_dir(&s, path, false, &f->err), ERR_INPUT);
	snprintf(path, sizeof(path), "%s/file/below", f->root);
	assert_int_equal(store_open_dir(&s, path, true, &f->err), ERR_INPUT);
}

static void
test_open_after_a_torn_marker(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];
	struct store *s;

	snprintf(path, sizeof(path), "%s/torn", f->root);
	assert_int_equal(mkdir(path, 0777), 0);
	write_file(path, ".furrow-store.new", "", 0);
	assert_int_equal(store_open_dir(&s, path, true, &f->err), 0);
	store_close(s);
}

static void
test_open_by_many_at_once(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];

	for (int round = 0; round < 20; round++) {
		snprintf(path, sizeof(path), "%s/many%d", f->root, round);
		for (int i = 0; i < 4; i++) {
			if (fork() == 0) {
				struct store *s;

				_exit(store_open_dir(&s, path, true, NULL) < 0);
			}
		}
		for (int i = 0; i < 4; i++) {
			int status;

			wait(&status);
			assert_int_equal(status, 0);
		}
	}
}

static void
test_logs_are_taken_up(void **state)
{
	struct fixture *f = *state;
	struct store *other;

	for (unsigned i = 0; i < 5; i++) {
		put(f->s, i, STR("x"), 0, 0);
		reopen(f);
	}
	assert_int_equal(count_entries(f->path, "results"), 1);
	put(f->s, 5, STR("x"), 0, 0);
	assert_int_equal(store_open_dir(&other, f->path, true, &f->err), 0);
	put(other, 6, STR("x"), 0, 0); /* both write at the same time */
	store_close(other);
	reopen(f);
	put(f->s, 7, STR("x"), 0, 0);
	assert_int_equal(count_entries(f->path, "results"), 2);
	assert_int_equal(check_all_whole(f->s), 8);
	assert_int_equal(count_entries(f->path, "tmp"), 0);
}

static void
test_offers_are_for_buckets(void **state)
{
	struct fixture *f = *state;
	struct digest key = key_of(1);
	struct store_result *r;
	struct str url;

	assert_int_equal(store_result_begin(f->s, &key, &r, &f->err), 0);
	assert_int_equal(store_result_offer(r, "tar", 10, &url, &f->err), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "s3://"));
	assert_int_equal(store_result_placed(r, "tar", 10, &f->err), ERR_INPUT);
	assert_int_equal(store_result_offer(r, "core", 10, &url, &f->err), ERR_INTERNAL);
	store_result_abort(r);
}

/* However long results may wait for others: they do so only as long as others come, and not when the
 * store is closed. */
static void
test_gathering(void **state)
{
	struct fixture *f = *state;
	struct waiting w = WAITING_INIT;
	struct store *other;

	assert_int_equal(f->open(f, &other), 0);
	store_gather(other, 3600 * INT64_C(1000000000));
	for (unsigned i = 0; i < 3; i++)
		put(other, 1000 + i, STR("text"), 0, 0);
	put_many(other);
	for (unsigned i = 0; i < 20; i++)
		queue(other, 2000 + i, STR("text"), i % 5 == 0 ? 70000 : 0, 0, &w);
	store_close(other);
	wait_for(&w, 20);
	assert_int_equal(w.n_failed, 0);
	assert_int_equal(check_all_whole(f->s), 223);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open),
		TEST(test_open_refuses),
		TEST(test_open_after_a_torn_marker),
		TEST(test_open_by_many_at_once),
		TEST(test_logs_are_taken_up),
		TEST(test_offers_are_for_buckets),
		TEST(test_gathering),
		STORE_CASES,
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
