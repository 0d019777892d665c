/* manifest: every key and its default, every way to be wrong. */
#include "tests/unit/manifest_fixture.h"

static void
defaults(void **state)
{
	struct fixture *f = *state;
	const struct manifest *m = &f->m;

	parses(f, MINIMAL);
	assert_int_equal(f->diags.n, 0);
	assert_true(str_is(m->file, "f"));
	assert_true(str_is(m->name, "j"));
	assert_true(str_is(m->entrypoint.shell, "x"));
	assert_false(m->entrypoint.is_list);
	assert_null(m->environment.image.p);
	assert_null(m->environment.build.context.p);
	assert_null(m->environment.setup.p);
	assert_int_equal(m->workdir.kind, WORKDIR_GIT);
	assert_true(str_is(m->workdir.path, "."));
	assert_int_equal(m->instances.infra.kind, INFRA_LOCAL);
	assert_true(m->instances.cpus.min < 0 && m->instances.memory_bytes.min < 0);
	assert_null(m->instances.gpus.name.p);
	assert_int_equal(m->instances.arch, ARCH_ANY);
	assert_true(m->instances.disk.size_bytes < 0 && m->instances.disk.warm_bytes_per_s < 0);
	assert_int_equal(m->instances.spot, TRI_AUTO);
	assert_true(m->instances.max_hourly_cost_usd < 0);
	assert_int_equal(m->instances.max, 1);
	assert_int_equal(m->instances.idle_ns, 0);
	assert_int_equal(m->map.kind, MAP_NONE);
	assert_true(m->map.per_instance < 0);
	assert_false(m->map.fail_fast);
	assert_null(m->outputs.p);
	assert_true(str_is(m->results, "results"));
	assert_int_equal(m->retry.attempts, 1);
	assert_int_equal(m->retry.for_mask, RETRY_INTERRUPTION | RETRY_NO_CAPACITY | RETRY_ERROR);
	assert_int_equal(m->retry.delay_ns, NS_PER_S);
	assert_true(m->timeout_ns < 0 && m->max_duration_ns < 0 && m->max_cost_usd < 0);
	assert_null(m->store.p);
	assert_int_equal(m->pos_store.line, 0);
}

static void
every_key(void **state)
{
	struct fixture *f = *state;
	const struct manifest *m = &f->m;
	const struct instances *in = &m->instances;

	parses(f, everything);
	assert_int_equal(f->diags.n, 0);
	assert_true(str_is(m->environment.build.context, "docker"));
	assert_true(str_is(m->environment.build.dockerfile, "Dockerfile"));
	assert_true(str_is(m->environment.setup_files.v[1], "lock/file.txt"));
	assert_int_equal(m->environment.env.n, 4);
	assert_true(str_is(m->environment.env.v[1].value, "no"));
	assert_true(str_is(m->environment.env.v[2].value, "010"));
	assert_true(m->environment.env.v[3].value.p && !m->environment.env.v[3].value.n);
	assert_true(str_is(m->environment.secrets.v[0], "HF_TOKEN"));
	assert_int_equal(m->workdir.kind, WORKDIR_URL);
	assert_true(str_is(m->workdir.ref, "v1"));
	assert_int_equal(in->infra.kind, INFRA_AWS);
	assert_true(str_is(in->infra.region, "us-east-2") && str_is(in->infra.zone, "us-east-2a"));
	assert_int_equal(in->infra.pos.line, 11);
	assert_true(in->cpus.min == 4 && in->cpus.max == INT64_MAX);
	assert_true(in->memory_bytes.min == 8 * GIB && in->memory_bytes.max == 16 * GIB);
	assert_true(str_is(in->gpus.name, "L4") && in->gpus.count.min == 2);
	assert_int_equal(in->arch, ARCH_ARM64);
	assert_int_equal(in->disk.size_bytes, 50 * GIB);
	assert_int_equal(in->disk.warm_bytes_per_s, INT64_C(300) << 20);
	assert_true(str_is(in->type, "m7g.large") && str_is(in->ami, "ami-0123456789abcdef0"));
	assert_int_equal(in->spot, TRI_TRUE);
	assert_int_equal(in->max, 20);
	assert_int_equal(in->idle_ns, 600 * NS_PER_S);
	assert_int_equal(in->n_any_of, 2);
	assert_true(str_is(in->any_of[0].infra.region, "us-west-2") && in->any_of[0].cpus.min == 4);
	assert_true(in->any_of[1].memory_bytes.max == 32 * GIB && in->any_of[1].spot == TRI_FALSE);
	assert_true(str_is(in->any_of[1].infra.zone, "us-east-2a"));
	assert_int_equal(in->any_of[1].n_any_of, 0);
	assert_true(m->entrypoint.is_list && m->entrypoint.argv.n == 3);
	assert_int_equal(m->map.kind, MAP_GLOB);
	assert_true(str_is(m->map.glob, "texts/**/*.txt"));
	assert_int_equal(m->map.per_instance, 4);
	assert_true(m->map.fail_fast);
	assert_true(str_is(m->outputs, "out"));
	assert_true(str_is(m->results, "results/${{ task.key }}"));
	assert_int_equal(m->retry.attempts, 3);
	assert_int_equal(m->retry.for_mask, RETRY_ERROR | RETRY_TIMEOUT);
	assert_true(m->retry.n_exit_codes == 2 && m->retry.exit_codes[0] == 75);
	assert_int_equal(m->retry.delay_ns, 5 * NS_PER_S);
	assert_int_equal(m->timeout_ns, 1200 * NS_PER_S);
	assert_int_equal(m->max_duration_ns, 7200 * NS_PER_S);
	assert_true(m->max_cost_usd > 4.99 && m->max_cost_usd < 5.01);
	assert_true(str_is(m->store, "s3://my-bucket/furrow"));
	assert_int_equal(m->pos_store.line, 35);
	assert_int_equal(m->pos_store.col, 8);
}

