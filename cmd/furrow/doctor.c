/* doctor: whether this manifest's job could run here, with all that is in its way told at once. Changes
 * nothing. */
#include "cmd/furrow/out.h"
#include "cmd/furrow/prepare.h"
#include "planner/base/json.h"
#include "planner/regions.h"
#include "planner/source.h"
#include "providers/aws/policy.h"
#include "providers/aws/s3.h"
#include "providers/doctor/doctor.h"

#include <unistd.h>

static const char help[] =
	"usage: furrow doctor [MANIFEST] [options]\n"
	"\n"
	"Asks for everything that a manifest's job (default: ./furrow.yaml) needs, side\n"
	"by side, and tells all that is wrong at once: credentials, clock, region,\n"
	"permissions (by dry runs), bucket, quotas against the manifest's wish, the\n"
	"image, the subnet, this machine's address; here: the runner, git, the folders,\n"
	"the container engine. Changes nothing.\n"
	"\n"
	"Examples:\n"
	"  furrow doctor                    would `furrow apply` work?\n"
	"  furrow doctor --json job.yaml    the same for programs\n"
	"  furrow doctor --policy >p.json   the IAM policy that is just enough for it\n"
	"\n"
	"Options:\n"
	"      --policy             print the least IAM policy for this manifest; asks AWS\n"
	"                           nothing\n"
	"      --infra INFRA        instead of the manifest's instances.infra: local, or\n"
	"                           aws/REGION[/ZONE]\n"
	"      --rev REV            manifest and sources as of a git revision\n"
	"      --allow-dirty        take the working files as they are\n"
	"  -m, --manifest FILE      the manifest, instead of the argument\n"
	"      --json               print one JSON document\n"
	"      --color WHEN         auto, always or never\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_COLOR, NO_COLOR, FURROW_ENGINE, FURROW_SUBNET, FURROW_CALLER_IP_URL;\n"
	"  AWS_PROFILE, AWS_REGION and the like, as the AWS SDKs take them\n"
	"\n"
	"Exit codes:\n"
	"  0    nothing is in the way, perhaps with warnings\n"
	"  3    this machine or the cloud says no\n"
	"  64   the command line or the manifest is wrong, and nothing else\n";

static size_t
count(const struct doctor_findings *f, enum doctor_verdict v)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->v[i].verdict == v;
	return n;
}

static int
status_of(const struct doctor_findings *f)
{
	int status = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].verdict != DOCTOR_FAIL)
			continue;
		if (!f->v[i].input)
			return error_exit_code(ERR_HOST);
		status = error_exit_code(ERR_INPUT);
	}
	return status;
}

static void
add_line(struct buf *b, const struct doctor_finding *f, bool color)
{
	static const enum ink inks[] = {
		[DOCTOR_OK] = INK_GREEN, [DOCTOR_WARN] = INK_YELLOW, [DOCTOR_FAIL] = INK_RED};

	buf_addf(b, "%s%-4s%s  %-11s  %.*s: %.*s\n", out_ink(color, inks[f->verdict]),
		doctor_verdict_name(f->verdict), out_ink(color, INK_PLAIN), f->check,
		STR_ARG(f->tried), STR_ARG(f->found));
	if (f->advice.p)
		buf_addf(b, "%19s-> %.*s\n", "", STR_ARG(f->advice));
}

/* A line for all permissions that are as they should be. */
static void
add_allowed(struct buf *b, const struct doctor_findings *f, bool color)
{
	bool any = false;

	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].verdict != DOCTOR_OK || strcmp(f->v[i].check, "permission") != 0)
			continue;
		if (!any)
			buf_addf(b, "%sok%s    %-11s  ", out_ink(color, INK_GREEN),
				out_ink(color, INK_PLAIN), "permission");
		buf_addf(b, "%s%.*s", any ? ", " : "", STR_ARG(f->v[i].tried));
		any = true;
	}
	if (any)
		buf_add_cstr(b, ": allowed\n");
}

static int
print_words(const struct doctor_findings *f, const struct options *o)
{
	bool color = out_color(STDOUT_FILENO, o->config.color), told = false;
	struct buf b = {0};
	int status;

	for (size_t i = 0; i < f->n; i++) {
		bool permission = strcmp(f->v[i].check, "permission") == 0;

		if (permission && !told)
			add_allowed(&b, f, color);
		told |= permission;
		if (!permission || f->v[i].verdict != DOCTOR_OK)
			add_line(&b, &f->v[i], color);
	}
	status = out_data(&b);
	buf_free(&b);
	if (status == 0)
		out_say("doctor: %zu ok, %zu to be warned of, %zu in the way", count(f, DOCTOR_OK),
			count(f, DOCTOR_WARN), count(f, DOCTOR_FAIL));
	return status;
}

