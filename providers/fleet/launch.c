/* launch: from nothing to an instance that has an address. The call's token is on disk before the
 * call goes out, so that a reply that is lost launches nothing twice. */
#include "providers/fleet/internal.h"

#include "providers/aws/user_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t boot_lease_s = 900;
static const int64_t poll_ns = NS_PER_S;
static const int64_t look_again_ns = 100 * NS_PER_MS;

/* For so long an offer that EC2 had none of is left out. */
static const int64_t empty_ns = 3 * 60 * NS_PER_S;

enum {
	MAX_TAGS = 12,
	TRIES = 24 /* of one launch, at different offers */
};

static const struct offer *
offer_of(const struct fleet_run *r, const struct host *h)
{
	return &r->plan->changes.offers[h->offer];
}

/* The same for the same run, instance, try and offer, and for nothing else. */
static struct str
make_token(const struct fleet_run *r, struct arena *a, const struct host *h)
{
	const struct offer *o = offer_of(r, h);
	struct str record = arena_printf(a, "%s/%u/%u/%.*s/%.*s/%s", r->id, h->index, h->launches,
		STR_ARG(o->zone), STR_ARG(o->type), o->spot ? "spot" : "on demand");
	struct digest d = digest_of(record.p, record.n);
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &d);
	return arena_printf(a, "furrow-%.40s", hex);
}

static void
add_tag(struct pairs *tags, const char *name, struct str value)
{
	tags->v[tags->n++] = (struct pair){.name = str_from(name), .value = value};
}

static struct pairs
make_tags(const struct fleet_run *r, struct arena *a, const struct host *h, const char *print)
{
	const struct manifest *m = r->site->site.config.manifest;
	struct str store = r->site->site.seen.observed.fleet.store;
	struct pairs tags = {.v = ARENA_ARRAY(a, struct pair, MAX_TAGS)};

	add_tag(&tags, "Name", arena_printf(a, "furrow-%.*s", STR_ARG(m->name)));
	add_tag(&tags, "furrow:job", m->name);
	add_tag(&tags, "furrow:run", str_from(r->id));
	add_tag(&tags, "furrow:slot", arena_printf(a, "%u", h->index));
	add_tag(&tags, "furrow:lease", arena_printf(a, "%lld", (long long)boot_lease_s));
	add_tag(&tags, "furrow:idle",
		arena_printf(a, "%lld", (long long)(m->instances.idle_ns / NS_PER_S)));
	add_tag(&tags, "furrow:wish", str_from(r->site->wish));
	add_tag(&tags, "furrow:cpus",
		arena_printf(a, "%lld/%lld", (long long)offer_of(r, h)->cpus,
			(long long)offer_of(r, h)->gpus)); /* and GPUs */
	if (store.n <= EC2_TAG_BYTES)
		add_tag(&tags, "furrow:store", store);
	add_tag(&tags, "furrow:host-key", str_from(h->host_key));
	add_tag(&tags, "furrow:key", arena_str(a, str_from(print)));
	return tags;
}

/* With a key pair of the host's own, known to us before it boots. */
static int
make_user_data(struct fleet_run *r, struct arena *a, struct host *h, struct error *err)
{
	struct ssh_key key;
	struct user_data u = {.source_id = str_from(r->source_id), .boot_lease_s = boot_lease_s};
	const struct far_image *image = &r->site->container;
	int rc = ssh_key_make(&key, err);

	if (rc == 0)
		rc = fleet_file_urls(r, a, &u.runner.url, &u.source.url, err);
	/* A login is no business of user data: such an image is pulled when the run begins. */
	/* Nor is it needed where an image is to be had that setup has made of it. */
	if (rc == 0 && image->pull.p && !image->login.p && !image->built &&
		!(share_may(r->site) && r->site->setup.key[0])) {
		u.image = image->pull;
		u.image_id = image->id;
		rc = fleet_image_url(r, a, &u.image_url, err);
	}
	if (rc < 0)
		return rc;
	memcpy(h->host_key, key.public_key, sizeof(h->host_key));
	u.host_key_private = str_from(key.private_key);
	u.host_key_public = str_from(key.public_key);
	u.authorized_key = str_from(r->site->key.public_key);
	u.runner.sha256 = r->site->runner_sha256;
	u.warm_files = r->site->site.config.manifest->instances.warm_files;
	buf_clear(&h->user_data);
	rc = user_data_write(&h->user_data, &u, err);
	explicit_bzero(&key, sizeof(key));
	return rc;
}

