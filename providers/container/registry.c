/* registry: the digest of a tag, from a registry (opencontainers/distribution-spec, "pulling manifests") with the token that
 * it wants (distribution's token authentication), anonymous or with what a login left. Nothing is pulled. */
#include "providers/container/internal.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

static const char manifest_types[] = "application/vnd.oci.image.index.v1+json, "
				     "application/vnd.docker.distribution.manifest.list.v2+json, "
				     "application/vnd.oci.image.manifest.v1+json, "
				     "application/vnd.docker.distribution.manifest.v2+json";

/* A registry while it is asked. */
struct asking {
	struct arena *arena;
	const struct reference *ref;
	struct str what;   /* tag or digest */
	const char *shown; /* the image as people write it */
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
url_of(const struct asking *q, const char *sort, struct str what)
{
	const struct reference *ref = q->ref;
	struct str host =
		str_is(ref->registry, "docker.io") ? STR("registry-1.docker.io") : ref->registry;

	return arena_printf(q->arena, "%s://%.*s/v2/%.*s/%s/%.*s", q->scheme, STR_ARG(host),
		STR_ARG(ref->repository), sort, STR_ARG(what))
		.p;
}

static int
ask_for(const struct asking *q, const char *sort, struct str what, bool head,
	struct http_answer *answer, struct error *err)
{
	const struct http_wish wish = {.url = url_of(q, sort, what),
		.head = head,
		.accept = manifest_types,
		.bearer = q->token,
		.user_password = q->user_password,
		.registry = arena_cstr(q->arena, q->ref->registry)};

	return http_request(q->arena, &wish, answer, err);
}

static int
ask(const struct asking *q, bool head, struct http_answer *answer, struct error *err)
{
	return ask_for(q, "manifests", q->what, head, answer, err);
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
		"image %s: the registry does not show it (HTTP %ld): there is no such "
		"image, or it is "
		"private; correct `image`, or log in: podman login %.*s",
		q->shown, status, STR_ARG(q->ref->registry));

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
	struct http_wish wish = {
		.user_password = credentials.p, .registry = arena_cstr(q->arena, q->ref->registry)};
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
			"image %s: the registry has no such %s; correct `image`", q->shown,
			memchr(q->what.p, ':', q->what.n) ? "digest" : "tag");
	else
		rc = error_set(
			err, ERR_HOST, "image %s: the registry answers HTTP %ld", q->shown, status);
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

static void
begin(struct asking *q, struct arena *a, const struct reference *ref)
{
	*q = (struct asking){.arena = a,
		.ref = ref,
		.what = ref->digest.p ? ref->digest : ref->tag,
		.scheme = "https"};
	q->shown = arena_printf(
		a, "%.*s%s%.*s", STR_ARG(ref->name), ref->digest.p ? "@" : ":", STR_ARG(q->what))
			   .p;
}

/* The digest of what is asked for. */
static int
find_digest(struct asking *q, struct str *digest, struct error *err)
{
	struct http_answer answer;
	int rc = ask_with_token(q, &answer, err);

	if (rc == ERR_HOST && is_loopback(q->ref->registry)) {
		q->scheme = "http"; /* as engines do for this machine's own */
		rc = ask_with_token(q, &answer, err);
	}
	if (rc == 0 && answer.status != 200)
		rc = refused(q, answer.status, err);
	return rc == 0 ? take_digest(q, &answer, digest, err) : rc;
}

int
registry_digest(struct arena *a, const struct reference *ref, struct str *digest, struct error *err)
{
	struct asking q;
	int rc;

	begin(&q, a, ref);
	if (str_is(ref->registry, "localhost"))
		return error_set(err, ERR_INPUT,
			"image %s is not here, and no registry has images of localhost; "
			"build or load "
			"it first",
			q.shown);
	rc = find_digest(&q, digest, err);
	if (rc == ERR_HOST)
		error_wrap(err,
			"image %s is not here, and its registry could not be asked (pin it with "
			"@sha256:..., or pull it first)",
			q.shown);
	return rc;
}

/* A file of the image, which has to be what its digest says. */
static int
get_json(const struct asking *q, const char *sort, struct str digest, json_t **out,
	struct error *err)
{
	struct http_answer answer;
	char hex[DIGEST_HEX_BYTES];
	struct digest is;
	int rc = ask_for(q, sort, digest, false, &answer, err);