static int
print_json(const struct prepared *p, const struct doctor_findings *f)
{
	struct buf b = {0};
	int status;

	buf_add_char(&b, '{');
	json_add_member_int(&b, "furrow_doctor", 1);
	json_add_member_string(&b, "job", p->manifest.name);
	json_add_member_string(&b, "infra", p->manifest.instances.infra.text);
	json_add_member_int(&b, "ok", (int64_t)count(f, DOCTOR_OK));
	json_add_member_int(&b, "warn", (int64_t)count(f, DOCTOR_WARN));
	json_add_member_int(&b, "fail", (int64_t)count(f, DOCTOR_FAIL));
	json_add_name(&b, "findings");
	for (size_t i = 0; i < f->n; i++) {
		buf_add_cstr(&b, i ? ",{" : "[{");
		json_add_member_string(&b, "check", str_from(f->v[i].check));
		json_add_member_string(
			&b, "verdict", str_from(doctor_verdict_name(f->v[i].verdict)));
		json_add_member_string(&b, "tried", f->v[i].tried);
		json_add_member_string(&b, "found", f->v[i].found);
		json_add_member_string(&b, "advice", f->v[i].advice);
		buf_add_char(&b, '}');
	}
	buf_add_cstr(&b, f->n ? "]}\n" : "[]}\n");
	status = out_data(&b);
	buf_free(&b);
	return status;
}

static struct policy_place
place_of(struct str url)
{
	struct policy_place place = {0};

	if (!s3_parse_url(url, &place.bucket, &place.prefix))
		return (struct policy_place){0};
	return place;
}

/* Of a pattern: what all its keys begin with. */
static struct policy_place
inputs_of(const struct map *map)
{
	struct policy_place place = {0};

	if (map->kind != MAP_S3)
		return place;
	place = place_of(map->glob);
	place.prefix.n = source_glob_fixed(place.prefix);
	return place;
}

static int
print_policy(struct prepared *p)
{
	const struct manifest *m = &p->manifest;
	struct policy_wish wish = {.job = m->name,
		.image = m->environment.image,
		.spot = m->instances.spot != TRI_FALSE,
		.store = place_of(p->store),
		.results = place_of(p->results),
		.inputs = inputs_of(&m->map)};
	struct region_wish *regions;
	size_t n = regions_of(&p->arena, &m->instances, &regions);
	struct policy_region *wished = ARENA_ARRAY(&p->arena, struct policy_region, n);
	struct buf b = {0};
	int status;

	for (size_t i = 0; i < n; i++) {
		if (regions[i].launches)
			wished[wish.n_regions++] = (struct policy_region){
				.name = regions[i].name, .ami = regions[i].image->ami};
	}
	wish.regions = wished;
	for (size_t i = 0; i < m->instances.n_any_of; i++)
		wish.spot |= m->instances.any_of[i].spot != TRI_FALSE;
	if (m->instances.infra.kind != INFRA_AWS)
		return out_usage("doctor: --policy: infra %.*s needs none; --infra aws/REGION "
				 "tells what AWS would have to allow",
			STR_ARG(m->instances.infra.text));
	if (!wish.store.bucket.p)
		wish.store.bucket = arena_printf(
			&p->arena, "furrow-*-%.*s", STR_ARG(m->instances.infra.region));
	policy_write(&b, &wish);
	status = out_data(&b);
	buf_free(&b);
	return status;
}

static int
examine(struct prepared *p, const struct options *o)
{
	const struct site_config config = prepare_site_config(p);
	struct doctor_findings found = {.arena = &p->arena};
	int status;

	doctor_examine(&config, &found);
	status = o->json ? print_json(p, &found) : print_words(&found, o);
	return status ? status : status_of(&found);
}

static int
run(int argc, char **argv)
{
	struct prepared p = {0};
	struct options o;
	struct error err;
	int status = options_parse(&o, &command_doctor,
		"policy infra rev allow-dirty manifest json color", 1, argc, argv);

	if (status >= 0)
		return status;
	if (o.policy && o.json)
		return out_usage("doctor: --policy is JSON already; leave out --json");
	if (prepare_manifest(&p, &o, options_arg(&o, 0), &err) < 0)
		status = out_fail(&err);
	else
		status = o.policy ? print_policy(&p) : examine(&p, &o);
	prepare_close(&p);
	return status;
}

const struct command command_doctor = {
	.name = "doctor",
	.summary = "ask for all that a job needs, and tell all that is in its way",
	.help = help,
	.run = run,
};
