/* collect_plan: comparing tasks' folders with what the index says of them. */
#include "providers/store/collect_plan.h"

#include <stdlib.h>

static int
by_folder(const void *a, const void *b)
{
	return str_cmp(((const struct collect_entry *)a)->item->folder,
		((const struct collect_entry *)b)->item->folder);
}

int
collect_plan_items(struct collect_plan *p, struct arena *a, const struct collect_item *items,
	size_t n, struct error *err)
{
	p->entries = ARENA_ARRAY(a, struct collect_entry, n);
	p->n = n;
	for (size_t i = 0; i < n; i++) {
		if (!collect_is_folder(items[i].folder))
			return error_set(err, ERR_INPUT,
				"collect into %s: '%.*s' cannot be a task's folder", p->where,
				STR_ARG(items[i].folder));
		p->entries[i].item = &items[i];
	}
	qsort(p->entries, n, sizeof(*p->entries), by_folder);
	for (size_t i = 1; i < n; i++) {
		if (str_eq(p->entries[i - 1].item->folder, p->entries[i].item->folder))
			return error_set(err, ERR_INPUT,
				"collect into %s: two tasks have the folder %.*s; give each its "
				"own in `results`",
				p->where, STR_ARG(p->entries[i].item->folder));
	}
	return 0;
}

static const struct collect_entry *
find_item(const struct collect_plan *p, struct str folder)
{
	struct collect_item wanted = {.folder = folder};
	struct collect_entry key = {.item = &wanted};

	return p->n ? bsearch(&key, p->entries, p->n, sizeof(key), by_folder) : NULL;
}

static int
by_label(const void *a, const void *b)
{
	return str_cmp(((const struct collected *)a)->label, ((const struct collected *)b)->label);
}

static const struct collected *
find_old(const struct collect_plan *p, struct str folder)
{
	struct collected key = {.label = folder};

	return p->old.n ? bsearch(&key, p->old.v, p->old.n, sizeof(key), by_label) : NULL;
}

/* No task's folder may lie within another one's: replacing that would take it away. */
static int
check_nesting(const struct collect_plan *p, struct str folder, struct error *err)
{
	for (size_t i = 1; i < folder.n; i++) {
		struct str above = {.p = folder.p, .n = i};

		if (folder.p[i] == '/' && (find_item(p, above) || find_old(p, above)))
			return error_set(err, ERR_INPUT,
				"collect into %s: the folder %.*s would lie within that of another "
				"task, %.*s",
				p->where, STR_ARG(folder), STR_ARG(above));
	}
	return 0;
}

int
collect_plan_decide(struct collect_plan *p, uint32_t *n_kept,
	int (*check_free)(void *ctx, struct str folder, struct error *err), void *ctx,
	struct error *err)
{
	for (size_t i = 0; i < p->n; i++) {
		struct collect_entry *e = &p->entries[i];
		const struct collected *old = find_old(p, e->item->folder);
		enum collect_state state =
			old ? (enum collect_state)p->old.state[old - p->old.v] : COLLECT_GONE;
		int rc = check_nesting(p, e->item->folder, err);

		if (rc < 0)
			return rc;
		if ((state == COLLECT_FOLDER || state == COLLECT_EMPTY) &&
			digest_cmp(&old->key, &e->item->key) == 0) {
			++*n_kept;
			e->kept = true;
			continue;
		}
		e->replaces = state == COLLECT_FOLDER || state == COLLECT_PENDING;
		rc = e->replaces ? 0 : check_free(ctx, e->item->folder, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static enum collect_state
state_of(const struct collect_entry *e, bool pending)
{
	if (e->unsure)
		return COLLECT_PENDING;
	if (!e->prepared && (!pending || !e->replaces))
		return COLLECT_EMPTY;
	return pending ? COLLECT_PENDING : COLLECT_FOLDER;
}

struct collect_index
collect_plan_merge(const struct collect_plan *p, struct arena *a, bool pending)
{
	struct collect_index out = {.v = ARENA_ARRAY(a, struct collected, p->old.n + p->n),
		.state = ARENA_ARRAY(a, uint8_t, p->old.n + p->n)};
	size_t o = 0, i = 0;

	while (o < p->old.n || i < p->n) {
		const struct collect_entry *e = i < p->n ? &p->entries[i] : NULL;
		int order;

		if (e && !e->changes) {
			i++;
			continue;
		}
		order = !e ? -1 : o == p->old.n ? 1 : str_cmp(p->old.v[o].label, e->item->folder);
		if (order < 0) {
			out.v[out.n] = p->old.v[o];
			out.state[out.n++] = p->old.state[o++];
			continue;
		}
		out.v[out.n] = (struct collected){.label = e->item->folder, .key = e->item->key};
		out.state[out.n++] = (uint8_t)state_of(e, pending);
		o += order == 0;
		i++;
	}
	return out;
}
