/* summary: telling what a run was. */
#include "cmd/furrow/summary.h"

#include "cmd/furrow/kept.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/tail.h"
#include "cmd/furrow/report_boot.h"
#include "cmd/furrow/text.h"
#include "planner/base/json.h"
#include "planner/ranges.h"
#include "planner/units.h"

#include <math.h>
#include <stdlib.h>

enum { SHOWN_FAILURES = 10, SHOWN_PATH = 8, SHOWN_KEPT = 5, NOT_RUN_BYTES = 60 };

struct counts {
	uint32_t done, failed, stopped, not_run;
};

/* A process of it was there, but it came to no end of its own. */
static bool
was_stopped(const struct timing_node *n)
{
	for (uint32_t i = 0; n->state == NODE_CANCELLED && i < n->n_attempts; i++) {
		if (n->attempts[i].outcome.ran)
			return true;
	}
	return false;
}

static struct counts
count_tasks(const struct summary *s)
{
	struct counts c = {0};

	for (size_t i = 0; i < s->timings->n_nodes; i++) {
		const struct timing_node *n = &s->timings->nodes[i];

		c.done += n->kind == KIND_TASK && n->state == NODE_OK;
		c.failed += n->kind == KIND_TASK && n->state == NODE_FAILED;
		c.stopped += n->kind == KIND_TASK && was_stopped(n);
	}
	c.not_run = s->plan->changes.n_tasks_run - c.done - c.failed - c.stopped;
	return c;
}

static void
add_name(struct buf *b, const struct summary *s, const struct timing_node *n)
{
	char id[KIND_ID_BYTES];

	kind_id(id, n->kind, n->index);
	buf_add_cstr(b, id);
	if (n->kind != KIND_TASK || n->index >= s->plan->job.n_tasks)
		return;
	buf_add_char(b, ' ');
	text_add_safe(b, s->plan->job.tasks[n->index].label, 0);
}

static const struct timing_attempt *
last_attempt(const struct timing_node *n)
{
	return n->n_attempts ? &n->attempts[n->n_attempts - 1] : NULL;
}

static int
by_end(const void *a, const void *b)
{
	const struct timing_node *x = *(const struct timing_node *const *)a;
	const struct timing_node *y = *(const struct timing_node *const *)b;

	return (x->end_ns > y->end_ns) - (x->end_ns < y->end_ns);
}

const struct timing_node **
summary_critical_path(struct arena *a, const struct timings *t, size_t *n)
{
	const struct timing_node **path;

	*n = 0;
	for (size_t i = 0; i < t->n_nodes; i++)
		*n += t->nodes[i].critical;
	path = ARENA_ARRAY(a, const struct timing_node *, *n);
	*n = 0;
	for (size_t i = 0; i < t->n_nodes; i++) {
		if (t->nodes[i].critical)
			path[(*n)++] = &t->nodes[i];
	}
	if (*n)
		qsort(path, *n, sizeof(*path), by_end);
	return path;
}

static void
add_failures(struct buf *b, const struct summary *s)
{
	struct buf attempts = {0};
	size_t shown = 0, all = 0;

	for (size_t i = 0; i < s->timings->n_nodes; i++) {
		const struct timing_node *n = &s->timings->nodes[i];
		const struct timing_attempt *last = last_attempt(n);

		if (n->state != NODE_FAILED || all++ >= SHOWN_FAILURES)
			continue;
		shown++;
		buf_addf(
			b, "%sfailed%s ", out_ink(s->color, INK_RED), out_ink(s->color, INK_PLAIN));
		add_name(b, s, n);
		buf_add_cstr(b, ": ");
		buf_clear(&attempts);
		if (n->n_attempts > 1)
			buf_addf(&attempts, " (%u attempts)", n->n_attempts);
		text_add_message(b, last && last->error.p ? last->error : STR("failed"),
			buf_str(&attempts), "");
		if (n->kind == KIND_TASK && last)
			tail_add(b, s->logs, n->index, last->attempt, s->color, "", 0);
	}
	if (all > shown)
		buf_addf(b, "and %zu more that failed (furrow report lists them)\n", all - shown);
	buf_free(&attempts);
}

