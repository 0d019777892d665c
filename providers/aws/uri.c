/* uri: one byte at a time. */
#include "providers/aws/uri.h"

static bool
is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static void
encode(struct buf *out, struct str s, bool keep_slash)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_unreserved(s.p[i]) || (keep_slash && c == '/'))
			buf_add_char(out, s.p[i]);
		else
			buf_add(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
}

void
uri_encode(struct buf *out, struct str s)
{
	encode(out, s, false);
}

void
uri_encode_path(struct buf *out, struct str s)
{
	encode(out, s, true);
}
