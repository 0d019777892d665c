/* Collecting: each task's folder old or new as a whole, the user's own files left alone, nothing
 * outside written. */
#include "tests/unit/collect_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>

static char *
results_of(struct fixture *f)
{
	return (char *)arena_printf(&f->a, "%s/results", f->root).p;
}

static struct collect_report report;

static int
collect(struct fixture *f, size_t n, const struct collect_item *items)
{
	return collect_run(f->s, results_of(f), items, n, &report, &f->err);
}

static void
collect_ok(struct fixture *f, size_t n, const struct collect_item *items, unsigned written,
	unsigned kept, unsigned missing)
{
	if (collect(f, n, items) < 0)
		fail_msg("%s", f->err.message);
	assert_int_equal(report.n_written, written);
	assert_int_equal(report.n_kept, kept);
	assert_int_equal(report.n_missing, missing);
	assert_int_equal(file_bytes(results_of(f), ".furrow-tmp"), -1);
}

static void
expect_file(struct fixture *f, const char *name, const char *content)
{
	char text[128];

	if (!content) {
		assert_null(read_file(results_of(f), name, text, sizeof(text)));
		return;
	}
	if (!read_file(results_of(f), name, text, sizeof(text)))
		fail_msg("%s is not there", name);
	assert_string_equal(text, content);
}

static void
test_collect(void **state)
{
	struct fixture *f = *state;
	struct buf tar = {0}, large = {0};
	char path[PATH_MAX];
	struct collected *seen;
	size_t n;

	memset(buf_reserve(&large, 100000), 'o', 100000);
	large.n = 100000;
	put(f->s, 1, STR(""), 0, 0);
	put(f->s, 2, STR("hello\n"), 0, 0);
	tar_file(&tar, "sub/a.txt", "a");
	tar_file(&tar, "stdout", "the task's own");
	tar_end(&tar);
	put_tar(f, 3, &tar, STR("hidden by the task's own"), (struct str){0});
	put_tar(f, 4, &(struct buf){0}, STR(""), buf_str(&large));
	put_tar(f, 5, &(struct buf){0}, STR(""), STR("\xff not UTF-8"));

	struct collect_item items[] = {ITEM(5, "e"), ITEM(4, "d"), ITEM(3, "deep/er/c"),
		ITEM(2, "b"), ITEM(1, "a"), ITEM(6, "f")};
	collect_ok(f, 6, items, 5, 0, 1);
	assert_int_equal(report.bytes, 6 + 10 + 100000 + 11);
	expect_file(f, "b/stdout", "hello\n");
	expect_file(f, "b/stderr", NULL);
	expect_file(f, "deep/er/c/sub/a.txt", "a");
	expect_file(f, "deep/er/c/stdout", "the task's own");
	expect_file(f, "e/stdout", "\xff not UTF-8");
	assert_int_equal(file_bytes(results_of(f), "d/stdout"), 100000);
	assert_int_equal(file_bytes(results_of(f), "a"), -1);
	assert_int_equal(file_bytes(results_of(f), "f"), -1);

	assert_int_equal(collect_observe(&f->a, results_of(f), &seen, &n, &f->err), 0);
	assert_int_equal(n, 5);
	assert_true(str_is(seen[0].label, "a") && str_is(seen[3].label, "deep/er/c") &&
		    str_is(seen[4].label, "e"));
	assert_int_equal(digest_cmp(&seen[1].key, &items[3].key), 0);
	collect_ok(f, 6, items, 0, 5, 1);

	snprintf(path, sizeof(path), "%s/b", results_of(f)); /* the user removes a folder */
	remove_tree(path);
	assert_int_equal(collect_observe(&f->a, results_of(f), &seen, &n, &f->err), 0);
	assert_int_equal(n, 4);
	collect_ok(f, 6, items, 1, 4, 1);
	expect_file(f, "b/stdout", "hello\n");
	buf_free(&tar);
	buf_free(&large);
}

