/* diff_fleet: the part of the diff that is about a cloud: what has to be there before tasks can run on
 * instances, and what becomes of these afterwards. */
#include "planner/diff_build.h"
#include "planner/units.h"

static const struct fleet *
fleet_of(const struct builder *b)
{
	return &b->obs->fleet;
}

static uint32_t
count_usable(const struct fleet *f)
{
	uint32_t n = 0;

	while (n < f->n_warm && !f->warm[n].why_not.p)
		n++;
	return n;
}

/* What new instances would have to do: all of it, when nothing is there. */
static struct offer_need
need_of(const struct builder *b, uint32_t n_warm, uint32_t warm_slots)
{
	const struct fleet *f = fleet_of(b);
	struct offer_need need = {.tasks = b->out->n_tasks_run,
		.max_instances = f->max > n_warm ? f->max - n_warm : 1,
		.max_slots = f->max_slots};

	if (need.tasks > warm_slots)
		need.tasks -= warm_slots;
	if (need.max_slots > warm_slots)
		need.max_slots -= warm_slots;
	return need;
}

/* How many instances the tasks keep busy: the warm ones first, and of what is best for the rest. */
static uint32_t
count_wanted(struct builder *b)
{
	const struct fleet *f = fleet_of(b);
	uint32_t wanted = b->out->n_tasks_run, n = 0, slots = 0, usable = count_usable(f);
	struct offer_need need;

	if (f->max_slots && wanted > f->max_slots)
		wanted = f->max_slots;
	for (; n < usable && n < f->max && slots < wanted; n++)
		slots += f->warm[n].slots ? f->warm[n].slots : f->offers[0].slots;
	need = need_of(b, n, slots);
	b->out->offers = ARENA_ARRAY(b->arena, struct offer, f->n_offers);
	b->out->n_offers = f->n_offers;
	memcpy(b->out->offers, f->offers, f->n_offers * sizeof(*f->offers));
	offers_rank(b->out->offers, f->n_offers, &need);
	if (slots < wanted && n < f->max)
		n += offer_count(&need, b->out->offers[0].slots);
	return n;
}

/* The instance that stands at this index, NULL for one that is to be launched. */
static const struct warm *
warm_at(const struct fleet *f, uint32_t index)
{
	return index < count_usable(f) ? &f->warm[index] : NULL;
}

static bool
lacks_source(const struct builder *b)
{
	for (uint32_t i = 0; i < b->out->n_instances; i++) {
		const struct warm *w = warm_at(fleet_of(b), i);

		if (!w || !w->source_ready)
			return true;
	}
	return false;
}

static void
look_at_source(struct builder *b)
{
	const struct fleet *f = fleet_of(b);
	bool lacks = lacks_source(b), stored = b->obs->source_ready && f->runner_ready;
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &b->job->export_identity);
	if (lacks && !stored)
		diff_add_todo(b, KIND_SOURCE, VERB_CREATE, CAUSE_MISSING,
			arena_printf(b->arena, "upload %.*s%s to %.*s",
				STR_ARG(b->obs->source_ready ? STR("the runner")
							     : diff_files_of(b)),
				b->obs->source_ready || f->runner_ready ? "" : " and the runner",
				STR_ARG(f->store)));
	else if (b->obs->source_ready || !lacks)
		diff_add_in_place(b, KIND_SOURCE, CAUSE_THERE,
			arena_printf(b->arena, "%s (%.*s)",
				b->obs->source_ready ? "in the store" : "on the instances",
				DIFF_SHORT_HEX, hex));
}

/* " in us-east-2, us-west-2"; of one region alone: "" */
static struct str
in_regions(struct arena *a, const struct strings *regions)
{
	struct str text = STR("");

	for (size_t i = 0; i < regions->n; i++)
		text = arena_printf(
			a, "%.*s%s%.*s", STR_ARG(text), i ? ", " : " in ", STR_ARG(regions->v[i]));
	return text;
}

static void
look_at_access(struct builder *b, uint32_t n_new)
{
	const struct fleet *f = fleet_of(b);
	bool group = n_new && !f->group_ready;
	struct str reason;

	if (f->bucket_ready && !group) {
		reason = n_new ? arena_printf(b->arena, "the store %.*s, security group %.*s%.*s",
					 STR_ARG(f->store), STR_ARG(f->group),
					 STR_ARG(in_regions(b->arena, &f->regions)))
			       : arena_printf(b->arena, "the store %.*s", STR_ARG(f->store));
		diff_add_in_place(b, KIND_ACCESS, CAUSE_THERE, reason);
		return;
	}
	reason = arena_printf(b->arena, "%s%.*s%s%s%.*s%.*s",
		f->bucket_ready ? "" : "make the store ",
		STR_ARG(f->bucket_ready ? STR("") : f->store),
		!f->bucket_ready && group ? "; " : "",
		group ? "let this machine in, by security group " : "",
		STR_ARG(group ? f->group : STR("")),
		STR_ARG(group ? in_regions(b->arena, &f->group_missing) : STR("")));
	diff_add_todo(b, KIND_ACCESS, VERB_CREATE, CAUSE_MISSING, reason);
}

