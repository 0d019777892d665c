/* bucket: where sources and results lie: whether it is there, whose, in which region, closed to the public,
 * and what may be done in it. */
#include "providers/doctor/internal.h"

#include "providers/aws/s3.h"

static void
tell_permission(struct doctor_findings *f, const char *permission, int rc, const struct error *err)
{
	if (rc == 0 || rc == ERR_MISSING)
		doctor_add(f, "permission", DOCTOR_OK, str_from(permission), "allowed");
	else
		doctor_add_error(f, "permission",
			err->class == CLASS_DENIED ? DOCTOR_FAIL : DOCTOR_WARN,
			str_from(permission), err);
}

static void
tell_public(struct doctor *d, struct doctor_findings *f, struct str url)
{
	struct arena scratch = {0};
	struct error err;
	bool blocked;

	if (s3_blocks_public(d->aws, &scratch, d->bucket, &blocked, &err) < 0)
		doctor_add_error(f, "bucket", DOCTOR_WARN, STR("s3 GetPublicAccessBlock"), &err);
	else if (blocked)
		doctor_add(f, "bucket", DOCTOR_OK, url, "public access is blocked");
	else
		doctor_advise(f,
			doctor_add(f, "bucket", DOCTOR_WARN, url, "public access is not blocked"),
			"aws s3api put-public-access-block --bucket %.*s "
			"--public-access-block-configuration BlockPublicAcls=true,"
			"IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true",
			STR_ARG(d->bucket));
	arena_free(&scratch);
}

/* Of keys that are not there: what is asked is whether one may ask. */
static void
ask_objects(struct doctor *d, struct doctor_findings *f)
{
	struct arena scratch = {0};
	struct str key = arena_printf(
		&scratch, "%.*s%sfurrow-doctor", STR_ARG(d->prefix), d->prefix.n ? "/" : "");
	struct s3_object object, *objects;
	struct error err;
	size_t n;
	int rc = s3_list(d->aws, &scratch, d->bucket, key, 1, &objects, &n, &err);

	tell_permission(f, "s3:ListBucket", rc, &err);
	if (rc == 0) /* else a key that is not there is refused as well */
		tell_permission(f, "s3:GetObject",
			s3_head(d->aws, &scratch, d->bucket, key, &object, &err), &err);
	tell_permission(
		f, "s3:PutObject", s3_may_put(d->aws, &scratch, d->bucket, key, &err), &err);
	arena_free(&scratch);
}

void
doctor_bucket(struct doctor *d, struct doctor_findings *f)
{
	struct str tried = STR("the bucket"), store = d->config->store;
	struct error err;
	int rc = 0;

	if (store.p)
		rc = fleet_name_bucket(d->aws, f->arena, store, &d->bucket, &d->prefix, &err);
	else
		d->bucket = arena_printf(
			f->arena, "furrow-%.*s-%s", STR_ARG(d->account), aws_region(d->aws));
	if (rc == 0) {
		tried = arena_printf(f->arena, "s3://%.*s", STR_ARG(d->bucket));
		rc = s3_head_bucket(d->aws, f->arena, d->bucket, NULL, &err);
	}
	if (rc == ERR_MISSING) {
		doctor_add(f, "bucket", DOCTOR_OK, tried,
			"not there yet: the first apply makes it, private, in %s",
			aws_region(d->aws));
		return;
	}
	if (rc < 0) {
		doctor_add_error(f, "bucket", DOCTOR_FAIL, tried, &err);
		return;
	}
	doctor_add(f, "bucket", DOCTOR_OK, tried, "there, in %s", aws_region(d->aws));
	tell_public(d, f, tried);
	ask_objects(d, f);
}