/* What was dropped of what tasks said is told: the end is missing, where errors stand. */
static void
add_kept(struct buf *b, const struct summary *s)
{
	size_t all = 0;

	for (size_t i = 0; i < s->timings->n_nodes; i++) {
		const struct timing_node *n = &s->timings->nodes[i];
		const struct timing_attempt *last = last_attempt(n);

		if (n->kind != KIND_TASK || !last || !kept_less(&last->outcome) ||
			all++ >= SHOWN_KEPT)
			continue;
		buf_addf(b, "%skept%s           ", out_ink(s->color, INK_BOLD),
			out_ink(s->color, INK_PLAIN));
		add_name(b, s, n);
		buf_add_cstr(b, ": ");
		kept_add(b, &last->outcome);
		buf_add_char(b, '\n');
	}
	if (all > SHOWN_KEPT)
		buf_addf(b, "               and less than all of what %zu other task%s wrote\n",
			all - SHOWN_KEPT, all - SHOWN_KEPT == 1 ? "" : "s");
}

bool
summary_add_usd(struct buf *b, const struct timings *t)
{
	char text[TEXT_BYTES];

	if (t->n_lives == 0 && t->usd <= 0)
		return false;
	if (t->usd_least && t->usd <= 0)
		buf_add_cstr(b, "an unknown price");
	else
		buf_addf(b, "%s%s", t->usd_least ? "at least " : "", text_usd(text, t->usd));
	return true;
}

/* " (it was 14 % more)" */
static void
add_error(struct buf *b, double was, double said)
{
	double percent = said > 0 ? (was / said - 1) * 100 : 0;

	if (percent > -0.5 && percent < 0.5)
		buf_add_cstr(b, " (as it was)");
	else if (percent < 1000)
		buf_addf(b, " (it was %.0f %% %s)", fabs(percent), percent > 0 ? "more" : "less");
	else
		buf_addf(b, " (it was %.0f times that)", was / said);
}

void
summary_add_said(struct buf *b, const struct timings *t, bool color)
{
	char text[TEXT_BYTES];

	/* Of a run that was broken off, the plan was not wrong. */
	if (t->interrupted || (t->said_ns <= 0 && t->said_usd <= 0))
		return;
	buf_addf(b, "%splan said%s      ", out_ink(color, INK_BOLD), out_ink(color, INK_PLAIN));
	if (t->said_ns > 0) {
		buf_add_cstr(b, text_duration(text, t->said_ns));
		add_error(b, (double)t->wall_ns, (double)t->said_ns);
	}
	if (t->said_usd > 0) {
		buf_addf(b, "%s%s", t->said_ns > 0 ? ", " : "", text_usd(text, t->said_usd));
		if (!t->usd_least)
			add_error(b, t->usd, t->said_usd);
	}
	buf_add_char(b, '\n');
}

/* Which tasks never began, when the end of time or money took their turn: "task[3..9]". */
static void
add_not_run(struct buf *b, const struct summary *s)
{
	uint32_t *indices = mem_alloc((s->timings->n_nodes + 1) * sizeof(*indices));
	size_t n = 0;

	for (size_t i = 0; i < s->timings->n_nodes; i++) {
		const struct timing_node *node = &s->timings->nodes[i];

		if (node->kind == KIND_TASK && node->state == NODE_CANCELLED)
			indices[n++] = node->index;
	}
	if (n) {
		buf_add_cstr(b, "not done: task[");
		ranges_add(b, indices, n, NOT_RUN_BYTES);
		buf_add_cstr(b, "]\n");
	}
	free(indices);
}

/* Where to look, and how to go on. */
static void
add_advice(struct buf *b, const struct summary *s)
{
	const struct timings *t = s->timings;

	for (size_t i = 0; i < t->n_nodes && !t->interrupted; i++) {
		if (t->nodes[i].kind != KIND_TASK || t->nodes[i].state != NODE_FAILED)
			continue;
		buf_addf(b,
			"furrow logs 'task[%u]' prints what it wrote; apply again tries what "
			"failed\n",
			t->nodes[i].index);
		return;
	}
}

