/* manifest_environment: image, build, env, secrets. */
#include "planner/manifest_read.h"

#include "planner/suggest.h"

/* What the kernel takes as one string of an environment or a command line, NUL included
 * (MAX_ARG_STRLEN). */
enum { LONGEST_STRING = 128 << 10 };

static const struct str none = {0};

static bool
is_image_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._-/:@", c));
}

static bool
is_archive(struct str s, struct str *path)
{
	static const char *const transports[] = {"oci-archive:", "docker-archive:"};

	for (size_t i = 0; i < 2; i++) {
		struct str t = str_from(transports[i]);

		if (!str_starts(s, t))
			continue;
		*path = str_from_index(s, t.n);
		return true;
	}
	return false;
}

void
read_image(struct reading *r, const struct value *v, void *at, void *base)
{
	struct str s, path;
	size_t i = 0;

	(void)base;
	if (!value_text(r, v, &s))
		return;
	if (is_archive(s, &path)) {
		if (!path.n)
			value_bad(r, v, none, "'%.*s' names no file", STR_ARG(s));
		else
			*(struct str *)at = s;
		return;
	}
	while (i < s.n && is_image_char(s.p[i]))
		i++;
	if (str_starts(s, STR("docker://")))
		value_unexpected(
			r, v, suggest_hint(r->arena, arena_cstr(r->arena, str_from_index(s, 9))));
	else if (i < s.n || !is_image_char(s.p[0]) || strchr("-./:@", s.p[0]) ||
		 memmem(s.p, s.n, "//", 2) || strchr("/:@", s.p[s.n - 1]))
		value_unexpected(r, v, none);
	else
		*(struct str *)at = s;
}

void
read_build(struct reading *r, const struct value *v, void *at, void *base)
{
	struct build *b = at;

	(void)base;
	*b = (struct build){.context = STR("."), .dockerfile = STR("Dockerfile")};
	read_mapping(r, v->key->map, v, b);
}

static bool
is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
			    (i && c >= '0' && c <= '9')))
			return false;
	}
	return s.n > 0;
}

bool
check_variable(struct reading *r, const struct value *v, struct str name)
{
	char quoted[DIAG_QUOTE_BYTES];
	/* The name is what is wrong, not the value that may stand behind it. */
	struct value at = *v;

	if (v->node->kind != DOC_SCALAR || !str_eq(v->node->text, name))
		at.node = NULL;
	if (!is_name(name)) {
		value_bad(r, &at, none,
			"%s cannot name a variable; expected letters, digits and _, the first no "
			"digit",
			diag_quote(quoted, name));
		return false;
	}
	if (str_starts(name, STR("FURROW_")) || str_is(name, "TRACEPARENT")) {
		value_bad(r, &at, none, "%s is one of the variables that furrow sets itself",
			diag_quote(quoted, name));
		return false;
	}
	return true;
}

static struct str
env_hint(struct reading *r, const struct doc_node *n)
{
	struct str name, rest;

	if (n->kind != DOC_LIST || !n->n || n->items[0]->kind != DOC_SCALAR)
		return none;
	rest = n->items[0]->text;
	name = str_cut(&rest, '=');
	if (!rest.p || !is_name(name) || rest.n > 60)
		return none;
	return arena_printf(r->arena, "did you mean {%.*s: %.*s}?", STR_ARG(name), STR_ARG(rest));
}

static void
read_variable(struct reading *r, const struct value *v, struct pair *out)
{
	if (!check_variable(r, v, out->name))
		return;
	if (v->node->kind != DOC_SCALAR || doc_is_empty(v->node) || doc_is_null(v->node))
		value_bad(r, v, none, "%s; expected text (\"\" for an empty one)",
			doc_is_empty(v->node) ? "no value" : doc_kind_name(v->node));
	else if (out->name.n + v->node->text.n + 2 > LONGEST_STRING)
		value_bad(r, v, none, "%zu bytes are more than one variable can hold (128 KiB)",
			v->node->text.n);
	else
		out->value = v->node->text;
}

void
read_env(struct reading *r, const struct value *v, void *at, void *base)
{
	struct pairs *env = at;

	(void)base;
	if (v->node->kind != DOC_MAP) {
		value_unexpected(r, v, env_hint(r, v->node));
		return;
	}
	env->v = ARENA_ARRAY(r->arena, struct pair, v->node->n);
	for (size_t i = 0; i < v->node->n; i++) {
		struct value item = value_entry(r, v, i);

		env->v[env->n].name = v->node->entries[i].key;
		read_variable(r, &item, &env->v[env->n++]);
	}
}

static bool
holds(const struct pairs *pairs, struct str name)
{
	for (size_t i = 0; i < pairs->n; i++) {
		if (str_eq(pairs->v[i].name, name))
			return true;
	}
	return false;
}

void
read_secrets(struct reading *r, const struct value *v, void *at, void *base)
{
	const struct environment *e = base;
	struct strings *secrets = at;

	if (v->node->kind == DOC_MAP) {
		value_unexpected(r, v, STR("names alone: values are taken from your environment"));
		return;
	}
	if (!value_list(r, v))
		return;
	secrets->v = ARENA_ARRAY(r->arena, struct str, v->node->n);
	for (size_t i = 0; i < v->node->n; i++) {
		struct value item = value_item(r, v, i);
		struct str name;

		if (!value_text(r, &item, &name) || !check_variable(r, &item, name))
			continue;
		if (holds(&e->env, name))
			value_bad(r, &item, none, "'%.*s' is in environment.env as well; keep one",
				STR_ARG(name));
		secrets->v[secrets->n++] = name;
	}
	check_distinct(r, v, secrets);
}
