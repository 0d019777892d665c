/* credentials_imds: the role of the instance that furrow runs on, from the instance metadata service,
 * version 2 only: a token first, with which all else is asked. */
#include "providers/aws/credentials_internal.h"

#include "providers/aws/printable.h"

#include <strings.h>

enum { TIMEOUT_S = 1, MOST_TIMEOUT_S = 60, MOST_ATTEMPTS = 10, SHOWN = 90 };

#define ROLES "/latest/meta-data/iam/security-credentials/"

struct imds {
	struct str base;
	const char *headers[2]; /* the token */
	int64_t timeout_ns;
	int attempts;
};

static struct str
setting(const struct looking *l, const char *variable, const char *key)
{
	struct str s = shared_config_env(l->config, variable);

	return s.p ? s : shared_config_get(l->config, (struct str){0}, key);
}

static int
number(const struct looking *l, const char *variable, int otherwise, int most)
{
	struct str s = shared_config_env(l->config, variable);
	int64_t n;

	return s.p && str_to_i64(s, &n) && n >= 1 && n <= most ? (int)n : otherwise;
}

static bool
is_word(struct str s, const char *word)
{
	return s.p && s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static int
find_base(struct looking *l, struct str *base, struct error *err)
{
	struct str named =
		setting(l, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
	struct str mode = setting(
		l, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");

	if (named.p && !str_starts(named, STR("http://")) && !str_starts(named, STR("https://")))
		return credentials_wrong(err,
			"AWS_EC2_METADATA_SERVICE_ENDPOINT=%.*s is no http:// URL",
			named.n < SHOWN ? (int)named.n : SHOWN, named.p);
	if (mode.p && !is_word(mode, "ipv4") && !is_word(mode, "ipv6"))
		return credentials_wrong(err,
			"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=%.*s is neither IPv4 nor IPv6",
			mode.n < SHOWN ? (int)mode.n : SHOWN, mode.p);
	*base = named.p			? named
		: is_word(mode, "ipv6") ? STR("http://[fd00:ec2::254]")
					: STR("http://169.254.169.254");
	while (base->n && base->p[base->n - 1] == '/')
		base->n--;
	return 0;
}

/* One request. 1: 200; 0: another status, *status says which; < 0: no answer. */
static int
request(struct looking *l, const struct imds *i, const char *method, const char *path,
	const char *const *headers, int *status, struct str *answer, struct error *err)
{
	struct ask ask = {.method = method,
		.url = arena_printf(&l->arena, "%.*s%s", STR_ARG(i->base), path).p,
		.headers = headers,
		.timeout_ns = i->timeout_ns,
		.direct = true,
		.attempts = i->attempts};
	int rc = credentials_ask(l, &ask, status, answer, err);

	l->imds_down = l->imds_down || rc < 0 || *status >= 500;
	if (rc < 0)
		return rc;
	*answer = str_trim(*answer);
	return *status == 200;
}

static int
refused(struct looking *l, const struct imds *i, const char *path, int status, struct error *err)
{
	const char *what = arena_printf(&l->arena, "IMDS %.*s%.120s", STR_ARG(i->base), path).p;

	return credentials_refused(status, (struct str){0}, what, err);
}

static int
get_token(struct looking *l, struct imds *i, struct error *err)
{
	static const char path[] = "/latest/api/token";
	static const char *const headers[] = {"X-aws-ec2-metadata-token-ttl-seconds: 21600", NULL};
	struct error none = {0};
	char why[SHOWN];
	struct str token;
	int status, rc = request(l, i, "PUT", path, headers, &status, &token, &none);

	if (rc == ERR_CANCELLED) {
		*err = none;
		return rc;
	}
	if (rc < 0) {
		printable(why, sizeof(why), str_from(none.message));
		looking_note(
			l, "IMDS: no answer in %d s (%s)", (int)(i->timeout_ns / NS_PER_S), why);
		return 0;
	}
	if (!rc && status >= 500)
		return refused(l, i, path, status, err);
	if (!rc || !credentials_is_word(token, 1024)) {
		looking_note(l, "IMDS %.*s: %s (HTTP %d to the request for a token)",
			STR_ARG(i->base), status == 403 ? "turned off" : "not version 2", status);
		return 0;
	}
	i->headers[0] = arena_printf(&l->arena, "X-aws-ec2-metadata-token: %.*s", STR_ARG(token)).p;
	return 1;
}

static int
open_imds(struct looking *l, struct imds *i, struct error *err)
{
	int rc;

	*i = (struct imds){
		.timeout_ns = NS_PER_S *
			      number(l, "AWS_METADATA_SERVICE_TIMEOUT", TIMEOUT_S, MOST_TIMEOUT_S),
		.attempts = number(l, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", 1, MOST_ATTEMPTS),
	};
	if (is_word(shared_config_env(l->config, "AWS_EC2_METADATA_DISABLED"), "true")) {
		looking_note(l, "IMDS: turned off by AWS_EC2_METADATA_DISABLED");
		return 0;
	}
	rc = find_base(l, &i->base, err);
	return rc < 0 ? rc : get_token(l, i, err);
}

/* 1, 0 for 404, < 0. */
static int
get(struct looking *l, const struct imds *i, const char *path, struct str *answer,
	struct error *err)
{
	int status, rc = request(l, i, "GET", path, i->headers, &status, answer, err);

	if (rc < 0)
		return error_wrap(err, "IMDS");
	if (rc == 0 && status != 404)
		return refused(l, i, path, status, err);
	return rc;
}

static int
get_role(struct looking *l, const struct imds *i, struct str *role, struct error *err)
{
	struct str names;
	int rc = get(l, i, ROLES, &names, err);

	if (rc == 0 || (rc > 0 && names.n == 0)) {
		looking_note(l, "IMDS %.*s: this instance has no role", STR_ARG(i->base));
		return 0;
	}
	if (rc < 0)
		return rc;
	*role = str_trim(str_cut(&names, '\n'));
	if (!credentials_is_word(*role, 128) || memchr(role->p, '/', role->n) ||
		memchr(role->p, '?', role->n) || memchr(role->p, '<', role->n))
		return credentials_wrong(
			err, "IMDS %.*s: the role's name is none", STR_ARG(i->base));
	return 1;
}

int
credentials_from_imds(
	struct looking *l, struct str profile, struct credentials *out, struct error *err)
{
	struct str role = {0}, answer;
	struct imds i;
	const char *what;
	int rc = open_imds(l, &i, err);

	(void)profile;
	if (rc > 0)
		rc = get_role(l, &i, &role, err);
	if (rc <= 0)
		return rc;
	rc = get(l, &i, arena_printf(&l->arena, ROLES "%.*s", STR_ARG(role)).p, &answer, err);
	what = arena_printf(&l->arena, "IMDS role %.*s", STR_ARG(role)).p;
	if (rc == 0)
		looking_note(l, "%s: has no credentials", what);
	if (rc > 0 && answer_read_json(&l->arena, out, answer, &answer_of_imds, what, err) < 0)
		return ERR_INPUT;
	out->from = arena_printf(&l->arena, "role %.*s of this instance", STR_ARG(role));
	l->from_imds = rc > 0;
	return rc;
}