/* The best of another type or market: what it would have cost. */
static const struct offer *
next_best(const struct changes *c)
{
	const struct offer *best = &c->offers[0];

	for (size_t i = 1; i < c->n_offers; i++) {
		const struct offer *o = &c->offers[i];

		if (o->job_usd >= 0 && (!str_eq(o->type, best->type) || o->spot != best->spot))
			return o;
	}
	return NULL;
}

/* "+12 %", "-1 %", "the same" */
static struct str
describe_difference(struct arena *a, double usd, double best_usd)
{
	double percent = best_usd > 0 ? (usd / best_usd - 1) * 100 : 0;

	if (percent > -0.5 && percent < 0.5)
		return STR("the same");
	return arena_printf(a, "%+.0f %%", percent);
}

/* ", $0.0412/h, the cheapest of 214 offers (next: m7a.large in us-east-2b, +7 %)" */
static struct str
describe_price(struct builder *b)
{
	const struct offer *best = &b->out->offers[0], *next = next_best(b->out);
	struct str text;
	bool cheapest;

	if (best->job_usd < 0)
		return STR("");
	text = arena_printf(
		b->arena, ", %.*s/h", STR_ARG(offer_money(b->arena, offer_hourly_usd(best))));
	if (!next)
		return text;
	cheapest = next->job_usd >= best->job_usd;
	return arena_printf(b->arena, "%.*s, %s of %zu offers (next: %.*s, %.*s)", STR_ARG(text),
		cheapest		  ? "the cheapest"
		: next->far && !best->far ? "near the store, among the cheapest"
					  : "the least interrupted of the cheapest",
		b->out->n_offers, STR_ARG(offer_name(b->arena, next)),
		STR_ARG(describe_difference(b->arena, next->job_usd, best->job_usd)));
}

static struct str
describe_new(struct builder *b)
{
	const struct fleet *f = fleet_of(b);
	const struct offer *o = &b->out->offers[0];
	struct str memory = diff_memory(b->arena, o->memory_bytes);

	return arena_printf(b->arena, "launch %.*s%s in %.*s: %lld cpu%s, %.*s, %s, %.*s%.*s",
		STR_ARG(o->type), o->spot ? " (spot)" : "",
		STR_ARG(o->zone.p ? o->zone : f->region), (long long)o->cpus,
		o->cpus == 1 ? "" : "s", STR_ARG(memory),
		o->arch == ARCH_ARM64 ? "arm64" : "x86_64",
		STR_ARG(o->image.p ? o->image : f->image), STR_ARG(describe_price(b)));
}

static void
look_at_instances(struct builder *b)
{
	const struct fleet *f = fleet_of(b);
	uint32_t usable = count_usable(f), next = b->out->n_instances;

	for (uint32_t i = 0; i < b->out->n_instances; i++) {
		const struct warm *w = warm_at(f, i);

		if (w)
			diff_add_in_place(b, KIND_INSTANCE, CAUSE_WARM,
				arena_printf(b->arena, "%.*s is warm (%.*s in %.*s)",
					STR_ARG(w->id), STR_ARG(w->type), STR_ARG(w->zone)))
				->index = i;
		else
			diff_add_todo(b, KIND_INSTANCE, VERB_CREATE, CAUSE_MISSING, describe_new(b))
				->index = i;
	}
	next += b->out->n_spare;
	for (uint32_t i = 0; i < f->n_warm; i++) {
		const struct warm *w = &f->warm[i];
		struct str why = i < usable ? STR("not needed now") : w->why_not;

		if (i < b->out->n_instances + b->out->n_spare && i < usable)
			continue;
		diff_add_in_place(b, KIND_INSTANCE, CAUSE_UNUSED,
			arena_printf(b->arena, "%.*s (%.*s in %.*s) is left alone: %.*s",
				STR_ARG(w->id), STR_ARG(w->type), STR_ARG(w->zone), STR_ARG(why)))
			->index = next++;
	}
}

static bool
lacks_image(const struct builder *b)
{
	for (uint32_t i = 0; i < b->out->n_instances; i++) {
		const struct warm *w = warm_at(fleet_of(b), i);

		if (!w || !w->image_ready)
			return true;
	}
	return false;
}

/* What hosts get it from; whether each has it is said with its environment. */
static void
look_at_image(struct builder *b)
{
	struct str image = b->job->manifest->environment.image;
	struct str digest = diff_short_digest(b->job->image_digest);
	struct str store = fleet_of(b)->store;

	if (!image.p)
		return; /* one that is built comes with the environments */
	if (!diff_is_archive(image))
		diff_add_in_place(b, KIND_IMAGE, CAUSE_THERE,
			arena_printf(b->arena, "%.*s is %.*s in its registry", STR_ARG(image),
				STR_ARG(digest)));
	else if (b->obs->image_ready || !lacks_image(b))
		diff_add_in_place(b, KIND_IMAGE, CAUSE_THERE,
			arena_printf(b->arena, "%.*s (%.*s) is %s", STR_ARG(image), STR_ARG(digest),
				b->obs->image_ready ? "in the store" : "on the instances"));
	else
		diff_add_todo(b, KIND_IMAGE, VERB_CREATE, CAUSE_MISSING,
			arena_printf(b->arena, "upload %.*s (%.*s) to %.*s", STR_ARG(image),
				STR_ARG(digest), STR_ARG(store)));
}

