/* in_place: finding a task that has a result. */
#include "cmd/furrow/in_place.h"

#include "cmd/furrow/prepare.h"

static void
list_tasks(const struct plan *plan, struct arena *a, struct run_tasks *out)
{
	*out = (struct run_tasks){.v = ARENA_ARRAY(a, struct run_task, plan->job.n_tasks)};
	for (uint32_t i = 0; i < plan->job.n_tasks; i++) {
		const struct task *t = &plan->job.tasks[i];

		if (!plan->changes.task_runs[i])
			out->v[out->n++] =
				(struct run_task){.index = i, .key = t->key, .label = t->label};
	}
}

bool
in_place_find(struct arena *a, const struct options *o, const char *word, struct run_task *out)
{
	const struct options wish = {.manifest = o->manifest, .allow_dirty = true};
	const struct run_task *found = NULL;
	struct prepared p = {.prefer_commit = true};
	struct run_tasks tasks;
	struct error err;

	if (prepare_plan(&p, &wish, NULL, &err) == 0) {
		list_tasks(&p.plan, &p.arena, &tasks);
		run_tasks_named(&tasks, word, &found, NULL);
	}
	if (found) {
		*out = *found;
		out->label = arena_str(a, found->label);
	}
	prepare_close(&p);
	return found != NULL;
}
