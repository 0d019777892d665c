/* image: from what the manifest names to an image that the engine holds.
 *
 * An image has two digests. Its id is that of its configuration: it names the image on any machine, but no registry can be
 * asked for it. A registry knows the digest of a manifest, which lists configuration and layers (or of a list of manifests,
 * one for each architecture). So what comes from a registry is known by its manifest's digest, as it is fetched by that, and
 * what is built, loaded or imported here by its id.
 *
 * An image that is here is never asked for elsewhere: a tag moves for this machine when its user pulls it. A plan that is in
 * place needs no network, and stays in place. Images that furrow has fetched, loaded or built get a name of furrow's own
 * as well, furrow-image:HEX or furrow-build:HEX, so that they are found again whatever becomes of the tag. */
#include "providers/container/archive.h"
#include "providers/container/internal.h"

#include <jansson.h>
#include <stdio.h>

static const char own_image[] = "localhost/furrow-image";
static const char own_build[] = "localhost/furrow-build";

static bool
set_id(struct held_image *out, struct str id)
{
	struct digest d;
	char hex[DIGEST_HEX_BYTES];

	if (str_starts(id, STR("sha256:")))
		id = str_from_index(id, 7);
	if (!digest_parse(id, &d))
		return false;
	digest_hex(hex, &d);
	snprintf(out->id, sizeof(out->id), "sha256:%s", hex);
	return true;
}

static bool
read_list(struct arena *a, struct str json, struct strings *out)
{
	json_t *list = json_loadb(json.p, json.n, JSON_DECODE_ANY, NULL);
	const json_t *item;
	size_t i;

	out->v = ARENA_ARRAY(a, struct str, json_array_size(list));
	out->n = 0;
	json_array_foreach(list, i, item)
	{
		if (json_is_string(item))
			out->v[out->n++] = arena_str(a, str_from(json_string_value(item)));
	}
	json_decref(list);
	return list != NULL; /* null, for none, is fine */
}

bool
engine_says_absent(struct str said)
{
	static const char *const words[] = {"image not known", "No such image", "no such image",
		"No such object", "no such object"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (said.n && memmem(said.p, said.n, words[i], strlen(words[i])))
			return true;
	}
	return false;
}

int
engine_find_image(struct engine_handle *e, struct arena *a, const char *name,
	struct held_image *out, struct error *err)
{
	static const char format[] = "{{.Id}}\n{{json .RepoDigests}}\n{{json .RepoTags}}";
	struct words w = {.arena = a};
	struct buf text = {0}, errs = {0};
	struct str rest, id, digests;
	int rc;

	WORDS_ADD(&w, "image", "inspect", "--format", format, name);
	rc = engine_call(e, &w, &text, &errs, QUICK_CALL_S * NS_PER_S, err);
	rest = str_trim(buf_str(&text));
	id = str_cut(&rest, '\n');
	digests = str_cut(&rest, '\n');
	if (rc > 0 && engine_says_absent(buf_str(&errs)))
		rc = 0;
	else if (rc > 0)
		rc = engine_failed(e, err, rc, &errs, "image inspect %s", name);
	else if (rc == 0 && (!set_id(out, id) || !read_list(a, digests, &out->digests) ||
				    !read_list(a, rest, &out->tags)))
		rc = error_set(err, ERR_HOST,
			"%s: image inspect %s: its answer is not understood: %.200s", e->name, name,
			buf_cstr(&text));
	else if (rc == 0)
		rc = 1;
	buf_free(&text);
	buf_free(&errs);
	return rc;
}

static int
tag(struct engine_handle *e, struct arena *a, const char *id, const char *name, struct error *err)
{
	struct words w = {.arena = a};
	struct buf errs = {0};
	int rc;

	WORDS_ADD(&w, "tag", id, name);
	rc = engine_call(e, &w, NULL, &errs, QUICK_CALL_S * NS_PER_S, err);
	if (rc > 0)
		rc = engine_failed(e, err, rc, &errs, "tag %s as %s", id, name);
	buf_free(&errs);
	return rc;
}

static const char *
own_name(struct arena *a, const char *repository, struct str digest)
{
	if (str_starts(digest, STR("sha256:")))
		digest = str_from_index(digest, 7);
	return arena_printf(a, "%s:%.*s", repository, STR_ARG(digest)).p;
}

static const char *
build_name(struct arena *a, const struct image_wish *wish)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &wish->source_identity);
	return own_name(a, own_build, str_from(hex));
}

/* The digest by which an image here is known: the one it was fetched by, if that is known, else its registry's (the first in
 * order when it is known there under several: one for all architectures and one for its own), else its id. */
