/* view_json: a run as JSON lines on standard error, for programs that watch:
 *
 *   {"ev":"begin","t":…,"node":"task[3]","label":…,"attempt":1}       a task: its process runs
 *   {"ev":"end","t":…,"node":…,"label":…,"attempt":…,"state":"ok|failed|cancelled","s":…,"error":…,"again":true}
 *   {"ev":"interrupt","count":1}
 *   {"ev":"notice","t":…,"text":…}       a host will be taken away; whether another one is made, and why
 *   {"ev":"counts","t":…,"tasks":…,"done":…,"running":…,"failed":…,"cancelled":…,"left_s":…,"usd":…} every
 * second
 *
 * Before them stands {"ev":"plan",…}, behind them {"ev":"summary","summary":{…}} (apply.c); words come as
 * {"ev":"words"|"error","text":…} (out.h).
 *
 * t: seconds since the run began. label: of tasks. s: how long it ran. error, again, left_s: only
 * when there is one. usd: what the run's instances have cost so far; when there are some. */
#include "cmd/furrow/view_model.h"
#include "planner/base/json.h"
#include "planner/execute/meter.h"

#include <math.h>

static void
begin_line(struct view *v, const char *ev, int64_t t_ns)
{
	buf_add_char(&v->out, '{');
	json_add_member_string(&v->out, "ev", str_from(ev));
	json_add_name(&v->out, "t");
	json_add_seconds(&v->out, t_ns);
}

static void
end_line(struct view *v)
{
	buf_add_cstr(&v->out, "}\n");
	view_flush(v);
}

static void
add_node(struct view *v, uint32_t node, uint32_t attempt)
{
	const struct node *n = view_node(v, node);
	char id[KIND_ID_BYTES];

	kind_id(id, n->kind, n->index);
	json_add_member_string(&v->out, "node", str_from(id));
	if (n->kind == KIND_TASK)
		json_add_member_string(&v->out, "label", v->facts.plan->job.tasks[n->index].label);
	json_add_member_int(&v->out, "attempt", attempt);
}

static void
json_begin(struct view *v, uint32_t node, uint32_t attempt, int64_t t_ns)
{
	begin_line(v, "begin", t_ns);
	add_node(v, node, attempt);
	end_line(v);
}

static void
json_end(struct view *v, const struct view_end *end)
{
	const char *state = end->state == NODE_OK	   ? "ok"
			    : end->state == NODE_CANCELLED ? "cancelled"
							   : "failed";

	begin_line(v, "end", end->t_ns);
	add_node(v, end->node, end->attempt);
	json_add_member_string(&v->out, "state", str_from(state));
	json_add_name(&v->out, "s");
	json_add_seconds(&v->out, end->t_ns - v->since_ns[end->node]);
	if (end->err)
		json_add_member_string(&v->out, "error", str_from(end->err->message));
	if (end->will_retry)
		json_add_member_bool(&v->out, "again", true);
	end_line(v);
}

static void
json_interrupt(struct view *v, int count)
{
	buf_add_char(&v->out, '{');
	json_add_member_string(&v->out, "ev", STR("interrupt"));
	json_add_member_int(&v->out, "count", count);
	end_line(v);
}

static void
json_word(struct view *v, const char *text, int64_t t_ns)
{
	begin_line(v, "notice", t_ns);
	json_add_member_string(&v->out, "text", str_from(text));
	end_line(v);
}

static void
add_counts(struct view *v, int64_t t_ns)
{
	int64_t left = view_remaining_ns(v, t_ns);

	begin_line(v, "counts", t_ns);
	json_add_member_int(&v->out, "tasks", v->n_tasks);
	json_add_member_int(&v->out, "done", v->tasks_ok);
	json_add_member_int(&v->out, "running", view_running(v));
	json_add_member_int(&v->out, "failed", v->tasks_failed);
	json_add_member_int(&v->out, "cancelled", v->tasks_cancelled);
	if (left >= 0) {
		json_add_name(&v->out, "left_s");
		json_add_seconds(&v->out, left);
	}
	if (v->meter && v->meter->n) {
		json_add_name(&v->out, "usd");
		json_add_seconds(&v->out, llround(meter_usd(v->meter, t_ns) * 1e9));
	}
	end_line(v);
}

const struct view_way view_way_json = {
	.tick_ns = NS_PER_S,
	.begin = json_begin,
	.end = json_end,
	.interrupt = json_interrupt,
	.word = json_word,
	.tick = add_counts,
	.close = add_counts,
};
