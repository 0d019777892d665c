/* A plain folder as source, {path: DIR}: which files are part of it, by the rules of .gitignore. */
#include "source_fixture.h"

#include "providers/git/ignore.h"

#include <fcntl.h>

static int
set_up_path(void **state)
{
	int rc = set_up(state);
	struct fixture *f = *state;

	if (rc == 0)
		f->where.workdir.kind = WORKDIR_PATH;
	return rc;
}

static void
plain_folder(void **state)
{
	struct fixture *f = *state;
	uint8_t id[BLOB_ID_BYTES];

	sh(f, "mkdir -p r/d/e r/.furrow r/d/.furrow r/results r/.git; echo > r/furrow.yaml; "
	      "printf a > r/d/e/a; chmod +x r/d/e/a; ln -s e/a r/d/l; echo > r/.furrow/x; echo > "
	      "r/d/.furrow/y; "
	      "echo > r/results/z; echo > r/.git/config; echo > r/.hidden; mkdir r/empty");
	f->where.results = STR("results");
	open_and_list(f, "r");
	assert_int_equal(f->source.kind, SOURCE_PATH);
	assert_string_equal(paths(f), ".hidden|d/e/a|d/l|furrow.yaml");
	assert_int_equal(entry(f, "d/e/a")->mode, FILE_EXECUTABLE);
	assert_int_equal(entry(f, "d/e/a")->size_bytes, 1);
	assert_int_equal(source_blob_id(id, STR("a"), &f->err), 0);
	assert_memory_equal(id, entry(f, "d/e/a")->id, sizeof(id));
	assert_null(f->source.commit.p);
	assert_null(f->source.patch_sha256.p);
	assert_true(str_is(f->source.manifest_path, "furrow.yaml"));
	assert_content(f, "d/l", "a");
}

static void
folder_elsewhere(void **state)
{
	struct fixture *f = *state;

	sh(f, "mkdir -p r data/in; echo > r/furrow.yaml; echo x > data/in/x; ln -s data link");
	f->where.workdir.path = STR("../data");
	open_and_list(f, "r");
	assert_string_equal(paths(f), "in/x");
	assert_null(f->source.manifest_path.p);
	f->where.workdir.path = arena_printf(&f->arena, "%s/link/in", f->dir);
	open_and_list(f, "r");
	assert_string_equal(paths(f), "x");
	f->where.workdir.path = STR("../nope");
	assert_refused(f, try_open(f, "r"), "there is no such folder");
	f->where.workdir.path = STR("furrow.yaml");
	assert_refused(f, try_open(f, "r"), "there is no such folder");
	f->where.workdir.path = STR("../../../../../../../../..");
	assert_int_equal(try_open(f, "r"), ERR_INPUT);
}

static void
refused_files(void **state)
{
	struct fixture *f = *state;

	sh(f, "mkdir -p r/d; mkfifo r/d/pipe");
	assert_int_equal(try_open(f, "r"), 0);
	assert_refused(f, try_list(f), "d/pipe is a named pipe");
	sh(f, "rm r/d/pipe; ln -s ../../x r/d/out");
	assert_int_equal(try_open(f, "r"), 0);
	assert_refused(f, try_list(f), "d/out -> ../../x leaves the workdir");
	sh(f, "rm r/d/out; ln -s /x r/d/out; echo d/out > r/.gitignore");
	open_and_list(f, "r"); /* what is ignored may be anything */
	assert_string_equal(paths(f), ".gitignore");
	if (geteuid() == 0)
		return;
	sh(f, "echo > r/secret; chmod 0 r/secret");
	assert_int_equal(try_open(f, "r"), 0);
	assert_refused(f, try_list(f), "secret");
}

static void
strange_names(void **state)
{
	struct fixture *f = *state;

	sh(f, "mkdir r; cd r; echo 1 > \"$(printf 'a\\nb')\"; echo 2 > \"$(printf 'x\\377')\"; "
	      "echo 3 > ' '; "
	      "echo 4 > -n; echo 5 > \"$(head -c 255 /dev/zero | tr '\\0' n)\"");
	open_and_list(f, "r");
	assert_int_equal(f->source.n_entries, 5);
	assert_content(f, "a\nb", "1\n");
	assert_content(f, "x\377", "2\n");
	assert_content(f, " ", "3\n");
}

static void
empty_folder(void **state)
{
	struct fixture *f = *state;

	sh(f, "mkdir r");
	open_and_list(f, "r");
	assert_int_equal(f->source.n_entries, 0);
}

