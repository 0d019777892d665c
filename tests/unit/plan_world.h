/* plan_world: a plan made by hand, and saved. */
#ifndef FURROW_TESTS_PLAN_WORLD_H
#define FURROW_TESTS_PLAN_WORLD_H

#include "planner/cost.h"
#include "planner/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TASKS = 6 };

/* A plan made by hand: tasks 0 and 1 have results, the others run. */
struct world {
	struct arena arena;
	struct manifest manifest;
	struct source source;
	struct source_entry entry;
	struct digest results[TASKS];
	struct collected collected[TASKS];
	struct plan plan;
};

static inline struct digest
digest_from(const char *s)
{
	return digest_of(s, strlen(s));
}

static inline void
replan(struct world *w)
{
	struct plan *p = &w->plan;
	struct error err = {0};

	diff(&w->arena, &p->changes, &p->job, &p->observed);
	assert_int_equal(
		graph_of_changes(&w->arena, &p->graph, &p->job, &p->observed, &p->changes, &err),
		0);
	plan_estimate(&w->arena, p);
	plan_state(p);
}

static inline int
by_digest(const void *a, const void *b)
{
	return digest_cmp(a, b);
}

/* The first n tasks have results. */
static inline void
set_results(struct world *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		w->results[i] = w->plan.job.tasks[i].key;
	qsort(w->results, n, sizeof(w->results[0]), by_digest);
	w->plan.observed.results = w->results;
	w->plan.observed.n_results = n;
}

static inline void
set_tasks(struct world *w, uint32_t n, const char *salt)
{
	struct job *job = &w->plan.job;

	job->n_tasks = n;
	job->tasks = ARENA_ARRAY(&w->arena, struct task, n);
	for (uint32_t i = 0; i < n; i++) {
		struct str label = arena_printf(&w->arena, "t%u", i);
		struct str key = arena_printf(&w->arena, "%s-%u", salt, i);

		job->tasks[i] = (struct task){.label = label,
			.input = label,
			.key = digest_of(key.p, key.n),
			.input_entry = UINT32_MAX};
	}
}

static inline void
world_open(struct world *w)
{
	struct plan *p = &w->plan;

	*w = (struct world){0};
	w->manifest = (struct manifest){.name = STR("job"), .results = STR("results")};
	w->manifest.workdir.path = STR(".");
	w->manifest.instances.infra.text = STR("local");
	w->manifest.map.kind = MAP_COUNT;
	w->manifest.environment.image = STR("docker.io/x \"y\" \\ ,\"saved\":{");
	w->manifest.environment.setup = STR("make");
	w->entry = (struct source_entry){.path = STR("run.sh"), .mode = FILE_EXECUTABLE};
	w->source = (struct source){.entries = &w->entry,
		.n_entries = 1,
		.commit = STR("1a2b3c4d5e1a2b3c4d5e1a2b3c4d5e1a2b3c4d5e"),
		.describe = STR("main@1a2b3c4")};
	p->job.manifest = &w->manifest;
	p->job.source = &w->source;
	p->job.image_digest = STR("sha256:00000000000000000000");
	p->job.source_identity = digest_from("source");
	p->job.environment_identity = digest_from("environment");
	p->observed.machine = (struct machine){.name = STR("box"), .cpus = 2};
	p->slots = 2;
	p->manifest_path = STR("/repo/furrow.yaml");
	p->manifest_digest = digest_from("manifest");
	p->id = STR("01JD9XTPG0000000000000TEST");
	set_tasks(w, TASKS, "a");
	set_results(w, 2);
	replan(w);
}

static inline void
world_close(struct world *w)
{
	arena_free(&w->arena);
}

/* The world saved; the caller frees. */
static inline struct buf
saved(const struct world *w)
{
	struct buf b = {0};

	plan_write_file(&b, &w->plan);
	return b;
}

static inline int
parse(struct world *w, struct plan_file *out, struct str bytes, struct error *err)
{
	*err = (struct error){0};
	return plan_file_parse(&w->arena, out, bytes, STR("p.json"), err);
}

#endif
