/* printable: a byte or a UTF-8 sequence at a time. */
#include "providers/aws/printable.h"

static const char ELLIPSIS[] = "…";

/* Bytes of the well-formed UTF-8 sequence that s begins with; 0: there is none. C1 controls and
 * their like are none either. */
static size_t
sequence(struct str s)
{
	for (size_t n = 2; n <= 4 && n <= s.n; n++) {
		if (str_is_utf8((struct str){s.p, n}))
			return s.p[0] == '\xc2' && (unsigned char)s.p[1] < 0xa0 ? 0 : n;
	}
	return 0;
}

size_t
printable(char *out, size_t size, struct str s)
{
	size_t n = 0, room = size - 1 - (sizeof(ELLIPSIS) - 1);

	s = str_trim(s);
	while (s.n > 0) {
		unsigned char c = (unsigned char)s.p[0];
		size_t step = c < 0x80 ? 1 : sequence(s), width = step ? step : 1;

		if (n + width > room && (n + s.n > size - 1 || n + width > size - 1)) {
			memcpy(out + n, ELLIPSIS, sizeof(ELLIPSIS) - 1);
			n += sizeof(ELLIPSIS) - 1;
			break;
		}
		if (c <= ' ' || c == 0x7f) {
			if (n > 0 && out[n - 1] != ' ')
				out[n++] = ' ';
		} else if (step == 0) {
			out[n++] = '?';
		} else {
			memcpy(out + n, s.p, step);
			n += step;
		}
		s = str_from_index(s, width);
	}
	out[n] = '\0';
	return n;
}