static void
test_replacing(void **state)
{
	struct fixture *f = *state;
	struct collect_item first = ITEM(1, "t"), second = ITEM(2, "t"), empty = ITEM(3, "t"),
			    missing = ITEM(9, "t"), other = ITEM(1, "u"),
			    known = {.key = key_of(4), .folder = STR("t"), .is_empty = true};
	struct collected *seen;
	size_t n;

	put_file(f, 1, "old.txt", "old");
	put_file(f, 2, "new.txt", "new");
	put(f->s, 3, STR(""), 0, 0);
	collect_ok(f, 1, &first, 1, 0, 0);
	write_file(results_of(f), "t/notes", "x", 1); /* within a task's folder: goes with it */
	write_file(results_of(f), "mine.txt", "mine", 4);
	collect_ok(f, 1, &second, 1, 0, 0);
	expect_file(f, "t/new.txt", "new");
	expect_file(f, "t/old.txt", NULL);
	expect_file(f, "mine.txt", "mine");
	collect_ok(f, 1, &missing, 0, 0, 1); /* a failed task's older result stays */
	expect_file(f, "t/new.txt", "new");
	collect_ok(f, 1, &other, 1, 0, 0); /* what isn't asked for stays */
	expect_file(f, "t/new.txt", "new");
	collect_ok(f, 1, &empty, 1, 0, 0);
	assert_int_equal(file_bytes(results_of(f), "t"), -1);
	collect_ok(f, 1, &empty, 0, 1, 0);
	collect_ok(f, 1, &second, 1, 0, 0);
	expect_file(f, "t/new.txt", "new");
	collect_ok(f, 1, &known, 1, 0, 0); /* not even looked for in the store */
	assert_int_equal(file_bytes(results_of(f), "t"), -1);
	collect_ok(f, 1, &known, 0, 1, 0);
	collect_ok(f, 1, &second, 1, 0, 0);
	assert_int_equal(collect_observe(&f->a, results_of(f), &seen, &n, &f->err), 0);
	assert_int_equal(n, 2);
}

static void
test_what_is_the_users(void **state)
{
	struct fixture *f = *state;
	struct collect_item items[] = {ITEM(1, "a"), ITEM(1, "t")};
	struct collect_item below = ITEM(1, "link/t");
	char path[PATH_MAX];

	put_file(f, 1, "new.txt", "new");
	assert_int_equal(collect_check_items(results_of(f), items, 2, &f->err), 0);
	assert_int_equal(mkdir(results_of(f), 0777), 0);
	snprintf(path, sizeof(path), "%s/t", results_of(f));
	assert_int_equal(mkdir(path, 0777), 0);
	write_file(path, "thesis", "mine", 4);
	assert_int_equal(collect_check_items(results_of(f), items, 1, &f->err), 0);
	assert_int_equal(collect_check_items(results_of(f), items, 2, &f->err), ERR_INPUT);
	assert_int_equal(collect(f, 2, items), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "folder t that furrow has not made"));
	assert_int_equal(file_bytes(results_of(f), "a"), -1); /* nothing done before */
	assert_int_equal(file_bytes(results_of(f), ".furrow-index"), -1);
	expect_file(f, "t/thesis", "mine");
	remove_tree(path);
	write_file(results_of(f), "t", "mine", 4);
	assert_int_equal(collect(f, 2, items), ERR_INPUT);
	expect_file(f, "t", "mine");
	unlink(path);
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_int_equal(collect(f, 2, items), ERR_INPUT);

	snprintf(path, sizeof(path), "%s/link", results_of(f));
	assert_int_equal(symlink(f->path, path), 0); /* a symlink on the way */
	for (int i = 0; i < 2; i++) { /* also the second time: it never becomes furrow's own */
		assert_int_equal(collect(f, 1, &below), ERR_INPUT);
		assert_non_null(strstr(f->err.message, "symlink"));
	}
	assert_int_equal(file_bytes(f->path, "t"), -1);
	assert_int_equal(file_bytes(results_of(f), ".furrow-tmp"), -1);
}

