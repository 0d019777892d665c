/* A git tree as source: what is part of it, what is refused, and with which words. */
#include "source_fixture.h"

#define REPO "git init -q -b main r; cd r; echo 'furrow: 1' > furrow.yaml; "
#define COMMIT "git add -A; git commit -qm x; "

static void
clean_tree(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "mkdir d; echo a > d/a; echo b > d-b; chmod +x d-b; ln -s d/a link;" COMMIT);
	open_and_list(f, "r");
	assert_int_equal(f->source.kind, SOURCE_COMMIT);
	assert_string_equal(paths(f), "d-b|d/a|furrow.yaml|link");
	assert_int_equal(entry(f, "d-b")->mode, FILE_EXECUTABLE);
	assert_int_equal(entry(f, "d/a")->mode, FILE_REGULAR);
	assert_int_equal(entry(f, "link")->mode, FILE_SYMLINK);
	assert_int_equal(f->source.commit.n, 40);
	assert_true(str_starts(f->source.describe, STR("main@")));
	assert_int_equal(f->source.describe.n, 12);
	assert_true(str_is(f->source.manifest_path, "furrow.yaml"));
	assert_int_equal(f->source.n_untracked, 0);
	assert_null(f->source.patch_sha256.p);
	assert_content(f, "d/a", "a\n");
	assert_content(f, "link", "a\n");
	assert_content(f, "./d/../d/a", "a\n");
}

static void
blob_ids_are_gits(void **state)
{
	struct fixture *f = *state;
	uint8_t id[BLOB_ID_BYTES];

	sh(f, REPO "printf 'hello\\n' > h;" COMMIT
		   "test $(git rev-parse HEAD:h) = ce013625030ba8dba906f756967f9e9ca394464a");
	open_and_list(f, "r");
	assert_int_equal(source_blob_id(id, STR("hello\n"), &f->err), 0);
	assert_memory_equal(id, entry(f, "h")->id, sizeof(id));
	assert_int_equal(source_blob_id(id, STR(""), &f->err), 0);
	assert_int_equal(id[0], 0xe6);
	assert_int_equal(id[1], 0x9d);
}

static void
missing_file(void **state)
{
	struct fixture *f = *state;
	struct str bytes;

	sh(f, REPO "ln -s nowhere dangling; ln -s a b; ln -s b a;" COMMIT);
	open_and_list(f, "r");
	assert_int_equal(source_read(f->reader, &f->arena, STR("x"), &bytes, &f->err), ERR_MISSING);
	assert_int_equal(
		source_read(f->reader, &f->arena, STR("dangling"), &bytes, &f->err), ERR_MISSING);
	assert_int_equal(source_read(f->reader, &f->arena, STR("a"), &bytes, &f->err), ERR_MISSING);
	assert_int_equal(
		source_read(f->reader, &f->arena, STR("../r/x"), &bytes, &f->err), ERR_MISSING);
}

static void
bare_repository(void **state)
{
	struct fixture *f = *state;
	struct str bytes;
	char *path;

	sh(f, REPO "mkdir s; echo x > s/x; cp furrow.yaml s/;" COMMIT
		   "cd ..; git clone -q --bare r b.git");
	assert_refused(f, try_open(f, "b.git"), "is bare");
	assert_message_has(f, "--rev");
	f->where.rev = STR("main");
	open_and_list(f, "b.git");
	assert_string_equal(paths(f), "furrow.yaml|s/furrow.yaml|s/x");
	assert_content(f, "s/x", "x\n");
	open_and_list(
		f, "b.git/s"); /* a manifest below the top: this folder exists in the tree only */
	assert_string_equal(paths(f), "furrow.yaml|x");
	path = arena_cstr(&f->arena, arena_printf(&f->arena, "%s/b.git/s/furrow.yaml", f->dir));
	assert_int_equal(source_manifest_at(&f->arena, path, STR("HEAD"), &bytes, &f->err), 0);
	assert_true(str_is(bytes, "furrow: 1\n"));
	assert_refused(f, source_manifest_at(&f->arena, path, (struct str){0}, &bytes, &f->err),
		"is bare");
}

