/* read_attempts: what a journal says of attempts at nodes: an attempt begins once and ends once, at
 * a node that was named, one after the other. */
#include "planner/execute/reader.h"

#include <assert.h>
#include <stdio.h>

/* The few words that the executor writes need no copies. */
static struct str
keep_why(struct reader *r, struct str why)
{
	static const struct str known[] = {{.p = "start", .n = 5}, {.p = "after", .n = 5},
		{.p = "slot", .n = 4}, {.p = "retry", .n = 5}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (str_eq(why, known[i]))
			return known[i];
	}
	return arena_str(r->a, why.p ? why : STR(""));
}

static int
add_attempt(struct reader *r, const struct event *e, struct timing_node *n,
	const struct timing_attempt *attempt)
{
	const struct timing_attempt *last = n->n_attempts ? &n->attempts[n->n_attempts - 1] : NULL;
	size_t cap = n->n_attempts & (n->n_attempts - 1) ? SIZE_MAX : n->n_attempts;
	struct timing_attempt *a, *old = n->attempts;

	if (last && last->end_ns < 0)
		return reader_refuse(r, "an attempt begins before the one before it has ended");
	if (attempt->attempt != n->n_attempts + 1)
		return reader_refuse(
			r, "attempt %u follows attempt %u", attempt->attempt, n->n_attempts);
	if (attempt->ready_ns > e->t_ns)
		return reader_refuse(r, "it begins before it is ready");
	if (!spans_add(&r->spans, e->span, (uint32_t)(n - r->t->nodes)))
		return reader_refuse(r, "its span is none, or another one's");
	assert((n->n_attempts == 0) == (old == NULL));
	if (cap == 0) {
		n->attempts = ARENA_NEW(r->a, struct timing_attempt);
	} else if (cap != SIZE_MAX) {
		n->attempts = ARENA_ARRAY(r->a, struct timing_attempt, cap * 2);
		memcpy(n->attempts, old, cap * sizeof(*n->attempts));
		last = &n->attempts[cap - 1];
	}
	a = &n->attempts[n->n_attempts++];
	*a = *attempt;
	a->begin_ns = e->t_ns;
	if (last && a->ready_ns < last->end_ns)
		a->ready_ns = last->end_ns;
	if (!last)
		n->ready_ns = a->ready_ns;
	n->end_ns = -1;
	n->state = NODE_RUNNING;
	memcpy(a->span, e->span.p, 16);
	a->needs_slot = r->t->groups[n->group].needs_slot;
	if (a->needs_slot)
		reader_take_slot(r, n);
	return 0;
}

int
reader_begin(struct reader *r, struct event *e)
{
	struct timing_attempt a = {
		.attempt = 1, .end_ns = -1, .retry_ns = -1, .slot_ns = -1, .state = NODE_RUNNING};
	struct timing_node *node;
	struct str id = {0};
	uint32_t index;
	enum kind kind;
	bool bad = false, warm = false;
	double hourly_usd = -1;
	int code;

	while (reader_member(e)) {
		if (str_is(e->key, "node"))
			id = scan_string(&e->scan);
		else if (str_is(e->key, "phase"))
			bad |= !phase_parse(scan_string(&e->scan), &a.phase);
		else if (str_is(e->key, "ready"))
			a.ready_ns = scan_count(&e->scan);
		else if (str_is(e->key, "why"))
			a.why = keep_why(r, scan_string(&e->scan));
		else if (str_is(e->key, "place"))
			a.place = reader_narrow(scan_count(&e->scan));
		else if (str_is(e->key, "try"))
			a.attempt = reader_narrow(scan_count(&e->scan));
		else if (str_is(e->key, "a"))
			warm = reader_hourly(&e->scan, &hourly_usd);
		else
			scan_skip(&e->scan);
	}
	code = reader_check_timed(r, e);
	if (code)
		return code;
	node = kind_parse_id(id, &kind, &index) ? reader_find_node(r, kind, index) : NULL;
	if (!node)
		return reader_refuse(r, "\"%.*s\" is no node of this run", STR_ARG(id));
	if (bad)
		return reader_refuse(r, "it names no phase");
	if (warm)
		reader_live(r, index, 0, hourly_usd, (struct str){0});
	return add_attempt(r, e, node, &a);
}

/* The attempt that a line is about: the last one of its node, unless the journal makes things
 * up. */
static struct timing_attempt *
find_attempt(struct reader *r, const struct event *e, struct timing_node **node)
{
	uint32_t at = spans_find(&r->spans, e->span);
	struct timing_attempt *a;

	if (at == SPANS_NONE)
		return NULL;
	*node = &r->t->nodes[at];
	a = &(*node)->attempts[(*node)->n_attempts - 1];
	return a->end_ns < 0 && memcmp(a->span, e->span.p, 16) == 0 ? a : NULL;
}

