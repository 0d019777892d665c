/* show_plan: a plan as text. As long as there are kinds of things to say, however many tasks there
 * are. */
#include "cmd/furrow/show_plan.h"

#include "cmd/furrow/out.h"
#include "cmd/furrow/text.h"
#include "planner/base/clock.h"
#include "planner/ranges.h"
#include "planner/units.h"

enum { MAX_RANGE_BYTES = 24 };

/* One line to come. */
struct row {
	enum verb verb;
	struct str id;	 /* absent: the text takes the whole line */
	struct str text; /* may hold bytes that came from elsewhere */
};

struct view {
	const struct plan *plan;
	struct arena arena;
	struct row *rows;
	size_t n_rows;
	bool color;
};

static void
add_row(struct view *v, enum verb verb, struct str id, struct str text)
{
	v->rows[v->n_rows++] = (struct row){.verb = verb, .id = id, .text = text};
}

/* "task[0..4,7]" of ascending indices; the kind alone when it has only one. */
static struct str
ids_text(struct view *v, enum kind kind, const uint32_t *indices, size_t n)
{
	struct buf b = {0};
	struct str s;

	buf_add_cstr(&b, kind_name(kind));
	if (kind_is_indexed(kind)) {
		buf_add_char(&b, '[');
		ranges_add(&b, indices, n, MAX_RANGE_BYTES);
		buf_add_char(&b, ']');
	}
	s = arena_str(&v->arena, buf_str(&b));
	buf_free(&b);
	return s;
}

/* "1.2 s", and whole seconds from ten on: an estimate is no better than that. */
static const char *
about(char out[TEXT_BYTES], int64_t ns)
{
	return ns < 10 * NS_PER_S ? text_duration(out, ns)
				  : text_elapsed(out, ns < INT64_MAX / 2 ? ns + NS_PER_S / 2 : ns);
}

/* ", about 40 s each" of n actions that take sum_ns together; nothing for what is over in no time.
 */
static struct str
time_text(struct view *v, double sum_ns, size_t n)
{
	char text[TEXT_BYTES];
	int64_t ns = sum_ns / (double)n < 9e18 ? (int64_t)(sum_ns / (double)n) : INT64_MAX;

	if (ns < NS_PER_S)
		return STR("");
	return arena_printf(&v->arena, ", about %s%s", about(text, ns), n > 1 ? " each" : "");
}

/* The tasks that run for one cause. */
struct group {
	enum cause cause;
	uint32_t *indices;
	size_t n;
	double sum_ns; /* < 0: of one it is unknown */
	struct str reason;
};

static void
gather_tasks(const struct plan *p, enum cause cause, struct group *g)
{
	g->cause = cause;
	g->n = 0;
	g->sum_ns = 0;
	for (size_t i = 0; i < p->changes.n_todo; i++) {
		const struct change *c = &p->changes.todo[i];
		int64_t ns = p->graph.nodes[i].estimate_ns;

		if (c->kind != KIND_TASK || c->cause != cause)
			continue;
		g->indices[g->n++] = c->index;
		g->sum_ns = ns < 0 || g->sum_ns < 0 ? -1 : g->sum_ns + (double)ns;
		g->reason = c->reason;
	}
}

/* What diff says of one task, of several. */
static struct str
common_reason(const struct group *g)
{
	if (g->n == 1 || g->cause == CAUSE_NO_RESULT)
		return g->reason;
	return g->cause == CAUSE_KEY_CHANGED ? STR("their keys changed since the last results")
					     : STR("their results are no longer in the store");
}

/* "5 tasks: no result yet"; one task is called by its label, when it is not the only one of the
 * job. */
