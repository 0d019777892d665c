/* expand: every kind of map, and the inputs that none may have. */
#include "tests/unit/job_fixture.h"

#include "planner/expand.h"

static void
assert_inputs(struct fixture *f, size_t n, const char *const *v)
{
	fixture_good(f);
	assert_int_equal(f->job.n_tasks, n);
	for (uint32_t i = 0; i < n; i++)
		assert_str(f->job.tasks[i].input, v[i]);
}
#define INPUTS(f, ...)                                                             \
	assert_inputs((f), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
		(const char *[]){__VA_ARGS__})

static void
list(struct fixture *f, struct str bytes)
{
	f->m.map.kind = MAP_FILE;
	f->m.map.file = STR("list.txt");
	f->inputs.list = bytes;
}

static void
axes(struct fixture *f, size_t n, const struct axis *v)
{
	f->m.map.kind = MAP_MATRIX;
	f->m.map.n_axes = n;
	f->m.map.axes = ARENA_ARRAY(&f->arena, struct axis, n);
	for (size_t i = 0; i < n; i++)
		f->m.map.axes[i] = v[i];
}

static void
no_map_is_one_task(void **state)
{
	struct fixture *f = *state;

	INPUTS(f, "");
	assert_int_equal(f->job.tasks[0].input_entry, UINT32_MAX);
}

static void
globs_find_files(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "texts/b.txt", "b");
	fixture_file(f, "texts/a.txt", "a");
	fixture_file(f, "texts/sub/c.txt", "c");
	fixture_file(f, "texts/a.md", "m");
	fixture_glob(f, "texts/*.txt");
	INPUTS(f, "texts/a.txt", "texts/b.txt");
	for (uint32_t i = 0; i < 2; i++)
		assert_ptr_equal(source_find(&f->source, f->job.tasks[i].input),
			&f->entries[f->job.tasks[i].input_entry]);
	fixture_glob(f, "./texts//**/*.txt");
	INPUTS(f, "texts/a.txt", "texts/b.txt", "texts/sub/c.txt");
	fixture_glob(f, "texts/a.txt");
	INPUTS(f, "texts/a.txt");
	fixture_glob(f, "*/[ab].*");
	INPUTS(f, "texts/a.md", "texts/a.txt", "texts/b.txt");
}

static void
some_files_are_no_inputs(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "results/a/stdout", "old");
	fixture_file(f, ".furrow/store/x", "x");
	fixture_glob(f, "**");
	INPUTS(f, "count.sh");
	f->m.results = STR("out/${{ input }}");
	INPUTS(f, "count.sh", "results/a/stdout");
	fixture_glob(f, ".furrow/**");
	fixture_bad(f, "map.inputs: '.furrow/**' matches none of the 4 files of the source");
}

static void
globs_that_match_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_glob(f, "texts/*.txt");
	fixture_bad(f, "map.inputs: 'texts/*.txt' matches none of the 2 files of the source");
	assert_int_equal(f->diags.v[0].pos.line, 9);
	assert_null(f->diags.v[0].hint.p);
	f->source.n_untracked = 3;
	fixture_bad(f, "map.inputs: 'texts/*.txt' matches none of the 2 files of the source");
	assert_str(f->diags.v[0].hint,
		"are they committed? --allow-dirty takes the working files as they are");
	fixture_glob(f, "/texts/*.txt");
	fixture_bad(f, "map.inputs: '/texts/*.txt' matches none of the 2 files of the source");
	assert_str(f->diags.v[0].hint, "a pattern is relative to the workdir and stays in it");
	fixture_glob(f, "../texts/*.txt");
	fixture_bad(f, "map.inputs: '../texts/*.txt' matches none of the 2 files of the source");
	assert_str(f->diags.v[0].hint, "a pattern is relative to the workdir and stays in it");
	f->source.n_entries = 0;
	fixture_bad(f, "map.inputs: '../texts/*.txt' matches none of the 0 files of the source");
}

