/* inventory_remove: ending what does not stay, and waiting until it has ended. */
#include "providers/fleet/inventory_internal.h"

#include "providers/aws/ec2.h"
#include "providers/parallel.h"

#include <stdlib.h>

enum { TERMINATE_IDS = 1000, GROUP_THREADS = 16, LOOK_FAILURES = 5 };

/* EC2 takes its time with some types; whoever waits longer is told what is left. */
static const int64_t end_ns = 15 * 60 * NS_PER_S;
static const int64_t absent_ns = 60 * NS_PER_S;
/* A call that EC2 took but did nothing about is made again. */
static const int64_t ask_again_ns = 60 * NS_PER_S;
static const int64_t poll_least_ns = 250 * NS_PER_MS, poll_most_ns = 4 * NS_PER_S;
static const int64_t group_ns = 2 * NS_PER_S;
enum { GROUP_TRIES = 150 };

static int64_t
now_ns(const struct inventory *inv)
{
	return inv->clock->now_ns(inv->clock->ctx);
}

static bool
is_wanted(const struct inventory_item *item)
{
	return !item->stays.p && !item->gone && !item->problem.p;
}

static void
set_problem(struct inventory *inv, struct inventory_item *item, const struct error *err)
{
	item->problem = arena_str(&inv->arena, str_from(err->message));
}

static bool
is_ending(const struct inventory_item *item)
{
	return strcmp(item->state, ec2_state_name(EC2_SHUTTING_DOWN)) == 0;
}

/* The instances that are to end, and of these, those that EC2 was not told of yet. */
static struct strings
collect_ids(struct inventory *inv, struct arena *a, bool all)
{
	struct strings ids = {.v = ARENA_ARRAY(a, struct str, inv->n_instances)};

	for (size_t i = 0; i < inv->n_instances; i++) {
		if (is_wanted(&inv->v[i]) && (all || !is_ending(&inv->v[i])))
			ids.v[ids.n++] = inv->v[i].id;
	}
	return ids;
}

static void
blame(struct inventory *inv, const struct strings *ids, const struct error *err)
{
	for (size_t i = 0; i < inv->n_instances; i++) {
		for (size_t k = 0; k < ids->n; k++) {
			if (str_eq(inv->v[i].id, ids->v[k]))
				set_problem(inv, &inv->v[i], err);
		}
	}
}

/* One that may not be ended keeps no other from it: a call that was denied, or that names one which
 * cannot be ended, is made again for each. */
static void
terminate(struct inventory *inv, struct arena *a, const struct strings *ids)
{
	struct error err;
	int rc = ec2_terminate(inv->aws, a, (struct str){0}, ids, &err);

	if (rc == 0)
		return;
	if (ids->n == 1 || rc != ERR_INPUT) {
		blame(inv, ids, &err);
		return;
	}
	for (size_t i = 0; i < ids->n && !inventory_is_stopped(inv); i++)
		terminate(inv, a, &(struct strings){.v = &ids->v[i], .n = 1});
}

static void
terminate_all(struct inventory *inv)
{
	struct arena a = {0};
	struct strings ids = collect_ids(inv, &a, false);

	for (size_t i = 0; i < ids.n && !inventory_is_stopped(inv); i += TERMINATE_IDS) {
		size_t left = ids.n - i;

		terminate(inv, &a,
			&(struct strings){
				.v = ids.v + i, .n = left < TERMINATE_IDS ? left : TERMINATE_IDS});
	}
	arena_free(&a);
}

static const struct ec2_instance *
find_instance(const struct ec2_instance *v, size_t n, struct str id)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(v[i].id, id))
			return &v[i];
	}
	return NULL;
}

/* Not found is not gone: EC2 forgets for moments what it has. */
static void
update(struct inventory *inv, struct inventory_item *item, const struct ec2_instance *seen)
{
	if (seen) {
		item->absent_since_ns = 0;
		item->state = ec2_state_name(seen->state);
		item->gone = seen->state == EC2_TERMINATED;
		return;
	}
	if (!item->absent_since_ns)
		item->absent_since_ns = now_ns(inv);
	item->state = "not found";
	item->gone = now_ns(inv) - item->absent_since_ns >= absent_ns;
}

/* How many are still to end. < 0: EC2 could not be asked. */
static int
look(struct inventory *inv, size_t *left, struct error *err)
{
	struct arena a = {0};
	struct strings ids = collect_ids(inv, &a, true);
	struct ec2_instance *seen = NULL;
	size_t n = 0;
	int rc = 0;

	if (ids.n)
		rc = ec2_describe_instances(
			inv->aws, &a, (struct str){0}, &ids, NULL, &seen, &n, err);
	*left = 0;
	for (size_t i = 0; rc == 0 && i < inv->n_instances; i++) {
		struct inventory_item *item = &inv->v[i];

		if (!is_wanted(item))
			continue;
		update(inv, item, find_instance(seen, n, item->id));
		*left += !item->gone;
	}
	arena_free(&a);
	return rc;
}

static int
say_left(const struct inventory *inv, struct error *err)
{
	if (inventory_is_stopped(inv))
		return error_set(err, ERR_CANCELLED, "interrupted");
	return error_set(err, ERR_HOST, "EC2 has not ended it within %d minutes",
		(int)(end_ns / NS_PER_S / 60));
}

