/* credentials_answer: what places answer, JSON and XML, checked before it is believed. No message holds
 * anything of a value, nor what jansson says of a place in the text, for it quotes it. */
#include "providers/aws/credentials_internal.h"

#include "providers/aws/xml.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { LONGEST_KEY_ID = 128, LONGEST_SECRET = 1024, LONGEST_TOKEN = 16 << 10 };

const struct answer_shape answer_of_process = {
	.key_id = "AccessKeyId",
	.secret = "SecretAccessKey",
	.token = "SessionToken",
	.expires = "Expiration",
	.version = true,
};
const struct answer_shape answer_of_container = {
	.key_id = "AccessKeyId",
	.secret = "SecretAccessKey",
	.token = "Token",
	.expires = "Expiration",
};
const struct answer_shape answer_of_imds = {
	.key_id = "AccessKeyId",
	.secret = "SecretAccessKey",
	.token = "Token",
	.expires = "Expiration",
	.success = true,
	.needs_all = true,
};
const struct answer_shape answer_of_sso = {
	.inside = "roleCredentials",
	.key_id = "accessKeyId",
	.secret = "secretAccessKey",
	.token = "sessionToken",
	.expires = "expiration",
	.needs_all = true,
	.expires_in_ms = true,
};

int
credentials_wrong(struct error *err, const char *fmt, ...)
{
	char text[ERROR_MESSAGE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	error_set(err, ERR_INPUT, "%s", text);
	if (err)
		err->class = CLASS_DENIED;
	return ERR_INPUT;
}

bool
credentials_is_word(struct str s, size_t max_bytes)
{
	if (s.n == 0 || s.n > max_bytes)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	}
	return true;
}

int
credentials_check(const struct credentials *c, const char *what, struct error *err)
{
	const char *part = NULL;

	if (!credentials_is_word(c->key_id, LONGEST_KEY_ID))
		part = "the access key id";
	else if (!credentials_is_word(c->secret, LONGEST_SECRET))
		part = "the secret access key";
	else if (c->token.p && !credentials_is_word(c->token, LONGEST_TOKEN))
		part = "the session token";
	if (!part)
		return 0;
	return credentials_wrong(err,
		"%s: %s is empty, too long, or has a blank, a line break or a character that is "
		"not ASCII in it",
		what, part);
}

/* n digits of *s, which they are cut off. */
static bool
take_digits(struct str *s, size_t n, int *out)
{
	*out = 0;
	if (s->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		*out = *out * 10 + (s->p[i] - '0');
	}
	*s = str_from_index(*s, n);
	return true;
}

static bool
take_char(struct str *s, const char *any_of)
{
	if (s->n == 0 || !s->p[0] || !strchr(any_of, s->p[0]))
		return false;
	*s = str_from_index(*s, 1);
	return true;
}

static bool
take_zone(struct str s, int64_t *east_s)
{
	bool west = s.n && s.p[0] == '-';
	int h, m;

	*east_s = 0;
	if (str_is(s, "Z") || str_is(s, "z") || str_is(s, "UTC"))
		return true;
	if (!take_char(&s, "+-") || !take_digits(&s, 2, &h))
		return false;
	take_char(&s, ":");
	if (!take_digits(&s, 2, &m) || s.n || h > 23 || m > 59)
		return false;
	*east_s = (h * 60 + m) * (west ? -60 : 60);
	return true;
}

