/* job: what resolving refuses, where results go, and what a runner is told. */
#include "tests/unit/job_fixture.h"

#include "planner/role.h"

static void
assert_folders(struct fixture *f, size_t n, const char *const *v)
{
	fixture_good(f);
	assert_int_equal(f->job.n_tasks, n);
	for (uint32_t i = 0; i < n; i++)
		assert_str(job_task_folder(&f->job, i, &f->arena), v[i]);
}
#define FOLDERS(f, ...)                                                             \
	assert_folders((f), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
		(const char *[]){__VA_ARGS__})

static void
assert_root(struct fixture *f, const char *results, const char *root)
{
	f->m.results = str_from(results);
	f->job.manifest = &f->m;
	assert_str(job_results_root(&f->job), root);
}

static const char *
value_of(const struct pairs *v, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < v->n; i++) {
		if (!str_is(v->v[i].name, name))
			continue;
		if (found)
			fail_msg("%s is there twice", name);
		found = v->v[i].value.p;
	}
	return found;
}

static void
matrix(struct fixture *f)
{
	f->m.map.kind = MAP_MATRIX;
	f->m.map.n_axes = 2;
	f->m.map.axes = ARENA_ARRAY(&f->arena, struct axis, 2);
	f->m.map.axes[0] = (struct axis){.name = STR("SEED"), .values = STRINGS(f, "1", "2")};
	f->m.map.axes[1] = (struct axis){.name = STR("MODEL"), .values = STRINGS(f, "x y", "z")};
}

static void
all_mistakes_at_once(void **state)
{
	struct fixture *f = *state;

	f->m.entrypoint.pos = (struct pos){.file = f->m.file, .line = 3, .col = 13};
	f->m.entrypoint.shell = STR("run ${{ inptu }}");
	f->m.environment.env = PAIRS(f, "A", "${{ task.idx }}", "B", "${{");
	f->m.environment.setup_files = STRINGS(f, "nothing.txt");
	f->m.environment.image = STR("busybox");
	f->m.results = STR("${{ matrix.a }}");
	fixture_values(f, STRINGS(f, "a", "a"));
	fixture_bad(f,
		"entrypoint: '${{ inptu }}' names nothing; expected input, task.index or task.key");
	assert_str(f->diags.v[0].hint, "did you mean 'input'?");
	assert_int_equal(f->diags.v[0].pos.line, 3);
	assert_str(f->diags.v[1].message, "environment.env.A: '${{ task.idx }}' names nothing; "
					  "expected input, task.index or task.key");
	assert_str(f->diags.v[1].pos.file, "furrow.yaml");
	assert_str(f->diags.v[2].message, "environment.env.B: '${{' without its '}}': '${{'");
	assert_str(f->diags.v[3].message,
		"results: '${{ matrix.a }}' names nothing; expected input, task.index or task.key");
	assert_str(f->diags.v[4].message,
		"environment.setup_files: 'nothing.txt' is none of the 2 files of the source");
	assert_str(
		f->diags.v[5].message, "environment.image: 'busybox' was not resolved to a digest");
	assert_str(f->diags.v[6].message,
		"results: '${{ matrix.a }}' is the workdir itself: results would become part of "
		"the source");
	assert_str(f->diags.v[7].message, "input 'a' occurs twice (items 1 and 2)");
	assert_int_equal(f->diags.n, 8);
	assert_string_equal(f->err.message, "furrow.yaml: 8 errors");
}

static void
templates_of_a_list(void **state)
{
	struct fixture *f = *state;

	f->m.entrypoint =
		(struct entrypoint){.is_list = true, .argv = STRINGS(f, "x", "${{ task }}")};
	fixture_bad(f, "entrypoint: '${{ task }}' names nothing; expected task.index or task.key");
}

