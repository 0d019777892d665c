/* read_nodes: the `node` lines of a journal. */
#include "planner/execute/critical.h"
#include "planner/execute/reader.h"

#include <stdlib.h>

/* A number at the front of *text. */
static bool
cut_number(struct str *text, uint32_t *out)
{
	struct str digits = {.p = text->p, .n = 0};
	int64_t value;

	while (digits.n < text->n && text->p[digits.n] >= '0' && text->p[digits.n] <= '9')
		digits.n++;
	if (!str_to_i64(digits, &value) || value >= UINT32_MAX)
		return false;
	*out = (uint32_t)value;
	*text = str_from_index(*text, digits.n);
	return true;
}

/* The first range off *text, which is what stands in the brackets. */
static bool
cut_range(struct str *text, struct timing_ids *out)
{
	if (!cut_number(text, &out->first))
		return false;
	out->last = out->first;
	if (str_starts(*text, STR(".."))) {
		*text = str_from_index(*text, 2);
		if (!cut_number(text, &out->last) || out->last < out->first)
			return false;
	}
	if (text->n == 0)
		return true;
	if (text->p[0] != ',' || text->n == 1)
		return false;
	*text = str_from_index(*text, 1);
	return true;
}

/* "task[0..3,7]" as a list of ranges, added to v. */
static bool
read_ids(struct buf *v, struct str text)
{
	struct str numbers = text;
	struct timing_ids ids = {0};
	struct str kind = str_cut(&numbers, '[');
	int k = 0;

	while (k < KIND_COUNT && !str_is(kind, kind_name((enum kind)k)))
		k++;
	if (k == KIND_COUNT || kind_is_indexed((enum kind)k) != (numbers.p != NULL))
		return false;
	ids.kind = (enum kind)k;
	if (!numbers.p) {
		buf_add(v, &ids, sizeof(ids));
		return true;
	}
	if (numbers.n < 2 || numbers.p[numbers.n - 1] != ']')
		return false;
	numbers.n--;
	while (numbers.n) {
		if (!cut_range(&numbers, &ids))
			return false;
		buf_add(v, &ids, sizeof(ids));
	}
	return true;
}

static int
add_nodes(struct reader *r, const struct timing_ids *ids, uint32_t group)
{
	struct timings *t = r->t;

	if (ids->last - ids->first >= TIMINGS_MAX_NODES - t->n_nodes)
		return reader_refuse(r, "more than %d nodes", TIMINGS_MAX_NODES);
	t->nodes = reader_grow(r, t->nodes, t->n_nodes, ids->last - ids->first + 1, &r->cap_nodes,
		sizeof(*t->nodes));
	for (uint32_t i = ids->first; i <= ids->last; i++) {
		t->nodes[t->n_nodes++] = (struct timing_node){.kind = ids->kind,
			.index = i,
			.group = group,
			.ready_ns = -1,
			.end_ns = -1,
			.state = NODE_WAITING};
	}
	return 0;
}

int
reader_node(struct reader *r, struct event *e)
{
	struct buf *own = &r->own, *after = &r->after;
	struct timings *t = r->t;
	struct timing_group group = {0};
	bool bad_id = false;
	int code;

	buf_clear(own);
	buf_clear(after);
	while (reader_member(e)) {
		if (str_is(e->key, "id")) {
			bad_id |= !read_ids(own, scan_string(&e->scan));
		} else if (str_is(e->key, "after")) {
			scan_array(&e->scan);
			while (scan_item(&e->scan))
				bad_id |= !read_ids(after, scan_string(&e->scan));
		} else if (str_is(e->key, "needs")) {
			group.needs_slot = str_is(scan_string(&e->scan), "slot");
		} else if (str_is(e->key, "gives")) {
			group.gives_slots = str_is(scan_string(&e->scan), "slot");
		} else {
			scan_skip(&e->scan);
		}
	}
	code = reader_check(r, e);
	if (code)
		return code;
	if (r->nodes_known)
		return reader_refuse(r, "a node is named after the first event");
	if (bad_id || own->n == 0)
		return reader_refuse(r, "\"id\" or \"after\" names no node");
	group.n_after = after->n / sizeof(struct timing_ids);
	group.after = ARENA_ARRAY(r->a, struct timing_ids, group.n_after);
	if (after->n)
		memcpy(group.after, after->p, after->n);
	for (size_t i = 0; code == 0 && i < own->n; i += sizeof(struct timing_ids)) {
		struct timing_ids ids;

		memcpy(&ids, own->p + i, sizeof(ids));
		code = add_nodes(r, &ids, (uint32_t)t->n_groups);
	}
	t->groups = reader_grow(r, t->groups, t->n_groups, 1, &r->cap_groups, sizeof(*t->groups));
	t->groups[t->n_groups++] = group;
	return code;
}

static int
compare_nodes(const void *a, const void *b)
{
	const struct timing_node *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

int
reader_know_nodes(struct reader *r)
{
	struct timings *t = r->t;

	r->nodes_known = true;
	for (size_t i = 1; i < t->n_nodes; i++) {
		if (compare_nodes(&t->nodes[i - 1], &t->nodes[i]) > 0) {
			qsort(t->nodes, t->n_nodes, sizeof(*t->nodes), compare_nodes);
			break;
		}
	}
	for (size_t i = 1; i < t->n_nodes; i++) {
		char id[KIND_ID_BYTES];

		if (compare_nodes(&t->nodes[i - 1], &t->nodes[i]) != 0)
			continue;
		kind_id(id, t->nodes[i].kind, t->nodes[i].index);
		return reader_refuse(r, "the lines above name %s twice", id);
	}
	for (int k = 0; k < KIND_COUNT; k++)
		r->first[k] = critical_lower_bound(t, (enum kind)k, 0);
	reader_open_queues(r);
	return 0;
}

/* Indexes mostly have no gaps, so the place is mostly known at once. */
struct timing_node *
reader_find_node(struct reader *r, enum kind kind, uint32_t index)
{
	struct timings *t = r->t;
	size_t guess = r->first[kind] + index;

	if (guess >= t->n_nodes || t->nodes[guess].kind != kind || t->nodes[guess].index != index)
		guess = critical_lower_bound(t, kind, index);
	if (guess == t->n_nodes || t->nodes[guess].kind != kind || t->nodes[guess].index != index)
		return NULL;
	return &t->nodes[guess];
}
