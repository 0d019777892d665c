/* observe: what the cloud has for a job, read by the nodes of a small graph so that reads run side
 * by side. Changes nothing. */
#include "providers/fleet/internal.h"

#include "providers/aws/s3.h"
#include "providers/inputs.h"
#include "providers/store/collect.h"
#include "providers/store/collect_s3.h"

#include <stdlib.h>

enum {
	NO_NODE = UINT32_MAX,
	OBJECTS_MAX = 1000000 /* that are looked at for inputs */
};

static int
read_source(struct fleet_site *s, struct arena *a, struct error *err)
{
	int rc = source_open(&s->reader, &s->site.config.source, err);

	return rc < 0 ? rc : source_list(s->reader, a, &s->site.seen.source, err);
}

static int
read_list(struct fleet_site *s, struct arena *a, struct error *err)
{
	return inputs_read_list(s->reader, a, s->site.config.manifest, &s->site.seen.source,
		&s->site.seen.inputs.list, err);
}

/* The objects that may be inputs, as they are now. */
static int
read_inputs(struct fleet_site *s, struct arena *a, struct error *err)
{
	const struct map *map = &s->site.config.manifest->map;
	struct job_inputs *inputs = &s->site.seen.inputs;
	struct object_pattern pattern;
	struct s3_object *found;
	struct object *objects;
	size_t n;
	int rc;

	object_pattern_parse(a, map->glob, &pattern);
	rc = s3_list(s->aws, a, pattern.bucket, pattern.fixed, OBJECTS_MAX + 1, &found, &n, err);
	if (rc < 0 || (n == 0 && s3_head_bucket(s->aws, a, pattern.bucket, NULL, err) < 0))
		return fleet_bucket_failed(s, a, pattern.bucket, &map->pos_inputs, "map.inputs.s3",
			rc < 0 ? rc : err->code, err);
	if (n > OBJECTS_MAX)
		return error_set(err, ERR_INPUT,
			"%.*s:%u:%u: map.inputs.s3: more than %d objects of %.*s begin with "
			"'%.*s': let the pattern begin with more than that",
			STR_ARG(map->pos_inputs.file), map->pos_inputs.line, map->pos_inputs.col,
			OBJECTS_MAX, STR_ARG(pattern.bucket), STR_ARG(pattern.fixed));
	objects = ARENA_ARRAY(a, struct object, n);
	for (size_t i = 0; i < n; i++)
		objects[i] = (struct object){.key = found[i].key,
			.etag = found[i].etag,
			.size_bytes = found[i].size_bytes};
	inputs->objects = objects;
	inputs->n_objects = n;
	return 0;
}

/* The store's own bucket may still have to be made. */
static int
read_results_bucket(struct fleet_site *s, struct arena *a, struct str bucket, struct str prefix,
	struct error *err)
{
	struct observed *o = &s->site.seen.observed;
	struct error unwanted;
	int rc = collect_s3_observe(s->aws, a, bucket, prefix, &o->collected, &o->n_collected, err);

	if (rc == ERR_MISSING && fleet_locate_store(s, &unwanted) == 0 && str_eq(s->bucket, bucket))
		return 0;
	return rc < 0 ? fleet_bucket_failed(s, a, bucket, &s->site.config.manifest->pos_results,
				"results", rc, err)
		      : 0;
}

static int
read_results(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct observed *o = &s->site.seen.observed;
	struct str bucket, prefix;

	if (s3_parse_url(s->site.config.results, &bucket, &prefix))
		return read_results_bucket(s, a, bucket, prefix, err);
	return collect_observe(
		a, arena_cstr(a, s->site.config.results), &o->collected, &o->n_collected, err);
}

enum step
fleet_read(struct fleet_site *s, enum fleet_read what, struct error *err)
{
	static int (*const reads[FLEET_READS])(
		struct fleet_site *, struct arena *, struct error *) = {
		[READ_LOCK] = fleet_take_lock,
		[READ_SOURCE] = read_source,
		[READ_IMAGE] = fleet_read_image,
		[READ_LIST] = read_list,
		[READ_INPUTS] = read_inputs,
		[READ_RESULTS] = read_results,
		[READ_STORE] = fleet_read_store,
		[READ_HISTORY] = fleet_read_history,
		[READ_SHARED] = fleet_read_shared,
		[READ_HOSTS] = fleet_read_hosts,
		[READ_NETWORK] = fleet_read_network,
		[READ_TYPE] = fleet_read_type,
		[READ_OFFERS] = fleet_read_offers,
	};

	if (reads[what](s, &s->reads[what], err) == 0)
		return STEP_DONE;
	fleet_explain(s, what, &s->reads[what], err);
	return STEP_FAILED;
}

static uint32_t
add_read(struct graph *g, enum fleet_read what, const uint32_t *after, uint32_t n)
{
	const struct node node = {.kind = KIND_READ,
		.verb = VERB_RUN,
		.index = what,
		.estimate_ns = -1,
		.p90_ns = -1};

	return graph_add(g, &node, after, n);
}

