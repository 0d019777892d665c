/* digest: SHA-256 (FIPS 180-4), through libcrypto. */
#ifndef FURROW_BASE_DIGEST_H
#define FURROW_BASE_DIGEST_H

#include "planner/base/str.h"

enum { DIGEST_BYTES = 32, DIGEST_HEX_BYTES = 65 };

struct digest {
	uint8_t b[DIGEST_BYTES];
};

struct hasher; /* one running computation; reusable, not shared between threads */

struct hasher *hasher_new(void);
void hasher_add(struct hasher *h, const void *bytes, size_t n);
/* Adds the length as 8 bytes, little-endian, then the bytes: fields cannot run into each other. An
 * absent string is told apart from an empty one. */
void hasher_add_field(struct hasher *h, struct str s);
/* Returns the digest and starts anew. */
struct digest hasher_end(struct hasher *h);
void hasher_free(struct hasher *h);

struct digest digest_of(const void *bytes, size_t n);

/* Lower-case hex, 64 characters and a NUL. */
void digest_hex(char out[DIGEST_HEX_BYTES], const struct digest *d);
/* false unless s is 64 lower-case hex digits. */
bool digest_parse(struct str s, struct digest *out);
int digest_cmp(const struct digest *a, const struct digest *b);
bool digest_is_zero(const struct digest *d);

#endif
