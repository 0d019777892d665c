/* report_json: a run's timings as one JSON document. */
#include "cmd/furrow/kept.h"
#include "cmd/furrow/report_boot.h"
#include "cmd/furrow/report_tree.h"
#include "cmd/furrow/summary.h"
#include "cmd/furrow/trace.h"
#include "planner/base/json.h"

static void
add_phases(struct buf *b, const char *name, const int64_t phase_ns[PHASE_COUNT])
{
	json_add_name(b, name);
	buf_add_char(b, '{');
	for (int i = 0; i < PHASE_COUNT; i++) {
		if (phase_ns[i] != 0)
			json_add_member_seconds(b, phase_name((enum phase)i), phase_ns[i]);
	}
	buf_add_char(b, '}');
}

static void
add_spans(struct buf *b, const struct report_facts *f, const struct timing_node *n,
	const struct timing_attempt *at)
{
	struct arena a = {0};
	struct trace trace;

	trace_read(&a, &trace, f->run.path, n->index, at->attempt, report_wall0_ns(&f->timings));
	if (trace.n) {
		json_add_name(b, "spans");
		buf_add_char(b, '[');
	}
	for (size_t i = 0; i < trace.n; i++) {
		buf_add_cstr(b, i ? ",{" : "{");
		json_add_member_string(b, "name", trace.v[i].name);
		json_add_member_seconds(b, "start_s", trace.v[i].start_ns);
		json_add_member_seconds(b, "end_s", trace.v[i].end_ns);
		buf_add_char(b, '}');
	}
	buf_add_cstr(b, trace.n ? "]" : "");
	arena_free(&a);
}

static void
add_process(struct buf *b, const struct outcome *o)
{
	json_add_member_int(b, "exit", o->exit_status);
	if (o->signal)
		json_add_member_int(b, "signal", o->signal);
	if (o->timed_out)
		json_add_member_bool(b, "timed_out", true);
	json_add_member_seconds(b, "run_s", o->ended_ns - o->begun_ns);
	json_add_member_seconds(b, "cpu_s", o->cpu_ns);
	json_add_member_int(b, "max_rss", o->max_rss_bytes);
	kept_add_json(b, o);
}

static void
add_attempt(struct buf *b, const struct report_facts *f, const struct timing_node *n,
	const struct timing_attempt *at)
{
	buf_add_char(b, '{');
	json_add_member_int(b, "attempt", at->attempt);
	json_add_member_seconds(b, "begin_s", at->begin_ns);
	if (at->end_ns >= 0)
		json_add_member_seconds(b, "end_s", at->end_ns);
	json_add_member_string(b, "state", str_from(report_state_name(at->state)));
	json_add_member_string(b, "why", at->why);
	if (at->error.p)
		json_add_member_string(b, "error", at->error);
	if (at->outcome.ran)
		add_process(b, &at->outcome);
	if (n->kind == KIND_TASK)
		add_spans(b, f, n, at);
	buf_add_char(b, '}');
}

static void
add_node(struct buf *b, const struct report_facts *f, const struct timing_node *n)
{
	const struct run_task *task =
		n->kind == KIND_TASK ? run_tasks_find(&f->tasks, n->index) : NULL;
	char id[KIND_ID_BYTES];

	kind_id(id, n->kind, n->index);
	buf_add_char(b, '{');
	json_add_member_string(b, "id", str_from(id));
	json_add_member_string(b, "kind", str_from(kind_name(n->kind)));
	if (task)
		json_add_member_string(b, "label", task->label);
	json_add_member_string(b, "state", str_from(report_state_name(n->state)));
	if (n->ready_ns >= 0)
		json_add_member_seconds(b, "ready_s", n->ready_ns);
	if (n->end_ns >= 0)
		json_add_member_seconds(b, "end_s", n->end_ns);
	if (n->ready_ns >= 0 && n->end_ns >= 0)
		json_add_member_seconds(b, "wall_s", n->end_ns - n->ready_ns);
	if (n->critical)
		json_add_member_seconds(b, "critical_s", n->critical_ns);
	add_phases(b, "phases", n->phase_ns);
	if (report_boot_of(n))
		report_boot_add_json(b, report_boot_of(n));
	json_add_name(b, "attempts");
	buf_add_char(b, '[');
	for (uint32_t i = 0; i < n->n_attempts; i++) {
		buf_add_cstr(b, i ? "," : "");
		add_attempt(b, f, n, &n->attempts[i]);
	}
	buf_add_cstr(b, "]}");
}

static void
add_words(struct buf *b, const struct timings *t)
{
	json_add_name(b, "places");
	buf_add_char(b, '[');
	for (size_t i = 0; i < t->n_words; i++) {
		const struct timing_word *w = &t->words[i];

		buf_add_cstr(b, i ? ",{" : "{");
		json_add_member_seconds(b, "t_s", w->t_ns);
		json_add_member_int(b, "place", w->place);
		json_add_member_string(b, "what",
			w->made	    ? STR("another")
			: w->remake ? STR("no other")
				    : STR("notice"));
		json_add_member_string(b, "text", w->text);
		buf_add_char(b, '}');
	}
	buf_add_char(b, ']');
}

void
report_write_json(struct buf *b, const struct report_facts *f)
{
	const struct timings *t = &f->timings;

	buf_add_char(b, '{');
	json_add_member_int(b, "furrow_report", 1);
	json_add_member_string(b, "run", str_from(f->run.id));
	json_add_member_string(b, "trace", t->trace);
	json_add_member_string(b, "job", t->job);
	json_add_member_string(b, "when", t->wall0);
	json_add_member_string(b, "result", str_from(run_dir_result(&f->run)));
	if (t->done)
		json_add_member_int(b, "exit", t->exit_code);
	json_add_member_string(b, "commit", t->commit);
	json_add_member_bool(b, "dirty", t->dirty);
	json_add_member_int(b, "tasks", t->n_tasks);
	json_add_member_int(b, "in_place", t->n_in_place);
	json_add_member_seconds(b, "wall_s", t->wall_ns);
	summary_add_money_json(b, t);
	add_phases(b, "phases", t->phase_ns);
	add_phases(b, "critical_phases", t->critical_phase_ns);
	if (t->n_words)
		add_words(b, t);
	json_add_name(b, "nodes");
	buf_add_char(b, '[');
	for (size_t i = 0; i < t->n_nodes; i++) {
		buf_add_cstr(b, i ? "," : "");
		add_node(b, f, &t->nodes[i]);
	}
	buf_add_cstr(b, "]}\n");
}
