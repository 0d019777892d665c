/* timings: reading a whole journal, and adding up what it says. */
#include "planner/execute/timings.h"

#include "planner/execute/critical.h"
#include "planner/execute/layout.h"
#include "planner/execute/reader.h"

static const struct {
	const char *ev;
	int (*read)(struct reader *r, struct event *e);
} events[] = {
	{"begin", reader_begin},
	{"end", reader_end},
	{"phase", reader_phase},
	{"intent", reader_intent},
	{"effect", reader_effect},
	{"notice", reader_notice},
	{"gone", reader_gone},
	{"remake", reader_remake},
	{"done", reader_done},
};

/* An event that a later version may have added. */
static int
skip_event(struct reader *r, struct event *e)
{
	while (reader_member(e))
		scan_skip(&e->scan);
	return reader_check(r, e);
}

static struct event
open_event(struct reader *r, struct str text, struct str *ev)
{
	struct event e = {.scan = {.rest = text, .arena = r->a}, .n = -1};

	scan_object(&e.scan);
	*ev = (struct str){0};
	if (scan_member(&e.scan, &e.key) && str_is(e.key, "ev"))
		*ev = scan_string(&e.scan);
	return e;
}

static int
read_line(struct reader *r, struct str text)
{
	struct str ev;
	struct event e = open_event(r, text, &ev);
	int code;

	r->line++;
	if (!ev.p || e.scan.bad)
		return reader_refuse(
			r, r->line == 1 ? "this is no journal of furrow"
					: "this is no event of a journal (was the file edited?)");
	if (r->line == 1 || str_is(ev, "run")) {
		if (r->line > 1 || !str_is(ev, "run"))
			return reader_refuse(r, r->line > 1 ? "the head of a run in the middle"
							    : "this is no journal of furrow");
		return reader_head(r, &e);
	}
	if (r->t->done)
		return reader_refuse(r, "something comes after the end of the run");
	if (str_is(ev, "node"))
		return reader_node(r, &e);
	if (!r->nodes_known) {
		code = reader_know_nodes(r);
		if (code)
			return code;
	}
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (str_is(ev, events[i].ev))
			return events[i].read(r, &e);
	}
	return skip_event(r, &e);
}

/* Cuts the next whole line off; false when only a torn one is left. */
static bool
cut_line(struct str *rest, struct str *line)
{
	const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;

	if (!end)
		return false;
	line->p = rest->p;
	line->n = (size_t)(end - rest->p);
	*rest = str_from_index(*rest, line->n + 1);
	return true;
}

/* Durations of different nodes may be anything, so their sum may be more than there is. */
static int64_t
sum_ns(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* From being ready to the end: attempts by their layout, what lies before and between them is
 * waiting. */
static void
sum_node(const struct timings *t, struct timing_node *n)
{
	int64_t at = n->ready_ns;

	for (uint32_t i = 0; i < n->n_attempts; i++) {
		const struct timing_attempt *a = &n->attempts[i];
		int64_t end = a->end_ns < 0 ? t->wall_ns : a->end_ns;

		/* A place that was made again was in use since the attempt before. */
		if (i > 0 && a[-1].state == NODE_OK) {
			n->phase_ns[PHASE_OTHER] += a->ready_ns - at;
			at = a->ready_ns;
		}
		n->phase_ns[PHASE_QUEUE] += a->begin_ns - at;
		layout_add(n->phase_ns, a, end, a->begin_ns, end);
		at = end;
	}
	if (n->n_attempts && n->end_ns < 0)
		n->phase_ns[PHASE_QUEUE] += t->wall_ns - at;
}

/* Handed out and not begun yet. */
static void
mark_queued(struct timing_node *n)
{
	struct timing_attempt *last = n->n_attempts ? &n->attempts[n->n_attempts - 1] : NULL;

	if (last && last->end_ns < 0 && last->needs_slot && last->slot_ns < 0)
		n->state = last->state = NODE_READY;
}

/* A run that is done leaves nobody waiting. */
static void
settle_node(const struct timings *t, struct timing_node *n)
{
	mark_queued(n);
	if (!t->done)
		return;
	if (n->n_attempts == 0) {
		n->state = NODE_CANCELLED;
	} else if (n->state == NODE_PENDING) {
		n->state = NODE_CANCELLED;
		n->end_ns = n->attempts[n->n_attempts - 1].end_ns;
	}
}

static void
sum_up(struct timings *t, uint32_t last_ended)
{
	struct arena scratch = {0};

	for (size_t i = 0; i < t->n_nodes; i++) {
		struct timing_node *n = &t->nodes[i];

		settle_node(t, n);
		sum_node(t, n);
		for (int p = 0; p < PHASE_COUNT; p++)
			t->phase_ns[p] = sum_ns(t->phase_ns[p], n->phase_ns[p]);
	}
	critical_mark(t, last_ended, &scratch);
	arena_free(&scratch);
}

static int
read_lines(struct reader *r, struct str bytes)
{
	struct str line;
	int code;

	while (cut_line(&bytes, &line)) {
		code = read_line(r, line);
		if (code)
			return code;
	}
	r->t->torn_bytes = reader_narrow((int64_t)bytes.n);
	r->line++;
	if (r->line == 1)
		return reader_refuse(r, "it has no whole line: this is no journal of furrow");
	if (!r->nodes_known)
		return reader_know_nodes(r);
	return 0;
}

int
timings_parse(
	struct arena *a, struct timings *out, struct str bytes, struct str name, struct error *err)
{
	struct reader r = {.a = a, .t = out, .name = name, .last_ended = UINT32_MAX, .err = err};
	int code;

	*out = (struct timings){.said_ns = -1, .said_usd = -1};
	code = read_lines(&r, bytes);
	spans_free(&r.spans);
	buf_free(&r.own);
	buf_free(&r.after);
	if (code)
		return code;
	out->wall_ns = r.last_ns;
	reader_sum_lives(out);
	sum_up(out, r.last_ended);
	return 0;
}

/* The last whole line, without looking at the others. */
static struct str
last_line(struct str bytes)
{
	const char *end = memrchr(bytes.p, '\n', bytes.n), *before;

	if (!end)
		return (struct str){0};
	before = memrchr(bytes.p, '\n', (size_t)(end - bytes.p));
	before = before ? before + 1 : bytes.p;
	return (struct str){.p = before, .n = (size_t)(end - before)};
}

int
timings_parse_head(
	struct arena *a, struct timings *out, struct str bytes, struct str name, struct error *err)
{
	struct reader r = {.a = a, .t = out, .name = name, .err = err};
	struct str rest = bytes, line, last, ev;
	struct event e;
	int code;

	*out = (struct timings){.said_ns = -1, .said_usd = -1};
	if (!cut_line(&rest, &line)) {
		r.line = 1;
		return reader_refuse(&r, "it has no whole line: this is no journal of furrow");
	}
	code = read_line(&r, line);
	last = rest.n ? last_line(rest) : (struct str){0};
	if (code || !last.p)
		return code;
	r.err = NULL; /* whatever it is, the head is good */
	e = open_event(&r, last, &ev);
	if (ev.p && str_is(ev, "done"))
		reader_done(&r, &e);
	else
		skip_event(&r, &e);
	out->wall_ns = e.t_ns;
	if (e.scan.bad)
		out->done = false;
	return 0;
}

const struct timing_node *
timings_find(const struct timings *t, enum kind kind, uint32_t index)
{
	size_t at = critical_lower_bound(t, kind, index);

	if (at == t->n_nodes || t->nodes[at].kind != kind || t->nodes[at].index != index)
		return NULL;
	return &t->nodes[at];
}