static void
take_instance(struct host *h, const struct ec2_instance *i)
{
	struct str address = i->public_address.p ? i->public_address : i->private_address;

	host_set_id(h, i->id);
	snprintf(h->type, sizeof(h->type), "%.*s", STR_ARG(i->type));
	snprintf(h->zone, sizeof(h->zone), "%.*s", STR_ARG(i->zone));
	snprintf(h->address, sizeof(h->address), "%.*s", STR_ARG(address));
	snprintf(h->runner.shown, sizeof(h->runner.shown), "%s", h->id);
	if (i->state == EC2_RUNNING && !h->running_ns)
		h->running_ns = fleet_now(h->site);
}

/* Named also when it is the image's own: gp3, whatever the image was made with. */
static int64_t
disk_bytes(const struct region *r)
{
	int64_t wished = r->site->site.config.manifest->instances.disk.size_bytes;

	if (wished >= 0)
		return wished;
	return r->image.disk_bytes > 0 ? r->image.disk_bytes : -1;
}

static struct ec2_launch
describe_launch(struct fleet_run *r, const struct host *h, struct arena *a)
{
	const struct fleet_site *s = r->site;
	const struct instances *wish = &s->site.config.manifest->instances;
	const struct region *region = h->region;
	const struct ec2_subnet *subnet = &region->subnets[h->subnet];
	const struct offer *o = offer_of(r, h);
	char print[SSH_KEY_PRINT_BYTES] = "";

	ssh_key_print(print, str_from(s->key.public_key));
	return (struct ec2_launch){.token = str_from(h->token),
		.image = region->image.id,
		.type = o->type,
		.zone = subnet->zone,
		.subnet = subnet->id,
		.group = region->group.id,
		.root_device = region->image.root_device,
		.disk_bytes = disk_bytes(region),
		.disk_warm_bytes_per_s = wish->disk.warm_bytes_per_s,
		.spot = o->spot,
		.public_address = subnet->public_address,
		.user_data = buf_str(&h->user_data),
		.tags = make_tags(r, a, h, print)};
}

/* Another one than those that were asked for before. */
static int
prepare_launch(
	struct fleet_run *r, struct arena *a, struct host *h, size_t offer, struct error *err)
{
	const struct offer *o = &r->plan->changes.offers[offer];
	struct region *region = region_named(r->site, o->region);
	struct str token;
	size_t i = 0;

	while (i < region->n_subnets && !str_eq(region->subnets[i].zone, o->zone))
		i++;
	if (i == region->n_subnets)
		return error_set(err, ERR_INTERNAL, "there is no subnet in %.*s", STR_ARG(o->zone));
	h->offer = offer;
	h->region = region;
	h->subnet = i;
	h->slots = o->slots;
	h->bare_metal = o->bare_metal;
	token = make_token(r, a, h);
	snprintf(h->token, sizeof(h->token), "%.*s", STR_ARG(token));
	return make_user_data(r, a, h, err);
}

/* One try at one offer. */
static int
launch_once(
	struct fleet_run *r, struct arena *a, struct host *h, struct call *call, struct error *err)
{
	const struct ec2_launch launch = describe_launch(r, h, a);
	struct ec2_instance made;
	bool unsure = h->unsure;
	uint32_t sent;
	int rc;

