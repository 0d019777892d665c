/* inventory_lock: whether somebody is at a job, and keeping others from it; and, for gc, what follows
 * from that for each item. */
#include "providers/fleet/inventory_internal.h"

#include "providers/parallel.h"
#include "providers/store/job_lock.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOCK_THREADS = 16 };

static int
say_held(const struct holding *h, const struct job_holder *who, struct error *err)
{
	return error_set(err, ERR_LOCKED,
		"another furrow is at job %.*s: run %.*s of %.*s on %.*s (process %lld), since "
		"%.*s",
		STR_ARG(h->job), STR_ARG(who->run), STR_ARG(who->user), STR_ARG(who->host),
		(long long)who->pid, STR_ARG(who->since));
}

/* No bucket: nobody can have locked anything in it. */
static int
take(struct inventory *inv, struct holding *h, bool look, struct error *err)
{
	const struct job_lock_options options = {.bucket = h->bucket,
		.prefix = h->prefix,
		.job = h->job,
		.run = inv->as,
		.clock = inv->clock};
	struct arena scratch = {0};
	struct job_holder who;
	int rc;

	if (look) {
		rc = job_lock_holder(inv->aws, &scratch, &options, &who, err);
		if (rc == 0 && who.held)
			rc = say_held(h, &who, err);
	} else {
		rc = job_lock_take(&h->lock, inv->aws, &options, err);
	}
	arena_free(&scratch);
	return rc == ERR_MISSING ? 0 : rc;
}

struct taking {
	struct inventory *inv;
	struct holding **v;
	bool look;
	struct error *errors;
};

static void
take_one(void *ctx, size_t i)
{
	struct taking *t = ctx;

	t->v[i]->rc = take(t->inv, t->v[i], t->look, &t->errors[i]);
}

static struct holding *
find(const struct inventory *inv, struct str job, struct str bucket, struct str prefix)
{
	struct holding *h = inv->locks->first;

	while (h &&
		!(str_eq(h->job, job) && str_eq(h->bucket, bucket) && str_eq(h->prefix, prefix)))
		h = h->next;
	return h;
}

/* A lock that is to be looked at, unless it was. */
static size_t
add_wanted_locked(struct inventory *inv, struct str job, struct str store)
{
	struct str bucket = inv->bucket, prefix = inv->prefix;
	struct arena *a = &inv->locks->arena;
	struct holding *h;
	bool known = !store.p || s3_parse_url(store, &bucket, &prefix);

	if (!job.p || find(inv, job, bucket, prefix))
		return 0;
	h = ARENA_NEW(a, struct holding);
	*h = (struct holding){.job = arena_str(a, job),
		.bucket = arena_str(a, bucket),
		.prefix = arena_str(a, prefix),
		.next = inv->locks->first};
	if (!known) {
		h->rc = ERR_INPUT;
		h->why = arena_printf(
			a, "its tag furrow:store, '%.*s', is no store", STR_ARG(store));
	}
	inv->locks->first = h;
	return known;
}

/* The newest n of the list. */
static int
take_wanted_locked(struct inventory *inv, size_t n, bool look, struct error *err)
{
	struct arena *a = &inv->locks->arena;
	struct taking t = {.inv = inv,
		.v = ARENA_ARRAY(a, struct holding *, n),
		.look = look,
		.errors = ARENA_ARRAY(a, struct error, n)};
	struct holding *h = inv->locks->first;
	int rc = 0;

	for (size_t i = 0; i < n; h = h->next) {
		if (!h->why.p)
			t.v[i++] = h;
	}
	parallel_for(n, LOCK_THREADS, take_one, &t);
	for (size_t i = 0; i < n; i++) {
		if (t.v[i]->rc == 0)
			continue;
		t.v[i]->why = arena_str(a, str_from(t.errors[i].message));
		if (rc == 0 && err)
			*err = t.errors[i];
		rc = rc ? rc : t.v[i]->rc;
	}
	return rc;
}

int
inventory_lock(struct inventory *inv, bool look, struct error *err)
{
	size_t n;
	int rc = inventory_locate(inv, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&inv->locks->lock);
	n = add_wanted_locked(inv, inv->job, (struct str){0});
	for (size_t i = 0; i < inv->n; i++) {
		if (inv->v[i].store.p)
			n += add_wanted_locked(inv, inv->job, inv->v[i].store);
	}
	rc = take_wanted_locked(inv, n, look, err);
	pthread_mutex_unlock(&inv->locks->lock);
	return rc;
}

