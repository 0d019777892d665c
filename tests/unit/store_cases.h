/* store_cases: what every store does alike, whatever is behind it. f->open opens another one on the
 * same place. */
#ifndef FURROW_TESTS_STORE_CASES_H
#define FURROW_TESTS_STORE_CASES_H

#include "tests/unit/store_fixture.h"

static inline void
test_objects(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"", "history", "history/", "history/../x",
		"history/.hidden", "/etc/passwd", "blobs/a//b", "other/x", "results/ab",
		"results/../history/x", "furrow-store", "history/a b", "tmp/x", "locks/job"};
	struct str bytes;
	int64_t size;
	int fd;

	assert_int_equal(store_get(f->s, &f->a, "history/job", &bytes, &f->err), ERR_MISSING);
	assert_int_equal(store_open(f->s, "history/job", &fd, &size, &f->err), ERR_MISSING);
	assert_int_equal(store_remove(f->s, "history/job", &f->err), 0);
	assert_int_equal(store_put(f->s, "history/job", STR("one"), &f->err), 0);
	assert_int_equal(store_put(f->s, "history/job", STR("another"), &f->err), 0);
	assert_int_equal(store_put(f->s, "blobs/ab/cd", STR(""), &f->err), 0);
	assert_int_equal(store_get(f->s, &f->a, "history/job", &bytes, &f->err), 0);
	assert_true(str_is(bytes, "another"));
	assert_int_equal(store_get(f->s, &f->a, "blobs/ab/cd", &bytes, &f->err), 0);
	assert_true(bytes.p && bytes.n == 0);
	assert_int_equal(store_open(f->s, "history/job", &fd, &size, &f->err), 0);
	assert_int_equal(size, 7);
	close(fd);
	assert_int_equal(store_remove(f->s, "history/job", &f->err), 0);
	assert_int_equal(store_get(f->s, &f->a, "history/job", &bytes, &f->err), ERR_MISSING);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(store_put(f->s, bad[i], STR("x"), &f->err), ERR_INTERNAL);
		assert_int_equal(store_get(f->s, &f->a, bad[i], &bytes, &f->err), ERR_INTERNAL);
		assert_int_equal(store_remove(f->s, bad[i], &f->err), ERR_INTERNAL);
	}
}

static inline void
test_results(void **state)
{
	struct fixture *f = *state;
	char name[STORE_NAME_BYTES], text[8];
	struct digest key = key_of(2), *keys;
	struct str bytes;
	int64_t size;
	size_t n;
	int fd;

	assert_int_equal(count_results(f->s), 0);
	assert_null(get(f, 1, NULL).p);
	assert_int_equal(f->err.code, ERR_MISSING);
	put(f->s, 1, STR("hello"), 0, 0);
	put(f->s, 2, STR(""), 10240, 5000);
	put(f->s, 3, STR(""), 200000, 70000); /* files of their own */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(check_all_whole(f->s), 3);
		assert_int_equal(get(f, 2, "tar").n, 10240);
		bytes = get(f, 3, "stderr");
		assert_int_equal(bytes.n, 70000);
		assert_true(bytes.p[0] == 'e' && bytes.p[69999] == 'e');
		assert_null(get(f, 1, "tar").p);
		assert_int_equal(f->err.code, ERR_MISSING);
		assert_null(get(f, 2, "stdout").p);
		reopen(f);
	}
	store_result_name(name, &key, "stderr");
	assert_int_equal(store_open(f->s, name, &fd, &size, &f->err), 0);
	assert_int_equal(size, 5000);
	assert_int_equal(read(fd, text, 2), 2);
	assert_memory_equal(text, "ee", 2);
	close(fd);
	assert_int_equal(store_list_results(f->s, &f->a, &keys, &n, &f->err), 0);
	assert_int_equal(n, 3);
}

static inline void
test_the_last_one_counts(void **state)
{
	struct fixture *f = *state;
	struct store *other;
	char name[STORE_NAME_BYTES];
	struct digest key = key_of(1);

	put(f->s, 1, STR("first"), 100, 0);
	put(f->s, 1, STR("second"), 80000, 0);
	assert_int_equal(get(f, 1, "tar").n, 80000);
	assert_int_equal(f->open(f, &other), 0);
	put(other, 1, STR("third"), 300, 0);
	assert_int_equal(count_results(f->s), 1); /* sees what the other one put */
	assert_int_equal(get(f, 1, "tar").n, 300);
	store_close(other);
	reopen(f);
	assert_int_equal(get(f, 1, "tar").n, 300);

	store_result_name(name, &key, NULL);
	assert_int_equal(store_remove(f->s, name, &f->err), 0);
	assert_int_equal(store_remove(f->s, name, &f->err), 0);
	assert_null(get(f, 1, NULL).p);
	assert_int_equal(f->err.code, ERR_MISSING);
	assert_int_equal(count_results(f->s), 0);
	reopen(f);
	assert_int_equal(count_results(f->s), 0);
	put(f->s, 1, STR("again"), 0, 0);
	assert_int_equal(count_results(f->s), 1);
	store_result_name(name, &key, "tar");
	assert_int_equal(store_remove(f->s, name, &f->err), ERR_INTERNAL);
}

