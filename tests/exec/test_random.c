/* Random graphs in random worlds, with failures, retries, lost places and interrupts: what must
 * hold for each of them, of the run itself and of its journal, whole, cut anywhere, and with bytes
 * changed. */
#include "tests/exec/invariants.h"
#include "tests/exec/world.h"

#include "planner/execute/journal.h"
#include "planner/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 400, TASKS_MAX = 40, PLACES_MAX = 4, CUTS = 12, FLIPS = 12 };

struct dice {
	uint64_t state;
};

static uint32_t
roll(struct dice *d, uint32_t n)
{
	uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % n);
}

static bool
one_in(struct dice *d, uint32_t n)
{
	return roll(d, n) == 0;
}

struct round {
	uint64_t seed;
	struct arena a;
	struct graph g;
	struct world *w;
	struct dice dice;
	struct exec_options options;
	struct exec_result result;
	char folder[64], path[96];
	uint32_t n_places;
};

static uint32_t
add_node(struct round *r, enum kind kind, uint32_t index, const uint32_t *after, uint32_t n)
{
	const struct node node = {.kind = kind,
		.index = index,
		.needs_slot = kind == KIND_TASK,
		.gives_slots = kind == KIND_ENVIRONMENT,
		.always = kind == KIND_COLLECT || kind == KIND_RELEASE,
		.estimate_ns = one_in(&r->dice, 2) ? -1 : MS(1) * roll(&r->dice, 1000),
		.p90_ns = -1};

	return graph_add(&r->g, &node, after, n);
}

static void
make_graph(struct round *r)
{
	uint32_t all[2 * PLACES_MAX + TASKS_MAX + 3], n = 0, n_steps, n_tasks;

	all[n++] = add_node(r, KIND_SOURCE, 0, NULL, 0);
	if (one_in(&r->dice, 2)) {
		all[n] = add_node(r, KIND_IMAGE, 0, all, one_in(&r->dice, 2) ? n : 0);
		n++;
	}
	r->n_places = 1 + roll(&r->dice, PLACES_MAX);
	for (uint32_t i = 0; i < r->n_places; i++) {
		all[n] = add_node(r, KIND_INSTANCE, i, NULL, 0);
		n++;
		all[n] = add_node(r, KIND_ENVIRONMENT, i, all, n);
		n++;
	}
	n_steps = n;
	n_tasks = roll(&r->dice, TASKS_MAX);
	for (uint32_t i = 0; i < n_tasks; i++) {
		bool chained = i > 0 && one_in(&r->dice, 3);
		uint32_t before = n_steps + (i ? roll(&r->dice, i) : 0);

		/* indexes with gaps now and then, as when results are in place already */
		all[n] = add_node(r, KIND_TASK, i * 2 + roll(&r->dice, 2), &all[before], chained);
		n++;
	}
	add_node(r, KIND_COLLECT, 0, all + n_steps, n_tasks);
	for (uint32_t i = 0; i < r->n_places; i++)
		add_node(r, KIND_RELEASE, i, all, n);
}

static int64_t
some_time(struct round *r)
{
	return one_in(&r->dice, 6) ? 0 : MS(1) * roll(&r->dice, 400) + roll(&r->dice, 1000);
}

static void
script_task(struct round *r, uint32_t index, uint32_t attempt, bool fails)
{
	static const enum error_class classes[] = {CLASS_FATAL, CLASS_TRANSIENT, CLASS_INTERRUPTED};

	world_add(
		r->w, &(struct script){.kind = KIND_TASK,
			      .index = index,
			      .attempt = attempt,
			      .lead_ns = one_in(&r->dice, 2) ? 0 : some_time(r) / 10,
			      .run_ns = some_time(r),
			      .collect_ns = one_in(&r->dice, 2) ? 0 : some_time(r) / 10,
			      .quiet = one_in(&r->dice, 9),
			      .fail = fails ? one_in(&r->dice, 5) ? ERR_HOST : ERR_TASK : ERR_NONE,
			      .class = classes[roll(&r->dice, 3)],
			      .timed_out = one_in(&r->dice, 4),
			      .not_run = fails && one_in(&r->dice, 3),
			      .exit_status = 1,
			      .term_ns = some_time(r),
			      .ignores_term = one_in(&r->dice, 5)});
}