static struct str
tasks_text(struct view *v, const struct group *g)
{
	struct str time = g->sum_ns < 0 ? STR("") : time_text(v, g->sum_ns, g->n);
	struct str who = STR(""), hint = STR(""), reason = common_reason(g);
	const struct job *job = &v->plan->job;

	if (g->n > 1)
		who = arena_printf(&v->arena, "%zu tasks: ", g->n);
	else if (job->manifest->map.kind != MAP_NONE)
		who = arena_printf(&v->arena, "%.*s: ", STR_ARG(job->tasks[g->indices[0]].label));
	if (g->cause == CAUSE_KEY_CHANGED)
		hint = arena_printf(&v->arena, " (furrow why task[%u])", g->indices[0]);
	return arena_printf(&v->arena, "%.*s%.*s%.*s%.*s", STR_ARG(who), STR_ARG(reason),
		STR_ARG(hint), STR_ARG(time));
}

static void
add_task_rows(struct view *v)
{
	static const enum cause causes[] = {CAUSE_NO_RESULT, CAUSE_KEY_CHANGED, CAUSE_RESULT_GONE};
	const struct changes *c = &v->plan->changes;
	struct group g = {.indices = ARENA_ARRAY(&v->arena, uint32_t, c->n_tasks_run)};

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		gather_tasks(v->plan, causes[i], &g);
		if (g.n)
			add_row(v, VERB_RUN, ids_text(v, KIND_TASK, g.indices, g.n),
				tasks_text(v, &g));
	}
	if (c->n_tasks_in_place)
		add_row(v, VERB_IN_PLACE, (struct str){0},
			arena_printf(&v->arena, "%u task%s in place", c->n_tasks_in_place,
				c->n_tasks_in_place == 1 ? "" : "s"));
}

/* Of the environment with this index. */
static uint32_t
slots_of(const struct plan *p, uint32_t index)
{
	const struct fleet *f = &p->observed.fleet;

	if (!f->there)
		return p->slots;
	if (index < f->n_warm && !f->warm[index].why_not.p && f->warm[index].slots)
		return f->warm[index].slots;
	return p->changes.n_offers ? p->changes.offers[0].slots : 0;
}

/* Changes of one kind stand side by side; those that say the same become one row. */
static size_t
add_means_row(struct view *v, const struct change *c, size_t n, const struct node *node)
{
	struct str more = STR(""), time = STR("");
	uint32_t *indices, slots = slots_of(v->plan, c->index);
	size_t same = 1;

	while (same < n && c[same].kind == c->kind && str_eq(c[same].reason, c->reason) &&
		(c->kind != KIND_ENVIRONMENT || slots_of(v->plan, c[same].index) == slots))
		same++;
	indices = ARENA_ARRAY(&v->arena, uint32_t, same);
	for (size_t i = 0; i < same; i++)
		indices[i] = c[i].index;
	if (c->kind == KIND_ENVIRONMENT && slots)
		more = arena_printf(&v->arena, ", %u task%s at a time%s", slots,
			slots == 1 ? "" : "s", same > 1 ? " each" : "");
	if (node && node->estimate_ns >= 0)
		time = time_text(v, (double)node->estimate_ns, 1);
	add_row(v, c->verb, ids_text(v, c->kind, indices, same),
		arena_printf(&v->arena, "%.*s%.*s%.*s", STR_ARG(c->reason), STR_ARG(more),
			STR_ARG(time)));
	return same;
}

static void
add_rows_of_kind(struct view *v, enum kind kind)
{
	const struct changes *c = &v->plan->changes;

	for (size_t i = 0; i < c->n_in_place;) {
		if (c->in_place[i].kind == kind)
			i += add_means_row(v, &c->in_place[i], c->n_in_place - i, NULL);
		else
			i++;
	}
	for (size_t i = 0; i < c->n_todo;) {
		if (c->todo[i].kind == kind)
			i += add_means_row(v, &c->todo[i], c->n_todo - i, &v->plan->graph.nodes[i]);
		else
			i++;
	}
}

/* What is ready is left out when nothing needs it. */
static void
add_rows(struct view *v)
{
	const struct changes *c = &v->plan->changes;

	v->rows = ARENA_ARRAY(&v->arena, struct row,
		c->n_todo - c->n_tasks_run + c->n_in_place + (size_t)KIND_COUNT);
	if (c->n_tasks_run == 0) {
		add_task_rows(v);
		add_rows_of_kind(v, KIND_COLLECT);
		return;
	}
	for (int kind = KIND_SOURCE; kind < KIND_COUNT; kind++) {
		if (kind == KIND_TASK)
			add_task_rows(v);
		else
			add_rows_of_kind(v, (enum kind)kind);
	}
}