const struct holding *
inventory_holding(const struct inventory *inv, struct str job)
{
	const struct holding *first = NULL;

	for (const struct holding *h = inv->locks->first; h; h = h->next) {
		if (!str_eq(h->job, job))
			continue;
		if (h->rc < 0)
			return h;
		first = h;
	}
	return first;
}

int
inventory_check(const struct inventory *inv, struct str job, struct error *err)
{
	int rc = 0;

	for (const struct holding *h = inv->locks->first; h && rc == 0; h = h->next) {
		if (h->lock && str_eq(h->job, job))
			rc = job_lock_check(h->lock, err);
	}
	return rc;
}

static bool
is_of_store(const struct inventory *inv, const struct holding *h)
{
	return str_eq(h->bucket, inv->bucket) && str_eq(h->prefix, inv->prefix);
}

struct str
inventory_busy(const struct inventory *inv)
{
	for (const struct holding *h = inv->locks->first; h; h = h->next) {
		if (h->rc < 0 && is_of_store(inv, h))
			return h->why;
	}
	return (struct str){0};
}

void
inventory_unlock(struct inventory_locks *locks)
{
	for (struct holding *h = locks->first; h; h = h->next) {
		job_lock_release(h->lock);
		h->lock = NULL;
	}
}

struct inventory_locks *
inventory_locks_open(void)
{
	struct inventory_locks *locks = mem_alloc(sizeof(*locks));

	*locks = (struct inventory_locks){0};
	pthread_mutex_init(&locks->lock, NULL);
	return locks;
}

void
inventory_locks_close(struct inventory_locks *locks)
{
	if (!locks)
		return;
	inventory_unlock(locks);
	pthread_mutex_destroy(&locks->lock);
	arena_free(&locks->arena);
	free(locks);
}

static void
judge_age(
	const struct inventory *inv, struct inventory_item *item, const struct inventory_ages *ages)
{
	int64_t age = inv->clock->wall_ns(inv->clock->ctx) - item->since_wall_ns;
	int64_t least = item->kind == INVENTORY_INSTANCE ? ages->instance_ns : ages->object_ns;

	if (item->since_wall_ns && age < least)
		item->stays = STR("it is younger than --older-than");
}

static void
judge_lock(struct inventory *inv, struct inventory_item *item)
{
	const struct holding *h = inventory_holding(inv, item->job);

	if (!h || h->rc == 0 || item->stays.p)
		return;
	item->stays = h->rc == ERR_LOCKED ? h->why
					  : arena_printf(&inv->arena,
						    "whether somebody is at its job is not known: "
						    "%.*s",
						    STR_ARG(h->why));
}

/* Runners are of no job: whoever is at work may need them. Groups are needed as long as an instance
 * is. */
static void
judge_shared(struct inventory *inv, struct inventory_item *item)
{
	for (size_t i = 0; i < inv->n && !item->stays.p; i++) {
		const struct inventory_item *other = &inv->v[i];

		if (item->kind == INVENTORY_GROUP && other->kind == INVENTORY_INSTANCE &&
			other->stays.p && str_eq(other->job, item->job))
			item->stays = arena_printf(
				&inv->arena, "%.*s stays, which uses it", STR_ARG(other->id));
	}
	for (const struct holding *h = inv->locks->first; h && !item->stays.p; h = h->next) {
		if (!item->job.p && item->kind != INVENTORY_GROUP && h->rc < 0 &&
			is_of_store(inv, h))
			item->stays = arena_printf(
				&inv->arena, "somebody is at job %.*s", STR_ARG(h->job));
	}
}

void
inventory_judge(struct inventory *inv, const struct inventory_ages *ages, bool look)
{
	struct error err;
	size_t n = 0;
	int rc = inventory_locate(inv, &err);

	pthread_mutex_lock(&inv->locks->lock);
	for (size_t i = 0; i < inv->n; i++) {
		struct inventory_item *item = &inv->v[i];

		judge_age(inv, item, ages);
		if (rc < 0)
			item->stays = arena_str(&inv->arena, str_from(err.message));
		else if (!item->stays.p || item->kind == INVENTORY_LOCK)
			n += add_wanted_locked(inv, item->job, item->store);
	}
	take_wanted_locked(inv, n, look, NULL);
	for (size_t i = 0; i < inv->n; i++)
		judge_lock(inv, &inv->v[i]);
	for (size_t i = 0; i < inv->n; i++)
		judge_shared(inv, &inv->v[i]);
	pthread_mutex_unlock(&inv->locks->lock);
}
