/* parallel: a few threads that take the next number until there is none. */
#include "providers/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MAX_THREADS = 64 };

struct work {
	atomic_size_t next;
	size_t n;
	void (*fn)(void *ctx, size_t i);
	void *ctx;
};

static void *
take_all(void *arg)
{
	struct work *w = arg;

	for (;;) {
		size_t i = atomic_fetch_add(&w->next, 1);

		if (i >= w->n)
			return NULL;
		w->fn(w->ctx, i);
	}
}

void
parallel_for(size_t n, size_t threads, void (*fn)(void *ctx, size_t i), void *ctx)
{
	struct work w = {.n = n, .fn = fn, .ctx = ctx};
	pthread_t others[MAX_THREADS];
	size_t started = 0;

	threads = threads < n ? threads : n;
	while (started + 1 < threads && started < MAX_THREADS &&
		pthread_create(&others[started], NULL, take_all, &w) == 0)
		started++;
	take_all(&w);
	while (started)
		pthread_join(others[--started], NULL);
}
