/* s3_gc: removing from a bucket what nobody wants any more. Records go first, each only if it still
 * is the one that was looked at; then the parts that they named, parts that no record names, and
 * uploads that nobody finishes. The latter only when they are a day old: nothing in S3 tells whether
 * their writer lives. Killed at any moment, it leaves a store that is whole. All times are S3's. */
#include "providers/store/s3_store.h"

#include "planner/base/clock.h"
#include "providers/parallel.h"

#include <stdlib.h>

static const int64_t grace_ns = INT64_C(24) * 3600 * NS_PER_S;

enum verdict { KEEP, REMOVE, REMOVE_DAMAGED, LEAVE };

/* All objects of one key. */
struct group {
	struct digest key;
	const struct s3_object *record; /* NULL: parts alone */
	const struct s3_object *parts;
	size_t n_parts;
	enum verdict verdict;
	char owner[RECORD_OWNER_BYTES]; /* of the parts that its record names */
	bool gone;			/* the record was removed */
};

struct collection {
	struct s3_store *s;
	const struct digest *keep; /* sorted */
	size_t n_keep;
	int64_t before_wall_ns, now_wall_ns;
	bool dry;
	struct group *groups;
	size_t n;
	struct store_gc *count;
	pthread_mutex_t lock; /* over what follows */
	int rc;
	struct error err; /* the first failure */
};

static int
compare_digests(const void *a, const void *b)
{
	return digest_cmp(a, b);
}

static void
failed(struct collection *c, int rc, const struct error *err)
{
	pthread_mutex_lock(&c->lock);
	if (c->rc == 0) {
		c->rc = rc;
		c->err = *err;
	}
	pthread_mutex_unlock(&c->lock);
}

/* "….OWNER.tar": the owner; false when that is no part's name. */
static bool
parse_part(const struct collection *c, const struct s3_object *o, char owner[RECORD_OWNER_BYTES],
	enum part *part)
{
	struct digest key;
	struct str rest;

	if (!s3_store_parse_key(c->s, o->key, &key, &rest) || rest.n < RECORD_OWNER_BYTES + 1 ||
		rest.p[RECORD_OWNER_BYTES] != '.')
		return false;
	memcpy(owner, rest.p + 1, RECORD_OWNER_BYTES - 1);
	owner[RECORD_OWNER_BYTES - 1] = '\0';
	return record_part_parse(str_from_index(rest, RECORD_OWNER_BYTES + 1), part);
}

/* Whether the listing has the parts that a record names, as large as it says. */
static bool
parts_are_whole(const struct collection *c, const struct group *g, const struct record *r)
{
	size_t wanted = 0, found = 0;

	for (int i = 0; i < PART_COUNT; i++)
		wanted += r->parts[i].in_file;
	for (size_t i = 0; i < g->n_parts; i++) {
		char owner[RECORD_OWNER_BYTES];
		enum part part;

		if (parse_part(c, &g->parts[i], owner, &part) && strcmp(owner, r->owner) == 0 &&
			r->parts[part].in_file)
			found += (uint64_t)g->parts[i].size_bytes == r->parts[part].bytes;
	}
	return found == wanted;
}

/* Reads a record: which parts are its own, and whether it is whole. */
static void
look_at(void *ctx, size_t i)
{
	struct collection *c = ctx;
	struct group *g = &c->groups[i];
	struct arena a = {0};
	struct s3_object now = {0};
	struct record r;
	struct str bytes;
	bool damaged = false, same;
	struct error err;
	int rc;

	if (!g->record || (g->verdict == REMOVE && g->n_parts == 0))
		return;
	rc = s3_store_read_record(c->s, &a, &g->key, &r, &bytes, &now, &damaged, &err);
	same = str_eq(now.etag, g->record->etag);
	if (rc == 0)
		memcpy(g->owner, r.owner, sizeof(g->owner));
	if (rc == ERR_MISSING || ((rc == 0 || damaged) && !same))
		g->verdict = LEAVE; /* somebody is at it */
	else if (damaged || (rc == 0 && !parts_are_whole(c, g, &r)))
		g->verdict = REMOVE_DAMAGED;
	else if (rc < 0)
		failed(c, rc, &err);
	arena_free(&a);
}

static void
remove_record(void *ctx, size_t i)
{
	struct collection *c = ctx;
	struct group *g = &c->groups[i];
	struct arena a = {0};
	struct error err;
	int rc;

	if (!g->record || (g->verdict != REMOVE && g->verdict != REMOVE_DAMAGED))
		return;
	rc = c->dry ? 0
		    : s3_delete(c->s->aws, &a, c->s->bucket, g->record->key,
			      &(struct s3_condition){.if_etag = g->record->etag}, &err);
	g->gone = rc == 0;
	if (rc == ERR_STALE)
		g->verdict = LEAVE;
	else if (rc < 0)
		failed(c, rc, &err);
	arena_free(&a);
}

static void
judge_part(struct collection *c, const struct group *g, const struct s3_object *o,
	struct strings *remove)
{
	char owner[RECORD_OWNER_BYTES];
	enum part part;
	bool named;