bool
answer_read_time(struct str s, int64_t *wall_ns)
{
	struct tm t = {0};
	int64_t east_s, at;
	int digit;

	if (!take_digits(&s, 4, &t.tm_year) || !take_char(&s, "-") ||
		!take_digits(&s, 2, &t.tm_mon) || !take_char(&s, "-") ||
		!take_digits(&s, 2, &t.tm_mday) || !take_char(&s, "Tt ") ||
		!take_digits(&s, 2, &t.tm_hour) || !take_char(&s, ":") ||
		!take_digits(&s, 2, &t.tm_min) || !take_char(&s, ":") ||
		!take_digits(&s, 2, &t.tm_sec))
		return false;
	if (take_char(&s, ".")) {
		while (take_digits(&s, 1, &digit))
			;
	}
	if (!take_zone(s, &east_s) || t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 ||
		t.tm_mday > 31 || t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
		return false;
	t.tm_year -= 1900;
	t.tm_mon--;
	at = (int64_t)timegm(&t) - east_s;
	*wall_ns = at > INT64_MAX / NS_PER_S ? INT64_MAX : at < 0 ? 0 : at * NS_PER_S;
	return true;
}

/* Secrets go from jansson's memory as well. */
static void
forget_json(json_t *json)
{
	if (json_is_string(json))
		OPENSSL_cleanse((char *)json_string_value(json), json_string_length(json));
	for (void *at = json_object_iter(json); at; at = json_object_iter_next(json, at))
		forget_json(json_object_iter_value(at));
}

void
answer_close_json(json_t *json)
{
	forget_json(json);
	json_decref(json);
}

int
answer_open_json(json_t **out, struct str bytes, const char *what, struct error *err)
{
	json_error_t at;

	*out = json_loadb(bytes.n ? bytes.p : "", bytes.n, JSON_REJECT_DUPLICATES, &at);
	if (!*out)
		return credentials_wrong(err, "%s: not JSON (line %d, column %d of %zu bytes)",
			what, at.line, at.column, bytes.n);
	if (json_is_object(*out))
		return 0;
	answer_close_json(*out);
	*out = NULL;
	return credentials_wrong(err, "%s: not a JSON object", what);
}

static int
take_string(struct arena *a, struct str *out, const json_t *object, const char *name, bool needed,
	const char *what, struct error *err)
{
	const json_t *member = json_object_get(object, name);

	if (!member || json_is_null(member)) {
		return needed ? credentials_wrong(err, "%s: %s is missing", what, name) : 0;
	}
	if (!json_is_string(member))
		return credentials_wrong(err, "%s: %s is not a string", what, name);
	*out = arena_str(a, (struct str){json_string_value(member), json_string_length(member)});
	return 0;
}

static int
take_expiry(int64_t *out, struct arena *a, const json_t *object, const struct answer_shape *shape,
	const char *what, struct error *err)
{
	const json_t *member = json_object_get(object, shape->expires);
	struct str text = {0};
	json_int_t ms;
	int rc;

	*out = INT64_MAX;
	if (shape->expires_in_ms) {
		ms = json_integer_value(member);
		if (ms <= 0)
			return credentials_wrong(
				err, "%s: %s is no time in ms", what, shape->expires);
		if (ms < INT64_MAX / NS_PER_MS)
			*out = ms * NS_PER_MS;
		return 0;
	}
	rc = take_string(a, &text, object, shape->expires, shape->needs_all, what, err);
	if (rc < 0 || !text.n)
		return rc;
	if (answer_read_time(text, out))
		return 0;
	return credentials_wrong(
		err, "%s: %s is no time like 2026-01-31T12:00:00Z", what, shape->expires);
}

static int
check_document(
	const json_t *json, const struct answer_shape *shape, const char *what, struct error *err)
{
	const json_t *version = json_object_get(json, "Version");
	const char *code = json_string_value(json_object_get(json, "Code"));

	if (shape->version && json_integer_value(version) != 1)
		return credentials_wrong(err, "%s: Version is %s, only 1 is known", what,
			!version ? "missing" : "another");
	if (shape->success && code && strcmp(code, "Success") != 0)
		return credentials_wrong(err, "%s: Code is %.60s", what, code);
	return 0;
}

static int
take_all(struct arena *a, struct credentials *out, const json_t *json,
	const struct answer_shape *shape, const char *what, struct error *err)
{
	const json_t *object = shape->inside ? json_object_get(json, shape->inside) : json;
	int rc = check_document(json, shape, what, err);

	if (rc == 0 && !json_is_object(object))
		rc = credentials_wrong(err, "%s: %s is missing", what, shape->inside);
	if (rc == 0)
		rc = take_string(a, &out->key_id, object, shape->key_id, true, what, err);
	if (rc == 0)
		rc = take_string(a, &out->secret, object, shape->secret, true, what, err);
	if (rc == 0)
		rc = take_string(a, &out->token, object, shape->token, shape->needs_all, what, err);
	if (rc == 0)
		rc = take_expiry(&out->expires_wall_ns, a, object, shape, what, err);
	/* "" is how some say that there is none. */
	if (rc == 0 && out->token.n == 0)
		out->token = (struct str){0};
	return rc == 0 ? credentials_check(out, what, err) : rc;
}

int
answer_read_json(struct arena *a, struct credentials *out, struct str bytes,
	const struct answer_shape *shape, const char *what, struct error *err)
{
	json_t *json;
	int rc = answer_open_json(&json, bytes, what, err);

	*out = (struct credentials){0};
	if (rc == 0)
		rc = take_all(a, out, json, shape, what, err);
	answer_close_json(json);
	return rc;
}

struct str
answer_member(struct arena *a, struct str bytes, const char *name)
{
	json_t *json;
	struct str out = {0};

	if (answer_open_json(&json, bytes, "", NULL) == 0)
		take_string(a, &out, json, name, false, "", NULL);
	answer_close_json(json);
	return out;
}

int
answer_read_sso_token(struct arena *a, struct sso_token *out, struct str bytes, const char *what,
	struct error *err)
{
	struct str expires = {0};
	json_t *json;
	int rc = answer_open_json(&json, bytes, what, err);

	*out = (struct sso_token){0};
	if (rc == 0)
		rc = take_string(a, &out->access, json, "accessToken", true, what, err);
	if (rc == 0)
		rc = take_string(a, &expires, json, "expiresAt", true, what, err);
	if (rc == 0 && !credentials_is_word(out->access, LONGEST_TOKEN))
		rc = credentials_wrong(err, "%s: accessToken is empty or no token", what);
	if (rc == 0 && !answer_read_time(expires, &out->expires_wall_ns))
		rc = credentials_wrong(err, "%s: expiresAt is no time", what);
	answer_close_json(json);
	return rc;
}

int
answer_read_sts(struct arena *a, struct credentials *out, struct str xml, const char *what,
	struct error *err)
{
	struct xml *root = NULL;
	const struct xml *c;
	struct str expires;
	int rc = xml_parse(a, &root, xml, what, err);

	*out = (struct credentials){0};
	if (rc < 0)
		return rc;
	c = xml_find(root, "Credentials");
	if (!c)
		return credentials_wrong(err, "%s: the answer has no Credentials", what);
	out->key_id = xml_text(c, "AccessKeyId");
	out->secret = xml_text(c, "SecretAccessKey");
	out->token = xml_text(c, "SessionToken");
	expires = xml_text(c, "Expiration");
	if (!out->token.n)
		return credentials_wrong(err, "%s: the answer has no SessionToken", what);
	if (!answer_read_time(expires, &out->expires_wall_ns))
		return credentials_wrong(err, "%s: Expiration is no time", what);
	return credentials_check(out, what, err);
}