static void
setup_files_are_in_the_source(void **state)
{
	struct fixture *f = *state;
	struct strings *names = &f->m.environment.setup_files;

	fixture_file(f, "py/requirements.txt", "numpy");
	*names = STRINGS(f, "./py//requirements.txt");
	fixture_good(f);
	*names = STRINGS(f, "requirements.txt");
	fixture_bad(f,
		"environment.setup_files: 'requirements.txt' is none of the 3 files of the source");
	assert_str(f->diags.v[0].hint, "did you mean 'py/requirements.txt'?");
	*names = STRINGS(f, "py");
	fixture_bad(f, "environment.setup_files: 'py' is a folder");
	*names = STRINGS(f, ".");
	fixture_bad(f, "environment.setup_files: '.' is a folder");
	*names = STRINGS(f, "../py/requirements.txt");
	fixture_bad(f, "environment.setup_files: '../py/requirements.txt' is none of the 3 files "
		       "of the source");
	*names = STRINGS(f, "/etc/passwd");
	fixture_bad(
		f, "environment.setup_files: '/etc/passwd' is none of the 3 files of the source");
	*names = STRINGS(f, "");
	fixture_bad(f, "environment.setup_files: '' is a folder");
}

static void
a_build_needs_its_file(void **state)
{
	struct fixture *f = *state;

	f->m.environment.build =
		(struct build){.context = STR("."), .dockerfile = STR("Dockerfile")};
	fixture_bad(f, "environment.build: 'Dockerfile' is none of the 2 files of the source");
	fixture_file(f, "Dockerfile", "FROM scratch");
	fixture_good(f);
	assert_false(digest_is_zero(&f->job.build_identity));
	f->m.environment.build =
		(struct build){.context = STR("img"), .dockerfile = STR("../Dockerfile")};
	fixture_good(f);
}

static void
paths_from_the_manifest(void **state)
{
	struct fixture *f = *state;
	struct arena *a = &f->arena;
	struct str list = STR("list.txt");

	assert_str(job_source_path(a, &f->m, &f->source, list), "list.txt");
	assert_str(job_source_path(a, &f->m, &f->source, STR("./x/../list.txt")), "list.txt");
	assert_str(job_source_path(a, &f->m, &f->source, STR("../list.txt")), "(absent)");
	assert_str(job_source_path(a, &f->m, &f->source, STR("/list.txt")), "(absent)");
	assert_str(job_source_path(a, &f->m, &f->source, STR(".")), "");
	/* the manifest in a folder of the workdir */
	f->source.manifest_path = STR("jobs/count.yaml");
	f->m.workdir.path = STR("..");
	assert_str(job_source_path(a, &f->m, &f->source, list), "jobs/list.txt");
	assert_str(job_source_path(a, &f->m, &f->source, STR("../list.txt")), "list.txt");
	assert_str(job_source_path(a, &f->m, &f->source, STR("../../list.txt")), "(absent)");
	assert_str(job_source_path(a, &f->m, &f->source, STR("..")), "");
	/* and above it */
	f->source.manifest_path = (struct str){0};
	f->m.workdir.path = STR("src/");
	assert_str(job_source_path(a, &f->m, &f->source, list), "(absent)");
	assert_str(job_source_path(a, &f->m, &f->source, STR("src/list.txt")), "list.txt");
	assert_str(job_source_path(a, &f->m, &f->source, STR("src")), "");
	assert_str(job_source_path(a, &f->m, &f->source, STR("srcs/list.txt")), "(absent)");
	/* and beside it */
	f->m.workdir.path = STR("../src");
	assert_str(job_source_path(a, &f->m, &f->source, STR("../src/list.txt")), "list.txt");
	assert_str(job_source_path(a, &f->m, &f->source, list), "(absent)");
	f->m.workdir = (struct workdir){.kind = WORKDIR_URL, .url = STR("https://x/y")};
	assert_str(job_source_path(a, &f->m, &f->source, STR("./list.txt")), "list.txt");
	assert_str(job_source_path(a, &f->m, &f->source, STR("../list.txt")), "(absent)");
}

static enum role
role(struct fixture *f, const char *path)
{
	struct source_entry *e = fixture_file(f, path, "");
	struct roles r;

	roles_init(&r, &f->arena, &f->m, &f->source);
	return role_of(&r, e);
}

