/* job_task: one task of a job, written out: the command that runs it. */
#include "planner/job.h"

#include "planner/expand.h"
#include "planner/template.h"

/* Everything that a task's templates can name; key is the caller's. */
static struct template_vars
vars_of(const struct job *job, uint32_t index, struct arena *a)
{
	const struct map *map = &job->manifest->map;
	struct str *values = ARENA_ARRAY(a, struct str, map->n_axes);
	char *key = arena_alloc(a, DIGEST_HEX_BYTES);

	expand_axis_values(map, index, values);
	digest_hex(key, &job->tasks[index].key);
	return (struct template_vars){
		.input = job->tasks[index].input,
		.index = arena_printf(a, "%u", (unsigned)index),
		.key = str_from(key),
		.map = map,
		.axis_values = values,
	};
}

/* A name is there once: the later value counts. */
static void
set(struct pairs *env, struct str name, struct str value)
{
	size_t i = 0;

	while (i < env->n && !str_eq(env->v[i].name, name))
		i++;
	env->v[i] = (struct pair){.name = name, .value = value};
	if (i == env->n)
		env->n++;
}

static void
make_argv(const struct entrypoint *e, const struct template_vars *vars, struct arena *a,
	struct strings *out)
{
	out->n = e->is_list ? e->argv.n : 3;
	out->v = ARENA_ARRAY(a, struct str, out->n);
	if (!e->is_list) {
		out->v[0] = STR("/bin/sh");
		out->v[1] = STR("-c");
		out->v[2] = template_render(a, e->shell, vars);
		return;
	}
	for (size_t i = 0; i < out->n; i++)
		out->v[i] = template_render(a, e->argv.v[i], vars);
}

void
job_task_command(const struct job *job, uint32_t index, struct arena *a, struct task_command *out)
{
	const struct manifest *m = job->manifest;
	const struct pairs *env = &m->environment.env;
	struct template_vars vars = vars_of(job, index, a);

	*out = (struct task_command){0};
	make_argv(&m->entrypoint, &vars, a, &out->argv);
	out->env.v = ARENA_ARRAY(a, struct pair, env->n + m->map.n_axes + 5);
	for (size_t i = 0; i < env->n; i++)
		set(&out->env, env->v[i].name, template_render(a, env->v[i].value, &vars));
	for (size_t k = 0; k < m->map.n_axes; k++)
		set(&out->env, m->map.axes[k].name, vars.axis_values[k]);
	set(&out->env, STR("FURROW_INPUT"), vars.input);
	set(&out->env, STR("FURROW_TASK_INDEX"), vars.index);
	set(&out->env, STR("FURROW_TASK_COUNT"), arena_printf(a, "%u", (unsigned)job->n_tasks));
	set(&out->env, STR("FURROW_TASK_KEY"), vars.key);
	set(&out->env, STR("FURROW_JOB"), m->name);
}
