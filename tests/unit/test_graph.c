/* graph and estimate: edges, cycles, the longest rest, folding, schedules; 100,000 nodes at once.
 */
#include "planner/base/buf.h"
#include "planner/base/clock.h"
#include "planner/diff.h"
#include "planner/estimate.h"
#include "planner/graph.h"
#include "planner/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#define MANY 100000u

static const int64_t S = NS_PER_S;

static uint32_t
add(struct graph *g, enum kind kind, uint32_t index, int64_t s)
{
	struct node n = {.kind = kind,
		.index = index,
		.verb = kind == KIND_TASK ? VERB_RUN : VERB_CREATE,
		.needs_slot = kind == KIND_TASK,
		.gives_slots = kind == KIND_ENVIRONMENT,
		.estimate_ns = s < 0 ? -1 : s * S,
		.p90_ns = s < 0 ? -1 : 2 * s * S};

	return graph_add(g, &n, NULL, 0);
}

static double
seconds_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

static bool
before_has(const struct graph *g, uint32_t node, uint32_t other)
{
	const struct node *n = &g->nodes[node];

	for (uint32_t i = 0; i < n->n_before; i++) {
		if (g->back_edges[n->before + i] == other)
			return true;
	}
	return false;
}

static void
test_empty(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;
	int64_t ns, p90;

	(void)state;
	graph_init(&g, &a);
	assert_int_equal(graph_freeze(&g, &err), 0);
	assert_true(g.frozen);
	graph_estimate(&g, 4, &ns, &p90);
	assert_int_equal(ns, 0);
	assert_int_equal(p90, 0);
	arena_free(&a);
}

static void
test_edges_and_rest(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;
	uint32_t source, image, env, collect;

	(void)state;
	graph_init(&g, &a);
	source = add(&g, KIND_SOURCE, 0, 2);
	image = add(&g, KIND_IMAGE, 0, 5);
	env = graph_add(&g, &(struct node){.kind = KIND_ENVIRONMENT, .estimate_ns = S, .p90_ns = S},
		(uint32_t[]){source, image}, 2);
	collect = add(&g, KIND_COLLECT, 0, -1);
	graph_add_edge(&g, collect, env);
	graph_add_edge(&g, image, source); /* not the last node: its edges move to the end */
	graph_add_edge(&g, collect, source);
	assert_int_equal(graph_freeze(&g, &err), 0);

	assert_int_equal(g.nodes[source].n_after, 0);
	assert_int_equal(g.nodes[image].n_after, 1);
	assert_int_equal(g.edges[g.nodes[image].after], source);
	assert_int_equal(g.nodes[env].n_after, 2);
	assert_int_equal(g.edges[g.nodes[env].after], source);
	assert_int_equal(g.edges[g.nodes[env].after + 1], image);
	assert_int_equal(g.nodes[collect].n_after, 2);
	assert_int_equal(g.nodes[source].n_before, 3);
	assert_true(before_has(&g, source, image));
	assert_true(before_has(&g, source, env));
	assert_true(before_has(&g, source, collect));
	assert_int_equal(g.nodes[collect].n_before, 0);

	assert_int_equal(g.nodes[collect].rest_ns, S); /* unknown counts as one second */
	assert_int_equal(g.nodes[env].rest_ns, 2 * S);
	assert_int_equal(g.nodes[image].rest_ns, 7 * S);
	assert_int_equal(g.nodes[source].rest_ns, 9 * S);
	arena_free(&a);
}