static void
files_play_roles(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(role(f, "furrow.yaml"), ROLE_ASIDE);
	assert_int_equal(role(f, "sub/furrow.yaml"), ROLE_PROGRAM);
	assert_int_equal(role(f, "results/a"), ROLE_ASIDE);
	assert_int_equal(role(f, "results"), ROLE_ASIDE);
	assert_int_equal(role(f, "results2/a"), ROLE_PROGRAM);
	assert_int_equal(role(f, ".furrow/x"), ROLE_ASIDE);
	assert_int_equal(role(f, "a/.furrow/x"), ROLE_ASIDE);
	assert_int_equal(role(f, "a.furrow/x"), ROLE_PROGRAM);
	assert_int_equal(role(f, "list.txt"), ROLE_PROGRAM);
	f->m.map.kind = MAP_FILE;
	f->m.map.file = STR("./list.txt");
	assert_int_equal(role(f, "list.txt"), ROLE_ASIDE);
	fixture_glob(f, "*.txt");
	assert_int_equal(role(f, "list.txt"), ROLE_INPUT);
	assert_int_equal(role(f, "x/list.txt"), ROLE_PROGRAM);
	f->m.results = STR("out/run-${{ input }}/x");
	assert_int_equal(role(f, "results/a"), ROLE_PROGRAM);
	assert_int_equal(role(f, "out/run-1/x"), ROLE_ASIDE);
	f->m.results = STR("s3://results/a");
	assert_int_equal(role(f, "s3:/results/a"), ROLE_PROGRAM);
	f->m.results = STR("/results");
	assert_int_equal(role(f, "results/a"), ROLE_PROGRAM);
}

static void
identities_differ_in_what_they_hold(void **state)
{
	struct fixture *f = *state;
	struct digest source, export;

	fixture_file(f, "texts/a.txt", "a");
	fixture_glob(f, "texts/*");
	fixture_good(f);
	source = f->job.source_identity;
	export = f->job.export_identity;
	assert_int_not_equal(digest_cmp(&source, &export), 0);
	/* a new input must come along, though no other task runs again for it */
	fixture_file(f, "texts/b.txt", "b");
	fixture_good(f);
	assert_int_equal(digest_cmp(&f->job.source_identity, &source), 0);
	assert_int_not_equal(digest_cmp(&f->job.export_identity, &export), 0);
}

static void
the_root_of_results(void **state)
{
	struct fixture *f = *state;

	assert_root(f, "results", "results");
	assert_root(f, "results/", "results");
	assert_root(f, "a/b//", "a/b");
	assert_root(f, "results/${{ input }}", "results");
	assert_root(f, "results/x-${{ input }}/y", "results");
	assert_root(f, "a/b/${{ input }}", "a/b");
	assert_root(f, "${{ input }}", ".");
	assert_root(f, "x-${{ input }}", ".");
	assert_root(f, "/", "/");
	assert_root(f, "/data/${{ input }}", "/data");
	assert_root(f, "/${{ input }}", "/");
	assert_root(f, "s3://b/p/${{ input }}", "s3://b/p");
	assert_root(f, "s3://b/p", "s3://b/p");
	assert_root(f, "a/$${{b/c", "a");
}

static void
results_beside_the_program(void **state)
{
	struct fixture *f = *state;

	f->m.results = STR("./");
	fixture_bad(
		f, "results: './' is the workdir itself: results would become part of the source");
	assert_int_equal(f->diags.v[0].pos.line, 12);
	f->m.results = STR("a/..");
	fixture_bad(f,
		"results: 'a/..' is the workdir itself: results would become part of the source");
	f->m.results = STR("..");
	fixture_good(f);
	f->m.results = STR("/");
	fixture_good(f);
	f->source.manifest_path = (struct str){0};
	f->m.workdir.path = STR("src");
	f->m.results = STR(".");
	fixture_good(f);
	f->m.results = STR("src");
	fixture_bad(
		f, "results: 'src' is the workdir itself: results would become part of the source");
}

static void
folders_are_labels(void **state)
{
	struct fixture *f = *state;

	FOLDERS(f, "wordcount");
	fixture_values(f, STRINGS(f, "a", "b c"));
	fixture_good(f);
	assert_ptr_equal(job_task_folder(&f->job, 0, &f->arena).p, f->job.tasks[0].label.p);
	assert_ptr_equal(job_task_folder(&f->job, 1, &f->arena).p, f->job.tasks[1].label.p);
}

