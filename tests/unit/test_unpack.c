/* Unpacking outputs: what a task may leave comes out as it was, what leads astray is refused. */
#include "tests/unit/store_fixture.h"
#include "tests/unit/tar_fixture.h"

#include "providers/store/collect.h"

#include <locale.h>
#include <sys/mman.h>

enum { PLENTY = 1 << 20 };

/* A folder with the folder to unpack into, and a file and a folder beside it that must stay as
 * they are. */
struct unpack_fixture {
	char root[128], path[192];
	int fd;
	struct buf tar;
	struct error err;
};

static int
set_up(void **state)
{
	struct unpack_fixture *f = calloc(1, sizeof(*f));
	const char *base = getenv("TMPDIR");

	snprintf(f->root, sizeof(f->root), "%s/furrow-unit.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(f->root))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/into", f->root);
	if (mkdir(f->path, 0777) < 0)
		return -1;
	write_file(f->root, "beside", "mine", 4);
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY);
	*state = f;
	return f->fd < 0 ? -1 : 0;
}

static int
tear_down(void **state)
{
	struct unpack_fixture *f = *state;
	char text[16];

	assert_string_equal(read_file(f->root, "beside", text, sizeof(text)), "mine");
	close(f->fd);
	buf_free(&f->tar);
	remove_tree(f->root);
	free(f);
	return 0;
}

