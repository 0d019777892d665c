/* collect_s3: bringing results into a bucket.
 *
 * The index is put three times at most, each time only if nobody else has put it since it was read:
 * nothing to do puts none; folders that change are first called pending, and at the end it says what
 * lies there. What cannot be brought as a whole stays pending, so the next collect knows that the
 * objects there are its own to replace. */
#include "providers/store/collect_s3.h"

#include "providers/aws/s3.h"
#include "providers/parallel.h"
#include "providers/store/collect_fill.h"
#include "providers/store/collect_plan.h"
#include "providers/store/collect_s3_folder.h"
#include "providers/store/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FOLDERS = 8,  /* brought at the same time: so many lie in the spool */
	FILES = 32,   /* put at the same time, of all of them */
	FAILURES = 4, /* of requests: then S3 is not to be had at all */
	MERGES = 8,
	INDEX_MAX_BYTES = 1 << 30
};

struct collecting {
	struct store *store;
	struct collect_s3_place place;
	struct arena arena;
	struct str etag; /* of the index as it was last read or put; absent: there is none */
	struct collect_plan plan;
	struct str *folders; /* of the old index and of all items, sorted */
	bool *there;	     /* of each */
	size_t n_folders;
	struct spool *spool;
	size_t files_at_a_time; /* of one folder */
	struct collect_report *report;
	/* While folders are brought side by side: over what follows. */
	pthread_mutex_t lock;
	struct error first; /* of those that failed */
	int failed;	    /* its code; 0: none */
	unsigned n_failures;
	bool stop; /* the next one would fail as well */
};

static struct collect_s3_place
place_of(struct aws *aws, struct arena *a, struct str bucket, struct str prefix)
{
	return (struct collect_s3_place){.aws = aws,
		.bucket = bucket,
		.root = prefix.n ? arena_printf(a, "%.*s/", STR_ARG(prefix)) : STR("")};
}

static struct str
index_key(const struct collect_s3_place *p, struct arena *a)
{
	return arena_printf(a, "%.*s" COLLECT_INDEX, STR_ARG(p->root));
}

/* etag: absent when there is no index. */
static int
read_index(const struct collect_s3_place *p, struct arena *a, struct collect_index *out,
	struct str *etag, struct error *err)
{
	struct s3_object object = {0};
	struct str bytes;
	int rc = s3_get(p->aws, a, p->bucket, index_key(p, a), (struct str){0}, INDEX_MAX_BYTES,
		&bytes, &object, err);

	*out = (struct collect_index){0};
	*etag = (struct str){0};
	if (rc == ERR_MISSING)
		return s3_head_bucket(p->aws, a, p->bucket, NULL, err);
	if (rc < 0)
		return rc;
	*etag = object.etag;
	collect_index_parse(a, out, bytes);
	return 0;
}

static int
by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Looks for what the index calls folders, and for what lies where new ones are to be. */
static int
look(struct collecting *c, struct error *err)
{
	struct collect_plan *p = &c->plan;
	size_t o = 0, i = 0;
	int rc;

	c->folders = ARENA_ARRAY(&c->arena, struct str, p->old.n + p->n);
	c->there = ARENA_ARRAY(&c->arena, bool, p->old.n + p->n);
	while (o < p->old.n || i < p->n) {
		int order = o == p->old.n ? 1
			    : i == p->n	  ? -1
					  : str_cmp(p->old.v[o].label, p->entries[i].item->folder);

		c->folders[c->n_folders++] =
			order <= 0 ? p->old.v[o].label : p->entries[i].item->folder;
		o += order <= 0;
		i += order >= 0;
	}
	rc = collect_s3_look(&c->place, c->folders, c->n_folders, c->there, err);
	for (size_t k = 0, f = 0; rc == 0 && k < p->old.n; k++) {
		while (!str_eq(c->folders[f], p->old.v[k].label))
			f++;
		if (p->old.state[k] == COLLECT_FOLDER && !c->there[f])
			p->old.state[k] = COLLECT_GONE;
	}
	return rc;
}

static int
check_free(void *ctx, struct str folder, struct error *err)
{
	struct collecting *c = ctx;
	const struct str *found =
		bsearch(&folder, c->folders, c->n_folders, sizeof(folder), by_bytes);

	if (!found || !c->there[found - c->folders])
		return 0;
	return error_set(err, ERR_INPUT,
		"collect into %s: there are objects below %.*s/ that furrow has not put there; "
		"move them away, or name another prefix as `results`",
		c->plan.where, STR_ARG(folder));
}

/* Whether it makes no sense to go on with the next result. */
static bool
is_general(struct collecting *c, const struct error *err)
{
	bool disk = err->os_errno != 0 && err->os_errno != ENAMETOOLONG;
	bool requests = err->class == CLASS_TRANSIENT || err->class == CLASS_THROTTLED;

	c->n_failures += requests;
	return err->class == CLASS_DENIED || (disk && !requests) || c->n_failures >= FAILURES;
}