static void
folders_from_a_template(void **state)
{
	struct fixture *f = *state;

	fixture_values(f, STRINGS(f, "a/b.txt", "c d", "../../etc", "/abs", "..", "x//./y"));
	f->m.results = STR("results/run-${{ task.index }}/${{ input }}");
	FOLDERS(f, "run-0/a/b.txt", "run-1/c_d-b561f19f", "run-2/etc", "run-3/abs", "run-4",
		"run-5/x/y");
	f->m.results = STR("results/${{ input }}");
	fixture_values(f, STRINGS(f, "..", "a"));
	FOLDERS(f, "_.-5ec1f7e7", "a");
	matrix(f);
	f->m.results = STR("results/${{ matrix.MODEL }}/${{ matrix.SEED }}");
	FOLDERS(f, "x_y-887fcea6/1", "z/1", "x_y-887fcea6/2", "z/2");
	f->m.results = STR("results/${{ task.key }}");
	fixture_good(f);
	assert_int_equal(job_task_folder(&f->job, 0, &f->arena).n, 64);
}

static void
folders_that_clash(void **state)
{
	struct fixture *f = *state;

	matrix(f);
	f->m.results = STR("results/${{ matrix.MODEL }}");
	fixture_bad(f, "results: the folder 'x_y-887fcea6' of task[2] ('SEED=2,MODEL=x y') is also "
		       "that of "
		       "task[0] ('SEED=1,MODEL=x y')");
	assert_str(f->diags.v[0].hint, "'${{ input }}' or '${{ task.index }}' tells tasks apart");
	assert_int_equal(f->diags.n, 2);
	fixture_values(f, STRINGS(f, "a", "a-b", "a/b/c"));
	f->m.results = STR("results/${{ input }}");
	fixture_bad(f,
		"results: the folder 'a/b/c' of task[2] ('a/b/c') lies in that of task[0] ('a')");
	assert_int_equal(f->diags.n, 1);
	f->m.map.kind = MAP_COUNT;
	f->m.map.count = 50;
	f->m.results = STR("results/$${{/${{ input }}");
	fixture_good(f);
	f->m.results = STR("results/$${{ input }}");
	fixture_bad(f, "results: the folder '_input_-50eb08bf' of task[1] ('1') is also that of "
		       "task[0] ('0')");
	assert_int_equal(f->diags.n, 11);
	assert_str(f->diags.v[10].message, "results: 39 more tasks have no folder of their own");
}

static void
a_shell_command(void **state)
{
	struct fixture *f = *state;
	struct task_command c;
	char key[DIGEST_HEX_BYTES];

	f->m.entrypoint.shell = STR("./count.sh '${{ input }}' ${{ task.index }}");
	f->m.environment.env = PAIRS(f, "LANG", "C.UTF-8", "KEY", "k-${{ task.key }}", "EMPTY", "");
	f->m.environment.secrets = STRINGS(f, "TOKEN");
	fixture_values(f, STRINGS(f, "a", "b c"));
	fixture_good(f);
	job_task_command(&f->job, 1, &f->arena, &c);
	digest_hex(key, &f->job.tasks[1].key);
	assert_int_equal(c.argv.n, 3);
	assert_str(c.argv.v[0], "/bin/sh");
	assert_str(c.argv.v[1], "-c");
	assert_str(c.argv.v[2], "./count.sh 'b c' 1");
	assert_int_equal(c.env.n, 8);
	assert_string_equal(value_of(&c.env, "LANG"), "C.UTF-8");
	assert_string_equal(value_of(&c.env, "KEY"), arena_printf(&f->arena, "k-%s", key).p);
	assert_string_equal(value_of(&c.env, "EMPTY"), "");
	assert_string_equal(value_of(&c.env, "FURROW_INPUT"), "b c");
	assert_string_equal(value_of(&c.env, "FURROW_TASK_INDEX"), "1");
	assert_string_equal(value_of(&c.env, "FURROW_TASK_COUNT"), "2");
	assert_string_equal(value_of(&c.env, "FURROW_TASK_KEY"), key);
	assert_string_equal(value_of(&c.env, "FURROW_JOB"), "wordcount");
	assert_null(value_of(&c.env, "TOKEN"));
}