	if (!parse_part(c, o, owner, &part) || g->verdict == LEAVE)
		return;
	named = g->record && strcmp(owner, g->owner) == 0;
	if (named && !g->gone)
		return;
	if (!named && o->modified_wall_ns > c->now_wall_ns - grace_ns)
		return; /* its record may be about to come */
	c->count->n_temporary += !named;
	c->count->bytes += o->size_bytes;
	remove->v[remove->n++] = o->key;
}

static int
remove_parts(struct collection *c, struct arena *a, size_t n_objects, struct error *err)
{
	struct strings remove = {.v = ARENA_ARRAY(a, struct str, n_objects)};

	for (size_t i = 0; i < c->n; i++) {
		const struct group *g = &c->groups[i];

		if (g->gone) {
			c->count->n_results++;
			c->count->n_damaged += g->verdict == REMOVE_DAMAGED;
			c->count->bytes += g->record->size_bytes;
		}
		for (size_t k = 0; k < g->n_parts; k++)
			judge_part(c, g, &g->parts[k], &remove);
	}
	return c->dry ? 0 : s3_delete_many(c->s->aws, a, c->s->bucket, &remove, err);
}

static bool
stays(const struct collection *c, const struct group *g)
{
	return g->record->modified_wall_ns >= c->before_wall_ns ||
	       (c->n_keep &&
		       bsearch(&g->key, c->keep, c->n_keep, sizeof(*c->keep), compare_digests));
}

/* Objects are in byte order, so those of a key lie together, its record first. */
static void
group(struct collection *c, struct arena *a, const struct s3_object *v, size_t n)
{
	c->groups = ARENA_ARRAY(a, struct group, n);
	for (size_t i = 0; i < n; i++) {
		struct group *g = c->n ? &c->groups[c->n - 1] : NULL;
		struct digest key;
		struct str rest;

		if (!s3_store_parse_key(c->s, v[i].key, &key, &rest))
			continue;
		if (!g || digest_cmp(&g->key, &key) != 0) {
			g = &c->groups[c->n++];
			g->key = key;
		}
		if (rest.n == 0) {
			g->record = &v[i];
			g->verdict = stays(c, g) ? KEEP : REMOVE;
			continue;
		}
		if (g->n_parts++ == 0)
			g->parts = &v[i];
	}
}

/* now_wall_ns is S3's; before_wall_ns, by our clock, is moved as far. */
static int
read_clock(struct collection *c, struct arena *a, struct error *err)
{
	int64_t own = clock_system()->wall_ns(clock_system()->ctx);
	int rc = s3_head_bucket(c->s->aws, a, c->s->bucket, &c->now_wall_ns, err);

	if (rc < 0)
		return rc;
	if (c->now_wall_ns == 0)
		c->now_wall_ns = own;
	if (c->before_wall_ns > 0 && c->before_wall_ns < INT64_MAX / 2)
		c->before_wall_ns += c->now_wall_ns - own;
	return 0;
}

static int
collect(struct collection *c, struct arena *a, struct error *err)
{
	struct s3_object *v;
	uint32_t n_uploads;
	size_t n;
	int rc = s3_store_list_results(c->s, a, &v, &n, err);

	if (rc < 0)
		return rc;
	group(c, a, v, n);
	parallel_for(c->n, S3_STORE_THREADS, look_at, c);
	if (c->rc == 0)
		parallel_for(c->n, S3_STORE_THREADS, remove_record, c);
	if (c->rc < 0) {
		if (err)
			*err = c->err;
		return c->rc;
	}
	rc = remove_parts(c, a, n, err);
	if (rc == 0)
		rc = s3_abort_uploads(c->s->aws, a, c->s->bucket, s3_store_key(c->s, a, ""),
			c->now_wall_ns - grace_ns, c->dry, &n_uploads, err);
	if (rc == 0)
		c->count->n_temporary += n_uploads;
	return rc;
}

int
s3_store_gc(struct store *store, const struct digest *keep, size_t n_keep, int64_t before_wall_ns,
	bool dry, struct store_gc *out, struct error *err)
{
	struct collection c = {.s = s3_store_of(store),
		.n_keep = n_keep,
		.before_wall_ns = before_wall_ns,
		.dry = dry,
		.count = out,
		.lock = PTHREAD_MUTEX_INITIALIZER};
	struct arena a = {0};
	struct digest *sorted = ARENA_ARRAY(&a, struct digest, n_keep);
	int rc;

	if (n_keep)
		memcpy(sorted, keep, n_keep * sizeof(*sorted));
	qsort(sorted, n_keep, sizeof(*sorted), compare_digests);
	c.keep = sorted;
	rc = read_clock(&c, &a, err);
	if (rc == 0)
		rc = collect(&c, &a, err);
	arena_free(&a);
	if (rc == ERR_MISSING) /* no bucket: nothing there */
		return 0;
	return rc < 0 ? error_wrap(err, "store %s: collect garbage", store->where) : 0;
}
