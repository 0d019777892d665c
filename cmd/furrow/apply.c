/* apply: parse, observe, diff, graph, show, confirm, run, report. */
#include "cmd/furrow/out.h"
#include "cmd/furrow/prepare.h"
#include "cmd/furrow/run.h"
#include "cmd/furrow/saved_plan.h"
#include "cmd/furrow/show_plan.h"
#include "cmd/furrow/summary.h"
#include "cmd/furrow/wrap.h"
#include "planner/base/json.h"
#include "planner/cost.h"
#include "providers/store/collect.h"
#include "providers/store/lock.h"

#include <unistd.h>

static const char help[] =
	"usage: furrow apply [MANIFEST | PLAN] [options]\n"
	"\n"
	"Does what `furrow plan` shows: runs the tasks that have no result under their\n"
	"key yet, and brings all results together. Shows the plan and asks first. What\n"
	"is finished is kept whatever happens, so a second apply does only what is\n"
	"missing. A PLAN that `furrow plan -o` saved is applied as it is, once and\n"
	"unasked, or not at all when something moved since.\n"
	"\n"
	"Examples:\n"
	"  furrow apply                     show the plan, ask, do it\n"
	"  furrow apply -y -j 2             don't ask; two tasks at a time\n"
	"  furrow apply today.plan          apply what `furrow plan -o today.plan` saved\n"
	"\n"
	"Options:\n"
	"  -y, --yes                don't ask\n"
	"  -j, --jobs N             N tasks at a time\n"
	"  -k, --keep-going         go on although a task failed (see map.fail_fast)\n"
	"  -n, --dry-run            print what would be started, and start nothing; with\n"
	"                           --json the plan\n"
	"      --rev REV            manifest and sources as of a git revision\n"
	"      --allow-dirty        take the working files as they are\n"
	"      --infra INFRA        instead of the manifest's instances.infra: local, or\n"
	"                           aws/REGION[/ZONE]\n"
	"  -m, --manifest FILE      the manifest, instead of the argument\n"
	"      --refresh-prices     ask for prices anew instead of taking those of the last\n"
	"                           four hours\n"
	"      --progress HOW       auto, tty, plain, json or quiet\n"
	"      --json               print the summary as one JSON document\n"
	"      --color WHEN         auto, always or never\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_JOBS, FURROW_PROGRESS, FURROW_COLOR, NO_COLOR, CI, FURROW_ENGINE,\n"
	"  FURROW_RUNNER, and what the manifest names in environment.secrets; for instances\n"
	"  AWS_PROFILE, AWS_REGION and the like, as the AWS SDKs take them\n"
	"\n"
	"Exit codes:\n"
	"  0    done, or nothing to do\n"
	"  1    a task failed, or max_duration or max_cost ended the run\n"
	"  3    the host or the cloud failed\n"
	"  4    a saved plan is out of date or was applied before, or an input changed\n"
	"       while the plan was carried out\n"
	"  64   the command line or the manifest is wrong, or nobody said yes\n"
	"  75   another apply of this job runs\n"
	"  130  interrupted (128 + signal): Ctrl-C lets running tasks finish, a\n"
	"       second one stops them\n";

struct apply {
	struct options options;
	struct prepared prepared;
	struct saved_plan saved;
	struct lock *lock;
	struct run run;
	char id[27]; /* of the run to come */
};

/* From here on nobody else applies this job, so what is observed holds until the end. A dry run
 * takes no lock. */
static int
take_lock(struct apply *a, struct error *err)
{
	struct prepared *p = &a->prepared;
	int rc;

	if (a->options.dry_run)
		return 0;
	rc = state_dir_open(&p->arena, &p->state, p->place.dir, true, err);
	p->lock_run = a->id;
	return rc < 0 ? rc : lock_take(&a->lock, p->state.lock, a->id, err);
}

/* {"ev":"plan",…}: the first line for programs that watch. `furrow plan --json` tells all of it. */
static void
add_plan_event(struct buf *b, const struct plan *plan)
{
	buf_add_cstr(b, "{\"ev\":\"plan\"");
	json_add_member_string(b, "job", plan->job.manifest->name);
	json_add_member_int(b, "actions", (int64_t)plan->changes.n_todo);
	json_add_member_int(b, "tasks", plan->job.n_tasks);
	json_add_member_int(b, "run", plan->changes.n_tasks_run);
	json_add_member_int(b, "in_place", plan->changes.n_tasks_in_place);
	buf_add_cstr(b, "}\n");
}

static void
show(const struct apply *a)
{
	enum progress progress = a->options.config.progress;
	struct buf b = {0};

	if (progress == PROGRESS_QUIET && a->options.yes)
		return;
	if (progress == PROGRESS_JSON)
		add_plan_event(&b, &a->prepared.plan);
	else
		show_plan(&b, &a->prepared.plan, out_color(STDERR_FILENO, a->options.config.color));
	if (progress != PROGRESS_JSON)
		wrap_for(&b, STDERR_FILENO);
	out_lines(&b);
	buf_free(&b);
}

static int
confirm(const struct apply *a, struct error *err)
{
	if (a->options.yes || a->saved.there)
		return 0;
	if (!out_can_ask())
		return error_set(err, ERR_INPUT,
			"apply asks first, and there is no terminal to ask on: -y says yes");
	if (!out_ask("\nApply?"))
		return error_set(err, ERR_INPUT, "nothing was done");
	return 0;
}

/* {"ev":"summary","summary":{…}}: the last line for programs that watch. */
static void
add_summary_event(struct buf *b, const struct summary *summary)
{
	buf_add_cstr(b, "{\"ev\":\"summary\",\"summary\":");
	summary_write_json(b, summary);
	b->n--; /* its newline */
	buf_add_cstr(b, "}\n");
}

