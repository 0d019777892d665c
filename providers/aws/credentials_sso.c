/* credentials_sso: a role by the token that `aws sso login` left in ~/.aws/sso/cache. The login itself
 * is the AWS CLI's; that it lasts, credentials_sso_renew.c's. */
#include "providers/aws/credentials_internal.h"

#include "providers/aws/uri.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

enum { TIMEOUT_S = 10, ATTEMPTS = 3, SHA1_BYTES = 20, RENEW_S = 15 * 60 };

struct sso {
	struct str profile, session, start_url, region, account, role;
	const char *what;
};

static int
missing(const struct sso *s, const char *key, struct error *err)
{
	return credentials_wrong(err, "%s: %s is missing", s->what, key);
}

static int
find_session(struct looking *l, struct sso *s, struct error *err)
{
	if (!s->session.p) {
		s->region = shared_config_get(l->config, s->profile, "sso_region");
		return s->region.p ? 0 : missing(s, "sso_region", err);
	}
	if (!shared_config_has_sso(l->config, s->session))
		return credentials_wrong(err, "%s: there is no [sso-session %.*s] in %.*s", s->what,
			STR_ARG(s->session), STR_ARG(shared_config_files(l->config)));
	s->region = shared_config_sso(l->config, s->session, "sso_region");
	if (!s->region.p)
		return credentials_wrong(err, "%s: [sso-session %.*s] has no sso_region", s->what,
			STR_ARG(s->session));
	return 0;
}

/* 1: the profile uses SSO. */
static int
find(struct looking *l, struct str profile, struct sso *s, struct error *err)
{
	*s = (struct sso){
		.profile = profile,
		.session = shared_config_get(l->config, profile, "sso_session"),
		.start_url = shared_config_get(l->config, profile, "sso_start_url"),
		.account = shared_config_get(l->config, profile, "sso_account_id"),
		.role = shared_config_get(l->config, profile, "sso_role_name"),
		.what = arena_printf(&l->arena, "profile %.*s: sso", STR_ARG(profile)).p,
	};
	if (!s->session.p && !s->start_url.p)
		return 0;
	if (find_session(l, s, err) < 0)
		return ERR_INPUT;
	if (!s->account.p)
		return missing(s, "sso_account_id", err);
	if (!s->role.p)
		return missing(s, "sso_role_name", err);
	return 1;
}

static struct str
cache_path(struct looking *l, const struct sso *s)
{
	struct str key = s->session.p ? s->session : s->start_url;
	struct str home = shared_config_home(l->config);
	unsigned char sum[EVP_MAX_MD_SIZE];
	char hex[2 * SHA1_BYTES + 1] = "";
	unsigned n = 0;

	EVP_Digest(key.p, key.n, sum, &n, EVP_sha1(), NULL);
	for (unsigned i = 0; i < n && i < SHA1_BYTES; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", sum[i]);
	return arena_printf(&l->arena, "%.*s/.aws/sso/cache/%s.json", STR_ARG(home), hex);
}

static int
log_in(const struct sso *s, const char *why, struct error *err)
{
	return credentials_wrong(err, "%s: %s; run `aws sso login --profile %.*s`", s->what, why,
		STR_ARG(s->profile));
}

static int
read_token(struct looking *l, const struct sso *s, struct sso_token *token, struct error *err)
{
	struct str path = cache_path(l, s), bytes;
	const struct clock *clock = l->world->clock;
	struct error why = {0};
	const char *what;
	int64_t left_ns;
	int rc;

	if (credentials_read_file(&l->arena, &bytes, path.p, &why) < 0)
		return log_in(s, why.os_errno == ENOENT ? "not logged in" : why.message, err);
	what = arena_printf(&l->arena, "%s: %s", s->what, path.p).p;
	if (answer_read_sso_token(&l->arena, token, bytes, what, err) < 0)
		return ERR_INPUT;
	left_ns = token->expires_wall_ns - clock->wall_ns(clock->ctx);
	if (!s->session.p || left_ns > RENEW_S * NS_PER_S)
		return left_ns > 0 ? 0 : log_in(s, "the login expired", err);
	rc = credentials_sso_renew(l, path.p, bytes, s->region, token, &why);
	if (rc > 0 || left_ns > 0)
		return 0;
	if (rc == 0)
		return log_in(s, "the login expired", err);
	return log_in(s, arena_printf(&l->arena, "the login expired (%s)", why.message).p, err);
}

static struct str
role_url(struct looking *l, const struct sso *s)
{
	struct str base = credentials_endpoint(l, "sso", "portal.sso", s->region), out;
	struct buf b = {0};

	buf_addf(&b, "%.*s/federation/credentials?role_name=", STR_ARG(base));
	uri_encode(&b, s->role);
	buf_add_cstr(&b, "&account_id=");
	uri_encode(&b, s->account);
	out = arena_str(&l->arena, buf_str(&b));
	buf_free(&b);
	return out;
}

int
credentials_from_sso(
	struct looking *l, struct str profile, struct credentials *out, struct error *err)
{
	const char *headers[3] = {0};
	struct ask ask = {.method = "GET",
		.headers = headers,
		.timeout_ns = TIMEOUT_S * NS_PER_S,
		.attempts = ATTEMPTS};
	struct sso_token token = {0};
	struct str answer;
	struct sso s = {0};
	int status, rc = find(l, profile, &s, err);

	if (rc <= 0)
		return rc;
	rc = read_token(l, &s, &token, err);
	if (rc < 0)
		return rc;
	headers[0] =
		arena_printf(&l->arena, "x-amz-sso_bearer_token: %.*s", STR_ARG(token.access)).p;
	headers[1] = "Accept: application/json";
	ask.url = role_url(l, &s).p;
	if (credentials_ask(l, &ask, &status, &answer, err) < 0)
		return error_wrap(err, "%s", s.what);
	if (status == 401)
		return log_in(&s, "the login is no longer accepted (HTTP 401)", err);
	if (status != 200) {
		const char *what = arena_printf(&l->arena, "%s: role %.*s in account %.*s", s.what,
			STR_ARG(s.role), STR_ARG(s.account))
					   .p;

		return credentials_refused(
			status, answer_member(&l->arena, answer, "message"), what, err);
	}
	rc = answer_read_json(&l->arena, out, answer, &answer_of_sso, s.what, err);
	out->from = arena_printf(&l->arena, "profile %.*s (sso)", STR_ARG(profile));
	return rc < 0 ? rc : 1;
}