static void
forms(void **state)
{
	struct fixture *f = *state;

	parses(f, MINIMAL "workdir: {path: ../x/.}\ninstances: {disk: 50GiB, gpus: 2+}\n"
			  "environment: {image: \"oci-archive:img.tar\"}\nresults: ./r//s/\n");
	assert_int_equal(f->m.workdir.kind, WORKDIR_PATH);
	assert_true(str_is(f->m.workdir.path, "../x"));
	assert_true(str_is(f->m.instances.gpus.name, "any") &&
		    f->m.instances.gpus.count.max == INT64_MAX);
	assert_true(str_is(f->m.results, "r/s"));
	parses(f, MINIMAL "workdir: {url: 'git@host:r.git'}\n");
	assert_true(str_is(f->m.workdir.ref, "HEAD"));
	parses(f, MINIMAL "instances: {gpus: A100-80GB}\nenvironment: {build: {}}\n");
	assert_int_equal(f->m.instances.gpus.count.min, 1);
	assert_true(str_is(f->m.environment.build.context, "."));
	parses(f, MINIMAL "instances: {warm_files: [/opt/model/*.bin, /usr/lib/a b], "
			  "ami: /aws/service/x-1/image_id}\n");
	assert_int_equal(f->m.instances.warm_files.n, 2);
	assert_true(str_is(f->m.instances.warm_files.v[0], "/opt/model/*.bin"));
	assert_true(str_is(f->m.instances.warm_files.v[1], "/usr/lib/a b"));
	assert_true(str_is(f->m.instances.ami, "/aws/service/x-1/image_id"));
	/* Text is what is written. */
	parses(f, "furrow: 1\nname: yes\nentrypoint: true\n");
	assert_true(str_is(f->m.name, "yes") && str_is(f->m.entrypoint.shell, "true"));
}