static void
values_stay_as_they_are(void **state)
{
	struct fixture *f = *state;

	fixture_values(
		f, STRINGS(f, "b", "a", "", " a ", "line\nbreak", "-rf", "'\"$x", "\xff\xfe"));
	INPUTS(f, "b", "a", "", " a ", "line\nbreak", "-rf", "'\"$x", "\xff\xfe");
}

static void
lines_of_a_file(void **state)
{
	struct fixture *f = *state;

	list(f, STR("a\nb\n"));
	INPUTS(f, "a", "b");
	list(f, STR("a\nb"));
	INPUTS(f, "a", "b");
	list(f, STR("a\r\nb\r\n\r\n"));
	INPUTS(f, "a", "b");
	list(f, STR("\n\na\n\n\nb\n\n"));
	INPUTS(f, "a", "b");
	list(f, STR("\xef\xbb\xbf"
		    "a\nb"));
	INPUTS(f, "a", "b");
	list(f, STR(" a \n# b\n\t\n-c\na\rb"));
	INPUTS(f, " a ", "# b", "\t", "-c", "a\rb");
	list(f, STR("only"));
	INPUTS(f, "only");
}

static void
the_list_is_copied(void **state)
{
	struct fixture *f = *state;
	char bytes[] = "abc\ndef\n";

	list(f, (struct str){.p = bytes, .n = 8});
	fixture_good(f);
	memset(bytes, 'x', 8);
	assert_str(f->job.tasks[1].input, "def");
}

static void
files_without_lines(void **state)
{
	static const char *const v[] = {
		"", "\n", "\r\n\r\n", "\n\n\n", "\xef\xbb\xbf", "\xef\xbb\xbf\n"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		list(f, str_from(v[i]));
		fixture_bad(f,
			"map.inputs: the file 'list.txt' has no lines; expected one input a line");
	}
	list(f, (struct str){0});
	fixture_bad(f, "map.inputs: the file 'list.txt' has no lines; expected one input a line");
}

