/* key: keys are for ever, whatever is part of a task changes its key, and nothing else does.
 *
 * The digests here were computed by another program from the description on top of key.c. One that
 * changes means that results of earlier furrows are not found any more: see there. */
#include "tests/unit/job_fixture.h"

#include "planner/key.h"

static void
assert_digest(const struct digest *d, const char *hex)
{
	char got[DIGEST_HEX_BYTES];

	digest_hex(got, d);
	assert_string_equal(got, hex);
}

static struct digest
key_of(struct fixture *f, uint32_t index)
{
	fixture_good(f);
	assert_true(index < f->job.n_tasks);
	return f->job.tasks[index].key;
}

static void
assert_key(struct fixture *f, uint32_t index, const char *hex)
{
	struct digest d = key_of(f, index);

	assert_digest(&d, hex);
}

/* One of everything that a key has. */
static void
full(struct fixture *f)
{
	struct environment *env = &f->m.environment;

	fixture_file(f, "requirements.txt", "numpy");
	fixture_file(f, "apt.txt", "jq");
	f->m.entrypoint = (struct entrypoint){.is_list = true,
		.argv = STRINGS(f, "./count.sh", "${{ input }}", "${{ task.index }}")};
	env->image = STR("docker.io/library/python:3.12-slim");
	f->inputs.image_digest =
		STR("sha256:abababababababababababababababababababababababababababababababab");
	env->setup = STR("pip install -r requirements.txt");
	env->setup_files = STRINGS(f, "requirements.txt", "apt.txt");
	env->env = PAIRS(f, "LANG", "C.UTF-8", "B", "${{ task.key }}");
	env->secrets = STRINGS(f, "TOKEN", "HF");
	f->m.outputs = STR("out/");
	fixture_values(f, STRINGS(f, "x", "y"));
}

static void
build(struct fixture *f)
{
	fixture_file(f, "image/Dockerfile", "FROM scratch");
	fixture_file(f, "image/init", "#!/bin/sh")->mode = FILE_EXECUTABLE;
	f->m.environment.build =
		(struct build){.context = STR("image"), .dockerfile = STR("Dockerfile")};
}

static void
keys_are_for_ever(void **state)
{
	struct fixture *f = *state;

	assert_key(f, 0, "036db516342a87bf34e0a72c654bec0e0aba5b5e2369411353706b6de38f7b0b");
	fixture_values(f, STRINGS(f, "x", "a b"));
	assert_key(f, 1, "8f5775723534d2d21f05250682f323fdacc251516d245d9b873b572faad99898");
	f->m.map.kind = MAP_COUNT;
	f->m.map.count = 8;
	assert_key(f, 7, "3256ddf7f09df2da4ac481d7659e55431e663ba96909e62bd57e8871927f4437");
	f->m.map.kind = MAP_FILE;
	f->inputs.list = STR("5\n7\n");
	f->m.map.file = STR("list.txt");
	assert_key(f, 1, "3256ddf7f09df2da4ac481d7659e55431e663ba96909e62bd57e8871927f4437");
	fixture_glob(f, "texts/*.txt");
	fixture_file(f, "texts/a.txt", "one two");
	assert_key(f, 0, "05e74ad26373f5ee4b441ef94786fead2a0e9c75959630a62adc77c0d6a1ac19");
}

static void
keys_of_a_matrix_are_for_ever(void **state)
{
	struct fixture *f = *state;
	struct axis axes[] = {{.name = STR("b"), .values = STRINGS(f, "x", "y")},
		{.name = STR("a"), .values = STRINGS(f, "1", "2")}};

	f->m.map = (struct map){.kind = MAP_MATRIX, .axes = axes, .n_axes = 2};
	assert_key(f, 1, "d193f4cd813b841129bd209ee41e02b7b47c6ce6d237326b40c3eafc8ac85b65");
	/* another value on an axis is nothing to the others */
	axes[0].values = STRINGS(f, "w", "x");
	assert_key(f, 3, "d193f4cd813b841129bd209ee41e02b7b47c6ce6d237326b40c3eafc8ac85b65");
}