static int
await_end(struct inventory *inv, struct error *err)
{
	int64_t begun = now_ns(inv), asked = begun, pause = poll_least_ns;
	size_t left = 0;
	int failures = 0;

	for (;;) {
		int rc = look(inv, &left, err);

		failures = rc < 0 ? failures + 1 : 0;
		if (failures == LOOK_FAILURES)
			return rc;
		if (rc == 0 && left == 0)
			return 0;
		if (now_ns(inv) - begun > end_ns || !inventory_sleep(inv, pause))
			return say_left(inv, err);
		if (now_ns(inv) - asked > ask_again_ns) {
			terminate_all(inv);
			asked = now_ns(inv);
		}
		pause = pause * 3 / 2 < poll_most_ns ? pause * 3 / 2 : poll_most_ns;
	}
}

static void
remove_instances(struct inventory *inv)
{
	struct error err;

	terminate_all(inv);
	if (await_end(inv, &err) == 0)
		return;
	for (size_t i = 0; i < inv->n_instances; i++) {
		if (is_wanted(&inv->v[i]))
			set_problem(inv, &inv->v[i], &err);
	}
}

/* A lock goes by itself, when it is given back. */
static bool
is_plain_object(const struct inventory_item *item)
{
	return item->kind == INVENTORY_SOURCE || item->kind == INVENTORY_SETUP ||
	       item->kind == INVENTORY_RUNNER;
}

static void
remove_objects(struct inventory *inv)
{
	struct arena a = {0};
	struct strings keys = {.v = ARENA_ARRAY(&a, struct str, inv->n)};
	size_t n_url = sizeof("s3://") + inv->bucket.n;
	struct error err;
	int rc;

	for (size_t i = inv->n_instances; i < inv->n; i++) {
		const struct inventory_item *item = &inv->v[i];

		if (is_wanted(item) && is_plain_object(item))
			keys.v[keys.n++] = str_from_index(item->id, n_url);
	}
	rc = keys.n ? s3_delete_many(inv->aws, &a, inv->bucket, &keys, &err) : 0;
	for (size_t i = inv->n_instances; i < inv->n; i++) {
		struct inventory_item *item = &inv->v[i];

		if (!is_wanted(item) || !is_plain_object(item))
			continue;
		if (rc < 0)
			set_problem(inv, item, &err);
		item->gone = rc == 0;
	}
	arena_free(&a);
}

struct deleting {
	struct inventory *inv;
	struct inventory_item **groups;
	struct error *errors;
	int *rc;
};

/* In short tries, so that it can be stopped. */
static void
delete_group(void *ctx, size_t i)
{
	struct deleting *d = ctx;
	struct arena a = {0};
	int rc = ERR_HOST;

	error_set(&d->errors[i], ERR_CANCELLED, "interrupted");
	for (int n = 0; n < GROUP_TRIES && rc < 0 && !inventory_is_stopped(d->inv); n++) {
		rc = ec2_delete_group(d->inv->aws, &a, (struct str){0}, d->groups[i]->id, group_ns,
			&d->errors[i]);
		/* Whatever is not a DependencyViolation does not get better. */
		if (rc < 0 && !strstr(d->errors[i].message, "DependencyViolation"))
			break;
	}
	d->rc[i] = rc;
	arena_free(&a);
}

/* Those whose instances could not be ended are not tried. */
static bool
is_used(const struct inventory *inv, const struct inventory_item *group)
{
	for (size_t i = 0; i < inv->n_instances; i++) {
		if (!inv->v[i].gone && str_eq(inv->v[i].job, group->job))
			return true;
	}
	return false;
}

static void
remove_groups(struct inventory *inv)
{
	struct arena a = {0};
	struct deleting d = {.inv = inv,
		.groups = ARENA_ARRAY(&a, struct inventory_item *, inv->n),
		.errors = ARENA_ARRAY(&a, struct error, inv->n),
		.rc = ARENA_ARRAY(&a, int, inv->n)};
	size_t n = 0;

	for (size_t i = inv->n_instances; i < inv->n; i++) {
		struct inventory_item *item = &inv->v[i];

		if (item->kind != INVENTORY_GROUP || !is_wanted(item))
			continue;
		if (is_used(inv, item))
			item->problem = STR("instances that use it are still there");
		else
			d.groups[n++] = item;
	}
	parallel_for(n, GROUP_THREADS, delete_group, &d);
	for (size_t i = 0; i < n; i++) {
		d.groups[i]->gone = d.rc[i] == 0;
		if (d.rc[i] < 0)
			set_problem(inv, d.groups[i], &d.errors[i]);
	}
	arena_free(&a);
}

/* A lock is removed by giving it back. */
static void
remove_locks(struct inventory *inv)
{
	for (size_t i = inv->n_instances; i < inv->n; i++) {
		struct inventory_item *item = &inv->v[i];

		if (item->kind == INVENTORY_LOCK && is_wanted(item))
			item->gone = true;
	}
	if (inv->own_locks)
		inventory_unlock(inv->locks);
}

/* What somebody took over from us since is theirs. */
static void
check_locks(struct inventory *inv)
{
	struct error err;

	for (size_t i = 0; i < inv->n; i++) {
		struct inventory_item *item = &inv->v[i];

		if (is_wanted(item) && item->job.p && inventory_check(inv, item->job, &err) < 0)
			set_problem(inv, item, &err);
	}
}

int
inventory_remove(struct inventory *inv, struct error *err)
{
	check_locks(inv);
	remove_objects(inv);
	remove_instances(inv);
	remove_groups(inv);
	remove_locks(inv);
	if (inventory_is_stopped(inv))
		return error_set(err, ERR_CANCELLED, "interrupted");
	for (size_t i = 0; i < inv->n; i++) {
		if (inv->v[i].problem.p)
			return error_set(err, ERR_HOST, "%.*s: %.*s", STR_ARG(inv->v[i].id),
				STR_ARG(inv->v[i].problem));
	}
	return 0;
}
