/* kind: names, signs and ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "planner/kind.h"

static void
names_are_promised(void **state)
{
	static const char *const names[KIND_COUNT] = {"read", "source", "image", "access",
		"instance", "environment", "task", "collect", "release"};

	(void)state;
	for (int k = 0; k < KIND_COUNT; k++)
		assert_string_equal(kind_name((enum kind)k), names[k]);
	assert_true(kind_is_indexed(KIND_TASK));
	assert_true(kind_is_indexed(KIND_RELEASE));
	assert_true(kind_is_indexed(KIND_READ));
	assert_false(kind_is_indexed(KIND_SOURCE));
	assert_false(kind_is_indexed(KIND_COLLECT));
}

static void
verbs_have_signs(void **state)
{
	(void)state;
	assert_string_equal(verb_name(VERB_CREATE), "create");
	assert_string_equal(verb_name(VERB_CHANGE), "change");
	assert_string_equal(verb_name(VERB_REMOVE), "remove");
	assert_string_equal(verb_name(VERB_RUN), "run");
	assert_int_equal(verb_sign(VERB_IN_PLACE), '=');
	assert_int_equal(verb_sign(VERB_CREATE), '+');
	assert_int_equal(verb_sign(VERB_CHANGE), '~');
	assert_int_equal(verb_sign(VERB_REMOVE), '-');
	assert_int_equal(verb_sign(VERB_RUN), '>');
}

static void
ids_come_back(void **state)
{
	static const uint32_t indices[] = {0, 7, 17, 99999, UINT32_MAX};
	char id[KIND_ID_BYTES];
	enum kind k;
	uint32_t index;

	(void)state;
	kind_id(id, KIND_TASK, 17);
	assert_string_equal(id, "task[17]");
	kind_id(id, KIND_SOURCE, 3);
	assert_string_equal(id, "source");
	for (int want = 0; want < KIND_COUNT; want++) {
		for (size_t i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
			kind_id(id, (enum kind)want, indices[i]);
			assert_true(kind_parse_id(str_from(id), &k, &index));
			assert_int_equal(k, want);
			assert_int_equal(index, kind_is_indexed(k) ? indices[i] : 0);
		}
	}
}

static void
a_number_is_a_task(void **state)
{
	enum kind k;
	uint32_t index;

	(void)state;
	assert_true(kind_parse_id(STR("17"), &k, &index));
	assert_int_equal(k, KIND_TASK);
	assert_int_equal(index, 17);
}

static void
what_is_no_id(void **state)
{
	static const char *const bad[] = {"", "task", "task[]", "task[", "task]", "task[17",
		"task[17]]", "task[17] ", " task[17]", "task[-1]", "task[+1]", "task[017]",
		"task[1.0]", "task[4294967296]", "task[99999999999999999999]", "source[0]",
		"Task[1]", "tasks[1]", "017", "-1", "4294967296", "[1]", "task[1][2]", "17x"};
	enum kind k;
	uint32_t index;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (kind_parse_id(str_from(bad[i]), &k, &index))
			fail_msg("'%s' was taken for an id", bad[i]);
	}
	assert_false(kind_parse_id((struct str){0}, &k, &index));
}

static void
phases_come_back(void **state)
{
	enum phase p;

	(void)state;
	for (int i = 0; i < PHASE_COUNT; i++) {
		assert_true(phase_parse(str_from(phase_name((enum phase)i)), &p));
		assert_int_equal(p, i);
	}
	assert_string_equal(phase_name(PHASE_QUEUE), "queue");
	assert_string_equal(phase_name(PHASE_OTHER), "other");
	assert_false(phase_parse(STR("runs"), &p));
	assert_false(phase_parse((struct str){0}, &p));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_promised),
		cmocka_unit_test(verbs_have_signs),
		cmocka_unit_test(ids_come_back),
		cmocka_unit_test(a_number_is_a_task),
		cmocka_unit_test(what_is_no_id),
		cmocka_unit_test(phases_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