static struct str
digest_of_held(struct arena *a, const struct reference *ref, const struct held_image *image)
{
	struct str best = {0};

	for (size_t i = 0; i < image->digests.n; i++) {
		struct reference known = {0};

		/* docker leaves docker.io/library/ out, podman doesn't. */
		if (reference_parse(a, &known, image->digests.v[i], NULL) < 0 ||
			!str_eq(known.name, ref->name) || !known.digest.p)
			continue;
		for (size_t k = 0; k < image->tags.n; k++) {
			if (str_is(image->tags.v[k], own_name(a, own_image, known.digest)))
				return known.digest;
		}
		if (!best.p || str_cmp(known.digest, best) < 0)
			best = known.digest;
	}
	if (best.p && !str_is(ref->registry, "localhost"))
		return best;
	return arena_str(a, str_from(image->id));
}

static int
resolve_reference(struct engine_handle *e, struct arena *a, struct str text, struct str *digest,
	bool *present, struct error *err)
{
	struct reference ref;
	struct held_image image = {0};
	int rc = reference_parse(a, &ref, text, err), found;

	if (rc < 0)
		return rc;
	found = engine_find_image(e, a, arena_cstr(a, text), &image, err);
	if (found < 0)
		return found;
	*present = found;
	if (ref.digest.p)
		*digest = ref.digest;
	else if (found)
		*digest = digest_of_held(a, &ref, &image);
	else
		return registry_digest(a, &ref, digest, err);
	return 0;
}

static int
resolve_archive(struct engine_handle *e, struct arena *a, const struct image_archive *archive,
	struct str *digest, bool *present, struct error *err)
{
	struct held_image image = {0};
	int rc = archive_image_id(a, archive, NULL, digest, err), found;

	if (rc < 0)
		return rc;
	found = engine_find_image(e, a, own_name(a, own_image, *digest), &image, err);
	*present = found > 0;
	return found < 0 ? found : 0;
}

static int
resolve_build(struct engine_handle *e, struct arena *a, const struct image_wish *wish,
	struct str *digest, bool *present, struct error *err)
{
	struct held_image image = {0};
	int found = engine_find_image(e, a, build_name(a, wish), &image, err);

	*present = found > 0;
	*digest = found > 0 ? arena_str(a, str_from(image.id)) : (struct str){0};
	return found < 0 ? found : 0;
}

int
engine_resolve(struct engine_handle *e, struct arena *a, const struct image_wish *wish,
	struct str *digest, bool *present, struct error *err)
{
	struct image_archive archive;

	*present = false;
	if (wish->build.context.p)
		return resolve_build(e, a, wish, digest, present, err);
	if (archive_parse(a, &archive, wish->image))
		return resolve_archive(e, a, &archive, digest, present, err);
	return resolve_reference(e, a, wish->image, digest, present, err);
}

int
engine_image_id(struct engine_handle *e, struct arena *a, struct str image, struct str *id,
	struct error *err)
{
	struct image_archive archive;
	struct held_image held;
	int found;

	*id = (struct str){0};
	if (!image.p)
		return 0;
	if (archive_parse(a, &archive, image)) {
		struct str digest;
		int rc = archive_image_id(a, &archive, NULL, &digest, err);

		if (rc == 0)
			*id = str_from_index(digest, 7);
		return rc;
	}
	found = engine_find_image(e, a, arena_cstr(a, image), &held, err);
	if (found > 0)
		*id = arena_str(a, str_from(held.id + 7));
	return found < 0 ? found : 0;
}

/* Finds an image that has to be there now. */
static int
expect_image(struct engine_handle *e, struct arena *a, const char *name, struct str *id,
	struct error *err)
{
	struct held_image image = {0};
	int found = engine_find_image(e, a, name, &image, err);

	if (found < 0)
		return found;
	if (!found)
		return error_set(err, ERR_HOST,
			"%s has no image %s although it said that all went well", e->name, name);
	*id = arena_str(a, str_from(image.id));
	return 0;
}

/* A call whose words belong into the log. */
static int
logged_call(struct engine_handle *e, struct words *w, struct buf *log, const char *what,
	struct str on, struct error *err)
{
	struct buf own = {0};
	int rc = engine_call(e, w, &own, &own, -1, err);

	if (log)
		buf_add_str(log, buf_str(&own));
	if (rc > 0)
		rc = engine_failed(e, err, rc, &own, "%s %.*s", what, STR_ARG(on));
	buf_free(&own);
	return rc;
}