	if (rc < 0)
		return rc;
	if (answer.status != 200)
		return refused(q, answer.status, err);
	is = digest_of(answer.body.p, answer.body.n);
	digest_hex(hex, &is);
	if (digest.n < 7 || !str_is(str_from_index(digest, 7), hex))
		return error_set(err, ERR_INPUT,
			"image %s: the registry sends sha256:%s for what should be %.*s: its "
			"digest does not match, and nothing of it is used",
			q->shown, hex, STR_ARG(digest));
	*out = json_loadb(answer.body.n ? answer.body.p : "", answer.body.n, 0, NULL);
	return *out ? 0 : error_set(err, ERR_INPUT, "image %s: its %s are no JSON", q->shown, sort);
}

static int
wrong_architecture(const struct asking *q, const char *wanted, const char *there, struct error *err)
{
	return error_set(err, ERR_INPUT,
		"image %s is for %s, and instances are linux/%s (instances.arch): name an image "
		"for that, or another arch",
		q->shown, there, wanted);
}

/* An index lists images by platform. */
static int
check_index(const struct asking *q, const json_t *manifests, const char *wanted, struct error *err)
{
	struct buf there = {0};
	const json_t *m;
	bool found = false;
	size_t i;
	int rc = 0;

	json_array_foreach(manifests, i, m)
	{
		const json_t *platform = json_object_get(m, "platform");
		const char *arch = json_string_value(json_object_get(platform, "architecture"));
		const char *os = json_string_value(json_object_get(platform, "os"));

		if (!arch || !os || strcmp(os, "unknown") == 0) /* a signature, or the like */
			continue;
		found |= strcmp(os, "linux") == 0 && strcmp(arch, wanted) == 0;
		buf_addf(&there, "%s%s/%s", there.n ? ", " : "", os, arch);
	}
	if (!found)
		rc = wrong_architecture(q, wanted, there.n ? buf_cstr(&there) : "nothing", err);
	buf_free(&there);
	return rc;
}

static int
check_config(const struct asking *q, struct str digest, const char *wanted, struct error *err)
{
	json_t *config = NULL;
	const char *arch, *os;
	int rc = get_json(q, "blobs", digest, &config, err);

	arch = json_string_value(json_object_get(config, "architecture"));
	os = json_string_value(json_object_get(config, "os"));
	if (rc == 0 && arch && (strcmp(arch, wanted) != 0 || (os && strcmp(os, "linux") != 0)))
		rc = wrong_architecture(
			q, wanted, arena_printf(q->arena, "%s/%s", os ? os : "linux", arch).p, err);
	json_decref(config);
	return rc;
}

static int
check_architecture(const struct asking *q, struct str digest, bool arm64, struct error *err)
{
	const char *wanted = arm64 ? "arm64" : "amd64";
	json_t *manifest = NULL;
	const json_t *list;
	const char *config;
	int rc = get_json(q, "manifests", digest, &manifest, err);

	list = json_object_get(manifest, "manifests");
	config = json_string_value(json_object_get(json_object_get(manifest, "config"), "digest"));
	if (rc == 0 && json_is_array(list))
		rc = check_index(q, list, wanted, err);
	else if (rc == 0 && config)
		rc = check_config(q, str_from(config), wanted, err);
	else if (rc == 0)
		rc = error_set(err, ERR_INPUT,
			"image %s: what the registry has under that name is no image", q->shown);
	json_decref(manifest);
	return rc;
}

/* That it is for the architecture is found out once: registries count what is fetched from them. */
static const char *
note_path(struct arena *a, const char *notes, struct str digest, bool arm64)
{
	return arena_printf(a, "%s/%.*s-%s", notes, STR_ARG(str_from_index(digest, 7)),
		arm64 ? "arm64" : "amd64")
		.p;
}

static void
make_note(struct arena *a, const char *notes, const char *path)
{
	char *at = arena_cstr(a, str_from(notes));
	int fd;

	for (char *slash = at + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		(void)mkdir(at, 0700);
		*slash = '/';
	}
	(void)mkdir(at, 0700); /* without a note it is found out again */
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

int
registry_find(struct arena *a, const struct reference *ref, bool arm64, const char *notes,
	struct str *digest, struct error *err)
{
	const char *note = NULL;
	struct asking q;
	int rc;

	begin(&q, a, ref);
	rc = find_digest(&q, digest, err);
	if (rc == 0 && ref->digest.p && !str_eq(*digest, ref->digest))
		rc = error_set(err, ERR_INPUT,
			"image %s: the registry has %.*s under that digest, which does not match",
			q.shown, STR_ARG(*digest));
	if (rc == 0 && notes)
		note = note_path(a, notes, *digest, arm64);
	if (rc == 0 && (!note || access(note, F_OK) != 0)) {
		rc = check_architecture(&q, *digest, arm64, err);
		if (rc == 0 && note)
			make_note(a, notes, note);
	}
	if (rc == ERR_HOST)
		error_wrap(err, "image %s: its registry could not be asked", q.shown);
	return rc;
}
