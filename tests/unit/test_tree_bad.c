/* A git tree as source that is refused, or holds what makes trouble. */
#include "source_fixture.h"

#define REPO "git init -q -b main r; cd r; echo 'furrow: 1' > furrow.yaml; "
#define COMMIT "git add -A; git commit -qm x; "

static void
no_repository(void **state)
{
	struct fixture *f = *state;

	sh(f, "mkdir r; echo > r/furrow.yaml");
	assert_refused(f, try_open(f, "r"), "no git repository");
	assert_message_has(f, "git init");
	assert_message_has(f, "workdir: {path: .}");
}

static void
unborn_branch(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "git add -A");
	assert_refused(f, try_open(f, "r"), "no commit yet");
	f->where.allow_dirty = true;
	assert_refused(f, try_open(f, "r"), "no commit yet");
}

static void
bad_revisions(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO COMMIT);
	f->where.rev = STR("nope");
	assert_refused(f, try_open(f, "r"), "revision 'nope' is not in");
	assert_null(strstr(f->err.message, "libgit2"));
	f->where.rev = STR("HEAD~7");
	assert_refused(f, try_open(f, "r"), "revision 'HEAD~7'");
	f->where.rev = STR("HEAD^{tree}");
	assert_refused(f, try_open(f, "r"), "is a tree");
	f->where.rev = STR("HEAD:furrow.yaml");
	assert_refused(f, try_open(f, "r"), "is a blob");
	f->where.rev = STR("");
	assert_int_equal(try_open(f, "r"), ERR_INPUT);
	f->where.rev = STR("a..b");
	assert_int_equal(try_open(f, "r"), ERR_INPUT);
}

static void
nested_repository_untracked(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO COMMIT "git init -q sub; cd sub; echo s > s; git add s; git commit -qm s");
	open_and_list(f, "r");
	assert_int_equal(f->source.n_untracked, 1);
	f->where.allow_dirty = true;
	assert_int_equal(try_open(f, "r"), 0);
	assert_refused(f, try_list(f), "sub/ is a git repository of its own");
}

static void
submodule(void **state)
{
	struct fixture *f = *state;

	sh(f, "git init -q -b main m; cd m; echo m > m;" COMMIT "cd ..;" REPO
	      "mkdir d; git -c protocol.file.allow=always submodule --quiet add ../m d/sub; "
	      "mkdir w; cp furrow.yaml w;" COMMIT);
	assert_int_equal(try_open(f, "r"), 0);
	assert_refused(f, try_list(f), "d/sub is a git submodule");
	open_and_list(f, "r/w"); /* elsewhere it doesn't matter */
}

static void
links_that_leave(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "mkdir d; ln -s ../../x d/out;" COMMIT);
	assert_int_equal(try_open(f, "r"), 0);
	assert_refused(f, try_list(f), "d/out -> ../../x leaves the workdir");
	sh(f, "cd r; rm d/out; ln -s /etc/passwd abs;" COMMIT);
	assert_int_equal(try_open(f, "r"), 0);
	assert_refused(f, try_list(f), "abs -> /etc/passwd leads to an absolute path");
	/* Each step is harmless by its letters; together they lead out. */
	sh(f, "cd r; rm abs; mkdir -p a/b; ln -s . here; ln -s ../../here/.. a/b/up;" COMMIT);
	assert_int_equal(try_open(f, "r"), 0);
	assert_refused(f, try_list(f), "a/b/up -> ../../here/.. leaves the workdir");
	sh(f, "cd r; rm a/b/up; ln -s ../d/../e/f a/in; ln -s a/in/x other; ln -s . a/b/self; "
	      "ln -s loop loop;" COMMIT);
	open_and_list(f, "r");
	/* What is inside of the repository, but outside of the workdir, is outside. */
	sh(f, "cd r; mkdir w; cp furrow.yaml w; ln -s ../furrow.yaml w/l;" COMMIT);
	assert_int_equal(try_open(f, "r/w"), 0);
	assert_refused(f, try_list(f), "leaves the workdir");
	sh(f, "cd r; rm w/l;" COMMIT "ln -s ../furrow.yaml w/new");
	f->where.allow_dirty = true;
	assert_int_equal(try_open(f, "r/w"), 0);
	assert_refused(f, try_list(f), "new -> ../furrow.yaml leaves the workdir");
}

