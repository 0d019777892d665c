/* yaml_node: looking at the nodes of a document. */
#include "planner/yaml.h"

const struct doc_entry *
doc_find(const struct doc_node *map, const char *key)
{
	if (!map || map->kind != DOC_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++) {
		if (str_is(map->entries[i].key, key))
			return &map->entries[i];
	}
	return NULL;
}

bool
doc_is_empty(const struct doc_node *n)
{
	return n->kind == DOC_SCALAR && n->plain && n->text.n == 0;
}

bool
doc_is_null(const struct doc_node *n)
{
	return n->kind == DOC_SCALAR && n->plain &&
	       (str_is(n->text, "~") || str_is(n->text, "null"));
}

const char *
doc_kind_name(const struct doc_node *n)
{
	switch (n->kind) {
	case DOC_MAP:
		return n->n ? "a mapping" : "an empty mapping";
	case DOC_LIST:
		return n->n ? "a list" : "an empty list";
	case DOC_SCALAR:
		break;
	}
	return doc_is_empty(n) ? "nothing" : doc_is_null(n) ? "null" : "text";
}

struct pos
doc_pos_within(const struct doc_node *n, const char *what, size_t nth, size_t len)
{
	struct pos pos = n->pos;
	size_t width = strlen(what);

	for (size_t i = 0; i + width <= n->raw.n; i++) {
		if (memcmp(n->raw.p + i, what, width) == 0 && nth-- == 0) {
			pos.len = (uint32_t)len;
			return pos;
		}
		pos.col++;
		if (n->raw.p[i] == '\n') {
			pos.line++;
			pos.col = 1;
		}
	}
	return n->pos;
}
