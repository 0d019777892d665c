/* suggest: edit distance, and the words of other tools. A word with a mapping's path before it
 * holds there alone. */
#include "planner/suggest.h"

enum { LONGEST_WORD = 64 };

static const struct {
	const char *word;
	const char *path;
} foreign[] = {
	{"accelerator", "instances.gpus"},
	{"accelerators", "instances.gpus"},
	{"active_deadline_seconds", "timeout"},
	{"ami_id", "instances.ami"},
	{"architecture", "instances.arch"},
	{"argv", "entrypoint"},
	{"array", "map"},
	{"array_properties", "map"},
	{"artifacts", "outputs"},
	{"attempt_duration_seconds", "timeout"},
	{"autostop", "instances.idle"},
	{"backoff", "retry.delay"},
	{"backoff_limit", "retry.attempts"},
	{"base", "extends"},
	{"before_script", "environment.setup"},
	{"branch", "workdir.ref"},
	{"bucket", "store"},
	{"budget", "max_cost"},
	{"cloud", "instances.infra"},
	{"cmd", "entrypoint"},
	{"code", "workdir"},
	{"command", "entrypoint"},
	{"commands", "entrypoint"},
	{"completions", "map.inputs.count"},
	{"concurrency", "map.per_instance"},
	{"container", "environment.image"},
	{"container_image", "environment.image"},
	{"cores", "instances.cpus"},
	{"cpu", "instances.cpus"},
	{"deadline", "max_duration"},
	{"directory", "workdir"},
	{"disk_size", "instances.disk"},
	{"docker_image", "environment.image"},
	{"environment.build.file", "environment.build.dockerfile"},
	{"environment.build.path", "environment.build.context"},
	{"environment.conda", "environment.setup"},
	{"environment.from", "environment.image"},
	{"environment.pip", "environment.setup"},
	{"environment.python", "environment.image"},
	{"environment.variables", "environment.env"},
	{"environment.vars", "environment.env"},
	{"environment_variables", "environment.env"},
	{"envs", "environment.env"},
	{"exit_code", "retry.exit_codes"},
	{"for_each", "map.inputs"},
	{"foreach", "map.inputs"},
	{"git", "workdir.url"},
	{"image_id", "instances.ami"},
	{"import", "extends"},
	{"include", "extends"},
	{"inherit", "extends"},
	{"input", "map.inputs"},
	{"input_files", "map.inputs"},
	{"instance", "instances"},
	{"instance_count", "instances.max"},
	{"instance_type", "instances.type"},
	{"instance_types", "instances.type"},
	{"instances.count", "instances.max"},
	{"instances.disk.bytes", "instances.disk.size"},
	{"instances.image", "instances.ami"},
	{"instances.min", "instances.max"},
	{"instances.name", "instances.type"},
	{"instances.num", "instances.max"},
	{"instances.number", "instances.max"},
	{"instances.on_demand", "instances.spot"},
	{"instances.size", "instances.type"},
	{"items", "map.inputs"},
	{"job", "name"},
	{"job_name", "name"},
	{"job_recovery", "retry"},
	{"keep_alive", "instances.idle"},
	{"machine", "instances"},
	{"machine_type", "instances.type"},
	{"map.files", "map.inputs"},
	{"map.glob", "map.inputs"},
	{"map.inputs.lines", "map.inputs.file"},
	{"map.inputs.list", "map.inputs.file"},
	{"map.inputs.n", "map.inputs.count"},
	{"map.max", "map.per_instance"},
	{"map.over", "map.inputs"},
	{"map.parallelism", "map.per_instance"},
	{"map.slots", "map.per_instance"},
	{"max_instances", "instances.max"},
	{"max_parallel", "instances.max"},
	{"max_price", "instances.max_hourly_cost"},
	{"max_retries", "retry.attempts"},
	{"max_runtime", "max_duration"},
	{"max_workers", "instances.max"},
	{"mem", "instances.memory"},
	{"nodes", "instances.max"},
	{"num_instances", "instances.max"},
	{"num_nodes", "instances.max"},
	{"num_workers", "instances.max"},
	{"output", "outputs"},
	{"output_dir", "outputs"},
	{"packages", "environment.setup"},
	{"parallel", "map.per_instance"},
	{"parallelism", "instances.max"},
	{"platform", "instances.arch"},
	{"preemptible", "instances.spot"},
	{"price", "instances.max_hourly_cost"},
	{"processors", "instances.cpus"},
	{"provider", "instances.infra"},
	{"ram", "instances.memory"},
	{"region", "instances.infra"},
	{"repo", "workdir.url"},
	{"repository", "workdir.url"},
	{"requirements", "environment.setup_files"},
	{"resources", "instances"},
	{"restart_policy", "retry"},
	{"result", "results"},
	{"retries", "retry.attempts"},
	{"retry.codes", "retry.exit_codes"},
	{"retry.count", "retry.attempts"},
	{"retry.interval", "retry.delay"},
	{"retry.limit", "retry.attempts"},
	{"retry.max", "retry.attempts"},
	{"retry.max_attempts", "retry.attempts"},
	{"retry.on", "retry.for"},
	{"retry.times", "retry.attempts"},
	{"retry.wait", "retry.delay"},
	{"retry.when", "retry.for"},
	{"retry_strategy", "retry"},
	{"rev", "workdir.ref"},
	{"revision", "workdir.ref"},
	{"run", "entrypoint"},
	{"runs_on", "instances.infra"},
	{"scale", "instances.max"},
	{"scaledown_window", "instances.idle"},
	{"schema", "furrow"},
	{"schema_version", "furrow"},
	{"script", "entrypoint"},
	{"secret", "environment.secrets"},
	{"services", "environment"},
	{"source", "workdir"},
	{"steps", "entrypoint"},
	{"storage", "instances.disk"},
	{"strategy", "map"},
	{"tag", "workdir.ref"},
	{"task", "entrypoint"},
	{"tasks", "map"},
	{"time_limit", "timeout"},
	{"ttl", "instances.idle"},
	{"use_spot", "instances.spot"},
	{"values", "map.inputs"},
	{"variables", "environment.env"},
	{"vcpu", "instances.cpus"},
	{"vcpus", "instances.cpus"},
	{"version", "furrow"},
	{"walltime", "timeout"},
	{"workdir.branch", "workdir.ref"},
	{"workdir.commit", "workdir.ref"},
	{"worker", "instances"},
	{"workers", "instances.max"},
	{"working_dir", "workdir"},
	{"working_directory", "workdir"},
	{"zone", "instances.infra"},
};

