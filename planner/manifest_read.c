/* manifest_read: the driver that walks a mapping by its table, and the types that need no more than
 * a line each. */
#include "planner/manifest_read.h"

#include "planner/suggest.h"
#include "planner/units.h"

#include <stdarg.h>
#include <stdio.h>

static const struct str none = {0};

static struct pos
place_of(const struct value *v)
{
	/* An empty value has no place of its own: its key is what people look at. */
	return v->node && !doc_is_empty(v->node) ? v->node->pos : v->key_pos;
}

void
value_bad(struct reading *r, const struct value *v, struct str hint, const char *fmt, ...)
{
	struct buf text = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	diag_add(r->diags, DIAG_ERROR, place_of(v), hint, "%.*s%s%s", STR_ARG(v->path),
		v->path.n ? ": " : "", buf_cstr(&text));
	buf_free(&text);
}

void
value_unexpected(struct reading *r, const struct value *v, struct str hint)
{
	const struct doc_node *n = v->node;
	char quoted[DIAG_QUOTE_BYTES];

	if (doc_is_empty(n))
		value_bad(r, v, hint, "no value; expected %s", v->expected);
	else if (n->kind == DOC_SCALAR && !doc_is_null(n))
		value_bad(r, v, hint, "%s; expected %s", diag_quote(quoted, n->text), v->expected);
	else
		value_bad(r, v, hint, "found %s; expected %s", doc_kind_name(n), v->expected);
}

void
value_bad_unit(struct reading *r, const struct value *v, const struct unit_problem *why)
{
	value_bad(r, v, suggest_hint(r->arena, why->proposal[0] ? why->proposal : NULL), "%s",
		why->message);
}

struct value
value_item(struct reading *r, const struct value *list, size_t i)
{
	return (struct value){.key = list->key,
		.expected = list->key->each ? list->key->each : list->expected,
		.path = arena_printf(r->arena, "%.*s[%zu]", STR_ARG(list->path), i),
		.key_pos = list->key_pos,
		.node = list->node->items[i]};
}

struct value
value_entry(struct reading *r, const struct value *map, size_t i)
{
	const struct doc_entry *e = &map->node->entries[i];

	return (struct value){.key = map->key,
		.expected = map->expected,
		.path = arena_printf(r->arena, "%.*s%s%.*s", STR_ARG(map->path),
			map->path.n ? "." : "", STR_ARG(e->key)),
		.key_pos = e->pos,
		.node = e->value};
}

bool
value_scalar(struct reading *r, const struct value *v, struct str *out)
{
	if (v->node->kind != DOC_SCALAR || doc_is_empty(v->node)) {
		value_unexpected(r, v, none);
		return false;
	}
	if (doc_is_null(v->node)) {
		value_bad(r, v, STR("leave the key out, or put the word in quotes if it is meant"),
			"null; expected %s", v->expected);
		return false;
	}
	*out = v->node->text;
	return true;
}

bool
value_text(struct reading *r, const struct value *v, struct str *out)
{
	struct str text;

	if (!value_scalar(r, v, &text))
		return false;
	if (!str_trim(text).n) {
		value_bad(r, v, none, "empty; expected %s", v->expected);
		return false;
	}
	if (memmem(text.p, text.n, "${{", 3)) {
		value_bad(r, v, none,
			"'${{' has no meaning here: templates are replaced in entrypoint, "
			"environment.env and results alone");
		return false;
	}
	*out = text;
	return true;
}

bool
value_list(struct reading *r, const struct value *v)
{
	const struct doc_node *n = v->node;

	if (n->kind == DOC_LIST && n->n)
		return true;
	if (n->kind == DOC_LIST)
		value_bad(r, v, none, "an empty list; expected %s", v->expected);
	else if (n->kind == DOC_SCALAR && n->text.n && n->text.n < 40 && !doc_is_null(n))
		value_unexpected(
			r, v, arena_printf(r->arena, "did you mean [%.*s]?", STR_ARG(n->text)));
	else
		value_unexpected(r, v, none);
	return false;
}

static void
read_text(struct reading *r, const struct value *v, void *at, void *base)
{
	(void)base;
	value_text(r, v, at);
}

/* "yes", "On", "FALSE" and the like: what other readers of YAML would take. */
static const char *
bool_meant(struct str s)
{
	static const char *const words[][5] = {
		{"true", "yes", "on", "y", "1"}, {"false", "no", "off", "n", "0"}};

	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < 5; k++) {
			if (suggest_distance(s, str_from(words[i][k]), 0) == 0)
				return words[i][0];
		}
	}
	return NULL;
}

