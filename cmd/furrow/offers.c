/* offers: what instances can be had as, and for how much, the best first. Reads, and changes nothing. */
#include "cmd/furrow/offers_table.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/prepare.h"
#include "cmd/furrow/wishes.h"
#include "providers/fleet/fleet.h"

#include <stdlib.h>
#include <unistd.h>

enum { SHOWN = 20 };

static const char help[] =
	"usage: furrow offers [MANIFEST] [options]\n"
	"\n"
	"Shows what instances fit the manifest's wishes (default: ./furrow.yaml), in which\n"
	"zones and markets, and what they cost, ranked by what the job would pay. The first\n"
	"is what `furrow apply` launches. Options take the place of the manifest's wishes;\n"
	"with some of them and --infra no manifest is needed, and the ranking is by the\n"
	"hour. A price is an instance's with its disk, its public address and, of burstable\n"
	"types, the CPU credits that busy CPUs cost. Changes nothing.\n"
	"\n"
	"Examples:\n"
	"  furrow offers                                       for the job here\n"
	"  furrow offers --infra aws/us-east-2 --cpus 4+ --memory 16GiB+\n"
	"  furrow offers --gpus L4:1 --spot --max 5 --json     for programs\n"
	"\n"
	"Options:\n"
	"      --infra INFRA        instead of the manifest's instances.infra:\n"
	"                           aws/REGION[/ZONE]; without a manifest and without this:\n"
	"                           AWS_REGION's\n"
	"      --cpus CPUS          how many: 4, 4+ or 4..8\n"
	"      --memory MEMORY      how much: 16GiB, 16GiB+ or 16GiB..32GiB\n"
	"      --gpus GPUS          which and how many: L4:1, or any:1+\n"
	"      --arch ARCH          x86_64, arm64 or any\n"
	"      --type TYPE          this type alone\n"
	"      --spot               spot alone\n"
	"      --on-demand          no spot\n"
	"      --max N              show at most N (default: 20; with --json: all)\n"
	"      --refresh-prices     ask for prices anew instead of taking those of the last\n"
	"                           four hours\n"
	"      --rev REV            manifest and sources as of a git revision\n"
	"  -m, --manifest FILE      the manifest, instead of the argument\n"
	"      --json               print one JSON document\n"
	"      --color WHEN         auto, always or never\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_COLOR, NO_COLOR, FURROW_SUBNET, FURROW_SPOT_ADVISOR_URL; AWS_PROFILE,\n"
	"  AWS_REGION and the like, as the AWS SDKs take them\n"
	"\n"
	"Exit codes:\n"
	"  0    shown\n"
	"  3    the cloud failed\n"
	"  64   the command line or the manifest is wrong, or nothing fits\n";

/* Where the AWS SDKs would look first; absent: nowhere. */
static struct str
default_infra(struct arena *a)
{
	const char *region = getenv("AWS_REGION");

	if (!region || !*region)
		region = getenv("AWS_DEFAULT_REGION");
	return region && *region ? arena_printf(a, "aws/%s", region) : (struct str){0};
}

/* Of wishes alone: nothing of a job is read. */
static int
look_without_manifest(
	struct prepared *p, const struct options *o, struct offers_shown *out, struct error *err)
{
	struct str infra = o->infra ? str_from(o->infra) : default_infra(&p->arena);
	struct offer_need need = {.tasks = 1, .max_instances = 1};
	struct site_config config;
	int rc;

	if (!infra.p)
		return error_set(err, ERR_INPUT,
			"offers of which region? --infra aws/REGION, or AWS_REGION");
	rc = wishes_manifest(&p->arena, &p->manifest, infra, o, err);
	if (rc == 0 && p->manifest.instances.infra.kind != INFRA_AWS)
		rc = error_set(err, ERR_INPUT, "infra %.*s has no offers; --infra aws/REGION has",
			STR_ARG(infra));
	if (rc == 0)
		rc = state_dir_open(&p->arena, &p->state, p->place.dir, false, err);
	if (rc < 0)
		return rc;
	p->refresh_prices = o->refresh_prices;
	p->results = arena_printf(&p->arena, "%s/results", p->place.dir);
	config = prepare_site_config(p);
	rc = fleet_open(&p->site, &config, err);
	if (rc == 0)
		rc = fleet_look_at_offers(p->site, err);
	if (rc < 0)
		return rc;
	out->fleet = &p->site->seen.observed.fleet;
	out->offers = out->fleet->offers;
	out->n = out->fleet->n_offers;
	offers_rank(out->offers, out->n, &need);
	return 0;
}