	call->hourly_usd = offer_hourly_usd(offer_of(r, h));
	rc = call->sink->intent(call, "RunInstances", h->token, err);
	if (rc < 0)
		return rc;
	h->unsure = true;
	h->asked_ns = fleet_now(r->site);
	h->accepted_ns = 0;
	h->running_ns = 0;
	rc = ec2_run_instance(h->region->aws, a, &launch, false, &made, &sent, err);
	h->sent_ns = fleet_now(r->site);
	/* What EC2 cannot grant it has not granted before under this token. Who may not ask, or asks
	 * wrongly, is told so whatever there is; and a reply that was lost says nothing. */
	if (rc == 0 || err->class == CLASS_CAPACITY || err->class == CLASS_QUOTA)
		h->unsure = false;
	else if (rc == ERR_INPUT && sent <= 1)
		h->unsure = unsure;
	if (rc < 0)
		return rc;
	h->accepted_ns = h->sent_ns;
	take_instance(h, &made);
	return call->sink->effect(call, h->id, err);
}

/* What a run that died has asked EC2 for is this run's now. 1: there was such a one. */
static int
take_over(
	struct fleet_run *r, struct arena *a, struct host *h, struct call *call, struct error *err)
{
	struct ec2_instance lost;
	struct region *region;
	int rc = lost_take(r, a, &lost, &region, err);

	if (rc <= 0)
		return rc;
	h->region = region;
	take_instance(h, &lost);
	h->slots = fleet_slots_of(r->site, &lost);
	snprintf(h->host_key, sizeof(h->host_key), "%.*s",
		STR_ARG(ec2_tag(&lost, "furrow:host-key")));
	call->hourly_usd =
		fleet_hourly_usd(region, lost.type, lost.zone, lost.spot, fleet_cpus_of(&lost));
	return call->sink->effect(call, h->id, err) < 0 ? err->code : 1;
}

static bool
same_market(const struct offer *x, const struct offer *y)
{
	return x->spot == y->spot && str_eq(x->region, y->region);
}

/* EC2 has none of it; other hosts needn't ask as well. all: the account may have no more instances of any type
 * in this region, in this market. */
static void
mark_empty(struct fleet_run *r, size_t offer, bool all)
{
	const struct offer *v = r->plan->changes.offers, *o = &v[offer];
	int64_t again_ns = fleet_now(r->site) + empty_ns;

	pthread_mutex_lock(&r->site->lock);
	for (size_t i = 0; i < r->plan->changes.n_offers; i++) {
		if (i == offer || (all && same_market(&v[i], o)))
			r->offer_again_ns[i] = again_ns;
	}
	pthread_mutex_unlock(&r->site->lock);
}

/* From `from` on, the first that EC2 may have; n_offers: there is none. all: whatever it had none of a
 * while ago as well. */
static size_t
next_offer(struct fleet_run *r, size_t from, bool all)
{
	size_t n = r->plan->changes.n_offers;

	pthread_mutex_lock(&r->site->lock);
	while (!all && from < n && r->offer_again_ns[from] > fleet_now(r->site))
		from++;
	pthread_mutex_unlock(&r->site->lock);
	return from;
}

/* A quota is a region's own. Of one region alone it is the end: what it is about should be told. */
static bool
may_be_elsewhere(const struct fleet_run *r, const struct error *err)
{
	return err->class == CLASS_CAPACITY ||
	       (err->class == CLASS_QUOTA && regions_are_many(r->site));
}

/* Behind one that EC2 has just refused. */
static size_t
go_on(struct fleet_run *r, size_t refused, bool all, const struct error *err)
{
	const struct offer *v = r->plan->changes.offers;
	size_t n = r->plan->changes.n_offers, i;
	bool wide = err->class == CLASS_QUOTA ||
		    strstr(err->message, "MaxSpotInstanceCountExceeded") != NULL;

	mark_empty(r, refused, wide);
	i = next_offer(r, refused + 1, all);
	while (wide && i < n && same_market(&v[i], &v[refused]))
		i = next_offer(r, i + 1, all);
	return i;
}

/* From `from` on, the first of another region; `from` when there is none. */
static size_t
leave_region(struct fleet_run *r, size_t from, bool all)
{
	const struct offer *v = r->plan->changes.offers;
	size_t n = r->plan->changes.n_offers, i = from;

	while (i < n && str_eq(v[i].region, v[from].region))
		i = next_offer(r, i + 1, all);
	return i < n ? i : from;
}

/* The best first; whatever EC2 has none of, the next one at once. A region that has none of its share of the tries
 * is left: it may have none at all. */