static void
revisions(void **state)
{
	struct fixture *f = *state;
	struct str first;

	sh(f, REPO "echo 1 > v;" COMMIT "git tag -a -m t v1; git tag light; git checkout -qb side;"
		   "echo 2 > v;" COMMIT "git checkout -q main; echo 3 > v;" COMMIT "echo 4 > v");
	f->where.rev = STR("v1");
	open_and_list(f, "r");
	assert_content(f, "v", "1\n");
	assert_true(str_starts(f->source.describe, STR("v1@")));
	first = f->source.commit;
	f->where.rev = STR("light");
	open_and_list(f, "r");
	assert_content(f, "v", "1\n");
	f->where.rev = STR("side");
	open_and_list(f, "r");
	assert_content(f, "v", "2\n");
	f->where.rev = STR("HEAD~1");
	open_and_list(f, "r");
	assert_content(f, "v", "1\n");
	f->where.rev = (struct str){first.p, 8};
	open_and_list(f, "r");
	assert_content(f, "v", "1\n");
	assert_int_equal(f->source.describe.n, 7); /* the id is not said twice */
	f->where.rev = STR("main");		   /* the uncommitted 4 is none of its business */
	open_and_list(f, "r");
	assert_content(f, "v", "3\n");
	assert_int_equal(f->source.kind, SOURCE_COMMIT);
}

static void
workdir_in_repository(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "mkdir -p jobs data/in; echo x > data/in/x; echo y > y; cp furrow.yaml "
		   "jobs/;" COMMIT);
	f->where.workdir.path = STR("data");
	open_and_list(f, "r");
	assert_string_equal(paths(f), "in/x");
	assert_null(f->source.manifest_path.p);
	f->where.workdir.path = STR("../data/./in/");
	open_and_list(f, "r/jobs");
	assert_string_equal(paths(f), "x");
	f->where.workdir.path = STR("..");
	open_and_list(f, "r/jobs");
	assert_string_equal(paths(f), "data/in/x|furrow.yaml|jobs/furrow.yaml|y");
	assert_true(str_is(f->source.manifest_path, "jobs/furrow.yaml"));
	f->where.workdir.path = arena_printf(&f->arena, "%s/r/data", f->dir);
	open_and_list(f, "r/jobs");
	assert_string_equal(paths(f), "in/x");
	f->where.workdir.path = STR("nope");
	assert_refused(f, try_open(f, "r"), "workdir 'nope' is not in commit main@");
	f->where.workdir.path = STR("y");
	assert_refused(f, try_open(f, "r"), "is no folder");
	f->where.workdir.path = STR("../other");
	assert_refused(f, try_open(f, "r"), "outside of the manifest's git repository");
}

static void
manifest_not_committed(void **state)
{
	struct fixture *f = *state;

	sh(f, "git init -q -b main r; cd r; echo x > x;" COMMIT "echo > furrow.yaml");
	assert_refused(f, try_open(f, "r"), "furrow.yaml is not committed");
	sh(f, "cd r; git add furrow.yaml");
	assert_refused(f, try_open(f, "r"), "furrow.yaml is not committed");
	sh(f, "cd r; git commit -qm y; echo z > furrow.yaml; mkdir d; echo d > d/d;" COMMIT
	      "echo y > furrow.yaml");
	f->where.workdir.path = STR("d"); /* the manifest counts although it isn't below */
	assert_refused(f, try_open(f, "r"), "modified furrow.yaml");
	f->where.allow_dirty = true;
	open_and_list(f, "r");
	assert_int_equal(f->source.kind, SOURCE_DIRTY);
	assert_string_equal(paths(f), "d");
}

