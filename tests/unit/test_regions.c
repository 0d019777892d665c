/* regions: which ones a manifest names, home first, and whose image each has. */
#include "tests/unit/manifest_fixture.h"

#include "planner/regions.h"

static void
in_order(void **state)
{
	struct fixture *f = *state;
	struct region_wish *v;

	assert_int_equal(
		parse(f, "furrow: 1\nname: a\nentrypoint: x\ninstances:\n  infra: aws/us-east-2\n"
			 "  ami: /team/a\n  any_of:\n  - {infra: aws/us-west-2/us-west-2a}\n"
			 "  - {infra: aws/eu-west-1, ami: ami-0123456789abcdef0}\n"
			 "  - {infra: aws/us-west-2, ami: /team/b}\n"),
		0);
	assert_int_equal(regions_of(&f->arena, &f->m.instances, &v), 3);
	assert_true(str_is(v[0].name, "us-east-2") && str_is(v[1].name, "us-west-2") &&
		    str_is(v[2].name, "eu-west-1"));
	assert_true(str_is(v[0].key, "instances.infra") &&
		    str_is(v[2].key, "instances.any_of[1].infra"));
	assert_false(v[0].launches);
	assert_true(v[1].launches && v[2].launches);
	assert_true(str_is(v[0].image->ami, "/team/a") && str_is(v[1].image->ami, "/team/b") &&
		    str_is(v[2].image->ami, "ami-0123456789abcdef0"));
	assert_true(v[1].wish == &f->m.instances.any_of[0]);
}

static void
home_alone(void **state)
{
	struct fixture *f = *state;
	struct region_wish *v;

	assert_int_equal(
		parse(f, "furrow: 1\nname: a\nentrypoint: x\ninstances: {infra: aws/us-east-2}\n"),
		0);
	assert_int_equal(regions_of(&f->arena, &f->m.instances, &v), 1);
	assert_true(v[0].launches && v[0].wish == &f->m.instances);
	/* The first alternative's is home, when instances.infra is not said. */
	assert_int_equal(
		parse(f, "furrow: 1\nname: a\nentrypoint: x\n"
			 "instances: {any_of: [{infra: aws/eu-west-1}, {infra: aws/us-east-2}]}\n"),
		0);
	assert_int_equal(regions_of(&f->arena, &f->m.instances, &v), 2);
	assert_true(str_is(v[0].name, "eu-west-1") && v[0].launches);
	assert_int_equal(parse(f, "furrow: 1\nname: a\nentrypoint: x\n"), 0);
	assert_int_equal(regions_of(&f->arena, &f->m.instances, &v), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(home_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
