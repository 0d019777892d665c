/* plan: what would happen, and why. Reads everything and changes nothing. */
#include "cmd/furrow/out.h"
#include "cmd/furrow/saved_plan.h"
#include "cmd/furrow/show_curve.h"
#include "cmd/furrow/show_plan.h"
#include "cmd/furrow/wrap.h"
#include "planner/cost.h"

#include <string.h>
#include <unistd.h>

enum { STATUS_CHANGES = 2 };

static const char help[] =
	"usage: furrow plan [MANIFEST] [options]\n"
	"\n"
	"Shows what `furrow apply` would do, and why: which tasks have no result under\n"
	"their key yet, and what has to be made for them. Reads the manifest (default:\n"
	"./furrow.yaml), the sources and what exists; changes nothing.\n"
	"\n"
	"Examples:\n"
	"  furrow plan                      what would happen here\n"
	"  furrow plan --rev v1.2           the same as of a revision\n"
	"  furrow plan --curve              how many instances are worth it\n"
	"  furrow plan -o today.plan        save it for `furrow apply today.plan`\n"
	"\n"
	"Options:\n"
	"      --rev REV            manifest and sources as of a git revision\n"
	"      --allow-dirty        take the working files as they are\n"
	"      --infra INFRA        instead of the manifest's instances.infra: local, or\n"
	"                           aws/REGION[/ZONE]\n"
	"  -m, --manifest FILE      the manifest, instead of the argument\n"
	"  -j, --jobs N             count on N tasks at a time\n"
	"  -o, --output FILE        save the plan in FILE (- is stdout); what is no saved\n"
	"                           plan is not replaced\n"
	"      --curve              what it takes and costs with 1, 2, 5, 10, … instances\n"
	"      --task-time TIME     with --curve: how long a task takes (90s), or its\n"
	"                           median and 90th percentile (60s,90s); default: as long\n"
	"                           as before\n"
	"      --json               print the plan, or the curve, as one JSON document\n"
	"      --dot                print the graph for Graphviz\n"
	"      --detailed-exitcode  exit with 2 when there is something to do\n"
	"      --refresh-prices     ask for prices anew instead of taking those of the last\n"
	"                           four hours\n"
	"      --color WHEN         auto, always or never\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_JOBS, FURROW_COLOR, NO_COLOR, FURROW_ENGINE; for instances AWS_PROFILE,\n"
	"  AWS_REGION and the like, as the AWS SDKs take them\n"
	"\n"
	"Exit codes:\n"
	"  0    planned\n"
	"  2    with --detailed-exitcode: there is something to do\n"
	"  3    the host or the cloud failed\n"
	"  64   the command line or the manifest is wrong, or max_cost is not enough\n";

static int
save(struct prepared *p, const char *path, bool to_stdout, struct error *err)
{
	int rc = saved_plan_write(p, path, err);

	if (rc == 0 && !to_stdout)
		out_say("saved in %s; `furrow apply %s` does exactly that, once", path, path);
	return rc;
}

/* What is known before a graph is: how many instances is the question. */
static int
print_curve(struct prepared *p, const struct options *o, const struct curve_times *times,
	struct error *err)
{
	struct curve curve;
	struct buf b = {0};
	int rc = prepare_manifest(p, o, options_arg(o, 0), err);

	if (rc == 0)
		rc = prepare_observe(p, err);
	if (rc == 0)
		rc = prepare_diff(p, err);
	if (rc == 0)
		rc = curve_of_plan(&p->arena, &curve, &p->plan, times, err);
	if (rc < 0)
		return out_fail(err);
	if (o->json)
		curve_write_json(&b, &curve, &p->plan);
	else
		show_curve(&b, &curve, &p->plan, out_color(STDOUT_FILENO, o->config.color));
	rc = out_data(&b);
	buf_free(&b);
	return rc;
}

static void
show_text(struct buf *b, const struct plan *plan, enum color color)
{
	show_plan(b, plan, out_color(STDOUT_FILENO, color));
	wrap_for(b, STDOUT_FILENO);
}

static int
print(const struct plan *plan, const struct options *o)
{
	struct buf b = {0};
	int status;

	if (o->json)
		plan_write_json(&b, plan);
	else if (o->dot)
		plan_write_dot(&b, plan);
	else
		show_text(&b, plan, o->config.color);
	if (b.n && b.p[b.n - 1] != '\n')
		buf_add_char(&b, '\n');
	status = out_data(&b);
	buf_free(&b);
	return status;
}

static int
plan(struct prepared *p, struct options *o, struct error *err)
{
	bool saves_to_stdout = false;
	int status;

	if (o->output && strcmp(o->output, "-") == 0)
		o->output = "/dev/stdout";
	if ((o->output && saved_plan_may_write(o->output, &saves_to_stdout, err) < 0) ||
		prepare_plan(p, o, options_arg(o, 0), err) < 0 ||
		prepare_check_results(p, err) < 0 ||
		(o->output && plan_check_cost(&p->plan, err) < 0) ||
		(o->output && save(p, o->output, saves_to_stdout, err) < 0))
		return out_fail(err);
	status = saves_to_stdout ? 0 : print(&p->plan, o);
	if (status == 0 && plan_check_cost(&p->plan, err) < 0)
		return out_fail(err);
	return status == 0 && o->detailed_exitcode && p->plan.changes.n_todo ? STATUS_CHANGES
									     : status;
}

static int
run(int argc, char **argv)
{
	struct prepared p = {0};
	struct curve_times times = {0};
	struct options o;
	struct error err;
	int status = options_parse(&o, &command_plan,
		"rev allow-dirty infra manifest jobs output json dot detailed-exitcode "
		"refresh-prices color "
		"curve task-time",
		1, argc, argv);

	if (status >= 0)
		return status;
	if (o.curve && (o.dot || o.output || o.detailed_exitcode))
		return out_usage("plan: --curve goes with neither --dot, --output nor "
				 "--detailed-exitcode");
	if (o.task_time && !o.curve)
		return out_usage("plan: --task-time is for --curve");
	if (o.task_time && curve_parse_times(str_from(o.task_time), &times, &err) < 0)
		return out_usage("plan: --task-time: %s", err.message);
	if (o.json && o.dot)
		return out_usage("plan: --json and --dot at once; choose one");
	status = o.curve ? print_curve(&p, &o, &times, &err) : plan(&p, &o, &err);
	prepare_close(&p);
	return status;
}

const struct command command_plan = {
	.name = "plan",
	.summary = "show what apply would do, and why",
	.help = help,
	.run = run,
};
