/* offers: what new instances can be had as: the types that fit the manifest's wishes, in the zones
 * where they are, in the markets that it takes, each with its price. */
#include "providers/fleet/internal.h"

#include "planner/units.h"
#include "providers/parallel.h"

/* What AWS reckons a month of a disk as. */
static const double month_h = 730;

static const struct instances *
whole_wish(const struct fleet_site *s)
{
	return &s->site.config.manifest->instances;
}

/* The wishes of which one has to be met. */
static const struct instances *
wishes(const struct fleet_site *s, size_t *n)
{
	const struct instances *in = whole_wish(s);

	*n = in->n_any_of ? in->n_any_of : 1;
	return in->n_any_of ? in->any_of : in;
}

/* As many as cpus allow, but no more than can have the GPUs that one is to have. */
uint32_t
fleet_slots(const struct fleet_site *s, int64_t cpus, int64_t gpus)
{
	const struct instances *in = whole_wish(s);
	int64_t wished = s->site.config.manifest->map.per_instance, n = cpus, each;

	if (wished >= 1)
		return (uint32_t)wished;
	each = in->gpus.count.min > 1 ? in->gpus.count.min : 1;
	if (in->gpus.name.p && gpus / each < n)
		n = gpus / each;
	return n > 0 ? (uint32_t)n : 1;
}

/* Where the manifest has the wish at fault. */
static const struct pos *
place_of(const struct instances *in, const struct error *err)
{
	const struct pos *at[] = {&in->pos_cpus, &in->pos_memory, &in->pos_gpus, &in->pos_arch,
		&in->pos_spot, &in->pos_type};

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		if (at[i]->line && at[i]->line == err->line && at[i]->col == err->col)
			return at[i];
	}
	return in->pos_type.line ? &in->pos_type : &in->infra.pos;
}

/* A type that is named may be of the architecture that is not the default. */
static int
check_named_arch(
	const struct instances *in, const struct ec2_type *types, size_t n, struct error *err)
{
	if (in->arch != ARCH_ANY || n != 1 || types[0].x86_64 || !types[0].arm64)
		return 0;
	return error_set(err, ERR_INPUT,
		"%.*s is for arm64, and tasks are made for x86_64 unless the manifest says "
		"instances.arch: arm64",
		STR_ARG(types[0].name));
}

/* Types that one wish fits, behind those that there are; one that fits two is the first's. */
static void
add_fits(struct region *r, const struct instances *wish, const struct ec2_type **types, size_t n)
{
	size_t before = r->n_fits;

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < before && !str_eq(r->fits[k].type->name, types[i]->name))
			k++;
		if (k == before)
			r->fits[r->n_fits++] = (struct fit){types[i], wish};
	}
}

/* The types that a wish is chosen from: named ones are one call, and all are kept for hours. */
static int
read_types(struct region *r, struct arena *a, const struct instances *wish, struct ec2_type **types,
	size_t *n, struct error *err)
{
	struct str name = wish->type;
	struct strings named = {.v = &name, .n = 1};
	int rc;

	if (!wish->type.p)
		return ec2_types(r->aws, a, fleet_cache_dir(a), types, n, err);
	rc = ec2_types_named(r->aws, a, &named, types, n, err);
	return rc == 0 ? check_named_arch(wish, *types, *n, err) : rc;
}

static int
fit_one(struct region *r, struct arena *a, const struct instances *in, struct error *err)
{
	struct instances wish = *in;
	const struct ec2_type **fitting = NULL;
	struct ec2_type *types = NULL;
	size_t n = 0, n_fitting = 0;
	int rc = read_types(r, a, in, &types, &n, err);

	/* The architecture that tasks are made for: x86_64 unless the manifest says arm64. */
	if (wish.arch == ARCH_ANY)
		wish.arch = ARCH_X86_64;
	if (rc == 0)
		rc = ec2_choose(a, &wish, types, n, &fitting, &n_fitting, err);
	if (rc == ERR_INPUT && err->class != CLASS_DENIED)
		return fleet_at(err, place_of(in, err), "instances");
	if (rc < 0)
		return rc;
	r->fits = memcpy(ARENA_ARRAY(a, struct fit, r->n_fits + n_fitting), r->fits,
		r->n_fits * sizeof(*r->fits));
	add_fits(r, in, fitting, n_fitting);
	return 0;
}

