/* ulid: 26 characters that sort by time (github.com/ulid/spec): 48 bits of milliseconds, 80
 * random ones. */
#ifndef FURROW_BASE_ULID_H
#define FURROW_BASE_ULID_H

#include "planner/base/str.h"

enum { ULID_BYTES = 27, ULID_RANDOM_BYTES = 10 };

/* Upper-case Crockford base 32 and a NUL. Time and randomness are given: this has neither clock
 * nor source. */
void ulid_format(char out[ULID_BYTES], int64_t wall_ns, const uint8_t random[ULID_RANDOM_BYTES]);
bool ulid_is(struct str s);
/* Nanoseconds since 1970; 0 when s is none. */
int64_t ulid_wall_ns(struct str s);

#endif