int
fleet_read_graph(struct site *site, struct arena *a, struct graph *out, struct error *err)
{
	const struct map *map = &site->config.manifest->map;
	uint32_t lock = NO_NODE, n, source, parts[2];

	graph_init(out, a);
	add_read(out, READ_HOSTS, NULL, 0);
	if (((struct fleet_site *)site)->lock_run[0])
		lock = add_read(out, READ_LOCK, NULL, 0);
	n = lock != NO_NODE;
	add_read(out, READ_STORE, &lock, n);
	add_read(out, READ_HISTORY, &lock, n);
	add_read(out, READ_RESULTS, &lock, n);
	add_read(out, READ_SHARED, NULL, 0);
	parts[0] = add_read(out, READ_NETWORK, NULL, 0);
	parts[1] = add_read(out, READ_TYPE, NULL, 0);
	add_read(out, READ_OFFERS, parts, 2);
	source = add_read(out, READ_SOURCE, NULL, 0);
	if (site->config.manifest->environment.image.p)
		add_read(out, READ_IMAGE, NULL, 0);
	if (map->kind == MAP_FILE)
		add_read(out, READ_LIST, &source, 1);
	if (map->kind == MAP_S3)
		add_read(out, READ_INPUTS, NULL, 0);
	return graph_freeze(out, err);
}

/* Those that can be used first; of these, what needs least. */
static int
by_use(const void *a, const void *b)
{
	const struct warm *x = a, *y = b;
	int order = (x->why_not.p != NULL) - (y->why_not.p != NULL);

	if (order == 0)
		order = y->image_ready - x->image_ready;
	if (order == 0)
		order = y->source_ready - x->source_ready;
	if (order == 0)
		order = y->setup_ready - x->setup_ready;
	return order ? order : str_cmp(x->id, y->id);
}

static struct host *
find_host(struct host **hosts, size_t n, struct str id)
{
	for (size_t i = 0; i < n; i++) {
		if (str_is(id, hosts[i]->id))
			return hosts[i];
	}
	return NULL;
}

/* The site's hosts come in the order of the observed ones. */
static void
sort_hosts(struct fleet_site *s, struct fleet *f)
{
	struct host **sorted = ARENA_ARRAY(&s->arena, struct host *, s->n_hosts);

	if (f->n_warm)
		qsort(f->warm, f->n_warm, sizeof(*f->warm), by_use);
	for (size_t i = 0; i < f->n_warm; i++)
		sorted[i] = find_host(s->hosts, s->n_hosts, f->warm[i].id);
	s->hosts = sorted;
}

static void
observe_image(struct warm *w, const struct host_words *words, const struct far_image *image)
{
	w->container_dead = words->dead.n > 0;
	if (!image->id.p)
		return;
	w->image_ready = host_lists(&words->images, image->id.p);
	w->image_gone = host_lists(&words->images_gone, image->id.p);
	w->image_other = words->images.n > 0;
}

/* Of a region that is left out altogether that was told. */
static void
tell_unseen(struct fleet_site *s, struct fleet *f)
{
	for (size_t i = 0; i < s->n_regions; i++) {
		const struct region *r = &s->regions[i];

		if (!r->away[REGION_HOSTS].p || region_is_away(r).p)
			continue;
		f->prices_missing =
			arena_printf(&s->arena, "%.*s%s%.*s: what runs there is not known: %.*s",
				STR_ARG(f->prices_missing.p ? f->prices_missing : STR("")),
				f->prices_missing.p ? "; " : "", STR_ARG(r->wish->name),
				STR_ARG(r->away[REGION_HOSTS]));
	}
}

void
fleet_observe_identities(struct site *site, const struct job *job, struct observed *obs)
{
	struct fleet_site *s = (struct fleet_site *)site;
	struct fleet *f = &obs->fleet;
	char source[DIGEST_HEX_BYTES], env[DIGEST_HEX_BYTES], shared[DIGEST_HEX_BYTES];

	digest_hex(source, &job->export_identity);
	digest_hex(env, &job->environment_identity);
	f->there = true;
	tell_unseen(s, f);
	f->region = str_from(aws_region(s->aws));
	f->max = (uint32_t)site->config.manifest->instances.max;
	f->max_slots = site->config.max_slots;
	obs->source_ready = host_lists(&s->stored_sources, source);
	share_name(shared, s, job);
	share_choose(s, shared);
	fleet_observe_build(s, shared);
	f->setup_shared = share_may(s);
	f->shared_bytes = s->setup.key[0] ? s->setup.bytes : -1;
	obs->setup_ready = f->setup_shared && f->shared_bytes >= 0;
	for (size_t i = 0; i < f->n_warm; i++) {
		const struct host *h = find_host(s->hosts, s->n_hosts, f->warm[i].id);

		f->warm[i].hourly_usd = fleet_hourly_usd(
			h->region, f->warm[i].type, f->warm[i].zone, f->warm[i].spot, h->cpus);
		f->warm[i].source_ready = host_lists(&h->words.sources, source);
		f->warm[i].setup_ready =
			host_lists(fleet_has_image(s) ? &h->words.image_envs : &h->words.envs, env);
		observe_image(&f->warm[i], &h->words, &s->container);
	}
	sort_hosts(s, f);
}