static enum ink
ink_of(enum verb verb)
{
	switch (verb) {
	case VERB_IN_PLACE:
		return INK_DIM;
	case VERB_CREATE:
		return INK_GREEN;
	case VERB_CHANGE:
		return INK_YELLOW;
	case VERB_REMOVE:
		return INK_RED;
	case VERB_RUN:
		return INK_CYAN;
	}
	return INK_PLAIN;
}

/* In place: the whole line dim. Else the sign in its colour alone. */
static void
show_row(struct buf *out, const struct view *v, const struct row *r, size_t id_columns)
{
	bool dim = r->verb == VERB_IN_PLACE;

	buf_addf(out, "  %s%c%s ", out_ink(v->color, ink_of(r->verb)), verb_sign(r->verb),
		dim ? "" : out_ink(v->color, INK_PLAIN));
	if (r->id.p) {
		buf_add_str(out, r->id);
		text_add_pad(out, id_columns - r->id.n + 2);
	}
	text_add_safe(out, r->text, 0);
	buf_addf(out, "%s\n", dim ? out_ink(v->color, INK_PLAIN) : "");
}

static void
show_rows(struct buf *out, const struct view *v)
{
	size_t id_columns = 0;

	for (size_t i = 0; i < v->n_rows; i++) {
		if (v->rows[i].id.n > id_columns)
			id_columns = v->rows[i].id.n;
	}
	for (size_t i = 0; i < v->n_rows; i++)
		show_row(out, v, &v->rows[i], id_columns);
	buf_add_char(out, '\n');
}

static void
show_head(struct buf *out, const struct view *v)
{
	const struct manifest *m = v->plan->job.manifest;
	const struct source *s = v->plan->job.source;
	struct str infra = m->instances.infra.text.p ? m->instances.infra.text : STR("local");

	buf_addf(out, "%sfurrow plan: %.*s%s on ", out_ink(v->color, INK_BOLD), STR_ARG(m->name),
		out_ink(v->color, INK_PLAIN));
	if (m->instances.infra.kind == INFRA_LOCAL)
		buf_add_cstr(out, "this machine (local)");
	else
		text_add_safe(out, infra, 0);
	buf_add_cstr(out, ", ");
	if (s->kind == SOURCE_PATH) {
		buf_add_cstr(out, "the files of ");
		text_add_safe(out, m->workdir.path, 0);
		buf_add_cstr(out, str_ends(m->workdir.path, STR("/")) ? "" : "/");
	} else {
		text_add_safe(out, s->describe.p ? s->describe : s->commit, 0);
	}
	if (s->kind == SOURCE_DIRTY)
		buf_addf(out, " %swith uncommitted changes%s", out_ink(v->color, INK_YELLOW),
			out_ink(v->color, INK_PLAIN));
	buf_add_cstr(out, "\n\n");
}

static void
show_untracked(struct buf *out, const struct view *v)
{
	const struct source *s = v->plan->job.source;

	if (s->kind != SOURCE_COMMIT || s->n_untracked == 0)
		return;
	buf_addf(out, "Left out: %zu untracked file%s (", s->n_untracked,
		s->n_untracked == 1 ? "" : "s");
	text_add_safe(out, s->untracked, 0);
	buf_add_cstr(out, "); git add what belongs to the job.\n\n");
}

static bool
launches(const struct changes *c)
{
	for (size_t i = 0; i < c->n_todo; i++) {
		if (c->todo[i].kind == KIND_INSTANCE)
			return true;
	}
	return false;
}

static void
show_prices_missing(struct buf *out, const struct view *v)
{
	struct str missing = v->plan->observed.fleet.prices_missing;

	if (!missing.p || !launches(&v->plan->changes))
		return;
	buf_add_cstr(out, "Prices: ");
	text_add_safe(out, missing, 0);
	if (v->plan->changes.offers[0].job_usd < 0)
		buf_add_cstr(out, "; the smallest instance that fits is taken for the cheapest");
	buf_add_cstr(out, ".\n\n");
}