/* Of alternatives, one that nothing fits is left out as long as another one has some, here or in another
 * region: then none is had here, and r->unfit says why. */
static int
fit_all(struct region *r, struct arena *a, struct error *err)
{
	size_t n;
	const struct instances *all = wishes(r->site, &n);

	r->fits = ARENA_ARRAY(a, struct fit, 1);
	r->n_fits = 0;
	r->unfit = (struct error){0};
	for (size_t i = 0; i < n; i++) {
		int rc = str_eq(all[i].infra.region, r->wish->name) ? fit_one(r, a, &all[i], err)
								    : 0;

		if (rc < 0 && (rc != ERR_INPUT || err->class == CLASS_DENIED))
			return rc;
		if (rc < 0 && r->unfit.code == ERR_NONE)
			r->unfit = *err;
	}
	return 0;
}

static int
find_image(struct region *r, struct arena *a, bool arm64, struct error *err)
{
	const struct instances *in = r->wish->image;
	bool containers = fleet_has_image(r->site);
	int rc = ec2_find_image(r->aws, a, in, arm64, containers, &r->image, err);

	if (rc == ERR_INPUT && err->class != CLASS_DENIED && in->ami.p)
		return fleet_at(err, &in->pos_ami, "instances.ami");
	if (rc < 0 || in->disk.size_bytes < 0 || in->disk.size_bytes >= r->image.disk_bytes)
		return rc;
	error_set(err, ERR_INPUT, "%.*s is smaller than what image %.*s holds, %.*s",
		STR_ARG(units_format_size(a, in->disk.size_bytes)), STR_ARG(r->image.id),
		STR_ARG(units_format_size(a, r->image.disk_bytes)));
	return fleet_at(err, &in->pos_disk, "instances.disk");
}

static int
read_fits(struct region *r, struct arena *a, struct error *err)
{
	int rc = fit_all(r, a, err);

	if (rc == 0 && r->n_fits)
		rc = find_image(r, a, whole_wish(r->site)->arch == ARCH_ARM64, err);
	if (rc < 0)
		r->n_fits = 0;
	return region_left_out(r, REGION_TYPES, a, rc, err);
}

static int
read_prices(struct region *r, struct arena *a, struct error *err)
{
	return ec2_prices_read(r->aws, a, fleet_cache_dir(a), r->wish->name,
		r->site->site.config.refresh_prices, &r->prices, err);
}

static int
read_zones(struct region *r, struct arena *a, struct error *err)
{
	const char *cache = fleet_cache_dir(a);
	bool refresh = r->site->site.config.refresh_prices;
	struct error offerings = {0};
	struct str unrated;
	int rc = ec2_offerings(r->aws, a, cache, r->wish->name, refresh, &r->offerings,
		&r->n_offerings, &offerings);

	if (rc != ERR_CANCELLED)
		rc = ec2_interruptions(a, cache, r->wish->name, refresh, &r->interruptions,
			&r->n_interruptions, &unrated, err);
	else
		*err = offerings;
	/* Without them launching tells what a zone lacks. */
	if (rc == 0 && offerings.code != ERR_NONE)
		r->zones_missing = arena_printf(
			a, "which types each zone has cannot be had: %s", offerings.message);
	return rc;
}

/* What is read of each region for the choice, side by side. */
enum lane { LANE_TYPES, LANE_PRICES, LANE_ZONES, LANES };
struct reading {
	struct fleet_site *site;
	int rc[LANES];
	struct error err[LANES];
};

