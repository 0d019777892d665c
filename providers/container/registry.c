/* registry: the digest of a tag, from a registry (opencontainers/distribution-spec, "pulling manifests") with the token that
 * it wants (distribution's token authentication), anonymous or with what a login left. Nothing is pulled. */
#include "providers/container/internal.h"

#include <jansson.h>

static const char manifest_types[] = "application/vnd.oci.image.index.v1+json, "
				     "application/vnd.docker.distribution.manifest.list.v2+json, "
				     "application/vnd.oci.image.manifest.v1+json, "
				     "application/vnd.docker.distribution.manifest.v2+json";

/* A registry while it is asked. */
struct asking {
	struct arena *arena;
	const struct reference *ref;
	const char *scheme;
	const char *token;	   /* NULL: none yet */
	const char *user_password; /* for the registry itself, when it wants Basic */
};

static bool
is_loopback(struct str registry)
{
	struct str host = str_cut(&registry, ':');

	return str_is(host, "localhost") || str_starts(host, STR("127."));
}

static const char *
manifest_url(const struct asking *q)
{
	const struct reference *ref = q->ref;
	struct str host =
		str_is(ref->registry, "docker.io") ? STR("registry-1.docker.io") : ref->registry;

	return arena_printf(q->arena, "%s://%.*s/v2/%.*s/manifests/%.*s", q->scheme, STR_ARG(host),
		STR_ARG(ref->repository), STR_ARG(ref->tag))
		.p;
}

static int
ask(const struct asking *q, bool head, struct http_answer *answer, struct error *err)
{
	const struct http_wish wish = {.url = manifest_url(q),
		.head = head,
		.accept = manifest_types,
		.bearer = q->token,
		.user_password = q->user_password};

	return http_request(q->arena, &wish, answer, err);
}

/* The value of NAME="VALUE" in a challenge (RFC 9110, 11.6.1); absent: not there. */
static struct str
challenge_value(struct str challenge, const char *name)
{
	struct str key = str_from(name);

	for (size_t i = 0; i + key.n + 2 < challenge.n; i++) {
		struct str value = str_from_index(challenge, i);

		if (!str_starts(value, key) || value.p[key.n] != '=' || value.p[key.n + 1] != '"')
			continue;
		if (i && challenge.p[i - 1] != ' ' && challenge.p[i - 1] != ',')
			continue;
		value = str_from_index(value, key.n + 2);
		return str_cut(&value, '"');
	}
	return (struct str){0};
}

static void
add_escaped(struct buf *b, struct str s)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] && strchr(plain, s.p[i]))
			buf_add_char(b, s.p[i]);
		else
			buf_addf(b, "%%%02X", (unsigned char)s.p[i]);
	}
}

static const char *
token_url(const struct asking *q, struct str realm, struct str challenge)
{
	struct str service = challenge_value(challenge, "service"), url;
	struct buf b = {0};

	buf_add_str(&b, realm);
	buf_add_char(&b, realm.n && memchr(realm.p, '?', realm.n) ? '&' : '?');
	if (service.p) {
		buf_add_cstr(&b, "service=");
		add_escaped(&b, service);
		buf_add_char(&b, '&');
	}
	buf_add_cstr(&b, "scope=");
	add_escaped(
		&b, arena_printf(q->arena, "repository:%.*s:pull", STR_ARG(q->ref->repository)));
	url = arena_str(q->arena, buf_str(&b));
	buf_free(&b);
	return url.p;
}

static int
denied(const struct asking *q, long status, struct error *err)
{
	int rc = error_set(err, ERR_INPUT,
		"image %.*s:%.*s: the registry does not show it (HTTP %ld): there is no such "
		"image, or it is "
		"private; correct `image`, or log in: podman login %.*s",
		STR_ARG(q->ref->name), STR_ARG(q->ref->tag), status, STR_ARG(q->ref->registry));

	if (err) {
		err->class = CLASS_DENIED;
		err->http_status = (int)status;
	}
	return rc;
}

