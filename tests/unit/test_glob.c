/* glob: what matches, what doesn't, and that no pattern takes long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "planner/source.h"

struct match {
	const char *pattern;
	const char *path;
	bool matches;
};

static void
check(const struct match *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (source_glob_match(str_from(v[i].pattern), str_from(v[i].path)) != v[i].matches)
			fail_msg("'%s' against '%s' should be %s", v[i].pattern, v[i].path,
				v[i].matches ? "true" : "false");
	}
}
#define CHECK(v) check((v), sizeof(v) / sizeof((v)[0]))

static void
stars_stop_at_slashes(void **state)
{
	static const struct match v[] = {
		{"texts/*.txt", "texts/a.txt", true},
		{"texts/*.txt", "texts/.txt", false},
		{"texts/*.txt", "texts/a.txt.gz", false},
		{"texts/*.txt", "texts/sub/a.txt", false},
		{"texts/*.txt", "texts", false},
		{"texts/*.txt", "xtexts/a.txt", false},
		{"*", "a", true},
		{"*", "a/b", false},
		{"*/*", "a/b", true},
		{"*a*b*c*", "xxaxxbxxcxx", true},
		{"*a*b*c*", "xxaxxcxxbxx", false},
		{"a*", "a", true},
		{"a***", "abc", true},
		{"*ab", "aab", true},
		{"*aab", "aaab", true},
		{"texts/a.txt", "texts/a.txt", true},
		{"texts/a.txt", "texts/A.txt", false},
		{"?", "a", true},
		{"?", "", false},
		{"a?c", "a/c", false},
		{"??", "ab", true},
		{"??", "abc", false},
		{"a**b", "axxb", true},
		{"a**b", "ax/xb", false},
	};

	(void)state;
	CHECK(v);
}

static void
two_stars_cross_folders(void **state)
{
	static const struct match v[] = {
		{"**/*.txt", "a.txt", true},
		{"**/*.txt", "x/a.txt", true},
		{"**/*.txt", "x/y/z/a.txt", true},
		{"x/**/a.txt", "x/a.txt", true},
		{"x/**/a.txt", "x/y/a.txt", true},
		{"x/**/a.txt", "y/x/a.txt", false},
		{"**", "a", true},
		{"**", "a/b/c", true},
		{"x/**", "x/a", true},
		{"x/**", "x/a/b", true},
		{"x/**", "x", false},
		{"x/**", "xy/a", false},
		{"**/**/a", "a", true},
		{"**/**/a", "x/a", true},
		{"**/x/**/y", "a/x/b/x/c/y", true},
		{"**/x/y", "x/x/y", true},
		{"**/x/y/z", "x/y/x/y/z", true},
		{"**/x/**", "a/x", false},
		{"**/x/**", "a/x/b", true},
		{"a/**/b/**/c", "a/c/b/c", true},
		{"a/**/b/**/c", "a/c/c/c", false},
	};

	(void)state;
	CHECK(v);
}

static void
what_hides_is_named(void **state)
{
	static const struct match v[] = {
		{"*", ".hidden", false},
		{".*", ".hidden", true},
		{"\\.*", ".hidden", true},
		{"?hidden", ".hidden", false},
		{"[.]hidden", ".hidden", false},
		{"**/a", ".git/a", false},
		{"**", ".git/a", false},
		{"**", "x/.git", false},
		{"**/.git/a", "x/.git/a", true},
		{".git/**", ".git/a", true},
		{"x/*", "x/.a", false},
		{"a*", "a.b", true},
		{"**/.h/**/x", ".h/a/x", true},
		{"**/.h/**/x", ".h/.h/x", false},
	};

	(void)state;
	CHECK(v);
}

static void
sets(void **state)
{
	static const struct match v[] = {
		{"[abc]", "b", true},
		{"[abc]", "d", false},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[!a-c]", "d", true},
		{"[!a-c]", "b", false},
		{"[^a-c]", "d", true},
		{"[]a]", "]", true},
		{"[!]a]", "]", false},
		{"[!]a]", "b", true},
		{"[a-]", "-", true},
		{"[-a]", "-", true},
		{"[z-a]", "m", false},
		{"[\\]]", "]", true},
		{"[\\-x]", "-", true},
		{"[a\\-z]", "m", false},
		{"[[]x", "[x", true},
		{"[0-9][0-9]", "42", true},
		{"[0-9][0-9]", "4", false},
		{"a[!/]b", "a/b", false},
		/* without its ']' it stands for itself */
		{"[abc", "[abc", true},
		{"[abc", "a", false},
		{"[]", "[]", true},
		{"[!]", "[!]", true},
		{"x[", "x[", true},
		{"[[[[", "[[[[", true},
		{"[[[[\\]", "[[[[]", true},
		{"[a/b]", "[a/b]", true},
	};

	(void)state;
	CHECK(v);
}

static void
backslashes_quote(void **state)
{
	static const struct match v[] = {
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"a\\?", "a?", true},
		{"a\\?", "ab", false},
		{"\\[a]", "[a]", true},
		{"\\\\", "\\", true},
		{"\\a", "a", true},
		{"a\\", "a\\", true},
		{"a\\", "a", false},
	};

	(void)state;
	CHECK(v);
}

