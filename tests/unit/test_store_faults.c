/* The folder store when things go wrong: complete results or none, whatever happens to its
 * writers, its disk and its files. */
#include "tests/unit/store_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void
test_a_log_cut_anywhere(void **state)
{
	struct fixture *f = *state;
	char log[LONG_PATH];
	struct stat st;
	size_t sizes[3];
	int fd;

	for (unsigned i = 0; i < 3; i++) {
		put(f->s, i, STR("text"), 50, 10);
		nth_entry(f->path, "results", 0, log);
		assert_int_equal(stat(log, &st), 0);
		sizes[i] = (size_t)st.st_size;
	}
	store_close(f->s);
	f->s = NULL;
	for (size_t n = sizes[2] - 1; n > sizes[0] - 20;
		n -= n > sizes[1] + 30 || n < sizes[1] - 3 ? 7 : 1) {
		size_t whole = n >= sizes[1] ? 2 : n >= sizes[0] ? 1 : 0;

		assert_int_equal(truncate(log, (off_t)n), 0);
		assert_int_equal(store_open_dir(&f->s, f->path, false, &f->err), 0);
		assert_int_equal(check_all_whole(f->s), whole);
		assert_int_equal(stat(log, &st), 0);
		assert_int_equal(st.st_size, n); /* reading changes nothing */
		store_close(f->s);
	}
	/* A writer cuts what is torn, and goes on there. */
	fd = open(log, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "furrow-result 1 0123", 20), 20);
	close(fd);
	assert_int_equal(store_open_dir(&f->s, f->path, false, &f->err), 0);
	put(f->s, 7, STR("text"), 0, 0);
	reopen(f);
	assert_int_equal(count_entries(f->path, "results"), count_results(f->s) == 1 ? 1 : 2);
	assert_non_null(get(f, 7, NULL).p);
}

static void
test_a_torn_log_is_gone_on_with(void **state)
{
	struct fixture *f = *state;
	char log[LONG_PATH];
	struct stat st;

	put(f->s, 1, STR("text"), 0, 0);
	put(f->s, 2, STR("text"), 0, 0);
	store_close(f->s);
	nth_entry(f->path, "results", 0, log);
	assert_int_equal(stat(log, &st), 0);
	assert_int_equal(truncate(log, st.st_size - 5), 0);
	assert_int_equal(store_open_dir(&f->s, f->path, false, &f->err), 0);
	assert_int_equal(count_results(f->s), 1);
	put(f->s, 3, STR("text"), 0, 0);
	reopen(f);
	assert_int_equal(check_all_whole(f->s), 2);
	assert_int_equal(count_entries(f->path, "results"), 1);
	assert_null(get(f, 2, NULL).p);
}

