/* manifest_paths: what names a file, a folder or a place in S3. */
#include "planner/manifest_read.h"

#include "planner/path.h"
#include "planner/template.h"

/* What fits into user data beside the rest. */
enum { LONGEST_HOST_PATH = 255, MOST_HOST_PATHS_BYTES = 2048 };

static const struct str none = {0};

static bool
has_parent_part(struct str path)
{
	while (path.p) {
		if (str_is(str_cut(&path, '/'), ".."))
			return true;
	}
	return false;
}

static bool
check_no_tilde(struct reading *r, const struct value *v, struct str path)
{
	if (!str_is(path, "~") && !str_starts(path, STR("~/")))
		return true;
	value_bad(r, v, none, "'~' is not expanded here: write the whole path");
	return false;
}

bool
check_inner_path(struct reading *r, const struct value *v, struct str text, struct str *out)
{
	char quoted[DIAG_QUOTE_BYTES];
	struct str clean;

	diag_quote(quoted, text);
	if (str_starts(text, STR("~/"))) {
		value_bad(r, v, none, "%s begins with '~', which is not expanded; expected %s",
			quoted, v->expected);
		return false;
	}
	if (text.p[0] == '/') {
		value_bad(r, v, none, "%s begins with '/'; expected %s", quoted, v->expected);
		return false;
	}
	if (has_parent_part(text)) {
		value_bad(r, v, none, "%s has a part '..'; expected %s", quoted, v->expected);
		return false;
	}
	clean = path_clean(r->arena, text);
	if (!clean.n && !(v->key->flags & KEY_FOLDER)) {
		value_unexpected(r, v, none);
		return false;
	}
	*out = clean.n ? clean : STR(".");
	return true;
}

void
read_inner_path(struct reading *r, const struct value *v, void *at, void *base)
{
	struct str text;

	(void)base;
	if (value_text(r, v, &text))
		check_inner_path(r, v, text, at);
}

void
read_inner_paths(struct reading *r, const struct value *v, void *at, void *base)
{
	struct strings *paths = at;

	(void)base;
	if (!value_list(r, v))
		return;
	paths->v = ARENA_ARRAY(r->arena, struct str, v->node->n);
	for (size_t i = 0; i < v->node->n; i++) {
		struct value item = value_item(r, v, i);
		struct str text;

		if (value_text(r, &item, &text) &&
			check_inner_path(r, &item, text, &paths->v[paths->n]))
			paths->n++;
	}
	check_distinct(r, v, paths);
}

/* One line of printable text: it goes into a script, between quotes. */
static bool
is_host_path(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	}
	return s.p[0] == '/' && s.n > 1 && s.n <= LONGEST_HOST_PATH && !has_parent_part(s);
}

void
read_host_paths(struct reading *r, const struct value *v, void *at, void *base)
{
	struct strings *paths = at;
	size_t bytes = 0;

	(void)base;
	if (!value_list(r, v))
		return;
	paths->v = ARENA_ARRAY(r->arena, struct str, v->node->n);
	for (size_t i = 0; i < v->node->n; i++) {
		struct value item = value_item(r, v, i);
		struct str text;

		if (!value_text(r, &item, &text))
			continue;
		bytes += text.n;
		if (is_host_path(text))
			paths->v[paths->n++] = text;
		else
			value_unexpected(r, &item, none);
	}
	check_distinct(r, v, paths);
	if (bytes > MOST_HOST_PATHS_BYTES)
		value_bad(r, v, none,
			"paths of %zu bytes in all, more than an instance can be told at its "
			"launch "
			"(%d); name folders, or patterns",
			bytes, MOST_HOST_PATHS_BYTES);
}

bool
is_s3(struct str s)
{
	return str_starts(s, STR("s3://"));
}

bool
check_s3(struct reading *r, const struct value *v, struct str url)
{
	struct str rest = str_from_index(url, 5), bucket = str_cut(&rest, '/');
	bool good = bucket.n >= 3 && bucket.n <= 63;

	for (size_t i = 0; i < bucket.n; i++) {
		char c = bucket.p[i];

		good &= (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
	}
	if (!good || !is_s3(url))
		value_unexpected(r, v, none);
	return good && is_s3(url);
}

/* "git@host:path": how ssh is written without a scheme. */
static bool
is_scp_like(struct str s)
{
	const char *at = s.n ? memchr(s.p, '@', s.n) : NULL;
	const char *colon = s.n ? memchr(s.p, ':', s.n) : NULL;

	return at && colon && at > s.p && at < colon && colon + 1 < s.p + s.n;
}

static bool
is_url(struct str s)
{
	return s.p && (memmem(s.p, s.n, "://", 3) || is_scp_like(s));
}

static bool
is_one_word(struct str s)
{
	if (s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] <= ' ')
			return false;
	}
	return true;
}