static void
characters_are_not_bytes(void **state)
{
	static const struct match v[] = {
		{"?", "ä", true},
		{"??", "ä", false},
		{"[äöü]", "ö", true},
		{"[äöü]", "o", false},
		{"[α-ω]", "λ", true},
		{"[!α-ω]", "λ", false},
		{"?", "😀", true},
		{"*.txt", "käse 日本.txt", true},
		/* no UTF-8: byte by byte */
		{"?", "\xff", true},
		{"??", "\xff\xfe", true},
		{"?", "\xff\xfe", false},
		{"a\xff*", "a\xffz", true},
		{"[\xff]", "\xff", true},
		{"[\xff]", "ÿ", false},
		{"?", "\xc3", true},
		{"??", "\xc3z", true},
	};

	(void)state;
	CHECK(v);
}

static void
patterns_are_tidied(void **state)
{
	static const struct match v[] = {
		{"./a", "a", true},
		{"././a/./b", "a/b", true},
		{"a//b", "a/b", true},
		{"a/", "a", true},
		{"/a", "a", false},
		{"", "a", false},
		{".", "a", false},
		{"../a", "a", false},
		{"**/./a", "x/a", true},
		{"a\n*", "a\nb", true},
		{"* *", "a b", true},
		{"-*", "-rf", true},
		{"'*'", "'x'", true},
	};

	(void)state;
	CHECK(v);
}

/* The same rules by plain recursion, for short strings. */
static bool
slow_part(const char *p, const char *s, size_t n)
{
	if (*p == '\0' || *p == '/')
		return n == 0;
	if (*p == '*') {
		for (size_t i = 0; i <= n; i++) {
			if (slow_part(p + 1, s + i, n - i))
				return true;
		}
		return false;
	}
	return n > 0 && (*p == '?' || *p == *s) && slow_part(p + 1, s + 1, n - 1);
}

static bool
slow_match(const char *p, const char *s)
{
	size_t n = strcspn(s, "/"), m = strcspn(p, "/");
	const char *rest = s[n] ? s + n + 1 : NULL;

	if (m == 2 && p[0] == '*' && p[1] == '*') {
		if (!p[m])
			return s[0] != '.' && (!rest || slow_match(p, rest));
		if (slow_match(p + 3, s))
			return true;
		return s[0] != '.' && rest && slow_match(p, rest);
	}
	if ((s[0] == '.' && p[0] != '.') || !slow_part(p, s, n))
		return false;
	if (!p[m] || !rest)
		return !p[m] && !rest;
	return slow_match(p + m + 1, rest);
}

/* Part by part from few letters, so that much of it matches. */
static void
random_text(char out[64], unsigned *seed, const char *const *parts, unsigned n_parts)
{
	unsigned n = 1 + (unsigned)rand_r(seed) % 5;
	size_t at = 0;

	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, 64 - at, "%s%s", i > 0 ? "/" : "",
			parts[(unsigned)rand_r(seed) % n_parts]);
}

static void
same_as_the_plain_way(void **state)
{
	static const char *const patterns[] = {
		"**", "*", "a", "b", ".a", ".*", "a*", "*b", "?", "*a*b"};
	static const char *const names[] = {"a", "b", "ab", ".a", "ba", ".b", "aab"};
	unsigned seed = 1, n_matches = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char p[64], s[64];
		bool want;

		random_text(p, &seed, patterns, sizeof(patterns) / sizeof(patterns[0]));
		random_text(s, &seed, names, sizeof(names) / sizeof(names[0]));
		want = slow_match(p, s);
		n_matches += want;
		if (source_glob_match(str_from(p), str_from(s)) != want)
			fail_msg("'%s' against '%s' should be %d", p, s, want);
	}
	assert_true(n_matches > 5000);
}

/* Each takes hours where stars are tried recursively; here all together a moment. */
static void
nothing_takes_long(void **state)
{
	enum { N = 4000 };
	char *pattern = malloc(2 * N + 16), *path = malloc(2 * N + 16);
	struct str p = {.p = pattern}, s = {.p = path};

	(void)state;
	for (int i = 0; i < N; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	memset(path, 'a', N);
	p.n = 2 * N;
	s.n = N - 1;
	assert_false(source_glob_match(p, s));
	s.n = N;
	assert_true(source_glob_match(p, s));
	path[N - 1] = 'b';
	assert_false(source_glob_match(p, s));

	for (int i = 0; i < N / 3; i++) {
		memcpy(pattern + 3 * i, "**/", 3);
		memcpy(path + 2 * i, "a/", 2);
	}
	memcpy(pattern + N / 3 * 3, "b", 1);
	memcpy(path + N / 3 * 2, "c", 1);
	p.n = N / 3 * 3 + 1;
	s.n = N / 3 * 2 + 1;
	assert_false(source_glob_match(p, s));

	memset(pattern, '[', N);
	memset(path, '[', N);
	pattern[0] = '*';
	p.n = s.n = N;
	assert_true(source_glob_match(p, s));
	path[N - 1] = 'x';
	assert_false(source_glob_match(p, s));
	free(pattern);
	free(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stars_stop_at_slashes),
		cmocka_unit_test(two_stars_cross_folders),
		cmocka_unit_test(what_hides_is_named),
		cmocka_unit_test(sets),
		cmocka_unit_test(backslashes_quote),
		cmocka_unit_test(characters_are_not_bytes),
		cmocka_unit_test(patterns_are_tidied),
		cmocka_unit_test(same_as_the_plain_way),
		cmocka_unit_test(nothing_takes_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