static void
read_lane(void *ctx, size_t i)
{
	static int (*const reads[LANES])(struct region *, struct arena *, struct error *) = {
		read_fits, read_prices, read_zones};
	static const enum region_read what[LANES] = {REGION_TYPES, REGION_PRICES, REGION_ZONES};
	struct reading *r = ctx;

	r->rc[i] = regions_read(r->site, false, what[i], reads[i], &r->err[i]);
}

/* The image of all; of more than one region, of each: a plan holds for no others. */
static struct str
name_images(struct fleet_site *s, struct arena *a)
{
	struct str text = {0};

	for (size_t i = 0; i < s->n_regions; i++) {
		const struct region *r = &s->regions[i];

		if (!r->n_fits)
			continue;
		if (!regions_are_many(s))
			return r->image.id;
		text = arena_printf(a, "%.*s%s%.*s in %.*s", STR_ARG(text.p ? text : STR("")),
			text.p ? ", " : "", STR_ARG(r->image.id), STR_ARG(r->wish->name));
	}
	return text;
}

/* Home gets no instances, and nobody else has answered. */
static int
no_region_left(const struct fleet_site *s, struct error *err)
{
	for (size_t i = 0; i < s->n_regions; i++) {
		if (s->regions[i].away[REGION_TYPES].p)
			return error_set(
				err, ERR_HOST, "%.*s", STR_ARG(s->regions[i].away[REGION_TYPES]));
	}
	return 0;
}

/* That nothing fits anywhere. */
static int
check_fits(struct fleet_site *s, struct error *err)
{
	const struct error *first = NULL;

	for (size_t i = 0; i < s->n_regions; i++) {
		const struct region *r = &s->regions[i];

		if (r->n_fits)
			return 0;
		if (!first && r->unfit.code != ERR_NONE)
			first = &r->unfit;
	}
	if (first && err)
		*err = *first;
	return first ? first->code : no_region_left(s, err);
}

int
fleet_read_type(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct reading r = {.site = s};

	parallel_for(LANES, LANES, read_lane, &r);
	for (int i = 0; i < LANES; i++) {
		if (r.rc[i] == 0)
			continue;
		if (err)
			*err = r.err[i];
		return r.rc[i];
	}
	if (check_fits(s, err) < 0)
		return err ? err->code : ERR_INPUT;
	s->site.seen.observed.fleet.image = name_images(s, a);
	return 0;
}

static struct str
add_words(struct arena *a, struct str text, struct str words)
{
	if (!words.p || !text.p)
		return text.p ? text : words;
	return arena_printf(a, "%.*s; %.*s", STR_ARG(text), STR_ARG(words));
}

/* What is not known of prices and zones. */
static struct str
tell_missing(const struct fleet_site *s, struct arena *a)
{
	struct str text = {0};

	for (size_t i = 0; i < s->n_regions; i++) {
		const struct region *r = &s->regions[i];
		struct str here = add_words(a, r->prices.missing, r->zones_missing);

		if (region_is_away(r).p)
			here = arena_printf(a, "it is left out: %.*s", STR_ARG(region_is_away(r)));
		if (here.p && regions_are_many(s))
			here = arena_printf(a, "%.*s: %.*s", STR_ARG(r->wish->name), STR_ARG(here));
		text = add_words(a, text, here);
	}
	return text;
}

/* The price of a type in a market and a zone; < 0: not known. */
static double
price_of(const struct ec2_prices *p, struct str type, bool spot, struct str zone)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (str_cmp(p->v[mid].type, type) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < p->n && str_eq(p->v[low].type, type); low++) {
		if (p->v[low].spot == spot && (!spot || str_eq(p->v[low].zone, zone)))
			return p->v[low].hourly_usd;
	}
	return -1;
}