static void
script_step(struct round *r, enum kind kind, uint32_t index)
{
	bool fails = one_in(&r->dice, 12);

	world_add(r->w, &(struct script){.kind = kind,
				.index = index,
				.run_ns = some_time(r),
				.slots = kind == KIND_ENVIRONMENT ? roll(&r->dice, 5) : 0,
				.pendings = kind == KIND_INSTANCE ? roll(&r->dice, 4) : 0,
				.pending_ns = some_time(r),
				.phase = one_in(&r->dice, 2) ? PHASE_BOOT : PHASE_QUEUE,
				.phase_after_ns = 10,
				.intent = one_in(&r->dice, 4) ? "DoIt" : NULL,
				.effect = one_in(&r->dice, 2) ? "id-1" : NULL,
				.attempt = roll(&r->dice, 2),
				.fail = fails ? ERR_HOST : ERR_NONE,
				.class = one_in(&r->dice, 2) ? CLASS_TRANSIENT : CLASS_FATAL});
}

static void
make_world(struct round *r)
{
	r->w = world_new();
	for (uint32_t i = 0; i < r->g.n_nodes; i++) {
		const struct node *n = &r->g.nodes[i];

		if (n->kind == KIND_TASK) {
			script_task(r, n->index, 0, one_in(&r->dice, 10));
			script_task(r, n->index, 1, one_in(&r->dice, 5));
		} else {
			script_step(r, n->kind, n->index);
		}
	}
	for (uint32_t i = 0; i < r->n_places; i++) {
		if (one_in(&r->dice, 8))
			world_lose_place_at(r->w, i, some_time(r) * 3);
	}
	for (uint32_t i = 0; i < r->n_places; i++) {
		if (one_in(&r->dice, 6))
			world_notice_at(r->w, i, some_time(r) * 3, some_time(r));
	}
	for (uint32_t i = one_in(&r->dice, 3) ? roll(&r->dice, 5) : 0; i > 0; i--)
		world_interrupt_at(r->w, some_time(r) * 2);
}

static void
make_options(struct round *r)
{
	r->options = (struct exec_options){
		.max_slots = one_in(&r->dice, 3) ? 1 + roll(&r->dice, 6) : 0,
		.ahead = roll(&r->dice, 3),
		.fail_fast = one_in(&r->dice, 6),
		.remake_places = one_in(&r->dice, 2),
		.deadline_ns = one_in(&r->dice, 8) ? some_time(r) * 3 : -1,
		.grace_ns = some_time(r),
		.retry = {.task_attempts = 1 + roll(&r->dice, 4),
			.task_for_mask = roll(&r->dice, 16),
			.step_attempts = 1 + roll(&r->dice, 3),
			.delay_ns = some_time(r),
			.seed = r->dice.state},
	};
}

static struct journal *
open_journal(struct round *r)
{
	const struct journal_head head = {.run = "01JD0000000000000000000000",
		.trace = "0123456789abcdef0123456789abcdef",
		.wall0_ns = MS(1732341600123),
		.job = STR("random"),
		.infra = STR("local"),
		.n_tasks = TASKS_MAX};
	struct journal *j;
	struct error err = {0};

	snprintf(r->folder, sizeof(r->folder), "%s", "/tmp/furrow-random.XXXXXX");
	assert_non_null(mkdtemp(r->folder));
	snprintf(r->path, sizeof(r->path), "%s/journal.jsonl", r->folder);
	if (journal_create(&j, r->path, &head, &r->g, &err) != 0)
		fail_msg("%s", err.message);
	return j;
}

static void
check_run(const struct round *r, int code)
{
	const struct exec_result *res = &r->result;
	uint32_t counts[3] = {0};
	bool needed = res->tasks_ok ==
		      0; /* what is not ok is more than a place that others stood in for */

	for (uint32_t i = 0; i < r->g.n_nodes; i++) {
		const struct node *n = &r->g.nodes[i];

		assert_in_range(res->states[i], NODE_OK, NODE_CANCELLED);
		counts[res->states[i] - NODE_OK]++;
		needed |= res->states[i] != NODE_OK && n->kind != KIND_INSTANCE &&
			  n->kind != KIND_ENVIRONMENT;
		for (uint32_t e = 0; e < n->n_after && res->states[i] == NODE_OK && !n->always; e++)
			assert_int_equal(res->states[r->g.edges[n->after + e]], NODE_OK);
		/* release and collect run whatever happens; with intents refused to none of them */
		if (n->always)
			assert_int_not_equal(res->states[i], NODE_CANCELLED);
	}
	assert_int_equal(counts[0], res->n_ok);
	assert_int_equal(counts[1], res->n_failed);
	assert_int_equal(counts[2], res->n_cancelled);
	assert_int_equal(code == 0, res->n_ok == r->g.n_nodes || (!needed && !res->interrupted));
	assert_int_equal(res->n_failed > 0, res->first_error.code != ERR_NONE);
	if (r->options.max_slots)
		assert_true(world_max_running(r->w) <= r->options.max_slots + r->n_places);
	assert_true(world_max_queued(r->w) <= r->options.ahead);
}

