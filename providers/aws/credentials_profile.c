/* credentials_profile: keys that stand in the environment or a profile, and roles that are assumed with
 * those of another profile or place. */
#include "providers/aws/credentials_internal.h"

enum { MAX_ROLES = 16, LEAST_DURATION_S = 900, MOST_DURATION_S = 43200 };

int
credentials_from_environment(
	struct looking *l, struct str profile, struct credentials *out, struct error *err)
{
	const struct shared_config *c = l->config;

	(void)profile;
	*out = (struct credentials){
		.key_id = shared_config_env(c, "AWS_ACCESS_KEY_ID"),
		.secret = shared_config_env(c, "AWS_SECRET_ACCESS_KEY"),
		.token = shared_config_env(c, "AWS_SESSION_TOKEN"),
		.expires_wall_ns = INT64_MAX,
		.from = STR("environment"),
	};
	if (!out->key_id.p && !out->secret.p) {
		looking_note(l, "environment: AWS_ACCESS_KEY_ID is not set");
		return 0;
	}
	if (!out->secret.p)
		return credentials_wrong(
			err, "environment: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
	if (!out->key_id.p)
		return credentials_wrong(
			err, "environment: AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not");
	return credentials_check(out, "environment", err) < 0 ? ERR_INPUT : 1;
}

int
credentials_from_keys(
	struct looking *l, struct str profile, struct credentials *out, struct error *err)
{
	const struct shared_config *c = l->config;
	const char *what = arena_printf(&l->arena, "profile %.*s", STR_ARG(profile)).p;

	*out = (struct credentials){
		.key_id = shared_config_get(c, profile, "aws_access_key_id"),
		.secret = shared_config_get(c, profile, "aws_secret_access_key"),
		.token = shared_config_get(c, profile, "aws_session_token"),
		.expires_wall_ns = INT64_MAX,
		.from = str_from(what),
	};
	if (!out->key_id.p && !out->secret.p)
		return 0;
	if (!out->key_id.p || !out->secret.p)
		return credentials_wrong(err, "%s: has %s, but no %s", what,
			out->key_id.p ? "aws_access_key_id" : "aws_secret_access_key",
			out->key_id.p ? "aws_secret_access_key" : "aws_access_key_id");
	return credentials_check(out, what, err) < 0 ? ERR_INPUT : 1;
}

/* A profile whose role is being assumed, and the one that needs it. */
struct step {
	const struct step *before;
	struct str profile;
	int depth;
};

struct role {
	struct str arn, source, credential_source, external_id, session;
	int64_t duration_s;
	const char *what;
};

static bool
is_session_name(struct str s)
{
	if (s.n < 2 || s.n > 64)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			!strchr("_+=,.@-", c))
			return false;
	}
	return true;
}

static int
check_role(const struct looking *l, const struct role *r, struct str profile, struct error *err)
{
	if (shared_config_get(l->config, profile, "mfa_serial").p)
		return credentials_wrong(err,
			"%s: mfa_serial: furrow asks for no codes; give another profile "
			"`credential_process = aws configure export-credentials --profile %.*s "
			"--format process` and use that",
			r->what, STR_ARG(profile));
	if (!str_starts(r->arn, STR("arn:")))
		return credentials_wrong(err, "%s: role_arn does not begin with arn:", r->what);
	if (r->source.p && r->credential_source.p)
		return credentials_wrong(err,
			"%s: source_profile and credential_source exclude each other", r->what);
	if (!r->source.p && !r->credential_source.p)
		return credentials_wrong(err,
			"%s: role_arn needs source_profile, credential_source or "
			"web_identity_token_file beside it",
			r->what);
	if (!is_session_name(r->session))
		return credentials_wrong(err,
			"%s: role_session_name must be 2 to 64 of A-Z a-z 0-9 _+=,.@-", r->what);
	return 0;
}

static int
read_role(struct looking *l, struct str profile, struct role *r, struct error *err)
{
	const struct shared_config *c = l->config;
	struct str duration = shared_config_get(c, profile, "duration_seconds");

	*r = (struct role){
		.arn = shared_config_get(c, profile, "role_arn"),
		.source = shared_config_get(c, profile, "source_profile"),
		.credential_source = shared_config_get(c, profile, "credential_source"),
		.external_id = shared_config_get(c, profile, "external_id"),
		.session = shared_config_get(c, profile, "role_session_name"),
		.what = arena_printf(&l->arena, "profile %.*s", STR_ARG(profile)).p,
	};
	if (!r->session.p)
		r->session = STR("furrow");
	if (duration.p &&
		(!str_to_i64(duration, &r->duration_s) || r->duration_s < LEAST_DURATION_S ||
			r->duration_s > MOST_DURATION_S))
		return credentials_wrong(err, "%s: duration_seconds is not 900 to 43200", r->what);
	return check_role(l, r, profile, err);
}

static int assume(
	struct looking *l, const struct step *at, struct credentials *out, struct error *err);

