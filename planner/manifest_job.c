/* manifest_job: name, entrypoint, map inputs, retry. */
#include "planner/manifest_read.h"

#include "planner/suggest.h"
#include "planner/units.h"

#include <stdlib.h>

enum {
	LONGEST_NAME = 40,
	LONGEST_STRING = 128 << 10 /* of a command line, for the kernel (MAX_ARG_STRLEN) */
};

static const struct str none = {0};

static bool
is_job_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && (i == 0 || (c != '-' && !(c >= '0' && c <= '9'))))
			return false;
	}
	return s.n && s.n <= LONGEST_NAME;
}

/* "Word Count_2" to "word-count-2" */
static struct str
name_meant(struct reading *r, struct str s)
{
	char name[LONGEST_NAME];
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (n == sizeof(name))
			return none;
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		name[n++] = (char)(strchr("_ ./", c) ? '-' : c);
	}
	if (!is_job_name((struct str){.p = name, .n = n}))
		return none;
	return arena_printf(r->arena, "did you mean '%.*s'?", (int)n, name);
}

void
read_name(struct reading *r, const struct value *v, void *at, void *base)
{
	struct str s;

	(void)base;
	if (!value_scalar(r, v, &s))
		return;
	if (is_job_name(s))
		*(struct str *)at = s;
	else
		value_unexpected(r, v, name_meant(r, s));
}

static bool
check_command_text(struct reading *r, const struct value *v, struct str s)
{
	if (s.n < LONGEST_STRING)
		return true;
	value_bad(r, v, none,
		"%zu bytes are more than one argument can hold (128 KiB); put it in a script", s.n);
	return false;
}

static void
read_argv(struct reading *r, const struct value *v, struct entrypoint *e)
{
	if (!value_list(r, v))
		return;
	e->is_list = true;
	e->argv.v = ARENA_ARRAY(r->arena, struct str, v->node->n);
	for (size_t i = 0; i < v->node->n; i++) {
		struct value item = value_item(r, v, i);
		struct str s;

		if (!value_scalar(r, &item, &s) || !check_command_text(r, &item, s))
			continue;
		if (i == 0 && !s.n)
			value_bad(r, &item, none, "the program has an empty name");
		e->argv.v[e->argv.n++] = s;
	}
}

void
read_entrypoint(struct reading *r, const struct value *v, void *at, void *base)
{
	struct entrypoint *e = at;
	struct str s;

	(void)base;
	e->pos = v->node->pos;
	if (v->node->kind == DOC_LIST) {
		read_argv(r, v, e);
		return;
	}
	if (!value_scalar(r, v, &s) || !check_command_text(r, v, s))
		return;
	if (str_trim(s).n)
		e->shell = s;
	else
		value_bad(r, v, none, "empty; expected %s", v->expected);
}

static int
compare_texts(const void *a, const void *b)
{
	const struct str *const *x = a, *const *y = b;
	int c = str_cmp(**x, **y);

	/* Equal ones in their order, so that the second one is told of. */
	return c ? c : *x < *y ? -1 : *x > *y;
}

void
check_distinct(struct reading *r, const struct value *list, const struct strings *values)
{
	const struct str **v;
	char quoted[DIAG_QUOTE_BYTES];

	/* Items that were wrong in themselves were left out: then places no longer fit. */
	if (values->n != list->node->n)
		return;
	v = ARENA_ARRAY(r->arena, const struct str *, values->n);
	for (size_t i = 0; i < values->n; i++)
		v[i] = &values->v[i];
	qsort(v, values->n, sizeof(struct str *), compare_texts);
	for (size_t i = 1; i < values->n; i++) {
		struct value item;

		if (!str_eq(*v[i - 1], *v[i]))
			continue;
		item = value_item(r, list, (size_t)(v[i] - values->v));
		value_bad(r, &item, none, "%s is in the list already", diag_quote(quoted, *v[i]));
	}
}

static void
read_values(struct reading *r, const struct value *v, struct strings *out)
{
	if (!value_list(r, v))
		return;
	out->v = ARENA_ARRAY(r->arena, struct str, v->node->n);
	for (size_t i = 0; i < v->node->n; i++) {
		struct value item = value_item(r, v, i);
		struct str s;

		if (value_scalar(r, &item, &s) && check_command_text(r, &item, s))
			out->v[out->n++] = s;
	}
	check_distinct(r, v, out);
}

static bool
is_taken(const struct reading *r, struct str name)
{
	const struct environment *e = &r->manifest->environment;

	for (size_t i = 0; i < e->env.n; i++) {
		if (str_eq(e->env.v[i].name, name))
			return true;
	}
	for (size_t i = 0; i < e->secrets.n; i++) {
		if (str_eq(e->secrets.v[i], name))
			return true;
	}
	return false;
}

static void
read_axis(struct reading *r, const struct value *v, struct axis *axis)
{
	static const struct schema_key key = {.name = "matrix",
		.expected = "a list of values, such as [1, 2]",
		.each = "a value: text or a number"};
	struct value values = *v;

	values.key = &key;
	values.expected = key.expected;
	if (check_variable(r, v, axis->name) && is_taken(r, axis->name))
		value_bad(r, v, none, "'%.*s' is a variable in the environment already",
			STR_ARG(axis->name));
	read_values(r, &values, &axis->values);
}

