/* credentials_web: a role for a token of another identity provider (EKS service accounts, CI systems),
 * by STS AssumeRoleWithWebIdentity, which takes no signature. */
#include "providers/aws/credentials_internal.h"

#include "providers/aws/uri.h"
#include "providers/aws/xml.h"

#include <openssl/crypto.h>

enum { TIMEOUT_S = 10, ATTEMPTS = 3, LONGEST_TOKEN = 20000 };

struct web {
	struct str file, role_arn, session;
	const char *what; /* "web identity (environment)" */
};

/* 1: there is one. */
static int
find(struct looking *l, struct str profile, struct web *w, struct error *err)
{
	struct str file = shared_config_env(l->config, "AWS_WEB_IDENTITY_TOKEN_FILE");

	*w = (struct web){.file = file};
	if (file.p && str_eq(profile, shared_config_profile(l->config)) &&
		!shared_config_profile_is_explicit(l->config)) {
		w->role_arn = shared_config_env(l->config, "AWS_ROLE_ARN");
		w->session = shared_config_env(l->config, "AWS_ROLE_SESSION_NAME");
		w->what = "web identity (AWS_WEB_IDENTITY_TOKEN_FILE)";
		if (!w->role_arn.p)
			return credentials_wrong(err, "%s: AWS_ROLE_ARN is not set", w->what);
		return 1;
	}
	w->file = shared_config_get(l->config, profile, "web_identity_token_file");
	if (!w->file.p)
		return 0;
	w->role_arn = shared_config_get(l->config, profile, "role_arn");
	w->session = shared_config_get(l->config, profile, "role_session_name");
	w->what = arena_printf(&l->arena, "profile %.*s: web_identity_token_file", STR_ARG(profile))
			  .p;
	if (!w->role_arn.p)
		return credentials_wrong(err, "%s: the profile has no role_arn", w->what);
	return 1;
}

static int
read_token(struct looking *l, const struct web *w, struct str *token, struct error *err)
{
	struct error why;

	if (credentials_read_file(&l->arena, token, arena_cstr(&l->arena, w->file), &why) < 0)
		return credentials_wrong(err, "%s: %s", w->what, why.message);
	*token = str_trim(*token);
	if (credentials_is_word(*token, LONGEST_TOKEN))
		return 0;
	return credentials_wrong(err, "%s: %.*s %s", w->what, STR_ARG(w->file),
		token->n ? "holds no token (blanks, control characters or too long)" : "is empty");
}

static void
add_field(struct buf *b, const char *name, struct str value)
{
	buf_addf(b, "&%s=", name);
	uri_encode(b, value);
}

static struct str
form(struct looking *l, const struct web *w, struct str token)
{
	struct buf b = {0};
	struct str out;

	buf_reserve(&b, 3 * (token.n + w->role_arn.n + w->session.n) + 256);
	buf_add_cstr(&b, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15");
	add_field(&b, "RoleArn", w->role_arn);
	add_field(&b, "RoleSessionName", w->session.p ? w->session : STR("furrow"));
	add_field(&b, "WebIdentityToken", token);
	out = arena_str(&l->arena, buf_str(&b));
	OPENSSL_cleanse(b.p, b.cap);
	buf_free(&b);
	return out;
}

/* "ExpiredTokenException Token expired". */
static struct str
error_words(struct looking *l, struct str answer)
{
	struct error none;
	struct xml *root = NULL;
	struct str code, message;

	if (xml_parse(&l->arena, &root, answer, "", &none) < 0)
		return (struct str){0};
	code = xml_text(xml_find(root, "Error"), "Code");
	message = xml_text(xml_find(root, "Error"), "Message");
	return arena_printf(&l->arena, "%.*s %.*s", STR_ARG(code), STR_ARG(message));
}

int
credentials_from_web(
	struct looking *l, struct str profile, struct credentials *out, struct error *err)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8", NULL};
	struct ask ask = {.method = "POST",
		.headers = headers,
		.timeout_ns = TIMEOUT_S * NS_PER_S,
		.attempts = ATTEMPTS};
	struct str token, answer;
	const char *what;
	struct web w;
	int status, rc = find(l, profile, &w, err);

	if (rc <= 0)
		return rc;
	rc = read_token(l, &w, &token, err);
	if (rc < 0)
		return rc;
	ask.url = arena_printf(&l->arena, "%s/",
		credentials_endpoint(l, "sts", "sts", credentials_sts_region(l, w.role_arn)).p)
			  .p;
	ask.body = form(l, &w, token);
	what = arena_printf(
		&l->arena, "%s: AssumeRoleWithWebIdentity %.*s", w.what, STR_ARG(w.role_arn))
		       .p;
	if (credentials_ask(l, &ask, &status, &answer, err) < 0)
		return error_wrap(err, "%s", what);
	if (status != 200)
		return credentials_refused(status, error_words(l, answer), what, err);
	rc = answer_read_sts(&l->arena, out, answer, what, err);
	out->from = arena_printf(&l->arena, "web identity, role %.*s", STR_ARG(w.role_arn));
	return rc < 0 ? rc : 1;
}