static void
changes_are_refused(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "mkdir w o; for i in 1 2 3 4 5 6 7; do echo $i > w/$i; done; echo > o/o; "
		   "cp furrow.yaml w/;" COMMIT "echo x > w/1");
	assert_refused(f, try_open(f, "r/w"), "modified w/1; commit them");
	assert_message_has(f, "--allow-dirty");
	sh(f, "cd r; git checkout -q w/1; rm w/2");
	assert_refused(f, try_open(f, "r/w"), "deleted w/2");
	sh(f, "cd r; git checkout -q w/2; git rm -q w/3");
	assert_refused(f, try_open(f, "r/w"), "deleted w/3");
	sh(f, "cd r; git reset -q --hard; echo s > w/s; git add w/s");
	assert_refused(f, try_open(f, "r/w"), "staged w/s");
	sh(f, "cd r; git reset -q --hard; chmod +x w/4");
	assert_refused(f, try_open(f, "r/w"), "modified w/4");
	sh(f, "cd r; git reset -q --hard; rm w/5; ln -s 4 w/5");
	assert_refused(f, try_open(f, "r/w"), "modified w/5");
	sh(f, "cd r; rm w/*; git checkout -q w/furrow.yaml");
	assert_refused(f, try_open(f, "r/w"), "deleted w/1, deleted w/2");
	assert_message_has(f, "and 2 more");
	sh(f, "cd r; git reset -q --hard; echo changed > o/o; rm furrow.yaml; touch w/1");
	open_and_list(f, "r/w"); /* outside of the workdir, and touched only */
	assert_string_equal(paths(f), "1|2|3|4|5|6|7|furrow.yaml");
}

static void
conflicts_are_refused(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "echo a > a;" COMMIT "git checkout -qb side; echo b > a;" COMMIT
		   "git checkout -q main; echo c > a;" COMMIT "git merge side >/dev/null || true");
	assert_refused(f, try_open(f, "r"), "conflicted a");
}

static void
untracked_are_counted(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "echo '*.log' > .gitignore; mkdir w; echo a > w/a; cp furrow.yaml w/;" COMMIT
		   "for i in 1 2 3 4 5 6 7; do echo > w/u$i; done; echo > w/x.log; mkdir w/n; "
		   "echo > w/n/n; mkdir w/.furrow; echo > w/.furrow/j; mkdir -p w/results/0; "
		   "echo > w/results/0/stdout; echo > outside");
	f->where.results = STR("results");
	open_and_list(f, "r/w");
	assert_int_equal(f->source.kind, SOURCE_COMMIT);
	assert_string_equal(paths(f), "a|furrow.yaml");
	assert_int_equal(f->source.n_untracked, 8);
	assert_true(str_is(f->source.untracked, "w/n/n, w/u1, w/u2, w/u3, w/u4 and 3 more"));
	assert_null(f->source.changed.p);
}

static void
the_commit_may_be_preferred(void **state)
{
	struct fixture *f = *state;

	f->where.allow_dirty = f->where.prefer_commit = true;
	sh(f, REPO "echo a > a;" COMMIT "echo > u");
	open_and_list(f, "r");
	assert_int_equal(f->source.kind, SOURCE_COMMIT);
	assert_string_equal(paths(f), "a|furrow.yaml");
	assert_int_equal(f->source.n_untracked, 1);
	assert_null(f->source.changed.p);
	sh(f, "cd r; echo b > a");
	open_and_list(f, "r");
	assert_int_equal(f->source.kind, SOURCE_DIRTY);
	assert_string_equal(paths(f), "a|furrow.yaml|u");
	assert_true(str_is(f->source.changed, "modified a"));
	sh(f, "cd r; git checkout -q a; git rm -q --cached furrow.yaml; git commit -qm y");
	open_and_list(f, "r");
	assert_int_equal(f->source.kind, SOURCE_DIRTY);
	assert_true(str_is(f->source.changed, "new furrow.yaml"));
	f->where.workdir.path = STR("d");
	sh(f, "cd r; git add furrow.yaml; git commit -qm z; mkdir d; echo > d/d");
	open_and_list(f, "r");
	assert_int_equal(f->source.kind, SOURCE_DIRTY);
	assert_string_equal(paths(f), "d");
	assert_true(str_is(f->source.changed, "new d"));
}

static void
results_and_state_never_part(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "mkdir -p results/a .furrow/b d/.furrow 'o[u]t'; echo > results/a/x; "
		   "echo > .furrow/b/y; echo > d/.furrow/z; echo > d/d; echo > 'o[u]t/o'; "
		   "echo > results2; echo > d/results;" COMMIT "echo changed > results/a/x; "
		   "echo changed > .furrow/b/y");
	f->where.results = STR("./results/");
	open_and_list(f, "r");
	assert_string_equal(paths(f), "d/d|d/results|furrow.yaml|o[u]t/o|results2");
	f->where.results = STR("o[u]t");
	f->where.allow_dirty = true;
	sh(f, "cd r; echo > 'o[u]t/new'; git checkout -q results");
	open_and_list(f, "r");
	assert_string_equal(paths(f), "d/d|d/results|furrow.yaml|results/a/x|results2");
	assert_int_equal(f->source.kind, SOURCE_COMMIT);
	f->where.results = STR("../elsewhere");
	open_and_list(f, "r");
	assert_int_equal(f->source.n_entries, 7);
}