/* No edge leads from an environment to a task, yet what it makes possible counts. */
static void
test_rest_over_slots(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;
	uint32_t source, env, shorter, longer, collect;

	(void)state;
	graph_init(&g, &a);
	source = add(&g, KIND_SOURCE, 0, 1);
	env = add(&g, KIND_ENVIRONMENT, 0, 2);
	graph_add_edge(&g, env, source);
	shorter = add(&g, KIND_TASK, 0, 10);
	longer = add(&g, KIND_TASK, 1, 30);
	collect = add(&g, KIND_COLLECT, 0, 4);
	graph_add_edge(&g, collect, shorter);
	graph_add_edge(&g, collect, longer);
	assert_int_equal(graph_freeze(&g, &err), 0);
	assert_int_equal(g.nodes[shorter].rest_ns, 14 * S);
	assert_int_equal(g.nodes[longer].rest_ns, 34 * S);
	assert_int_equal(g.nodes[env].rest_ns, 36 * S);
	assert_int_equal(g.nodes[source].rest_ns, 37 * S);
	arena_free(&a);
}

static void
test_durations_that_overflow(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;
	uint32_t from, to;
	int64_t ns, p90;

	(void)state;
	graph_init(&g, &a);
	from = add(&g, KIND_SOURCE, 0, 1);
	to = add(&g, KIND_COLLECT, 0, 1);
	graph_add_edge(&g, to, from);
	g.nodes[from].estimate_ns = g.nodes[to].estimate_ns = INT64_MAX - 5;
	g.nodes[from].p90_ns = g.nodes[to].p90_ns = INT64_MAX;
	assert_int_equal(graph_freeze(&g, &err), 0);
	assert_int_equal(g.nodes[from].rest_ns, INT64_MAX);
	graph_estimate(&g, 1, &ns, &p90);
	assert_int_equal(ns, INT64_MAX);
	assert_int_equal(p90, INT64_MAX);
	arena_free(&a);
}

static void
test_cycle(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;
	uint32_t t0, t1, source, collect;

	(void)state;
	graph_init(&g, &a);
	source = add(&g, KIND_SOURCE, 0, 1);
	t0 = add(&g, KIND_TASK, 0, 1);
	t1 = add(&g, KIND_TASK, 1, 1);
	collect = add(&g, KIND_COLLECT, 0, 1);
	graph_add_edge(&g, t0, source);
	graph_add_edge(&g, t1, t0);
	graph_add_edge(&g, collect, t1); /* stuck behind the cycle, no part of it */
	graph_add_edge(&g, t0, t1);
	assert_int_equal(graph_freeze(&g, &err), ERR_INTERNAL);
	assert_false(g.frozen);
	assert_non_null(strstr(err.message, "task[0] -> task[1] -> task[0]"));
	assert_null(strstr(err.message, "collect"));
	assert_null(strstr(err.message, "source"));
	arena_free(&a);
}

static void
test_cycle_in_order(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;
	uint32_t v[3];

	(void)state;
	graph_init(&g, &a);
	for (uint32_t i = 0; i < 3; i++)
		v[i] = add(&g, KIND_TASK, i, 1);
	graph_add_edge(&g, v[1], v[0]);
	graph_add_edge(&g, v[2], v[1]);
	graph_add_edge(&g, v[0], v[2]);
	assert_int_equal(graph_freeze(&g, &err), ERR_INTERNAL);
	assert_non_null(strstr(err.message, "task[0] -> task[1] -> task[2] -> task[0]"));
	arena_free(&a);
}

static void
test_cycle_of_one(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;

	(void)state;
	graph_init(&g, &a);
	add(&g, KIND_SOURCE, 0, 1);
	graph_add_edge(&g, 0, 0);
	assert_int_equal(graph_freeze(&g, &err), ERR_INTERNAL);
	assert_non_null(strstr(err.message, "source -> source"));
	arena_free(&a);
}

static void
test_long_cycle_is_cut(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;

	(void)state;
	graph_init(&g, &a);
	for (uint32_t i = 0; i < 5000; i++) {
		add(&g, KIND_TASK, i, 1);
		if (i)
			graph_add_edge(&g, i, i - 1);
	}
	graph_add_edge(&g, 0, 4999);
	assert_int_equal(graph_freeze(&g, &err), ERR_INTERNAL);
	assert_non_null(strstr(err.message, "task[0] -> task[1] -> task[2]"));
	assert_non_null(strstr(err.message, " more) -> "));
	assert_true(strlen(err.message) < 400);
	arena_free(&a);
}