/* "2 tasks done, 1 failed, 2 stopped, 3 did not run, 10 were in place, in 34.2 s". */
static void
add_headline(struct buf *b, const struct summary *s)
{
	struct counts c = count_tasks(s);
	uint32_t in_place = s->plan->changes.n_tasks_in_place;
	char text[TEXT_BYTES];

	buf_addf(
		b, "%s%u task%s done", out_ink(s->color, INK_BOLD), c.done, c.done == 1 ? "" : "s");
	if (c.failed)
		buf_addf(b, ", %u failed", c.failed);
	if (c.stopped)
		buf_addf(b, ", %u stopped", c.stopped);
	if (c.not_run)
		buf_addf(b, ", %u did not run", c.not_run);
	if (in_place)
		buf_addf(b, ", %u in place before", in_place);
	buf_addf(b, ", in %s", text_duration(text, s->timings->wall_ns));
	if (s->timings->n_lives) {
		buf_add_cstr(b, ", for ");
		summary_add_usd(b, s->timings);
	}
	buf_addf(b, "%s\n", out_ink(s->color, INK_PLAIN));
	if (s->lost.n)
		buf_addf(b, "%.*s\napply again: what is finished is kept\n", STR_ARG(s->lost));
	if (s->out_of_time)
		buf_add_cstr(b, "max_duration is over: what still ran was stopped\n");
	if (s->out_of_money && c.stopped + c.not_run)
		buf_addf(b,
			"max_cost (%s) allows no more: raise it, or apply again with as much for "
			"the rest\n",
			text_usd(text, s->plan->job.manifest->max_cost_usd));
	if (s->out_of_time || s->out_of_money)
		add_not_run(b, s);
	else if (s->fail_fast && c.failed && c.not_run && !s->timings->interrupted)
		buf_add_cstr(b, "map.fail_fast: nothing was started after the first failure; apply "
				"-k goes on\n");
	if ((s->timings->interrupted || s->out_of_time || s->out_of_money) && c.stopped + c.not_run)
		buf_add_cstr(b, "what is done is kept: the next apply goes on from here\n");
}

/* An instance that failed, when the others did its share, is no failure of the run, but worth a word. */
static void
add_spared(struct buf *b, const struct summary *s)
{
	char id[KIND_ID_BYTES];
	size_t all = 0;

	for (size_t i = 0; s->exit_status == 0 && i < s->timings->n_nodes; i++) {
		const struct timing_node *n = &s->timings->nodes[i];

		if (n->state != NODE_FAILED)
			continue;
		kind_id(id, n->kind, n->index);
		if (all++ == 0)
			buf_addf(b, "%swarning%s: every task has its result, though ",
				out_ink(s->color, INK_YELLOW), out_ink(s->color, INK_PLAIN));
		if (all <= SHOWN_FAILURES)
			buf_addf(b, "%s%s", all > 1 ? ", " : "", id);
	}
	if (all > SHOWN_FAILURES)
		buf_addf(b, " and %zu more", all - SHOWN_FAILURES);
	if (all)
		buf_add_cstr(b, " failed: the others did the work\n");
}

void
summary_add_phases(struct buf *b, const struct timings *t, bool color)
{
	char critical[TEXT_BYTES], all[TEXT_BYTES];
	int64_t wall = t->wall_ns > 0 ? t->wall_ns : 1, sum = 0, all_ns;

	buf_addf(b, "\n%swhere the time went   critical path          all steps%s\n",
		out_ink(color, INK_BOLD), out_ink(color, INK_PLAIN));
	for (int i = 0; i < PHASE_COUNT; i++) {
		if (t->critical_phase_ns[i] == 0 && t->phase_ns[i] == 0)
			continue;
		/* Tasks wait for a slot all at once: added up, that tells nothing. */
		all_ns = i == PHASE_QUEUE ? -1 : t->phase_ns[i];
		sum += all_ns < 0 ? 0 : all_ns;
		buf_addf(b, "  %-14s %18s %3d %% %15s\n", phase_name((enum phase)i),
			text_duration(critical, t->critical_phase_ns[i]),
			(int)((t->critical_phase_ns[i] * 100 + wall / 2) / wall),
			text_duration(all, all_ns));
	}
	buf_addf(b, "  %-14s %18s %3d %% %15s\n", "together", text_duration(critical, t->wall_ns),
		100, text_duration(all, sum));
}

static void
add_critical_path(struct buf *b, const struct summary *s)
{
	struct arena a = {0};
	char text[TEXT_BYTES];
	size_t n;
	const struct timing_node **path = summary_critical_path(&a, s->timings, &n);

	if (n)
		buf_addf(b, "\n%scritical path%s  ", out_ink(s->color, INK_BOLD),
			out_ink(s->color, INK_PLAIN));
	for (size_t i = 0; i < n; i++) {
		/* A long chain of tasks in one slot: its ends tell enough. */
		if (n > SHOWN_PATH && i == SHOWN_PATH / 2) {
			buf_addf(b, " > (%zu more)", n - SHOWN_PATH);
			i += n - SHOWN_PATH;
		}
		buf_add_cstr(b, i ? " > " : "");
		add_name(b, s, path[i]);
		buf_addf(b, " %s", text_duration(text, path[i]->critical_ns));
	}
	buf_add_cstr(b, n ? "\n" : "");
	arena_free(&a);
}