/* 'A' is 'a' and '-' is '_': neither is ever what tells two keys apart. */
static unsigned char
fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned char)(c - 'A' + 'a');
	return (unsigned char)(c == '-' ? '_' : c);
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned
suggest_distance(struct str a, struct str b, unsigned limit)
{
	unsigned rows[3][LONGEST_WORD + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];

	if (a.n > LONGEST_WORD || b.n > LONGEST_WORD)
		return limit + 1;
	for (unsigned k = 0; k <= b.n; k++)
		last[k] = k;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned *oldest = before;

		now[0] = (unsigned)i;
		for (size_t k = 1; k <= b.n; k++) {
			unsigned char x = fold(a.p[i - 1]), y = fold(b.p[k - 1]);

			now[k] = least(least(last[k], now[k - 1]) + 1, last[k - 1] + (x != y));
			if (i > 1 && k > 1 && x == fold(b.p[k - 2]) && fold(a.p[i - 2]) == y)
				now[k] = least(now[k], before[k - 2] + 1);
		}
		before = last;
		last = now;
		now = oldest;
	}
	return last[b.n] > limit ? limit + 1 : last[b.n];
}

const char *
suggest_nearest(struct str word, const char *const *names, size_t n)
{
	unsigned best = word.n < 5 ? 1 : (unsigned)(word.n + 1) / 3;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		struct str name = str_from(names[i]);
		unsigned d = suggest_distance(word, name, best);

		/* Everything is near to a word of one or two letters: keep one letter in common. */
		if (d >= name.n || d >= word.n)
			continue;
		if (d < best || (d == best && !found)) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

const char *
suggest_foreign(struct str word)
{
	/* camelCase and kebab-case are written with '_' in the table. */
	char key[LONGEST_WORD];
	size_t n = 0;

	for (size_t i = 0; i < word.n; i++) {
		if (n + 2 >= sizeof(key))
			return NULL;
		if (i && word.p[i] >= 'A' && word.p[i] <= 'Z' && word.p[i - 1] >= 'a')
			key[n++] = '_';
		key[n++] = (char)fold(word.p[i]);
	}
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		if (str_is((struct str){.p = key, .n = n}, foreign[i].word))
			return foreign[i].path;
	}
	return NULL;
}

struct str
suggest_hint(struct arena *a, const char *name)
{
	return name ? arena_printf(a, "did you mean '%s'?", name) : (struct str){0};
}
