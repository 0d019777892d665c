/* manifest_extends: a manifest and those that it extends as one document. Mappings merge key by
 * key, everything else is replaced; nodes keep the file that they came from, so positions stay
 * right. */
#include "planner/manifest_read.h"

#include "planner/units.h"

enum { VERSION = 1 };

static const struct str none = {0};

/* The files from the first manifest to the one at hand. */
struct chain {
	const struct chain *from;
	struct str file;
	unsigned depth;
};

struct loading {
	struct arena *arena;
	struct diagnostics *diags;
	const struct manifest_loader *loader;
};

static struct doc_node *load(
	struct loading *l, struct str file, struct str bytes, const struct chain *from);

static void
refuse(struct loading *l, const struct doc_entry *e, const char *message)
{
	struct pos pos = doc_is_empty(e->value) ? e->pos : e->value->pos;

	diag_add(l->diags, DIAG_ERROR, pos, none, "%.*s: %s", STR_ARG(e->key), message);
}

/* Whether this furrow can read the document at all. A newer form may mean anything, so nothing else
 * is said of it. */
static bool
check_version(struct loading *l, const struct doc_node *root, bool required)
{
	const struct doc_entry *e = doc_find(root, "furrow");
	struct unit_problem why;
	int64_t version = 0;

	if (!e) {
		if (required)
			diag_add(l->diags, DIAG_ERROR, root->pos, none,
				"'furrow' is missing; expected the version of the manifest's form: "
				"furrow: %d",
				VERSION);
		return true;
	}
	if (e->value->kind != DOC_SCALAR ||
		!units_count(e->value->text, 1, INT64_MAX, &version, &why)) {
		refuse(l, e, "expected the version of the manifest's form: 1");
		return true;
	}
	if (version == VERSION)
		return true;
	diag_add(l->diags, DIAG_ERROR, e->value->pos, none,
		"furrow: the manifest is of version %lld and needs a newer furrow: this one reads "
		"version %d",
		(long long)version, VERSION);
	return false;
}

static struct str
name_chain(struct arena *a, const struct chain *c, struct str last)
{
	struct str text = last;

	for (; c; c = c->from)
		text = arena_printf(a, "%.*s -> %.*s", STR_ARG(c->file), STR_ARG(text));
	return text;
}

static bool
check_chain(struct loading *l, const struct doc_entry *e, const struct chain *c, struct str file)
{
	if (c->depth >= MANIFEST_MAX_EXTENDS) {
		refuse(l, e, "more than 8 manifests deep");
		return false;
	}
	for (const struct chain *k = c; k; k = k->from) {
		struct str names;

		if (!str_eq(k->file, file))
			continue;
		names = name_chain(l->arena, c, file);
		diag_add(l->diags, DIAG_ERROR, e->value->pos, none, "extends: a circle: %.*s",
			STR_ARG(names));
		return false;
	}
	return true;
}

/* The document that `extends` names; NULL when there is none that can be read. */
static struct doc_node *
load_parent(struct loading *l, const struct doc_entry *e, const struct chain *c)
{
	struct str file = {0}, bytes = {0};
	struct error err = {0};

	if (e->value->kind != DOC_SCALAR || !e->value->text.n || doc_is_null(e->value)) {
		refuse(l, e, "expected another manifest's file, such as base.yaml");
		return NULL;
	}
	if (!l->loader) {
		refuse(l, e, "no other file can be read from here");
		return NULL;
	}
	if (l->loader->load(l->loader->ctx, e->value->text, c->file, &file, &bytes, &err)) {
		refuse(l, e, err.message);
		return NULL;
	}
	return check_chain(l, e, c, file) ? load(l, file, bytes, c) : NULL;
}

/* Whether a key's two mappings become one. `map` is then the schema for what is in it, NULL: any
 * keys. */
static bool
merges(const struct schema *s, struct str name, const struct schema **map)
{
	const struct schema_key *key = s ? schema_find(s, name) : NULL;

	*map = key ? key->map : NULL;
	return key && !(key->flags & KEY_WHOLE) && (key->map || key->type == KEY_ENV);
}

static const struct doc_entry *
find_in(const struct doc_node *map, struct str key)
{
	for (size_t i = 0; i < map->n; i++) {
		if (str_eq(map->entries[i].key, key))
			return &map->entries[i];
	}
	return NULL;
}

/* What `child` says, and behind it what only `parent` says. A null in the child takes the parent's
 * key away. */
static struct doc_node *
merge(struct arena *a, const struct schema *s, const struct doc_node *parent,
	const struct doc_node *child)
{
	struct doc_node *out = ARENA_NEW(a, struct doc_node);

	*out = *child;
	out->entries = ARENA_ARRAY(a, struct doc_entry, parent->n + child->n);
	out->n = 0;
	for (size_t i = 0; i < child->n; i++) {
		struct doc_entry e = child->entries[i];
		const struct doc_entry *old = find_in(parent, e.key);
		const struct schema *map;

		if (old && doc_is_null(e.value))
			continue;
		if (old && old->value->kind == DOC_MAP && e.value->kind == DOC_MAP &&
			merges(s, e.key, &map))
			e.value = merge(a, map, old->value, e.value);
		out->entries[out->n++] = e;
	}
	for (size_t i = 0; i < parent->n; i++) {
		if (!find_in(child, parent->entries[i].key))
			out->entries[out->n++] = parent->entries[i];
	}
	return out;
}

static struct doc_node *
load(struct loading *l, struct str file, struct str bytes, const struct chain *from)
{
	struct chain here = {.from = from, .file = file, .depth = from ? from->depth + 1 : 0};
	const struct doc_entry *extends;
	struct doc_node *root, *parent;

	if (doc_parse(l->arena, &root, l->diags, file, bytes))
		return NULL;
	if (root->kind != DOC_MAP) {
		diag_add(l->diags, DIAG_ERROR, root->pos, none,
			"%s; a manifest is a mapping of keys to values and begins with 'furrow: 1'",
			doc_kind_name(root));
		return NULL;
	}
	if (!check_version(l, root, !from))
		return NULL;
	extends = doc_find(root, "extends");
	if (!extends)
		return root;
	parent = load_parent(l, extends, &here);
	return parent ? merge(l->arena, &schema_manifest, parent, root) : NULL;
}

struct doc_node *
load_documents(struct arena *a, struct diagnostics *diags, struct str file, struct str bytes,
	const struct manifest_loader *loader)
{
	struct loading l = {.arena = a, .diags = diags, .loader = loader};

	return load(&l, file, bytes, NULL);
}