static void
test_foreign_bytes_in_a_log(void **state)
{
	struct fixture *f = *state;
	char log[LONG_PATH], zeros[400] = {0};
	struct stat st;
	int fd;

	put(f->s, 1, STR("text"), 0, 0);
	store_close(f->s);
	nth_entry(f->path, "results", 0, log);
	fd = open(log, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
	close(fd);
	write_file(f->path, "results/notes.txt", "mine", 4);
	write_file(f->path, "results/0123456789abcdef.log", "", 0);
	assert_int_equal(store_open_dir(&f->s, f->path, false, &f->err), 0);
	put(f->s, 2, STR("text"), 0, 0);
	reopen(f);
	assert_int_equal(check_all_whole(f->s), 2);
	assert_int_equal(stat(log, &st), 0); /* what is not understood is not cut */
	assert_true(st.st_size > 400);
	assert_int_equal(file_bytes(f->path, "results/notes.txt"), 4);
}

static void
test_a_damaged_result(void **state)
{
	struct fixture *f = *state;
	char log[LONG_PATH];
	struct store_gc gc;
	struct digest keep[3] = {key_of(1), key_of(2), key_of(3)};
	int fd;

	put(f->s, 1, STR("text"), 0, 0);
	put(f->s, 2, STR("text"), 0, 0);
	put(f->s, 3, STR("text"), 90000, 0);
	nth_entry(f->path, "results", 0, log);
	fd = open(log, O_WRONLY);
	assert_int_equal(pwrite(fd, "?", 1, 250), 1);
	close(fd);
	reopen(f);
	assert_null(get(f, 1, NULL).p);
	assert_int_equal(f->err.code, ERR_HOST);
	assert_non_null(strstr(f->err.message, "damaged"));
	assert_non_null(get(f, 2, NULL).p);
	nth_entry(f->path, "parts", 0, log);
	{
		char name[LONG_PATH];

		nth_entry(log, ".", 0, name);
		assert_int_equal(truncate(name, 100), 0);
	}
	assert_null(get(f, 3, "tar").p);
	assert_int_equal(f->err.code, ERR_HOST);
	assert_int_equal(store_gc(f->s, keep, 3, 0, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 2);
	assert_int_equal(gc.n_damaged, 2);
	assert_int_equal(check_all_whole(f->s), 1);
	put(f->s, 1, STR("text"), 0, 0);
	assert_int_equal(check_all_whole(f->s), 2);
}

/* Nothing is said to be done that went into a file without a name. */
static void
test_a_store_that_is_removed_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct waiting w = WAITING_INIT;
	char path[LONG_PATH];

	put(f->s, 1, STR("text"), 0, 0);
	snprintf(path, sizeof(path), "%s/results", f->path);
	remove_tree(path);
	put(f->s, 2, STR("text"), 0, 0);
	assert_int_equal(check_all_whole(f->s), 1);
	reopen(f);
	assert_int_equal(check_all_whole(f->s), 1);
	put(f->s, 3, STR("text"), 0, 0);
	remove_tree(f->path);
	queue(f->s, 4, STR("text"), 0, 0, &w);
	wait_for(&w, 1);
	assert_int_equal(w.n_failed, 1);
	assert_int_equal(w.last.code, ERR_HOST);
	assert_int_equal(w.last.os_errno, ENOENT);
}

static void
crash_in_a_loop(const char *path, unsigned seed)
{
	struct waiting w = WAITING_INIT;
	struct error err;
	struct store *s;

	if (store_open_dir(&s, path, true, &err) < 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		queue(s, seed * 100000 + i % 500, STR("text"), i % 7 == 6 ? 70000 : i % 3 * 100,
			i % 11 == 10 ? 66000 : 3, &w);
		if (i % 20 == 19)
			wait_for(&w, i + 1);
	}
}

static void
test_killed_at_any_moment(void **state)
{
	struct fixture *f = *state;
	size_t n = 0, before;

	srandom(1);
	for (unsigned i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (pid == 0)
			crash_in_a_loop(f->path, i % 3);
		usleep((useconds_t)(random() % 60000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		before = n;
		n = check_all_whole(f->s);
		assert_true(n >= before);
	}
	assert_true(n > 0);
	put(f->s, 4000000, STR("text"), 0, 0); /* sweeps what the dead ones left */
	assert_int_equal(count_entries(f->path, "tmp"), 1);
	reopen(f);
	assert_int_equal(check_all_whole(f->s), n + 1);
}

/* In a process of its own, so that its limits and mounts are. 0: as it should be, 77: cannot be
 * tried. */
static int
in_child(struct fixture *f, int (*run)(struct fixture *))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(run(f));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

#define CHECK(cond)                                                                            \
	do {                                                                                   \
		if (!(cond)) {                                                                 \
			print_message("# line %d: %s: %s\n", __LINE__, #cond, f->err.message); \
			_exit(1);                                                              \
		}                                                                              \
	} while (0)

static int
beyond_the_file_size_limit(struct fixture *f)
{
	struct rlimit limit = {20000, 20000};
	struct waiting w = WAITING_INIT;
	char *large = calloc(1, 100000);
	struct digest key = key_of(5000);
	struct store_result *r;
	size_t n;

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	for (unsigned i = 0; i < 100; i++)
		queue(f->s, i, STR("text"), 0, 0, &w);
	wait_for(&w, 100);
	f->err = w.last;
	CHECK(w.n_failed > 0 && w.n_failed < 100);
	CHECK(w.last.code == ERR_HOST && w.last.os_errno == EFBIG);
	n = count_results(f->s);
	CHECK(n == 100 - w.n_failed); /* exactly those that were said to be */
	CHECK(check_all_whole(f->s) == n);
	CHECK(store_result_begin(f->s, &key, &r, &f->err) == 0);
	CHECK(store_result_write(r, "tar", large, 100000, &f->err) == ERR_HOST);
	store_result_abort(r);
	CHECK(store_put(f->s, "history/job", (struct str){large, 100000}, &f->err) == ERR_HOST);
	CHECK(file_bytes(f->path, "history/job") == -1);
	CHECK(store_put(f->s, "history/job", STR("fits"), &f->err) == 0);
	store_close(f->s);
	CHECK(count_entries(f->path, "tmp") == 0);
	CHECK(store_open_dir(&f->s, f->path, false, &f->err) == 0);
	CHECK(check_all_whole(f->s) == n);
	free(large);
	return 0;
}

static void
test_a_write_that_fails_midway(void **state)
{
	assert_int_equal(in_child(*state, beyond_the_file_size_limit), 0);
}

static int
on_a_full_disk(struct fixture *f)
{
	char path[PATH_MAX], *large = calloc(1, 1 << 20);
	struct waiting w = WAITING_INIT;
	size_t n;
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	snprintf(path, sizeof(path), "%s/small", f->root);
	mkdir(path, 0777);
	if (mount("none", path, "tmpfs", 0, "size=1m") < 0)
		return 77;
	store_close(f->s);
	snprintf(path, sizeof(path), "%s/small/store", f->root);
	CHECK(store_open_dir(&f->s, path, true, &f->err) == 0);
	snprintf(f->path, sizeof(f->path), "%s", path);
	put(f->s, 1, STR("text"), 0, 0);
	write_file(f->root, "small/ballast", large, 900000);
	for (unsigned i = 2; i < 500; i++)
		queue(f->s, i, STR("text"), 800, 0, &w);
	wait_for(&w, 498);
	f->err = w.last;
	CHECK(w.n_failed > 0 && w.last.os_errno == ENOSPC && w.last.code == ERR_HOST);
	CHECK(strstr(w.last.message, "free some space"));
	n = check_all_whole(f->s);
	CHECK(n == 499 - w.n_failed);
	CHECK(store_put(f->s, "history/job", (struct str){large, 500000}, &f->err) == ERR_HOST);
	CHECK(f->err.os_errno == ENOSPC);
	snprintf(path, sizeof(path), "%s/small/ballast", f->root);
	unlink(path);
	put(f->s, 900, STR("text"), 100000, 0); /* goes on when there is space */
	store_close(f->s);
	CHECK(store_open_dir(&f->s, f->path, false, &f->err) == 0);
	CHECK(check_all_whole(f->s) == n + 1);

	snprintf(path, sizeof(path), "%s/small", f->root);
	CHECK(mount("none", path, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) == 0);
	w = (struct waiting)WAITING_INIT;
	CHECK(check_all_whole(f->s) == n + 1); /* reading needs no writing */
	queue(f->s, 901, STR("text"), 0, 0, &w);
	wait_for(&w, 1);
	CHECK(w.n_failed == 1 && w.last.os_errno == EROFS);
	CHECK(store_put(f->s, "history/job", STR("x"), &f->err) == ERR_HOST &&
		f->err.os_errno == EROFS);
	fd = open(path, O_RDONLY);
	close(fd);
	store_close(f->s);
	f->s = NULL;
	free(large);
	return 0;
}

static void
test_a_full_disk(void **state)
{
	int status = in_child(*state, on_a_full_disk);

	if (status == 77)
		print_message("# a file system of its own cannot be mounted here\n");
	if (status == 77)
		skip();
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_log_cut_anywhere),
		TEST(test_a_torn_log_is_gone_on_with),
		TEST(test_foreign_bytes_in_a_log),
		TEST(test_a_damaged_result),
		TEST(test_a_store_that_is_removed_meanwhile),
		TEST(test_killed_at_any_moment),
		TEST(test_a_write_that_fails_midway),
		TEST(test_a_full_disk),
	};

	return cmocka_run_group_tests_name("store_faults", tests, NULL, NULL);
}