static void
counts(void **state)
{
	struct fixture *f = *state;

	f->m.map.kind = MAP_COUNT;
	f->m.map.count = 12;
	INPUTS(f, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11");
	f->m.map.count = MANIFEST_MAX_TASKS;
	fixture_good(f);
	assert_str(f->job.tasks[99999].input, "99999");
	f->m.map.count = MANIFEST_MAX_TASKS + 1;
	fixture_bad(f, "map.inputs gives 100001 tasks; at most 100000 are possible");
	f->m.map.count = INT64_MAX;
	fixture_bad(f, "map.inputs gives 9223372036854775807 tasks; at most 100000 are possible");
	f->m.map.count = 0;
	fixture_bad(f, "map.inputs is empty; expected at least one input");
	f->m.map.count = -1;
	fixture_bad(f, "map.inputs is empty; expected at least one input");
}

static void
the_last_axis_turns_fastest(void **state)
{
	struct fixture *f = *state;
	struct str v[2];

	axes(f, 2,
		(struct axis[]){{.name = STR("a"), .values = STRINGS(f, "1", "2")},
			{.name = STR("b"), .values = STRINGS(f, "x", "y", "z")}});
	INPUTS(f, "a=1,b=x", "a=1,b=y", "a=1,b=z", "a=2,b=x", "a=2,b=y", "a=2,b=z");
	expand_axis_values(&f->m.map, 4, v);
	assert_str(v[0], "2");
	assert_str(v[1], "y");
}

static void
matrices_that_are_none(void **state)
{
	struct fixture *f = *state;
	struct strings many = {.v = ARENA_ARRAY(&f->arena, struct str, 400), .n = 400};
	struct axis big[3];

	for (size_t i = 0; i < many.n; i++)
		many.v[i] = arena_printf(&f->arena, "%zu", i);
	for (size_t i = 0; i < 3; i++)
		big[i] = (struct axis){.name = STR("a"), .values = many};
	axes(f, 3, big);
	fixture_bad(f, "map.inputs gives 160000 tasks; at most 100000 are possible");
	big[2].values.n = 0;
	axes(f, 3, big);
	fixture_bad(f, "map.inputs is empty; expected at least one input");
	axes(f, 0, NULL);
	fixture_bad(f, "map.inputs is empty; expected at least one input");
	axes(f, 1, (struct axis[]){{.name = STR("a"), .values = STRINGS(f, "1", "2", "1")}});
	fixture_bad(f, "axis 'a' has the value '1' twice (items 1 and 3)");
}

static void
an_input_twice(void **state)
{
	struct fixture *f = *state;
	struct str long_one = {.p = arena_alloc(&f->arena, 4000), .n = 4000};

	fixture_values(f, STRINGS(f, "a", "b", "x", "c", "x", "b"));
	fixture_bad(f, "input 'x' occurs twice (items 3 and 5)");
	assert_str(f->diags.v[1].message, "input 'b' occurs twice (items 2 and 6)");
	assert_int_equal(f->diags.n, 2);
	assert_int_equal(f->diags.v[0].pos.line, 9);
	list(f, STR("\xef\xbb\xbf"
		    "a\r\n\r\nb\r\na\n"));
	fixture_bad(f, "input 'a' occurs twice (lines 1 and 4)");
	memset((char *)(uintptr_t)long_one.p, 'y', long_one.n);
	fixture_values(f, (struct strings){.v = (struct str[]){long_one, long_one}, .n = 2});
	fixture_bad(f,
		"input 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…' occurs "
		"twice (items 1 and 2)");
}

static void
many_twice(void **state)
{
	struct fixture *f = *state;
	struct strings v = {.v = ARENA_ARRAY(&f->arena, struct str, 1000), .n = 1000};

	for (size_t i = 0; i < v.n; i++)
		v.v[i] = arena_printf(&f->arena, "%zu", i % 500);
	fixture_values(f, v);
	fixture_bad(f, "input '0' occurs twice (items 1 and 501)");
	assert_int_equal(f->diags.n, 11);
	assert_str(f->diags.v[10].message, "490 more inputs occur twice");
}

static void
what_no_variable_holds(void **state)
{
	struct fixture *f = *state;
	struct str v[3] = {STR("a"), {.p = "b\0c", .n = 3}, STR("d")};
	char *big = arena_alloc(&f->arena, 200000);

	fixture_values(f, (struct strings){.v = v, .n = 3});
	fixture_bad(f, "input 'b' (item 2) has a NUL byte, which no environment variable can hold");
	list(f, (struct str){.p = "a\n\nb\0c", .n = 6});
	fixture_bad(f, "input 'b' (line 3) has a NUL byte, which no environment variable can hold");
	memset(big, 'z', 200000);
	v[1] = (struct str){.p = big, .n = EXPAND_INPUT_MAX_BYTES};
	fixture_values(f, (struct strings){.v = v, .n = 3});
	fixture_good(f);
	v[1].n++;
	fixture_bad(f,
		"input 'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz…' (item 2) "
		"has 126977 bytes; at most 126976 are possible");
}

static void
nothing_at_all(void **state)
{
	struct fixture *f = *state;

	fixture_values(f, (struct strings){0});
	fixture_bad(f, "map.inputs is empty; expected at least one input");
}

static void
objects_that_match(void **state)
{
	struct fixture *f = *state;

	OBJECTS(f, "s3://b/in/*.txt", "in/", "e1", "in/a.md", "e2", "in/a.txt", "e3", "in/b c.txt",
		"e4", "in/sub/", "e5", "in/sub/c.txt", "e6", "in/sub/d.txt/", "e7");
	INPUTS(f, "s3://b/in/a.txt", "s3://b/in/b c.txt");
	assert_str(f->job.objects[0].key, "in/a.txt");
	assert_str(f->job.objects[1].key, "in/b c.txt");
	assert_str(f->job.objects[1].etag, "e4");
	assert_int_equal(f->job.objects[1].size_bytes, 3);
	assert_int_equal(f->job.tasks[0].input_entry, UINT32_MAX);
	f->m.map.glob = STR("s3://b/./in//**/*.txt"); /* as a glob of files */
	INPUTS(f, "s3://b/in/a.txt", "s3://b/in/b c.txt", "s3://b/in/sub/c.txt");
	f->m.map.glob = STR("s3://b/in/a.txt");
	INPUTS(f, "s3://b/in/a.txt");
	f->m.map.glob = STR("s3://b/**");
	INPUTS(f, "s3://b/in/a.md", "s3://b/in/a.txt", "s3://b/in/b c.txt", "s3://b/in/sub/c.txt");
	f->m.map.glob = STR("s3://b/*/[ab].*");
	INPUTS(f, "s3://b/in/a.md", "s3://b/in/a.txt");
}

static void
objects_that_do_not(void **state)
{
	struct fixture *f = *state;

	OBJECTS(f, "s3://b/in/*.csv", "in/a.md", "e2", "in/a.txt", "e3");
	fixture_bad(f, "map.inputs: 's3://b/in/*.csv' matches none of the 2 objects whose keys "
		       "begin with 'in/'");
	assert_int_equal(f->diags.v[0].pos.line, 9);
	assert_null(f->diags.v[0].hint.p);
	f->m.map.glob = STR("s3://b/in/");
	fixture_bad(f, "map.inputs: 's3://b/in/' matches none of the 2 objects whose keys begin "
		       "with 'in'");
	assert_str(f->diags.v[0].hint, "did you mean s3://b/in/*?");
	f->inputs.n_objects = 0;
	fixture_bad(f, "map.inputs: 's3://b/in/' matches none of the 0 objects whose keys begin "
		       "with 'in'");
}

static void
objects_without_a_file_name(void **state)
{
	struct fixture *f = *state;
	char key[300] = "in/";

	memset(key + 3, 'x', 255);
	OBJECTS(f, "s3://b/in/**", "in/a\0b", "e", key, "e");
	fixture_good(f);
	key[strlen(key)] = 'x';
	fixture_objects(f, "s3://b/**", 4, (const char *const[]){"in/..", "e", key, "e"});
	assert_int_equal(fixture_resolve(f), ERR_INPUT);
	assert_int_equal(f->diags.n_errors, 1); /* a '**' finds nothing that begins with a dot */
	assert_non_null(strstr(f->diags.v[0].message.p, "no file can have the name"));
	f->m.map.glob = STR("s3://b/in/.*");
	fixture_bad(f, "input 's3://b/in/..': no file can have the name that its key ends in");
}

static void
patterns_of_keys(void **state)
{
	struct fixture *f = *state;
	struct object_pattern p;

	object_pattern_parse(&f->arena, STR("s3://b/in//./part-*/x"), &p);
	assert_str(p.bucket, "b");
	assert_str(p.key, "in/part-*/x");
	assert_str(p.fixed, "in/part-");
	assert_str(p.folder, "s3://b/in/");
	object_pattern_parse(&f->arena, STR("s3://b/*"), &p);
	assert_str(p.fixed, "");
	assert_str(p.folder, "s3://b/");
	object_pattern_parse(&f->arena, STR("s3://b/a\\*b"), &p);
	assert_str(p.fixed, "a");
	assert_true(object_matches(&p, STR("a*b")));
	assert_false(object_matches(&p, STR("axb")));
	assert_str(object_name(STR("in/a.txt")), "a.txt");
	assert_str(object_name(STR("a.txt")), "a.txt");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(no_map_is_one_task),
		fixture_test(globs_find_files),
		fixture_test(some_files_are_no_inputs),
		fixture_test(globs_that_match_nothing),
		fixture_test(values_stay_as_they_are),
		fixture_test(lines_of_a_file),
		fixture_test(the_list_is_copied),
		fixture_test(files_without_lines),
		fixture_test(counts),
		fixture_test(the_last_axis_turns_fastest),
		fixture_test(matrices_that_are_none),
		fixture_test(an_input_twice),
		fixture_test(many_twice),
		fixture_test(what_no_variable_holds),
		fixture_test(nothing_at_all),
		fixture_test(objects_that_match),
		fixture_test(objects_that_do_not),
		fixture_test(objects_without_a_file_name),
		fixture_test(patterns_of_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