static void
count_failure(struct collecting *c, int rc, const struct error *err)
{
	pthread_mutex_lock(&c->lock);
	if (!c->failed) {
		c->first = *err;
		c->failed = rc;
	}
	c->stop |= is_general(c, err);
	pthread_mutex_unlock(&c->lock);
}

static bool
stopped(struct collecting *c)
{
	bool stop;

	pthread_mutex_lock(&c->lock);
	stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	return stop;
}

/* Whether the store has a result to bring. */
static void
find_one(void *ctx, size_t i)
{
	struct collecting *c = ctx;
	struct collect_entry *e = &c->plan.entries[i];
	struct arena scratch = {0};
	struct result r;
	struct error err;
	int rc;

	if (e->kept || stopped(c))
		return;
	rc = e->item->is_empty ? 0 : result_load(c->store, &scratch, &r, &e->item->key, &err);
	if (rc == 0) {
		e->changes = true;
		e->prepared = !e->item->is_empty && collect_has_files(&r);
	} else if (rc == ERR_MISSING) {
		pthread_mutex_lock(&c->lock);
		c->report->n_missing++;
		pthread_mutex_unlock(&c->lock);
	} else {
		count_failure(c, rc, &err);
	}
	arena_free(&scratch);
}

static bool
needs_bringing(const struct collect_entry *e)
{
	return e->changes && (e->prepared || e->replaces);
}

static int
put_index(struct collecting *c, bool pending, struct error *err)
{
	struct collect_index index = collect_plan_merge(&c->plan, &c->arena, pending);
	struct s3_condition condition = {.if_absent = !c->etag.p, .if_etag = c->etag};
	struct buf b = {0};
	struct str etag;
	int rc;

	collect_index_format(&b, &index);
	rc = s3_put(c->place.aws, &c->arena, c->place.bucket, index_key(&c->place, &c->arena),
		b.n ? buf_str(&b) : STR(""), &condition, &etag, err);
	if (rc == 0)
		c->etag = arena_str(&c->arena, etag);
	buf_free(&b);
	return rc;
}

static int
is_locked(const struct collecting *c, struct error *err)
{
	return error_set(err, ERR_LOCKED,
		"collect into %s: another furrow is bringing results there just now",
		c->plan.where);
}

/* Whether the index, as another one has put it meanwhile, still leaves to us what we called pending. */
static bool
is_still_ours(const struct collecting *c)
{
	const struct collect_index *index = &c->plan.old;
	size_t k = 0;

	for (size_t i = 0; i < c->plan.n; i++) {
		const struct collect_entry *e = &c->plan.entries[i];

		if (!needs_bringing(e))
			continue;
		while (k < index->n && str_cmp(index->v[k].label, e->item->folder) < 0)
			k++;
		if (k == index->n || !str_eq(index->v[k].label, e->item->folder) ||
			index->state[k] != COLLECT_PENDING ||
			digest_cmp(&index->v[k].key, &e->item->key) != 0)
			return false;
	}
	return true;
}

/* The index at the end. Another job may have brought results of its own meanwhile: both are in it. */
static int
put_last_index(struct collecting *c, struct error *err)
{
	for (int i = 0; i < MERGES; i++) {
		int rc = put_index(c, false, err);

		if (rc != ERR_STALE)
			return rc;
		rc = read_index(&c->place, &c->arena, &c->plan.old, &c->etag, err);
		if (rc < 0)
			return rc;
		if (!is_still_ours(c))
			break;
	}
	return is_locked(c, err);
}

/* Fills path, a folder of the spool, and puts what is in it. sent: whether there was a request. */
static int
put_folder(struct collecting *c, struct collect_entry *e, const char *path, struct arena *scratch,
	struct strings *files, int64_t *bytes, bool *sent, struct error *err)
{
	struct result r;
	int fd, rc = result_load(c->store, scratch, &r, &e->item->key, err);

	if (rc < 0)
		return rc;
	fd = mkdir(path, 0700) < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "make %s", path);
	rc = collect_fill(c->store, &r, fd, bytes, err);
	if (rc == 0)
		rc = collect_s3_folder_files(&c->place, e->item->folder, fd, scratch, files, err);
	*sent = rc == 0 && files->n;
	if (*sent)
		rc = collect_s3_folder_put(
			&c->place, e->item->folder, fd, files, c->files_at_a_time, err);
	close(fd);
	return rc;
}

