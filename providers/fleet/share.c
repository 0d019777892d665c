/* share: whose turn it is, and what is known of what lies in the store. */
#include "providers/fleet/internal.h"

#include <stdio.h>
#include <string.h>

static const int64_t url_s = 3600;

/* Then that is what is shared; a setup in it runs on each host. */
static bool
is_built(const struct fleet_site *s)
{
	return s->site.config.manifest->environment.build.context.p != NULL;
}

bool
share_may(const struct fleet_site *s)
{
	return s->site.config.manifest->environment.setup.p && !is_built(s);
}

void
share_name(char id[DIGEST_HEX_BYTES], const struct fleet_site *s, const struct job *job)
{
	digest_hex(id, is_built(s) ? &job->build_identity : &job->environment_identity);
}

int
share_read(struct fleet_site *s, struct arena *a, struct error *err)
{
	struct str prefix;

	if (!share_may(s) && !is_built(s))
		return 0;
	prefix = fleet_object(
		s, a, arena_printf(a, "setups/%.*s/", STR_ARG(s->site.config.manifest->name)).p);
	return s3_list(s->aws, a, s->bucket, prefix, 0, &s->setups, &s->n_setups, err);
}

/* What setup makes may depend on the image of the instances, what is in a container on their architecture
 * alone. */
static struct str
sort_of(const struct fleet_site *s)
{
	if (fleet_has_image(s))
		return s->site.config.manifest->instances.arch == ARCH_ARM64 ? STR("arm64")
									     : STR("x86_64");
	return s->site.seen.observed.fleet.image;
}

/* Below which all lie that are the same. */
static struct str
folder_of(const struct fleet_site *s, struct arena *a, const char *id)
{
	return fleet_object(s, a,
		arena_printf(a, "setups/%.*s/%s/%.*s/", STR_ARG(s->site.config.manifest->name), id,
			STR_ARG(sort_of(s)))
			.p);
}

static bool
take_number(struct str text, int64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || *out > INT64_MAX / 100)
			return false;
		*out = *out * 10 + (text.p[i] - '0');
	}
	return text.n > 0;
}

bool
share_parse(struct stored_setup *out, const struct s3_object *object, struct str folder)
{
	struct str rest = str_from_index(object->key, folder.n), sha256, bytes;

	*out = (struct stored_setup){.bytes = object->size_bytes};
	if (!str_starts(object->key, folder) || object->key.n >= sizeof(out->key))
		return false;
	sha256 = str_cut(&rest, '-');
	bytes = str_cut(&rest, '.');
	if (sha256.n != sizeof(out->sha256) - 1 || !rest.p || !str_is(rest, "tar.gz") ||
		!take_number(bytes, &out->tar_bytes))
		return false;
	for (size_t i = 0; i < sha256.n; i++) {
		if (!strchr("0123456789abcdef", sha256.p[i]) || !sha256.p[i])
			return false;
	}
	snprintf(out->sha256, sizeof(out->sha256), "%.*s", STR_ARG(sha256));
	snprintf(out->key, sizeof(out->key), "%.*s", STR_ARG(object->key));
	return true;
}

/* The newest: one that is of no use is followed by another one, see put_url. */
void
share_choose(struct fleet_site *s, const char *id)
{
	struct arena scratch = {0};
	struct str folder;
	int64_t newest = 0;

	if (!s->n_setups || !sort_of(s).n)
		return;
	folder = folder_of(s, &scratch, id);
	for (size_t i = 0; i < s->n_setups; i++) {
		const struct s3_object *o = &s->setups[i];
		struct stored_setup one;

		if ((s->setup.key[0] && o->modified_wall_ns <= newest) ||
			!share_parse(&one, o, folder))
			continue;
		s->setup = one;
		newest = o->modified_wall_ns;
	}
	arena_free(&scratch);
}

void
share_open(struct fleet_run *r)
{
	struct setup_share *share = &r->share;

	pthread_mutex_init(&share->lock, NULL);
	share->stored = r->site->setup;
	share->state = share->stored.key[0] ? SHARE_STORED
		       : sort_of(r->site).n ? SHARE_OPEN
					    : SHARE_EACH;
}

void
share_close(struct fleet_run *r)
{
	pthread_mutex_destroy(&r->share.lock);
}

bool
share_wanted(const struct fleet_run *r, const struct host *h)
{
	if (is_built(r->site))
		return !host_lists(&h->words.images, r->share_id);
	return share_may(r->site) &&
	       !host_lists(fleet_has_image(r->site) ? &h->words.image_envs : &h->words.envs,
		       r->share_id);
}

static const char *
what(const struct fleet_run *r)
{
	return is_built(r->site) ? "environment.build" : "environment.setup";
}

int
share_turn(struct fleet_run *r, struct host *h, struct error *err)
{
	struct setup_share *share = &r->share;
	int rc = 1;

	pthread_mutex_lock(&share->lock);
	if (share->state == SHARE_OPEN) {
		share->state = SHARE_MAKING;
		share->maker = h;
	} else if (share->state == SHARE_MAKING) {
		rc = 0;
	} else if (share->state == SHARE_FAILED) {
		rc = error_set(err, ERR_HOST, "%s: %s was not tried, since it failed on %s%s%s",
			h->id, what(r), share->failed_on[0], share->n_failed > 1 ? " and " : "",
			share->failed_on[1]);
	}
	pthread_mutex_unlock(&share->lock);
	if (rc > 0)
		h->share = (struct share_part){.taken = true};
	return rc;
}

