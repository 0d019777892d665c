/* suggest: distances, near misses, other tools' words; and that those lead to keys that there are. */
#include "planner/schema.h"
#include "planner/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void
distance_is(const char *a, const char *b, unsigned want)
{
	assert_int_equal(suggest_distance(str_from(a), str_from(b), 10), want);
	assert_int_equal(suggest_distance(str_from(b), str_from(a), 10), want);
}

static void
distances(void **state)
{
	char longer[80];

	(void)state;
	distance_is("", "", 0);
	distance_is("", "abc", 3);
	distance_is("memory", "memory", 0);
	distance_is("memroy", "memory", 1);
	distance_is("memry", "memory", 1);
	distance_is("memorry", "memory", 1);
	distance_is("mxmory", "memory", 1);
	distance_is("kitten", "sitting", 3);
	distance_is("Max-Cost", "max_cost", 0);
	assert_int_equal(suggest_distance(STR("kitten"), STR("sitting"), 2), 3);
	memset(longer, 'a', sizeof(longer));
	assert_int_equal(
		suggest_distance((struct str){.p = longer, .n = sizeof(longer)}, STR("a"), 5), 6);
}

static void
nearest(void **state)
{
	static const char *const names[] = {"plan", "apply", "validate", "status", "logs"};

	(void)state;
	assert_string_equal(suggest_nearest(STR("aply"), names, 5), "apply");
	assert_string_equal(suggest_nearest(STR("vaildate"), names, 5), "validate");
	assert_string_equal(suggest_nearest(STR("log"), names, 5), "logs");
	assert_string_equal(suggest_nearest(STR("STATUS"), names, 5), "status");
	assert_null(suggest_nearest(STR("destroy"), names, 5));
	assert_null(suggest_nearest(STR("x"), names, 5));
	assert_null(suggest_nearest(STR(""), names, 5));
	assert_null(suggest_nearest(STR("plan"), names, 0));
}

static void
foreign_words(void **state)
{
	(void)state;
	assert_string_equal(suggest_foreign(STR("run")), "entrypoint");
	assert_string_equal(suggest_foreign(STR("command")), "entrypoint");
	assert_string_equal(suggest_foreign(STR("cmd")), "entrypoint");
	assert_string_equal(suggest_foreign(STR("script")), "entrypoint");
	assert_string_equal(suggest_foreign(STR("resources")), "instances");
	assert_string_equal(suggest_foreign(STR("use_spot")), "instances.spot");
	assert_string_equal(suggest_foreign(STR("workers")), "instances.max");
	assert_string_equal(suggest_foreign(STR("num_nodes")), "instances.max");
	assert_string_equal(suggest_foreign(STR("accelerators")), "instances.gpus");
	assert_string_equal(suggest_foreign(STR("backoffLimit")), "retry.attempts");
	assert_string_equal(suggest_foreign(STR("runs-on")), "instances.infra");
	assert_null(suggest_foreign(STR("xyzzy")));
	assert_null(suggest_foreign(STR("")));
}

static void
hint_is(const struct schema *s, const char *name, const char *want)
{
	struct arena a = {0};

	assert_string_equal(schema_hint(&a, s, str_from(name)).p, want);
	arena_free(&a);
}

static void
hints_of_keys(void **state)
{
	(void)state;
	hint_is(&schema_manifest, "entrypont", "did you mean 'entrypoint'?");
	hint_is(&schema_manifest, "run", "did you mean 'entrypoint'?");
	hint_is(&schema_manifest, "cpus", "did you mean 'instances.cpus'?");
	hint_is(&schema_manifest, "image", "did you mean 'environment.image'?");
	hint_is(&schema_manifest, "inputs", "did you mean 'map.inputs'?");
	hint_is(&schema_manifest, "resources", "did you mean 'instances'?");
	hint_is(&schema_instances, "memroy", "did you mean 'memory'?");
	hint_is(&schema_instances, "use_spot", "did you mean 'spot'?");
	hint_is(&schema_instances, "count", "did you mean 'max'?");
	hint_is(&schema_instances, "timeout", "did you mean 'timeout' at the top level?");
	hint_is(&schema_alternative, "max", "did you mean 'instances.max'?");
	hint_is(&schema_retry, "max_attempts", "did you mean 'attempts'?");
	hint_is(&schema_map, "timeout", "did you mean 'timeout' at the top level?");
	hint_is(&schema_workdir, "xyzzy", "the keys here are path, url and ref");
}

struct search {
	const char *path;
	bool found;
};

static void
compare_path(void *ctx, const struct schema *s, const struct schema_key *key)
{
	struct search *search = ctx;
	char path[80];

	snprintf(path, sizeof(path), "%s%s%s", s->path, *s->path ? "." : "", key->name);
	search->found |= strcmp(path, search->path) == 0;
}

/* Every word of another tool leads to a key that there is. */
static void
foreign_words_lead_somewhere(void **state)
{
	static const char *const words[] = {"accelerators", "ami_id", "argv", "array", "artifacts",
		"autostop", "backoff", "base", "branch", "bucket", "budget", "cloud", "code",
		"completions", "concurrency", "container", "cores", "deadline", "disk_size", "envs",
		"exit_code", "for_each", "git", "job", "job_recovery", "keep_alive", "machine",
		"max_instances", "max_price", "max_retries", "max_runtime", "mem", "output",
		"parallel", "platform", "price", "provider", "ram", "region", "repo",
		"requirements", "retries", "runs_on", "secret", "version", "variables", "vcpus",
		"walltime", "zone", "retry.on", "retry.codes", "map.glob", "map.inputs.lines",
		"environment.build.file", "instances.disk.bytes", "workdir.commit"};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		struct search search = {.path = suggest_foreign(str_from(words[i]))};

		if (!search.path)
			fail_msg("%s is not known", words[i]);
		schema_walk(compare_path, &search);
		if (!search.found)
			fail_msg("%s leads to %s, which is no key", words[i], search.path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances),
		cmocka_unit_test(nearest),
		cmocka_unit_test(foreign_words),
		cmocka_unit_test(hints_of_keys),
		cmocka_unit_test(foreign_words_lead_somewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
