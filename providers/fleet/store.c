/* store: the bucket that the instances and this machine share: which one it is, what is in it, and
 * who has the job. */
#include "providers/fleet/internal.h"

#include "providers/aws/s3.h"
#include "providers/store/job_lock.h"
#include "providers/store/s3.h"

#include <stdio.h>

int
fleet_name_bucket(struct aws *aws, struct arena *a, struct str store, struct str *bucket,
	struct str *prefix, struct error *err)
{
	struct arena scratch = {0};
	struct str account;
	int rc;

	if (store.p) {
		if (!s3_parse_url(store, bucket, prefix))
			return error_set(err, ERR_INPUT,
				"store: '%.*s' names no bucket; expected s3://bucket/prefix",
				STR_ARG(store));
		return 0;
	}
	rc = sts_account_kept(aws, &scratch, fleet_cache_dir(&scratch), &account, err);
	if (rc == 0) {
		*bucket = arena_printf(a, "furrow-%.*s-%s", STR_ARG(account), aws_region(aws));
		*prefix = STR("");
	}
	arena_free(&scratch);
	return rc;
}

int
fleet_locate_store(struct fleet_site *s, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->bucket.p)
		rc = fleet_name_bucket(
			s->aws, &s->arena, s->site.config.store, &s->bucket, &s->prefix, err);
	if (rc == 0 && !s->site.seen.observed.fleet.store.p)
		s->site.seen.observed.fleet.store = arena_printf(&s->arena, "s3://%.*s%s%.*s",
			STR_ARG(s->bucket), s->prefix.n ? "/" : "", STR_ARG(s->prefix));
	pthread_mutex_unlock(&s->lock);
	return rc;
}

struct str
fleet_object(const struct fleet_site *s, struct arena *a, const char *name)
{
	return s->prefix.n ? arena_printf(a, "%.*s/%s", STR_ARG(s->prefix), name)
			   : arena_str(a, str_from(name));
}

int
fleet_open_store(struct fleet_site *s, struct error *err)
{
	int rc = fleet_locate_store(s, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->lock);
	if (!s->site.store)
		rc = store_open_s3(&s->site.store, s->aws, s->bucket, s->prefix, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int
fleet_take_lock(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct job_lock_options options = {.job = s->site.config.manifest->name,
		.run = arena_str(a, str_from(s->lock_run)),
		.clock = s->site.config.clock};
	struct job_lock *taken = NULL;
	int rc = fleet_locate_store(s, err);

	options.bucket = s->bucket;
	options.prefix = s->prefix;
	if (rc == 0)
		rc = job_lock_take(&taken, s->aws, &options, err);
	if (rc == ERR_MISSING)
		return 0;
	pthread_mutex_lock(&s->lock);
	s->job_lock = taken;
	pthread_mutex_unlock(&s->lock);
	if (rc == 0)
		s->lock_run[0] = '\0';
	return rc;
}

int
fleet_check_lock(struct fleet_site *s, struct error *err)
{
	struct job_lock *taken;

	/* Where there was no bucket yet it is taken while others launch. */
	pthread_mutex_lock(&s->lock);
	taken = s->job_lock;
	pthread_mutex_unlock(&s->lock);
	return taken ? job_lock_check(taken, err) : 0;
}

int
fleet_read_store(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct observed *o = &s->site.seen.observed;
	int rc = fleet_open_store(s, err);

	if (rc == 0)
		rc = store_list_results(s->site.store, a, &o->results, &o->n_results, err);
	return rc == ERR_MISSING ? 0 : rc;
}

int
fleet_read_history(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct str bytes;
	int rc = fleet_open_store(s, err);

	if (rc == 0)
		rc = store_get(s->site.store, a,
			arena_printf(a, "history/%.*s", STR_ARG(s->site.config.manifest->name)).p,
			&bytes, err);
	if (rc == 0)
		history_parse(a, &s->site.seen.observed.history, bytes);
	return rc == ERR_MISSING ? 0 : rc;
}

/* The part of a key between a prefix and its first dot. */
static struct str
id_of(struct str key, size_t n_prefix)
{
	struct str id = str_from_index(key, n_prefix);

	return str_cut(&id, '.');
}

int
fleet_read_shared(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct s3_object *sources;
	struct str prefix, runner;
	char hex[DIGEST_HEX_BYTES];
	size_t n;
	int rc = fleet_locate_store(s, err);

	if (rc < 0)
		return rc;
	prefix = fleet_object(
		s, a, arena_printf(a, "sources/%.*s/", STR_ARG(s->site.config.manifest->name)).p);
	rc = s3_list(s->aws, a, s->bucket, prefix, 0, &sources, &n, err);
	s->site.seen.observed.fleet.bucket_ready = rc == 0;
	/* Every host would fetch and put across regions, at a price. */
	if (rc == 0 && aws_learnt_region(s->aws, s->bucket))
		return fleet_bucket_failed(s, a, s->bucket, &s->site.config.manifest->pos_store,
			"store", ERR_INPUT, err);
	if (rc < 0)
		return rc == ERR_MISSING ? 0 : rc;
	s->stored_sources = (struct strings){.v = ARENA_ARRAY(a, struct str, n), .n = n};
	for (size_t i = 0; i < n; i++)
		s->stored_sources.v[i] = id_of(sources[i].key, prefix.n);
	rc = share_read(s, a, err);
	if (rc < 0)
		return rc;
	digest_hex(hex, &s->runner_sha256);
	runner = fleet_object(s, a, arena_printf(a, "runners/%s", hex).p);
	rc = s3_head(s->aws, a, s->bucket, runner, &(struct s3_object){0}, err);
	s->site.seen.observed.fleet.runner_ready = rc == 0;
	return rc == ERR_MISSING ? 0 : rc;
}
