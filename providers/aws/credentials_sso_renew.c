/* credentials_sso_renew: a login of `aws sso login` that comes to its end in the midst of a run, made
 * longer with its refresh token, as the AWS CLI does: by SSO OIDC CreateToken, and written back to where
 * the CLI looks, for the refresh token may be good for once only. */
#include "providers/aws/credentials_internal.h"

#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TIMEOUT_S = 10, ATTEMPTS = 3 };

static void
free_secret(char *text)
{
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

static const char *
member(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s && s[0] ? s : NULL;
}

/* All that it takes is there, and the client may still ask. */
static bool
can_renew(const struct looking *l, const json_t *login)
{
	const struct clock *clock = l->world->clock;
	int64_t until;

	return member(login, "refreshToken") && member(login, "clientId") &&
	       member(login, "clientSecret") &&
	       answer_read_time(str_from(member(login, "registrationExpiresAt")), &until) &&
	       until > clock->wall_ns(clock->ctx);
}

static struct str
request_body(struct looking *l, const json_t *login)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "grantType", "refresh_token", "clientId",
		member(login, "clientId"), "clientSecret", member(login, "clientSecret"),
		"refreshToken", member(login, "refreshToken"));
	char *text = json_dumps(body, JSON_COMPACT);
	struct str out = arena_str(&l->arena, str_from(text));

	free_secret(text);
	answer_close_json(body);
	return out;
}

/* Whole or not at all. That it can't be written is no reason to do without the new login. */
static void
write_back(struct looking *l, const char *path, const json_t *login)
{
	const char *part = arena_printf(&l->arena, "%s.%d.part", path, (int)getpid()).p;
	char *text = json_dumps(login, 0);
	size_t n = text ? strlen(text) : 0;
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool written = text && fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	if (!written || rename(part, path) != 0)
		unlink(part);
	free_secret(text);
}

static int
take_answer(struct looking *l, json_t *login, struct str answer, struct sso_token *token,
	const char *what, struct error *err)
{
	const struct clock *clock = l->world->clock;
	json_t *json, *expires;
	char at[CLOCK_RFC3339_BYTES];
	int rc = answer_open_json(&json, answer, what, err);

	expires = json_object_get(json, "expiresIn");
	if (rc == 0 && (!member(json, "accessToken") || json_integer_value(expires) <= 0 ||
			       json_integer_value(expires) > INT32_MAX))
		rc = credentials_wrong(err, "%s: no accessToken or expiresIn", what);
	if (rc == 0) {
		token->access = arena_str(&l->arena, str_from(member(json, "accessToken")));
		token->expires_wall_ns =
			clock->wall_ns(clock->ctx) + json_integer_value(expires) * NS_PER_S;
		/* Whole seconds: the CLI reads no others. */
		clock_format_rfc3339(at, token->expires_wall_ns);
		memcpy(at + strlen("2026-01-31T12:00:00"), "Z", 2);
		json_object_set_new(login, "expiresAt", json_string(at));
		json_object_set(login, "accessToken", json_object_get(json, "accessToken"));
		if (member(json, "refreshToken"))
			json_object_set(
				login, "refreshToken", json_object_get(json, "refreshToken"));
	}
	/* Its strings are login's too, which closes them. */
	json_decref(json);
	return rc;
}

static int
renew(struct looking *l, const char *path, struct str region, json_t *login,
	struct sso_token *token, struct error *err)
{
	static const char *const headers[] = {
		"Content-Type: application/json", "Accept: application/json", NULL};
	struct str base = credentials_endpoint(l, "sso_oidc", "oidc", region), answer;
	const char *what = "renewing the login";
	struct ask ask = {.method = "POST",
		.url = arena_printf(&l->arena, "%.*s/token", STR_ARG(base)).p,
		.headers = headers,
		.body = request_body(l, login),
		.timeout_ns = TIMEOUT_S * NS_PER_S,
		.attempts = ATTEMPTS};
	int status, rc = credentials_ask(l, &ask, &status, &answer, err);

	if (rc < 0)
		return error_wrap(err, "%s", what);
	if (status != 200)
		return credentials_refused(
			status, answer_member(&l->arena, answer, "error"), what, err);
	rc = take_answer(l, login, answer, token, what, err);
	if (rc == 0 && !credentials_is_word(token->access, 16 << 10))
		rc = credentials_wrong(err, "%s: the new token is none", what);
	if (rc == 0)
		write_back(l, path, login);
	return rc;
}

int
credentials_sso_renew(struct looking *l, const char *path, struct str bytes, struct str region,
	struct sso_token *token, struct error *err)
{
	struct sso_token renewed = {0};
	json_t *login;
	int rc = answer_open_json(&login, bytes, path, err);

	if (rc == 0 && can_renew(l, login))
		rc = renew(l, path, region, login, &renewed, err) < 0 ? (int)err->code : 1;
	if (rc > 0)
		*token = renewed;
	answer_close_json(login);
	return rc;
}
