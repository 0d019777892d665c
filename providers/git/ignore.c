/* ignore: parsing and matching the rules of .gitignore. Of several that match, the last one
 * decides. */
#include "providers/git/ignore.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>

/* Cuts blanks off the end that no backslash keeps. */
static struct str
trim_end(struct str line)
{
	size_t kept = 0;

	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] == '\\' && i + 1 < line.n)
			kept = ++i + 1;
		else if (line.p[i] != ' ')
			kept = i + 1;
	}
	line.n = kept;
	return line;
}

static bool
parse_line(struct ignore_rule *out, struct str line)
{
	if (str_ends(line, STR("\r")))
		line.n--;
	if (str_starts(line, STR("#")))
		return false;
	line = trim_end(line);
	if (str_starts(line, STR("!"))) {
		out->negated = true;
		line = str_from_index(line, 1);
	}
	if (str_ends(line, STR("/"))) {
		out->folders_only = true;
		line.n--;
	}
	out->anchored = line.n && memchr(line.p, '/', line.n);
	if (str_starts(line, STR("/")))
		line = str_from_index(line, 1);
	out->pattern = line;
	return line.n > 0;
}

static void
add_rule(struct ignore_rules *rules, const struct ignore_rule *rule)
{
	if (rules->n == rules->cap) {
		rules->cap = rules->cap ? rules->cap * 2 : 16;
		rules->v = mem_realloc(rules->v, rules->cap * sizeof(*rules->v));
	}
	rules->v[rules->n] = *rule;
	rules->v[rules->n++].pattern = arena_str(rules->arena, rule->pattern);
}

void
ignore_add(struct ignore_rules *rules, struct str base, struct str text)
{
	base = arena_str(rules->arena, base);
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_from_index(text, 3);
	while (text.p) {
		struct ignore_rule rule = {.base = base};

		if (parse_line(&rule, str_cut(&text, '\n')))
			add_rule(rules, &rule);
	}
}

/* One part of a pattern against one part of a path. fnmatch(3) wants C strings; a name is at most
 * NAME_MAX. */
static bool
match_part(struct str pattern, struct str name)
{
	char p[1024], s[NAME_MAX + 1];

	if (pattern.n >= sizeof(p) || name.n >= sizeof(s))
		return false;
	memcpy(p, pattern.p, pattern.n);
	p[pattern.n] = '\0';
	memcpy(s, name.p, name.n);
	s[name.n] = '\0';
	return fnmatch(p, s, 0) == 0;
}

/* "**" stands for any number of whole parts; at the end for at least one. When a later part doesn't
 * fit, only the last
 * "**" has to be tried again further on: linear in what it skips, not exponential. */
static bool
match_path(struct str pattern, struct str path)
{
	struct str retry_pattern = {0}, retry_path = {0};

	for (;;) {
		struct str rest = pattern, part = {0};

		if (pattern.p)
			part = str_cut(&rest, '/');
		if (pattern.p && str_is(part, "**")) {
			if (!rest.p)
				return path.p != NULL;
			pattern = retry_pattern = rest;
			retry_path = path;
			continue;
		}
		if (pattern.p && path.p) {
			struct str after = path, name = str_cut(&after, '/');

			if (match_part(part, name)) {
				pattern = rest;
				path = after;
				continue;
			}
		} else if (!pattern.p && !path.p) {
			return true;
		}
		if (!retry_path.p)
			return false;
		str_cut(&retry_path, '/');
		if (!retry_path.p)
			return false;
		pattern = retry_pattern;
		path = retry_path;
	}
}

static struct str
last_part(struct str path)
{
	size_t i = path.n;

	while (i && path.p[i - 1] != '/')
		i--;
	return str_from_index(path, i);
}

static bool
rule_matches(const struct ignore_rule *r, struct str path, bool is_folder)
{
	if (r->folders_only && !is_folder)
		return false;
	if (r->base.n) {
		if (!str_starts(path, r->base) || path.n <= r->base.n || path.p[r->base.n] != '/')
			return false;
		path = str_from_index(path, r->base.n + 1);
	}
	if (!r->anchored)
		return match_part(r->pattern, last_part(path));
	return match_path(r->pattern, path);
}

bool
ignore_match(const struct ignore_rules *rules, struct str path, bool is_folder)
{
	for (size_t i = rules->n; i-- > 0;) {
		if (rule_matches(&rules->v[i], path, is_folder))
			return !rules->v[i].negated;
	}
	return false;
}

void
ignore_free(struct ignore_rules *rules)
{
	free(rules->v);
	rules->v = NULL;
	rules->n = rules->cap = 0;
}