static void
test_edge_to_nowhere(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;

	(void)state;
	graph_init(&g, &a);
	graph_add(&g, &(struct node){.kind = KIND_COLLECT}, (uint32_t[]){7}, 1);
	assert_int_equal(graph_freeze(&g, &err), ERR_INTERNAL);
	assert_non_null(strstr(err.message, "collect comes after node 7"));
	arena_free(&a);
}

/* A name may come before its node. */
static void
test_forward_edge(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;

	(void)state;
	graph_init(&g, &a);
	graph_add(&g, &(struct node){.kind = KIND_COLLECT, .estimate_ns = S}, (uint32_t[]){1}, 1);
	graph_add(&g, &(struct node){.kind = KIND_SOURCE, .estimate_ns = S}, NULL, 0);
	assert_int_equal(graph_freeze(&g, &err), 0);
	assert_int_equal(g.nodes[1].rest_ns, 2 * S);
	arena_free(&a);
}

/* 400 short tasks before a chain of 10 long ones, 4 slots: as ideal as it gets, since the chain
 * goes first. */
static void
test_schedule_of_a_tail(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;
	int64_t ns, p90;

	(void)state;
	graph_init(&g, &a);
	for (uint32_t i = 0; i < 400; i++)
		add(&g, KIND_TASK, i, 1);
	for (uint32_t i = 400; i < 410; i++) {
		uint32_t at = add(&g, KIND_TASK, i, 4);

		if (i > 400)
			graph_add_edge(&g, at, at - 1);
	}
	assert_int_equal(graph_freeze(&g, &err), 0);
	graph_estimate(&g, 4, &ns, &p90);
	assert_int_equal(ns, 110 * S);
	assert_true(p90 > ns && p90 < 130 * S);
	arena_free(&a);
}

static void
test_schedule_with_environments(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;
	uint32_t e0, e1, collect;
	int64_t ns, p90;

	(void)state;
	graph_init(&g, &a);
	e0 = add(&g, KIND_ENVIRONMENT, 0, 1);
	e1 = add(&g, KIND_ENVIRONMENT, 1, 3);
	for (uint32_t i = 0; i < 4; i++)
		add(&g, KIND_TASK, i, 2);
	collect = add(&g, KIND_COLLECT, 0, 1);
	for (uint32_t i = 0; i < 4; i++)
		graph_add_edge(&g, collect, e1 + 1 + i);
	assert_int_equal(graph_freeze(&g, &err), 0);
	graph_estimate(&g, 2, &ns, &p90);
	/* One slot from 1 s, two from 3 s: tasks end at 3, 5, 5, 7. */
	assert_int_equal(ns, 8 * S);
	graph_estimate(&g, 1, &ns, &p90);
	assert_int_equal(
		ns, 10 * S); /* the one slot is that of the environment that is there first */
	graph_estimate(&g, 0, &ns, &p90);
	assert_int_equal(ns, 10 * S);
	graph_estimate(&g, UINT32_MAX, &ns, &p90);
	assert_int_equal(ns, 4 * S); /* the first has room for all */
	(void)e0;
	arena_free(&a);
}

static void
test_spread(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;
	int64_t ns, p90;

	(void)state;
	graph_init(&g, &a);
	add(&g, KIND_TASK, 0, 3); /* 3 s more in one of ten cases */
	assert_int_equal(graph_freeze(&g, &err), 0);
	graph_estimate(&g, 1, &ns, &p90);
	assert_int_equal(ns, 3 * S);
	assert_int_equal(p90, 6 * S);

	graph_init(&g, &a);
	add(&g, KIND_TASK, 0, 3);
	add(&g, KIND_TASK, 1, 4);
	assert_int_equal(graph_freeze(&g, &err), 0);
	graph_estimate(&g, 1, &ns, &p90);
	assert_int_equal(ns, 7 * S);
	assert_int_equal(p90, 12 * S); /* 7 + sqrt(3² + 4²) */
	arena_free(&a);
}

