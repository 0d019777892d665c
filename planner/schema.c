/* schema: the table of keys. The order is the one in which messages list them. */
#include "planner/schema.h"

#include "planner/base/buf.h"
#include "planner/base/clock.h"
#include "planner/suggest.h"

#include <stddef.h>

#define KEYS(array) .keys = (array), .n = sizeof(array) / sizeof(*(array))
#define AT(type, member) .at = offsetof(struct type, member)
#define AT_POS(type, member, pos) \
	.at = offsetof(struct type, member), .at_pos = offsetof(struct type, pos)

static const char *const archs[] = {"x86_64", "arm64", "any", NULL};
static const char *const tristates[] = {"false", "true", "auto", NULL};

static const struct schema_key build_keys[] = {
	{"context", KEY_INNER_PATH, KEY_FOLDER, AT(build, context),
		.expected = "a folder in the workdir, such as ."},
	{"dockerfile", KEY_INNER_PATH, 0, AT(build, dockerfile),
		.expected = "a file in the context, such as Dockerfile"},
};
const struct schema schema_build = {"environment.build", KEYS(build_keys), "context"};

static const struct schema_key environment_keys[] = {
	{"image", KEY_IMAGE, 0, AT_POS(environment, image, pos_image),
		.expected =
			"an image, such as docker.io/library/python:3.12-slim or oci-archive:FILE"},
	{"build", KEY_BUILD, 0, AT_POS(environment, build, pos_build), .map = &schema_build,
		.expected = "a mapping, such as {context: ., dockerfile: Dockerfile}"},
	{"setup", KEY_TEXT, 0, AT_POS(environment, setup, pos_setup),
		.expected = "a shell command, such as pip install -r requirements.txt"},
	{"setup_files", KEY_INNER_PATHS, 0, AT_POS(environment, setup_files, pos_setup_files),
		.expected = "a list of files in the workdir, such as [requirements.txt]",
		.each = "a file in the workdir, such as requirements.txt"},
	{"env", KEY_ENV, 0, AT_POS(environment, env, pos_env),
		.expected = "a mapping of names to values, such as {LANG: C.UTF-8}"},
	{"secrets", KEY_SECRETS, KEY_LATE, AT_POS(environment, secrets, pos_secrets),
		.expected = "a list of names of variables in your environment, such as [HF_TOKEN]",
		.each = "the name of a variable in your environment"},
};
const struct schema schema_environment = {"environment", KEYS(environment_keys), "image"};

static const struct schema_key workdir_keys[] = {
	{"path", KEY_TEXT, 0, AT(workdir, path), .expected = "a folder, such as ."},
	{"url", KEY_TEXT, 0, AT(workdir, url),
		.expected = "a git URL, such as https://example.org/repo.git"},
	{"ref", KEY_TEXT, 0, AT(workdir, ref), .expected = "a branch, tag or commit, such as main"},
};
const struct schema schema_workdir = {"workdir", KEYS(workdir_keys), NULL};

static const struct schema_key disk_keys[] = {
	{"size", KEY_SIZE, KEY_REQUIRED, AT(disk, size_bytes), .expected = "a size, such as 50GiB"},
	{"warm", KEY_RATE, 0, AT(disk, warm_bytes_per_s), .least = INT64_C(100) << 20,
		.most = INT64_C(300) << 20, .expected = "a rate from 100MiB/s to 300MiB/s"},
};
const struct schema schema_disk = {"instances.disk", KEYS(disk_keys), "size"};

/* At the end of instance_keys stands what an alternative hasn't got. */
enum { N_WHOLE_KEYS = 4 };