static void
strange_names(void **state)
{
	struct fixture *f = *state;
	struct arena *a = &f->arena;
	char long_name[256];

	memset(long_name, 'n', 255);
	long_name[255] = '\0';
	sh(f, REPO "nl='new\nline'; echo 1 > \"$nl\"; echo 2 > ' sp ace '; echo 3 > '\"q'\\''u\\'; "
		   "echo 4 > -dash; echo 5 > \"$(printf 'bad\\377utf8')\"; echo 6 > '*[a]?'; echo "
		   "7 > '!x'; "
		   "echo 8 > \"$(head -c 255 /dev/zero | tr '\\0' n)\"; echo 9 > '#x';" COMMIT);
	open_and_list(f, "r");
	assert_int_equal(f->source.n_entries, 10);
	assert_content(f, "new\nline", "1\n");
	assert_content(f, " sp ace ", "2\n");
	assert_content(f, "\"q'u\\", "3\n");
	assert_content(f, "-dash", "4\n");
	assert_content(f, "bad\377utf8", "5\n");
	assert_content(f, "*[a]?", "6\n");
	assert_content(f, long_name, "8\n");
	sh(f, "cd r; for f in *; do echo changed > \"$f\"; done; cat > ./-dash </dev/null");
	assert_refused(f, try_open(f, "r"), "commit them, or"); /* the advice survives long names */
	assert_null(strchr(f->err.message, '\n'));
	f->where.allow_dirty = true;
	open_and_list(f, "r");
	assert_int_equal(f->source.n_entries, 10);
	assert_content(f, "new\nline", "changed\n");
	assert_content(f, "bad\377utf8", "changed\n");
	assert_content(f, "-dash", "");
	f->where.results = STR("*[a]?");
	open_and_list(f, "r");
	assert_int_equal(f->source.n_entries, 9);
	assert_non_null(arena_alloc(a, 1));
}

static void
other_owner(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	sh(f, REPO "mkdir d;" COMMIT "cd ..; chown -R 65534:65534 r");
	assert_refused(f, try_open(f, "r/d"), "/r belongs to another user");
	assert_message_has(f, "safe.directory '/tmp");
}

static void
damaged_repository(void **state)
{
	struct fixture *f = *state;
	struct str bytes;

	sh(f, REPO "echo v > v;" COMMIT "o=$(git rev-parse HEAD:v); "
		   "chmod u+w .git/objects/*/*; rm .git/objects/$(echo $o | cut -c1-2)/*");
	f->where.rev = STR("HEAD");
	open_and_list(f, "r");
	assert_refused(f, source_read(f->reader, &f->arena, STR("v"), &bytes, &f->err), "git fsck");
	f->where.rev = (struct str){0};
	sh(f, "cd r; rm -r .git/objects/??");
	assert_int_equal(try_open(f, "r"), ERR_INPUT);
	sh(f, "cd r; echo garbage > .git/HEAD");
	assert_int_equal(try_open(f, "r"), ERR_INPUT);
}

static void
made_to_harm(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO COMMIT "b=$(git rev-parse HEAD:furrow.yaml); "
			  "t=$(printf '100644 blob %s\\t..\\n' $b | git mktree); "
			  "t=$(printf '040000 tree %s\\td\\n' $t | git mktree); "
			  "git update-ref refs/heads/bad $(git commit-tree -m x $t)");
	f->where.rev = STR("bad");
	assert_int_equal(try_open(f, "r"), 0);
	assert_refused(f, try_list(f), "'..' in 'd'");
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(no_repository),
		TEST(unborn_branch),
		TEST(bad_revisions),
		TEST(nested_repository_untracked),
		TEST(submodule),
		TEST(links_that_leave),
		TEST(strange_names),
		TEST(other_owner),
		TEST(damaged_repository),
		TEST(made_to_harm),
	};

	clean_git_environment();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
