/* sigv4: the stages. */
#include "providers/aws/sigv4.h"

#include "providers/aws/uri.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

/* What a hop on the way may change (botocore's list). */
static const char *const not_signed[] = {"authorization", "connection", "expect", "keep-alive",
	"proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
	"upgrade", "user-agent", "x-amzn-trace-id"};

void
sigv4_time(char out[SIGV4_TIME_BYTES], int64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / 1000000000);
	struct tm tm;

	gmtime_r(&s, &tm);
	if (strftime(out, SIGV4_TIME_BYTES, "%Y%m%dT%H%M%SZ", &tm) == 0)
		memcpy(out, "19700101T000000Z", SIGV4_TIME_BYTES);
}

static int
by_name_and_value(const void *x, const void *y)
{
	const struct pair *a = x, *b = y;
	int order = str_cmp(a->name, b->name);

	return order ? order : str_cmp(a->value, b->value);
}

static struct str
encoded(struct arena *a, struct str s)
{
	struct buf b = {0};
	struct str out;

	uri_encode(&b, s);
	out = arena_str(a, b.n ? buf_str(&b) : STR(""));
	buf_free(&b);
	return out;
}

void
sigv4_query(struct buf *out, const struct pairs *query)
{
	struct arena a = {0};
	struct pair *v = ARENA_ARRAY(&a, struct pair, query->n);

	for (size_t i = 0; i < query->n; i++)
		v[i] = (struct pair){encoded(&a, query->v[i].name), encoded(&a, query->v[i].value)};
	qsort(v, query->n, sizeof(*v), by_name_and_value);
	for (size_t i = 0; i < query->n; i++) {
		if (i > 0)
			buf_add_char(out, '&');
		buf_add_str(out, v[i].name);
		buf_add_char(out, '=');
		buf_add_str(out, v[i].value);
	}
	arena_free(&a);
}

static bool
is_signed(struct str name)
{
	for (size_t i = 0; i < sizeof(not_signed) / sizeof(not_signed[0]); i++) {
		if (name.n == strlen(not_signed[i]) &&
			strncasecmp(name.p, not_signed[i], name.n) == 0)
			return false;
	}
	return true;
}

static struct str
lower(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		p[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
	return (struct str){p, s.n};
}

/* Those that are signed, names in lower case, by name; equal names in the order they came in. */
static struct pairs
signed_headers(struct arena *a, const struct pairs *headers)
{
	struct pairs out = {.v = ARENA_ARRAY(a, struct pair, headers->n)};

	for (size_t i = 0; i < headers->n; i++) {
		struct pair h = {lower(a, headers->v[i].name), headers->v[i].value};
		size_t at = out.n;

		if (!is_signed(h.name))
			continue;
		for (; at > 0 && str_cmp(out.v[at - 1].name, h.name) > 0; at--)
			out.v[at] = out.v[at - 1];
		out.v[at] = h;
		out.n++;
	}
	return out;
}

static bool
same_as_before(const struct pairs *headers, size_t i)
{
	return i > 0 && str_eq(headers->v[i - 1].name, headers->v[i].name);
}

static void
add_names(struct buf *out, const struct pairs *sorted)
{
	for (size_t i = 0; i < sorted->n; i++) {
		if (same_as_before(sorted, i))
			continue;
		if (i > 0)
			buf_add_char(out, ';');
		buf_add_str(out, sorted->v[i].name);
	}
}

void
sigv4_header_value(struct buf *out, struct str value)
{
	bool gap = false;

	value = str_trim(value);
	for (size_t i = 0; i < value.n; i++) {
		bool blank = value.p[i] == ' ' || value.p[i] == '\t';

		if (!blank && gap)
			buf_add_char(out, ' ');
		if (!blank)
			buf_add_char(out, value.p[i]);
		gap = blank;
	}
}

static void
add_headers(struct buf *out, const struct pairs *sorted)
{
	for (size_t i = 0; i < sorted->n; i++) {
		if (same_as_before(sorted, i)) {
			out->n--;
			buf_add_char(out, ',');
		} else {
			buf_add_str(out, sorted->v[i].name);
			buf_add_char(out, ':');
		}
		sigv4_header_value(out, sorted->v[i].value);
		buf_add_char(out, '\n');
	}
}

void
sigv4_signed_headers(struct buf *out, const struct pairs *headers)
{
	struct arena a = {0};
	struct pairs sorted = signed_headers(&a, headers);

	add_names(out, &sorted);
	arena_free(&a);
}

/* RFC 3986, 5.2.4, with empty segments left out as well; then encoded once more. */
static void
add_normalised_path(struct buf *out, struct str path)
{
	struct str rest = path;
	struct buf b = {0};
	bool folder = path.n > 0 && path.p[path.n - 1] == '/';

	while (rest.p) {
		struct str part = str_cut(&rest, '/');

		if (str_is(part, "..")) {
			while (b.n > 0 && b.p[--b.n] != '/')
				;
		} else if (part.n > 0 && !str_is(part, ".")) {
			buf_add_char(&b, '/');
			buf_add_str(&b, part);
		}
	}
	if (folder || b.n == 0)
		buf_add_char(&b, '/');
	uri_encode_path(out, buf_str(&b));
	buf_free(&b);
}

void
sigv4_canonical_request(struct buf *out, const struct sigv4 *r)
{
	struct arena a = {0};
	struct pairs sorted = signed_headers(&a, &r->headers);

	buf_addf(out, "%s\n", r->method);
	if (r->s3)
		buf_add_str(out, r->path);
	else
		add_normalised_path(out, r->path);
	buf_add_char(out, '\n');
	sigv4_query(out, &r->query);
	buf_add_char(out, '\n');
	add_headers(out, &sorted);
	buf_add_char(out, '\n');
	add_names(out, &sorted);
	buf_add_char(out, '\n');
	buf_add_str(out, r->payload);
	arena_free(&a);
}

/* "20150830/us-east-1/s3/aws4_request" */
static void
add_scope(struct buf *out, const struct sigv4 *r)
{
	buf_addf(out, "%.8s/%.*s/%.*s/aws4_request", r->time, STR_ARG(r->region),
		STR_ARG(r->service));
}

void
sigv4_string_to_sign(struct buf *out, const struct sigv4 *r, struct str canonical_request)
{
	struct digest d = digest_of(canonical_request.p, canonical_request.n);
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &d);
	buf_addf(out, "AWS4-HMAC-SHA256\n%s\n", r->time);
	add_scope(out, r);
	buf_addf(out, "\n%s", hex);
}