static int
unpack(struct unpack_fixture *f, int64_t limit)
{
	int rc, fd = memfd_create("tar", MFD_CLOEXEC);

	assert_int_equal(write(fd, buf_str(&f->tar).p, f->tar.n), f->tar.n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	rc = collect_unpack(fd, f->fd, limit, &f->err);
	close(fd);
	buf_clear(&f->tar);
	return rc;
}

static void
expect(struct unpack_fixture *f, const char *message)
{
	tar_end(&f->tar);
	assert_int_equal(unpack(f, PLENTY), ERR_HOST);
	if (!strstr(f->err.message, message))
		fail_msg("not '%s' but: %s", message, f->err.message);
}

static mode_t
mode_of(struct unpack_fixture *f, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

static void
test_what_tasks_leave(void **state)
{
	struct unpack_fixture *f = *state;
	char text[64], target[64] = {0};
	mode_t mask = umask(022);
	struct stat a, b;

	tar_add(&f->tar, "./", '5', 0755, "", STR(""));
	tar_add(&f->tar, "./sub/", '5', 0700, "", STR(""));
	tar_file(&f->tar, "./sub/a.txt", "hello");
	tar_file(&f->tar, "empty", "");
	tar_add(&f->tar, "run.sh", '0', 0755, "", STR("#!/bin/sh\n"));
	tar_add(&f->tar, "setuid", '0', 06755, "", STR("x"));
	tar_add(&f->tar, "unreadable", '0', 0, "", STR("x"));
	tar_file(&f->tar, "deep/er/than/announced", "x");
	tar_add(&f->tar, "sub/link", '2', 0777, "a.txt", STR(""));
	tar_add(&f->tar, "sub/up", '2', 0777, "../empty", STR(""));
	tar_add(&f->tar, "dangling", '2', 0777, "not/there", STR(""));
	tar_add(&f->tar, "hard", '1', 0644, "./sub/a.txt", STR(""));
	tar_file(&f->tar, "odd name\nwith -newline", "x");
	tar_add(&f->tar, "sub", '5', 0755, "", STR("")); /* a folder twice is no harm */
	tar_end(&f->tar);
	if (unpack(f, PLENTY) < 0)
		fail_msg("%s", f->err.message);
	umask(mask);
	assert_string_equal(read_file(f->path, "sub/a.txt", text, sizeof(text)), "hello");
	assert_int_equal(file_bytes(f->path, "empty"), 0);
	assert_int_equal(mode_of(f, "run.sh"), S_IFREG | 0755);
	assert_int_equal(mode_of(f, "setuid"), S_IFREG | 0755);
	assert_int_equal(mode_of(f, "unreadable"), S_IFREG | 0600);
	assert_int_equal(file_bytes(f->path, "deep/er/than/announced"), 1);
	assert_int_equal(readlinkat(f->fd, "sub/up", target, sizeof(target)), 8);
	assert_string_equal(target, "../empty");
	assert_int_equal(readlinkat(f->fd, "dangling", target, sizeof(target)), 9);
	assert_int_equal(fstatat(f->fd, "hard", &a, 0), 0);
	assert_int_equal(fstatat(f->fd, "sub/a.txt", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(file_bytes(f->path, "odd name\nwith -newline"), 1);
}

static void
test_names_of_any_bytes(void **state)
{
	struct unpack_fixture *f = *state;
	char longest[3000];
	const char *locales[] = {"C", "C.UTF-8"};

	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = i % 200 == 199 ? '/' : 'l';
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < 2; i++) {
		if (!setlocale(LC_ALL, locales[i]))
			continue;
		tar_file(&f->tar, i ? "u-caf\xc3\xa9" : "caf\xc3\xa9", "ustar, UTF-8");
		tar_file(&f->tar, i ? "u-caf\xe9" : "caf\xe9", "ustar, latin 1");
		tar_pax(&f->tar, "path", i ? STR("u-pax-caf\xc3\xa9") : STR("pax-caf\xc3\xa9"));
		tar_file(&f->tar, "short", "pax, UTF-8");
		tar_pax(&f->tar, "path", i ? STR("u-pax-caf\xe9") : STR("pax-caf\xe9"));
		tar_file(&f->tar, "short", "pax, latin 1");
		tar_pax(&f->tar, "linkpath", STR("pax-caf\xc3\xa9"));
		tar_add(&f->tar, i ? "u-link" : "link", '2', 0777, "short", STR(""));
		if (i == 0) {
			tar_pax(&f->tar, "path", str_from(longest));
			tar_file(&f->tar, "short", "long");
		}
		tar_end(&f->tar);
		if (unpack(f, PLENTY) < 0)
			fail_msg("%s: %s", locales[i], f->err.message);
	}
	setlocale(LC_ALL, "C");
	assert_int_equal(file_bytes(f->path, "caf\xc3\xa9"), 12);
	assert_int_equal(file_bytes(f->path, "caf\xe9"), 14);
	assert_int_equal(file_bytes(f->path, "pax-caf\xc3\xa9"), 10);
	assert_int_equal(file_bytes(f->path, "pax-caf\xe9"), 12);
	assert_int_equal(file_bytes(f->path, "link"), 10);
	assert_int_equal(file_bytes(f->path, longest), 4);
	assert_int_equal(file_bytes(f->path, "short"), -1);
}

static void
test_paths_that_leave(void **state)
{
	struct unpack_fixture *f = *state;
	static const char *const bad[] = {"/beside", "//beside", "../beside", "a/../../beside",
		"./../beside", "..", "a/..", "../into/a", "a/b/../c"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tar_file(&f->tar, bad[i], "evil");
		expect(f, "leads out");
		tar_add(&f->tar, bad[i], '5', 0755, "", STR(""));
		expect(f, "leads out");
	}
	tar_file(&f->tar, ".", "evil");
	expect(f, "has no name");
}

static void
test_symlinks_that_leave(void **state)
{
	struct unpack_fixture *f = *state;
	static const struct {
		const char *name, *target;
	} bad[] = {{"a", "/etc/passwd"}, {"a", ".."}, {"a", "../beside"}, {"sub/a", "../../beside"},
		{"sub/a", "../x/../../beside"}, {"a", "sub/.."}, {"a", "./../beside"}, {"a", ""}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tar_add(&f->tar, bad[i].name, '2', 0777, bad[i].target, STR(""));
		expect(f, "symlink");
	}
}

static void
test_members_through_links(void **state)
{
	struct unpack_fixture *f = *state;

	tar_add(&f->tar, "sub", '5', 0755, "", STR(""));
	tar_add(&f->tar, "link", '2', 0777, "sub", STR(""));
	tar_file(&f->tar, "link/file", "astray");
	expect(f, "no folder");
	assert_int_equal(file_bytes(f->path, "sub/file"), -1);
	tar_add(&f->tar, "to-file", '2', 0777, "sub/new", STR(""));
	tar_file(&f->tar, "to-file", "astray");
	expect(f, "twice");
	assert_int_equal(file_bytes(f->path, "sub/new"), -1);
	tar_add(&f->tar, "link", '5', 0755, "", STR("")); /* a symlink where a folder is to be */
	expect(f, "where there is a file");
}

static void
test_hard_links_that_leave(void **state)
{
	struct unpack_fixture *f = *state;
	static const char *const bad[] = {
		"/etc/passwd", "../beside", "sub/../../beside", "not-there", "sub", ""};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tar_add(&f->tar, "sub", '5', 0755, "", STR(""));
		tar_add(&f->tar, "hard", '1', 0644, bad[i], STR(""));
		expect(f, i == 5 ? "" : "hard link");
	}
	tar_file(&f->tar, "sub/file", "x");
	tar_add(&f->tar, "through", '2', 0777, "sub", STR(""));
	tar_add(&f->tar, "hard", '1', 0644, "through/file", STR(""));
	expect(f, "hard link");
	tar_add(&f->tar, "sym", '2', 0777, "sub/file", STR(""));
	tar_add(&f->tar, "hard", '1', 0644, "sym", STR(""));
	expect(f, "hard link");
	assert_int_equal(file_bytes(f->path, "hard"), -1);
}

static void
test_special_files(void **state)
{
	struct unpack_fixture *f = *state;

	for (const char *type = "346"; *type; type++) {
		tar_header(&f->tar, "special", *type, 0644, "", 0);
		expect(f, "neither file, folder nor link");
		assert_int_equal(file_bytes(f->path, "special"), -1);
	}
}

static void
test_twice(void **state)
{
	struct unpack_fixture *f = *state;
	char text[8];

	tar_file(&f->tar, "a", "one");
	tar_file(&f->tar, "./a", "two");
	expect(f, "twice");
	assert_string_equal(read_file(f->path, "a", text, sizeof(text)), "one");
	tar_file(&f->tar, "a/b", "below a file");
	expect(f, "no folder");
	tar_add(&f->tar, "a", '5', 0755, "", STR(""));
	expect(f, "where there is a file");
	tar_add(&f->tar, "folder", '5', 0755, "", STR(""));
	tar_file(&f->tar, "folder", "a file");
	expect(f, "where there is a folder");
}

static void
test_limits(void **state)
{
	struct unpack_fixture *f = *state;
	struct buf large = {0};

	memset(buf_reserve(&large, 100000), 'x', 100000);
	large.n = 100000;
	tar_add(&f->tar, "large", '0', 0644, "", buf_str(&large));
	tar_end(&f->tar);
	assert_int_equal(unpack(f, 99999), ERR_HOST);
	assert_non_null(strstr(f->err.message, "more than the 99999 bytes"));
	assert_true(file_bytes(f->path, "large") < 100000);
	for (int i = 0; i < 100; i++) { /* many empty files cost as well */
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		tar_file(&f->tar, name, "");
	}
	tar_end(&f->tar);
	assert_int_equal(unpack(f, 10000), ERR_HOST);
	assert_int_equal(file_bytes(f->path, "f99"), -1);
	buf_free(&large);
}

/* A few bytes that claim to be a file of 8 TiB. */
static void
test_sparse_bomb(void **state)
{
	struct unpack_fixture *f = *state;

	tar_pax(&f->tar, "GNU.sparse.major", STR("0"));
	tar_pax(&f->tar, "GNU.sparse.size", STR("8796093022208"));
	tar_file(&f->tar, "bomb", "");
	tar_end(&f->tar);
	if (unpack(f, PLENTY) == 0)
		assert_true(file_bytes(f->path, "bomb") <= PLENTY);
	tar_pax(&f->tar, "GNU.sparse.map", STR("8796093022208,0"));
	tar_file(&f->tar, "bomb2", "");
	tar_end(&f->tar);
	unpack(f, PLENTY);
	assert_true(file_bytes(f->path, "bomb2") <= PLENTY);
}

static void
test_broken_archives(void **state)
{
	struct unpack_fixture *f = *state;
	size_t n;

	tar_end(&f->tar); /* empty: nothing to do */
	assert_int_equal(unpack(f, PLENTY), 0);
	buf_add_cstr(&f->tar, "this is no archive at all");
	assert_int_equal(unpack(f, PLENTY), ERR_HOST);
	assert_non_null(strstr(f->err.message, "broken"));
	tar_header(&f->tar, "cut", '0', 0644, "", 5000);
	buf_add_cstr(&f->tar, "only a little");
	assert_int_equal(unpack(f, PLENTY), ERR_HOST);
	tar_header(&f->tar, "x", '0', 0644, "", 0);
	f->tar.p[0] = 'y'; /* the checksum doesn't hold */
	assert_int_equal(unpack(f, PLENTY), ERR_HOST);
	for (n = 0; n < 1024; n += 33) {
		memset(buf_reserve(&f->tar, 1024), (int)n, 1024);
		f->tar.n = n;
		unpack(f, PLENTY);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_tasks_leave),
		TEST(test_names_of_any_bytes),
		TEST(test_paths_that_leave),
		TEST(test_symlinks_that_leave),
		TEST(test_members_through_links),
		TEST(test_hard_links_that_leave),
		TEST(test_special_files),
		TEST(test_twice),
		TEST(test_limits),
		TEST(test_sparse_bomb),
		TEST(test_broken_archives),
	};

	return cmocka_run_group_tests_name("unpack", tests, NULL, NULL);
}