/* "a -> b -> a" */
static void
write_steps(struct buf *b, const struct step *at)
{
	if (at->before)
		write_steps(b, at->before);
	buf_addf(b, "%.*s -> ", STR_ARG(at->profile));
}

static int
check_source(const struct looking *l, const struct step *at, struct str source, struct error *err)
{
	struct buf steps = {0};
	int rc = 0;

	for (const struct step *s = at; s && rc == 0; s = s->before) {
		if (!str_eq(s->profile, source))
			continue;
		write_steps(&steps, at);
		rc = credentials_wrong(err, "source_profile goes round: %s%.*s", buf_cstr(&steps),
			STR_ARG(source));
	}
	buf_free(&steps);
	if (rc == 0 && at->depth >= MAX_ROLES)
		rc = credentials_wrong(err, "profile %.*s: more than %d roles one upon another",
			STR_ARG(at->profile), MAX_ROLES);
	if (rc == 0 && !shared_config_has_profile(l->config, source))
		rc = credentials_wrong(err, "profile %.*s: source_profile %.*s is in neither %.*s",
			STR_ARG(at->profile), STR_ARG(source),
			STR_ARG(shared_config_files(l->config)));
	return rc;
}

/* Keys that stand in it before its role; then whatever else it has. */
static int
from_profile(struct looking *l, const struct step *at, struct str source, struct credentials *out,
	struct error *err)
{
	int rc = credentials_from_keys(l, source, out, err);
	struct step next = {.before = at, .profile = source, .depth = at->depth + 1};

	/* Its own keys for its own role is no way round. */
	if (rc != 0)
		return rc;
	rc = check_source(l, at, source, err);
	if (rc < 0)
		return rc;
	if (shared_config_get(l->config, source, "role_arn").p &&
		!shared_config_get(l->config, source, "web_identity_token_file").p)
		return assume(l, &next, out, err);
	rc = credentials_from_web(l, source, out, err);
	if (rc == 0)
		rc = credentials_from_sso(l, source, out, err);
	if (rc == 0)
		rc = credentials_from_process(l, source, out, err);
	if (rc == 0)
		rc = credentials_wrong(err,
			"profile %.*s: source_profile %.*s has no credentials in it",
			STR_ARG(at->profile), STR_ARG(source));
	return rc;
}

static int
from_source(struct looking *l, const struct role *r, struct credentials *out, struct error *err)
{
	static const struct {
		const char *name;
		credentials_place *look;
	} sources[] = {
		{"Environment", credentials_from_environment},
		{"Ec2InstanceMetadata", credentials_from_imds},
		{"EcsContainer", credentials_from_container},
	};
	size_t noted = l->notes.n ? l->notes.n + 2 : 0; /* behind "; " */
	int rc;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (!str_is(r->credential_source, sources[i].name))
			continue;
		rc = sources[i].look(l, (struct str){0}, out, err);
		l->from_imds = false; /* the role's own do end */
		if (rc == 0)
			rc = credentials_wrong(err, "%s: credential_source = %s has none (%s)",
				r->what, sources[i].name, buf_cstr(&l->notes) + noted);
		return rc;
	}
	return credentials_wrong(err,
		"%s: credential_source = %.40s is none of Environment, Ec2InstanceMetadata, "
		"EcsContainer",
		r->what, r->credential_source.p);
}

static int
assume(struct looking *l, const struct step *at, struct credentials *out, struct error *err)
{
	const struct credentials_world *w = l->world;
	struct credentials by = {0};
	struct str xml = {0};
	struct role r = {0};
	const char *what;
	int rc = read_role(l, at->profile, &r, err);

	if (rc == 0 && r.source.p)
		rc = from_profile(l, at, r.source, &by, err);
	else if (rc == 0)
		rc = from_source(l, &r, &by, err);
	if (rc < 0)
		return rc;
	what = arena_printf(
		&l->arena, "%s: AssumeRole %.*s by %.*s", r.what, STR_ARG(r.arn), STR_ARG(by.from))
		       .p;
	if (!w->assume_role)
		return error_set(err, ERR_INTERNAL, "%s: nobody to ask STS with", what);
	rc = w->assume_role(w->ctx, &l->arena, &by, credentials_sts_region(l, r.arn), r.arn,
		r.session, r.external_id, r.duration_s, &xml, err);
	if (rc < 0)
		return error_wrap(err, "%s", what);
	rc = answer_read_sts(&l->arena, out, xml, what, err);
	out->from = arena_printf(&l->arena, "%s (role %.*s)", r.what, STR_ARG(r.arn));
	return rc < 0 ? rc : 1;
}

int
credentials_from_role(
	struct looking *l, struct str profile, struct credentials *out, struct error *err)
{
	struct step first = {.profile = profile, .depth = 1};

	if (!shared_config_get(l->config, profile, "role_arn").p)
		return 0;
	if (shared_config_get(l->config, profile, "web_identity_token_file").p)
		return 0;
	return assume(l, &first, out, err);
}