static void
read_matrix(struct reading *r, const struct value *v, struct map *map)
{
	int64_t product = 1;

	if (v->node->kind != DOC_MAP || !v->node->n) {
		value_unexpected(r, v, none);
		return;
	}
	map->axes = ARENA_ARRAY(r->arena, struct axis, v->node->n);
	for (size_t i = 0; i < v->node->n; i++) {
		struct axis *axis = &map->axes[map->n_axes++];
		struct value item = value_entry(r, v, i);

		axis->name = v->node->entries[i].key;
		read_axis(r, &item, axis);
		if (product <= MANIFEST_MAX_TASKS)
			product *= (int64_t)(axis->values.n ? axis->values.n : 1);
	}
	if (product > MANIFEST_MAX_TASKS)
		value_bad(r, v, none, "more than %d combinations are too many tasks for one job",
			MANIFEST_MAX_TASKS);
}

/* A bucket alone names no objects. */
static void
check_objects(struct reading *r, const struct value *v, struct str url)
{
	struct str key = str_from_index(url, 5), bucket;

	if (!check_s3(r, v, url))
		return;
	bucket = str_cut(&key, '/');
	if (key.n == 0)
		value_unexpected(r, v,
			arena_printf(r->arena, "all of its objects are \"s3://%.*s/**\"",
				STR_ARG(bucket)));
}

/* {file: …} and the like: one of them. */
static void
read_inputs_map(struct reading *r, const struct value *v, struct map *map)
{
	static const enum map_kind kinds[] = {MAP_FILE, MAP_S3, MAP_COUNT, MAP_MATRIX};
	const struct schema *s = v->key->map;
	const struct doc_node *n = v->node;
	size_t known = 0;

	read_mapping(r, s, v, map);
	for (size_t i = 0; i < n->n; i++) {
		const struct schema_key *key = schema_find(s, n->entries[i].key);
		struct value item = value_entry(r, v, i);

		if (!key)
			continue;
		known++;
		item.key = key;
		item.expected = key->expected;
		map->kind = kinds[key - s->keys];
		if (map->kind == MAP_MATRIX)
			read_matrix(r, &item, map);
		else if (map->kind == MAP_S3 && map->glob.p)
			check_objects(r, &item, map->glob);
	}
	if (known > 1)
		value_bad(r, v, none,
			"file, s3, count and matrix exclude each other; expected one of them");
	else if (!n->n)
		value_unexpected(r, v, none);
}

static void
read_glob(struct reading *r, const struct value *v, struct map *map)
{
	struct unit_problem why;
	struct str text, ignored;
	int64_t count;

	if (!value_text(r, v, &text))
		return;
	if (v->node->plain && units_count(text, 0, INT64_MAX, &count, &why))
		value_unexpected(
			r, v, arena_printf(r->arena, "did you mean {count: %.*s}?", STR_ARG(text)));
	else if (is_s3(text))
		value_unexpected(r, v,
			arena_printf(r->arena, "did you mean {s3: \"%.*s\"}?", STR_ARG(text)));
	else if (check_inner_path(r, v, text, &ignored))
		map->glob = str_starts(text, STR("./")) ? str_from_index(text, 2) : text;
}

void
read_inputs(struct reading *r, const struct value *v, void *at, void *base)
{
	struct map *map = base;

	(void)at;
	switch (v->node->kind) {
	case DOC_SCALAR:
		map->kind = MAP_GLOB;
		read_glob(r, v, map);
		break;
	case DOC_LIST:
		map->kind = MAP_VALUES;
		read_values(r, v, &map->values);
		break;
	case DOC_MAP:
		read_inputs_map(r, v, map);
		break;
	}
}

static const struct {
	const char *name;
	enum retry_for bit;
} reasons[] = {{"interruption", RETRY_INTERRUPTION}, {"no-capacity", RETRY_NO_CAPACITY},
	{"error", RETRY_ERROR}, {"timeout", RETRY_TIMEOUT}};
enum { N_REASONS = sizeof(reasons) / sizeof(*reasons) };

static unsigned
read_reason(struct reading *r, const struct value *v)
{
	const char *names[N_REASONS];
	struct str s;

	if (!value_text(r, v, &s))
		return 0;
	for (size_t i = 0; i < N_REASONS; i++) {
		names[i] = reasons[i].name;
		if (str_is(s, names[i]))
			return reasons[i].bit;
	}
	value_unexpected(r, v, suggest_hint(r->arena, suggest_nearest(s, names, N_REASONS)));
	return 0;
}

void
read_retry_for(struct reading *r, const struct value *v, void *at, void *base)
{
	unsigned *mask = at;

	(void)base;
	if (!value_list(r, v))
		return;
	*mask = 0;
	for (size_t i = 0; i < v->node->n; i++) {
		struct value item = value_item(r, v, i);

		*mask |= read_reason(r, &item);
	}
}

void
read_exit_codes(struct reading *r, const struct value *v, void *at, void *base)
{
	struct retry *retry = base;
	struct unit_problem why;

	(void)at;
	if (!value_list(r, v))
		return;
	if (!(retry->for_mask & RETRY_ERROR))
		value_bad(r, v, none,
			"exit codes are looked at only when retry.for has 'error' in it");
	retry->exit_codes = ARENA_ARRAY(r->arena, int, v->node->n);
	for (size_t i = 0; i < v->node->n; i++) {
		struct value item = value_item(r, v, i);
		struct str s;
		int64_t code;

		if (!value_scalar(r, &item, &s))
			continue;
		if (units_count(s, v->key->least, v->key->most, &code, &why))
			retry->exit_codes[retry->n_exit_codes++] = (int)code;
		else
			value_bad_unit(r, &item, &why);
	}
}