/* The same listing as git's own (ls-files of untracked files), over rules of every sort. */
static void
same_as_git(void **state)
{
	struct fixture *f = *state;
	struct arena *a = &f->arena;
	struct str want = {0}, list;
	static char text[65536];
	int fd;

	sh(f, "git init -q r; cd r; "
	      "printf '%s\\n' '# comment' '' '*.log' '!keep.log' '/top' 'sub/inner' 'dir/' "
	      "'**/deep' "
	      "  'a/**/z' 'tail/**' 'sp ace' 'trail   ' 'esc\\ ' '\\#hash' '\\!bang' '[a-c].x' "
	      "'[!a-c].y' "
	      "  '?.q' 'foo*bar' '/anch/*.t' 'crlf' '*/one' 'x/**/y/*.k' 'b\\*k' '***' > "
	      ".gitignore; "
	      "sed -i 's/^crlf$/crlf\\r/; s/^\\*\\*\\*$/st**r/' .gitignore; "
	      "for p in a.log keep.log d/a.log d/keep.log top d/top sub/inner d/sub/inner dir/f "
	      "d/dir/f "
	      "  file/dir deep/f d/e/deep a/z a/b/z a/b/c/z z tail/f tail/d/f 'sp ace' trail 'esc "
	      "' '#hash' "
	      "  '!bang' a.x d.x a.y d.y q.q qq.q foobar fooxbar 'foo/bar' anch/a.t anch/d/a.t "
	      "crlf one d/one "
	      "  d/e/one x/y/a.k x/1/y/b.k x/1/2/y/c.k x/y/d/a.k 'b*k' bxk star stxxr st/r .dot "
	      ".dot.log "
	      "  n/.x n/a n/b n/m/a n/m/b k/a k/k/a; do "
	      "  case $p in */*) mkdir -p \"${p%/*}\";; esac; echo > \"$p\"; done; "
	      "printf '*\\n!.gitignore\\n!b\\n!m/\\n' > n/.gitignore; printf '/a\\n' > "
	      "k/.gitignore; "
	      "git ls-files -z --others --exclude-standard | LC_ALL=C sort -z > ../want");
	open_and_list(f, "r");
	list = arena_printf(a, "%s/want", f->dir);
	fd = open(list.p, O_RDONLY | O_CLOEXEC);
	want = (struct str){text, (size_t)read(fd, text, sizeof(text))};
	close(fd);
	assert_true(want.n > 150);
	for (size_t i = 0; i < f->source.n_entries; i++) {
		struct str path = str_cut(&want, '\0');

		if (!str_eq(path, f->source.entries[i].path))
			fail_msg("git has %.*s here, the listing %.*s", STR_ARG(path),
				STR_ARG(f->source.entries[i].path));
	}
	assert_int_equal(want.n, 0);
}

static void
rules_above_the_folder(void **state)
{
	struct fixture *f = *state;

	sh(f, "echo '*.c' > .gitignore; mkdir -p r/.git r/a/b; cd r; printf '*.a\\n/a/b/no\\n' > "
	      ".gitignore; "
	      "printf '!yes.a\\n/b/x\\n' > a/.gitignore; cd a/b; touch f no x no.a yes.a t.c");
	f->where.workdir.path = STR("a/b");
	open_and_list(f, "r");
	/* The repository's rules hold; those above the repository don't. */
	assert_string_equal(paths(f), "f|t.c|yes.a");
	sh(f, "rmdir r/.git");
	open_and_list(f, "r");
	assert_string_equal(paths(f), "f|no|no.a|t.c|x|yes.a");
}

static void
changes_are_seen(void **state)
{
	struct fixture *f = *state;
	struct str bytes;
	char out[128];

	sh(f, "mkdir r out; echo 1 > r/a; ln -s a r/l");
	open_and_list(f, "r");
	snprintf(out, sizeof(out), "%s/out", f->dir);
	assert_content(f, "a", "1\n");
	sh(f, "echo 2 > r/a");
	assert_int_equal(source_read(f->reader, &f->arena, STR("a"), &bytes, &f->err), ERR_STALE);
	assert_int_equal(source_export(f->reader, &f->source, out, &f->err), ERR_STALE);
	assert_message_has(f, "a changed since it was listed");
	sh(f, "echo 1 > r/a; rm r/l; ln -s b r/l; rm -r out; mkdir out");
	assert_int_equal(source_export(f->reader, &f->source, out, &f->err), ERR_STALE);
	sh(f, "rm r/l; ln -s a r/l; echo 11 > r/a; rm -r out; mkdir out");
	assert_int_equal(source_export(f->reader, &f->source, out, &f->err), ERR_STALE);
	sh(f, "rm r/a; rm -r out; mkdir out");
	assert_int_equal(source_export(f->reader, &f->source, out, &f->err), ERR_STALE);
	sh(f, "rm -rf out; mkdir out r/a"); /* a folder in its place */
	assert_int_equal(source_export(f->reader, &f->source, out, &f->err), ERR_STALE);
}

static void
patterns(void **state)
{
	struct ignore_rules rules = {0};
	struct arena a = {0};
	static char many[4096];

	(void)state;
	rules.arena = &a;
	assert_false(ignore_match(&rules, STR("x"), false));
	ignore_add(&rules, STR(""),
		STR("\xef\xbb\xbf"
		    "bom\n/\n!\n \n**/\n"));
	assert_true(ignore_match(&rules, STR("bom"), false));
	assert_true(ignore_match(&rules, STR("d/x"), true)); /* the last one names every folder */
	rules.n = 0;
	/* A pattern that would take an exponential matcher for ever. */
	for (size_t i = 0; i + 5 < 200; i += 5)
		memcpy(many + i, "**/a/", 5);
	ignore_add(&rules, STR(""), STR("**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b"));
	for (size_t i = 0; i + 2 < sizeof(many); i += 2)
		memcpy(many + i, "a/", 2);
	assert_false(ignore_match(&rules, (struct str){many, sizeof(many) - 3}, false));
	rules.n = 0;
	ignore_add(&rules, STR("base"), STR("x\n/y\n"));
	assert_true(ignore_match(&rules, STR("base/x"), false));
	assert_true(ignore_match(&rules, STR("base/d/x"), false));
	assert_false(ignore_match(&rules, STR("x"), false));
	assert_false(ignore_match(&rules, STR("based/x"), false));
	assert_true(ignore_match(&rules, STR("base/y"), false));
	assert_false(ignore_match(&rules, STR("base/d/y"), false));
	ignore_free(&rules);
	arena_free(&a);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_path, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(plain_folder),
		TEST(folder_elsewhere),
		TEST(refused_files),
		TEST(strange_names),
		TEST(empty_folder),
		TEST(same_as_git),
		TEST(rules_above_the_folder),
		TEST(changes_are_seen),
		TEST(patterns),
	};

	clean_git_environment();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
