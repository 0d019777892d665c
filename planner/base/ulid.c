/* ulid: formatting and reading. */
#include "planner/base/ulid.h"

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void
ulid_format(char out[ULID_BYTES], int64_t wall_ns, const uint8_t random[ULID_RANDOM_BYTES])
{
	uint64_t ms = (uint64_t)wall_ns / 1000000u;
	unsigned bits = 0, have = 0;
	int at = 10;

	for (int i = 9; i >= 0; i--) {
		out[i] = digits[ms & 31];
		ms >>= 5;
	}
	for (int i = 0; i < ULID_RANDOM_BYTES; i++) {
		bits = bits << 8 | random[i];
		have += 8;
		while (have >= 5) {
			have -= 5;
			out[at++] = digits[bits >> have & 31];
		}
	}
	out[26] = '\0';
}

bool
ulid_is(struct str s)
{
	if (s.n != 26 || s.p[0] > '7')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!memchr(digits, s.p[i], sizeof(digits) - 1))
			return false;
	}
	return true;
}

int64_t
ulid_wall_ns(struct str s)
{
	uint64_t ms = 0;

	if (!ulid_is(s))
		return 0;
	for (int i = 0; i < 10; i++) {
		const char *at = memchr(digits, s.p[i], sizeof(digits) - 1);

		ms = ms << 5 | (uint64_t)(at - digits);
	}
	return (int64_t)(ms * 1000000u);
}
