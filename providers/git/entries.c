/* entries: a source's listing while it grows. */
#include "providers/git/reader.h"

#include <stdlib.h>

int
entries_add(struct entries *e, const struct source_entry *entry, struct error *err)
{
	if (e->n == ENTRIES_MAX)
		return error_set(err, ERR_INPUT,
			"the source holds more than %d files; take a smaller folder as workdir",
			ENTRIES_MAX);
	if (e->n == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 64;
		e->v = mem_realloc(e->v, e->cap * sizeof(*e->v));
	}
	e->v[e->n] = *entry;
	e->v[e->n++].path = arena_str(e->arena, entry->path);
	return 0;
}

static int
by_path(const void *a, const void *b)
{
	const struct source_entry *x = a, *y = b;

	return str_cmp(x->path, y->path);
}

static bool
is_sorted(const struct entries *e)
{
	for (size_t i = 1; i < e->n; i++) {
		if (by_path(&e->v[i - 1], &e->v[i]) >= 0)
			return false;
	}
	return true;
}

void
entries_finish(struct entries *e, struct source *out)
{
	if (!is_sorted(e))
		qsort(e->v, e->n, sizeof(*e->v), by_path);
	out->entries = ARENA_ARRAY(e->arena, struct source_entry, e->n);
	if (e->n)
		memcpy(out->entries, e->v, e->n * sizeof(*e->v));
	out->n_entries = e->n;
	entries_drop(e);
}

void
entries_drop(struct entries *e)
{
	free(e->v);
	e->v = NULL;
	e->n = e->cap = 0;
}

struct source_entry *
entries_find(const struct entries *e, struct str path)
{
	struct source_entry key = {.path = path};

	return e->n ? bsearch(&key, e->v, e->n, sizeof(*e->v), by_path) : NULL;
}