int
share_order(struct fleet_run *r, struct host *h, struct arena *a, struct share_order *out,
	struct error *err)
{
	struct setup_share *share = &r->share;
	struct stored_setup stored = {.bytes = 0};
	enum share_state state;

	*out = (struct share_order){.url = STR(""), .sha256 = STR("")};
	if (!h->share.taken)
		return 0;
	pthread_mutex_lock(&share->lock);
	state = share->state;
	if (state == SHARE_STORED)
		stored = share->stored;
	pthread_mutex_unlock(&share->lock);
	out->bits = state == SHARE_EACH ? SHARE_TELL : SHARE_TELL | SHARE_OFFER;
	if (!stored.key[0])
		return 0;
	out->sha256 = arena_str(a, str_from(stored.sha256));
	out->bytes = stored.bytes;
	out->tar_bytes = stored.tar_bytes;
	return aws_presign(r->site->aws, a, "GET", r->site->bucket,
		arena_str(a, str_from(stored.key)), NULL, NULL, url_s, &out->url, err);
}

static struct str
key_of(struct fleet_run *r, struct arena *a, struct str sha256, int64_t tar_bytes)
{
	struct str folder = folder_of(r->site, a, r->share_id);

	return arena_printf(
		a, "%.*s%.*s-%lld.tar.gz", STR_ARG(folder), STR_ARG(sha256), (long long)tar_bytes);
}

/* One that could not use what is there puts its own beside it, or over it: it is the newest then. */
int
share_put_url(struct fleet_run *r, struct arena *a, struct stored_setup *offered, struct str *url,
	struct error *err)
{
	struct str key = key_of(r, a, str_from(offered->sha256), offered->tar_bytes);
	int rc = fleet_check_lock(r->site, err);

	snprintf(offered->key, sizeof(offered->key), "%.*s", STR_ARG(key));
	return rc < 0 ? rc
		      : aws_presign(r->site->aws, a, "PUT", r->site->bucket, key, NULL, NULL, url_s,
				url, err);
}

int
share_placed(
	struct fleet_run *r, struct arena *a, const struct stored_setup *offered, struct error *err)
{
	struct setup_share *share = &r->share;
	struct s3_object object;
	int rc = s3_head(r->site->aws, a, r->site->bucket, arena_str(a, str_from(offered->key)),
		&object, err);

	if (rc < 0)
		return rc;
	if (object.size_bytes != offered->bytes)
		return error_set(err, ERR_HOST,
			"the store has %lld bytes of what setup left, not %lld",
			(long long)object.size_bytes, (long long)offered->bytes);
	pthread_mutex_lock(&share->lock);
	share->stored = *offered;
	share->state = SHARE_STORED;
	pthread_mutex_unlock(&share->lock);
	return 0;
}

bool
share_failed(const struct host *h)
{
	return h->share.ended && h->share.how == PREPARED_FAILED;
}

static void
end_making_locked(struct setup_share *share, const struct host *h, uint32_t failures)
{
	const struct share_part *part = &h->share;

	share->maker = NULL;
	if (share->state != SHARE_MAKING)
		return;
	if (part->ended && part->how == PREPARED_RAN) {
		share->state = SHARE_EACH;
	} else if (share_failed(h)) {
		snprintf(share->failed_on[share->n_failed++], sizeof(share->failed_on[0]), "%s",
			h->id);
		share->state = share->n_failed == failures ? SHARE_FAILED : SHARE_OPEN;
	} else {
		share->state = SHARE_OPEN;
	}
}

void
share_end(struct fleet_run *r, struct host *h)
{
	struct setup_share *share = &r->share;

	if (!h->share.taken)
		return;
	h->share.taken = false;
	pthread_mutex_lock(&share->lock);
	if (share->maker == h)
		end_making_locked(share, h, is_built(r->site) ? 1 : SHARE_FAILURES);
	pthread_mutex_unlock(&share->lock);
}

void
share_tell(struct fleet_run *r, const struct host *h, struct call *call)
{
	static const char *const words[] = {[PREPARED_FAILED] = "failed",
		[PREPARED_THERE] = "was there",
		[PREPARED_RAN] = "ran",
		[PREPARED_FETCHED] = "fetched"};
	const struct share_part *part = &h->share;
	char text[sizeof(part->why) + 32];
	struct buf note = {0};
	struct error unwanted;

	if (!part->ended)
		return;
	snprintf(text, sizeof(text), "%s%s%s", words[part->how],
		!part->why[0]		       ? ""
		: part->how == PREPARED_FAILED ? ": "
					       : "; ",
		part->why);
	buf_addf(&note, "what %s makes: %s", what(r), text);
	runner_note(&h->runner, buf_str(&note));
	buf_free(&note);
	/* It costs nothing by itself, whatever the call has launched before. */
	call->hourly_usd = 0;
	/* A journal that cannot be written ends the run by itself. */
	if (call->sink->intent(
		    call, is_built(r->site) ? "Build" : "Setup", r->share_id, &unwanted) == 0)
		call->sink->effect(call, text, &unwanted);
}