static void
keys_of_objects_are_for_ever(void **state)
{
	static const char key[] =
		"afedfa3ff46e54ca54202302f41527aacbe07878dba8e2771c74930c60906095";
	struct fixture *f = *state;
	struct object objects[] = {{.key = STR("in/a.txt"), .etag = STR("\"x\"")},
		{.key = STR("in/b c.txt"),
			.etag = STR("\"0cc175b9c0f1b6a831c399e269772661\""),
			.size_bytes = INT64_C(1) << 33}};
	struct digest d;

	OBJECTS(f, "s3://data/in/*", "", "");
	f->inputs.objects = objects;
	f->inputs.n_objects = 2;
	assert_key(f, 1, key);
	f->m.map.glob = STR("s3://data/**/*"); /* however it was found */
	objects[0].etag = STR("\"y\"");	       /* another one's bytes are nothing to it */
	assert_key(f, 1, key);
	objects[1].etag = STR("\"1cc175b9c0f1b6a831c399e269772661\"");
	d = key_of(f, 1);
	objects[1].etag = STR("\"0cc175b9c0f1b6a831c399e269772661\"");
	objects[1].size_bytes--;
	assert_int_not_equal(digest_cmp(&d, &(struct digest[]){key_of(f, 1)}[0]), 0);
	assert_true(digest_cmp(&(struct digest[]){key_of(f, 1)}[0], &f->job.tasks[0].key) != 0);
	objects[1].size_bytes++;
	assert_key(f, 1, key);
}

static void
a_full_key_is_for_ever(void **state)
{
	struct fixture *f = *state;

	full(f);
	assert_key(f, 1, "be6ef630a647953349dc6dfb2e7aadf784b4c5925779f2886241b65985195ac2");
	assert_digest(&f->job.environment_identity,
		"0222ea67fc6149bc6f3af3fff999b09f35f5b0df25a462db047bc457aaa0469a");
}

static void
a_build_stands_for_its_image(void **state)
{
	static const char key[] =
		"b32f09024685bc2e7950012be419c5ba0d0c1ab4c7b3fe5801d99cd7d22e0179";
	struct fixture *f = *state;
	struct digest d;

	build(f);
	assert_key(f, 0, key);
	assert_digest(&f->job.build_identity,
		"ecfeccc4ae3701154e7b32e70c9936c6e2ba623118e3c97a835f55dd4998712a");
	assert_digest(&f->job.environment_identity,
		"740e4ad84922c0bb7bae30540242215f6bbbf6acace7306704a989936a1fc76d");
	d = job_build_identity(&f->m, &f->source);
	assert_int_equal(digest_cmp(&d, &f->job.build_identity), 0);
	/* built, and known by a digest: the same work */
	f->inputs.image_digest = STR("sha256:1234");
	assert_key(f, 0, key);
	assert_str(f->job.image_digest, "sha256:1234");
	/* what is outside of the context does not rebuild, but runs again */
	fixture_file(f, "count.sh", "wc -l");
	fixture_good(f);
	assert_int_equal(digest_cmp(&d, &f->job.build_identity), 0);
	fixture_file(f, "image/init", "#!/bin/bash");
	fixture_good(f);
	assert_int_not_equal(digest_cmp(&d, &f->job.build_identity), 0);
}

typedef void (*change_fn)(struct fixture *f);

static void
other_entrypoint(struct fixture *f)
{
	f->m.entrypoint.argv = STRINGS(f, "./count.sh", "${{ input }}", "-n${{ task.index }}");
}
static void
split_argument(struct fixture *f)
{
	f->m.entrypoint.argv = STRINGS(f, "./count.sh", "${{ input }}${{ task.index }}");
}
static void
shell_entrypoint(struct fixture *f)
{
	f->m.entrypoint = (struct entrypoint){.shell = STR("./count.sh")};
}
static void
other_image(struct fixture *f)
{
	f->inputs.image_digest = STR("sha256:00");
}
static void
no_image(struct fixture *f)
{
	f->m.environment.image = (struct str){0};
}
static void
other_setup(struct fixture *f)
{
	f->m.environment.setup = STR("pip install -U -r requirements.txt");
}
static void
no_setup(struct fixture *f)
{
	f->m.environment.setup = (struct str){0};
}
static void
other_setup_file(struct fixture *f)
{
	fixture_file(f, "requirements.txt", "numpy scipy");
}
static void
fewer_setup_files(struct fixture *f)
{
	f->m.environment.setup_files.n = 1;
}
static void
other_source(struct fixture *f)
{
	fixture_file(f, "count.sh", "wc -l");
}
static void
other_mode(struct fixture *f)
{
	fixture_file(f, "count.sh", "wc -w")->mode = FILE_REGULAR;
}
static void
new_source(struct fixture *f)
{
	fixture_file(f, "lib/x.py", "x");
}
static void
other_env(struct fixture *f)
{
	f->m.environment.env = PAIRS(f, "LANG", "C", "B", "${{ task.key }}");
}
static void
other_env_name(struct fixture *f)
{
	f->m.environment.env = PAIRS(f, "LC_ALL", "C.UTF-8", "B", "${{ task.key }}");
}
static void
more_env(struct fixture *f)
{
	f->m.environment.env = PAIRS(f, "LANG", "C.UTF-8", "B", "${{ task.key }}", "C", "");
}
static void
more_secrets(struct fixture *f)
{
	f->m.environment.secrets = STRINGS(f, "TOKEN", "HF", "X");
}
static void
other_outputs(struct fixture *f)
{
	f->m.outputs = STR("results/");
}
static void
no_outputs(struct fixture *f)
{
	f->m.outputs = (struct str){0};
}
static void
other_value(struct fixture *f)
{
	fixture_values(f, STRINGS(f, "x", "z"));
}
static void
other_index(struct fixture *f)
{
	fixture_values(f, STRINGS(f, "y", "x"));
}