static bool
is_offered(const struct region *r, struct str type, struct str zone)
{
	size_t low = 0, high = r->n_offerings;

	if (!r->n_offerings)
		return true; /* launching will tell */
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = str_cmp(r->offerings[mid].type, type);

		if (order == 0)
			order = str_cmp(r->offerings[mid].zone, zone);
		if (order == 0)
			return true;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* An hour of what comes with an instance. */
static double
extras(const struct region *r, const struct ec2_subnet *subnet)
{
	int64_t bytes = whole_wish(r->site)->disk.size_bytes;
	double gib;

	if (bytes < 0)
		bytes = r->image.disk_bytes;
	if (bytes < 0)
		return -1;
	gib = (double)bytes / (double)(INT64_C(1) << 30);
	return gib * r->prices.disk_gib_month_usd / month_h +
	       (subnet->public_address ? r->prices.address_hourly_usd : 0);
}

double
fleet_hourly_usd(const struct region *r, struct str type, struct str zone, bool spot, int64_t cpus)
{
	size_t i = 0;
	struct offer o = {.instance_usd = price_of(&r->prices, type, spot, zone),
		.credits_usd = offer_credits_usd(type, cpus)};

	while (i < r->n_subnets && !str_eq(r->subnets[i].zone, zone))
		i++;
	o.extras_usd = i < r->n_subnets ? extras(r, &r->subnets[i]) : -1;
	return offer_hourly_usd(&o);
}

static struct offer
make_offer(
	const struct region *r, const struct fit *fit, const struct ec2_subnet *subnet, bool spot)
{
	const struct fleet_site *s = r->site;
	const struct ec2_type *t = fit->type;

	return (struct offer){.type = t->name,
		.zone = subnet->zone,
		.region = r->wish->name,
		.image = r->image.id,
		.far = r != &s->regions[0],
		.gpu_name = t->gpu_name,
		.cpus = t->cpus,
		.memory_bytes = t->memory_bytes,
		.gpus = t->gpus,
		.arch = whole_wish(s)->arch == ARCH_ARM64 ? ARCH_ARM64 : ARCH_X86_64,
		.spot = spot,
		.bare_metal = t->bare_metal,
		.instance_usd = price_of(&r->prices, t->name, spot, subnet->zone),
		.credits_usd = offer_credits_usd(t->name, t->cpus),
		.extras_usd = extras(r, subnet),
		.interrupted =
			spot ? ec2_interruption_of(r->interruptions, r->n_interruptions, t->name)
			     : OFFER_UNRATED,
		.slots = fleet_slots(s, t->cpus, t->gpus),
		.weight = ec2_type_weight(t)};
}

/* What a limit on the price has kept out. */
struct refused {
	size_t n;		       /* that cost too much */
	struct offer cheapest;	       /* of these */
	const struct instances *limit; /* NULL: there is none */
};

static bool
is_affordable(const struct instances *wish, const struct offer *o, struct refused *r)
{
	double usd = offer_hourly_usd(o);

	if (wish->max_hourly_cost_usd < 0 || (usd >= 0 && usd <= wish->max_hourly_cost_usd))
		return true;
	if (usd >= 0 && (!r->n || usd < offer_hourly_usd(&r->cheapest)))
		r->cheapest = *o;
	r->n += usd >= 0;
	r->limit = wish;
	return false;
}

static void
add_markets(struct region *region, const struct fit *fit, const struct ec2_subnet *subnet,
	struct refused *r)
{
	struct fleet *f = &region->site->site.seen.observed.fleet;

	for (int spot = 0; spot < 2; spot++) {
		struct offer o;

		if ((spot && (fit->wish->spot == TRI_FALSE || !fit->type->spot)) ||
			(!spot && (fit->wish->spot == TRI_TRUE || !fit->type->on_demand)))
			continue;
		o = make_offer(region, fit, subnet, spot);
		if (is_affordable(fit->wish, &o, r))
			f->offers[f->n_offers++] = o;
	}
}

/* "us-east-2", "us-east-2, us-west-2" */
static struct str
name_regions(const struct fleet_site *s, struct arena *a)
{
	struct str text = {0};

	for (size_t i = 0; i < s->n_regions; i++) {
		struct str name = s->regions[i].wish->name;

		if (s->regions[i].wish->launches)
			text = text.p ? arena_printf(a, "%.*s, %.*s", STR_ARG(text), STR_ARG(name))
				      : name;
	}
	return text;
}

/* "m7i.large, …": the types that fit somewhere. */
static struct str
name_fits(const struct fleet_site *s, struct arena *a, size_t *n)
{
	struct str first = {0};

	*n = 0;
	for (size_t i = 0; i < s->n_regions; i++) {
		const struct region *r = &s->regions[i];

		if (!first.p && r->n_fits)
			first = r->fits[0].type->name;
		*n += r->n_fits;
	}
	return arena_printf(a, "%.*s%s", STR_ARG(first), *n > 1 ? ", …" : "");
}

static int
no_offer(struct fleet_site *s, struct arena *a, const struct refused *r, struct error *err)
{
	const struct fleet *f = &s->site.seen.observed.fleet;
	const struct instances *in = r->limit ? r->limit : whole_wish(s);
	struct str missing = f->prices_missing, fits;
	size_t n;

	if (r->n) {
		error_set(err, ERR_INPUT,
			"%.*s an hour is less than anything that fits costs: the cheapest is %.*s "
			"at %.*s, disk and "
			"public address counted",
			STR_ARG(offer_money(a, in->max_hourly_cost_usd)),
			STR_ARG(offer_name(a, &r->cheapest)),
			STR_ARG(offer_money(a, offer_hourly_usd(&r->cheapest))));
		return fleet_at(err, &in->pos_max_hourly_cost, "instances.max_hourly_cost");
	}
	if (r->limit) {
		error_set(err, ERR_HOST,
			"what instances cost is not known, so nothing is launched under a limit: "
			"%.*s; leave the "
			"limit out to launch the smallest that fits, or try again",
			STR_ARG(missing.p ? missing
					  : STR("no price of any type that fits is listed")));
		return fleet_at(err, &in->pos_max_hourly_cost, "instances.max_hourly_cost");
	}
	fits = name_fits(s, a, &n);
	error_set(err, ERR_INPUT,
		"none of the %zu types that fit (%.*s) is offered in a zone of %.*s where this "
		"account has a "
		"default subnet",
		n, STR_ARG(fits), STR_ARG(name_regions(s, a)));
	return fleet_at(err, place_of(in, err), "instances");
}

static void
add_offers(struct region *r, struct refused *refused)
{
	for (size_t i = 0; i < r->n_fits; i++) {
		const struct fit *fit = &r->fits[i];

		for (size_t k = 0; k < r->n_subnets; k++) {
			const struct ec2_subnet *subnet = &r->subnets[k];
			struct str zone = fit->wish->infra.zone;

			if ((!zone.p || str_eq(zone, subnet->zone)) &&
				is_offered(r, fit->type->name, subnet->zone))
				add_markets(r, fit, subnet, refused);
		}
	}
}

int
fleet_read_offers(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct fleet *f = &s->site.seen.observed.fleet;
	struct refused refused = {0};
	size_t most = 0;

	for (size_t i = 0; i < s->n_regions; i++)
		most += 2 * s->regions[i].n_fits * s->regions[i].n_subnets;
	f->offers = ARENA_ARRAY(a, struct offer, most);
	f->n_offers = 0;
	f->prices_missing = tell_missing(s, a);
	for (size_t i = 0; i < s->n_regions; i++)
		add_offers(&s->regions[i], &refused);
	return f->n_offers ? 0 : no_offer(s, a, &refused, err);
}

int
fleet_look_at_offers(struct site *site, struct error *err)
{
	struct fleet_site *s = (struct fleet_site *)site;
	struct arena *a = &s->reads[READ_OFFERS];
	int rc = regions_read(s, false, REGION_NETWORK, fleet_read_subnets, err);

	if (rc == 0)
		rc = fleet_read_type(s, a, err);
	if (rc == 0)
		rc = fleet_read_offers(s, a, err);
	if (rc < 0)
		fleet_explain(s, READ_OFFERS, a, err);
	site->seen.observed.fleet.region = str_from(aws_region(s->aws));
	return rc < 0 ? err->code : 0;
}