/* What was made for an earlier run, or found, and cost nothing now. A machine of one's own is no
 * find. */
static bool
is_reused(const struct change *c)
{
	return c->kind == KIND_SOURCE || c->kind == KIND_IMAGE || c->kind == KIND_ENVIRONMENT;
}

static void
add_reused(struct buf *b, const struct summary *s)
{
	const struct changes *c = &s->plan->changes;
	char id[KIND_ID_BYTES];
	const char *comma = "";
	size_t start;

	buf_addf(b, "%sreused%s         ", out_ink(s->color, INK_BOLD),
		out_ink(s->color, INK_PLAIN));
	start = b->n;
	for (size_t i = 0; i < c->n_in_place; i++) {
		if (!is_reused(&c->in_place[i]))
			continue;
		kind_id(id, c->in_place[i].kind, c->in_place[i].index);
		buf_addf(b, "%s%s", comma, id);
		comma = ", ";
	}
	if (c->n_tasks_in_place)
		buf_addf(b, "%s%u result%s", comma, c->n_tasks_in_place,
			c->n_tasks_in_place == 1 ? "" : "s");
	buf_add_cstr(b, b->n == start ? "nothing\n" : "\n");
}

/* They cost money as well, and who interrupted a run may not think of them. */
static void
add_warm(struct buf *b, const struct summary *s)
{
	struct arena a = {0};

	if (s->n_warm == 0)
		return;
	buf_addf(b,
		"%u instance%s warm for %.*s and cost%s money meanwhile; furrow destroy ends %s\n",
		s->n_warm, s->n_warm == 1 ? " stays" : "s stay",
		STR_ARG(units_format_duration(&a, s->plan->job.manifest->instances.idle_ns)),
		s->n_warm == 1 ? "s" : "", s->n_warm == 1 ? "it" : "them");
	arena_free(&a);
}

void
summary_write(struct buf *b, const struct summary *s)
{
	buf_add_char(b, '\n');
	add_failures(b, s);
	add_headline(b, s);
	add_advice(b, s);
	add_spared(b, s);
	add_warm(b, s);
	summary_add_phases(b, s->timings, s->color);
	report_boot_add_sum(b, s->timings);
	add_critical_path(b, s);
	add_reused(b, s);
	add_kept(b, s);
	summary_add_said(b, s->timings, s->color);
	buf_addf(b, "%sresults%s        %.*s%s\n", out_ink(s->color, INK_BOLD),
		out_ink(s->color, INK_PLAIN), STR_ARG(s->results_dir),
		str_ends(s->results_dir, STR("/")) ? "" : "/");
	buf_addf(b, "%srun%s            %.*s\n", out_ink(s->color, INK_BOLD),
		out_ink(s->color, INK_PLAIN), STR_ARG(s->timings->run));
}

void
summary_add_money_json(struct buf *b, const struct timings *t)
{
	if (t->n_lives || t->usd > 0) {
		json_add_member_usd(b, "usd", t->usd);
		json_add_member_bool(b, "usd_least", t->usd_least);
	}
	json_add_name(b, "said");
	buf_add_char(b, '{');
	if (t->said_ns > 0)
		json_add_member_seconds(b, "s", t->said_ns);
	if (t->said_usd > 0)
		json_add_member_usd(b, "usd", t->said_usd);
	buf_add_char(b, '}');
	if (t->n_lives == 0)
		return;
	json_add_name(b, "instances");
	buf_add_char(b, '[');
	for (size_t i = 0; i < t->n_lives; i++) {
		const struct timing_life *l = &t->lives[i];

		buf_add_cstr(b, i ? ",{" : "{");
		json_add_member_int(b, "index", l->index);
		json_add_member_string(b, "id", l->id);
		json_add_member_seconds(b, "begin_s", l->begin_ns);
		if (l->end_ns >= 0)
			json_add_member_seconds(b, "end_s", l->end_ns);
		json_add_member_usd(b, "hourly_usd", l->hourly_usd);
		json_add_member_usd(b, "usd", l->usd);
		buf_add_char(b, '}');
	}
	buf_add_char(b, ']');
}

static void
add_node_json(struct buf *b, const struct summary *s, const struct timing_node *n)
{
	char id[KIND_ID_BYTES];

	kind_id(id, n->kind, n->index);
	json_add_member_string(b, "id", str_from(id));
	if (n->kind == KIND_TASK && n->index < s->plan->job.n_tasks)
		json_add_member_string(b, "label", s->plan->job.tasks[n->index].label);
}

