/* digest: SHA-256 through libcrypto's EVP interface. */
#include "planner/base/digest.h"

#include "planner/base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

struct hasher {
	EVP_MD *md; /* fetched once: the implicit fetch costs more than a short hash */
	EVP_MD_CTX *ctx;
};

static _Noreturn void
libcrypto_failed(void)
{
	fprintf(stderr, "furrow: libcrypto cannot compute SHA-256\n");
	abort();
}

struct hasher *
hasher_new(void)
{
	struct hasher *h = mem_alloc(sizeof(*h));

	h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	h->ctx = EVP_MD_CTX_new();
	if (!h->md || !h->ctx || EVP_DigestInit_ex(h->ctx, h->md, NULL) != 1)
		libcrypto_failed();
	return h;
}

void
hasher_add(struct hasher *h, const void *bytes, size_t n)
{
	if (EVP_DigestUpdate(h->ctx, bytes, n) != 1)
		libcrypto_failed();
}

void
hasher_add_field(struct hasher *h, struct str s)
{
	uint64_t n = s.p ? s.n : UINT64_MAX;
	uint8_t le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)(n >> (8 * i));
	hasher_add(h, le, sizeof(le));
	if (s.n)
		hasher_add(h, s.p, s.n);
}

struct digest
hasher_end(struct hasher *h)
{
	struct digest d;

	if (EVP_DigestFinal_ex(h->ctx, d.b, NULL) != 1 ||
		EVP_DigestInit_ex(h->ctx, h->md, NULL) != 1)
		libcrypto_failed();
	return d;
}

void
hasher_free(struct hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	free(h);
}

struct digest
digest_of(const void *bytes, size_t n)
{
	struct hasher *h = hasher_new();
	struct digest d;

	hasher_add(h, bytes, n);
	d = hasher_end(h);
	hasher_free(h);
	return d;
}

void
digest_hex(char out[DIGEST_HEX_BYTES], const struct digest *d)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < DIGEST_BYTES; i++) {
		out[2 * i] = hex[d->b[i] >> 4];
		out[2 * i + 1] = hex[d->b[i] & 15];
	}
	out[2 * DIGEST_BYTES] = '\0';
}

/* The value of a hex digit plus one, 0 for any other byte: a store with 100,000 results has
 * 6,400,000 digits. */
static const uint8_t hex_value[256] = {
	['0'] = 1,
	['1'] = 2,
	['2'] = 3,
	['3'] = 4,
	['4'] = 5,
	['5'] = 6,
	['6'] = 7,
	['7'] = 8,
	['8'] = 9,
	['9'] = 10,
	['a'] = 11,
	['b'] = 12,
	['c'] = 13,
	['d'] = 14,
	['e'] = 15,
	['f'] = 16,
};

bool
digest_parse(struct str s, struct digest *out)
{
	if (s.n != 2 * DIGEST_BYTES)
		return false;
	for (int i = 0; i < DIGEST_BYTES; i++) {
		unsigned hi = hex_value[(uint8_t)s.p[2 * i]],
			 lo = hex_value[(uint8_t)s.p[2 * i + 1]];

		if (hi == 0 || lo == 0)
			return false;
		out->b[i] = (uint8_t)((hi - 1) << 4 | (lo - 1));
	}
	return true;
}

int
digest_cmp(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, DIGEST_BYTES);
}

bool
digest_is_zero(const struct digest *d)
{
	static const struct digest zero;

	return digest_cmp(d, &zero) == 0;
}