static void
test_unknown(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct graph g;
	int64_t ns, p90;

	(void)state;
	graph_init(&g, &a);
	add(&g, KIND_SOURCE, 0, -1); /* takes hardly any time: no reason to know nothing */
	add(&g, KIND_TASK, 0, 3);
	graph_estimate(&g, 1, &ns, &p90);
	assert_int_equal(ns, -1); /* not frozen */
	assert_int_equal(graph_freeze(&g, &err), 0);
	graph_estimate(&g, 1, &ns, &p90);
	assert_int_equal(ns, 3 * S);

	graph_init(&g, &a);
	add(&g, KIND_TASK, 0, 3);
	add(&g, KIND_TASK, 1, -1);
	assert_int_equal(graph_freeze(&g, &err), 0);
	graph_estimate(&g, 1, &ns, &p90);
	assert_int_equal(ns, -1);
	assert_int_equal(p90, -1);

	graph_init(&g, &a);
	add(&g, KIND_COLLECT, 0, -1);
	assert_int_equal(graph_freeze(&g, &err), 0);
	graph_estimate(&g, 1, &ns, &p90);
	assert_int_equal(ns, -1);
	arena_free(&a);
}

static void
test_estimate_node(void **state)
{
	struct history_entry v[] = {{.kind = KIND_ENVIRONMENT, .label = STR("-"), .ns = 8 * S},
		{.kind = KIND_TASK, .label = STR("a"), .ns = 4 * S},
		{.kind = KIND_TASK, .label = STR("b"), .ns = 4 * S},
		{.kind = KIND_TASK, .label = STR("c"), .ns = INT64_MAX}};
	struct history h = {.v = v, .n = 4};
	struct task tasks[] = {{.label = STR("a")}, {.label = STR("new")}, {.label = STR("c")}};
	struct job job = {.tasks = tasks, .n_tasks = 3};
	struct node n = {.kind = KIND_TASK, .index = 0};
	struct estimator e;

	(void)state;
	estimator_init(&e, &job, &h);
	estimate_node(&e, &n);
	assert_int_equal(n.estimate_ns, 4 * S);
	assert_int_equal(n.p90_ns, 5 * S);
	n.index = 1; /* never seen: as the others */
	estimate_node(&e, &n);
	assert_int_equal(n.estimate_ns, 4 * S);
	assert_true(n.p90_ns >= n.estimate_ns);
	n.index = 2;
	estimate_node(&e, &n);
	assert_int_equal(n.p90_ns, INT64_MAX);
	n.kind = KIND_ENVIRONMENT;
	n.index = 0;
	estimate_node(&e, &n);
	assert_int_equal(n.estimate_ns, 8 * S);
	n.warm = true; /* none was seen: as a new one */
	estimate_node(&e, &n);
	assert_int_equal(n.estimate_ns, 8 * S);
	v[1] = (struct history_entry){.kind = KIND_ENVIRONMENT, .label = STR("warm"), .ns = S};
	estimate_node(&e, &n);
	assert_int_equal(n.estimate_ns, S);
	n.warm = false;
	estimate_node(&e, &n);
	assert_int_equal(n.estimate_ns, 8 * S);
	n.kind = KIND_IMAGE;
	estimate_node(&e, &n);
	assert_int_equal(n.estimate_ns, -1);
	assert_int_equal(n.p90_ns, -1);

	estimator_init(&e, &job, &(struct history){0});
	n.kind = KIND_TASK;
	estimate_node(&e, &n);
	assert_int_equal(n.estimate_ns, -1);
}