static void
a_list_command(void **state)
{
	struct fixture *f = *state;
	struct task_command c;

	f->m.entrypoint = (struct entrypoint){.is_list = true,
		.argv = STRINGS(f, "run", "", "-x ${{ matrix.MODEL }}", "$${{ input }}")};
	f->m.environment.env = PAIRS(f, "SEED", "0", "FURROW_JOB", "mine", "A", "1");
	matrix(f);
	fixture_good(f);
	job_task_command(&f->job, 2, &f->arena, &c);
	assert_int_equal(c.argv.n, 4);
	assert_str(c.argv.v[0], "run");
	assert_str(c.argv.v[1], "");
	assert_str(c.argv.v[2], "-x x y");
	assert_str(c.argv.v[3], "${{ input }}");
	/* each name once, the more special value */
	assert_string_equal(value_of(&c.env, "SEED"), "2");
	assert_string_equal(value_of(&c.env, "MODEL"), "x y");
	assert_string_equal(value_of(&c.env, "FURROW_JOB"), "wordcount");
	assert_string_equal(value_of(&c.env, "FURROW_INPUT"), "SEED=2,MODEL=x y");
	assert_string_equal(value_of(&c.env, "A"), "1");
}

static void
a_file_is_named_within_the_workdir(void **state)
{
	struct fixture *f = *state;
	struct task_command c;

	fixture_file(f, "texts/a b.txt", "");
	fixture_glob(f, "texts/*");
	f->m.entrypoint.shell = STR("cat \"${{ input }}\"");
	fixture_good(f);
	job_task_command(&f->job, 0, &f->arena, &c);
	assert_str(c.argv.v[2], "cat \"texts/a b.txt\"");
	assert_string_equal(value_of(&c.env, "FURROW_INPUT"), "texts/a b.txt");
}

static const char *
part(struct fixture *f, uint32_t index, const char *name)
{
	struct pairs record;

	fixture_good(f);
	job_task_record(&f->job, index, &f->arena, &record);
	assert_int_equal(record.n, 10);
	return value_of(&record, name);
}

static void
records_are_readable(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"schema", "entrypoint", "image", "setup", "setup_files",
		"source", "env", "secrets", "outputs", "input"};
	struct pairs record;

	fixture_good(f);
	job_task_record(&f->job, 0, &f->arena, &record);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_str(record.v[i].name, names[i]);
	assert_string_equal(part(f, 0, "schema"), "furrow-key 1");
	assert_string_equal(part(f, 0, "entrypoint"), "shell ./count.sh \"$FURROW_INPUT\"");
	assert_string_equal(part(f, 0, "image"), "none");
	assert_string_equal(part(f, 0, "setup"), "none");
	assert_string_equal(part(f, 0, "setup_files"), "none");
	assert_memory_equal(part(f, 0, "source"), "sha256:", 7);
	assert_int_equal(strlen(part(f, 0, "source")), 71);
	assert_string_equal(part(f, 0, "env"), "{}");
	assert_string_equal(part(f, 0, "secrets"), "[]");
	assert_string_equal(part(f, 0, "outputs"), "none");
	assert_string_equal(part(f, 0, "input"), "none");
	f->m.entrypoint = (struct entrypoint){.is_list = true, .argv = STRINGS(f, "a b", "\"c\"")};
	f->m.environment.env = PAIRS(f, "B", "2", "A", "${{ task.index }}");
	f->m.environment.secrets = STRINGS(f, "Z", "Y");
	f->m.environment.image = STR("x");
	f->inputs.image_digest = STR("sha256:ab");
	f->m.environment.setup = STR("make");
	f->m.environment.setup_files = STRINGS(f, "count.sh");
	f->m.outputs = STR("out");
	fixture_values(f, STRINGS(f, "x", "y\n"));
	assert_string_equal(part(f, 0, "entrypoint"), "list [\"a b\",\"\\\"c\\\"\"]");
	assert_string_equal(part(f, 0, "env"), "{\"A\":\"${{ task.index }}\",\"B\":\"2\"}");
	assert_string_equal(part(f, 0, "secrets"), "[\"Y\",\"Z\"]");
	assert_string_equal(part(f, 0, "image"), "sha256:ab");
	assert_string_equal(part(f, 0, "setup"), "shell make");
	assert_memory_equal(part(f, 0, "setup_files"), "\"count.sh\" 100755 ", 18);
	assert_string_equal(part(f, 0, "outputs"), "path out");
	assert_string_equal(part(f, 1, "input"), "value \"y\\n\", index 1");
}