static void
dirty_takes_working_files(void **state)
{
	struct fixture *f = *state;
	struct str patch;
	uint8_t same[BLOB_ID_BYTES];

	sh(f, REPO "echo '*.log' > .gitignore; mkdir d; for i in 1 2 3 4; do echo $i > d/$i; done; "
		   "echo k > keep;" COMMIT);
	open_and_list(f, "r");
	memcpy(same, entry(f, "keep")->id, sizeof(same));
	f->where.allow_dirty = true;
	open_and_list(f, "r");
	assert_int_equal(f->source.kind, SOURCE_COMMIT); /* nothing differs */
	assert_null(f->source.patch_sha256.p);

	sh(f, "cd r; echo one > d/1; rm d/2; chmod +x d/3; git rm -q --cached d/4; echo u > u; "
	      "echo l > l.log; touch keep; mkdir e; printf s > e/s; git add e/s; printf t > e/s");
	open_and_list(f, "r");
	assert_int_equal(f->source.kind, SOURCE_DIRTY);
	assert_string_equal(paths(f), ".gitignore|d/1|d/3|d/4|e/s|furrow.yaml|keep|u");
	assert_memory_equal(entry(f, "keep")->id, same, sizeof(same));
	assert_int_equal(entry(f, "d/3")->mode, FILE_EXECUTABLE);
	assert_content(f, "d/1", "one\n");
	assert_content(f, "e/s", "t");
	assert_content(f, "d/4", "4\n");
	assert_content(f, "keep", "k\n");
	assert_int_equal(f->source.patch_sha256.n, 64);
	assert_int_equal(f->source.n_untracked, 0);
	patch = f->source.patch_sha256;

	sh(f, "cd r; touch u d/1 d/3");
	open_and_list(f, "r");
	assert_true(str_eq(patch, f->source.patch_sha256));
	sh(f, "cd r; git checkout -q d/2");
	open_and_list(f, "r");
	assert_false(str_eq(patch, f->source.patch_sha256)); /* a deletion counts */
}

static void
dirty_types_change(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "mkdir a; echo > a/x; echo > b; mkdir c; echo > c/y;" COMMIT
		   "rm -r a; echo file > a; rm b; mkdir b; echo z > b/z; rm -r c; ln -s b c; "
		   "mkdir -p empty/empty; mkfifo pipe");
	f->where.allow_dirty = true;
	open_and_list(f, "r");
	assert_string_equal(paths(f), "a|b/z|c|furrow.yaml");
	assert_int_equal(entry(f, "c")->mode, FILE_SYMLINK);
	assert_content(f, "a", "file\n");
}

static void
staged_and_put_back(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "echo a > a;" COMMIT "echo b > a; git add a; echo a > a");
	assert_refused(f, try_open(f, "r"), "a; commit them");
	f->where.allow_dirty = true;
	open_and_list(f, "r");
	assert_int_equal(f->source.kind, SOURCE_COMMIT); /* the working files are the commit's */
}

static void
dirty_workdir_without_commit(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO COMMIT "mkdir new; echo n > new/n");
	f->where.workdir.path = STR("new");
	assert_refused(f, try_open(f, "r"), "is not in commit");
	f->where.allow_dirty = true;
	open_and_list(f, "r");
	assert_string_equal(paths(f), "n");
	assert_content(f, "n", "n\n");
}

static void
empty_tree(void **state)
{
	struct fixture *f = *state;
	char out[128];

	sh(f, "git init -q -b main r; cd r; git commit -q --allow-empty -m x; mkdir ../out");
	f->where.rev = STR("HEAD");
	open_and_list(f, "r");
	assert_int_equal(f->source.n_entries, 0);
	snprintf(out, sizeof(out), "%s/out", f->dir);
	assert_int_equal(source_export(f->reader, &f->source, out, &f->err), 0);
}