static void
test_folders_that_are_none(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"", ".", "..", "/etc", "../x", "a/../b", "a//b", "a/",
		".furrow-tmp", ".furrow-index", "a\tb", "a\nb", "a/."};
	struct collect_item twice[] = {ITEM(1, "t"), ITEM(2, "t")},
			    nested[] = {ITEM(1, "t"), ITEM(2, "t/u")};
	struct collect_item inner = ITEM(2, "t/u"), outer = ITEM(1, "t");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct collect_item item = {.key = key_of(1), .folder = str_from(bad[i])};

		assert_int_equal(collect(f, 1, &item), ERR_INPUT);
	}
	assert_int_equal(collect(f, 2, twice), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "two tasks have the folder t"));
	assert_int_equal(collect(f, 2, nested), ERR_INPUT);
	put_file(f, 1, "a", "a");
	put_file(f, 2, "a", "a");
	collect_ok(f, 1, &outer, 1, 0, 0);
	assert_int_equal(collect(f, 1, &inner), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "within that of another task"));
}

static void
test_one_bad_archive(void **state)
{
	struct fixture *f = *state;
	struct collect_item items[] = {ITEM(1, "a"), ITEM(2, "b"), ITEM(3, "c")};

	put_file(f, 1, "x", "one");
	put_file(f, 2, "../../escaped", "two");
	put_file(f, 3, "x", "three");
	assert_int_equal(collect(f, 3, items), ERR_HOST);
	assert_non_null(strstr(f->err.message, "collect b: "));
	assert_non_null(strstr(f->err.message, "leads out"));
	expect_file(f, "a/x", "one"); /* the others have theirs */
	expect_file(f, "c/x", "three");
	assert_int_equal(file_bytes(results_of(f), "b"), -1);
	assert_int_equal(file_bytes(f->root, "escaped"), -1);
	assert_int_equal(file_bytes(results_of(f), ".furrow-tmp"), -1);
	put_file(f, 2, "x", "two");
	collect_ok(f, 3, items, 1, 2, 0);
	expect_file(f, "b/x", "two");
}

static void
test_results_folder(void **state)
{
	struct fixture *f = *state;
	struct collect_item item = ITEM(1, "t");
	char path[PATH_MAX], link[PATH_MAX];
	struct collected *seen;
	size_t n;

	put_file(f, 1, "x", "one");
	assert_int_equal(collect_observe(&f->a, results_of(f), &seen, &n, &f->err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(collect_check(results_of(f), &f->err), 0);
	assert_int_equal(file_bytes(f->root, "results"), -1); /* checking makes nothing */
	snprintf(path, sizeof(path), "%s/not/there/yet", f->root);
	assert_int_equal(collect_check(path, &f->err), 0);
	assert_int_equal(collect_run(f->s, path, &item, 1, &report, &f->err), 0);
	assert_int_equal(file_bytes(path, "t/x"), 3);

	write_file(f->root, "file", "", 0);
	snprintf(path, sizeof(path), "%s/file", f->root);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(collect_check(path, &f->err), ERR_INPUT);
		assert_non_null(strstr(f->err.message, "no folder"));
		assert_int_equal(collect_run(f->s, path, &item, 1, &report, &f->err), ERR_INPUT);
		assert_int_equal(collect_observe(&f->a, path, &seen, &n, &f->err), ERR_INPUT);
		snprintf(path, sizeof(path), "%s/file/below", f->root);
	}
	snprintf(path, sizeof(path), "%s/real", f->root);
	snprintf(link, sizeof(link), "%s/link", f->root);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(collect_check(link, &f->err), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "symlink to nowhere"));
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(collect_check(link, &f->err), 0);
	assert_int_equal(collect_run(f->s, link, &item, 1, &report, &f->err), 0);
	assert_int_equal(file_bytes(path, "t/x"), 3);
}

