/* examine: the checks in stages. Those of a stage run side by side; a stage comes after what it needs to
 * know. */
#include "providers/doctor/internal.h"

#include "providers/parallel.h"

#include <stdlib.h>

enum { MAX_CHECKS = 12, STAGES = 4 };

/* What a check leaves for later ones lives in its arena, so all live until the end. */
struct stage {
	struct doctor *doctor;
	doctor_check *const *checks;
	struct arena arenas[MAX_CHECKS];
	struct doctor_findings findings[MAX_CHECKS];
};

static void
run_check(void *ctx, size_t i)
{
	struct stage *s = ctx;

	s->checks[i](s->doctor, &s->findings[i]);
}

static void
take(struct doctor_findings *out, const struct doctor_findings *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct doctor_finding *f = &from->v[i];
		struct doctor_finding *mine =
			doctor_add(out, f->check, f->verdict, f->tried, "%.*s", STR_ARG(f->found));

		mine->input = f->input;
		mine->advice = arena_str(out->arena, f->advice);
	}
}

/* checks ends with NULL; what they find comes in their order. */
static void
run_stage(
	struct stage *s, struct doctor *d, doctor_check *const *checks, struct doctor_findings *out)
{
	size_t n = 0;

	s->doctor = d;
	s->checks = checks;
	for (; checks[n]; n++)
		s->findings[n].arena = &s->arenas[n];
	parallel_for(n, n, run_check, s);
	for (size_t i = 0; i < n; i++)
		take(out, &s->findings[i]);
}

static void
free_stages(struct stage *stages)
{
	for (int i = 0; i < STAGES; i++) {
		for (int k = 0; k < MAX_CHECKS; k++)
			arena_free(&stages[i].arenas[k]);
	}
}

static void
nothing_asked(const struct doctor *d, struct doctor_findings *out)
{
	doctor_add(out, "permissions", DOCTOR_WARN, STR("AWS"),
		"permissions, image, type, subnet, bucket and quota were not asked for: "
		"that needs %s",
		d->account.p ? "a region" : "credentials");
}

/* What is tried names the region, where there is another one. */
static void
take_of_region(struct doctor_findings *out, const struct doctor_findings *from, struct str region)
{
	size_t i = out->n;

	take(out, from);
	for (; i < out->n; i++)
		out->v[i].tried = arena_printf(
			out->arena, "%.*s in %.*s", STR_ARG(out->v[i].tried), STR_ARG(region));
}

/* One beside home. Whether its quotas are full. */
static bool
examine_far(const struct doctor *home, const struct region_wish *where, struct doctor_findings *out)
{
	static doctor_check *const second[] = {doctor_region, NULL};
	static doctor_check *const third[] = {doctor_reads, doctor_image, doctor_subnet, NULL};
	static doctor_check *const fourth[] = {doctor_launch, doctor_quota, NULL};
	const struct aws_options options = {.region = where->name, .clock = home->config->clock};
	struct doctor d = {.config = home->config,
		.manifest = home->manifest,
		.fleet = home->fleet,
		.account = home->account,
		.arn = home->arn,
		.where = where,
		.many = true};
	struct stage *stages = mem_alloc(STAGES * sizeof(*stages));
	struct doctor_findings found = {.arena = out->arena};
	struct error err;

	memset(stages, 0, STAGES * sizeof(*stages));
	if (aws_open(&d.aws, &options, &err) < 0) {
		doctor_add_error(&found, "region", DOCTOR_FAIL, where->name, &err);
	} else {
		run_stage(&stages[1], &d, second, &found);
		if (d.no_region) {
			nothing_asked(&d, &found);
		} else {
			run_stage(&stages[2], &d, third, &found);
			doctor_take_offer(&d);
			run_stage(&stages[3], &d, fourth, &found);
		}
		aws_close(d.aws);
	}
	take_of_region(out, &found, where->name);
	free_stages(stages);
	free(stages);
	return d.full;
}

static void
examine_home(struct doctor *d, struct stage *stages, struct doctor_findings *out)
{
	static doctor_check *const third[] = {doctor_reads, doctor_prices, doctor_type,
		doctor_image, doctor_subnet, doctor_bucket, NULL};
	static doctor_check *const third_of_store[] = {
		doctor_reads, doctor_prices, doctor_type, doctor_bucket, NULL};
	static doctor_check *const fourth[] = {doctor_launch, doctor_quota, NULL};

	run_stage(&stages[2], d, d->where->launches ? third : third_of_store, out);
	doctor_take_offer(d);
	if (d->where->launches)
		run_stage(&stages[3], d, fourth, out);
}

static void
examine_regions(struct doctor *d, struct stage *stages, struct doctor_findings *out)
{
	static doctor_check *const second[] = {doctor_region, NULL};
	struct region_wish *regions;
	size_t n = regions_of(out->arena, &d->manifest->instances, &regions);
	bool full;

	d->where = &regions[0];
	d->many = n > 1;
	run_stage(&stages[1], d, second, out);
	if (d->no_region)
		nothing_asked(d, out);
	else
		examine_home(d, stages, out);
	full = d->full || !d->where->launches;
	for (size_t i = 1; i < n; i++)
		full = examine_far(d, &regions[i], out) && full;
	for (size_t i = 0; full && i < out->n; i++) {
		if (strcmp(out->v[i].check, "quota") == 0)
			out->v[i].verdict = DOCTOR_FAIL;
	}
}

static void
examine_cloud(struct doctor *d, struct stage *stages, struct doctor_findings *out)
{
	static doctor_check *const first[] = {doctor_runner, doctor_source, doctor_folders,
		doctor_wishes, doctor_credentials, doctor_address, NULL};
	const struct aws_options options = {
		.region = d->manifest->instances.infra.region, .clock = d->config->clock};
	struct site *site = NULL;
	struct error err;

	if (aws_open(&d->aws, &options, &err) < 0) {
		doctor_add_error(out, "credentials", DOCTOR_FAIL,
			STR("the environment and the shared files of AWS"), &err);
		return;
	}
	if (fleet_open(&site, d->config, &err) == 0)
		d->fleet = (struct fleet_site *)site;
	run_stage(&stages[0], d, first, out);
	if (d->account.p)
		examine_regions(d, stages, out);
	else
		nothing_asked(d, out);
	if (site)
		site->ops->close(site);
	aws_close(d->aws);
}

void
doctor_examine(const struct site_config *config, struct doctor_findings *out)
{
	static doctor_check *const local[] = {
		doctor_runner, doctor_source, doctor_folders, doctor_engine, doctor_machine, NULL};
	struct doctor d = {.config = config, .manifest = config->manifest};
	struct stage stages[STAGES] = {0};

	if (config->manifest->instances.infra.kind == INFRA_AWS)
		examine_cloud(&d, stages, out);
	else
		run_stage(&stages[0], &d, local, out);
	free_stages(stages);
}