static void
show_hint(struct buf *out, const struct view *v)
{
	struct str name, text = plan_hint(v->plan, &name);

	if (text.p)
		buf_addf(out, "Note: %.*s.\n\n", STR_ARG(text));
}

/* "about 12 s (p90 15 s)", or "time unknown yet: no history" (of what). */
static void
add_time(struct buf *out, const struct plan *p)
{
	char text[TEXT_BYTES], p90[TEXT_BYTES];

	if (p->ns >= 0) {
		buf_addf(out, "about %s (p90 %s)", about(text, p->ns), about(p90, p->p90_ns));
		return;
	}
	buf_add_cstr(out, "time unknown yet: no history");
	if (p->observed.history.n == 0)
		return;
	for (uint32_t i = 0; i < p->graph.n_nodes; i++) {
		const struct node *n = &p->graph.nodes[i];
		char id[KIND_ID_BYTES];

		if (n->estimate_ns >= 0 || n->kind == KIND_SOURCE || n->kind == KIND_ACCESS)
			continue;
		kind_id(id, n->kind, n->index);
		buf_addf(out, " of %s", id);
		return;
	}
}

/* "about $0.12, and up to $0.04 more if nobody uses it again within 10m"; "price unknown yet: $0.0728 an
 * hour"; "price unknown: " and why. */
static void
add_usd(struct buf *out, const struct plan *p)
{
	char text[TEXT_BYTES], less[TEXT_BYTES];
	struct arena a = {0};

	if (p->usd >= 0)
		buf_addf(out, "%s%s", p->usd > 0 ? "about " : "", text_usd(text, p->usd));
	else if (p->hourly_usd >= 0)
		buf_addf(out, "price unknown yet: %.*s an hour",
			STR_ARG(offer_money(&a, p->hourly_usd)));
	else
		buf_addf(out, "price unknown: %.*s", STR_ARG(p->why_usd));
	if (p->idle_usd > 0)
		buf_addf(out, ", and up to %s more if nobody uses %s again within %.*s",
			text_usd(less, p->idle_usd), p->changes.n_instances == 1 ? "it" : "them",
			STR_ARG(units_format_duration(&a, p->job.manifest->instances.idle_ns)));
	arena_free(&a);
}

static void
show_nothing(struct buf *out, const struct view *v)
{
	uint32_t n = v->plan->job.n_tasks;

	if (n == 1)
		buf_add_cstr(out, "Nothing to do: the task has its result.\n");
	else
		buf_addf(out, "Nothing to do: all %u tasks have results.\n", n);
}

static void
show_summary(struct buf *out, const struct view *v)
{
	const struct plan *p = v->plan;
	const struct changes *c = &p->changes;

	buf_addf(out, "%sPlan:%s ", out_ink(v->color, INK_BOLD), out_ink(v->color, INK_PLAIN));
	if (c->n_tasks_run)
		buf_addf(out, "%u to run", c->n_tasks_run);
	else
		buf_addf(out, "%u to collect", c->n_to_collect);
	buf_addf(out, ", %u in place", c->n_tasks_in_place);
	if (c->n_tasks_run || p->ns >= 0) {
		buf_add_cstr(out, ", ");
		add_time(out, p);
	}
	buf_add_cstr(out, ", ");
	add_usd(out, p);
	buf_add_char(out, '\n');
}

void
show_plan(struct buf *out, const struct plan *p, bool color)
{
	struct view v = {.plan = p, .color = color};

	show_head(out, &v);
	if (p->changes.n_todo == 0) {
		show_nothing(out, &v);
		return;
	}
	add_rows(&v);
	show_rows(out, &v);
	show_untracked(out, &v);
	show_prices_missing(out, &v);
	show_hint(out, &v);
	show_summary(out, &v);
	arena_free(&v.arena);
}