static void
inputs(void **state)
{
	struct fixture *f = *state;
	const struct map *map = &f->m.map;

	parses(f, MINIMAL "map: {inputs: [a, no, 1.0, \"\"]}\n");
	assert_int_equal(map->kind, MAP_VALUES);
	assert_int_equal(map->values.n, 4);
	assert_true(str_is(map->values.v[2], "1.0"));
	parses(f, MINIMAL "map: {inputs: {file: ./list.txt}}\n");
	assert_true(map->kind == MAP_FILE && str_is(map->file, "list.txt"));
	parses(f, MINIMAL "map: {inputs: {count: 100000}}\n");
	assert_true(map->kind == MAP_COUNT && map->count == 100000);
	parses(f, MINIMAL "map: {inputs: {s3: \"s3://b-1/in/*\"}}\n");
	assert_true(map->kind == MAP_S3 && str_is(map->glob, "s3://b-1/in/*"));
	parses(f, MINIMAL "map: {inputs: {matrix: {a: [1, 2], b_2: [x, y, z]}}}\n");
	assert_true(map->kind == MAP_MATRIX && map->n_axes == 2 && map->axes[1].values.n == 3);
	assert_int_equal(map->pos_inputs.line, 4);
	parses(f, MINIMAL "map: {inputs: \"200\"}\n");
	assert_int_equal(map->kind, MAP_GLOB);

	refuses(f, "map: {}\n", 4, 1, "map: 'inputs' is missing; expected a glob");
	refuses(f, "map:\n", 4, 1, "map: no value");
	refuses(f, "map: texts/*.txt\n", 4, 6, "did you mean {inputs: texts/*.txt}?");
	refuses(f, "map: {inputs: []}\n", 4, 15, "map.inputs: an empty list");
	refuses(f, "map: {inputs: {}}\n", 4, 15, "found an empty mapping; expected a glob");
	refuses(f, "map: {inputs: }\n", 4, 7, "map.inputs: no value");
	refuses(f, "map: {inputs: \"\"}\n", 4, 15, "map.inputs: empty");
	refuses(f, "map: {inputs: 200}\n", 4, 15, "did you mean {count: 200}?");
	refuses(f, "map: {inputs: 's3://b-1/*'}\n", 4, 15, "did you mean {s3: \"s3://b-1/*\"}?");
	refuses(f, "map: {inputs: /etc/*}\n", 4, 15, "begins with '/'");
	refuses(f, "map: {inputs: ../*}\n", 4, 15, "has a part '..'");
	refuses(f, "map: {inputs: [a, [b]]}\n", 4, 19, "map.inputs[1]: found a list");
	refuses(f, "map: {inputs: [a, b, a]}\n", 4, 22, "'a' is in the list already");
	refuses(f, "map: {inputs: [a, ~]}\n", 4, 19, "map.inputs[1]: null");
	refuses(f, "map: {inputs: {count: 0}}\n", 4, 23, "map.inputs.count: '0' is too small");
	refuses(f, "map: {inputs: {count: -5}}\n", 4, 23, "is too small");
	refuses(f, "map: {inputs: {count: 100001}}\n", 4, 23,
		"is too large; expected a whole number from 1 to 100000");
	refuses(f, "map: {inputs: {count: 99999999999999999999}}\n", 4, 23, "is too large");
	refuses(f, "map: {inputs: {count: 1, file: x}}\n", 4, 15, "exclude each other");
	refuses(f, "map: {inputs: {fiel: x}}\n", 4, 16, "did you mean 'file'?");
	refuses(f, "map: {inputs: {s3: \"s3://B/x\"}}\n", 4, 20, "expected an S3 pattern");
	refuses(f, "map: {inputs: {s3: s3://b-1}}\n", 4, 20,
		"all of its objects are \"s3://b-1/**\"");
	refuses(f, "map: {inputs: {s3: s3://b-1/}}\n", 4, 20, "expected an S3 pattern");
	refuses(f, "map: {inputs: {matrix: {}}}\n", 4, 24, "expected a mapping of names to lists");
	refuses(f, "map: {inputs: {matrix: {a: 1}}}\n", 4, 28, "did you mean [1]?");
	refuses(f, "map: {inputs: {matrix: {a: []}}}\n", 4, 28, "an empty list");
	refuses(f, "map: {inputs: {matrix: {a: [1, 1]}}}\n", 4, 32, "is in the list already");
	refuses(f, "map: {inputs: {matrix: {1a: [1]}}}\n", 4, 25, "cannot name a variable");
	refuses(f, "map: {inputs: {matrix: {X: [1]}}}\nenvironment: {env: {X: 2}}\n", 4, 28,
		"'X' is a variable in the environment already");
	refuses(f, "map: {inputs: a, per_instance: 0}\n", 4, 32, "is too small");
	refuses(f, "map: {inputs: a, fail_fast: yes}\n", 4, 29, "did you mean 'true'?");
}