static const struct schema_key instance_keys[] = {
	{"infra", KEY_INFRA, 0, AT(instances, infra), .expected = "local, or aws/REGION[/ZONE]"},
	{"cpus", KEY_COUNT_RANGE, 0, AT_POS(instances, cpus, pos_cpus), .least = 1,
		.expected = "a count or range, such as 4, 4+ or 4..8"},
	{"memory", KEY_SIZE_RANGE, 0, AT_POS(instances, memory_bytes, pos_memory),
		.expected = "a size or range, such as 16GiB, 16GiB+ or 8GiB..32GiB"},
	{"gpus", KEY_GPUS, 0, AT_POS(instances, gpus, pos_gpus),
		.expected = "NAME:COUNT or a count, such as L4:1"},
	{"arch", KEY_WORD, 0, AT_POS(instances, arch, pos_arch), .words = archs,
		.expected = "x86_64, arm64 or any"},
	{"disk", KEY_DISK, 0, AT_POS(instances, disk, pos_disk), .map = &schema_disk,
		.expected = "a size, or a mapping, such as {size: 50GiB, warm: 300MiB/s}"},
	{"type", KEY_TYPE, 0, AT_POS(instances, type, pos_type),
		.expected = "an instance type, such as m7i.large"},
	{"ami", KEY_AMI, 0, AT_POS(instances, ami, pos_ami),
		.expected = "an image id, such as ami-0123456789abcdef0, or an SSM parameter that "
			    "holds one, such as /aws/service/…"},
	{"spot", KEY_WORD, 0, AT_POS(instances, spot, pos_spot), .words = tristates,
		.expected = "true, false or auto"},
	{"max_hourly_cost", KEY_MONEY, 0,
		AT_POS(instances, max_hourly_cost_usd, pos_max_hourly_cost),
		.expected = "US dollars per hour and instance, such as 0.50"},
	{"any_of", KEY_ANY_OF, KEY_LATE, AT_POS(instances, any_of, pos_any_of),
		.map = &schema_alternative,
		.expected = "a list of mappings, such as [{infra: aws/us-east-2}, {infra: "
			    "aws/us-west-2}]",
		.each = "a mapping, such as {infra: aws/us-west-2}"},
	{"max", KEY_COUNT, 0, AT_POS(instances, max, pos_max), .least = 1, .most = 10000,
		.expected = "how many instances at most, such as 20"},
	{"idle", KEY_DURATION, 0, AT_POS(instances, idle_ns, pos_idle),
		.expected = "a duration, such as 10m, or 0"},
	{"warm_files", KEY_HOST_PATHS, 0, AT_POS(instances, warm_files, pos_warm_files),
		.expected = "a list of files and folders of the image, such as "
			    "[/opt/model/*.bin]",
		.each = "an absolute path, or pattern, on the instance, such as /opt/model/*.bin"},
};
const struct schema schema_instances = {"instances", KEYS(instance_keys), NULL};
const struct schema schema_alternative = {"instances", instance_keys,
	sizeof(instance_keys) / sizeof(*instance_keys) - N_WHOLE_KEYS, "infra"};

static const struct schema_key inputs_keys[] = {
	{"file", KEY_INNER_PATH, 0, AT(map, file),
		.expected = "a file in the workdir with one input a line, such as list.txt"},
	{"s3", KEY_TEXT, 0, AT(map, glob), .expected = "an S3 pattern, such as s3://bucket/in/*"},
	{"count", KEY_COUNT, 0, AT(map, count), .least = 1, .most = MANIFEST_MAX_TASKS,
		.expected = "how many tasks, such as 200"},
	{"matrix", KEY_READ_BEFORE, 0, AT(map, axes),
		.expected = "a mapping of names to lists, such as {seed: [1, 2], model: [a, b]}"},
};
const struct schema schema_inputs = {"map.inputs", KEYS(inputs_keys), NULL};