/* ", pull the image (it has another one)" */
static struct str
how_image_comes(struct builder *b, const struct warm *w)
{
	const struct manifest *m = b->job->manifest;
	const char *why = "";

	if (!diff_has_image(m) || (w && w->image_ready))
		return STR("");
	/* Setup made another one of it, which is all that is needed. */
	if (m->environment.image.p && m->environment.setup.p && fleet_of(b)->setup_shared &&
		((w && w->setup_ready) || fleet_of(b)->shared_bytes >= 0))
		return STR("");
	if (w)
		why = w->image_gone    ? " (it is gone there)"
		      : w->image_other ? " (it has another one)"
				       : " (it has none)";
	if (!m->environment.image.p)
		return fleet_of(b)->shared_bytes < 0
			       ? STR(", build the image once, share it")
			       : arena_printf(b->arena, ", fetch the built image (%.1f MiB)",
					 (double)fleet_of(b)->shared_bytes / (1024.0 * 1024));
	return arena_printf(b->arena, ", %s the image%s",
		diff_is_archive(m->environment.image) ? "load" : "pull", why);
}

/* ", fetch what setup left (12 MiB)" */
static struct str
how_setup_comes(struct builder *b, bool kept)
{
	const struct fleet *f = fleet_of(b);

	if (!b->job->manifest->environment.setup.p)
		return STR("");
	if (kept)
		return STR(", with what setup left before");
	if (!f->setup_shared)
		return STR(", run setup first");
	if (f->shared_bytes < 0)
		return STR(", run setup once, share it");
	return arena_printf(b->arena, ", fetch what setup left (%.1f MiB)",
		(double)f->shared_bytes / (1024.0 * 1024));
}

static void
look_at_environments(struct builder *b)
{
	bool has_setup = b->job->manifest->environment.setup.p != NULL;
	const char *what = diff_has_image(b->job->manifest) ? "a container" : "a runner";

	for (uint32_t i = 0; i < b->out->n_instances; i++) {
		const struct warm *w = warm_at(fleet_of(b), i);
		bool kept = has_setup && w && w->setup_ready;
		bool stored = fleet_of(b)->setup_shared && fleet_of(b)->shared_bytes >= 0;
		enum cause cause = !has_setup	    ? CAUSE_MISSING
				   : kept || stored ? CAUSE_KEPT_SETUP
						    : CAUSE_NEEDS_SETUP;
		struct str where = w ? w->id : STR("it"), image = how_image_comes(b, w);
		const char *source = w && !w->source_ready ? ", fetch the source" : "";
		struct str setup = how_setup_comes(b, kept);

		diff_add_todo(b, KIND_ENVIRONMENT, VERB_CREATE, cause,
			arena_printf(b->arena, "start %s on %.*s%s%s%.*s%.*s", what, STR_ARG(where),
				w && w->container_dead ? ", where one of an earlier run died" : "",
				source, STR_ARG(image), STR_ARG(setup)))
			->index = i;
	}
}

void
diff_fleet_means(struct builder *b)
{
	uint32_t usable = count_usable(fleet_of(b));

	b->out->n_instances = count_wanted(b);
	/* Where no instance is ever kept, one that is there was left by a run that died. */
	if (b->job->manifest->instances.idle_ns <= 0 && usable > b->out->n_instances)
		b->out->n_spare = usable - b->out->n_instances;
	if (b->out->n_tasks_run) {
		look_at_source(b);
		look_at_image(b);
		look_at_access(b, b->out->n_instances > usable ? b->out->n_instances - usable : 0);
	}
	look_at_instances(b);
	look_at_environments(b);
}

void
diff_fleet_release(struct builder *b)
{
	int64_t idle_ns = b->job->manifest->instances.idle_ns;
	struct str reason = STR("terminate it");

	if (idle_ns > 0)
		reason = arena_printf(b->arena, "leave it warm for %.*s",
			STR_ARG(units_format_duration(b->arena, idle_ns)));
	for (uint32_t i = 0; b->out->n_tasks_run && i < b->out->n_instances; i++)
		diff_add_todo(b, KIND_RELEASE, idle_ns > 0 ? VERB_CHANGE : VERB_REMOVE,
			idle_ns > 0 ? CAUSE_KEEP : CAUSE_OVER, reason)
			->index = i;
	for (uint32_t i = 0; i < b->out->n_spare; i++) {
		const struct warm *w = &fleet_of(b)->warm[b->out->n_instances + i];

		diff_add_todo(b, KIND_RELEASE, VERB_REMOVE, CAUSE_UNUSED,
			arena_printf(b->arena, "terminate %.*s, which an earlier run has left",
				STR_ARG(w->id)))
			->index = b->out->n_instances + i;
	}
}