static void
add_failures_json(struct buf *b, const struct summary *s)
{
	struct arena a = {0};
	bool first = true;

	json_add_name(b, "failures");
	buf_add_char(b, '[');
	for (size_t i = 0; i < s->timings->n_nodes; i++) {
		const struct timing_node *n = &s->timings->nodes[i];
		const struct timing_attempt *last = last_attempt(n);

		if (n->state != NODE_FAILED)
			continue;
		buf_add_cstr(b, first ? "{" : ",{");
		first = false;
		add_node_json(b, s, n);
		json_add_member_int(b, "attempts", n->n_attempts);
		json_add_member_string(b, "error", last ? last->error : (struct str){0});
		if (n->kind == KIND_TASK && last)
			json_add_member_string(
				b, "stderr", tail_of(&a, s->logs, n->index, last->attempt));
		buf_add_char(b, '}');
		arena_reset(&a);
	}
	buf_add_char(b, ']');
	arena_free(&a);
}

static void
add_times_json(struct buf *b, const struct summary *s)
{
	const struct timings *t = s->timings;
	struct arena a = {0};
	const struct timing_node **path;
	size_t n;

	json_add_name(b, "phases");
	buf_add_char(b, '{');
	for (int i = 0; i < PHASE_COUNT; i++) {
		json_add_name(b, phase_name((enum phase)i));
		buf_add_char(b, '{');
		json_add_member_seconds(b, "critical_s", t->critical_phase_ns[i]);
		json_add_member_seconds(b, "all_s", t->phase_ns[i]);
		buf_add_char(b, '}');
	}
	buf_add_char(b, '}');
	json_add_name(b, "critical_path");
	buf_add_char(b, '[');
	path = summary_critical_path(&a, t, &n);
	for (size_t i = 0; i < n; i++) {
		buf_add_cstr(b, i ? ",{" : "{");
		add_node_json(b, s, path[i]);
		json_add_member_seconds(b, "s", path[i]->critical_ns);
		buf_add_char(b, '}');
	}
	buf_add_char(b, ']');
	arena_free(&a);
}

static void
add_left_json(struct buf *b, const struct pairs *left)
{
	json_add_name(b, "left");
	buf_add_char(b, '[');
	for (size_t i = 0; i < left->n; i++) {
		buf_add_cstr(b, i ? ",{" : "{");
		json_add_member_string(b, "id", left->v[i].name);
		json_add_member_string(b, "by_hand", left->v[i].value);
		buf_add_char(b, '}');
	}
	buf_add_char(b, ']');
}

void
summary_write_json(struct buf *b, const struct summary *s)
{
	const struct changes *changes = &s->plan->changes;
	struct counts c = count_tasks(s);
	char id[KIND_ID_BYTES];

	buf_add_char(b, '{');
	json_add_member_int(b, "furrow_run", 1);
	json_add_member_string(b, "run", s->timings->run);
	json_add_member_string(b, "job", s->timings->job);
	json_add_member_int(b, "exit", s->exit_status);
	json_add_member_bool(b, "interrupted", s->timings->interrupted);
	json_add_member_seconds(b, "wall_s", s->timings->wall_ns);
	json_add_name(b, "tasks");
	buf_add_char(b, '{');
	json_add_member_int(b, "total", s->plan->job.n_tasks);
	json_add_member_int(b, "in_place", changes->n_tasks_in_place);
	json_add_member_int(b, "done", c.done);
	json_add_member_int(b, "failed", c.failed);
	json_add_member_int(b, "stopped", c.stopped);
	json_add_member_int(b, "not_run", c.not_run);
	buf_add_char(b, '}');
	summary_add_money_json(b, s->timings);
	if (s->lost.n)
		json_add_member_string(b, "lost", s->lost);
	if (s->left && s->left->n)
		add_left_json(b, s->left);
	if (s->n_warm)
		json_add_member_int(b, "warm", s->n_warm);
	add_times_json(b, s);
	add_failures_json(b, s);
	json_add_name(b, "reused");
	buf_add_char(b, '[');
	for (size_t i = 0; i < changes->n_in_place; i++) {
		if (!is_reused(&changes->in_place[i]))
			continue;
		kind_id(id, changes->in_place[i].kind, changes->in_place[i].index);
		buf_add_cstr(b, b->p[b->n - 1] == '[' ? "" : ",");
		json_add_string(b, str_from(id));
	}
	buf_add_char(b, ']');
	json_add_member_string(b, "results", s->results_dir);
	buf_add_cstr(b, "}\n");
}