static struct buf
slurp(const char *path)
{
	struct buf b = {0};
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf_reserve(&b, 65536), 1, 65536, f)) > 0)
		b.n += n;
	fclose(f);
	return b;
}

static void
check_journal(struct round *r, struct str bytes)
{
	struct arena a = {0};
	struct timings t;
	struct error err = {0};
	const char *broken;

	if (timings_parse(&a, &t, bytes, STR("j"), &err) != 0)
		fail_msg("%s", err.message);
	broken = broken_invariant(&t);
	if (broken)
		fail_msg("%s", broken);
	assert_true(t.done);
	assert_int_equal(t.wall_ns, r->result.wall_ns);
	assert_int_equal(t.tasks_ok, r->result.tasks_ok);
	assert_int_equal(t.n_nodes, r->g.n_nodes);
	for (uint32_t i = 0; i < r->g.n_nodes; i++) {
		const struct node *n = &r->g.nodes[i];
		const struct timing_node *found = timings_find(&t, n->kind, n->index);

		assert_non_null(found);
		assert_int_equal(found->state, r->result.states[i]);
	}
	arena_free(&a);
}

/* What was cut or edited is refused with its line, or read such that everything still adds up. */
static void
check_damaged(struct str bytes, bool must_parse)
{
	struct arena a = {0};
	struct timings t;
	struct error err = {0};
	int code = timings_parse(&a, &t, bytes, STR("j"), &err);
	const char *broken = code ? NULL : broken_invariant(&t);

	if (broken)
		fail_msg("%s", broken);
	if (code) {
		assert_int_equal(code, ERR_INPUT);
		assert_true(err.line > 0);
		if (must_parse)
			fail_msg("%s", err.message);
	}
	arena_free(&a);
}

static void
check_damages(struct round *r, struct buf *bytes)
{
	size_t head = (size_t)((char *)memchr(bytes->p, '\n', bytes->n) - bytes->p) + 1;

	for (int i = 0; i < CUTS; i++) {
		size_t n = roll(&r->dice, (uint32_t)bytes->n);

		check_damaged((struct str){.p = bytes->p, .n = n}, n >= head);
	}
	for (int i = 0; i < FLIPS; i++) {
		size_t at = roll(&r->dice, (uint32_t)bytes->n);
		char before = bytes->p[at];

		bytes->p[at] = one_in(&r->dice, 2) ? (char)('0' + roll(&r->dice, 10))
						   : (char)roll(&r->dice, 256);
		check_damaged(buf_str(bytes), false);
		bytes->p[at] = before;
	}
}

static void
play_round(struct round *r)
{
	struct journal *j;
	struct error err = {0};
	struct buf bytes;
	int code;

	graph_init(&r->g, &r->a);
	make_graph(r);
	make_world(r);
	make_options(r);
	assert_int_equal(graph_freeze(&r->g, &err), 0);
	j = open_journal(r);
	code = executor_run(&r->a, &r->g, &r->options, world_port(r->w), j,
		world_observer(r->w, &r->g), &r->result, &err);
	if (journal_close(j, &r->result, error_exit_code((enum error_code)code), &err) != 0)
		fail_msg("%s", err.message);
	check_run(r, code);
	bytes = slurp(r->path);
	check_journal(r, buf_str(&bytes));
	check_damages(r, &bytes);
	buf_free(&bytes);
}

static void
end_round(const struct round *r)
{
	unlink(r->path);
	rmdir(r->folder);
}

static void
whatever_happens_it_adds_up(void **state)
{
	static struct round r;

	*state = &r;
	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		r = (struct round){.seed = seed, .dice = {.state = seed}};
		play_round(&r);
		end_round(&r);
		world_free(r.w);
		arena_free(&r.a);
	}
	*state = NULL;
}

/* Of a round that failed: which one it was. */
static int
tell_seed(void **state)
{
	struct round *r = *state;

	if (!r)
		return 0;
	print_message("# seed %u\n%s", (unsigned)r->seed, r->w ? world_log(r->w) : "");
	end_round(r);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(whatever_happens_it_adds_up, tell_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
