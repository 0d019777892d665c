/* run: executing a plan: what stands around executor_run. */
#include "cmd/furrow/run.h"

#include "cmd/furrow/record.h"
#include "cmd/furrow/run_dir.h"
#include "cmd/furrow/view.h"
#include "planner/execute/journal.h"
#include "planner/execute/pool.h"
#include "providers/store/store.h"

#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

/* WORKERS: steps that are no tasks, at a time; beside them each instance may be at its setup. */
enum { WORKERS = 8, MAX_WORKERS = 256, STEP_ATTEMPTS = 4, AHEAD_LEAST = 32 };

static const int64_t grace_ns = 5 * NS_PER_S;
static const int64_t gather_ns = NS_PER_S / 250;

/* What a signal handler can reach: there is one run in a process. */
static struct pool *volatile signalled_pool;
static volatile sig_atomic_t last_signal;

static void
on_signal(int number)
{
	struct pool *pool = signalled_pool;
	int saved = errno;

	last_signal = number;
	if (pool)
		pool_interrupt(pool, number);
	errno = saved;
}

enum { N_SIGNALS = 3 };
static const int signals[N_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

static void
catch_signals(struct pool *pool, struct sigaction before[N_SIGNALS])
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	sigemptyset(&action.sa_mask);
	last_signal = 0;
	signalled_pool = pool;
	for (int i = 0; i < N_SIGNALS; i++) {
		sigaction(signals[i], NULL, &before[i]);
		/* nohup, and shells that start background jobs, ignore some on purpose. */
		if (before[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

static void
release_signals(const struct sigaction before[N_SIGNALS])
{
	signalled_pool = NULL;
	for (int i = 0; i < N_SIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
}

static void
make_trace(char trace[33])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[16] = {1};
	ssize_t n = getrandom(random, sizeof(random), 0);

	(void)n;
	for (size_t i = 0; i < sizeof(random); i++) {
		trace[2 * i] = digits[random[i] >> 4];
		trace[2 * i + 1] = digits[random[i] & 15];
	}
	trace[32] = '\0';
}

/* Short tasks come faster when the runner has more of them at hand; those cannot be taken back as quickly as
 * fail_fast promises. */
static uint32_t
ahead_of(const struct prepared *p, const struct options *o)
{
	if (p->manifest.map.fail_fast && !o->keep_going)
		return 0;
	return p->plan.slots > AHEAD_LEAST ? p->plan.slots : AHEAD_LEAST;
}

/* Where hosts have tasks at hand, no slot waits until a result is durable. */
static void
let_results_gather(const struct prepared *p, const struct exec_options *e)
{
	bool capped = e->max_slots && e->max_slots < p->plan.slots;

	if (p->site->store && e->ahead > 0 && !capped)
		store_gather(p->site->store, gather_ns);
}

static struct exec_options
options_of(const struct prepared *p, const struct options *o)
{
	const struct manifest *m = &p->manifest;
	struct exec_options e = {
		.max_slots = p->max_slots,
		.fail_fast = m->map.fail_fast && !o->keep_going,
		.deadline_ns = m->max_duration_ns,
		.max_cost_usd = m->instances.infra.kind == INFRA_AWS ? m->max_cost_usd : 0,
		.task_timeout_ns = m->timeout_ns,
		.grace_ns = grace_ns,
		.ahead = ahead_of(p, o),
		/* This machine is not lost but by a fault; an instance may be taken away. */
		.remake_places = m->instances.infra.kind == INFRA_AWS,
		.retry =
			{
				.task_attempts =
					m->retry.attempts < 1 ? 1 : (uint32_t)m->retry.attempts,
				.task_for_mask = m->retry.for_mask,
				.exit_codes = m->retry.exit_codes,
				.n_exit_codes = m->retry.n_exit_codes,
				.step_attempts = STEP_ATTEMPTS,
				.delay_ns = m->retry.delay_ns,
			},
	};
	ssize_t n = getrandom(&e.retry.seed, sizeof(e.retry.seed), 0);

	(void)n;
	return e;
}

static int
open_journal(struct journal **out, const struct run *run, const struct prepared *p,
	const char *trace, int64_t wall0_ns, struct error *err)
{
	const struct plan *plan = &p->plan;
	const struct source *source = plan->job.source;
	const struct journal_head head = {
		.run = run->id,
		.trace = trace,
		.wall0_ns = wall0_ns,
		.job = p->manifest.name,
		.manifest_path = plan->manifest_path,
		.commit = source->commit,
		.patch_sha256 = source->patch_sha256,
		.infra = p->manifest.instances.infra.text,
		.manifest = plan->manifest_digest,
		.plan = plan->state,
		.dirty = source->kind == SOURCE_DIRTY,
		.pid = (int)getpid(),
		.n_tasks = plan->job.n_tasks,
		.n_in_place = plan->changes.n_tasks_in_place,
		.said_ns = plan->ns,
		.said_usd = plan->usd,
	};
	struct arena a = {0};
	int rc = journal_create(
		out, arena_printf(&a, "%s/journal.jsonl", run->path).p, &head, &plan->graph, err);

	arena_free(&a);
	return rc;
}

static int
exit_status_of(int rc, const struct exec_result *result)
{
	if (rc == 0)
		return 0;
	if (result->interrupted && last_signal)
		return 128 + last_signal;
	return error_exit_code((enum error_code)rc);
}

static uint32_t
count_workers(const struct plan *plan)
{
	uint32_t n = WORKERS + plan->changes.n_instances;

	return n < MAX_WORKERS ? n : MAX_WORKERS;
}

/* Walks the graph with everything in place; fills out->exit_status. */
static int
execute(struct run *out, struct prepared *p, const struct options *o, const char *trace,
	struct error *err)
{
	const struct clock *clock = clock_system();
	const struct exec_options options = options_of(p, o);
	const enum progress mode = view_decide(o->config.progress);
	const struct view_facts facts = {
		.plan = &p->plan,
		.run = out->id,
		.logs = arena_printf(&p->arena, "%s/logs", out->path).p,
		.color = out_color(STDERR_FILENO, o->config.color),
	};
	struct sigaction before[N_SIGNALS];
	struct exec_result result = {0};
	struct journal *journal = NULL;
	struct view *view;
	struct pool *pool = pool_open(&p->site->provider, clock, count_workers(&p->plan));
	int64_t wall0_ns = clock->wall_ns(clock->ctx);
	int rc = open_journal(&journal, out, p, trace, wall0_ns, err);

	if (rc < 0) {
		pool_close(pool);
		return rc;
	}
	let_results_gather(p, &options);
	view = view_open(mode, &facts, view_stderr());
	catch_signals(pool, before);
	rc = executor_run(&p->arena, &p->plan.graph, &options, pool_port(pool), journal,
		view_observer(view), &result, NULL);
	view_close(view, result.wall_ns);
	out->exit_status = exit_status_of(rc, &result);
	out->out_of_time = result.out_of_time;
	out->out_of_money = result.out_of_money;
	out->lost = result.lost;
	rc = journal_close(journal, &result, out->exit_status, err);
	release_signals(before);
	pool_close(pool);
	return rc;
}

int
run_plan(struct run *out, struct prepared *p, const struct options *o, const char *id,
	struct error *err)
{
	struct run_dir dir = {.id = id};
	char trace[33];
	int rc;

	*out = (struct run){.id = arena_cstr(&p->arena, str_from(id)),
		.path = arena_printf(&p->arena, "%s/%s", p->state.runs, id).p};
	dir.path = out->path;
	make_trace(trace);
	rc = p->site->ops->begin_run(p->site, &p->plan, id, trace, err);
	if (rc == 0)
		rc = run_tasks_write(out->path, &p->plan, err);
	if (rc == 0)
		rc = execute(out, p, o, trace, err);
	p->site->ops->end_run(p->site);
	out->left = p->site->left;
	out->n_warm = p->site->n_warm;
	if (rc == 0)
		rc = run_dir_timings(&p->arena, &dir, &out->timings, err);
	if (rc == 0)
		record_run(&p->plan, &out->timings, p->site->store,
			p->site->ops->lock ? &p->plan.observed.history : NULL);
	return rc;
}

struct dry {
	struct buf *out;
	const struct plan *plan;
};

static void
dry_begin(void *ctx, uint32_t node, uint32_t attempt, int64_t t_ns)
{
	const struct dry *dry = ctx;
	const struct node *n = &dry->plan->graph.nodes[node];
	char id[KIND_ID_BYTES];

	(void)attempt;
	(void)t_ns;
	kind_id(id, n->kind, n->index);
	buf_addf(dry->out, "%c %s", verb_sign(n->verb), id);
	if (n->kind == KIND_TASK)
		buf_addf(dry->out, " %.*s", STR_ARG(dry->plan->job.tasks[n->index].label));
	buf_add_char(dry->out, '\n');
}

int
run_dry(struct prepared *p, struct buf *out, struct error *err)
{
	const struct options none = {0};
	struct exec_options options = options_of(p, &none);
	struct dry dry = {.out = out, .plan = &p->plan};
	const struct exec_observer observer = {.ctx = &dry, .begin = dry_begin};
	struct pool *pool = pool_open(&p->site->provider, clock_system(), 1);
	struct exec_result result;
	int rc;

	options.dry_run = true;
	rc = executor_run(&p->arena, &p->plan.graph, &options, pool_port(pool), NULL, &observer,
		&result, err);
	pool_close(pool);
	return rc;
}