static void
every_part_counts(void **state)
{
	static const change_fn changes[] = {other_entrypoint, split_argument, shell_entrypoint,
		other_image, no_image, other_setup, no_setup, other_setup_file, fewer_setup_files,
		other_source, other_mode, new_source, other_env, other_env_name, more_env,
		more_secrets, other_outputs, no_outputs, other_value, other_index};
	enum { N = sizeof(changes) / sizeof(changes[0]) };
	struct digest keys[N + 1];

	(void)state;
	for (size_t i = 0; i <= N; i++) {
		struct fixture f;
		struct digest k;

		fixture_init(&f);
		full(&f);
		if (i < N)
			changes[i](&f);
		k = key_of(&f, 1);
		/* and no two changes give the same */
		for (size_t j = 0; j < i; j++) {
			if (digest_cmp(&keys[j], &k) == 0)
				fail_msg("changes %zu and %zu give one key", j, i);
		}
		keys[i] = k;
		fixture_free(&f);
	}
}

static void
other_name(struct fixture *f)
{
	f->m.name = STR("other");
}
static void
more_instances(struct fixture *f)
{
	f->m.instances.max = 20;
	f->m.instances.cpus = (struct range){.min = 4, .max = 8};
	f->m.instances.infra.text = STR("aws/us-east-2");
}
static void
more_patience(struct fixture *f)
{
	f->m.retry.attempts = 9;
	f->m.timeout_ns = 1;
	f->m.max_duration_ns = 2;
	f->m.max_cost_usd = 3;
	f->m.map.fail_fast = true;
	f->m.map.per_instance = 7;
}
static void
other_places(struct fixture *f)
{
	f->m.results = STR("elsewhere/${{ input }}");
	f->m.store = STR("s3://b/x");
}
static void
other_order(struct fixture *f)
{
	f->m.environment.env = PAIRS(f, "B", "${{ task.key }}", "LANG", "C.UTF-8");
	f->m.environment.secrets = STRINGS(f, "HF", "TOKEN");
	f->m.environment.setup_files = STRINGS(f, "./apt.txt", "requirements.txt", "apt.txt");
}
static void
other_reference(struct fixture *f)
{
	f->m.environment.image = STR("python@sha256:abab");
}
static void
other_manifest_bytes(struct fixture *f)
{
	fixture_file(f, "furrow.yaml", "furrow: 1 # another comment");
}
static void
new_results(struct fixture *f)
{
	fixture_file(f, "results/x/stdout", "3");
	fixture_file(f, ".furrow/runs/1", "");
	fixture_file(f, "sub/.furrow/x", "");
}
static void
one_more_input(struct fixture *f)
{
	fixture_values(f, STRINGS(f, "x", "y", "z"));
}
static void
other_commit(struct fixture *f)
{
	f->source.commit = STR("1111111111111111111111111111111111111111");
	f->source.kind = SOURCE_DIRTY;
	f->source.patch_sha256 = STR("00");
}
static void
unknown_sizes(struct fixture *f)
{
	for (size_t i = 0; i < f->source.n_entries; i++)
		f->entries[i].size_bytes = -1;
}

static void
nothing_else_counts(void **state)
{
	static const change_fn changes[] = {other_name, more_instances, more_patience, other_places,
		other_order, other_reference, other_manifest_bytes, new_results, one_more_input,
		other_commit, unknown_sizes};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct fixture f;
		struct digest before, after;

		fixture_init(&f);
		full(&f);
		before = key_of(&f, 1);
		changes[i](&f);
		after = key_of(&f, 1);
		if (digest_cmp(&before, &after) != 0)
			fail_msg("change %zu gives another key", i);
		fixture_free(&f);
	}
}

