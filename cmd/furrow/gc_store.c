/* gc_store: naming the results that stay. */
#include "cmd/furrow/gc_store.h"

#include "planner/history.h"

#include <stdlib.h>

struct keys {
	struct digest *v;
	size_t n, cap;
};

static void
keep(struct keys *k, const struct digest *d)
{
	if (digest_is_zero(d))
		return;
	if (k->n == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 1024;
		k->v = mem_realloc(k->v, k->cap * sizeof(*k->v));
	}
	k->v[k->n++] = *d;
}

/* The newest key of every task of every job that the store remembers: histories know them. */
static int
keep_newest(struct store *s, struct arena *a, struct keys *k, struct error *err)
{
	struct strings jobs;
	int rc = store_list(s, a, "history", &jobs, err);

	for (size_t i = 0; rc == 0 && i < jobs.n; i++) {
		struct history h = {0};
		struct str bytes;

		rc = store_get(
			s, a, arena_printf(a, "history/%.*s", STR_ARG(jobs.v[i])).p, &bytes, err);
		if (rc == ERR_MISSING) {
			rc = 0;
			continue;
		}
		/* A history that cannot be read names no key: to go on would be to remove what it
		 * keeps. That goes for what it says as well. */
		if (rc < 0)
			return rc;
		if (!history_parse(a, &h, bytes))
			return error_set(err, ERR_HOST,
				"history/%.*s in the store is damaged, or of a later furrow: which "
				"results it keeps cannot be told, so none is removed (remove it to "
				"do without)",
				STR_ARG(jobs.v[i]));
		for (size_t e = 0; e < h.n; e++)
			keep(k, &h.v[e].key);
	}
	return rc;
}

static int
by_digest(const void *a, const void *b)
{
	return digest_cmp(a, b);
}

int
gc_store(struct store *s, const struct collected *collected, size_t n_collected,
	int64_t before_wall_ns, bool dry, struct store_gc *out, struct error *err)
{
	struct arena a = {0};
	struct keys k = {0};
	int rc = keep_newest(s, &a, &k, err);

	for (size_t i = 0; i < n_collected; i++)
		keep(&k, &collected[i].key);
	if (k.n)
		qsort(k.v, k.n, sizeof(*k.v), by_digest);
	if (rc == 0)
		rc = store_gc(s, k.v, k.n, before_wall_ns, dry, out, err);
	free(k.v);
	arena_free(&a);
	return rc;
}
