/* tail: does the longest remaining path go first? 400 short tasks are listed before one chain of 10
 * that take four times as long, on 4 slots; they only sleep. Run by the executor on the real pool,
 * first without any history, then with what the first run took as estimates. Prints both, and their
 * ratio to what is possible.
 *
 *   tail [MILLISECONDS of a short task, 50]
 *
 * Exit status 1 when the second ratio is above 1.1. */
#include "planner/execute/pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SHORT = 400, CHAIN = 10, TIMES = 4, SLOTS = 4, TASKS = SHORT + CHAIN };

/* A host: so many threads that sleep, and tasks that queue for them. */
struct host {
	pthread_mutex_t lock;
	pthread_cond_t came;
	struct call *queue[TASKS];
	uint32_t n_taken, n_queued;
	int64_t short_ns;
	int64_t took_ns[TASKS];
};

static enum step
give_slots(void *ctx, struct call *call, struct outcome *outcome, struct error *err)
{
	(void)ctx;
	(void)call;
	(void)err;
	outcome->slots = SLOTS;
	return STEP_DONE;
}

static void
submit(void *ctx, struct call *call)
{
	struct host *h = ctx;

	pthread_mutex_lock(&h->lock);
	h->queue[h->n_queued++] = call;
	pthread_cond_signal(&h->came);
	pthread_mutex_unlock(&h->lock);
}

static void
stop(void *ctx, struct call *call, int64_t grace_ns)
{
	(void)ctx;
	(void)call;
	(void)grace_ns;
}

static struct call *
take(struct host *h)
{
	struct call *call = NULL;

	pthread_mutex_lock(&h->lock);
	while (h->n_taken == h->n_queued && h->n_taken < TASKS)
		pthread_cond_wait(&h->came, &h->lock);
	if (h->n_taken < TASKS)
		call = h->queue[h->n_taken++];
	if (h->n_taken == TASKS)
		pthread_cond_broadcast(&h->came);
	pthread_mutex_unlock(&h->lock);
	return call;
}

static void *
work(void *ctx)
{
	struct host *h = ctx;
	struct call *call;

	while ((call = take(h)) != NULL) {
		uint32_t index = call->node->index;
		int64_t ns = index < SHORT ? h->short_ns : TIMES * h->short_ns;
		struct timespec t = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = ns % NS_PER_S};
		struct outcome o = {.ran = true, .begun_ns = call->sink->now_ns(call)};

		nanosleep(&t, NULL);
		o.ended_ns = call->sink->now_ns(call);
		h->took_ns[index] = o.ended_ns - o.begun_ns;
		call->sink->answer(call, STEP_DONE, &o, NULL);
	}
	return NULL;
}

/* estimates: NULL without history. */
static void
make_graph(struct graph *g, struct arena *a, const int64_t *estimates)
{
	const struct node environment = {
		.kind = KIND_ENVIRONMENT, .gives_slots = true, .estimate_ns = -1, .p90_ns = -1};
	struct error err;

	graph_init(g, a);
	graph_add(g, &environment, NULL, 0);
	for (uint32_t i = 0; i < TASKS; i++) {
		const struct node task = {.kind = KIND_TASK,
			.index = i,
			.verb = VERB_RUN,
			.needs_slot = true,
			.estimate_ns = estimates ? estimates[i] : -1,
			.p90_ns = -1};
		uint32_t before = g->n_nodes - 1;

		graph_add(g, &task, &before, i > SHORT);
	}
	if (graph_freeze(g, &err) != 0) {
		fprintf(stderr, "tail: %s\n", err.message);
		exit(3);
	}
}

static double
run(struct host *h, const int64_t *estimates)
{
	const struct provider provider = {
		.ctx = h, .step = give_slots, .submit = submit, .stop = stop};
	const struct exec_options options = {.ahead = 1, .retry = {.task_attempts = 1}};
	struct pool *pool = pool_open(&provider, clock_system(), 1);
	pthread_t threads[SLOTS];
	struct exec_result result;
	struct arena a = {0};
	struct graph g;
	struct error err;

	h->n_taken = h->n_queued = 0;
	make_graph(&g, &a, estimates);
	for (int i = 0; i < SLOTS; i++)
		pthread_create(&threads[i], NULL, work, h);
	if (executor_run(&a, &g, &options, pool_port(pool), NULL, NULL, &result, &err) != 0) {
		fprintf(stderr, "tail: %s\n", err.message);
		exit(3);
	}
	for (int i = 0; i < SLOTS; i++)
		pthread_join(threads[i], NULL);
	pool_close(pool);
	arena_free(&a);
	return (double)result.wall_ns / 1e9;
}

int
main(int argc, char **argv)
{
	static struct host h = {
		.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
	static int64_t history[TASKS];
	long ms = argc > 1 ? strtol(argv[1], NULL, 10) : 50;
	double ideal, first, second;

	if (ms < 1 || ms > 10000) {
		fprintf(stderr, "usage: tail [MILLISECONDS]\n");
		return 64;
	}
	h.short_ns = ms * NS_PER_MS;
	ideal = (double)ms * (SHORT + CHAIN * TIMES) / SLOTS / 1000;
	first = run(&h, NULL);
	for (int i = 0; i < TASKS; i++)
		history[i] = h.took_ns[i];
	second = run(&h, history);
	printf("ideal           %.3f s\n", ideal);
	printf("without history %.3f s (%.3f x ideal)\n", first, first / ideal);
	printf("with history %.3f s (%.3f x ideal)\n", second, second / ideal);
	return second / ideal > 1.1;
}