static void
the_index_counts_when_named(void **state)
{
	struct fixture *f = *state;
	struct digest x, y;

	fixture_values(f, STRINGS(f, "x", "y"));
	x = key_of(f, 0);
	y = key_of(f, 1);
	fixture_values(f, STRINGS(f, "y", "x"));
	key_of(f, 0);
	assert_int_equal(digest_cmp(&f->job.tasks[0].key, &y), 0);
	assert_int_equal(digest_cmp(&f->job.tasks[1].key, &x), 0);
	f->m.environment.env = PAIRS(f, "N", "${{ task.index }}");
	y = key_of(f, 0);
	fixture_values(f, STRINGS(f, "x", "y"));
	key_of(f, 0);
	assert_int_not_equal(digest_cmp(&f->job.tasks[1].key, &y), 0);
	f->m.environment.env = PAIRS(f, "N", "$${{ task.index }}");
	assert_false(key_has_index(&f->m));
}

static void
an_input_file_counts_for_its_own_task(void **state)
{
	struct fixture *f = *state;
	struct digest a, b;

	fixture_file(f, "texts/a.txt", "a");
	fixture_file(f, "texts/b.txt", "b");
	fixture_glob(f, "texts/*.txt");
	a = key_of(f, 0);
	b = key_of(f, 1);
	fixture_file(f, "texts/0.txt", "new");
	key_of(f, 0);
	assert_int_equal(digest_cmp(&f->job.tasks[1].key, &a), 0);
	assert_int_equal(digest_cmp(&f->job.tasks[2].key, &b), 0);
	fixture_file(f, "texts/a.txt", "changed");
	key_of(f, 0);
	assert_int_not_equal(digest_cmp(&f->job.tasks[1].key, &a), 0);
	assert_int_equal(digest_cmp(&f->job.tasks[2].key, &b), 0);
	fixture_file(f, "texts/b.txt", "b")->mode = FILE_EXECUTABLE;
	key_of(f, 0);
	assert_int_not_equal(digest_cmp(&f->job.tasks[2].key, &b), 0);
	/* equal bytes under two names are two inputs */
	fixture_file(f, "texts/a.txt", "new");
	key_of(f, 0);
	assert_int_not_equal(digest_cmp(&f->job.tasks[0].key, &f->job.tasks[1].key), 0);
}

static void
behind_a_link_may_be_another_input(void **state)
{
	struct fixture *f = *state;
	struct digest link;

	fixture_file(f, "texts/a.txt", "a");
	fixture_file(f, "texts/b.txt", "a.txt")->mode = FILE_SYMLINK;
	fixture_glob(f, "texts/*.txt");
	link = key_of(f, 1);
	fixture_file(f, "texts/a.txt", "changed");
	key_of(f, 0);
	assert_int_not_equal(digest_cmp(&f->job.tasks[1].key, &link), 0);
}

static void
an_environment_that_is_none(void **state)
{
	struct fixture *f = *state;
	struct digest before;

	fixture_good(f);
	assert_true(digest_is_zero(&f->job.environment_identity));
	assert_true(digest_is_zero(&f->job.build_identity));
	f->m.environment.env = PAIRS(f, "A", "1");
	fixture_good(f);
	assert_true(digest_is_zero(&f->job.environment_identity));
	f->m.environment.setup = STR("");
	fixture_good(f);
	before = f->job.environment_identity;
	assert_false(digest_is_zero(&before));
	/* setup sees the environment, but for what differs from task to task */
	f->m.environment.env = PAIRS(f, "A", "1", "I", "${{ task.index }}");
	fixture_good(f);
	assert_int_equal(digest_cmp(&f->job.environment_identity, &before), 0);
	f->m.environment.env = PAIRS(f, "A", "2");
	fixture_good(f);
	assert_int_not_equal(digest_cmp(&f->job.environment_identity, &before), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(keys_are_for_ever),
		fixture_test(keys_of_a_matrix_are_for_ever),
		fixture_test(keys_of_objects_are_for_ever),
		fixture_test(a_full_key_is_for_ever),
		fixture_test(a_build_stands_for_its_image),
		cmocka_unit_test(every_part_counts),
		cmocka_unit_test(nothing_else_counts),
		fixture_test(the_index_counts_when_named),
		fixture_test(an_input_file_counts_for_its_own_task),
		fixture_test(behind_a_link_may_be_another_input),
		fixture_test(an_environment_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