static int
bring(struct collecting *c, struct collect_entry *e, int64_t *bytes, struct error *err)
{
	struct arena scratch = {0};
	struct strings files = {0};
	char path[SPOOL_PATH_BYTES];
	bool sent = false;
	int rc = 0;

	if (e->prepared) {
		rc = spool_name(c->spool, path, err);
		if (rc == 0) {
			rc = put_folder(c, e, path, &scratch, &files, bytes, &sent, err);
			spool_remove(path);
		}
	}
	if (rc == 0 && e->replaces) {
		sent = true;
		rc = collect_s3_folder_prune(&c->place, e->item->folder, &files, err);
	}
	e->prepared = files.n > 0; /* folders alone are no objects */
	e->unsure = rc < 0 && sent;
	e->changes = rc == 0 || sent;
	arena_free(&scratch);
	return rc < 0 ? error_wrap(err, "collect %.*s", STR_ARG(e->item->folder)) : 0;
}

/* One result that cannot be brought doesn't keep the others from their folders. */
static void
bring_one(void *ctx, size_t i)
{
	struct collecting *c = ctx;
	struct collect_entry *e = &c->plan.entries[i];
	struct error err;
	int64_t bytes = 0;
	int rc;

	if (!needs_bringing(e))
		return;
	if (stopped(c)) {
		e->changes = false;
		return;
	}
	rc = bring(c, e, &bytes, &err);
	if (rc < 0)
		count_failure(c, rc, &err);
	pthread_mutex_lock(&c->lock);
	c->report->bytes += bytes;
	pthread_mutex_unlock(&c->lock);
}

static int
bring_all(struct collecting *c, size_t n, struct error *err)
{
	size_t at_a_time = n < FOLDERS ? n : FOLDERS;
	int rc = spool_open(&c->spool, err);

	if (rc < 0)
		return rc;
	rc = put_index(c, true, err);
	if (rc < 0)
		return rc == ERR_STALE ? is_locked(c, err) : rc;
	c->files_at_a_time = FILES / at_a_time;
	parallel_for(c->plan.n, at_a_time, bring_one, c);
	return 0;
}

static int
publish(struct collecting *c, struct error *err)
{
	size_t n_changes = 0, n_folders = 0;
	int rc = 0;

	for (size_t i = 0; i < c->plan.n; i++) {
		n_changes += c->plan.entries[i].changes;
		n_folders += needs_bringing(&c->plan.entries[i]);
	}
	if (n_folders)
		rc = bring_all(c, n_folders, err);
	if (rc == 0 && n_changes)
		rc = put_last_index(c, err);
	if (rc < 0)
		return rc == ERR_LOCKED ? rc : error_wrap(err, "collect into %s", c->plan.where);
	for (size_t i = 0; i < c->plan.n; i++)
		c->report->n_written += c->plan.entries[i].changes && !c->plan.entries[i].unsure;
	return 0;
}

static int
run(struct collecting *c, const struct collect_item *items, size_t n, struct error *err)
{
	int rc = collect_plan_items(&c->plan, &c->arena, items, n, err);

	if (rc < 0)
		return rc;
	rc = read_index(&c->place, &c->arena, &c->plan.old, &c->etag, err);
	if (rc == 0)
		rc = look(c, err);
	if (rc < 0)
		return error_wrap(err, "collect into %s", c->plan.where);
	rc = collect_plan_decide(&c->plan, &c->report->n_kept, check_free, c, err);
	if (rc < 0)
		return rc;
	parallel_for(c->plan.n, store_readers(c->store), find_one, c);
	rc = publish(c, err);
	if (c->failed)
		*err = c->first;
	return c->failed ? c->failed : rc;
}

int
collect_s3_run(struct store *s, struct aws *aws, struct str bucket, struct str prefix,
	const struct collect_item *items, size_t n, struct collect_report *report,
	struct error *err)
{
	struct collecting c = {.store = s, .report = report, .lock = PTHREAD_MUTEX_INITIALIZER};
	struct error unwanted;
	int rc;

	*report = (struct collect_report){0};
	c.place = place_of(aws, &c.arena, bucket, prefix);
	c.plan.where = arena_printf(&c.arena, "s3://%.*s/%.*s", STR_ARG(bucket), STR_ARG(prefix)).p;
	rc = run(&c, items, n, err ? err : &unwanted);
	spool_close(c.spool);
	arena_free(&c.arena);
	return rc;
}

int
collect_s3_observe(struct aws *aws, struct arena *a, struct str bucket, struct str prefix,
	struct collected **out, size_t *n, struct error *err)
{
	struct collecting c = {.place = place_of(aws, a, bucket, prefix)};
	struct collect_index *index = &c.plan.old;
	int rc = read_index(&c.place, a, index, &c.etag, err);

	*out = NULL;
	*n = 0;
	if (rc == 0)
		rc = look(&c, err);
	arena_free(&c.arena);
	if (rc < 0)
		return error_wrap(err, "results s3://%.*s/%.*s", STR_ARG(bucket), STR_ARG(prefix));
	*out = index->v;
	for (size_t i = 0; i < index->n; i++) {
		if (index->state[i] == COLLECT_FOLDER || index->state[i] == COLLECT_EMPTY)
			index->v[(*n)++] = index->v[i];
	}
	return 0;
}