static void
matrix_overflow(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};

	buf_add_cstr(&b, MINIMAL "map: {inputs: {matrix: {");
	for (int axis = 0; axis < 40; axis++) {
		buf_addf(&b, "a%d: [", axis);
		for (int i = 0; i < 50; i++)
			buf_addf(&b, "%d,", i);
		buf_add_cstr(&b, "],");
	}
	buf_add_cstr(&b, "}}}\n");
	parse(f, buf_cstr(&b));
	assert_int_equal(f->diags.n_errors, 1);
	told(f, 4, 24, "more than 100000 combinations");
	buf_free(&b);
}

static void
names_and_texts(void **state)
{
	struct fixture *f = *state;

	parse(f, "furrow: 1\nname: Word_Count\nentrypoint: x\n");
	told(f, 2, 7, "did you mean 'word-count'?");
	parse(f, "furrow: 1\nname: abcdefghijabcdefghijabcdefghijabcdefghija\nentrypoint: x\n");
	told(f, 2, 7, "expected 1 to 40 of a-z");
	parse(f, "furrow: 1\nname: [a]\nentrypoint: {a: b}\n");
	told(f, 2, 7, "name: found a list");
	told(f, 3, 13, "entrypoint: found a mapping; expected a shell command");
	parse(f, "furrow: 1\nname: a\nentrypoint: []\n");
	told(f, 3, 13, "entrypoint: an empty list");
	parse(f, "furrow: 1\nname: a\nentrypoint: ['', x]\n");
	told(f, 3, 14, "the program has an empty name");
	parse(f, "furrow: 1\nname: a\nentrypoint: '  '\n");
	told(f, 3, 13, "entrypoint: empty");
	parse(f, "furrow: 1\nname: null\nentrypoint:\n");
	told(f, 2, 7, "name: null; expected");
	told(f, 3, 1, "entrypoint: no value; expected a shell command");
	parse(f, "furrow: 1\n");
	told(f, 1, 1, "'name' is missing");
	told(f, 1, 1, "'entrypoint' is missing");
	parse(f, "- a\n");
	told(f, 1, 1, "a list; a manifest is a mapping of keys to values");
	parse(f, "just text\n");
	told(f, 1, 1, "text; a manifest is a mapping");
}

static void
versions(void **state)
{
	struct fixture *f = *state;

	parse(f, "name: a\nentrypoint: x\n");
	told(f, 1, 1, "'furrow' is missing");
	parse(f, "furrow: 2\nnew_key: x\n");
	assert_int_equal(f->diags.n_errors, 1);
	told(f, 1, 9, "version 2 and needs a newer furrow: this one reads version 1");
	parse(f, "furrow: one\nname: a\nentrypoint: x\n");
	assert_int_equal(f->diags.n_errors, 1);
	told(f, 1, 9, "expected the version");
	parse(f, "furrow: 0\nname: a\nentrypoint: x\n");
	told(f, 1, 9, "expected the version");
	parse(f, "furrow: {a: b}\nname: a\nentrypoint: x\n");
	told(f, 1, 9, "expected the version");
}