static struct digest
hmac(const void *key, size_t key_bytes, struct str text)
{
	struct digest d = {0};
	unsigned int n = 0;

	/* Fails for want of memory only. */
	if (!HMAC(EVP_sha256(), key, (int)key_bytes, (const unsigned char *)text.p, text.n, d.b,
		    &n) ||
		n != sizeof(d.b))
		abort();
	return d;
}

struct digest
sigv4_signing_key(const struct sigv4 *r, struct str secret)
{
	struct buf first = {0};
	struct digest d;

	buf_add_cstr(&first, "AWS4");
	buf_add_str(&first, secret);
	d = hmac(first.p, first.n, (struct str){r->time, 8});
	explicit_bzero(first.p, first.cap);
	buf_free(&first);
	d = hmac(d.b, sizeof(d.b), r->region);
	d = hmac(d.b, sizeof(d.b), r->service);
	return hmac(d.b, sizeof(d.b), STR("aws4_request"));
}

void
sigv4_signature(
	char out[DIGEST_HEX_BYTES], const struct digest *signing_key, struct str string_to_sign)
{
	struct digest d = hmac(signing_key->b, sizeof(signing_key->b), string_to_sign);

	digest_hex(out, &d);
}

void
sigv4_authorization(
	struct buf *out, const struct sigv4 *r, struct str key_id, const char *signature)
{
	buf_addf(out, "AWS4-HMAC-SHA256 Credential=%.*s/", STR_ARG(key_id));
	add_scope(out, r);
	buf_add_cstr(out, ", SignedHeaders=");
	sigv4_signed_headers(out, &r->headers);
	buf_addf(out, ", Signature=%s", signature);
}

static void
sign(char out[DIGEST_HEX_BYTES], const struct sigv4 *r, struct str secret)
{
	struct digest key = sigv4_signing_key(r, secret);
	struct buf canonical = {0}, text = {0};

	sigv4_canonical_request(&canonical, r);
	sigv4_string_to_sign(&text, r, buf_str(&canonical));
	sigv4_signature(out, &key, buf_str(&text));
	buf_free(&canonical);
	buf_free(&text);
}

void
sigv4_sign(struct buf *out, const struct sigv4 *r, struct str key_id, struct str secret)
{
	char hex[DIGEST_HEX_BYTES];

	sign(hex, r, secret);
	sigv4_authorization(out, r, key_id, hex);
}

struct pairs
sigv4_presigned_query(struct arena *a, const struct sigv4 *r, struct str key_id, struct str token,
	int64_t expires_s)
{
	struct pairs out = {.v = ARENA_ARRAY(a, struct pair, r->query.n + 6)};
	struct buf scope = {0}, names = {0};

	add_scope(&scope, r);
	sigv4_signed_headers(&names, &r->headers);
	for (size_t i = 0; i < r->query.n; i++)
		out.v[out.n++] = r->query.v[i];
	out.v[out.n++] = (struct pair){STR("X-Amz-Algorithm"), STR("AWS4-HMAC-SHA256")};
	out.v[out.n++] = (struct pair){STR("X-Amz-Credential"),
		arena_printf(a, "%.*s/%s", STR_ARG(key_id), buf_cstr(&scope))};
	out.v[out.n++] = (struct pair){STR("X-Amz-Date"), arena_str(a, str_from(r->time))};
	out.v[out.n++] =
		(struct pair){STR("X-Amz-Expires"), arena_printf(a, "%lld", (long long)expires_s)};
	if (token.p)
		out.v[out.n++] = (struct pair){STR("X-Amz-Security-Token"), token};
	out.v[out.n++] = (struct pair){STR("X-Amz-SignedHeaders"), arena_str(a, buf_str(&names))};
	buf_free(&scope);
	buf_free(&names);
	return out;
}

void
sigv4_presign(struct buf *out, const struct sigv4 *r, struct str key_id, struct str secret,
	struct str token, int64_t expires_s)
{
	struct sigv4 whole = *r;
	char hex[DIGEST_HEX_BYTES];
	struct arena a = {0};

	whole.query = sigv4_presigned_query(&a, r, key_id, token, expires_s);
	sign(hex, &whole, secret);
	sigv4_query(out, &whole.query);
	buf_addf(out, "&X-Amz-Signature=%s", hex);
	arena_free(&a);
}
