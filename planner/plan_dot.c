/* plan_dot: the plan's graph for Graphviz. A run of like nodes becomes one box, so that 100,000
 * tasks are as easy to look at as one. */
#include "planner/plan.h"

#include "planner/ranges.h"

#include <stdlib.h>

enum { MAX_ID_BYTES = 40 };

struct fold {
	const struct graph *g;
	uint32_t *group; /* of each node: the first node of its group */
};

static bool
same_list(const uint32_t *a, uint32_t n_a, const uint32_t *b, uint32_t n_b)
{
	return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

static bool
alike(const struct graph *g, const struct node *a, const struct node *b)
{
	return a->kind == b->kind && a->verb == b->verb && a->needs_slot == b->needs_slot &&
	       a->gives_slots == b->gives_slots &&
	       same_list(g->edges + a->after, a->n_after, g->edges + b->after, b->n_after) &&
	       same_list(g->back_edges + a->before, a->n_before, g->back_edges + b->before,
		       b->n_before);
}

/* Nodes are in the order of kinds, so like ones stand side by side. */
static void
fold_nodes(struct fold *f)
{
	for (uint32_t i = 0; i < f->g->n_nodes; i++) {
		uint32_t first = i ? f->group[i - 1] : 0;

		f->group[i] = i && alike(f->g, &f->g->nodes[first], &f->g->nodes[i]) ? first : i;
	}
}

/* Text within a DOT string: quotes and backslashes quoted, control characters left out. */
static void
add_text(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
}

/* "task[0..4,7]", or "source". */
static void
add_ids(struct buf *out, const struct node *nodes, uint32_t n)
{
	uint32_t *indices;

	buf_add_cstr(out, kind_name(nodes->kind));
	if (!kind_is_indexed(nodes->kind))
		return;
	indices = mem_alloc(n * sizeof(*indices));
	for (uint32_t i = 0; i < n; i++)
		indices[i] = nodes[i].index;
	buf_add_char(out, '[');
	ranges_add(out, indices, n, MAX_ID_BYTES);
	buf_add_char(out, ']');
	free(indices);
}

static void
add_box(struct buf *out, uint32_t first, const struct node *nodes, uint32_t n)
{
	bool one_reason = true;

	for (uint32_t i = 1; i < n; i++)
		one_reason &= str_eq(nodes[i].reason, nodes[0].reason);
	buf_addf(out, "\tn%u [label=\"%c ", first, verb_sign(nodes->verb));
	add_ids(out, nodes, n);
	buf_add_cstr(out, "\\n");
	if (n > 1)
		buf_addf(out, "%u %ss%s", n, kind_name(nodes->kind), one_reason ? ": " : "");
	if (one_reason)
		add_text(out, nodes->reason);
	buf_add_cstr(out, "\"];\n");
}

static void
add_boxes(struct buf *out, const struct fold *f)
{
	for (uint32_t i = 0, end; i < f->g->n_nodes; i = end) {
		for (end = i + 1; end < f->g->n_nodes && f->group[end] == i; end++)
			;
		add_box(out, i, &f->g->nodes[i], end - i);
	}
}

/* What the first node of a group comes after, each group named once. */
static void
add_arrows(struct buf *out, const struct fold *f, uint32_t at, uint32_t *drawn_for)
{
	const struct node *n = &f->g->nodes[at];

	for (uint32_t e = 0; e < n->n_after; e++) {
		uint32_t from = f->group[f->g->edges[n->after + e]];

		if (drawn_for[from] == at)
			continue;
		drawn_for[from] = at;
		buf_addf(out, "\tn%u -> n%u;\n", from, at);
	}
}

static void
add_slots(struct buf *out, const struct fold *f, uint32_t giver, uint32_t slots)
{
	for (uint32_t i = 0; i < f->g->n_nodes; i++) {
		if (f->group[i] == i && f->g->nodes[i].needs_slot)
			buf_addf(out, "\tn%u -> n%u [style=dashed, label=\"%u slot%s\"];\n", giver,
				i, slots, slots == 1 ? "" : "s");
	}
}

static void
add_all_arrows(struct buf *out, const struct fold *f, uint32_t slots)
{
	uint32_t *drawn_for = mem_alloc(f->g->n_nodes * sizeof(*drawn_for));

	for (uint32_t i = 0; i < f->g->n_nodes; i++)
		drawn_for[i] = UINT32_MAX;
	for (uint32_t i = 0; i < f->g->n_nodes; i++) {
		if (f->group[i] != i)
			continue;
		add_arrows(out, f, i, drawn_for);
		if (f->g->nodes[i].gives_slots)
			add_slots(out, f, i, slots);
	}
	free(drawn_for);
}

void
plan_write_dot(struct buf *out, const struct plan *p)
{
	struct fold f = {.g = &p->graph};

	f.group = mem_alloc(f.g->n_nodes * sizeof(*f.group));
	fold_nodes(&f);
	buf_add_cstr(out, "digraph \"");
	add_text(out, p->job.manifest->name);
	buf_add_cstr(out,
		"\" {\n\trankdir=LR;\n\tnode [shape=box, fontname=\"monospace\"];\n\tlabel=\"");
	add_text(out, p->job.manifest->name);
	buf_addf(out, ": %u to run, %u in place\";\n", p->changes.n_tasks_run,
		p->changes.n_tasks_in_place);
	add_boxes(out, &f);
	add_all_arrows(out, &f, p->slots);
	buf_add_cstr(out, "}\n");
	free(f.group);
}