static void
clean_folder(struct reading *r, const struct value *v, struct str *path)
{
	struct str clean;

	if (!check_no_tilde(r, v, *path))
		return;
	clean = path_clean(r->arena, *path);
	*path = clean.n ? clean : STR(".");
}

static struct value
entry_of(struct reading *r, const struct value *map, const char *key)
{
	for (size_t i = 0; i < map->node->n; i++) {
		struct value v;

		if (!str_is(map->node->entries[i].key, key))
			continue;
		v = value_entry(r, map, i);
		v.key = schema_find(map->key->map, str_from(key));
		v.expected = v.key->expected;
		return v;
	}
	return *map;
}

static void
check_workdir(struct reading *r, const struct value *v, struct workdir *w)
{
	struct value url = entry_of(r, v, "url"), ref = entry_of(r, v, "ref"),
		     path = entry_of(r, v, "path");

	if (w->path.p && w->url.p) {
		value_bad(r, v, none, "path and url exclude each other");
	} else if (w->url.p) {
		w->kind = WORKDIR_URL;
		if (!is_url(w->url) && w->url.p[0] != '/')
			value_unexpected(r, &url, none);
		else if (!is_one_word(w->url))
			value_bad(r, &url, none, "a URL holds no blanks and begins with no '-'");
		if (w->ref.p && !is_one_word(w->ref))
			value_unexpected(r, &ref, none);
		if (!w->ref.p)
			w->ref = STR("HEAD");
	} else if (w->ref.p) {
		value_bad(r, &ref,
			STR("`furrow plan --rev REV` takes this repository at a revision"),
			"a ref goes with a url");
	} else if (w->path.p) {
		w->kind = WORKDIR_PATH;
		clean_folder(r, &path, &w->path);
	} else if (!v->node->n) {
		value_unexpected(r, v, none);
	}
}

void
read_workdir(struct reading *r, const struct value *v, void *at, void *base)
{
	struct workdir *w = at;
	struct str text;

	(void)base;
	*w = (struct workdir){.kind = WORKDIR_GIT, .pos = v->node->pos};
	if (v->node->kind == DOC_MAP) {
		read_mapping(r, v->key->map, v, w);
		check_workdir(r, v, w);
		return;
	}
	if (!value_text(r, v, &text))
		return;
	if (is_url(text)) {
		value_unexpected(
			r, v, arena_printf(r->arena, "did you mean {url: %.*s}?", STR_ARG(text)));
		return;
	}
	w->path = text;
	clean_folder(r, v, &w->path);
}

void
read_outputs(struct reading *r, const struct value *v, void *at, void *base)
{
	struct str text;

	(void)base;
	if (v->node->kind == DOC_LIST) {
		value_unexpected(r, v,
			STR("one folder: have the task move what is to be kept there, or to "
			    "$FURROW_OUT"));
		return;
	}
	if (value_text(r, v, &text))
		check_inner_path(r, v, text, at);
}

/* A results folder is furrow's to fill, so it is neither the manifest's own folder, nor one around
 * it, nor furrow's state. With templates, what stands before the first has to name it. */
static void
check_results(struct reading *r, const struct value *v, struct str text, struct str *out)
{
	size_t fixed = template_fixed(text);
	struct str folder = {.p = text.p, .n = fixed}, rest = str_from_index(text, fixed), clean;
	char quoted[DIAG_QUOTE_BYTES];

	diag_quote(quoted, text);
	if (!check_no_tilde(r, v, text))
		return;
	if (rest.n)
		folder = path_folder(folder);
	clean = path_clean(r->arena, folder);
	if (!clean.n || str_is(clean, "/") || str_is(clean, "..") || str_ends(clean, STR("/..")))
		value_bad(r, v, none, "%s names no folder of its own%s; expected %s", quoted,
			rest.n ? " before its first template" : "", v->expected);
	else if (path_within(clean, STR(".furrow")))
		value_bad(r, v, none, "%s lies in .furrow, which is furrow's own state", quoted);
	else if (has_parent_part(rest))
		value_bad(r, v, none, "%s has a part '..' behind a template", quoted);
	else
		*out = rest.n ? text : clean;
}

void
read_results(struct reading *r, const struct value *v, void *at, void *base)
{
	struct str text;

	(void)base;
	if (!value_scalar(r, v, &text))
		return;
	if (!text.n)
		value_bad(r, v, none, "empty; expected %s", v->expected);
	else if (!is_s3(text))
		check_results(r, v, text, at);
	else if (check_s3(r, v, (struct str){.p = text.p, .n = template_fixed(text)}))
		*(struct str *)at = text;
}

void
read_store(struct reading *r, const struct value *v, void *at, void *base)
{
	struct str text;

	(void)base;
	if (!value_text(r, v, &text))
		return;
	if (is_s3(text) ? !check_s3(r, v, text) : !check_no_tilde(r, v, text))
		return;
	if (!is_s3(text) && memmem(text.p, text.n, "://", 3))
		value_unexpected(r, v, none);
	else
		*(struct str *)at = text;
}
