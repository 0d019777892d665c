/* relative: where a path lies below another, and lists of paths in messages. */
#include "providers/git/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

bool
relative_cut(struct buf *path)
{
	if (path->n == 0)
		return false;
	while (path->n && path->p[path->n - 1] != '/')
		path->n--;
	if (path->n)
		path->n--;
	return true;
}

static bool
add_parts(struct buf *b, struct str path)
{
	while (path.p) {
		struct str part = str_cut(&path, '/');

		if (part.n == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			if (!relative_cut(b))
				return false;
			continue;
		}
		if (b->n)
			buf_add_char(b, '/');
		buf_add_str(b, part);
	}
	return true;
}

struct str
relative_join(struct arena *a, struct str base, struct str path)
{
	struct buf b = {0};
	struct str out = {0};
	bool absolute = path.n && path.p[0] == '/';

	if ((absolute || add_parts(&b, base)) && add_parts(&b, path))
		out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

struct str
relative_below(struct str base, struct str path)
{
	if (!base.p || !path.p || base.n == 0)
		return path;
	if (str_eq(base, path))
		return STR("");
	if (str_starts(path, base) && path.p[base.n] == '/')
		return str_from_index(path, base.n + 1);
	return (struct str){0};
}

struct str
relative_real(struct arena *a, const char *path)
{
	char *here = path[0] == '/' ? NULL : realpath(".", NULL);
	struct str absolute = arena_printf(a, "%s/%s", here ? here : "", path);
	char *given = arena_cstr(a, absolute), *real;
	size_t n = absolute.n, cut = n;
	struct str out;

	free(here);
	while (!(real = realpath(cut ? given : "/", NULL)) && cut) {
		do
			cut--;
		while (cut && given[cut] != '/');
		given[cut] = '\0';
	}
	if (!real)
		return STR("/");
	out = relative_join(a, str_from(real), str_from_index(absolute, cut + 1));
	free(real);
	return arena_printf(a, "/%.*s", STR_ARG(out));
}

void
name_list_add(struct name_list *l, const char *what, struct str name)
{
	size_t at = strlen(l->text);
	bool cut = name.n > MESSAGE_NAME_BYTES;

	if (l->n++ >= MESSAGE_NAMES)
		return;
	if (cut)
		name.n = MESSAGE_NAME_BYTES - 3;
	snprintf(l->text + at, sizeof(l->text) - at, "%s%s%s%.*s%s", at ? ", " : "",
		what ? what : "", what ? " " : "", STR_ARG(name), cut ? "..." : "");
}

const char *
name_list_text(struct name_list *l)
{
	size_t at = strlen(l->text);

	if (l->n > MESSAGE_NAMES) {
		snprintf(l->text + at, sizeof(l->text) - at, " and %zu more", l->n - MESSAGE_NAMES);
		l->n = MESSAGE_NAMES;
	}
	return l->text;
}
