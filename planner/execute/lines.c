/* lines: members of a journal's lines. No number goes through printf: a large run has a million of
 * them. */
#include "planner/execute/lines.h"

#include "planner/base/clock.h"
#include "planner/base/json.h"
#include "planner/ranges.h"

#include <math.h>

static const char *const code_names[] = {
	[-ERR_INPUT] = "input",
	[-ERR_TASK] = "task",
	[-ERR_HOST] = "host",
	[-ERR_STALE] = "stale",
	[-ERR_LOCKED] = "locked",
	[-ERR_CANCELLED] = "cancelled",
	[-ERR_MISSING] = "missing",
	[-ERR_INTERNAL] = "internal",
};

static void
add_int(struct buf *b, int64_t value)
{
	uint64_t u = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char digits[24], *p = digits + sizeof(digits);

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (value < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

void
line_int(struct buf *b, const char *name, int64_t value)
{
	json_add_name(b, name);
	add_int(b, value);
}

void
line_count(struct buf *b, const char *name, int64_t value)
{
	if (value != 0)
		line_int(b, name, value);
}

static void
line_pair(struct buf *b, const char *name, int64_t first, int64_t second)
{
	json_add_name(b, name);
	buf_add_char(b, '[');
	add_int(b, first);
	buf_add_char(b, ',');
	add_int(b, second);
	buf_add_char(b, ']');
}

void
line_flag(struct buf *b, const char *name, bool value)
{
	if (value)
		json_add_member_bool(b, name, true);
}

void
line_text(struct buf *b, const char *name, struct str value)
{
	if (value.n)
		json_add_member_string(b, name, value);
}

void
line_cstr(struct buf *b, const char *name, const char *value)
{
	line_text(b, name, str_from(value));
}

void
line_plain(struct buf *b, const char *name, const char *value)
{
	json_add_name(b, name);
	buf_add_char(b, '"');
	buf_add_cstr(b, value);
	buf_add_char(b, '"');
}

static void
line_sha256(struct buf *b, const char *name, const struct digest *d)
{
	char hex[DIGEST_HEX_BYTES];

	if (digest_is_zero(d))
		return;
	digest_hex(hex, d);
	json_add_name(b, name);
	buf_addf(b, "\"sha256:%s\"", hex);
}

void
line_id(struct buf *b, const char *name, enum kind kind, uint32_t index)
{
	json_add_name(b, name);
	buf_add_char(b, '"');
	buf_add_cstr(b, kind_name(kind));
	if (kind_is_indexed(kind)) {
		buf_add_char(b, '[');
		add_int(b, index);
		buf_add_char(b, ']');
	}
	buf_add_char(b, '"');
}

int64_t
line_nusd(double usd)
{
	if (!(usd >= 0))
		return -1;
	return usd < 9e9 ? llround(usd * 1e9) : INT64_MAX;
}

void
line_hourly(struct buf *b, double hourly_usd)
{
	if (hourly_usd == 0)
		return;
	json_add_name(b, "a");
	buf_add_char(b, '{');
	line_int(b, "nusd", line_nusd(hourly_usd));
	buf_add_char(b, '}');
}

void
line_head(struct buf *b, const struct journal_head *h, const char *trace)
{
	char wall0[CLOCK_RFC3339_BYTES], root[17];

	clock_format_rfc3339(wall0, h->wall0_ns);
	journal_span(root, trace, 0);
	line_int(b, "v", JOURNAL_VERSION);
	line_int(b, "n", 0);
	line_cstr(b, "run", h->run);
	line_plain(b, "trace", trace);
	line_plain(b, "span", root);
	line_plain(b, "wall0", wall0);
	line_text(b, "job", h->job);
	line_text(b, "infra", h->infra);
	line_sha256(b, "manifest", &h->manifest);
	line_text(b, "manifest_path", h->manifest_path);
	line_sha256(b, "plan", &h->plan);
	line_text(b, "commit", h->commit);
	line_flag(b, "dirty", h->dirty);
	if (h->patch_sha256.n) {
		json_add_name(b, "patch");
		buf_addf(b, "\"sha256:%.*s\"", STR_ARG(h->patch_sha256));
	}
	line_count(b, "pid", h->pid);
	line_count(b, "tasks", h->n_tasks);
	line_count(b, "in_place", h->n_in_place);
	if (h->said_ns <= 0 && h->said_usd <= 0)
		return;
	json_add_name(b, "said");
	buf_add_char(b, '{');
	if (h->said_ns > 0)
		line_int(b, "s", h->said_ns);
	if (h->said_usd > 0)
		line_int(b, "nusd", line_nusd(h->said_usd));
	buf_add_char(b, '}');
}

/* How many of the edges, from the first on, lead to one kind, upwards by index. */
static uint32_t
run_of_kind(const struct graph *g, const uint32_t *edges, uint32_t n)
{
	const struct node *nodes = g->nodes;
	uint32_t i = 1;

	while (i < n && nodes[edges[i]].kind == nodes[edges[0]].kind &&
		nodes[edges[i]].index > nodes[edges[i - 1]].index)
		i++;
	return i;
}

/* "kind[0..3,7]" of n nodes of one kind, upwards by index; numbers is scratch for n. */
static void
add_ids(struct buf *b, const struct graph *g, const uint32_t *edges, uint32_t n, uint32_t *numbers)
{
	enum kind kind = g->nodes[edges[0]].kind;

	buf_add_char(b, '"');
	buf_add_cstr(b, kind_name(kind));
	if (kind_is_indexed(kind)) {
		for (uint32_t i = 0; i < n; i++)
			numbers[i] = g->nodes[edges[i]].index;
		buf_add_char(b, '[');
		ranges_add(b, numbers, n, 0);
		buf_add_char(b, ']');
	}
	buf_add_char(b, '"');
}

static bool
fold_together(const struct graph *g, const struct node *a, const struct node *b)
{
	return a->kind == b->kind && kind_is_indexed(a->kind) && b->index > a->index &&
	       a->needs_slot == b->needs_slot && a->gives_slots == b->gives_slots &&
	       a->n_after == b->n_after &&
	       (a->n_after == 0 || memcmp(g->edges + a->after, g->edges + b->after,
					   a->n_after * sizeof(*g->edges)) == 0);
}

uint32_t
line_nodes(struct buf *b, const struct graph *g, uint32_t first, uint32_t *scratch)
{
	uint32_t *members = scratch, *numbers = scratch + g->n_nodes, n = 0;
	const struct node *node = &g->nodes[first];
	const uint32_t *edges = g->edges + node->after;

	do {
		members[n] = first + n;
		n++;
	} while (first + n < g->n_nodes &&
		 fold_together(g, &g->nodes[first + n - 1], &g->nodes[first + n]));
	json_add_name(b, "id");
	add_ids(b, g, members, n, numbers);
	line_plain(b, "kind", kind_name(node->kind));
	if (node->n_after) {
		json_add_name(b, "after");
		buf_add_char(b, '[');
		for (uint32_t i = 0, run; i < node->n_after; i += run) {
			if (i)
				buf_add_char(b, ',');
			run = run_of_kind(g, edges + i, node->n_after - i);
			add_ids(b, g, edges + i, run, numbers);
		}
		buf_add_char(b, ']');
	}
	if (node->needs_slot)
		line_plain(b, "needs", "slot");
	if (node->gives_slots)
		line_plain(b, "gives", "slot");
	return n;
}

void
line_error(struct buf *b, const struct error *e)
{
	json_add_name(b, "err");
	buf_add_char(b, '{');
	if (e->code < 0 && -e->code < (int)(sizeof(code_names) / sizeof(code_names[0])))
		line_plain(b, "code", code_names[-e->code]);
	if (e->class != CLASS_FATAL)
		line_plain(b, "class", error_class_name(e->class));
	line_count(b, "errno", e->os_errno);
	line_count(b, "http", e->http_status);
	line_cstr(b, "msg", e->message);
	buf_add_char(b, '}');
}

/* What the times of the process say anyway is left out: see how timings.c lays out an attempt. */
static void
add_phases(struct buf *b, const struct outcome *o)
{
	bool open = false;

	for (int p = 0; p < PHASE_COUNT; p++) {
		if (o->phase_ns[p] <= 0 || (o->ran && (p < PHASE_LAUNCH || p > PHASE_UPLOAD)))
			continue;
		if (!open) {
			json_add_name(b, "ph");
			buf_add_char(b, '{');
			open = true;
		}
		line_int(b, phase_name((enum phase)p), o->phase_ns[p]);
	}
	if (open)
		buf_add_char(b, '}');
}

static void
add_process(struct buf *b, const struct outcome *o)
{
	line_pair(b, "ran", o->begun_ns, o->ended_ns);
	line_count(b, "exit", o->exit_status);
	line_count(b, "sig", o->signal);
	line_flag(b, "timeout", o->timed_out);
	line_count(b, "cpu", o->cpu_ns);
	line_count(b, "rss", o->max_rss_bytes);
	line_count(b, "out", o->stdout_bytes);
	line_count(b, "errs", o->stderr_bytes);
	if (o->stdout_kept_bytes < o->stdout_bytes)
		line_int(b, "out_kept", o->stdout_kept_bytes);
	if (o->stderr_kept_bytes < o->stderr_bytes)
		line_int(b, "errs_kept", o->stderr_kept_bytes);
	if (o->output_bytes || o->output_files)
		line_pair(b, "files", o->output_bytes, o->output_files);
}

static void
add_boot(struct buf *b, const struct boot *boot)
{
	size_t before = b->n, empty;

	json_add_name(b, "boot");
	buf_add_char(b, '{');
	empty = b->n;
	for (int m = 0; m < BOOT_MARKS; m++)
		line_count(b, boot_mark_name((enum boot_mark)m), boot->ns[m]);
	if (boot->warm_ns)
		line_pair(b, "warm_files", boot->warm_ns, boot->warm_bytes);
	line_cstr(b, "warm_why", boot->warm_why);
	if (boot->disk_bytes_per_s)
		line_pair(b, "disk", boot->disk_bytes, boot->disk_bytes_per_s);
	if (b->n == empty)
		b->n = before;
	else
		buf_add_char(b, '}');
}

void
line_outcome(struct buf *b, const struct outcome *o)
{
	size_t before = b->n, empty;

	json_add_name(b, "a");
	buf_add_char(b, '{');
	empty = b->n;
	line_count(b, "slots", o->slots);
	if (o->ran)
		add_process(b, o);
	add_phases(b, o);
	if (o->boot)
		add_boot(b, o->boot);
	if (b->n == empty)
		b->n = before;
	else
		buf_add_char(b, '}');
}