static int
moved(struct str text, struct str digest, struct error *err)
{
	return error_set(err, ERR_STALE,
		"image %.*s is not %.*s any more, as it was when this was planned; plan again",
		STR_ARG(text), STR_ARG(digest));
}

static int
pull(struct engine_handle *e, struct arena *a, const struct reference *ref, struct str digest,
	struct str *id, struct buf *log, struct error *err)
{
	const char *name = arena_printf(a, "%.*s@%.*s", STR_ARG(ref->name), STR_ARG(digest)).p;
	struct words w = {.arena = a};
	int rc;

	WORDS_ADD(&w, "pull", "--quiet", name);
	rc = logged_call(e, &w, log, "pull", str_from(name), err);
	if (rc == 0)
		rc = expect_image(e, a, name, id, err);
	if (rc == 0)
		rc = tag(e, a, id->p, own_name(a, own_image, digest), err);
	if (rc == 0 && ref->tag.p)
		rc = tag(e, a, id->p,
			arena_printf(a, "%.*s:%.*s", STR_ARG(ref->name), STR_ARG(ref->tag)).p, err);
	return rc;
}

static int
ensure_reference(struct engine_handle *e, struct arena *a, struct str text, struct str digest,
	struct str *id, struct buf *log, struct error *err)
{
	struct reference ref;
	struct held_image image = {0};
	int rc = reference_parse(a, &ref, text, err), found;

	if (rc < 0)
		return rc;
	found = engine_find_image(e, a, arena_cstr(a, text), &image, err);
	if (found < 0)
		return found;
	if (found && (ref.digest.p || str_eq(digest_of_held(a, &ref, &image), digest))) {
		*id = arena_str(a, str_from(image.id));
		return 0;
	}
	if (found || str_is(ref.registry, "localhost"))
		return moved(text, digest, err);
	return pull(e, a, &ref, digest, id, log, err);
}

static int
ensure_archive(struct engine_handle *e, struct arena *a, const struct image_archive *archive,
	struct str text, struct str digest, struct str *id, struct buf *log, struct error *err)
{
	struct words w = {.arena = a};
	struct str now;
	int rc = archive_image_id(a, archive, NULL, &now, err);

	if (rc < 0)
		return rc;
	if (!str_eq(now, digest))
		return moved(text, digest, err);
	/* podman's load takes every image of an archive, and all of them by name. */
	if (e->is_docker)
		WORDS_ADD(&w, "load", "--quiet", "--input", archive->path.p);
	else
		WORDS_ADD(&w, "pull", "--quiet", arena_cstr(a, text));
	rc = logged_call(e, &w, log, e->is_docker ? "load" : "pull", text, err);
	if (rc == 0)
		rc = expect_image(e, a, arena_cstr(a, digest), id, err);
	if (rc == 0)
		rc = tag(e, a, id->p, own_name(a, own_image, digest), err);
	return rc;
}

static int
ensure_build(struct engine_handle *e, struct arena *a, const struct image_wish *wish,
	struct str *id, struct buf *log, struct error *err)
{
	const struct build *b = &wish->build;
	const char *context = arena_cstr(a, b->context), *name = build_name(a, wish);
	struct words w = {.arena = a};
	int rc;

	WORDS_ADD(&w, "build", "--tag", name);
	if (wish->job) {
		words_add(&w, "--label");
		words_addf(&w, BUILT_FOR_LABEL "=%s", wish->job);
	}
	words_add(&w, "--file");
	words_addf(&w, "%s/%.*s", context,
		STR_ARG(b->dockerfile.p ? b->dockerfile : STR("Dockerfile")));
	words_add(&w, context);
	rc = logged_call(e, &w, log, "build", b->context, err);
	return rc < 0 ? rc : expect_image(e, a, name, id, err);
}

int
engine_ensure(struct engine_handle *e, struct arena *a, const struct image_wish *wish,
	struct str digest, struct str *image_id, struct buf *log, struct error *err)
{
	struct image_archive archive;
	struct str now;
	bool present = false;
	int rc;

	if (!wish->build.context.p && !archive_parse(a, &archive, wish->image))
		return ensure_reference(e, a, wish->image, digest, image_id, log, err);
	rc = engine_resolve(e, a, wish, &now, &present, err);
	if (rc < 0)
		return rc;
	if (present && (!digest.p || str_eq(now, digest))) {
		*image_id = now;
		return 0;
	}
	if (wish->build.context.p)
		return ensure_build(e, a, wish, image_id, log, err);
	return ensure_archive(e, a, &archive, wish->image, digest, image_id, log, err);
}
