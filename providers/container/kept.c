/* kept: the images that furrow made, told from others by the repository that they are named in: which there are, and removing
 * them.
 *
 * Setups and builds have the name of their job in a label. What was fetched or loaded is as its maker made it, and may serve
 * any job. */
#include "providers/container/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

/* What begins so in an image's names is furrow's. */
static const struct {
	const char *start, *label;
} kinds[] = {
	[KEPT_SETUP] = {"localhost/furrow-env:", "furrow.job"},
	[KEPT_BUILD] = {"localhost/furrow-build:", BUILT_FOR_LABEL},
	[KEPT_IMAGE] = {"localhost/furrow-image:", NULL},
};

/* -1: not one of furrow's names. */
static int
kind_of(struct str name)
{
	for (int i = 0; i < (int)(sizeof(kinds) / sizeof(kinds[0])); i++) {
		if (str_starts(name, str_from(kinds[i].start)))
			return i;
	}
	return -1;
}

/* "2026-01-31T12:00:00.123456789Z", or with "+01:00"; 0 for anything else. */
static int64_t
parse_time_ns(const char *text)
{
	struct tm tm = {0};
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t part = 0, unit = NS_PER_S / 10;
	long east_s;

	if (!rest)
		return 0;
	if (*rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			part += (*rest - '0') * unit;
	}
	if (!strptime(rest, "%z", &tm))
		return 0;
	east_s = tm.tm_gmtoff; /* timegm takes it for its own */
	return ((int64_t)timegm(&tm) - east_s) * NS_PER_S + part;
}

/* Whether nobody but furrow has a name for it; then fills names and kind. */
static bool
is_kept(struct arena *a, const json_t *names, struct kept_image *out)
{
	const json_t *item;
	size_t i;

	out->names.v = ARENA_ARRAY(a, struct str, json_array_size(names));
	json_array_foreach(names, i, item)
	{
		struct str name = arena_str(a, str_from(json_string_value(item)));
		int kind = kind_of(name);

		if (kind < 0)
			return false;
		out->kind = (enum kept_kind)kind;
		out->names.v[out->names.n++] = name;
	}
	return out->names.n > 0;
}

/* What a line is made of. podman knows the id by its name in Go, and translates {{.Id}} alone. */
static const char line_format[] = "\"{{.Id}}\",{{json .Size}},{{json .Created}},{{json .RepoTags}},"
				  "{{json .Config.Labels}}";

static json_t *
parse_line(struct str line)
{
	struct buf b = {0};
	json_t *list;

	buf_addf(&b, "[%.*s]", STR_ARG(line));
	list = json_loads(buf_cstr(&b), 0, NULL);
	buf_free(&b);
	return list;
}

/* Whether it is furrow's, and of the job. */
static bool
read_image(struct arena *a, struct str line, const char *job, struct kept_image *out)
{
	json_t *list = parse_line(line);
	const char *label;
	bool wanted = list && is_kept(a, json_array_get(list, 3), out);

	if (wanted) {
		out->id = arena_str(a, str_from(json_string_value(json_array_get(list, 0))));
		if (str_starts(out->id, STR("sha256:")))
			out->id = str_from_index(out->id, 7);
		out->bytes = json_integer_value(json_array_get(list, 1));
		out->made_ns = parse_time_ns(json_string_value(json_array_get(list, 2)));
		label = kinds[out->kind].label;
		if (label)
			out->job = arena_str(a, str_from(json_string_value(json_object_get(
							json_array_get(list, 4), label))));
		wanted = !job || out->kind == KEPT_IMAGE || str_is(out->job, job);
	}
	json_decref(list);
	return wanted;
}

/* The ids of all that has a name of furrow's, each once. */
static int
add_ids(struct engine_handle *e, struct words *inspect, struct error *err)
{
	struct words w = {.arena = inspect->arena};
	struct buf out = {0}, errs = {0};
	size_t first = inspect->n;
	struct str rest;
	int rc;

	WORDS_ADD(
		&w, "images", "--quiet", "--no-trunc", "--filter", "reference=localhost/furrow-*");
	rc = engine_call(e, &w, &out, &errs, QUICK_CALL_S * NS_PER_S, err);
	if (rc > 0)
		rc = engine_failed(e, err, rc, &errs, "list images");
	rest = str_trim(buf_str(&out));
	while (rc == 0 && rest.n) {
		struct str id = str_trim(str_cut(&rest, '\n'));
		bool known = id.n == 0;

		for (size_t i = first; !known && i < inspect->n; i++)
			known = str_is(id, inspect->v[i]);
		if (!known)
			words_add(inspect, arena_cstr(inspect->arena, id));
	}
	buf_free(&out);
	buf_free(&errs);
	return rc < 0 ? rc : (int)(inspect->n - first);
}

int
engine_list_images(struct engine_handle *e, struct arena *a, const char *job,
	struct kept_images *out, struct error *err)
{
	struct words w = {.arena = a};
	struct buf text = {0}, errs = {0};
	struct str rest;
	int n, rc;

	*out = (struct kept_images){0};
	WORDS_ADD(&w, "image", "inspect", "--format", line_format);
	n = add_ids(e, &w, err);
	if (n <= 0)
		return n;
	rc = engine_call(e, &w, &text, &errs, QUICK_CALL_S * NS_PER_S, err);
	/* One may go meanwhile; the others are told all the same. */
	if (rc > 0 && engine_says_absent(buf_str(&errs)))
		rc = 0;
	else if (rc > 0)
		rc = engine_failed(e, err, rc, &errs, "inspect images");
	out->v = ARENA_ARRAY(a, struct kept_image, (size_t)n);
	rest = str_trim(buf_str(&text));
	while (rc == 0 && rest.n && out->n < (size_t)n) {
		struct kept_image one = {0};

		if (read_image(a, str_cut(&rest, '\n'), job, &one))
			out->v[out->n++] = one;
	}
	buf_free(&text);
	buf_free(&errs);
	return rc;
}

static bool
says_in_use(struct str said)
{
	static const char *const words[] = {"in use by a container",
		"is using its referenced image", "is being used by", "dependent child images"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (said.n && memmem(said.p, said.n, words[i], strlen(words[i])))
			return true;
	}
	return false;
}

int
engine_remove_image(
	struct engine_handle *e, const struct kept_image *image, bool *in_use, struct error *err)
{
	struct arena a = {0};
	int rc = 0;

	*in_use = false;
	/* Name by name: an engine that refuses one may leave out those behind it. */
	for (size_t i = 0; rc == 0 && !*in_use && i < image->names.n; i++) {
		const char *name = arena_cstr(&a, image->names.v[i]);
		struct words w = {.arena = &a};
		struct buf errs = {0};

		WORDS_ADD(&w, "rmi", name);
		rc = engine_call(e, &w, NULL, &errs, -1, err);
		*in_use = rc > 0 && says_in_use(buf_str(&errs));
		if (rc > 0 && (*in_use || engine_says_absent(buf_str(&errs))))
			rc = 0;
		else if (rc > 0)
			rc = engine_failed(e, err, rc, &errs, "remove image %s", name);
		buf_free(&errs);
	}
	arena_free(&a);
	return rc;
}