static int
get_token(struct asking *q, struct str challenge, struct error *err)
{
	struct str realm = challenge_value(challenge, "realm");
	struct str credentials = credentials_find(q->arena, q->ref);
	struct http_wish wish = {.user_password = credentials.p};
	struct http_answer answer;
	const char *token;
	json_t *json;
	int rc;

	/* A password doesn't go out in the clear because a registry says so. */
	if (!str_starts(realm, STR("https://")) &&
		!(strcmp(q->scheme, "http") == 0 && str_starts(realm, STR("http://"))))
		return error_set(err, ERR_HOST,
			"registry %.*s: its challenge is not understood: %.200s",
			STR_ARG(q->ref->registry), challenge.p);
	wish.url = token_url(q, realm, challenge);
	rc = http_request(q->arena, &wish, &answer, err);
	if (rc < 0)
		return rc;
	if (answer.status != 200)
		return denied(q, answer.status, err);
	json = json_loadb(answer.body.p, answer.body.n, 0, NULL);
	token = json_string_value(json_object_get(json, "token"));
	if (!token)
		token = json_string_value(json_object_get(json, "access_token"));
	q->token = arena_cstr(q->arena, str_from(token));
	json_decref(json);
	if (!q->token || strpbrk(q->token, "\r\n"))
		return error_set(err, ERR_HOST, "registry %.*s: its answer holds no token",
			STR_ARG(q->ref->registry));
	return 0;
}

static int
answer_challenge(struct asking *q, struct str challenge, struct error *err)
{
	if (str_starts(challenge, STR("Bearer ")))
		return get_token(q, challenge, err);
	if (str_starts(challenge, STR("Basic ")))
		q->user_password = credentials_find(q->arena, q->ref).p;
	return q->user_password ? 0 : denied(q, 401, err);
}

/* A HEAD, once more with what the registry wants. */
static int
ask_with_token(struct asking *q, struct http_answer *answer, struct error *err)
{
	int rc = ask(q, true, answer, err);

	if (rc < 0 || answer->status != 401)
		return rc;
	rc = answer_challenge(q, answer->challenge, err);
	return rc < 0 ? rc : ask(q, true, answer, err);
}

static int
refused(const struct asking *q, long status, struct error *err)
{
	int rc;

	if (status == 401 || status == 403)
		return denied(q, status, err);
	if (status == 404)
		rc = error_set(err, ERR_INPUT,
			"image %.*s:%.*s: the registry has no such tag; correct `image`",
			STR_ARG(q->ref->name), STR_ARG(q->ref->tag));
	else
		rc = error_set(err, ERR_HOST, "image %.*s:%.*s: the registry answers HTTP %ld",
			STR_ARG(q->ref->name), STR_ARG(q->ref->tag), status);
	if (err) {
		err->http_status = (int)status;
		if (status == 429)
			err->class = CLASS_THROTTLED;
		else if (status >= 500)
			err->class = CLASS_TRANSIENT;
	}
	return rc;
}

/* What the header says, or what the bytes of the manifest are. */
static int
take_digest(struct asking *q, struct http_answer *answer, struct str *digest, struct error *err)
{
	char hex[DIGEST_HEX_BYTES];
	struct digest d;
	int rc;

	if (str_starts(answer->digest, STR("sha256:")) &&
		digest_parse(str_from_index(answer->digest, 7), &d)) {
		*digest = answer->digest;
		return 0;
	}
	rc = ask(q, false, answer, err);
	if (rc < 0)
		return rc;
	if (answer->status != 200)
		return refused(q, answer->status, err);
	d = digest_of(answer->body.p, answer->body.n);
	digest_hex(hex, &d);
	*digest = arena_printf(q->arena, "sha256:%s", hex);
	return 0;
}

int
registry_digest(struct arena *a, const struct reference *ref, struct str *digest, struct error *err)
{
	struct asking q = {.arena = a, .ref = ref, .scheme = "https"};
	struct http_answer answer;
	int rc;

	if (str_is(ref->registry, "localhost"))
		return error_set(err, ERR_INPUT,
			"image %.*s:%.*s is not here, and no registry has images of localhost; "
			"build or load "
			"it first",
			STR_ARG(ref->name), STR_ARG(ref->tag));
	rc = ask_with_token(&q, &answer, err);
	if (rc == ERR_HOST && is_loopback(ref->registry)) {
		q.scheme = "http"; /* as engines do for this machine's own */
		rc = ask_with_token(&q, &answer, err);
	}
	if (rc == 0 && answer.status != 200)
		rc = refused(&q, answer.status, err);
	if (rc == 0)
		rc = take_digest(&q, &answer, digest, err);
	if (rc == ERR_HOST)
		error_wrap(err,
			"image %.*s:%.*s is not here, and its registry could not be asked (pin it "
			"with "
			"@sha256:..., or pull it first)",
			STR_ARG(ref->name), STR_ARG(ref->tag));
	return rc;
}
