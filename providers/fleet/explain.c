/* explain: what a failed read says of the manifest, at its place there. */
#include "providers/fleet/internal.h"

#include "providers/aws/s3.h"

int
fleet_at(struct error *err, const struct pos *pos, const char *key)
{
	return pos->line ? error_wrap(err, "%.*s:%u:%u: %s", STR_ARG(pos->file), pos->line,
				   pos->col, key)
			 : error_wrap(err, "%s", key);
}

int
fleet_bucket_failed(struct fleet_site *s, struct arena *a, struct str bucket, const struct pos *pos,
	const char *key, int rc, struct error *err)
{
	struct error why;
	int looked = s3_head_bucket(s->aws, a, bucket, NULL, &why);

	if (looked == ERR_MISSING)
		error_set(err, ERR_INPUT,
			"there is no bucket %.*s (or it is not yet seen everywhere)",
			STR_ARG(bucket));
	else if (looked == ERR_INPUT)
		*err = why;
	else if (rc != ERR_INPUT)
		return error_wrap(err, "%s", key);
	return fleet_at(err, pos, key);
}

static bool
is_of_store(enum fleet_read what)
{
	return what == READ_STORE || what == READ_HISTORY || what == READ_SHARED ||
	       what == READ_LOCK;
}

void
fleet_explain(struct fleet_site *s, enum fleet_read what, struct arena *a, struct error *err)
{
	const struct manifest *m = s->site.config.manifest;

	if (err->code != ERR_HOST && err->class != CLASS_DENIED)
		return;
	if (region_explain(&s->regions[0], a, err))
		return;
	/* These have located the store before they failed; the bucket is not others' to look at. */
	if (is_of_store(what) && m->store.p && s->bucket.p && err->class == CLASS_DENIED)
		fleet_bucket_failed(s, a, s->bucket, &m->pos_store, "store", err->code, err);
}