static int
refuse_span(struct reader *r, const struct event *e)
{
	return reader_refuse(
		r, "nothing that has begun and not ended has the span \"%.*s\"", STR_ARG(e->span));
}

int
reader_phase(struct reader *r, struct event *e)
{
	struct timing_mark mark = {0}, *marks;
	struct timing_attempt *a;
	struct timing_node *node;
	bool bad = true;
	int code;

	while (reader_member(e)) {
		if (str_is(e->key, "phase"))
			bad = !phase_parse(scan_string(&e->scan), &mark.phase);
		else
			scan_skip(&e->scan);
	}
	code = reader_check_timed(r, e);
	if (code)
		return code;
	a = find_attempt(r, e, &node);
	if (!a)
		return refuse_span(r, e);
	if (bad)
		return reader_refuse(r, "it names no phase");
	mark.t_ns = e->t_ns;
	if ((a->n_marks & (a->n_marks - 1)) == 0) {
		marks = ARENA_ARRAY(r->a, struct timing_mark, a->n_marks ? a->n_marks * 2 : 1);
		if (a->n_marks)
			memcpy(marks, a->marks, a->n_marks * sizeof(*marks));
		a->marks = marks;
	}
	a->marks[a->n_marks++] = mark;
	return 0;
}

/* An effect belongs to the last intent of its span that has none. */
static void
add_effect(struct reader *r, uint32_t node, int64_t t_ns, struct str id)
{
	struct timings *t = r->t;

	for (size_t i = t->n_intents; i-- > 0;) {
		struct timing_intent *intent = &t->intents[i];

		if (intent->node == node && intent->effect_ns < 0) {
			intent->effect = id;
			intent->effect_ns = t_ns;
			return;
		}
	}
	t->intents =
		reader_grow(r, t->intents, t->n_intents, 1, &r->cap_intents, sizeof(*t->intents));
	t->intents[t->n_intents++] =
		(struct timing_intent){.node = node, .t_ns = t_ns, .effect = id, .effect_ns = t_ns};
}

static int
read_intent(struct reader *r, struct event *e, bool is_effect)
{
	struct timings *t = r->t;
	struct timing_intent intent = {.effect_ns = -1};
	struct timing_node *node;
	struct str id = {0};
	double hourly_usd = -1;
	bool priced = false;
	int code;

	while (reader_member(e)) {
		if (str_is(e->key, "op"))
			intent.op = arena_str(r->a, scan_string(&e->scan));
		else if (str_is(e->key, "token"))
			intent.token = arena_str(r->a, scan_string(&e->scan));
		else if (str_is(e->key, "id"))
			id = arena_str(r->a, scan_string(&e->scan));
		else if (str_is(e->key, "a"))
			priced = reader_hourly(&e->scan, &hourly_usd);
		else
			scan_skip(&e->scan);
	}
	code = reader_check_timed(r, e);
	if (code)
		return code;
	if (!find_attempt(r, e, &node))
		return refuse_span(r, e);
	intent.node = (uint32_t)(node - t->nodes);
	intent.t_ns = e->t_ns;
	if (is_effect) {
		add_effect(r, intent.node, e->t_ns, id);
		if (priced)
			reader_live(r, node->index, e->t_ns, hourly_usd, id.p ? id : STR(""));
		return 0;
	}
	t->intents =
		reader_grow(r, t->intents, t->n_intents, 1, &r->cap_intents, sizeof(*t->intents));
	t->intents[t->n_intents++] = intent;
	return 0;
}

int
reader_intent(struct reader *r, struct event *e)
{
	return read_intent(r, e, false);
}

int
reader_effect(struct reader *r, struct event *e)
{
	return read_intent(r, e, true);
}

static void
read_pair(struct scan *s, int64_t *first, int64_t *second)
{
	int64_t v[2] = {0};
	size_t n = 0;

	scan_array(s);
	while (scan_item(s)) {
		int64_t value = scan_count(s);

		if (n < 2)
			v[n++] = value;
	}
	s->bad |= n < 2;
	*first = v[0];
	*second = v[1];
}

static void
read_shares(struct scan *s, struct outcome *o)
{
	struct str key;
	enum phase phase;

	scan_object(s);
	while (scan_member(s, &key)) {
		if (phase_parse(key, &phase))
			o->phase_ns[phase] = scan_count(s);
		else
			scan_skip(s);
	}
}

static void
read_why(struct scan *s, char out[BOOT_WHY_BYTES])
{
	struct str said = scan_string(s);

	snprintf(out, BOOT_WHY_BYTES, "%.*s", STR_ARG(said));
}