static inline void
take(struct fixture *f, unsigned i, const char *path, struct store_result **r)
{
	struct digest key = key_of(i);

	assert_int_equal(store_result_begin(f->s, &key, r, &f->err), 0);
	assert_int_equal(store_result_take(*r, "stdout", path, &f->err), 0);
}

static inline void
test_take(void **state)
{
	struct fixture *f = *state;
	char small[PATH_MAX], large[PATH_MAX], *bytes = calloc(1, 300000);
	struct digest key = key_of(9);
	struct store_result *r;

	snprintf(small, sizeof(small), "%s/small", f->root);
	snprintf(large, sizeof(large), "%s/large", f->root);
	write_file(f->root, "small", bytes, 6000);
	write_file(f->root, "large", bytes, 300000);
	for (int commit = 0; commit < 2; commit++) {
		struct waiting w = WAITING_INIT;

		take(f, 1, small, &r);
		if (commit)
			store_result_commit(r, STR("{}"), on_done, &w);
		else
			store_result_abort(r);
		take(f, 2, large, &r);
		if (commit)
			store_result_commit(r, STR("{}"), on_done, &w);
		else
			store_result_abort(r);
		if (commit)
			wait_for(&w, 2);
		/* what is given up goes back where it was */
		assert_int_equal(file_bytes(f->root, "small"), commit ? -1 : 6000);
		assert_int_equal(file_bytes(f->root, "large"), commit ? -1 : 300000);
	}
	assert_int_equal(get(f, 1, "stdout").n, 6000);
	assert_int_equal(get(f, 2, "stdout").n, 300000);

	assert_int_equal(store_result_begin(f->s, &key, &r, &f->err), 0);
	assert_int_equal(store_result_take(r, "stdout", small, &f->err), ERR_HOST); /* gone */
	assert_int_equal(store_result_take(r, "elsewhere", small, &f->err), ERR_INTERNAL);
	assert_int_equal(store_result_write(r, "", "x", 1, &f->err), ERR_INTERNAL);
	assert_int_equal(symlink("/etc/passwd", small), 0);
	assert_int_equal(store_result_take(r, "stdout", small, &f->err), ERR_HOST);
	store_result_abort(r);
	free(bytes);
}

static inline void *
put_many(void *arg)
{
	struct waiting w = WAITING_INIT;

	for (unsigned i = 0; i < 200; i++)
		queue(arg, i, STR("text"), i % 10 == 0 ? 70000 : i % 5, i % 4, &w);
	wait_for(&w, 200);
	assert_int_equal(w.n_failed, 0);
	return NULL;
}

static inline void
test_many_callers_and_two_stores(void **state)
{
	struct fixture *f = *state;
	struct store *other;
	pthread_t threads[4];

	assert_int_equal(f->open(f, &other), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, put_many, i % 2 ? other : f->s), 0);
	for (int i = 0; i < 20; i++)
		check_all_whole(f->s);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(check_all_whole(f->s), 200);
	assert_int_equal(check_all_whole(other), 200);
	store_close(other);
}

static inline void
test_close_commits_what_is_queued(void **state)
{
	struct fixture *f = *state;
	struct waiting w = WAITING_INIT;

	for (unsigned i = 0; i < 1000; i++)
		queue(f->s, i, STR("text"), 0, 0, &w);
	reopen(f);
	assert_int_equal(w.n, 1000);
	assert_int_equal(w.n_failed, 0);
	assert_int_equal(check_all_whole(f->s), 1000);
}

static inline void
test_listing_a_folder(void **state)
{
	struct fixture *f = *state;
	struct strings v;

	assert_int_equal(store_list(f->s, &f->a, "history", &v, &f->err), 0);
	assert_int_equal(v.n, 0);
	assert_int_equal(store_put(f->s, "history/b", STR("x"), &f->err), 0);
	assert_int_equal(store_put(f->s, "history/a", STR("x"), &f->err), 0);
	assert_int_equal(store_put(f->s, "sources/c.tar.zst", STR("x"), &f->err), 0);
	assert_int_equal(store_list(f->s, &f->a, "history", &v, &f->err), 0);
	assert_int_equal(v.n, 2);
	assert_true(str_is(v.v[0], "a") && str_is(v.v[1], "b"));
	assert_int_equal(store_list(f->s, &f->a, "results", &v, &f->err), ERR_INTERNAL);
	assert_int_equal(store_list(f->s, &f->a, "../history", &v, &f->err), ERR_INTERNAL);
	assert_int_equal(store_list(f->s, &f->a, "history/", &v, &f->err), ERR_INTERNAL);
}

#define STORE_CASES                                                                              \
	TEST(test_objects), TEST(test_results), TEST(test_the_last_one_counts), TEST(test_take), \
		TEST(test_many_callers_and_two_stores), TEST(test_close_commits_what_is_queued), \
		TEST(test_listing_a_folder)

#endif
