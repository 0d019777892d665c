/* manifest: `extends`. */
#include "tests/unit/manifest_fixture.h"

static void
extends(void **state)
{
	struct fixture *f = *state;

	f->files[0] = (struct file){"base.yaml",
		"extends: root.yaml\nname: base\nentrypoint: base\n"
		"environment: {image: a, env: {A: 1, B: 2}, secrets: [S, T]}\n"
		"map: {inputs: {count: 5}, fail_fast: true}\ntimeout: 5m\nworkdir: {url: "
		"'https://x/r', ref: m}\n"};
	f->files[1] = (struct file){
		"root.yaml", "furrow: 1\ninstances: {cpus: 4+, memory: 1GiB}\nmax_cost: 3\n"};
	parses(f, "furrow: 1\nextends: base.yaml\nname: child\n"
		  "environment: {env: {B: 3, C: 4}, secrets: [U]}\n"
		  "map: {inputs: [a]}\ntimeout: ~\nworkdir: {path: .}\ninstances: {cpus: 8}\n");
	assert_true(str_is(f->m.name, "child"));
	assert_true(str_is(f->m.entrypoint.shell, "base"));
	assert_true(str_is(f->m.environment.image, "a"));
	assert_int_equal(f->m.environment.env.n, 3);
	assert_true(str_is(f->m.environment.env.v[0].value, "3"));
	assert_int_equal(f->m.environment.secrets.n, 1);
	assert_int_equal(f->m.map.kind, MAP_VALUES);
	assert_true(f->m.map.fail_fast);
	assert_true(f->m.timeout_ns < 0);
	assert_int_equal(f->m.workdir.kind, WORKDIR_PATH);
	assert_int_equal(f->m.instances.cpus.min, 8);
	assert_int_equal(f->m.instances.memory_bytes.min, GIB);
	assert_true(str_is(f->m.instances.pos_memory.file, "root.yaml"));
	assert_true(str_is(f->m.instances.pos_cpus.file, "f"));

	/* What is wrong in an extended file is told of there. */
	f->files[1].text = "instances: {cpus: 0, memory: 16Gb}\n";
	parse(f, "furrow: 1\nextends: base.yaml\ninstances: {cpus: 8}\n");
	assert_int_equal(f->diags.n_errors, 1);
	assert_true(str_is(f->diags.v[0].pos.file, "root.yaml"));
	told(f, 1, 30, "did you mean '16GiB'?");
}

static void
extends_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

	parse(f, MINIMAL "extends: gone.yaml\n");
	told(f, 4, 10, "extends: gone.yaml: no such file");
	parse(f, MINIMAL "extends: [a]\n");
	told(f, 4, 10, "expected another manifest's file");
	parse(f, MINIMAL "extends:\n");
	told(f, 4, 1, "expected another manifest's file");
	f->files[0] = (struct file){"a", "extends: b\n"};
	f->files[1] = (struct file){"b", "extends: a\n"};
	parse(f, MINIMAL "extends: a\n");
	told(f, 1, 10, "extends: a circle: f -> a -> b -> a");
	f->files[0] = (struct file){"a", "extends: a\n"};
	parse(f, MINIMAL "extends: a\n");
	told(f, 1, 10, "a circle: f -> a -> a");
	f->files[0] = (struct file){"a", "furrow: 2\n"};
	parse(f, MINIMAL "extends: a\n");
	told(f, 1, 9, "needs a newer furrow");
	f->files[0] = (struct file){"a", "furrow: 1\nb: [\n"};
	parse(f, MINIMAL "extends: a\n");
	told(f, 3, 1, "no YAML");
	f->files[0] = (struct file){"a", "furrow: 1\n"};
	parse(f, "extends: a\nname: j\nentrypoint: x\n");
	told(f, 1, 1, "'furrow' is missing");
	parse(f, MINIMAL "extends: a\ntimeout: ~\n");
	told(f, 5, 10, "null; expected a duration");
	f->files[0] = (struct file){"a", "furrow: 1\nenvironment: {image: x}\n"};
	parse(f, MINIMAL "extends: a\nenvironment: {build: {}}\n");
	told(f, 5, 22, "takes away what `extends` brought in");
	parses(f, MINIMAL "extends: a\nenvironment: {image: ~, build: {}}\n");
	for (int i = 0; i < 10; i++) {
		struct str text =
			arena_printf(&f->arena, i < 9 ? "extends: %d\n" : "timeout: 1s\n", i + 1);

		f->files[i] = (struct file){names[i], text.p};
	}
	parses(f, MINIMAL "extends: 2\n"); /* eight */
	parse(f, MINIMAL "extends: 1\n");
	told(f, 1, 10, "more than 8 manifests deep");
}

static void
without_loader(void **state)
{
	struct fixture *f = *state;
	struct error err;

	assert_int_equal(manifest_parse(&f->arena, &f->m, &f->diags, STR("f"),
				 STR(MINIMAL "extends: a\n"), NULL, NULL, &err),
		ERR_INPUT);
	assert_string_equal(err.message, "f: 1 error in the manifest");
	told(f, 4, 10, "no other file can be read from here");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(extends),
		TEST(extends_refused),
		TEST(without_loader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