static const struct boot *
read_boot(struct scan *s, struct arena *a)
{
	struct boot *boot = ARENA_NEW(a, struct boot);
	enum boot_mark mark;
	struct str key;

	scan_object(s);
	while (scan_member(s, &key)) {
		if (boot_mark_parse(key, &mark))
			boot->ns[mark] = scan_count(s);
		else if (str_is(key, "warm_files"))
			read_pair(s, &boot->warm_ns, &boot->warm_bytes);
		else if (str_is(key, "warm_why"))
			read_why(s, boot->warm_why);
		else if (str_is(key, "disk"))
			read_pair(s, &boot->disk_bytes, &boot->disk_bytes_per_s);
		else
			scan_skip(s);
	}
	return boot;
}

static void
read_outcome(struct scan *s, struct arena *a, struct outcome *o)
{
	struct str key;

	const struct {
		const char *name;
		int64_t *to;
	} counts[] = {{"cpu", &o->cpu_ns}, {"rss", &o->max_rss_bytes}, {"out", &o->stdout_bytes},
		{"errs", &o->stderr_bytes}, {"out_kept", &o->stdout_kept_bytes},
		{"errs_kept", &o->stderr_kept_bytes}};
	const size_t n_counts = sizeof(counts) / sizeof(counts[0]);

	o->stdout_kept_bytes = o->stderr_kept_bytes = -1;
	scan_object(s);
	while (scan_member(s, &key)) {
		size_t i;

		for (i = 0; i < n_counts && !str_is(key, counts[i].name); i++)
			;
		if (i < n_counts) {
			*counts[i].to = scan_count(s);
		} else if (str_is(key, "ran")) {
			o->ran = true;
			read_pair(s, &o->begun_ns, &o->ended_ns);
		} else if (str_is(key, "slots")) {
			o->slots = reader_narrow(scan_count(s));
		} else if (str_is(key, "exit")) {
			o->exit_status = reader_small(s);
		} else if (str_is(key, "sig")) {
			o->signal = reader_small(s);
		} else if (str_is(key, "timeout")) {
			o->timed_out = scan_bool(s);
		} else if (str_is(key, "files")) {
			read_pair(s, &o->output_bytes, &o->output_files);
		} else if (str_is(key, "ph")) {
			read_shares(s, o);
		} else if (str_is(key, "boot")) {
			o->boot = read_boot(s, a);
		} else {
			scan_skip(s);
		}
	}
	if (o->stdout_kept_bytes < 0)
		o->stdout_kept_bytes = o->stdout_bytes;
	if (o->stderr_kept_bytes < 0)
		o->stderr_kept_bytes = o->stderr_bytes;
}

static struct str
read_message(struct reader *r, struct scan *s)
{
	struct str message = STR(""), key;

	scan_object(s);
	while (scan_member(s, &key)) {
		if (str_is(key, "msg"))
			message = arena_str(r->a, scan_string(s));
		else
			scan_skip(s);
	}
	return message;
}

static bool
read_status(struct str st, struct timing_attempt *a)
{
	a->abandoned = str_is(st, "abandoned");
	if (str_is(st, "ok"))
		a->state = NODE_OK;
	else if (str_is(st, "failed") || a->abandoned)
		a->state = NODE_FAILED;
	else if (str_is(st, "cancelled"))
		a->state = NODE_CANCELLED;
	else
		return false;
	return true;
}

int
reader_end(struct reader *r, struct event *e)
{
	struct timing_attempt end = {.retry_ns = -1}, *a;
	struct timing_node *node;
	bool bad = true;
	int code;

	while (reader_member(e)) {
		if (str_is(e->key, "st"))
			bad = !read_status(scan_string(&e->scan), &end);
		else if (str_is(e->key, "err"))
			end.error = read_message(r, &e->scan);
		else if (str_is(e->key, "retry"))
			end.retry_ns = scan_count(&e->scan);
		else if (str_is(e->key, "a"))
			read_outcome(&e->scan, r->a, &end.outcome);
		else
			scan_skip(&e->scan);
	}
	code = reader_check_timed(r, e);
	if (code)
		return code;
	a = find_attempt(r, e, &node);
	if (!a)
		return refuse_span(r, e);
	if (bad)
		return reader_refuse(r, "it ends as nothing that there is");
	a->end_ns = e->t_ns;
	a->retry_ns = end.retry_ns;
	a->state = end.state;
	a->abandoned = end.abandoned;
	a->error = end.error;
	a->outcome = end.outcome;
	a->outcome.place_lost = end.abandoned;
	if (a->needs_slot && end.abandoned && !end.outcome.ran)
		a->state = end.state = NODE_CANCELLED;
	r->last_ended = (uint32_t)(node - r->t->nodes);
	node->state = end.retry_ns < 0 ? end.state : NODE_PENDING;
	node->end_ns = end.retry_ns < 0 ? e->t_ns : -1;
	if (node->kind == KIND_RELEASE && end.state == NODE_OK)
		reader_let_go(r, node->index, e->t_ns);
	if (a->needs_slot)
		reader_give_slot(r, node);
	else if (node->kind == KIND_ENVIRONMENT)
		reader_make_slots(r, node);
	return 0;
}
