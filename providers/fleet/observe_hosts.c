/* observe_hosts: the instances of a job that are there, and over SSH, all at once, what each of them
 * has. One that does not answer is no failure: it is left alone, and the plan says why. */
#include "providers/fleet/internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { POLL_MS = 20 };

static const int64_t answer_ns = 5 * NS_PER_S;
/* A younger one that does not answer may still be booting. */
static const int64_t boot_ns = 5 * 60 * NS_PER_S;

static void
copy(char *to, size_t size, struct str from)
{
	snprintf(to, size, "%.*s", STR_ARG(from));
}

static struct str
address_of(const struct ec2_instance *i)
{
	return i->public_address.p ? i->public_address : i->private_address;
}

/* Hosts that are being connected to already; one that is taken out leaves NULL. */
struct known {
	struct host **v;
	size_t n;
};

static struct known
connect_known(struct fleet_site *s, struct arena *a)
{
	struct known_host *told = NULL;
	struct known out = {0};
	struct error unwanted;
	size_t n;

	known_load(s, a, &told, &n);
	if (!n || fleet_key(s, false, &unwanted) < 0)
		return out;
	out.v = ARENA_ARRAY(a, struct host *, n);
	for (size_t i = 0; i < n; i++) {
		struct host *h = out.v[out.n++] = host_new(s);

		copy(h->id, sizeof(h->id), told[i].id);
		copy(h->address, sizeof(h->address), told[i].address);
		copy(h->host_key, sizeof(h->host_key), told[i].host_key);
		host_connect(h, answer_ns, &unwanted); /* else it is tried once more below */
	}
	return out;
}

static void
forget_known(struct known *known)
{
	for (size_t i = 0; i < known->n; i++) {
		if (known->v[i])
			host_free(known->v[i]);
	}
}

/* The one that is this instance, by all that we know of it; else a new one. */
static struct host *
take_known(struct fleet_site *s, struct known *known, const struct ec2_instance *i)
{
	for (size_t k = 0; k < known->n; k++) {
		struct host *h = known->v[k];

		if (!h || !str_is(i->id, h->id) || !str_is(address_of(i), h->address) ||
			!str_is(ec2_tag(i, "furrow:host-key"), h->host_key))
			continue;
		known->v[k] = NULL;
		return h;
	}
	return host_new(s);
}

static struct host *
host_of_instance(struct region *r, struct known *known, const struct ec2_instance *i)
{
	struct host *h = take_known(r->site, known, i);

	h->region = r;
	copy(h->id, sizeof(h->id), i->id);
	copy(h->type, sizeof(h->type), i->type);
	copy(h->zone, sizeof(h->zone), i->zone);
	copy(h->address, sizeof(h->address), address_of(i));
	copy(h->host_key, sizeof(h->host_key), ec2_tag(i, "furrow:host-key"));
	h->launched_wall_ns = i->launched_wall_ns;
	h->cpus = fleet_cpus_of(i);
	h->found = true;
	return h;
}

struct str
fleet_judge_tags(struct fleet_site *s, struct arena *a, const struct ec2_instance *i)
{
	char print[SSH_KEY_PRINT_BYTES];
	struct str key = ec2_tag(i, "furrow:key");

	if (!str_is(ec2_tag(i, "furrow:wish"), s->wish))
		return STR("it was launched for other wishes of `instances`");
	if (!ec2_tag(i, "furrow:host-key").p)
		return STR("it has no host key in its tags to know it by");
	if (!s->has_key || !ssh_key_print(print, str_from(s->key.public_key)) ||
		!str_is(key, print))
		return arena_printf(a, "it lets in another key than ours (%.*s)", STR_ARG(key));
	return (struct str){0};
}

static bool
is_young(const struct fleet_site *s, const struct host *h)
{
	return aws_wall_ns(s->aws) - h->launched_wall_ns < boot_ns;
}

/* Asks once more whether it said its words. true: nothing more is to be waited for. */
static bool
is_settled(struct fleet_site *s, struct arena *a, struct host *h, struct warm *w)
{
	struct error err;
	int rc;

	if (w->why_not.p || !h->ssh)
		return true;
	rc = host_listen(h, &err);
	if (rc < 0 && !is_young(s, h))
		w->why_not = arena_str(a, str_from(err.message));
	if (rc < 0)
		host_disconnect(h);
	return rc != 0;
}

