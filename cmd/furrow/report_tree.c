/* report_tree: the tree for people. */
#include "cmd/furrow/report_tree.h"

#include "cmd/furrow/kept.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/report_boot.h"
#include "cmd/furrow/summary.h"
#include "cmd/furrow/text.h"
#include "cmd/furrow/trace.h"
#include "planner/base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SHOWN_LONGEST = 10, SHOWN_FAILED = 10, NAME_COLUMNS = 36 };

const char *
report_state_name(enum node_state state)
{
	switch (state) {
	case NODE_OK:
		return "ok";
	case NODE_FAILED:
		return "failed";
	case NODE_CANCELLED:
		return "cancelled";
	case NODE_RUNNING:
		return "running";
	case NODE_WAITING:
	case NODE_READY:
	case NODE_PENDING:
		break;
	}
	return "waiting";
}

int64_t
report_wall0_ns(const struct timings *t)
{
	struct tm tm = {0};
	char text[CLOCK_RFC3339_BYTES] = {0};
	const char *rest;
	double part = 0;

	if (t->wall0.n >= sizeof(text))
		return 0;
	memcpy(text, t->wall0.p, t->wall0.n);
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest)
		return 0;
	if (*rest == '.')
		part = strtod(rest, NULL);
	return (int64_t)timegm(&tm) * NS_PER_S + (int64_t)(part * 1e9);
}

/* One line: indented name, duration, what there is to say. */
static void
add_line(struct buf *b, unsigned depth, struct str name, int64_t ns, bool critical,
	const struct report_facts *f)
{
	char time[TEXT_BYTES];
	size_t start = b->n, used;

	text_add_pad(b, 2 * (size_t)depth);
	text_add_safe(b, name, 60);
	used = text_columns((struct str){.p = b->p + start, .n = b->n - start});
	text_add_pad(b, used < NAME_COLUMNS ? NAME_COLUMNS - used : 1);
	buf_addf(b, "%9s %s%c%s ", text_duration(time, ns), out_ink(f->color, INK_YELLOW),
		critical ? '*' : ' ', out_ink(f->color, INK_PLAIN));
}

static void
add_phases(struct buf *b, const int64_t phase_ns[PHASE_COUNT])
{
	char time[TEXT_BYTES];
	bool first = true;

	for (int i = 0; i < PHASE_COUNT; i++) {
		if (phase_ns[i] == 0)
			continue;
		buf_addf(b, "%s%s %s", first ? "" : ", ", phase_name((enum phase)i),
			text_duration(time, phase_ns[i]));
		first = false;
	}
}

static int64_t
wall_of(const struct timing_node *n, const struct timings *t)
{
	if (n->ready_ns < 0)
		return -1;
	return (n->end_ns < 0 ? t->wall_ns : n->end_ns) - n->ready_ns;
}

static void
add_spans(struct buf *b, const struct report_facts *f, const struct timing_node *n,
	const struct timing_attempt *at, unsigned depth)
{
	struct arena a = {0};
	struct trace trace;

	trace_read(&a, &trace, f->run.path, n->index, at->attempt, report_wall0_ns(&f->timings));
	for (size_t i = 0; i < trace.n; i++) {
		const struct trace_span *s = &trace.v[i];

		add_line(b, depth + s->depth, s->name, s->end_ns - s->start_ns, false, f);
		while (b->n && b->p[b->n - 1] == ' ')
			b->n--;
		buf_add_char(b, '\n');
	}
	if (trace.n_bad) {
		text_add_pad(b, 2 * (size_t)depth);
		buf_addf(b, "(%zu line%s in its FURROW_TRACE_FILE are no spans)\n", trace.n_bad,
			trace.n_bad == 1 ? "" : "s");
	}
	arena_free(&a);
}

/* What a step failed of in one line: without the announcement of lines that are not shown here. */
static struct str
error_line(struct str error)
{
	const struct str more = STR("; it said last:");
	struct str line = text_first_line(error);

	if (str_ends(line, more))
		line.n -= more.n;
	return line;
}

static void
add_attempt(struct buf *b, const struct report_facts *f, const struct timing_attempt *at)
{
	char name[48];
	int64_t end;

	assert(at);
	end = at->end_ns < 0 ? f->timings.wall_ns : at->end_ns;
	snprintf(name, sizeof(name), "attempt %u", at->attempt);
	add_line(b, 2, str_from(name), end - at->begin_ns, false, f);
	buf_add_cstr(b, report_state_name(at->state));
	if (at->error.p) {
		buf_add_cstr(b, ": ");
		text_add_safe(b, error_line(at->error), 160);
	}
	buf_add_char(b, '\n');
}