static const struct schema_key map_keys[] = {
	{"inputs", KEY_INPUTS, KEY_REQUIRED | KEY_WHOLE, AT_POS(map, kind, pos_inputs),
		.map = &schema_inputs,
		.expected = "a glob such as texts/*.txt, a list of values, or one of {file: …}, "
			    "{s3: …}, {count: …} and {matrix: …}",
		.each = "a value: text or a number"},
	{"per_instance", KEY_COUNT, 0, AT_POS(map, per_instance, pos_per_instance), .least = 1,
		.most = 10000, .expected = "how many tasks at a time on one instance, such as 4"},
	{"fail_fast", KEY_BOOL, 0, AT_POS(map, fail_fast, pos_fail_fast),
		.expected = "true or false"},
};
const struct schema schema_map = {"map", KEYS(map_keys), "inputs"};

static const struct schema_key retry_keys[] = {
	{"attempts", KEY_COUNT, KEY_REQUIRED, AT(retry, attempts), .least = 1, .most = 100,
		.expected = "how many attempts in all, such as 3"},
	{"for", KEY_RETRY_FOR, 0, AT(retry, for_mask),
		.expected = "a list of interruption, no-capacity, error and timeout",
		.each = "interruption, no-capacity, error or timeout"},
	{"exit_codes", KEY_EXIT_CODES, KEY_LATE, AT(retry, exit_codes), .least = 1, .most = 255,
		.expected = "a list of exit codes, such as [75]",
		.each = "an exit code from 1 to 255"},
	{"delay", KEY_DURATION, 0, AT(retry, delay_ns), .expected = "a duration, such as 5s"},
};
const struct schema schema_retry = {"retry", KEYS(retry_keys), "attempts"};

static const struct schema_key manifest_keys[] = {
	{"furrow", KEY_READ_BEFORE, 0, .expected = "the version of the manifest's form: 1"},
	{"extends", KEY_READ_BEFORE, 0, .expected = "another manifest's file, such as base.yaml"},
	{"name", KEY_NAME, KEY_REQUIRED, AT_POS(manifest, name, pos_name),
		.expected = "1 to 40 of a-z, 0-9 and -, the first a letter, such as wordcount"},
	{"environment", KEY_MAP, 0, AT(manifest, environment), .map = &schema_environment,
		.expected = "a mapping, such as {image: docker.io/library/python:3.12-slim}"},
	{"workdir", KEY_WORKDIR, KEY_WHOLE, AT(manifest, workdir), .map = &schema_workdir,
		.expected = "a folder such as ., {path: FOLDER} or {url: URL, ref: REF}"},
	{"instances", KEY_MAP, 0, AT(manifest, instances), .map = &schema_instances,
		.expected = "a mapping, such as {cpus: 4+, memory: 16GiB+}"},
	{"entrypoint", KEY_ENTRYPOINT, KEY_REQUIRED, AT(manifest, entrypoint),
		.expected = "a shell command, or a list of a program and its arguments",
		.each = "text"},
	{"map", KEY_MAP, KEY_LATE, AT(manifest, map), .map = &schema_map,
		.expected = "a mapping, such as {inputs: texts/*.txt}"},
	{"outputs", KEY_OUTPUTS, 0, AT_POS(manifest, outputs, pos_outputs),
		.expected = "a folder below the task's working folder, such as out/"},
	{"results", KEY_RESULTS, 0, AT_POS(manifest, results, pos_results),
		.expected = "a folder such as results/, or s3://BUCKET/PREFIX"},
	{"retry", KEY_MAP, 0, AT_POS(manifest, retry, pos_retry), .map = &schema_retry,
		.expected = "a mapping, such as {attempts: 3}"},
	{"timeout", KEY_DURATION, 0, AT_POS(manifest, timeout_ns, pos_timeout), .least = NS_PER_MS,
		.expected = "a duration, such as 20m"},
	{"max_duration", KEY_DURATION, 0, AT_POS(manifest, max_duration_ns, pos_max_duration),
		.least = NS_PER_MS, .expected = "a duration, such as 2h"},
	{"max_cost", KEY_MONEY, 0, AT_POS(manifest, max_cost_usd, pos_max_cost),
		.expected = "US dollars, such as 5.00"},
	{"store", KEY_STORE, 0, AT_POS(manifest, store, pos_store),
		.expected = "a folder, or s3://BUCKET/PREFIX"},
};
const struct schema schema_manifest = {"", KEYS(manifest_keys), NULL};

