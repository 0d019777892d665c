/* view: keeping count of a run. */
#include "cmd/furrow/view_model.h"

#include "cmd/furrow/tail.h"
#include "cmd/furrow/text.h"
#include "planner/execute/meter.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

const struct view_way view_way_quiet = {0};

const struct node *
view_node(const struct view *v, uint32_t node)
{
	return &v->facts.plan->graph.nodes[node];
}

static bool
is_task(const struct view *v, uint32_t node)
{
	return view_node(v, node)->kind == KIND_TASK;
}

void
view_add_name(const struct view *v, struct buf *b, uint32_t node)
{
	const struct node *n = view_node(v, node);
	char id[KIND_ID_BYTES];

	kind_id(id, n->kind, n->index);
	buf_add_cstr(b, id);
	if (n->kind != KIND_TASK)
		return;
	buf_add_char(b, ' ');
	text_add_safe(b, v->facts.plan->job.tasks[n->index].label, 0);
}

uint32_t
view_running(const struct view *v)
{
	uint32_t slots = v->facts.plan->slots;

	return slots && v->tasks_running > slots ? slots : v->tasks_running;
}

int64_t
view_remaining_ns(const struct view *v, int64_t t_ns)
{
	uint32_t ended = v->tasks_ok + v->tasks_failed + v->tasks_cancelled;
	uint32_t left = v->n_tasks > ended ? v->n_tasks - ended : 0;
	double slots = v->facts.plan->slots ? v->facts.plan->slots : 1, mean, by_mean, by_pace;

	if (left == 0)
		return -1;
	if (v->tasks_ended < v->facts.plan->slots || v->tasks_ended == 0)
		return v->facts.plan->ns < t_ns ? -1 : v->facts.plan->ns - t_ns;
	mean = (double)v->tasks_ns / v->tasks_ended;
	if (left < slots)
		slots = left;
	by_mean = mean * (left - view_running(v) / 2.0) / slots;
	/* Results that are stored while the next tasks run already make the mean too long. Of a fleet that
	 * still grows the pace so far is too slow. */
	by_pace = (double)(t_ns - v->first_task_ns) / v->tasks_ended * left;
	return (int64_t)(by_pace < by_mean ? by_pace : by_mean);
}

void
view_add_counts(const struct view *v, struct buf *b, int64_t t_ns)
{
	const char *red = out_ink(v->facts.color && v->tasks_failed, INK_RED);
	const char *plain = out_ink(v->facts.color && v->tasks_failed, INK_PLAIN);
	int64_t left = view_remaining_ns(v, t_ns);
	char text[TEXT_BYTES];

	buf_addf(b, "%u of %u task%s done, %u running, %s%u failed%s, %s", v->tasks_ok, v->n_tasks,
		v->n_tasks == 1 ? "" : "s", view_running(v), red, v->tasks_failed, plain,
		text_elapsed(text, t_ns));
	if (left >= 2 * NS_PER_S)
		buf_addf(b, ", about %s left", text_elapsed(text, left));
	if (v->meter && meter_usd(v->meter, t_ns) > 0)
		buf_addf(b, ", %s%s so far", v->meter->least ? "at least " : "",
			text_usd(text, meter_usd(v->meter, t_ns)));
}

static void
add_failure(
	struct view *v, struct buf *b, const struct view_end *end, const char *eol, size_t columns)
{
	bool color = v->facts.color;
	struct buf which = {0};

	if (v->n_failures++ >= VIEW_MAX_ERRORS)
		return;
	buf_addf(b, "%s%s%s ", out_ink(color, end->will_retry ? INK_YELLOW : INK_RED),
		end->will_retry ? "again " : "failed", out_ink(color, INK_PLAIN));
	view_add_name(v, b, end->node);
	buf_add_cstr(b, ": ");
	if (end->will_retry)
		buf_addf(&which, " (attempt %u; it is tried again)", end->attempt);
	else if (end->attempt > 1)
		buf_addf(&which, " (attempt %u, the last one)", end->attempt);
	text_add_message(
		b, str_from(end->err ? end->err->message : "failed"), buf_str(&which), eol);
	buf_free(&which);
	if (is_task(v, end->node) && v->n_failures <= VIEW_FULL_ERRORS)
		tail_add(b, v->facts.logs, view_node(v, end->node)->index, end->attempt, color, eol,
			columns);
	if (v->n_failures == VIEW_MAX_ERRORS)
		buf_addf(b,
			"(further failures are counted only; `furrow logs` and `furrow report` "
			"tell them)%s\n",
			eol);
}

