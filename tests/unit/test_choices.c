/* choices: what is chosen for a wish and a number of tasks, over all 1,263 types of a region with their
 * prices and zones as recorded. Golden: tests/unit/ec2/choices.txt holds, for each
 *
 *   > TASKS INSTANCES      what stands in the braces of a manifest's `instances`
 *   TYPE MARKET ZONE NxSLOTS HOURLY INTERRUPTION     the best offers, then how many there are
 *
 * With UPDATE=1 the file is written anew: look at the diff. */
#include "tests/unit/region_fixture.h"

#include "planner/diag.h"
#include "providers/fleet/internal.h"

enum { SHOWN = 4 };
static const char path[] = "tests/unit/ec2/choices.txt";

struct record {
	struct arena arena;
	struct recorded_region recorded;
	struct ec2_subnet subnets[3];
};

static void
parse_wish(struct arena *a, struct str text, struct manifest *m)
{
	struct diagnostics diags = {.arena = a};
	struct str yaml = arena_printf(a,
		"furrow: 1\nname: x\nentrypoint: x\ninstances: {infra: aws/us-east-2, %.*s}\n",
		STR_ARG(text));

	if (manifest_parse(a, m, &diags, STR("furrow.yaml"), yaml, NULL, NULL, NULL) < 0)
		fail_msg("'%.*s' is no wish", STR_ARG(text));
}

/* As the site does it, from what is recorded. */
static void
offers_for(struct record *r, struct arena *a, struct fleet_site *s, const struct manifest *m)
{
	static const struct region_wish home = {.name = STR(RECORDED_REGION), .launches = true};
	struct region *here = ARENA_NEW(a, struct region);
	struct instances wish = m->instances;
	const struct ec2_type **types;
	struct error err = {0};
	size_t n;

	*s = (struct fleet_site){.regions = here, .n_regions = 1};
	*here = (struct region){.site = s,
		.wish = &home,
		.subnets = r->subnets,
		.n_subnets = 3,
		.prices = r->recorded.prices,
		.offerings = r->recorded.offerings,
		.n_offerings = r->recorded.n_offerings,
		.interruptions = r->recorded.interruptions,
		.n_interruptions = r->recorded.n_interruptions,
		.image = {.disk_bytes = INT64_C(8) << 30}};
	s->site.config.manifest = m;
	if (wish.arch == ARCH_ANY)
		wish.arch = ARCH_X86_64;
	if (ec2_choose(a, &wish, r->recorded.types, r->recorded.n_types, &types, &n, &err) < 0)
		fail_msg("%s", err.message);
	here->fits = ARENA_ARRAY(a, struct fit, n);
	here->n_fits = n;
	for (size_t i = 0; i < n; i++)
		here->fits[i] = (struct fit){types[i], &m->instances};
	if (fleet_read_offers(s, a, &err) < 0)
		fail_msg("%s", err.message);
}

static void
show_offers(struct buf *out, const struct fleet *f)
{
	for (size_t i = 0; i < f->n_offers && i < SHOWN; i++) {
		const struct offer *o = &f->offers[i];

		buf_addf(out, "%.*s %s %.*s %ux%u $%.4f ", STR_ARG(o->type),
			o->spot ? "spot" : "on-demand", STR_ARG(o->zone), o->n_instances, o->slots,
			offer_hourly_usd(o));
		if (o->interrupted == OFFER_UNRATED)
			buf_add_cstr(out, "-\n");
		else
			buf_addf(out, "%d\n", o->interrupted);
	}
	buf_addf(out, "of %zu\n\n", f->n_offers);
}

static void
answer(struct record *r, struct str question, struct buf *out)
{
	struct arena a = {0};
	struct str wish = question, tasks = str_cut(&wish, ' ');
	struct offer_need need = {0};
	struct fleet_site site;
	struct manifest m;
	int64_t n;

	if (!str_to_i64(tasks, &n))
		fail_msg("'%.*s' is no question", STR_ARG(question));
	parse_wish(&a, wish, &m);
	offers_for(r, &a, &site, &m);
	need.tasks = (uint32_t)n;
	need.max_instances = (uint32_t)m.instances.max;
	offers_rank(site.site.seen.observed.fleet.offers, site.site.seen.observed.fleet.n_offers,
		&need);
	buf_addf(out, "> %.*s\n", STR_ARG(question));
	show_offers(out, &site.site.seen.observed.fleet);
	arena_free(&a);
}

static void
open_region(struct record *r)
{
	static const char *const zones[] = {"us-east-2a", "us-east-2b", "us-east-2c"};

	*r = (struct record){0};
	recorded_region_load(&r->arena, &r->recorded);
	for (size_t i = 0; i < 3; i++)
		r->subnets[i] = (struct ec2_subnet){
			.id = STR("subnet-1"), .zone = str_from(zones[i]), .public_address = true};
}

static void
update(struct str text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	assert_int_equal(fclose(f), 0);
}

static void
choices(void **state)
{
	struct record r;
	struct buf got = {0};
	struct str want, rest;
	size_t n = 0;

	(void)state;
	open_region(&r);
	want = rest = recorded_file(&r.arena, path);
	while (rest.n) {
		struct str line = str_cut(&rest, '\n');

		if (!str_starts(line, STR("> ")))
			continue;
		answer(&r, str_from_index(line, 2), &got);
		n++;
	}
	assert_true(n >= 20);
	if (getenv("UPDATE"))
		update(buf_str(&got));
	else if (!str_eq(buf_str(&got), want))
		fail_msg("%s says otherwise; this is chosen:\n%s", path, buf_cstr(&got));
	buf_free(&got);
	arena_free(&r.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(choices)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