static const struct schema *const all[] = {&schema_manifest, &schema_environment, &schema_instances,
	&schema_map, &schema_inputs, &schema_retry, &schema_workdir, &schema_disk, &schema_build};
enum { N_SCHEMAS = sizeof(all) / sizeof(all[0]) };

/* Of one mapping. */
enum { MOST_KEYS = 16 };

const struct schema_key *
schema_find(const struct schema *s, struct str name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (str_is(name, s->keys[i].name))
			return &s->keys[i];
	}
	return NULL;
}

void
schema_walk(
	void (*each)(void *ctx, const struct schema *s, const struct schema_key *key), void *ctx)
{
	for (size_t i = 0; i < N_SCHEMAS; i++) {
		for (size_t k = 0; k < all[i]->n; k++)
			each(ctx, all[i], &all[i]->keys[k]);
	}
}

/* A path as it is said from within s: "memory" inside of instances, "instances.memory" elsewhere.
 */
static struct str
hint_path(struct arena *a, const struct schema *s, const char *path)
{
	struct str p = str_from(path), home = str_from(s->path);

	if (home.n && str_starts(p, home) && p.n > home.n && p.p[home.n] == '.')
		p = str_from_index(p, home.n + 1);
	else if (home.n && !memchr(p.p, '.', p.n))
		return arena_printf(a, "did you mean '%s' at the top level?", path);
	return arena_printf(a, "did you mean '%.*s'?", STR_ARG(p));
}

static struct str
hint_elsewhere(struct arena *a, const struct schema *s, struct str name)
{
	for (size_t i = 0; i < N_SCHEMAS; i++) {
		struct str path;

		if (strcmp(all[i]->path, s->path) == 0 && all[i]->n == s->n)
			continue;
		if (!schema_find(all[i], name))
			continue;
		path = arena_printf(
			a, "%s%s%.*s", all[i]->path, *all[i]->path ? "." : "", STR_ARG(name));
		/* The same mapping, where an alternative lacks the key. */
		if (strcmp(all[i]->path, s->path) == 0)
			return arena_printf(a, "did you mean '%.*s'?", STR_ARG(path));
		return hint_path(a, s, path.p);
	}
	return (struct str){0};
}

static struct str
all_keys(struct arena *a, const struct schema *s)
{
	struct buf b = {0};
	struct str out;

	buf_add_cstr(&b, "the keys here are ");
	for (size_t i = 0; i < s->n; i++)
		buf_addf(&b, "%s%s", i == 0 ? "" : i + 1 == s->n ? " and " : ", ", s->keys[i].name);
	out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

struct str
schema_hint(struct arena *a, const struct schema *s, struct str name)
{
	const char *names[MOST_KEYS], *found;
	struct str hint;

	for (size_t i = 0; i < s->n && i < MOST_KEYS; i++)
		names[i] = s->keys[i].name;
	/* One letter off is a slip; only then the words of others, which are near to something as
	 * well. */
	found = suggest_nearest(name, names, s->n);
	if (found && suggest_distance(name, str_from(found), 1) <= 1)
		return suggest_hint(a, found);
	if (name.n < 64 && *s->path) {
		const char *path =
			suggest_foreign(arena_printf(a, "%s.%.*s", s->path, STR_ARG(name)));

		if (path)
			return hint_path(a, s, path);
	}
	hint = hint_elsewhere(a, s, name);
	if (hint.p)
		return hint;
	if (suggest_foreign(name))
		return hint_path(a, s, suggest_foreign(name));
	return found ? suggest_hint(a, found) : all_keys(a, s);
}
