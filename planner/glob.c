/* glob: a pattern against a path.
 *
 * Both levels work alike: the parts of a path against those of the pattern, and the characters of a
 * part against those of its pattern. On a mismatch only the newest star takes one more; an earlier
 * one never needs to, as whatever it could take the newer one can take instead. So there is no
 * recursion, and the cost is bounded by the product of the lengths. */
#include "planner/source.h"

/* The character at *at, which moves on: a code point, or a byte that is no UTF-8 as a number beyond
 * all of them. */
static uint32_t
next_char(struct str s, size_t *at)
{
	const unsigned char *p = (const unsigned char *)s.p + *at;
	size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	uint32_t c = *p;

	if (n == 1 || s.n - *at < n || !str_is_utf8((struct str){.p = s.p + *at, .n = n})) {
		*at += 1;
		return c < 0x80 ? c : 0x200000u + c;
	}
	c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fu);
	*at += n;
	return c;
}

/* A member of a set, or one end of a range: a backslash quotes it. */
static uint32_t
set_char(struct str pat, size_t *at)
{
	if (pat.p[*at] == '\\' && *at + 1 < pat.n)
		*at += 1;
	return next_char(pat, at);
}

/* The set whose '[' stands at *at. -1: it has no ']'; else whether c is in it, and *at moves behind
 * it. */
static int
match_set(struct str pat, size_t *at, uint32_t c)
{
	size_t i = *at + 1;
	bool not = i < pat.n && (pat.p[i] == '!' || pat.p[i] == '^');
	bool found = false;

	if (not )
		i++;
	for (bool first = true; i < pat.n && (first || pat.p[i] != ']'); first = false) {
		uint32_t lo = set_char(pat, &i), hi = lo;

		if (i + 1 < pat.n && pat.p[i] == '-' && pat.p[i + 1] != ']') {
			i++;
			hi = set_char(pat, &i);
		}
		found |= lo <= c && c <= hi;
	}
	if (i >= pat.n)
		return -1;
	*at = i + 1;
	return found != not ;
}

/* Matching one part. */
struct part_match {
	struct str pat, part;
	size_t plain_from; /* a '[' from here on has no ']': looked for once only */
};

/* One character of the part at *s against the pattern at *p, which is no star; both move on. */
static bool
match_char(struct part_match *m, size_t *p, size_t *s)
{
	uint32_t c;

	if (*p >= m->pat.n)
		return false;
	c = next_char(m->part, s);
	if (m->pat.p[*p] == '?') {
		*p += 1;
		return true;
	}
	if (m->pat.p[*p] == '[' && *p < m->plain_from) {
		int in = match_set(m->pat, p, c);

		if (in >= 0)
			return in;
		m->plain_from = *p;
	}
	return set_char(m->pat, p) == c;
}

static bool
starts_with_dot(struct str pat)
{
	return str_starts(pat, STR(".")) || str_starts(pat, STR("\\."));
}

static bool
match_part(struct str pat, struct str part)
{
	struct part_match m = {.pat = pat, .part = part, .plain_from = SIZE_MAX};
	size_t p = 0, s = 0, star_p = SIZE_MAX, star_s = 0;

	if (part.n && part.p[0] == '.' && !starts_with_dot(pat))
		return false;
	while (s < part.n) {
		size_t p_next = p, s_next = s;

		if (p < pat.n && pat.p[p] == '*') {
			star_p = ++p;
			star_s = s;
		} else if (match_char(&m, &p_next, &s_next)) {
			p = p_next;
			s = s_next;
		} else if (star_p == SIZE_MAX) {
			return false;
		} else {
			next_char(part, &star_s);
			p = star_p;
			s = star_s;
		}
	}
	while (p < pat.n && pat.p[p] == '*')
		p++;
	return p == pat.n;
}

/* The next part of a pattern that says something; absent at its end. */
static struct str
next_pattern(struct str *rest)
{
	while (rest->p) {
		struct str part = str_cut(rest, '/');

		if (part.n && !str_is(part, "."))
			return part;
	}
	return (struct str){0};
}

/* What the last "**" has to take: at least one part, none that hides. */
static bool
all_visible(struct str rest)
{
	if (!rest.p)
		return false;
	while (rest.p) {
		if (str_starts(str_cut(&rest, '/'), STR(".")))
			return false;
	}
	return true;
}

bool
source_glob_match(struct str pattern, struct str path)
{
	struct str p = pattern, s = path, star_p = {0}, star_s = {0};

	if (str_starts(pattern, STR("/")))
		return false;
	for (;;) {
		struct str p_rest = p, s_rest = s;
		struct str pat = next_pattern(&p_rest);
		struct str part = str_cut(&s_rest, '/');

		if (pat.p && str_is(pat, "**")) {
			struct str after = p_rest;

			if (!next_pattern(&after).p)
				return all_visible(s);
			star_p = p_rest;
			star_s = s;
			p = p_rest;
			continue;
		}
		if (!pat.p && !part.p)
			return true;
		if (pat.p && part.p && match_part(pat, part)) {
			p = p_rest;
			s = s_rest;
			continue;
		}
		if (!star_s.p || str_starts(str_cut(&star_s, '/'), STR(".")))
			return false;
		p = star_p;
		s = star_s;
	}
}

struct str
source_glob_tidy(struct arena *a, struct str pattern)
{
	char *p = arena_alloc(a, pattern.n + 1);
	size_t n = 0;

	if (str_starts(pattern, STR("/")))
		return pattern;
	for (;;) {
		struct str part = next_pattern(&pattern);

		if (!part.p)
			return (struct str){.p = p, .n = n};
		if (n > 0)
			p[n++] = '/';
		memcpy(p + n, part.p, part.n);
		n += part.n;
	}
}

size_t
source_glob_fixed(struct str pattern)
{
	size_t n = 0;

	while (n < pattern.n && !strchr("*?[\\", pattern.p[n]))
		n++;
	return n;
}
