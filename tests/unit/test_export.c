/* A source written out: as a folder, as an archive; and fetched from another repository. */
#include "source_fixture.h"

#include <fcntl.h>

#define REPO "git init -q -b main r; cd r; echo 'furrow: 1' > furrow.yaml; "
#define COMMIT "git add -A; git commit -qm x; "

static char *
below(struct fixture *f, const char *path)
{
	return arena_cstr(&f->arena, arena_printf(&f->arena, "%s/%s", f->dir, path));
}

static void
archive_to(struct fixture *f, const char *path)
{
	int fd = open(below(f, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	if (source_archive(f->reader, &f->source, fd, false, &f->err) < 0)
		fail_msg("%s", f->err.message);
	close(fd);
}

static void
export_to(struct fixture *f, const char *path)
{
	assert_int_equal(mkdir(below(f, path), 0755), 0);
	if (source_export(f->reader, &f->source, below(f, path), &f->err) < 0)
		fail_msg("%s", f->err.message);
}

#define MANY_FILES                                                                                \
	"mkdir -p d/e/f d-x 'sp ace'; echo 1 > d/e/f/1; echo 2 > d/2; echo 3 > d-x/3; echo 4 > "  \
	"d.4; : > empty; "                                                                        \
	"ln -s d/2 link; ln -s ../d d-x/up; chmod +x d/2; echo n > \"$(printf 'new\\nline')\"; "  \
	"echo 8 > \"$(printf 'bad\\377')\"; echo 5 > \"$(head -c 255 /dev/zero | tr '\\0' n)\"; " \
	"echo 6 > -dash; echo 7 > 'sp ace/ '; "

static void
folder(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	mode_t mask = umask(077);

	sh(f, REPO MANY_FILES COMMIT);
	open_and_list(f, "r");
	export_to(f, "out");
	umask(mask);
	sh(f, "mv r/.git .; diff -r --no-dereference r out; test -L out/link; test -x out/d/2; "
	      "test \"$(readlink out/d-x/up)\" = ../d; "
	      "test -z \"$(find out -mindepth 1 ! -newermt '1980-01-31 12:00Z' -o -newermt "
	      "'1980-02-01 12:00Z')\"; mv .git r/");
	assert_int_equal(stat(below(f, "out/d/e"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(stat(below(f, "out/d/e/f/1"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(stat(below(f, "out/d/2"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_mtime, SOURCE_TIME_S);
	/* Nothing is overwritten. */
	assert_int_equal(source_export(f->reader, &f->source, below(f, "out"), &f->err), ERR_HOST);
	assert_int_equal(source_export(f->reader, &f->source, below(f, "nope"), &f->err), ERR_HOST);
}

static void
dirty_folder(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "echo 1 > a; echo 1 > b; echo 1 > c;" COMMIT
		   "echo 2 > b; rm c; echo 3 > u; ln -s u l");
	f->where.allow_dirty = true;
	open_and_list(f, "r");
	export_to(f, "out");
	sh(f, "mv r/.git .; diff -r --no-dereference r out");
	sh(f, "mv .git r; rm -r out; echo 4 > r/u; mkdir again");
	assert_int_equal(
		source_export(f->reader, &f->source, below(f, "again"), &f->err), ERR_STALE);
	assert_message_has(f, "u changed since it was listed");
}

static void
archive(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO MANY_FILES COMMIT);
	open_and_list(f, "r");
	archive_to(f, "1.tar");
	sh(f, "find r -newer r/.git -exec touch {} +; mkdir x; tar -xf 1.tar -C x "
	      "--warning=no-unknown-keyword; mv r/.git .; "
	      "diff -r --no-dereference r x; tar --warning=no-unknown-keyword -tvf 1.tar | grep -q "
	      "'^-rwxr-xr-x 0/0 .*1980-02-01.* d/2$'; "
	      "mv .git r/");
	open_and_list(f, "r");
	archive_to(f, "2.tar");
	sh(f, "cmp 1.tar 2.tar");
	/* The same files from a plain folder give the same archive. */
	f->where.workdir = (struct workdir){.kind = WORKDIR_PATH, .path = STR("../x")};
	open_and_list(f, "r");
	archive_to(f, "3.tar");
	sh(f, "cmp 1.tar 3.tar");
}

static void
archive_fails(void **state)
{
	struct fixture *f = *state;
	int fd;

	sh(f, REPO "head -c 300000 /dev/zero > z;" COMMIT);
	open_and_list(f, "r");
	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(source_archive(f->reader, &f->source, fd, false, &f->err), ERR_HOST);
	assert_int_equal(f->err.os_errno, 28);
	close(fd);
	fd = open(below(f, "r/z"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(source_archive(f->reader, &f->source, fd, false, &f->err), ERR_HOST);
	close(fd);
}

static void
large_file(void **state)
{
	struct fixture *f = *state;

	sh(f, "mkdir p; head -c 20000000 /dev/urandom > p/big");
	f->where.workdir = (struct workdir){.kind = WORKDIR_PATH, .path = STR("p")};
	open_and_list(f, ".");
	assert_int_equal(entry(f, "big")->size_bytes, 20000000);
	export_to(f, "out");
	archive_to(f, "a.tar");
	sh(f, "cmp p/big out/big; tar -xOf a.tar big | cmp - p/big");
}

static void
set_url(struct fixture *f, struct str url, const char *ref)
{
	f->where.workdir = (struct workdir){.kind = WORKDIR_URL, .url = url, .ref = str_from(ref)};
}

static void
remote_refs(void **state)
{
	struct fixture *f = *state;
	struct str first;

	sh(f, REPO "echo 1 > v;" COMMIT
		   "git tag -a -m t v1; git checkout -qb side/x; echo 2 > v;" COMMIT
		   "git checkout -q main; echo 3 > v;" COMMIT "mkdir ../job");
	set_url(f, arena_printf(&f->arena, "file://%s/r", f->dir), NULL);
	open_and_list(f, "job");
	assert_int_equal(f->source.kind, SOURCE_COMMIT);
	assert_content(f, "v", "3\n");
	assert_true(str_starts(f->source.describe, STR("HEAD@")));
	assert_null(f->source.manifest_path.p);
	set_url(f, STR("../r"), "v1");
	open_and_list(f, "job");
	assert_content(f, "v", "1\n");
	assert_true(str_starts(f->source.describe, STR("v1@")));
	first = f->source.commit;
	set_url(f, STR("../r"), "side/x");
	open_and_list(f, "job");
	assert_content(f, "v", "2\n");
	set_url(f, arena_printf(&f->arena, "%s/r", f->dir), "refs/heads/main");
	open_and_list(f, "job");
	assert_content(f, "v", "3\n");
	set_url(f, STR("../r"), first.p);
	open_and_list(f, "job");
	assert_content(f, "v", "1\n");
	sh(f, "cd r; echo 4 > v;" COMMIT); /* a branch moves on */
	set_url(f, STR("../r"), "main");
	open_and_list(f, "job");
	assert_content(f, "v", "4\n");
	set_url(f, STR("../r"), "nope");
	assert_refused(f, try_open(f, "job"), "has no branch or tag 'nope'");
	set_url(f, STR("../r"), "0123456789012345678901234567890123456789");
	assert_refused(f, try_open(f, "job"), "is on no branch or tag");
	/* What is in the cache needs nobody. */
	sh(f, "mv r gone");
	set_url(f, STR("../r"), first.p);
	open_and_list(f, "job");
	assert_content(f, "v", "1\n");
	set_url(f, STR("../r"), "main");
	assert_refused(f, try_open(f, "job"), "fetch ");
}

static void
remote_urls(void **state)
{
	struct fixture *f = *state;

	sh(f, "mkdir job");
	set_url(f, STR("git@example.org:a/b.git"), NULL);
	assert_refused(f, try_open(f, "job"), "https");
	set_url(f, STR("ssh://git:pass@example.org/a"), NULL);
	assert_refused(f, try_open(f, "job"), "ssh://example.org/a: furrow fetches over https");
	set_url(f, STR("ftp://example.org/a"), NULL);
	assert_refused(f, try_open(f, "job"), "https");
	set_url(f, STR("./a:b"), NULL); /* a path */
	assert_refused(f, try_open(f, "job"), "fetch ");
	set_url(f, STR("http://user:secret@127.0.0.1:1/x.git"), NULL);
	assert_int_equal(try_open(f, "job"), ERR_HOST);
	assert_message_has(f, "fetch http://127.0.0.1:1/x.git");
	assert_null(strstr(f->err.message, "secret"));
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(folder),
		TEST(dirty_folder),
		TEST(archive),
		TEST(archive_fails),
		TEST(large_file),
		TEST(remote_refs),
		TEST(remote_urls),
	};

	clean_git_environment();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
