/* look: what EC2 says of the run's instances: one call for all of a region, shared by all who ask within a
 * moment, its failure too. */
#include "providers/fleet/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* What EC2 doesn't find may be there all the same, when it was launched just now and for moments also
 * later. After so long it is taken for gone. */
static const int64_t unseen_ns = 60 * NS_PER_S;

void
host_set_id(struct host *h, struct str id)
{
	pthread_mutex_lock(&h->site->lock);
	snprintf(h->id, sizeof(h->id), "%.*s", STR_ARG(id));
	pthread_mutex_unlock(&h->site->lock);
}

static void
refresh_locked(struct fleet_run *r, struct region *region, struct look *l)
{
	struct strings ids = {.v = mem_alloc((r->n_hosts + 1) * sizeof(struct str))};

	for (uint32_t i = 0; i < r->n_hosts; i++) {
		if (r->hosts[i]->id[0] && r->hosts[i]->region == region)
			ids.v[ids.n++] = str_from(r->hosts[i]->id);
	}
	arena_reset(&l->arena);
	l->n = 0;
	l->err = (struct error){0};
	if (ids.n && ec2_describe_instances(region->aws, &l->arena, (struct str){0}, &ids, NULL,
			     &l->v, &l->n, &l->err) < 0)
		l->n = 0;
	l->at_ns = fleet_now(r->site);
	free(ids.v);
}

static struct str
copied(struct arena *a, struct str s)
{
	return s.p ? arena_str(a, s) : s;
}

int
fleet_look(struct fleet_run *r, const struct host *h, int64_t max_age_ns, struct arena *a,
	struct ec2_instance **out, struct error *err)
{
	struct look *l = &r->looks[h->region - r->site->regions];
	int rc;

	*out = NULL;
	pthread_mutex_lock(&r->site->lock);
	if (!l->at_ns || fleet_now(r->site) - l->at_ns > max_age_ns)
		refresh_locked(r, h->region, l);
	rc = l->err.code;
	if (rc && err)
		*err = l->err;
	for (size_t i = 0; i < l->n; i++) {
		struct ec2_instance *seen = &l->v[i];

		if (!str_is(seen->id, h->id))
			continue;
		*out = arena_alloc(a, sizeof(**out));
		**out = *seen;
		(*out)->id = copied(a, seen->id);
		(*out)->type = copied(a, seen->type);
		(*out)->zone = copied(a, seen->zone);
		(*out)->public_address = copied(a, seen->public_address);
		(*out)->private_address = copied(a, seen->private_address);
		(*out)->reason = copied(a, seen->reason);
		(*out)->reason_code = copied(a, seen->reason_code);
		(*out)->tags = (struct pairs){0};
	}
	pthread_mutex_unlock(&r->site->lock);
	return rc;
}

/* What EC2 wanted back comes under this code: the market's end of it, no failure. */
static int
tell_dead(struct host *h, const struct ec2_instance *seen, struct error *err)
{
	if (seen->reason_code.p && str_is(seen->reason_code, "Server.SpotInstanceTermination")) {
		atomic_store(&h->reclaimed, true);
		return error_set(err, ERR_HOST, "EC2 has interrupted %s, a spot instance: it is %s",
			h->id, ec2_state_name(seen->state));
	}
	return error_set(err, ERR_HOST, "%s is %s%s%.*s", h->id, ec2_state_name(seen->state),
		seen->reason.p ? ": " : "", STR_ARG(seen->reason));
}

static int
check_seen(struct host *h, const struct ec2_instance *seen, struct error *err)
{
	struct str address = seen->public_address.p ? seen->public_address : seen->private_address;

	h->unseen_since_ns = 0;
	/* One that stops has its disk still, and may be paid for until it has stopped. */
	if (seen->state == EC2_SHUTTING_DOWN || seen->state == EC2_TERMINATED)
		host_ended(h);
	if (seen->state != EC2_PENDING && seen->state != EC2_RUNNING)
		return tell_dead(h, seen, err);
	if (seen->state == EC2_RUNNING && !h->running_ns)
		h->running_ns = fleet_now(h->site);
	if (!h->address[0] && address.p)
		snprintf(h->address, sizeof(h->address), "%.*s", STR_ARG(address));
	return 0;
}

int
host_alive(struct fleet_run *r, struct host *h, int64_t max_age_ns, bool *asked, struct error *err)
{
	struct arena scratch = {0};
	struct ec2_instance *seen;
	int64_t now_ns = fleet_now(r->site);
	int rc = 0;

	*asked = fleet_look(r, h, max_age_ns, &scratch, &seen, NULL) == 0;
	if (*asked && seen)
		rc = check_seen(h, seen, err);
	else if (*asked && !h->unseen_since_ns)
		h->unseen_since_ns = now_ns;
	else if (*asked && now_ns - h->unseen_since_ns >= unseen_ns)
		rc = error_set(err, ERR_HOST, "EC2 does not know %s%s", h->id,
			h->ready ? " any more" : "");
	if (rc < 0)
		h->spent = true;
	arena_free(&scratch);
	return rc;
}