static void
worktree(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "echo 1 > v;" COMMIT
		   "git worktree add -q -b side ../w; cd ../w; echo 2 > v;" COMMIT);
	open_and_list(f, "w");
	assert_content(f, "v", "2\n");
	assert_true(str_starts(f->source.describe, STR("side@")));
	sh(f, "echo 3 > w/v");
	assert_refused(f, try_open(f, "w"), "modified v");
	open_and_list(f, "r");
	assert_content(f, "v", "1\n");
}

static void
shallow_clone(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "echo 1 > v;" COMMIT "echo 2 > v;" COMMIT
		   "cd ..; git clone -q --depth 1 file://$PWD/r s");
	open_and_list(f, "s");
	assert_content(f, "v", "2\n");
	f->where.rev = STR("HEAD~1");
	assert_refused(f, try_open(f, "s"), "shallow clone");
}

static void
detached_head(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO COMMIT "git checkout -q --detach");
	open_and_list(f, "r");
	assert_int_equal(f->source.describe.n, 7);
}

static void
through_a_link(void **state)
{
	struct fixture *f = *state;

	sh(f, REPO "mkdir j; cp furrow.yaml j; echo x > j/x;" COMMIT "cd ..; ln -s r/j here");
	open_and_list(f, "here");
	assert_string_equal(paths(f), "furrow.yaml|x");
}

static void
manifest_at(void **state)
{
	struct fixture *f = *state;
	struct arena *a = &f->arena;
	struct str bytes;
	char *path;

	sh(f, REPO
		"mkdir old; echo 'furrow: 1 # old' > old/furrow.yaml; ln -s furrow.yaml l;" COMMIT
		"git rm -qr old; echo 'furrow: 2' > furrow.yaml; git commit -qam y; echo 3 > "
		"furrow.yaml");
	path = arena_cstr(a, arena_printf(a, "%s/r/furrow.yaml", f->dir));
	assert_int_equal(source_manifest_at(a, path, STR("HEAD"), &bytes, &f->err), 0);
	assert_true(str_is(bytes, "furrow: 2\n"));
	assert_int_equal(source_manifest_at(a, path, STR("HEAD~1"), &bytes, &f->err), 0);
	assert_true(str_is(bytes, "furrow: 1\n"));
	path = arena_cstr(a, arena_printf(a, "%s/r/old/furrow.yaml", f->dir));
	assert_int_equal(source_manifest_at(a, path, STR("HEAD~1"), &bytes, &f->err), 0);
	assert_true(str_is(bytes, "furrow: 1 # old\n"));
	assert_refused(f, source_manifest_at(a, path, STR("HEAD"), &bytes, &f->err), "no file");
	path = arena_cstr(a, arena_printf(a, "%s/r/old", f->dir));
	assert_refused(f, source_manifest_at(a, path, STR("HEAD~1"), &bytes, &f->err), "no file");
	path = arena_cstr(a, arena_printf(a, "%s/r/l", f->dir));
	assert_refused(f, source_manifest_at(a, path, STR("HEAD"), &bytes, &f->err), "no file");
	assert_int_equal(chdir(f->dir), 0);
	assert_int_equal(source_manifest_at(a, "r/furrow.yaml", STR("HEAD"), &bytes, &f->err), 0);
	assert_int_equal(chdir("r"), 0);
	assert_int_equal(source_manifest_at(a, "furrow.yaml", STR("HEAD"), &bytes, &f->err), 0);
	assert_true(str_is(bytes, "furrow: 2\n"));
	assert_int_equal(chdir("/"), 0);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(clean_tree),
		TEST(blob_ids_are_gits),
		TEST(missing_file),
		TEST(bare_repository),
		TEST(revisions),
		TEST(workdir_in_repository),
		TEST(manifest_not_committed),
		TEST(changes_are_refused),
		TEST(conflicts_are_refused),
		TEST(untracked_are_counted),
		TEST(the_commit_may_be_preferred),
		TEST(results_and_state_never_part),
		TEST(dirty_takes_working_files),
		TEST(dirty_types_change),
		TEST(staged_and_put_back),
		TEST(dirty_workdir_without_commit),
		TEST(empty_tree),
		TEST(worktree),
		TEST(shallow_clone),
		TEST(detached_head),
		TEST(through_a_link),
		TEST(manifest_at),
	};

	clean_git_environment();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