static void
limits(void **state)
{
	struct fixture *f = *state;

	refuses(f, "retry: 3\n", 4, 8, "did you mean {attempts: 3}?");
	refuses(f, "retry: {}\n", 4, 1, "retry: 'attempts' is missing");
	refuses(f, "retry: {attempts: 0}\n", 4, 19, "is too small");
	refuses(f, "retry: {attempts: 101}\n", 4, 19, "from 1 to 100");
	refuses(f, "retry: {attempts: 2, for: error}\n", 4, 27, "did you mean [error]?");
	refuses(f, "retry: {attempts: 2, for: [eror]}\n", 4, 28, "did you mean 'error'?");
	refuses(f, "retry: {attempts: 2, for: []}\n", 4, 27, "an empty list");
	refuses(f, "retry: {attempts: 2, exit_codes: [0]}\n", 4, 35, "is too small");
	refuses(f, "retry: {attempts: 2, exit_codes: [256]}\n", 4, 35, "is too large");
	refuses(f, "retry: {attempts: 2, for: [timeout], exit_codes: [1]}\n", 4, 50,
		"only when retry.for has 'error'");
	refuses(f, "retry: {attempts: 2, delay: 5}\n", 4, 29, "did you mean '5s'?");
	refuses(f, "timeout: 0\n", 4, 10, "too short; leave the key out for no limit");
	refuses(f, "timeout: -1s\n", 4, 10, "is negative");
	refuses(f, "timeout: 99999999999999999999s\n", 4, 10, "is too large");
	refuses(f, "max_duration: 2 hours\n", 4, 15, "did you mean '2h'?");
	refuses(f, "max_cost: free\n", 4, 11, "is no amount of money");
	parses(f, MINIMAL "timeout: 3h\nmax_duration: 2h\n");
	told(f, 4, 10, "more than max_duration allows the whole run (2h)");
}

static void
templates(void **state)
{
	struct fixture *f = *state;

	parses(f, MINIMAL "map: {inputs: {count: 2}}\nresults: 'r/${{input}}-${{  task.index  }}'\n"
			  "environment: {env: {K: '${{ task.key }} $${{ x }}'}}\n");
	parses(f, "furrow: 1\nname: j\nentrypoint: echo ${{ matrix.a }}\nmap: {inputs: {matrix: "
		  "{a: [1]}}}\n");
	parse(f, "furrow: 1\nname: j\nmap: {inputs: [a]}\nentrypoint: |\n  echo $${{ ok }} ${{ "
		 "input }}\n  x ${{ inptu }}\n");
	assert_int_equal(f->diags.n_errors, 1);
	told(f, 6, 5, "did you mean 'input'?");
	parse(f, "furrow: 1\nname: j\nentrypoint: [a, 'b${{ task.idx }}']\n");
	told(f, 3, 19, "entrypoint[1]: '${{ task.idx }}' names nothing");
	parse(f, "furrow: 1\nname: j\nentrypoint: |\n  a ${{ task.index\n  b }}\n");
	told(f, 4, 5, "names nothing");
	parse(f, "furrow: 1\nname: j\nentrypoint: |\n  a ${{ task.index\n  b\n");
	told(f, 4, 5, "'${{' without its '}}': '${{ task.index'");
	parse(f, "furrow: 1\nname: j\nentrypoint: echo ${{ input }}\n");
	told(f, 3, 18, "'${{ input }}' without a");
	refuses(f, "environment: {env: {K: '${{ secrets.X }}'}}\n", 4, 25, "environment.env.K:");
	refuses(f, "results: 'r/${{ nope }}'\n", 4, 13, "results:");
}

static void
all_at_once(void **state)
{
	struct fixture *f = *state;

	parse(f, "furrow: 1\nname: A\nentrypint: x\ninstances:\n  memory: 16Gb\n  cpus: "
		 "0\ntimeout: 5\nname: b\n");
	assert_int_equal(f->diags.n_errors, 7);
	for (size_t i = 1; i < f->diags.n; i++)
		assert_true(f->diags.v[i - 1].pos.line <= f->diags.v[i].pos.line);
	told(f, 1, 1, "'entrypoint' is missing");
	told(f, 3, 1, "did you mean 'entrypoint'?");
	told(f, 8, 1, "given twice");
	/* One error for a node that is used often. */
	parse(f, "furrow: 1\nname: a\nentrypoint: x\ninstances:\n  memory: &m 5x\n  any_of: "
		 "[{cpus: 1}, {cpus: 2}]\n");
	assert_int_equal(f->diags.n_errors, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(defaults),
		TEST(every_key),
		TEST(forms),
		TEST(inputs),
		TEST(matrix_overflow),
		TEST(names_and_texts),
		TEST(versions),
		TEST(limits),
		TEST(templates),
		TEST(all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
