/* The folder store: complete results or none, whatever happens to its writers, its disk and its files. */
#include "tests/unit/store_fixture.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static size_t
count_entries(const char *root, const char *folder)
{
	char path[2 * PATH_MAX];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", root, folder);
	d = opendir(path);
	if (!d)
		return 0;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
nth_entry(const char *root, const char *folder, size_t nth, char out[PATH_MAX])
{
	struct dirent *e;
	DIR *d;

	snprintf(out, PATH_MAX, "%s/%s", root, folder);
	d = opendir(out);
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.' && nth-- == 0)
			snprintf(out + strlen(out), PATH_MAX - strlen(out), "/%s", e->d_name);
	}
	closedir(d);
}

static struct str
get(struct fixture *f, unsigned i, const char *part)
{
	char name[STORE_NAME_BYTES];
	struct digest key = key_of(i);
	struct str bytes = {0};

	store_result_name(name, &key, part);
	if (store_get(f->s, &f->a, name, &bytes, &f->err) < 0)
		return (struct str){0};
	return bytes;
}

/* A result is whole: its json parses, and its parts are as long as it says. */
static void
check_whole(struct store *s, const struct digest *key)
{
	struct arena a = {0};
	struct error err;
	struct result r;
	char name[STORE_NAME_BYTES];
	int64_t size;
	int fd;

	if (result_load(s, &a, &r, key, &err) < 0)
		fail_msg("%s", err.message);
	if (r.has_tar) {
		store_result_name(name, key, "tar");
		if (store_open(s, name, &fd, &size, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(size, r.outcome.output_bytes);
		close(fd);
	}
	if (r.outcome.stderr_kept_bytes) {
		store_result_name(name, key, "stderr");
		if (store_open(s, name, &fd, &size, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(size, r.outcome.stderr_kept_bytes);
		close(fd);
	}
	arena_free(&a);
}

static size_t
check_all_whole(struct store *s)
{
	struct arena a = {0};
	struct digest *keys;
	struct error err;
	size_t n;

	assert_int_equal(store_list_results(s, &a, &keys, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		check_whole(s, &keys[i]);
		assert_true(i == 0 || digest_cmp(&keys[i - 1], &keys[i]) < 0);
	}
	arena_free(&a);
	return n;
}

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
	for (const char *const *bad = (const char *const[]){"", "one\n", "0\n", "-1\n", "1 2\n", NULL}; *bad; bad++) {
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
test_objects(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"", "history", "history/", "history/../x", "history/.hidden", "/etc/passwd",
		"blobs/a//b", "other/x", "results/ab", "results/../history/x", "furrow-store", "history/a b", "tmp/x"};
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

static void
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

static void
test_the_last_one_counts(void **state)
{
	struct fixture *f = *state;
	struct store *other;
	char name[STORE_NAME_BYTES];
	struct digest key = key_of(1);

	put(f->s, 1, STR("first"), 100, 0);
	put(f->s, 1, STR("second"), 80000, 0);
	assert_int_equal(get(f, 1, "tar").n, 80000);
	assert_int_equal(store_open_dir(&other, f->path, true, &f->err), 0);
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
take(struct fixture *f, unsigned i, const char *path, struct store_result **r)
{
	struct digest key = key_of(i);

	assert_int_equal(store_result_begin(f->s, &key, r, &f->err), 0);
	assert_int_equal(store_result_take(*r, "stdout", path, &f->err), 0);
}

static void
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
	assert_int_equal(count_entries(f->path, "tmp"), 1);

	assert_int_equal(store_result_begin(f->s, &key, &r, &f->err), 0);
	assert_int_equal(store_result_take(r, "stdout", small, &f->err), ERR_HOST); /* gone */
	assert_int_equal(store_result_take(r, "elsewhere", small, &f->err), ERR_INTERNAL);
	assert_int_equal(store_result_write(r, "", "x", 1, &f->err), ERR_INTERNAL);
	assert_int_equal(symlink("/etc/passwd", small), 0);
	assert_int_equal(store_result_take(r, "stdout", small, &f->err), ERR_HOST);
	store_result_abort(r);
	free(bytes);
}

static void
test_a_log_cut_anywhere(void **state)
{
	struct fixture *f = *state;
	char log[PATH_MAX];
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
	for (size_t n = sizes[2] - 1; n > sizes[0] - 20; n -= n > sizes[1] + 30 || n < sizes[1] - 3 ? 7 : 1) {
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
	char log[PATH_MAX];
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
	char log[PATH_MAX], zeros[400] = {0};
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
	char log[PATH_MAX];
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
		char name[PATH_MAX];

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

static void
crash_in_a_loop(const char *path, unsigned seed)
{
	struct waiting w = WAITING_INIT;
	struct error err;
	struct store *s;

	if (store_open_dir(&s, path, true, &err) < 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		queue(s, seed * 100000 + i % 500, STR("text"), i % 7 == 6 ? 70000 : i % 3 * 100, i % 11 == 10 ? 66000 : 3,
			&w);
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

static void *
put_many(void *arg)
{
	struct waiting w = WAITING_INIT;

	for (unsigned i = 0; i < 200; i++)
		queue(arg, i, STR("text"), i % 10 == 0 ? 70000 : i % 5, i % 4, &w);
	wait_for(&w, 200);
	assert_int_equal(w.n_failed, 0);
	return NULL;
}

static void
test_many_callers_and_two_stores(void **state)
{
	struct fixture *f = *state;
	struct store *other;
	pthread_t threads[4];

	assert_int_equal(store_open_dir(&other, f->path, true, &f->err), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_many, i % 2 ? other : f->s), 0);
	for (int i = 0; i < 20; i++)
		check_all_whole(f->s);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(check_all_whole(f->s), 200);
	assert_int_equal(check_all_whole(other), 200);
	store_close(other);
}

static void
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

/* In a process of its own, so that its limits and mounts are. 0: as it should be, 77: cannot be tried. */
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

#define CHECK(cond)                                                                       \
	do {                                                                              \
		if (!(cond)) {                                                            \
			print_message("# line %d: %s: %s\n", __LINE__, #cond, f->err.message); \
			_exit(1);                                                         \
		}                                                                         \
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
	strcat(path, "/store");
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
	CHECK(store_put(f->s, "history/job", STR("x"), &f->err) == ERR_HOST && f->err.os_errno == EROFS);
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
	assert_int_equal(store_gc(f->s, keep, 2, 0, false, &gc, &f->err), 0); /* nothing is old enough */
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
	assert_int_equal(gc.n_temporary, 1); /* the part is this writer's: it might be about to be named */
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
		TEST(test_open),
		TEST(test_open_refuses),
		TEST(test_open_after_a_torn_marker),
		TEST(test_open_by_many_at_once),
		TEST(test_objects),
		TEST(test_results),
		TEST(test_the_last_one_counts),
		TEST(test_logs_are_taken_up),
		TEST(test_take),
		TEST(test_a_log_cut_anywhere),
		TEST(test_a_torn_log_is_gone_on_with),
		TEST(test_foreign_bytes_in_a_log),
		TEST(test_a_damaged_result),
		TEST(test_killed_at_any_moment),
		TEST(test_many_callers_and_two_stores),
		TEST(test_close_commits_what_is_queued),
		TEST(test_a_write_that_fails_midway),
		TEST(test_a_full_disk),
		TEST(test_gc),
		TEST(test_gc_of_what_dead_writers_left),
		TEST(test_gc_beside_a_writer),
		TEST(test_reading_on_after_a_gc),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
