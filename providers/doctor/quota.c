/* quota: the vCPUs that the account may have, less those that are in use, against what the manifest wants. */
#include "providers/doctor/internal.h"

#include "providers/aws/service_quota.h"

#include <math.h>

/* No account has so many. */
#define ABSURD_VCPUS 1e8

/* Those of other jobs and other people: this job's own are taken again. */
static bool
counts(const struct doctor *d, const struct ec2_instance *i, const struct ec2_quota *q)
{
	return ec2_quota_of(i->type, i->spot) == q &&
	       !str_eq(ec2_tag(i, "furrow:job"), d->manifest->name);
}

static bool
has(const struct strings *list, struct str s)
{
	for (size_t i = 0; i < list->n; i++) {
		if (str_eq(list->v[i], s))
			return true;
	}
	return false;
}

static int64_t
cpus_of(const struct ec2_type *types, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(types[i].name, name))
			return types[i].cpus;
	}
	return 0;
}

static int
read_use(struct doctor *d, struct arena *a, const struct ec2_quota *q, int64_t *vcpus,
	struct error *err)
{
	struct pair running = {STR("instance-state-name"), STR("pending,running")};
	const struct pairs filters = {&running, 1};
	struct ec2_instance *all;
	struct strings names = {0};
	struct ec2_type *types = NULL;
	size_t n, n_types = 0;
	int rc = ec2_describe_instances(d->aws, a, (struct str){0}, NULL, &filters, &all, &n, err);

	*vcpus = 0;
	if (rc < 0)
		return rc;
	names.v = ARENA_ARRAY(a, struct str, n);
	for (size_t i = 0; i < n; i++) {
		if (counts(d, &all[i], q) && !has(&names, all[i].type))
			names.v[names.n++] = all[i].type;
	}
	if (names.n)
		rc = ec2_types_named(d->aws, a, &names, &types, &n_types, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (counts(d, &all[i], q))
			*vcpus += cpus_of(types, n_types, all[i].type);
	}
	return rc;
}

/* Whether there is no room for a single one. */
static bool
judge(struct doctor *d, struct doctor_findings *f, struct str tried, const struct ec2_quota *q,
	double quota, int64_t used)
{
	int64_t max = d->manifest->instances.max;
	int64_t wanted = used + max * d->offer.cpus;
	double room = floor((quota - (double)used) / (double)d->offer.cpus);
	struct doctor_finding *finding = doctor_add(f, "quota", DOCTOR_OK, tried,
		"\"%s\" is %g vCPUs, %lld of them in use by others; the manifest wants up to %lld "
		"instances of %lld",
		q->name, quota, (long long)used, (long long)max, (long long)d->offer.cpus);

	if (room >= (double)max)
		return false;
	finding->verdict = DOCTOR_WARN;
	doctor_advise(f, finding,
		"there is room for %g: ask for more in Service Quotas (`aws service-quotas "
		"request-service-quota-increase --service-code ec2 --quota-code %s "
		"--desired-value %lld --region %s`), or wish for fewer or smaller instances",
		room < 0 ? 0 : room, q->code, (long long)wanted, aws_region(d->aws));
	return room < 1;
}

static bool
ask_quota(struct doctor *d, struct doctor_findings *f, bool spot)
{
	const struct ec2_quota *q = ec2_quota_of(d->offer.type, spot);
	struct service_quota quota;
	struct arena scratch = {0};
	struct str tried = STR("servicequotas GetServiceQuota");
	struct error err;
	bool full = false;
	int64_t used;
	int rc;

	if (!q) {
		doctor_add(f, "quota", DOCTOR_WARN, tried,
			"which quota %.*s counts against is not known to furrow",
			STR_ARG(d->offer.type));
		return false;
	}
	tried = arena_printf(&scratch, "servicequotas GetServiceQuota ec2 %s", q->code);
	rc = service_quota_get(d->aws, &scratch, "ec2", q->code, &quota, &err);
	if (rc == 0 && !quota.has_value)
		doctor_add(f, "quota", DOCTOR_WARN, tried,
			"\"%s\" came without a value; it is not counted on", q->name);
	else if (rc == 0 && (!(quota.value >= 0) || quota.value > ABSURD_VCPUS))
		doctor_add(f, "quota", DOCTOR_WARN, tried,
			"\"%s\" is %g, which cannot be; it is not counted on", q->name,
			quota.value);
	else if (rc < 0 || read_use(d, &scratch, q, &used, &err) < 0)
		doctor_add_error(f, "quota", DOCTOR_WARN, tried, &err)->input = false;
	else
		full = judge(d, f, tried, q, quota.value, used);
	arena_free(&scratch);
	return full;
}

void
doctor_quota(struct doctor *d, struct doctor_findings *f)
{
	if (!d->has_offer)
		return;
	d->full = ask_quota(d, f, d->offer.spot);
	/* Then there is the other market. */
	if (d->manifest->instances.spot == TRI_AUTO)
		d->full = ask_quota(d, f, !d->offer.spot) && d->full;
}