/* Also said to who wants no words: it costs money. */
static void
tell_left(const struct apply *a)
{
	const struct pairs *left = &a->run.left;

	for (size_t i = 0; i < left->n; i++)
		out_say("furrow: %.*s still runs and costs money; furrow destroy removes it, or by "
			"hand: %.*s",
			STR_ARG(left->v[i].name), STR_ARG(left->v[i].value));
}

static int
report(struct apply *a)
{
	enum progress progress = a->options.config.progress;
	struct prepared *p = &a->prepared;
	const struct summary summary = {
		.plan = &p->plan,
		.timings = &a->run.timings,
		.results_dir = place_shown(&p->place, p->results),
		.logs = arena_printf(&p->arena, "%s/logs", a->run.path).p,
		.exit_status = a->run.exit_status,
		.fail_fast = p->manifest.map.fail_fast && !a->options.keep_going,
		.out_of_time = a->run.out_of_time,
		.out_of_money = a->run.out_of_money,
		.left = &a->run.left,
		.n_warm = a->run.n_warm,
		.lost = str_from(a->run.lost.code ? a->run.lost.message : NULL),
		.color = out_color(STDERR_FILENO, a->options.config.color),
	};
	struct buf b = {0};
	int status = 0;

	if (progress == PROGRESS_JSON)
		add_summary_event(&b, &summary);
	else if (progress != PROGRESS_QUIET)
		summary_write(&b, &summary);
	if (progress != PROGRESS_JSON)
		wrap_for(&b, STDERR_FILENO);
	out_lines(&b);
	if (progress != PROGRESS_JSON) /* there the summary has it, and is the last line */
		tell_left(a);
	if (a->options.json) {
		summary_write_json(&b, &summary);
		status = out_data(&b);
	}
	buf_free(&b);
	return a->run.exit_status ? a->run.exit_status : status;
}

static int
dry_run(struct apply *a, struct error *err)
{
	struct buf b = {0};
	int rc = 0, status;

	if (a->options.json) {
		plan_write_json(&b, &a->prepared.plan);
		buf_add_cstr(&b, b.p[b.n - 1] == '\n' ? "" : "\n");
	} else if (a->prepared.plan.changes.n_todo) {
		rc = run_dry(&a->prepared, &b, err);
	}
	status = rc < 0 ? out_fail(err) : out_data(&b);
	buf_free(&b);
	return status;
}

/* Everything is in place: that is data as well, for those who asked for JSON. */
static int
nothing_to_do(const struct apply *a)
{
	const struct changes *c = &a->prepared.plan.changes;
	struct buf b = {0};
	int status;

	if (!a->options.json)
		return 0;
	buf_addf(&b,
		"{\"furrow_run\":1,\"run\":null,\"exit\":0,\"wall_s\":0,"
		"\"tasks\":{\"total\":%u,\"in_place\":%u,\"done\":0,\"failed\":0,\"stopped\":0,"
		"\"not_run\":0},"
		"\"results\":",
		a->prepared.plan.job.n_tasks, c->n_tasks_in_place);
	json_add_string(&b, a->prepared.results);
	buf_add_cstr(&b, "}\n");
	status = out_data(&b);
	buf_free(&b);
	return status;
}

/* The program on one page. Returns the exit status. */
static int
apply(struct apply *a, struct error *err)
{
	const char *manifest = options_arg(&a->options, 0);
	struct prepared *p = &a->prepared;
	int rc = saved_plan_open(&a->saved, &p->arena, &a->options, manifest, err);

	if (rc == 0)
		rc = prepare_manifest(p, &a->options, a->saved.there ? NULL : manifest, err);
	if (rc == 0 && !a->options.dry_run && !str_starts(p->results, STR("s3://")))
		rc = collect_check(p->results.p, err);
	if (rc == 0)
		rc = take_lock(a, err);
	if (rc == 0)
		rc = prepare_observe(p, err);
	if (rc == 0)
		rc = prepare_diff(p, err);
	if (rc == 0)
		rc = prepare_graph(p, err);
	if (rc == 0)
		rc = saved_plan_check(&a->saved, p, err);
	if (rc == 0)
		rc = prepare_check_results(p, err);
	if (rc < 0)
		return out_fail(err);

	show(a);
	if (a->options.dry_run)
		return dry_run(a, err);
	if (p->plan.changes.n_todo == 0)
		return nothing_to_do(a);

	rc = plan_check_cost(&p->plan, err);
	if (rc == 0)
		rc = confirm(a, err);
	if (rc == 0)
		rc = saved_plan_take(&a->saved, p, a->id, err);
	if (rc == 0)
		rc = run_plan(&a->run, p, &a->options, a->id, err);
	if (rc < 0) {
		tell_left(a);
		return out_fail(err);
	}

	return report(a);
}

static int
run(int argc, char **argv)
{
	struct apply a = {0};
	struct error err;
	int status = options_parse(&a.options, &command_apply,
		"yes jobs keep-going dry-run rev allow-dirty infra manifest refresh-prices "
		"progress json color",
		1, argc, argv);

	if (status >= 0)
		return status;
	out_say_as_json(a.options.config.progress == PROGRESS_JSON);
	prepare_ulid(a.id);
	status = apply(&a, &err);
	lock_release(a.lock);
	prepare_close(&a.prepared);
	return status;
}

const struct command command_apply = {
	.name = "apply",
	.summary = "do it: run what has no result yet, collect the results",
	.help = help,
	.run = run,
};