/* Of a job: as its plan has them. */
static int
look_at_job(
	struct prepared *p, const struct options *o, struct offers_shown *out, struct error *err)
{
	const struct plan *plan = &p->plan;
	int rc = wishes_override(&p->arena, &p->manifest, o, err);

	if (rc == 0 && p->manifest.instances.infra.kind != INFRA_AWS)
		rc = error_set(err, ERR_INPUT,
			"%s: infra %.*s has no offers; --infra aws/REGION has", p->place.shown,
			STR_ARG(p->manifest.instances.infra.text));
	if (rc == 0)
		rc = prepare_observe(p, err);
	if (rc == 0)
		rc = prepare_diff(p, err);
	if (rc < 0)
		return rc;
	out->job = p->manifest.name;
	out->fleet = &plan->observed.fleet;
	out->offers = plan->changes.offers;
	out->n = plan->changes.n_offers;
	out->n_tasks = plan->changes.n_tasks_run;
	for (size_t i = 0; i < plan->changes.n_todo; i++)
		out->n_launched += plan->changes.todo[i].kind == KIND_INSTANCE;
	if (!out->n || !out->n_tasks) {
		/* Nothing is to run: as if all of it were. */
		const struct offer_need need = {.tasks = plan->job.n_tasks,
			.max_instances = out->fleet->max,
			.max_slots = out->fleet->max_slots};

		out->offers = out->fleet->offers;
		out->n = out->fleet->n_offers;
		offers_rank(out->offers, out->n, &need);
	}
	return 0;
}

static int
look(struct prepared *p, const struct options *o, const char *argument, struct offers_shown *out,
	struct error *err)
{
	bool named = argument || o->manifest || o->rev;
	int rc = place_from_options(&p->arena, &p->place, o, argument, err);

	if (rc < 0)
		return rc;
	if (!named && (wishes_given(o) || o->infra) && access(p->place.path, F_OK) != 0)
		return look_without_manifest(p, o, out, err);
	rc = prepare_manifest(p, o, argument, err);
	return rc < 0 ? rc : look_at_job(p, o, out, err);
}

/* What the table doesn't say. */
static void
say(const struct offers_shown *s)
{
	if (s->fleet && s->fleet->prices_missing.p)
		out_say("prices: %.*s", STR_ARG(s->fleet->prices_missing));
	if (s->n_launched)
		out_say("`furrow apply` launches %u of the first", s->n_launched);
	else if (s->job.p)
		out_say("`furrow apply` launches none: %s",
			s->n_tasks ? "what is there already is enough" : "nothing is to run");
}

static int
run(int argc, char **argv)
{
	struct prepared p = {.prefer_commit = true};
	struct offers_shown shown = {0};
	struct options o;
	struct error err;
	struct buf b = {0};
	int status = options_parse(&o, &command_offers,
		"infra cpus memory gpus arch type spot on-demand max refresh-prices rev manifest "
		"json "
		"color",
		1, argc, argv);

	if (status >= 0)
		return status;
	if (o.spot && o.on_demand)
		return out_usage("offers: --spot and --on-demand at once; choose one");
	o.allow_dirty = !o.rev;
	if (look(&p, &o, options_arg(&o, 0), &shown, &err) < 0) {
		status = out_fail(&err);
	} else {
		shown.most = o.max > 0 ? (size_t)o.max : o.json ? shown.n : SHOWN;
		if (o.json)
			offers_add_json(&b, &shown);
		else
			offers_add_table(&b, &shown, out_color(STDOUT_FILENO, o.config.color));
		status = out_data(&b);
		if (status == 0 && !o.json)
			say(&shown);
	}
	buf_free(&b);
	prepare_close(&p);
	return status;
}

const struct command command_offers = {
	.name = "offers",
	.summary = "what instances can be had, and for how much",
	.help = help,
	.run = run,
};