static void
read_bool(struct reading *r, const struct value *v, void *at, void *base)
{
	struct str s;

	(void)base;
	if (!value_scalar(r, v, &s))
		return;
	if (str_is(s, "true") || str_is(s, "false"))
		*(bool *)at = str_is(s, "true");
	else
		value_unexpected(r, v, suggest_hint(r->arena, bool_meant(s)));
}

static const char *
word_meant(const char *const *words, struct str s)
{
	static const char *const archs[][2] = {{"amd64", "x86_64"}, {"x64", "x86_64"},
		{"linux/amd64", "x86_64"}, {"aarch64", "arm64"}, {"arm", "arm64"},
		{"linux/arm64", "arm64"}};
	const char *synonym = bool_meant(s);
	size_t n = 0;

	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		if (str_is(s, archs[i][0]))
			synonym = archs[i][1];
	}
	for (; words[n]; n++) {
		if (synonym && strcmp(words[n], synonym) == 0)
			return synonym;
	}
	return suggest_nearest(s, words, n);
}

static void
read_word(struct reading *r, const struct value *v, void *at, void *base)
{
	struct str s;

	(void)base;
	if (!value_scalar(r, v, &s))
		return;
	for (int i = 0; v->key->words[i]; i++) {
		if (str_is(s, v->key->words[i])) {
			*(int *)at = i;
			return;
		}
	}
	value_unexpected(r, v, suggest_hint(r->arena, word_meant(v->key->words, s)));
}

static void
read_count(struct reading *r, const struct value *v, void *at, void *base)
{
	struct unit_problem why;
	struct str s;
	int64_t n;

	(void)base;
	if (!value_scalar(r, v, &s))
		return;
	if (units_count(s, v->key->least, v->key->most, &n, &why))
		*(int64_t *)at = n;
	else
		value_bad_unit(r, v, &why);
}

static void
read_duration(struct reading *r, const struct value *v, void *at, void *base)
{
	struct unit_problem why;
	struct str s;
	int64_t ns;

	(void)base;
	if (!value_scalar(r, v, &s))
		return;
	if (!units_duration(s, &ns, &why))
		value_bad_unit(r, v, &why);
	else if (ns < v->key->least)
		value_bad(r, v, none, "%.*s is too short; leave the key out for no limit",
			STR_ARG(s));
	else
		*(int64_t *)at = ns;
}

static void
read_money(struct reading *r, const struct value *v, void *at, void *base)
{
	struct unit_problem why;
	struct str s;
	double usd;

	(void)base;
	if (!value_scalar(r, v, &s))
		return;
	if (!units_money(s, &usd, &why))
		value_bad_unit(r, v, &why);
	else if (usd <= 0)
		value_bad(r, v, none, "%.*s allows nothing; leave the key out for no limit",
			STR_ARG(s));
	else
		*(double *)at = usd;
}

static void
read_count_range(struct reading *r, const struct value *v, void *at, void *base)
{
	struct unit_problem why;
	struct range range;
	struct str s;

	(void)base;
	if (!value_scalar(r, v, &s))
		return;
	if (units_count_range(s, v->key->least, &range, &why))
		*(struct range *)at = range;
	else
		value_bad_unit(r, v, &why);
}

static void
read_size_range(struct reading *r, const struct value *v, void *at, void *base)
{
	struct unit_problem why;
	struct range range;
	struct str s;

	(void)base;
	if (!value_scalar(r, v, &s))
		return;
	if (units_size_range(s, &range, &why))
		*(struct range *)at = range;
	else
		value_bad_unit(r, v, &why);
}

static void
read_size(struct reading *r, const struct value *v, void *at, void *base)
{
	struct unit_problem why;
	struct str s;
	int64_t bytes;

	(void)base;
	if (!value_scalar(r, v, &s))
		return;
	if (units_size(s, &bytes, &why))
		*(int64_t *)at = bytes;
	else
		value_bad_unit(r, v, &why);
}

static void
read_rate(struct reading *r, const struct value *v, void *at, void *base)
{
	struct unit_problem why;
	struct str s;
	int64_t bytes_per_s;

	(void)base;
	if (!value_scalar(r, v, &s))
		return;
	if (!units_rate(s, &bytes_per_s, &why))
		value_bad_unit(r, v, &why);
	else if (bytes_per_s < v->key->least || bytes_per_s > v->key->most)
		value_unexpected(r, v, none);
	else
		*(int64_t *)at = bytes_per_s;
}

static void
read_map(struct reading *r, const struct value *v, void *at, void *base)
{
	(void)base;
	read_mapping(r, v->key->map, v, at);
}