static int
launch_somewhere(
	struct fleet_run *r, struct arena *a, struct host *h, struct call *call, struct error *err)
{
	const struct offer *v = r->plan->changes.offers;
	size_t n = r->plan->changes.n_offers, tries = 0, here = 0, i;
	struct buf tried = {0};
	bool all = false;
	int rc = 0;

	h->launches += !h->unsure;
	i = h->unsure ? h->offer : next_offer(r, 0, false);
	if (i == n) {
		all = true; /* any of them may have got some meanwhile */
		i = 0;
	}
	for (;;) {
		if (!h->unsure)
			rc = prepare_launch(r, a, h, i, err);
		if (rc == 0)
			rc = launch_once(r, a, h, call, err);
		if (rc == 0 || !may_be_elsewhere(r, err))
			break;
		buf_addf(&tried, "%s%.*s", tries++ ? ", " : "",
			STR_ARG(offer_name(a, offer_of(r, h))));
		i = go_on(r, i, all, err);
		if (i == n || tries == TRIES)
			break;
		here = str_eq(v[i].region, offer_of(r, h)->region) ? here + 1 : 0;
		if (here == TRIES / r->site->n_regions) {
			i = leave_region(r, i, all);
			here = 0;
		}
	}
	if (rc < 0 && may_be_elsewhere(r, err) && tries > 1)
		error_wrap(err, "none of %zu offers was to be had (%s)", tries, buf_cstr(&tried));
	buf_free(&tried);
	return rc;
}

int
launch_host(struct fleet_run *r, struct host *h, struct call *call, struct error *err)
{
	struct fleet_site *s = r->site;
	struct arena scratch = {0};
	int rc = fleet_check_lock(s, err);

	if (rc == 0)
		rc = fleet_key(s, true, err);
	if (rc == 0 && !h->unsure)
		rc = take_over(r, &scratch, h, call, err);
	if (rc == 0)
		rc = launch_somewhere(r, &scratch, h, call, err);
	h->since_ns = fleet_now(s);
	arena_free(&scratch);
	return rc < 0 ? rc : 0;
}

int
replace_host(struct fleet_run *r, struct host *h, struct call *call, struct error *err)
{
	int rc = 0;

	/* One that is to be interrupted has a session still; nothing runs there any more. */
	host_say_goodbye(h, 0, NULL);
	atomic_store(&h->leaving, false);
	h->ready = false;
	host_disconnect(h);
	if (h->id[0])
		rc = ec2_terminate_one(h->region->aws, str_from(h->id), err);
	if (rc < 0 && rc != ERR_MISSING)
		return rc;
	/* What EC2 has taken back it hasn't: the next best is another zone, type or market. */
	if (atomic_load(&h->reclaimed) && !h->found)
		mark_empty(r, h->offer, false);
	host_set_id(h, STR(""));
	h->address[0] = '\0';
	h->found = false;
	h->spent = false;
	atomic_store(&h->reclaimed, false);
	atomic_store(&h->doomed, false);
	atomic_store(&h->gone, false);
	h->unseen_since_ns = 0;
	return launch_host(r, h, call, err);
}

enum step
fleet_launch(struct fleet_run *r, struct call *call, struct error *err)
{
	struct host *h = r->hosts[call->node->index];
	struct ec2_instance *seen;
	struct arena scratch = {0};
	int rc = 0;

	call->sink->phase(call, PHASE_LAUNCH);
	if (!h->id[0])
		rc = launch_host(r, h, call, err);
	else if (h->spent || atomic_load(&h->doomed))
		rc = replace_host(r, h, call, err);
	if (rc == 0 && !h->address[0]) {
		rc = fleet_look(r, h, poll_ns, &scratch, &seen, err);
		if (rc == 0 && seen)
			take_instance(h, seen);
	}
	arena_free(&scratch);
	if (rc < 0)
		return STEP_FAILED;
	if (h->address[0])
		return STEP_DONE;
	call->pending_until_ns = call->sink->now_ns(call) + look_again_ns;
	return STEP_PENDING;
}