/* Until all have answered, or the time is over. */
static void
listen_to_all(struct fleet_site *s, struct arena *a, struct warm *warm)
{
	int64_t until = fleet_now(s) + answer_ns;
	bool settled = false;

	while (!settled && fleet_now(s) < until) {
		struct pollfd *p = mem_alloc((s->n_hosts + 1) * sizeof(*p));

		settled = true;
		for (size_t i = 0; i < s->n_hosts; i++) {
			bool done = is_settled(s, a, s->hosts[i], &warm[i]);

			settled &= done;
			p[i] = (struct pollfd){.fd = done ? -1 : s->hosts[i]->fd, .events = POLLIN};
		}
		if (!settled)
			poll(p, s->n_hosts, POLL_MS);
		free(p);
	}
	for (size_t i = 0; i < s->n_hosts; i++) {
		struct host *h = s->hosts[i];

		if (h->words.there || warm[i].why_not.p)
			continue;
		host_disconnect(h);
		if (!is_young(s, h))
			warm[i].why_not = STR("it did not answer within 5 s");
	}
}

int64_t
fleet_cpus_of(const struct ec2_instance *i)
{
	struct str gpus = ec2_tag(i, "furrow:cpus"), cpus = str_cut(&gpus, '/');
	int64_t n;

	return str_to_i64(cpus, &n) ? n : 1;
}

uint32_t
fleet_slots_of(const struct fleet_site *s, const struct ec2_instance *i)
{
	struct str gpus = ec2_tag(i, "furrow:cpus");
	int64_t n;

	str_cut(&gpus, '/');
	return fleet_slots(s, fleet_cpus_of(i), str_to_i64(gpus, &n) ? n : 0);
}

static struct warm
warm_of(struct arena *a, const struct host *h, struct str why_not)
{
	return (struct warm){.id = arena_str(a, str_from(h->id)),
		.type = arena_str(a, str_from(h->type)),
		.zone = arena_str(a, str_from(h->zone)),
		.why_not = why_not};
}

/* Sees to it that an instance is being asked, unless it cannot serve. */
static struct warm
ask(struct fleet_site *s, struct arena *a, struct host *h, const struct ec2_instance *i)
{
	struct warm w = warm_of(a, h, fleet_judge_tags(s, a, i));
	struct error why;

	w.slots = fleet_slots_of(s, i);
	w.spot = i->spot;
	if (w.why_not.p)
		host_disconnect(h);
	else if (!h->ssh && h->address[0] && host_connect(h, answer_ns, &why) < 0)
		w.why_not = arena_str(a, str_from(why.message));
	return w;
}

static int
read_region(struct region *r, struct arena *a, struct error *err)
{
	struct pair filters[] = {
		{.name = STR("tag:furrow:job"), .value = r->site->site.config.manifest->name},
		{.name = STR("instance-state-name"), .value = STR("pending,running")}};
	const struct pairs wanted = {.v = filters, .n = 2};

	int rc = ec2_describe_instances(
		r->aws, a, (struct str){0}, NULL, &wanted, &r->found, &r->n_found, err);

	if (rc < 0)
		r->n_found = 0;
	return region_left_out(r, REGION_HOSTS, a, rc, err);
}

static int
read_hosts(struct fleet_site *s, struct arena *a, struct known *known, struct error *err)
{
	struct warm *warm;
	size_t n = 0;
	int rc = regions_read(s, true, REGION_HOSTS, read_region, err);

	for (size_t k = 0; k < s->n_regions; k++)
		n += s->regions[k].n_found;
	if (rc < 0 || n == 0)
		return rc;
	if (fleet_key(s, false, err) < 0 && err->code != ERR_MISSING)
		return err->code;
	warm = ARENA_ARRAY(a, struct warm, n);
	s->hosts = ARENA_ARRAY(a, struct host *, n);
	for (size_t k = 0; k < s->n_regions; k++) {
		struct region *r = &s->regions[k];

		for (size_t i = 0; i < r->n_found; i++, s->n_hosts++) {
			s->hosts[s->n_hosts] = host_of_instance(r, known, &r->found[i]);
			warm[s->n_hosts] = ask(s, a, s->hosts[s->n_hosts], &r->found[i]);
		}
	}
	listen_to_all(s, a, warm);
	s->site.seen.observed.fleet.warm = warm;
	s->site.seen.observed.fleet.n_warm = n;
	return 0;
}

int
fleet_read_hosts(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct known known = connect_known(s, a);
	int rc = read_hosts(s, a, &known, err);

	forget_known(&known);
	return rc;
}
