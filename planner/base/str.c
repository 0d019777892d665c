/* str: views of bytes. */
#include "planner/base/str.h"

struct str
str_from(const char *cstr)
{
	return (struct str){.p = cstr, .n = cstr ? strlen(cstr) : 0};
}

bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
str_is(struct str a, const char *cstr)
{
	return str_eq(a, str_from(cstr));
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c != 0)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

struct str
str_from_index(struct str s, size_t from)
{
	if (!s.p)
		return s;
	if (from > s.n)
		from = s.n;
	return (struct str){.p = s.p + from, .n = s.n - from};
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str
str_cut(struct str *rest, char sep)
{
	struct str head = *rest;
	const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;

	if (!at) {
		*rest = (struct str){0};
		return head;
	}
	head.n = (size_t)(at - rest->p);
	rest->p = at + 1;
	rest->n -= head.n + 1;
	return head;
}

bool
str_is_utf8(struct str s)
{
	size_t i = 0;

	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t more;
		uint32_t point, least;

		if (c < 0x80) {
			i++;
			continue;
		} else if ((c & 0xe0) == 0xc0) {
			more = 1;
			point = c & 0x1fu;
			least = 0x80;
		} else if ((c & 0xf0) == 0xe0) {
			more = 2;
			point = c & 0x0fu;
			least = 0x800;
		} else if ((c & 0xf8) == 0xf0) {
			more = 3;
			point = c & 0x07u;
			least = 0x10000;
		} else {
			return false;
		}
		if (s.n - i - 1 < more)
			return false;
		for (size_t k = 1; k <= more; k++) {
			unsigned char d = (unsigned char)s.p[i + k];

			if ((d & 0xc0) != 0x80)
				return false;
			point = point << 6 | (d & 0x3fu);
		}
		if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
			return false;
		i += more + 1;
	}
	return true;
}

bool
str_to_i64(struct str s, int64_t *out)
{
	bool minus = s.n && s.p[0] == '-';
	uint64_t v = 0, limit = (uint64_t)INT64_MAX + (minus ? 1 : 0);

	if (minus)
		s = str_from_index(s, 1);
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

		if (d > 9 || v > (limit - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = minus ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}
