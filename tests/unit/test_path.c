/* path: tidying and comparing file names. */
#include "tests/unit/job_fixture.h"

#include "planner/path.h"

static void
clean(void **state)
{
	static const char *const v[][2] = {
		{"", ""},
		{".", ""},
		{"./", ""},
		{"a", "a"},
		{"a/", "a"},
		{"./a", "a"},
		{"a//b/./c", "a/b/c"},
		{"a/..", ""},
		{"a/../b", "b"},
		{"a/b/../../c", "c"},
		{"..", ".."},
		{"../a", "../a"},
		{"../../a", "../../a"},
		{"a/../..", ".."},
		{"../a/..", ".."},
		{"a/../../b/../c", "../c"},
		{"..a", "..a"},
		{"a..", "a.."},
		{"a../..", ""},
		{"/", "/"},
		{"/a/", "/a"},
		{"/..", "/"},
		{"/a/../..", "/"},
		{"/a/b/..", "/a"},
		{"//a", "/a"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		assert_str(path_clean(&f->arena, str_from(v[i][0])), v[i][1]);
	assert_str(path_clean(&f->arena, (struct str){0}), "");
}

static void
join(void **state)
{
	struct fixture *f = *state;

	assert_str(path_join(&f->arena, STR("a"), STR("b")), "a/b");
	assert_str(path_join(&f->arena, STR("a"), STR("../b")), "b");
	assert_str(path_join(&f->arena, STR("."), STR("b")), "b");
	assert_str(path_join(&f->arena, STR(""), STR("b")), "b");
	assert_str(path_join(&f->arena, STR(""), STR("../b")), "../b");
	assert_str(path_join(&f->arena, STR("a"), STR("/b")), "/b");
	assert_str(path_join(&f->arena, STR("a"), STR("")), "a");
}

static void
folder(void **state)
{
	struct fixture *f = *state;

	assert_str(path_folder(STR("a/b/c")), "a/b");
	assert_str(path_folder(STR("a")), "");
	assert_int_equal(path_folder(STR("")).n, 0);
}

static void
within(void **state)
{
	(void)state;
	assert_true(path_within(STR("a/b"), STR("a")));
	assert_true(path_within(STR("a"), STR("a")));
	assert_false(path_within(STR("ab"), STR("a")));
	assert_false(path_within(STR("a"), STR("a/b")));
	assert_true(path_within(STR("a"), STR("")));
	assert_true(path_within(STR(""), STR("")));
	assert_true(path_within(STR("..a"), STR("")));
	assert_false(path_within(STR(".."), STR("")));
	assert_false(path_within(STR("../a"), STR("")));
	assert_false(path_within(STR("/a"), STR("")));
	assert_true(path_within(STR("/a"), STR("/")));
	assert_true(path_within(STR("../x/a"), STR("../x")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(clean),
		fixture_test(join),
		fixture_test(folder),
		fixture_test(within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
