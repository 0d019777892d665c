/* json: writing JSON. */
#include "planner/base/json.h"

#include <math.h>

/* The length of the well-formed UTF-8 sequence at the start of s, 0 when there is none. */
static size_t
sequence_bytes(struct str s)
{
	for (size_t n = 1; n <= 4 && n <= s.n; n++) {
		if (str_is_utf8((struct str){.p = s.p, .n = n}))
			return n;
	}
	return 0;
}

void
json_add_string(struct buf *b, struct str s)
{
	size_t i = 0, plain = 0;

	if (!s.p) {
		buf_add_cstr(b, "null");
		return;
	}
	buf_add_char(b, '"');
	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n;

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			i++;
			continue;
		}
		n = c >= 0x80 ? sequence_bytes(str_from_index(s, i)) : 1;
		if (n > 1) {
			i += n;
			continue;
		}
		buf_add(b, s.p + plain, i - plain);
		if (c == '"' || c == '\\') {
			buf_add_char(b, '\\');
			buf_add_char(b, (char)c);
		} else if (c == '\n') {
			buf_add_cstr(b, "\\n");
		} else if (c == '\t') {
			buf_add_cstr(b, "\\t");
		} else {
			buf_addf(b, "\\u%04x", c >= 0x80 ? 0xfffdu : c);
		}
		plain = ++i;
	}
	buf_add(b, s.p + plain, i - plain);
	buf_add_char(b, '"');
}

void
json_add_seconds(struct buf *b, int64_t ns)
{
	uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	uint64_t part = u % 1000000000u;

	buf_addf(b, "%s%llu", ns < 0 ? "-" : "", (unsigned long long)(u / 1000000000u));
	if (part == 0)
		return;
	buf_addf(b, ".%09llu", (unsigned long long)part);
	while (b->p[b->n - 1] == '0')
		b->n--;
}

void
json_add_name(struct buf *b, const char *name)
{
	if (b->n && b->p[b->n - 1] != '{')
		buf_add_char(b, ',');
	buf_add_char(b, '"');
	buf_add_cstr(b, name);
	buf_add_cstr(b, "\":");
}

void
json_add_member_string(struct buf *b, const char *name, struct str value)
{
	json_add_name(b, name);
	json_add_string(b, value);
}

void
json_add_member_int(struct buf *b, const char *name, int64_t value)
{
	json_add_name(b, name);
	buf_addf(b, "%lld", (long long)value);
}

void
json_add_member_seconds(struct buf *b, const char *name, int64_t ns)
{
	json_add_name(b, name);
	json_add_seconds(b, ns);
}

void
json_add_member_usd(struct buf *b, const char *name, double usd)
{
	json_add_name(b, name);
	if (usd < 0)
		buf_add_cstr(b, "null");
	else
		json_add_seconds(b, llround(usd * 1e9));
}

void
json_add_member_bool(struct buf *b, const char *name, bool value)
{
	json_add_name(b, name);
	buf_add_cstr(b, value ? "true" : "false");
}