static void
records_of_inputs(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "t/a.txt", "");
	fixture_glob(f, "t/*");
	assert_string_equal(part(f, 0, "input"),
		"file \"t/a.txt\" 100644 e3b0c44298fc1c149afbf4c8996fb92427ae41e4");
	OBJECTS(f, "s3://b/in/*", "in/a b", "\"e-2\"");
	f->m.results = STR("results");
	assert_string_equal(part(f, 0, "input"), "object \"s3://b/in/a b\" \"e-2\" 0 bytes");
	matrix(f);
	assert_string_equal(part(f, 0, "input"), "matrix {\"SEED\":\"1\",\"MODEL\":\"x y\"}");
	f->m.environment.build = (struct build){.context = STR("."), .dockerfile = STR("count.sh")};
	assert_memory_equal(part(f, 0, "image"), "build sha256:", 13);
}

static void
long_and_strange_parts_are_digests(void **state)
{
	struct fixture *f = *state;
	char text[202] = "";
	char before[80];

	memset(text, 'x', 201);
	f->m.entrypoint.shell = (struct str){.p = text, .n = 194};
	assert_int_equal(strlen(part(f, 0, "entrypoint")), 200);
	f->m.entrypoint.shell.n = 195;
	assert_memory_equal(part(f, 0, "entrypoint"), "sha256:", 7);
	/* as JSON, both would read U+FFFD */
	fixture_values(f, STRINGS(f, "\xff", "\xfe"));
	assert_memory_equal(part(f, 0, "input"), "sha256:", 7);
	memcpy(before, part(f, 0, "input"), 72);
	assert_string_not_equal(part(f, 1, "input"), before);
}

static void
what_setup_is_given(void **state)
{
	struct fixture *f = *state;
	struct pairs env;

	f->m.environment.env = PAIRS(f, "A", "1", "B", "${{ task.index }}", "C", "$HOME");
	job_setup_env(&f->m, &f->arena, &env);
	assert_int_equal(env.n, 2);
	assert_string_equal(value_of(&env, "A"), "1");
	assert_string_equal(value_of(&env, "C"), "$HOME");
}

static void
a_hundred_thousand(void **state)
{
	struct fixture *f = *state;
	size_t before;

	f->m.map.kind = MAP_COUNT;
	f->m.map.count = MANIFEST_MAX_TASKS;
	before = f->arena.total_bytes;
	fixture_good(f);
	assert_true(f->arena.total_bytes - before <= (size_t)150 * MANIFEST_MAX_TASKS);
	assert_int_equal(f->job.n_tasks, MANIFEST_MAX_TASKS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(all_mistakes_at_once),
		fixture_test(templates_of_a_list),
		fixture_test(setup_files_are_in_the_source),
		fixture_test(a_build_needs_its_file),
		fixture_test(paths_from_the_manifest),
		fixture_test(files_play_roles),
		fixture_test(identities_differ_in_what_they_hold),
		fixture_test(the_root_of_results),
		fixture_test(results_beside_the_program),
		fixture_test(folders_are_labels),
		fixture_test(folders_from_a_template),
		fixture_test(folders_that_clash),
		fixture_test(a_shell_command),
		fixture_test(a_list_command),
		fixture_test(a_file_is_named_within_the_workdir),
		fixture_test(records_are_readable),
		fixture_test(records_of_inputs),
		fixture_test(long_and_strange_parts_are_digests),
		fixture_test(what_setup_is_given),
		fixture_test(a_hundred_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
