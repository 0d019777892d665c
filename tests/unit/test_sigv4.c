/* Signatures, stage by stage, against those that botocore made (sigv4_cases.txt, by sigv4_cases.py); and AWS's own documented
 * signing key. */
#include "providers/aws/sigv4.h"
#include "providers/aws/uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MAX_PAIRS = 64 };

struct sigcase {
	struct sigv4 r;
	struct pair query[MAX_PAIRS], headers[MAX_PAIRS];
	struct str title, secret, key_id, token, canonical, to_sign, signature, authorization;
	int64_t expires_s;
};

static struct str
decoded(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%') {
			char hex[3] = {s.p[i + 1], s.p[i + 2], 0};

			p[n++] = (char)strtol(hex, NULL, 16);
			i += 2;
		} else {
			p[n++] = s.p[i];
		}
	}
	return (struct str){p, n};
}

static void
add(struct pairs *pairs, struct str name, struct str value)
{
	assert_true(pairs->n < MAX_PAIRS);
	pairs->v[pairs->n++] = (struct pair){name, value};
}

static void
take(struct arena *a, struct sigcase *c, struct str name, struct str raw)
{
	struct str value = decoded(a, raw);
	const struct {
		const char *name;
		struct str *to;
	} plain[] = {{"title", &c->title}, {"region", &c->r.region}, {"service", &c->r.service},
		{"secret", &c->secret}, {"key_id", &c->key_id}, {"token", &c->token},
		{"canonical", &c->canonical}, {"to_sign", &c->to_sign},
		{"signature", &c->signature}, {"authorization", &c->authorization},
		{"payload", &c->r.payload}, {"path", &c->r.path}};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (str_is(name, plain[i].name)) {
			*plain[i].to = value;
			return;
		}
	}
	if (str_is(name, "method")) {
		c->r.method = arena_cstr(a, value);
	} else if (str_is(name, "time")) {
		assert_int_equal(value.n, SIGV4_TIME_BYTES - 1);
		memcpy(c->r.time, value.p, value.n);
	} else if (str_is(name, "expires")) {
		assert_true(str_to_i64(value, &c->expires_s));
	} else if (str_is(name, "query")) {
		struct str left = str_cut(&raw, '=');

		add(&c->r.query, decoded(a, left), raw.p ? decoded(a, raw) : raw);
	} else if (str_is(name, "header")) {
		struct str left = str_cut(&value, ':');

		add(&c->r.headers, left, value);
	} else {
		fail_msg("unknown line %.*s", STR_ARG(name));
	}
}

static void
same(const struct sigcase *c, const char *stage, struct str got, struct str wanted)
{
	if (!str_eq(got, wanted))
		fail_msg("%.*s: %s:\n%.*s\n--- wanted:\n%.*s", STR_ARG(c->title), stage,
			STR_ARG(got), STR_ARG(wanted));
}

static void
check(const struct sigcase *c)
{
	struct digest key = sigv4_signing_key(&c->r, c->secret);
	struct buf canonical = {0}, text = {0}, last = {0};
	struct sigv4 r = c->r;
	struct arena a = {0};
	char hex[DIGEST_HEX_BYTES];

	if (c->expires_s)
		r.query = sigv4_presigned_query(&a, &c->r, c->key_id, c->token, c->expires_s);
	sigv4_canonical_request(&canonical, &r);
	same(c, "canonical request", buf_str(&canonical), c->canonical);
	sigv4_string_to_sign(&text, &r, buf_str(&canonical));
	same(c, "string to sign", buf_str(&text), c->to_sign);
	sigv4_signature(hex, &key, buf_str(&text));
	same(c, "signature", str_from(hex), c->signature);
	if (c->expires_s) {
		sigv4_presign(&last, &c->r, c->key_id, c->secret, c->token, c->expires_s);
		assert_true(str_ends(buf_str(&last),
			arena_printf(&a, "&X-Amz-Signature=%.*s", STR_ARG(c->signature))));
	} else {
		sigv4_sign(&last, &c->r, c->key_id, c->secret);
		same(c, "authorization", buf_str(&last), c->authorization);
	}
	buf_free(&canonical);
	buf_free(&text);
	buf_free(&last);
	arena_free(&a);
}

static void
read_all(struct buf *out)
{
	FILE *f = fopen("tests/unit/sigv4_cases.txt", "r");

	assert_non_null(f);
	while (!feof(f)) {
		size_t n = fread(buf_reserve(out, 65536), 1, 65536, f);

		out->n += n;
	}
	fclose(f);
}

static void
as_botocore(void **state)
{
	struct buf bytes = {0};
	struct str rest;
	struct arena a = {0};
	struct sigcase *c = NULL;
	int n = 0;

	(void)state;
	read_all(&bytes);
	rest = buf_str(&bytes);
	while (rest.p) {
		struct str line = str_cut(&rest, '\n'), name;

		if (line.n == 0 || line.p[0] == '#') {
			if (c) {
				check(c);
				n++;
			}
			c = NULL;
			continue;
		}
		if (!c) {
			c = ARENA_NEW(&a, struct sigcase);
			c->r.query.v = c->query;
			c->r.headers.v = c->headers;
		}
		name = str_cut(&line, ' ');
		take(&a, c, name, line.p ? line : STR(""));
		c->r.s3 = str_is(c->r.service, "s3");
	}
	assert_true(n >= 90);
	buf_free(&bytes);
	arena_free(&a);
}

/* From AWS's documentation, "Create a signed AWS API request": examples of how to derive a signing key. */
static void
documented_key(void **state)
{
	struct sigv4 r = {
		.region = STR("us-east-1"), .service = STR("iam"), .time = "20120215T000000Z"};
	struct digest d = sigv4_signing_key(&r, STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"));
	char hex[DIGEST_HEX_BYTES];

	(void)state;
	digest_hex(hex, &d);
	assert_string_equal(
		hex, "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
}

static void
times(void **state)
{
	char t[SIGV4_TIME_BYTES];

	(void)state;
	sigv4_time(t, INT64_C(1440938160) * 1000000000 + 999999999);
	assert_string_equal(t, "20150830T123600Z");
	sigv4_time(t, 0);
	assert_string_equal(t, "19700101T000000Z");
	sigv4_time(t, INT64_MAX);
	assert_string_equal(t, "22620411T234716Z");
}

static void
encoding(void **state)
{
	struct buf b = {0};

	(void)state;
	uri_encode(&b, STR("a/b c~\xff\0"));
	assert_string_equal(buf_cstr(&b), "a%2Fb%20c~%FF%00");
	buf_clear(&b);
	uri_encode_path(&b, STR("a/b+"));
	assert_string_equal(buf_cstr(&b), "a/b%2B");
	buf_clear(&b);
	uri_encode(&b, (struct str){0});
	assert_int_equal(b.n, 0);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_botocore),
		cmocka_unit_test(documented_key),
		cmocka_unit_test(times),
		cmocka_unit_test(encoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