/* A task that queued at a place that is gone: it goes to another one, and nothing was lost. */
static bool
only_moved(const struct view *v, const struct view_end *end)
{
	return end->will_retry && is_task(v, end->node) && end->outcome &&
	       end->outcome->place_lost && !end->outcome->ran;
}

void
view_add_end(
	struct view *v, struct buf *b, const struct view_end *end, const char *eol, size_t columns)
{
	bool color = v->facts.color;
	char text[TEXT_BYTES];

	if (end->state == NODE_CANCELLED || only_moved(v, end))
		return;
	if (end->state == NODE_FAILED || end->will_retry) {
		add_failure(v, b, end, eol, columns);
		return;
	}
	if (is_task(v, end->node) && v->n_tasks > VIEW_FEW_TASKS)
		return;
	buf_addf(b, "%sdone%s   ", out_ink(color, INK_GREEN), out_ink(color, INK_PLAIN));
	view_add_name(v, b, end->node);
	buf_addf(b, " %s%s%s%s\n", out_ink(color, INK_DIM),
		text_duration(text, end->t_ns - v->since_ns[end->node]), out_ink(color, INK_PLAIN),
		eol);
}

void
view_add_interrupt(const struct view *v, struct buf *b, int count)
{
	uint32_t n = view_running(v);
	const char *s = n == 1 ? "" : "s";
	const char *them = n == 1 ? "it" : "them";

	if (count > 2)
		buf_addf(b, "killing %u running task%s", n, s);
	else if (count == 2)
		buf_addf(b, "stopping %u running task%s; press Ctrl-C again to kill %s at once", n,
			s, them);
	else if (n == 0)
		buf_add_cstr(b, "interrupted: nothing more is started");
	else
		buf_addf(b, "finishing %u running task%s; press Ctrl-C again to stop %s", n, s,
			them);
}

void
view_flush(struct view *v)
{
	if (v->out.n)
		v->target.write(v->target.ctx, buf_str(&v->out));
	buf_clear(&v->out);
}

/* What runs is kept in the order of its begin, so the longest comes first without sorting. */
static void
add_running(struct view *v, uint32_t node, uint32_t attempt, int64_t t_ns)
{
	v->since_ns[node] = t_ns;
	v->attempts[node] = attempt;
	v->running[v->n_running++] = node;
	if (is_task(v, node))
		v->tasks_running++;
	if (v->way->begin)
		v->way->begin(v, node, attempt, t_ns);
}

static bool
remove_running(struct view *v, uint32_t node)
{
	for (uint32_t i = 0; i < v->n_running; i++) {
		if (v->running[i] != node)
			continue;
		v->n_running--;
		memmove(&v->running[i], &v->running[i + 1],
			(v->n_running - i) * sizeof(*v->running));
		if (is_task(v, node))
			v->tasks_running--;
		return true;
	}
	return false;
}

static void
on_begin(void *ctx, uint32_t node, uint32_t attempt, int64_t t_ns)
{
	struct view *v = ctx;

	v->now_ns = t_ns;
	v->attempts[node] = attempt;
	v->phases[node] = PHASE_COUNT;
	/* A task that was handed out may wait at its host for a slot; it runs from `begun` on. */
	if (!is_task(v, node))
		add_running(v, node, attempt, t_ns);
}

static void
on_begun(void *ctx, uint32_t node, int64_t t_ns)
{
	struct view *v = ctx;

	v->now_ns = t_ns;
	if (!is_task(v, node))
		return;
	if (v->first_task_ns < 0)
		v->first_task_ns = t_ns;
	add_running(v, node, v->attempts[node], t_ns);
}

static void
on_phase(void *ctx, uint32_t node, enum phase phase, int64_t t_ns)
{
	struct view *v = ctx;

	v->now_ns = t_ns;
	v->phases[node] = (uint8_t)phase;
}

