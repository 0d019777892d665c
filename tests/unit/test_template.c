/* template: checking and replacing. */
#include "tests/unit/job_fixture.h"

#include "planner/template.h"

static struct str axis_values[] = {{.p = "1", .n = 1}, {.p = "x y", .n = 3}};

static const struct map *
matrix(struct fixture *f)
{
	f->m.map.kind = MAP_MATRIX;
	f->m.map.n_axes = 2;
	f->m.map.axes = ARENA_ARRAY(&f->arena, struct axis, 2);
	f->m.map.axes[0] = (struct axis){.name = STR("a"), .values = STRINGS(f, "1", "2")};
	f->m.map.axes[1] = (struct axis){.name = STR("model"), .values = STRINGS(f, "x y", "z")};
	return &f->m.map;
}

static struct str
render(struct fixture *f, const char *text)
{
	struct template_vars vars = {.input = STR("in put"),
		.index = STR("17"),
		.key = STR("abcd"),
		.map = &f->m.map,
		.axis_values = axis_values};
	unsigned uses = 0;
	struct str hint;

	assert_int_equal(
		template_check(&f->arena, str_from(text), &f->m.map, &uses, &hint, &f->err), 0);
	return template_render(&f->arena, str_from(text), &vars);
}

static unsigned
uses_of(struct fixture *f, const char *text)
{
	unsigned uses = 0;
	struct str hint;

	assert_int_equal(
		template_check(&f->arena, str_from(text), &f->m.map, &uses, &hint, &f->err), 0);
	return uses;
}

static void
names_are_replaced(void **state)
{
	struct fixture *f = *state;

	matrix(f);
	assert_str(render(f, "a ${{ input }} b"), "a in put b");
	assert_str(render(f, "${{input}}${{  task.index\t}}"), "in put17");
	assert_str(render(f, "${{ task.key }}.txt"), "abcd.txt");
	assert_str(render(f, "${{ matrix.a }}-${{ matrix.model }}"), "1-x y");
	assert_str(render(f, "no template: $HOME ${X} {{ y }} $ {{"),
		"no template: $HOME ${X} {{ y }} $ {{");
	assert_str(render(f, ""), "");
}

static void
a_text_without_any_is_not_copied(void **state)
{
	struct fixture *f = *state;
	const char *text = "./run";

	assert_ptr_equal(render(f, text).p, text);
}

static void
two_dollars_quote(void **state)
{
	struct fixture *f = *state;

	f->m.map.kind = MAP_VALUES;
	assert_str(render(f, "$${{ input }}"), "${{ input }}");
	assert_str(render(f, "x$${{${{ input }}"), "x${{in put");
	assert_str(render(f, "$$$${{"), "$$${{");
	assert_int_equal(uses_of(f, "$${{ nothing"), 0);
}

static void
uses_are_told(void **state)
{
	struct fixture *f = *state;

	matrix(f);
	assert_int_equal(uses_of(f, "plain"), 0);
	assert_int_equal(uses_of(f, "${{ input }}"), TEMPLATE_INPUT);
	assert_int_equal(
		uses_of(f, "${{ task.index }}${{ task.key }}"), TEMPLATE_INDEX | TEMPLATE_KEY);
	assert_int_equal(uses_of(f, "${{ matrix.a }}"), TEMPLATE_MATRIX);
}

static void
bad(struct fixture *f, const char *text, const char *message, const char *hint_text)
{
	unsigned uses = 0;
	struct str hint;

	assert_int_equal(
		template_check(&f->arena, str_from(text), &f->m.map, &uses, &hint, &f->err),
		ERR_INPUT);
	assert_string_equal(f->err.message, message);
	assert_str(hint, hint_text);
}

static void
what_names_nothing(void **state)
{
	struct fixture *f = *state;

	bad(f, "${{ input }}", "'${{ input }}' without a map: no inputs", "(absent)");
	bad(f, "${{ matrix.a }}",
		"'${{ matrix.a }}' names nothing; expected task.index or task.key", "(absent)");
	f->m.map.kind = MAP_VALUES;
	bad(f, "a ${{ inputs }}",
		"'${{ inputs }}' names nothing; expected input, task.index or task.key",
		"did you mean 'input'?");
	bad(f, "${{}}", "'${{  }}' names nothing; expected input, task.index or task.key",
		"(absent)");
	bad(f, "${{ input | upper }}",
		"'${{ input | upper }}' names nothing; expected input, task.index or task.key",
		"(absent)");
	matrix(f);
	bad(f, "${{ matrix.modle }}",
		"'${{ matrix.modle }}' names nothing; expected input, task.index, task.key, "
		"matrix.a or matrix.model",
		"did you mean 'matrix.model'?");
}

static void
what_does_not_end(void **state)
{
	struct fixture *f = *state;

	f->m.map.kind = MAP_VALUES;
	bad(f, "x ${{ input", "'${{' without its '}}': '${{ input'",
		"write '$${{' for a '${{' that is meant as such");
	bad(f, "${{", "'${{' without its '}}': '${{'",
		"write '$${{' for a '${{' that is meant as such");
	bad(f, "${{ input } }", "'${{' without its '}}': '${{ input } }'",
		"write '$${{' for a '${{' that is meant as such");
}

static void
the_fixed_part(void **state)
{
	(void)state;
	assert_int_equal(template_fixed(STR("results/${{ input }}")), 8);
	assert_int_equal(template_fixed(STR("results")), 7);
	assert_int_equal(template_fixed(STR("a$${{")), 1);
	assert_int_equal(template_fixed(STR("${{")), 0);
	assert_int_equal(template_fixed((struct str){0}), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(names_are_replaced),
		fixture_test(a_text_without_any_is_not_copied),
		fixture_test(two_dollars_quote),
		fixture_test(uses_are_told),
		fixture_test(what_names_nothing),
		fixture_test(what_does_not_end),
		fixture_test(the_fixed_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
