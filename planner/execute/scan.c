/* scan: a line of JSON, value by value. */
#include "planner/execute/scan.h"

enum { DEPTH_MAX = 32 };

static void
fail(struct scan *s)
{
	s->bad = true;
	s->rest = (struct str){.p = "", .n = 0};
}

/* The next byte that is no blank, not taken; NUL at the end. */
static char
peek(struct scan *s)
{
	while (s->rest.n && (s->rest.p[0] == ' ' || s->rest.p[0] == '\t' || s->rest.p[0] == '\r')) {
		s->rest.p++;
		s->rest.n--;
	}
	return s->rest.n ? s->rest.p[0] : '\0';
}

static void
take(struct scan *s, size_t n)
{
	s->rest.p += n;
	s->rest.n -= n;
}

static bool
accept(struct scan *s, char c)
{
	if (peek(s) != c || s->rest.n == 0)
		return false;
	take(s, 1);
	return true;
}

static bool
accept_word(struct scan *s, struct str word)
{
	peek(s);
	if (!str_starts(s->rest, word))
		return false;
	take(s, word.n);
	return true;
}

void
scan_object(struct scan *s)
{
	if (!accept(s, '{'))
		fail(s);
}

void
scan_array(struct scan *s)
{
	if (!accept(s, '['))
		fail(s);
}

/* Between two values: true when another one follows. The byte before tells whether this is the
 * first. */
static bool
another(struct scan *s, char open, char close)
{
	bool first;

	if (s->bad)
		return false;
	first = s->rest.p[-1] == open;
	if (accept(s, close))
		return false;
	if (!first && !accept(s, ',')) {
		fail(s);
		return false;
	}
	return true;
}

bool
scan_member(struct scan *s, struct str *key)
{
	if (!another(s, '{', '}'))
		return false;
	*key = scan_string(s);
	if (!accept(s, ':'))
		fail(s);
	return !s->bad;
}

bool
scan_item(struct scan *s)
{
	return another(s, '[', ']');
}

int64_t
scan_int(struct scan *s)
{
	struct str digits;
	int64_t value = 0;
	size_t n = 0;

	peek(s);
	while (n < s->rest.n &&
		(s->rest.p[n] == '-' || (s->rest.p[n] >= '0' && s->rest.p[n] <= '9')))
		n++;
	digits = (struct str){.p = s->rest.p, .n = n};
	if (!str_to_i64(digits, &value)) {
		fail(s);
		return 0;
	}
	take(s, n);
	if (s->rest.n && (s->rest.p[0] == '.' || (s->rest.p[0] | 0x20) == 'e')) {
		fail(s);
		return 0;
	}
	return value;
}

int64_t
scan_count(struct scan *s)
{
	int64_t value = scan_int(s);

	if (value < 0) {
		fail(s);
		return 0;
	}
	return value;
}

bool
scan_bool(struct scan *s)
{
	if (accept_word(s, STR("true")))
		return true;
	if (!accept_word(s, STR("false")))
		fail(s);
	return false;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of a \u escape at p, of n bytes; < 0: there are none. */
static int32_t
hex4(const char *p, size_t n)
{
	int32_t value = 0;

	for (size_t i = 0; i < 4; i++) {
		int d = i < n ? hex_digit(p[i]) : -1;

		if (d < 0)
			return -1;
		value = value * 16 + d;
	}
	return value;
}

static char *
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*out++ = (char)(0xe0 | c >> 12);
		} else {
			*out++ = (char)(0xf0 | c >> 18);
			*out++ = (char)(0x80 | (c >> 12 & 63));
		}
		*out++ = (char)(0x80 | (c >> 6 & 63));
	}
	*out++ = (char)(0x80 | (c & 63));
	return out;
}

/* A \u escape (or the pair of a surrogate) whose digits start at p. Returns how many bytes it took,
 * 0: bad. */
static size_t
unescape_unicode(const char *p, size_t n, char **out)
{
	int32_t c = hex4(p, n), low;

	if (c < 0 || (c >= 0xdc00 && c < 0xe000))
		return 0;
	if (c < 0xd800 || c >= 0xe000) {
		*out = put_utf8(*out, (uint32_t)c);
		return 4;
	}
	if (n < 10 || p[4] != '\\' || p[5] != 'u')
		return 0;
	low = hex4(p + 6, n - 6);
	if (low < 0xdc00 || low >= 0xe000)
		return 0;
	*out = put_utf8(*out, 0x10000 + ((uint32_t)(c - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
	return 10;
}

/* No escape is shorter than what it stands for, so raw.n bytes do. */
static struct str
unescape(struct scan *s, struct str raw)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char *start = arena_alloc(s->arena, raw.n + 1), *out = start;

	for (size_t i = 0; i < raw.n; i++) {
		const char *known;
		size_t n;

		if (raw.p[i] != '\\') {
			*out++ = raw.p[i];
			continue;
		}
		i++; /* the scan for the end saw that something follows */
		known = memchr(from, raw.p[i], sizeof(from) - 1);
		if (known) {
			*out++ = to[known - from];
			continue;
		}
		n = raw.p[i] == 'u' ? unescape_unicode(raw.p + i + 1, raw.n - i - 1, &out) : 0;
		if (n == 0) {
			fail(s);
			return (struct str){0};
		}
		i += n;
	}
	return (struct str){.p = start, .n = (size_t)(out - start)};
}

struct str
scan_string(struct scan *s)
{
	struct str raw;
	bool escapes = false;
	size_t n = 0;

	if (!accept(s, '"')) {
		fail(s);
		return (struct str){0};
	}
	while (n < s->rest.n && s->rest.p[n] != '"' && (unsigned char)s->rest.p[n] >= 0x20) {
		if (s->rest.p[n] == '\\') {
			escapes = true;
			n++;
		}
		n++;
	}
	if (n >= s->rest.n || s->rest.p[n] != '"') {
		fail(s);
		return (struct str){0};
	}
	raw = (struct str){.p = s->rest.p, .n = n};
	take(s, n + 1);
	return escapes ? unescape(s, raw) : raw;
}

static void
skip_number(struct scan *s)
{
	static const char parts[] = {
		'+', '-', '.', 'e', 'E', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'};
	size_t n = 0;

	while (n < s->rest.n && memchr(parts, s->rest.p[n], sizeof(parts)))
		n++;
	if (n == 0)
		fail(s);
	else
		take(s, n);
}

static void
skip_value(struct scan *s, int depth)
{
	char c = peek(s);
	struct str key;

	if (depth > DEPTH_MAX) {
		fail(s);
	} else if (c == '{') {
		scan_object(s);
		while (scan_member(s, &key))
			skip_value(s, depth + 1);
	} else if (c == '[') {
		scan_array(s);
		while (scan_item(s))
			skip_value(s, depth + 1);
	} else if (c == '"') {
		scan_string(s);
	} else if (!accept_word(s, STR("null")) && !accept_word(s, STR("true")) &&
		   !accept_word(s, STR("false"))) {
		skip_number(s);
	}
}

void
scan_skip(struct scan *s)
{
	skip_value(s, 0);
}

void
scan_end(struct scan *s)
{
	if (peek(s) != '\0' || s->rest.n)
		fail(s);
}