static void
test_odd_indexes(void **state)
{
	struct fixture *f = *state;
	struct collect_item items[] = {ITEM(1, "a"), ITEM(1, "b")};
	char key[DIGEST_HEX_BYTES], path[PATH_MAX];
	struct digest k = key_of(1), other = key_of(2);
	struct collected *seen;
	struct buf index = {0};
	size_t n;

	put_file(f, 1, "x", "one");
	collect_ok(f, 2, items, 2, 0, 0);
	digest_hex(key, &k);
	buf_addf(&index, "%s\tb\n",
		key); /* not sorted, with lines that are none, and one torn off */
	buf_addf(&index, "garbage\n\n%s\n%s\t\n%s\t../etc\n%s\t/etc\n%s!\ta\n", key, key, key, key,
		key);
	buf_addf(&index, "%s-\tnone\n%s\tgone\n%s\ta\n%s\ttorn", key, key, key, key);
	write_file(results_of(f), ".furrow-index", index.p, index.n);
	assert_int_equal(collect_observe(&f->a, results_of(f), &seen, &n, &f->err), 0);
	assert_int_equal(n, 3);
	assert_true(str_is(seen[0].label, "a") && str_is(seen[1].label, "b") &&
		    str_is(seen[2].label, "none"));
	collect_ok(f, 2, items, 0, 2, 0);

	digest_hex(key, &other); /* two keys for one folder: made anew */
	buf_addf(&index, "\n%s\tb\n", key);
	write_file(results_of(f), ".furrow-index", index.p, index.n);
	assert_int_equal(collect_observe(&f->a, results_of(f), &seen, &n, &f->err), 0);
	assert_int_equal(n, 2);
	collect_ok(f, 2, items, 1, 1, 0);

	snprintf(path, sizeof(path), "%s/.furrow-index", results_of(f));
	unlink(path);
	assert_int_equal(collect_observe(&f->a, results_of(f), &seen, &n, &f->err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(collect(f, 2, items), ERR_INPUT); /* whose are they now? */
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(collect_observe(&f->a, results_of(f), &seen, &n, &f->err), ERR_INPUT);
	buf_free(&index);
}

/* Many folders are looked for by listing, few one by one: the same comes out. */
static void
test_observing_many(void **state)
{
	struct fixture *f = *state;
	struct collect_item *items = calloc(400, sizeof(*items));
	struct collected *seen;
	char path[PATH_MAX];
	size_t n;

	put_file(f, 1, "x", "one");
	for (unsigned i = 0; i < 400; i++)
		items[i] = (struct collect_item){.key = key_of(1),
			.folder = arena_printf(&f->a, "%s%03u", i % 2 ? "p/q/" : "", i)};
	collect_ok(f, 400, items, 400, 0, 0);
	collect_ok(f, 400, items, 0, 400, 0);
	for (unsigned i = 0; i < 400; i += 7) {
		snprintf(path, sizeof(path), "%s/%.*s", results_of(f), STR_ARG(items[i].folder));
		remove_tree(path);
		if (i % 3 == 0)
			write_file(
				results_of(f), items[i].folder.p, "", 0); /* a file is no folder */
	}
	assert_int_equal(collect_observe(&f->a, results_of(f), &seen, &n, &f->err), 0);
	assert_int_equal(n, 400 - 58);
	for (size_t i = 1; i < n; i++)
		assert_true(str_cmp(seen[i - 1].label, seen[i].label) < 0);
	free(items);
}

/* Each folder holds one file of key A's or of key B's, whole. */
static void
check_either(struct fixture *f, const struct collect_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char name[PATH_MAX];
		long a, b;

		snprintf(name, sizeof(name), "%.*s/a", STR_ARG(items[i].folder));
		a = file_bytes(results_of(f), name);
		name[strlen(name) - 1] = 'b';
		b = file_bytes(results_of(f), name);
		assert_true((a == 1 && b == -1) || (a == -1 && b == 1) ||
			    file_bytes(results_of(f), items[i].folder.p) == -1);
	}
}

static void
test_killed_at_any_moment(void **state)
{
	struct fixture *f = *state;
	struct collect_item a[40], b[40];

	put_file(f, 1, "a", "a");
	put_file(f, 2, "b", "b");
	for (unsigned i = 0; i < 40; i++) {
		a[i] = (struct collect_item){
			.key = key_of(1), .folder = arena_printf(&f->a, "t%02u", i)};
		b[i] = (struct collect_item){.key = key_of(2), .folder = a[i].folder};
	}
	srandom(2);
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			for (int j = 0;; j++)
				collect(f, 40, j % 2 ? a : b);
		}
		usleep((useconds_t)(random() % 40000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		check_either(f, a, 40);
		if (i % 4 == 3) { /* the next one cleans up, and all is as it should be */
			assert_int_equal(collect(f, 40, a), 0);
			assert_int_equal(file_bytes(results_of(f), ".furrow-tmp"), -1);
			for (unsigned j = 0; j < 40; j++)
				expect_file(f, arena_printf(&f->a, "t%02u/a", j).p, "a");
		}
	}
}

static void
test_two_at_once(void **state)
{
	struct fixture *f = *state;
	struct collect_item items[] = {ITEM(1, "a"), ITEM(2, "b"), ITEM(1, "c")};
	struct collected *seen;
	size_t n;

	put_file(f, 1, "a", "a");
	put_file(f, 2, "b", "b");
	for (int i = 0; i < 6; i++) {
		if (fork() == 0)
			_exit(collect(f, i % 2 ? 3 : 1, items + (i % 2 ? 0 : i / 2)) < 0);
	}
	for (int i = 0; i < 6; i++) {
		int status;

		wait(&status);
		assert_int_equal(status, 0);
	}
	assert_int_equal(collect_observe(&f->a, results_of(f), &seen, &n, &f->err), 0);
	assert_int_equal(n, 3);
}

#define CHECK(cond)                                                                            \
	do {                                                                                   \
		if (!(cond)) {                                                                 \
			print_message("# line %d: %s: %s\n", __LINE__, #cond, f->err.message); \
			_exit(1);                                                              \
		}                                                                              \
	} while (0)

static void
on_a_full_disk(struct fixture *f)
{
	struct collect_item items[40];
	char *results = results_of(f);
	struct collected *seen;
	struct buf tar = {0};
	char content[50001];
	size_t n;

	memset(content, 'x', 50000);
	content[50000] = '\0';
	tar_file(&tar, "x", content);
	tar_end(&tar);
	for (unsigned i = 0; i < 40; i++) {
		put_tar(f, i, &tar, STR(""), (struct str){0});
		items[i] = (struct collect_item){
			.key = key_of(i), .folder = arena_printf(&f->a, "t%02u", i)};
	}
	mkdir(results, 0777);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", results, "tmpfs", 0, "size=1m") < 0)
		_exit(77);
	CHECK(collect(f, 5, items) == 0);
	CHECK(collect(f, 40, items) == ERR_HOST);
	CHECK(f->err.os_errno == ENOSPC && strstr(f->err.message, "free some space"));
	CHECK(file_bytes(results, ".furrow-tmp") == -1);
	CHECK(collect_observe(&f->a, results, &seen, &n, &f->err) == 0 && n >= 5 && n < 40);
	for (size_t i = 0; i < n; i++)
		CHECK(file_bytes(results,
			      arena_printf(&f->a, "%.*s/x", STR_ARG(seen[i].label)).p) == 50000);
	CHECK(mount("none", results, "tmpfs", MS_REMOUNT, "size=10m") == 0);
	CHECK(collect(f, 40, items) == 0 && report.n_kept == n);
	CHECK(mount("none", results, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK(collect_check(results, &f->err) == ERR_INPUT && f->err.os_errno == EROFS);
	CHECK(collect(f, 40, items) == 0); /* nothing to write */
	items[0].key = key_of(1);
	CHECK(collect(f, 40, items) == ERR_INPUT && f->err.os_errno == EROFS);
	buf_free(&tar);
	store_close(f->s);
	arena_free(&f->a);
	_exit(0);
}

static void
test_a_full_disk(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		on_a_full_disk(*state);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("# a file system of its own cannot be mounted here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_collect),
		TEST(test_replacing),
		TEST(test_what_is_the_users),
		TEST(test_folders_that_are_none),
		TEST(test_one_bad_archive),
		TEST(test_results_folder),
		TEST(test_odd_indexes),
		TEST(test_observing_many),
		TEST(test_killed_at_any_moment),
		TEST(test_two_at_once),
		TEST(test_a_full_disk),
	};

	return cmocka_run_group_tests_name("collect", tests, NULL, NULL);
}