static const read_fn readers[KEY_TYPE_COUNT] = {
	[KEY_TEXT] = read_text,
	[KEY_BOOL] = read_bool,
	[KEY_WORD] = read_word,
	[KEY_COUNT] = read_count,
	[KEY_DURATION] = read_duration,
	[KEY_MONEY] = read_money,
	[KEY_COUNT_RANGE] = read_count_range,
	[KEY_SIZE_RANGE] = read_size_range,
	[KEY_MAP] = read_map,
	[KEY_NAME] = read_name,
	[KEY_IMAGE] = read_image,
	[KEY_BUILD] = read_build,
	[KEY_INNER_PATH] = read_inner_path,
	[KEY_INNER_PATHS] = read_inner_paths,
	[KEY_HOST_PATHS] = read_host_paths,
	[KEY_ENV] = read_env,
	[KEY_SECRETS] = read_secrets,
	[KEY_WORKDIR] = read_workdir,
	[KEY_INFRA] = read_infra,
	[KEY_GPUS] = read_gpus,
	[KEY_DISK] = read_disk,
	[KEY_SIZE] = read_size,
	[KEY_RATE] = read_rate,
	[KEY_TYPE] = read_type,
	[KEY_AMI] = read_ami,
	[KEY_ANY_OF] = read_any_of,
	[KEY_ENTRYPOINT] = read_entrypoint,
	[KEY_INPUTS] = read_inputs,
	[KEY_OUTPUTS] = read_outputs,
	[KEY_RESULTS] = read_results,
	[KEY_STORE] = read_store,
	[KEY_RETRY_FOR] = read_retry_for,
	[KEY_EXIT_CODES] = read_exit_codes,
};

static bool
looks_like_variable(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!((s.p[i] >= 'A' && s.p[i] <= 'Z') || s.p[i] == '_' ||
			    (i && s.p[i] >= '0' && s.p[i] <= '9')))
			return false;
	}
	return s.n > 1;
}

static void
unknown_key(struct reading *r, const struct schema *s, const struct value *map,
	const struct doc_entry *e)
{
	char quoted[DIAG_QUOTE_BYTES];
	struct str hint = schema_hint(r->arena, s, e->key);

	if (s == &schema_environment && looks_like_variable(e->key))
		hint = arena_printf(r->arena, "did you mean 'env: {%.*s: …}'?", STR_ARG(e->key));
	diag_add(r->diags, DIAG_ERROR, e->pos, hint, "%.*s%sunknown key %s", STR_ARG(map->path),
		map->path.n ? ": " : "", diag_quote(quoted, e->key));
}

static void
read_entries(
	struct reading *r, const struct schema *s, const struct value *map, void *base, bool late)
{
	for (size_t i = 0; i < map->node->n; i++) {
		const struct schema_key *key = schema_find(s, map->node->entries[i].key);
		struct value v;

		if (!key || !!(key->flags & KEY_LATE) != late || !readers[key->type])
			continue;
		v = value_entry(r, map, i);
		v.key = key;
		v.expected = key->expected;
		if (key->at_pos)
			*(struct pos *)(void *)((char *)base + key->at_pos) = place_of(&v);
		readers[key->type](r, &v, (char *)base + key->at, base);
	}
}

static void
check_keys(struct reading *r, const struct schema *s, const struct value *map)
{
	for (size_t i = 0; i < map->node->n; i++) {
		if (!schema_find(s, map->node->entries[i].key))
			unknown_key(r, s, map, &map->node->entries[i]);
	}
	for (size_t i = 0; i < s->n; i++) {
		const struct schema_key *key = &s->keys[i];
		struct pos pos = map->key_pos.line ? map->key_pos : map->node->pos;

		if ((key->flags & KEY_REQUIRED) && !doc_find(map->node, key->name))
			diag_add(r->diags, DIAG_ERROR, pos, none,
				"%.*s%s'%s' is missing; expected %s", STR_ARG(map->path),
				map->path.n ? ": " : "", key->name, key->expected);
	}
}

static struct str
mapping_hint(struct reading *r, const struct schema *s, const struct value *v)
{
	const struct doc_node *n = v->node;

	if (!s->short_for || n->kind != DOC_SCALAR || !n->text.n || n->text.n > 60 ||
		doc_is_null(n))
		return none;
	return arena_printf(r->arena, "did you mean {%s: %.*s}?", s->short_for, STR_ARG(n->text));
}

void
read_mapping(struct reading *r, const struct schema *s, const struct value *v, void *base)
{
	if (v->node->kind != DOC_MAP) {
		value_unexpected(r, v, mapping_hint(r, s, v));
		return;
	}
	check_keys(r, s, v);
	read_entries(r, s, v, base, false);
	read_entries(r, s, v, base, true);
}