static void
build_many(struct graph *g, struct arena *a)
{
	uint32_t env, collect;

	graph_init(g, a);
	env = add(g, KIND_ENVIRONMENT, 0, 1);
	for (uint32_t i = 0; i < MANY; i++)
		add(g, KIND_TASK, i, 1 + i % 7);
	collect = add(g, KIND_COLLECT, 0, 1);
	for (uint32_t i = 0; i < MANY; i++)
		graph_add_edge(g, collect, env + 1 + i);
}

/* Generous: ten times what it takes on a slow machine under a sanitizer, a hundredth of what O(n²)
 * would. */
static void
test_many(void **state)
{
	struct arena a = {0};
	struct error err = {0};
	struct timespec from;
	struct graph g;
	int64_t ns, p90, work = 0;

	(void)state;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	build_many(&g, &a);
	assert_int_equal(graph_freeze(&g, &err), 0);
	graph_estimate(&g, 64, &ns, &p90);
	for (uint32_t i = 0; i < MANY; i++)
		work += 1 + i % 7;
	assert_true(ns >= 2 * S + work * S / 64 && ns <= 2 * S + work * S / 64 + 7 * S);
	assert_true(p90 >= ns);
	print_message("# %u nodes: %.1f ms, %zu KiB\n", g.n_nodes, seconds_since(&from) * 1e3,
		a.total_bytes / 1024);
	assert_true(seconds_since(&from) < 5);
	arena_free(&a);
}

/* Folding is seen in DOT: as many boxes as kinds, however many tasks. */
static void
test_folds(void **state)
{
	struct manifest m = {.name = STR("a\"b")};
	struct plan p = {.job = {.manifest = &m}, .slots = 2};
	struct arena a = {0};
	struct buf out = {0};
	struct error err = {0};
	uint32_t chained;

	(void)state;
	build_many(&p.graph, &a);
	assert_int_equal(graph_freeze(&p.graph, &err), 0);
	plan_write_dot(&out, &p);
	assert_true(out.n < 1000);
	assert_non_null(strstr(buf_cstr(&out), "digraph \"a\\\"b\""));
	assert_non_null(strstr(buf_cstr(&out), "task[0..99999]\\n100000 tasks"));
	assert_non_null(strstr(buf_cstr(&out), "n0 -> n1 [style=dashed, label=\"2 slots\"]"));
	assert_non_null(strstr(buf_cstr(&out), "n1 -> n100001;"));

	/* One task that comes after another is not like the others, nor is the one before it. */
	buf_clear(&out);
	graph_init(&p.graph, &a);
	for (uint32_t i = 0; i < 4; i++)
		add(&p.graph, KIND_TASK, i, 1);
	chained = add(&p.graph, KIND_TASK, 4, 1);
	graph_add_edge(&p.graph, chained, 3);
	assert_int_equal(graph_freeze(&p.graph, &err), 0);
	plan_write_dot(&out, &p);
	assert_non_null(strstr(buf_cstr(&out), "task[0..2]"));
	assert_non_null(strstr(buf_cstr(&out), "task[3]\\n"));
	assert_non_null(strstr(buf_cstr(&out), "task[4]\\n"));
	assert_non_null(strstr(buf_cstr(&out), "n3 -> n4;"));
	buf_free(&out);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_edges_and_rest),
		cmocka_unit_test(test_rest_over_slots),
		cmocka_unit_test(test_durations_that_overflow),
		cmocka_unit_test(test_cycle),
		cmocka_unit_test(test_cycle_in_order),
		cmocka_unit_test(test_cycle_of_one),
		cmocka_unit_test(test_long_cycle_is_cut),
		cmocka_unit_test(test_edge_to_nowhere),
		cmocka_unit_test(test_forward_edge),
		cmocka_unit_test(test_schedule_of_a_tail),
		cmocka_unit_test(test_schedule_with_environments),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_estimate_node),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_folds),
	};

	return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