static void
add_node(struct buf *b, const struct report_facts *f, const struct timing_node *n)
{
	const struct run_task *task =
		n->kind == KIND_TASK ? run_tasks_find(&f->tasks, n->index) : NULL;
	const struct timing_attempt *last = n->n_attempts ? &n->attempts[n->n_attempts - 1] : NULL;
	struct buf name = {0};
	char id[KIND_ID_BYTES];

	kind_id(id, n->kind, n->index);
	buf_addf(&name, "%s%s", id, task ? " " : "");
	if (task)
		buf_add_str(&name, task->label);
	add_line(b, 1, buf_str(&name), wall_of(n, &f->timings), n->critical, f);
	if (n->state != NODE_OK)
		buf_addf(b, "%s%s%s  ",
			out_ink(f->color, n->state == NODE_FAILED ? INK_RED : INK_YELLOW),
			report_state_name(n->state), out_ink(f->color, INK_PLAIN));
	add_phases(b, n->phase_ns);
	if (n->n_attempts == 1 && last->error.p) {
		buf_add_cstr(b, "  ");
		text_add_safe(b, error_line(last->error), 160);
	}
	if (last && kept_less(&last->outcome)) {
		buf_add_cstr(b, "  kept ");
		kept_add(b, &last->outcome);
	}
	while (b->n && b->p[b->n - 1] == ' ')
		b->n--;
	buf_add_char(b, '\n');
	if (report_boot_of(n))
		report_boot_add(b, report_boot_of(n), 4);
	for (uint32_t i = 0; i < n->n_attempts; i++) {
		if (n->n_attempts > 1)
			add_attempt(b, f, &n->attempts[i]);
		if (n->kind == KIND_TASK)
			add_spans(b, f, n, &n->attempts[i], n->n_attempts > 1 ? 3 : 2);
	}
	buf_free(&name);
}

/* Which tasks are worth a line: marks[i] for node i. Returns how many are not. */
static size_t
choose(const struct timings *t, uint8_t *marks)
{
	size_t failed = 0, left = 0, tasks = 0;

	for (size_t i = 0; i < t->n_nodes; i++) {
		tasks += t->nodes[i].kind == KIND_TASK;
		if (t->nodes[i].kind != KIND_TASK ||
			(t->nodes[i].state == NODE_FAILED && failed++ < SHOWN_FAILED))
			marks[i] = 1;
	}
	for (size_t k = 0; k < (tasks <= 2 * SHOWN_LONGEST ? tasks : SHOWN_LONGEST); k++) {
		size_t longest = SIZE_MAX;

		for (size_t i = 0; i < t->n_nodes; i++) {
			if (!marks[i] &&
				(longest == SIZE_MAX ||
					wall_of(&t->nodes[i], t) > wall_of(&t->nodes[longest], t)))
				longest = i;
		}
		if (longest != SIZE_MAX)
			marks[longest] = 1;
	}
	for (size_t i = 0; i < t->n_nodes; i++)
		left += !marks[i];
	return left;
}

static void
add_head(struct buf *b, const struct report_facts *f)
{
	const struct timings *t = &f->timings;
	char when[TEXT_BYTES], wall[TEXT_BYTES];

	buf_addf(b, "%srun %s%s  ", out_ink(f->color, INK_BOLD), f->run.id,
		out_ink(f->color, INK_PLAIN));
	text_add_safe(b, t->job, 0);
	buf_addf(b, "  %s  %s  %s\n", run_dir_result(&f->run), text_duration(wall, t->wall_ns),
		text_time(when, report_wall0_ns(t)));
	buf_addf(b, "  %u task%s, %u in place before", t->n_tasks, t->n_tasks == 1 ? "" : "s",
		t->n_in_place);
	if (t->commit.n)
		buf_addf(b, ", commit %.*s%s", (int)(t->commit.n < 12 ? t->commit.n : 12),
			t->commit.p, t->dirty ? " with uncommitted changes" : "");
	buf_addf(b, ", on %.*s", STR_ARG(t->infra));
	if (t->n_lives) {
		buf_addf(b, "\n  %zu instance%s, ", t->n_lives, t->n_lives == 1 ? "" : "s");
		summary_add_usd(b, t);
	}
	buf_add_cstr(b, "\n\n");
}

/* "  1m 02s  i-0… will be interrupted at 12:00:03" */
static void
add_words(struct buf *b, const struct timings *t, bool color)
{
	char when[TEXT_BYTES];

	if (t->n_words)
		buf_addf(b, "\n%swhat was taken away%s\n", out_ink(color, INK_BOLD),
			out_ink(color, INK_PLAIN));
	for (size_t i = 0; i < t->n_words; i++) {
		const struct timing_word *w = &t->words[i];

		buf_addf(b, "  %10s  environment[%u]: ", text_duration(when, w->t_ns), w->place);
		if (w->remake)
			buf_addf(b, "%s instance: ", w->made ? "another" : "no other");
		text_add_safe(b, w->text, 0);
		buf_add_char(b, '\n');
	}
}

void
report_write(struct buf *b, const struct report_facts *f)
{
	const struct timings *t = &f->timings;
	uint8_t *marks = mem_alloc(t->n_nodes + 1);
	size_t left = 0;

	memset(marks, f->all, t->n_nodes);
	if (!f->all)
		left = choose(t, marks);
	add_head(b, f);
	for (size_t i = 0; i < t->n_nodes; i++) {
		if (marks[i])
			add_node(b, f, &t->nodes[i]);
		/* What is left out is told where the tasks end. */
		if (left && t->nodes[i].kind == KIND_TASK &&
			(i + 1 == t->n_nodes || t->nodes[i + 1].kind != KIND_TASK))
			buf_addf(b, "  (%zu more tasks; -a shows all)\n", left);
	}
	add_words(b, t, f->color);
	summary_add_phases(b, t, f->color);
	report_boot_add_sum(b, t);
	if (t->done)
		summary_add_said(b, t, f->color);
	if (t->torn_bytes)
		buf_addf(b,
			"\n(the last line of the journal was torn: %u bytes of it are left out)\n",
			t->torn_bytes);
	free(marks);
}
