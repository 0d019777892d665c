/* survey: what the cloud has of a job, for people: all its instances, also those that no apply would use,
 * and who is at it. Changes nothing. */
#include "providers/fleet/internal.h"

#include "providers/parallel.h"
#include "providers/store/job_lock.h"

#include <stdlib.h>

enum look_part { LOOK_INSTANCES, LOOK_LOCK, LOOK_PARTS };

struct looking {
	struct fleet_site *s;
	struct job_holder holder;
	int rc[LOOK_PARTS];
	struct error err[LOOK_PARTS];
};

static int
look_in_region(struct region *r, struct arena *a, struct error *err)
{
	struct pair filters[] = {{STR("tag:furrow:job"), r->site->site.config.manifest->name},
		{STR("instance-state-name"),
			STR("pending,running,shutting-down,stopping,stopped")}};
	const struct pairs wanted = {.v = filters, .n = 2};

	return ec2_describe_instances(
		r->aws, a, (struct str){0}, NULL, &wanted, &r->found, &r->n_found, err);
}

static int
look_at_lock(struct looking *l, struct arena *a, struct error *err)
{
	int rc = fleet_locate_store(l->s, err);

	if (rc < 0)
		return rc;
	return job_lock_holder(l->s->aws, a,
		&(struct job_lock_options){.bucket = l->s->bucket,
			.prefix = l->s->prefix,
			.job = l->s->site.config.manifest->name},
		&l->holder, err);
}

static void
look_part(void *ctx, size_t i)
{
	struct looking *l = ctx;

	l->rc[i] = i == LOOK_LOCK
			   ? look_at_lock(l, &l->s->arena, &l->err[i])
			   : regions_read(l->s, true, REGION_HOSTS, look_in_region, &l->err[i]);
}

static const struct host *
find_host(const struct fleet_site *s, struct str id)
{
	for (size_t i = 0; i < s->n_hosts; i++) {
		if (str_is(id, s->hosts[i]->id))
			return s->hosts[i];
	}
	return NULL;
}

static struct str
judge(const struct fleet_site *s, struct arena *a, const struct ec2_instance *i,
	const struct host *h)
{
	const struct fleet *f = &s->site.seen.observed.fleet;

	if (i->state != EC2_RUNNING && i->state != EC2_PENDING)
		return arena_printf(a, "it is %s", ec2_state_name(i->state));
	for (size_t k = 0; k < f->n_warm; k++) {
		if (str_eq(f->warm[k].id, i->id) && f->warm[k].why_not.p)
			return f->warm[k].why_not;
	}
	if (!h || !h->words.there)
		return STR("it does not answer yet");
	return (struct str){0};
}

static struct site_instance
describe(const struct fleet_site *s, struct arena *a, const struct ec2_instance *i)
{
	const struct host *h = find_host(s, i->id);
	const struct host_words *w = h ? &h->words : NULL;
	struct site_instance out = {.id = i->id,
		.type = i->type,
		.zone = i->zone,
		.run = ec2_tag(i, "furrow:run"),
		.state = ec2_state_name(i->state),
		.spot = i->spot,
		.why_not = judge(s, a, i, h),
		.launched_wall_ns = i->launched_wall_ns,
		.left_ns = -1};

	if (w && w->there && w->runs.n)
		out.busy = w->runs.v[0];
	if (w && w->there && w->until_s >= 0 && w->uptime_s >= 0)
		out.left_ns =
			w->until_s <= w->uptime_s ? 0 : (int64_t)((w->until_s - w->uptime_s) * 1e9);
	return out;
}

static int
by_launch(const void *a, const void *b)
{
	const struct site_instance *x = a, *y = b;

	if (x->launched_wall_ns != y->launched_wall_ns)
		return x->launched_wall_ns < y->launched_wall_ns ? -1 : 1;
	return str_cmp(x->id, y->id);
}

int
fleet_survey(struct site *site, struct arena *a, struct site_cloud *out, struct error *err)
{
	struct fleet_site *s = (struct fleet_site *)site;
	struct looking l = {.s = s};
	size_t n = 0;

	parallel_for(LOOK_PARTS, LOOK_PARTS, look_part, &l);
	for (int i = 0; i < LOOK_PARTS; i++) {
		if (l.rc[i] < 0) {
			*err = l.err[i];
			return l.rc[i];
		}
	}
	for (size_t i = 0; i < s->n_regions; i++)
		n += s->regions[i].n_found;
	*out = (struct site_cloud){
		.instances = ARENA_ARRAY(a, struct site_instance, n), .holder = l.holder};
	for (size_t i = 0; i < s->n_regions; i++) {
		const struct region *r = &s->regions[i];

		for (size_t k = 0; k < r->n_found; k++)
			out->instances[out->n_instances++] = describe(s, a, &r->found[k]);
	}
	if (n)
		qsort(out->instances, n, sizeof(*out->instances), by_launch);
	return 0;
}
