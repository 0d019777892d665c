/* scene: a graph, a world and a run of the executor: what the tests of the executor share. */
#ifndef FURROW_TEST_SCENE_H
#define FURROW_TEST_SCENE_H

#include "tests/exec/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct scene {
	struct arena a;
	struct graph g;
	struct world *w;
	struct exec_options options;
	struct exec_result result;
	struct error err;
	int code;
};

static inline void
set_up(struct scene *s)
{
	*s = (struct scene){.w = world_new(),
		.options = {
			.grace_ns = MS(5000), .retry = {.task_attempts = 1, .step_attempts = 1}}};
	graph_init(&s->g, &s->a);
}

static inline void
tear_down(struct scene *s)
{
	world_free(s->w);
	arena_free(&s->a);
}

static inline uint32_t
add(struct scene *s, enum kind kind, uint32_t index, const uint32_t *after, uint32_t n)
{
	const struct node node = {.kind = kind,
		.verb = VERB_RUN,
		.index = index,
		.needs_slot = kind == KIND_TASK,
		.gives_slots = kind == KIND_ENVIRONMENT,
		.always = kind == KIND_COLLECT || kind == KIND_RELEASE,
		.estimate_ns = -1,
		.p90_ns = -1};

	return graph_add(&s->g, &node, after, n);
}

static inline uint32_t
add_one(struct scene *s, enum kind kind, uint32_t index)
{
	return add(s, kind, index, NULL, 0);
}

static inline uint32_t
add_after(struct scene *s, enum kind kind, uint32_t index, uint32_t after)
{
	return add(s, kind, index, &after, 1);
}

/* n tasks from index `from` on. */
static inline void
add_tasks(struct scene *s, uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		add_one(s, KIND_TASK, from + i);
}

/* Steps and tasks of a kind take ms. */
static inline void
takes(struct scene *s, enum kind kind, uint32_t index, int64_t ms)
{
	world_add(s->w, &(struct script){.kind = kind, .index = index, .run_ns = MS(ms)});
}

static inline void
gives(struct scene *s, uint32_t environment, uint32_t slots, int64_t ms)
{
	world_add(s->w, &(struct script){.kind = KIND_ENVIRONMENT,
				.index = environment,
				.slots = slots,
				.run_ns = MS(ms)});
}

static inline void
play(struct scene *s)
{
	assert_int_equal(graph_freeze(&s->g, &s->err), 0);
	s->code = executor_run(&s->a, &s->g, &s->options, world_port(s->w), NULL,
		world_observer(s->w, &s->g), &s->result, &s->err);
}

static inline void
expect_log(struct scene *s, const char *log)
{
	play(s);
	assert_string_equal(world_log(s->w), log);
}

#endif