static void
on_end(void *ctx, uint32_t node, uint32_t attempt, enum node_state state,
	const struct outcome *outcome, const struct error *err, bool will_retry, int64_t t_ns)
{
	const struct view_end end = {.node = node,
		.attempt = attempt,
		.state = state,
		.outcome = outcome,
		.err = err,
		.will_retry = will_retry,
		.t_ns = t_ns};
	struct view *v = ctx;

	v->now_ns = t_ns;
	if (!remove_running(v, node))
		v->since_ns[node] = t_ns;
	if (is_task(v, node) && !will_retry) {
		v->tasks_ok += state == NODE_OK;
		v->tasks_failed += state == NODE_FAILED;
		v->tasks_cancelled += state == NODE_CANCELLED;
	}
	if (is_task(v, node) && state == NODE_OK) {
		v->tasks_ended++;
		v->tasks_ns += t_ns - v->since_ns[node];
	}
	if (v->way->end)
		v->way->end(v, &end);
}

static void
on_interrupt(void *ctx, int count)
{
	struct view *v = ctx;

	if (v->way->interrupt)
		v->way->interrupt(v, count);
}

static void
on_word(void *ctx, const char *text, int64_t t_ns)
{
	struct view *v = ctx;

	v->now_ns = t_ns;
	if (v->way->word)
		v->way->word(v, text, t_ns);
}

static void
on_meter(void *ctx, const struct meter *meter)
{
	struct view *v = ctx;

	v->meter = meter;
}

static void
on_tick(void *ctx, int64_t t_ns)
{
	struct view *v = ctx;

	v->now_ns = t_ns;
	if (v->way->tick)
		v->way->tick(v, t_ns);
}

static void
write_stderr(void *ctx, struct str bytes)
{
	(void)ctx;
	while (bytes.n) {
		ssize_t w = write(STDERR_FILENO, bytes.p, bytes.n);
		struct pollfd wait = {.fd = STDERR_FILENO, .events = POLLOUT};

		if (w < 0 && errno == EAGAIN)
			poll(&wait, 1, 1000);
		else if (w < 0 && errno != EINTR)
			return; /* nobody looks any more: the run goes on */
		else if (w > 0)
			bytes = str_from_index(bytes, (size_t)w);
	}
}

static void
size_of_stderr(void *ctx, unsigned *rows, unsigned *columns)
{
	struct winsize size = {0};

	(void)ctx;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	*rows = size.ws_row;
	*columns = size.ws_col;
}

const struct view_target *
view_stderr(void)
{
	static const struct view_target target = {.write = write_stderr, .size = size_of_stderr};

	return &target;
}

enum progress
view_decide(enum progress wish)
{
	const char *term = getenv("TERM"), *ci = getenv("CI");

	if (wish != PROGRESS_AUTO)
		return wish;
	if (!isatty(STDERR_FILENO) || !term || strcmp(term, "dumb") == 0)
		return PROGRESS_PLAIN;
	return ci && *ci && strcmp(ci, "false") != 0 ? PROGRESS_PLAIN : PROGRESS_TTY;
}

struct view *
view_open(enum progress mode, const struct view_facts *facts, const struct view_target *target)
{
	static const struct view_way *const ways[] = {
		[PROGRESS_AUTO] = &view_way_plain,
		[PROGRESS_TTY] = &view_way_tty,
		[PROGRESS_PLAIN] = &view_way_plain,
		[PROGRESS_JSON] = &view_way_json,
		[PROGRESS_QUIET] = &view_way_quiet,
	};
	uint32_t n = facts->plan->graph.n_nodes;
	struct view *v = mem_alloc(sizeof(*v));

	*v = (struct view){
		.facts = *facts, .target = *target, .way = ways[mode], .first_task_ns = -1};
	v->n_tasks = facts->plan->changes.n_tasks_run;
	v->running = mem_alloc((n + 1) * sizeof(*v->running));
	v->since_ns = mem_alloc((n + 1) * sizeof(*v->since_ns));
	v->attempts = mem_alloc((n + 1) * sizeof(*v->attempts));
	v->phases = mem_alloc(n + 1);
	v->observer = (struct exec_observer){
		.ctx = v,
		.begin = on_begin,
		.begun = on_begun,
		.phase = on_phase,
		.end = on_end,
		.interrupt = on_interrupt,
		.meter = on_meter,
		.word = on_word,
		.tick = on_tick,
		.tick_ns = v->way->tick_ns,
	};
	return v;
}

const struct exec_observer *
view_observer(const struct view *v)
{
	return &v->observer;
}

void
view_close(struct view *v, int64_t t_ns)
{
	v->meter = NULL; /* gone with the run */
	if (v->way->close)
		v->way->close(v, t_ns);
	view_flush(v);
	buf_free(&v->out);
	free(v->running);
	free(v->since_ns);
	free(v->attempts);
	free(v->phases);
	free(v->widths);
	free(v);
}
