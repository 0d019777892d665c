/* manifest_together: what no key shows alone: templates, and keys that contradict each other. */
#include "planner/manifest_read.h"

#include "planner/template.h"
#include "planner/units.h"

static const struct str none = {0};

/* The nth "${{" of a text, with its "}}" or to the end of the text; a "$${{" is none, but is
 * counted by `nth`, as the source holds it too. */
static bool
next_template(struct str *rest, size_t *nth, struct str *out)
{
	for (;;) {
		struct str at = str_from_index(*rest, template_fixed(*rest));
		const char *end;

		if (!at.p || !at.n)
			return false;
		++*nth;
		if (str_starts(at, STR("$${{"))) {
			*rest = str_from_index(at, 4);
			continue;
		}
		end = memmem(at.p, at.n, "}}", 2);
		if (!end && memchr(at.p, '\n', at.n))
			at.n = (size_t)((const char *)memchr(at.p, '\n', at.n) - at.p);
		*out = (struct str){.p = at.p, .n = end ? (size_t)(end - at.p) + 2 : at.n};
		*rest = end ? str_from_index(at, out->n) : none;
		return true;
	}
}

static void
check_text(struct reading *r, struct str path, const struct doc_node *n)
{
	struct str rest, one;
	size_t nth = 0;

	if (n->kind != DOC_SCALAR)
		return;
	rest = n->text;
	while (next_template(&rest, &nth, &one)) {
		const char *eol = memchr(one.p, '\n', one.n);
		size_t len = eol ? (size_t)(eol - one.p) : one.n;
		struct str hint;
		struct error err;
		unsigned uses = 0;

		if (template_check(r->arena, one, &r->manifest->map, &uses, &hint, &err))
			diag_add(r->diags, DIAG_ERROR, doc_pos_within(n, "${{", nth - 1, len), hint,
				"%.*s: %s", STR_ARG(path), err.message);
	}
}

static void
check_all(struct reading *r, struct str path, const struct doc_node *n)
{
	if (n->kind == DOC_SCALAR)
		check_text(r, path, n);
	for (size_t i = 0; n->kind == DOC_LIST && i < n->n; i++)
		check_text(r, arena_printf(r->arena, "%.*s[%zu]", STR_ARG(path), i), n->items[i]);
	for (size_t i = 0; n->kind == DOC_MAP && i < n->n; i++)
		check_text(r,
			arena_printf(
				r->arena, "%.*s.%.*s", STR_ARG(path), STR_ARG(n->entries[i].key)),
			n->entries[i].value);
}

/* Every "${{ }}" in the scalars of entrypoint, env and results names something that the map has. */
static void
check_templates(struct reading *r, const struct doc_node *root)
{
	const struct doc_entry *entrypoint = doc_find(root, "entrypoint");
	const struct doc_entry *results = doc_find(root, "results");
	const struct doc_entry *environment = doc_find(root, "environment");
	const struct doc_entry *env = environment ? doc_find(environment->value, "env") : NULL;

	if (entrypoint)
		check_all(r, entrypoint->key, entrypoint->value);
	if (results)
		check_all(r, results->key, results->value);
	if (env)
		check_all(r, STR("environment.env"), env->value);
}

static void
check_environment(struct reading *r)
{
	const struct environment *e = &r->manifest->environment;

	if (e->pos_image.line && e->pos_build.line)
		diag_add(r->diags, DIAG_ERROR, e->pos_build,
			str_eq(e->pos_image.file, e->pos_build.file)
				? none
				: STR("a null (image: ~ or build: ~) takes away what `extends` "
				      "brought in"),
			"environment.build: an environment has an image or is built, not both; "
			"image stands in %.*s:%u",
			STR_ARG(e->pos_image.file), e->pos_image.line);
	if (e->setup_files.n && !e->pos_setup.line)
		diag_add(r->diags, DIAG_WARNING, e->pos_setup_files, none,
			"environment.setup_files: without a 'setup' they have no effect");
}

static void
check_limits(struct reading *r)
{
	const struct manifest *m = r->manifest;
	struct str timeout, whole;

	if (m->timeout_ns < 0 || m->max_duration_ns < 0 || m->timeout_ns <= m->max_duration_ns)
		return;
	timeout = units_format_duration(r->arena, m->timeout_ns);
	whole = units_format_duration(r->arena, m->max_duration_ns);
	diag_add(r->diags, DIAG_WARNING, m->pos_timeout, none,
		"timeout: %.*s for one attempt is more than max_duration allows the whole run "
		"(%.*s)",
		STR_ARG(timeout), STR_ARG(whole));
}

void
check_together(struct reading *r, const struct doc_node *root)
{
	check_environment(r);
	check_limits(r);
	check_templates(r, root);
}
