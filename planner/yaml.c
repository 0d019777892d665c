/* yaml: libyaml's events to a tree, with limits enforced while reading. */
#include "planner/yaml.h"

#include "planner/yaml_problem.h"

#include <stdlib.h>
#include <yaml.h>

struct anchor {
	struct str name;
	struct doc_node *node; /* NULL: still open, so an alias to it would be within itself */
};

struct reader {
	struct arena *arena;
	struct diagnostics *diags;
	struct str file;
	struct str bytes;
	yaml_parser_t parser;
	/* libyaml counts characters; the cursor turns them into bytes, lines and columns. */
	size_t cursor_index, cursor_at, cursor_line_at;
	uint32_t cursor_line;
	struct anchor *anchors;
	size_t n_anchors, cap_anchors;
	uint32_t n_nodes;
};

static const struct str none = {0};

static bool
continues_character(struct str s, size_t at)
{
	return at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80;
}

/* One character back. */
static void
step_back(struct reader *r)
{
	do
		r->cursor_at--;
	while (continues_character(r->bytes, r->cursor_at));
	r->cursor_index--;
	if (r->bytes.p[r->cursor_at] != '\n')
		return;
	r->cursor_line--;
	r->cursor_line_at = r->cursor_at;
	while (r->cursor_line_at && r->bytes.p[r->cursor_line_at - 1] != '\n')
		r->cursor_line_at--;
}

static void
step_forward(struct reader *r)
{
	if (r->bytes.p[r->cursor_at++] == '\n') {
		r->cursor_line++;
		r->cursor_line_at = r->cursor_at;
	}
	while (continues_character(r->bytes, r->cursor_at))
		r->cursor_at++;
	r->cursor_index++;
}

/* The byte at which libyaml's character `index` begins. Marks come nearly in order, so this is a
 * short way. */
static size_t
byte_at(struct reader *r, size_t index)
{
	while (r->cursor_index > index)
		step_back(r);
	while (r->cursor_index < index && r->cursor_at < r->bytes.n)
		step_forward(r);
	return r->cursor_at;
}

static struct pos
pos_at(struct reader *r, size_t index)
{
	size_t at = byte_at(r, index);

	return (struct pos){.file = r->file,
		.line = r->cursor_line,
		.col = (uint32_t)(at - r->cursor_line_at) + 1};
}

static int
syntax_error(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "unreadable", *words;
	/* For what is never closed or completed, its beginning says more than where that was
	 * noticed. */
	bool unclosed = p->context && (strcmp(problem, "found unexpected end of stream") == 0 ||
					      strcmp(problem, "could not find expected ':'") == 0);
	struct pos pos;

	if (p->error == YAML_READER_ERROR) {
		pos = doc_pos_of_byte(r->file, r->bytes, p->problem_offset);
		words = doc_problem_words(problem, r->bytes, p->problem_offset);
	} else {
		pos = pos_at(r, unclosed ? p->context_mark.index : p->problem_mark.index);
		words = doc_problem_words(problem, r->bytes, r->cursor_at);
	}
	if (p->error == YAML_MEMORY_ERROR)
		diag_add(r->diags, DIAG_ERROR, pos, none, "not enough memory to read this");
	else if (p->context && strstr(p->context, "flow") &&
		 p->context_mark.line != p->problem_mark.line)
		diag_add(r->diags, DIAG_ERROR, pos, none, "no YAML: %s (in what begins in line %u)",
			words, pos_at(r, p->context_mark.index).line);
	else
		diag_add(r->diags, DIAG_ERROR, pos, none, "no YAML: %s", words);
	return ERR_INPUT;
}

/* The next event; on failure *event is empty. */
static int
next_event(struct reader *r, yaml_event_t *event)
{
	if (!yaml_parser_parse(&r->parser, event))
		return syntax_error(r);
	return 0;
}

static int
too_much(struct reader *r, struct pos pos)
{
	diag_add(r->diags, DIAG_ERROR, pos, none,
		"too much: with this the document holds more than %d values, each alias counted "
		"with all that it stands for",
		MANIFEST_MAX_NODES);
	return ERR_INPUT;
}

static int
too_deep(struct reader *r, struct pos pos)
{
	diag_add(r->diags, DIAG_ERROR, pos, none, "nested too deep: more than %d levels",
		MANIFEST_MAX_DEPTH);
	return ERR_INPUT;
}

static struct str
text_of(const yaml_char_t *p, size_t n)
{
	return (struct str){.p = (const char *)p, .n = n};
}

static struct str
name_of(const yaml_char_t *p)
{
	return str_from((const char *)p);
}

static struct anchor *
find_anchor(struct reader *r, struct str name)
{
	/* The newest of a name holds, as YAML has it. */
	for (size_t i = r->n_anchors; i-- > 0;) {
		if (str_eq(r->anchors[i].name, name))
			return &r->anchors[i];
	}
	return NULL;
}

/* Returns its index: the array moves as it grows. SIZE_MAX: the node has no anchor. */
static size_t
open_anchor(struct reader *r, const yaml_char_t *name)
{
	if (!name)
		return SIZE_MAX;
	if (r->n_anchors == r->cap_anchors) {
		size_t cap = r->cap_anchors ? r->cap_anchors * 2 : 16;
		struct anchor *v = ARENA_ARRAY(r->arena, struct anchor, cap);

		if (r->n_anchors)
			memcpy(v, r->anchors, r->n_anchors * sizeof(*v));
		r->anchors = v;
		r->cap_anchors = cap;
	}
	r->anchors[r->n_anchors] = (struct anchor){.name = arena_str(r->arena, name_of(name))};
	return r->n_anchors++;
}

static void
close_anchor(struct reader *r, size_t index, struct doc_node *node)
{
	if (index != SIZE_MAX)
		r->anchors[index].node = node;
}

static void
refuse_tag(struct reader *r, struct pos pos, const yaml_char_t *tag)
{
	struct str core = STR("tag:yaml.org,2002:"), name = name_of(tag);
	char quoted[DIAG_QUOTE_BYTES];

	if (str_starts(name, core))
		name = arena_printf(r->arena, "!!%s", name.p + core.n);
	if (tag)
		diag_add(r->diags, DIAG_ERROR, pos, none,
			"the tag %s: tags have no meaning here; leave it out (quotes make any "
			"value text)",
			diag_quote(quoted, name));
}

static struct doc_node *
new_node(struct reader *r, enum doc_kind kind, const yaml_event_t *event)
{
	struct doc_node *n = ARENA_NEW(r->arena, struct doc_node);
	size_t end;

	n->kind = kind;
	n->weight = n->height = 1;
	n->pos = pos_at(r, event->start_mark.index);
	n->raw.p = r->bytes.p + r->cursor_at;
	end = byte_at(r, event->end_mark.index);
	n->raw.n = end - (size_t)(n->raw.p - r->bytes.p);
	return n;
}

static int read_node(
	struct reader *r, const yaml_event_t *event, uint32_t depth, struct doc_node **out);

/* A scalar's raw text begins with its anchor and tag, if any; the place meant is that of the text.
 */
static void
skip_properties(struct doc_node *n)
{
	while (n->raw.n && (n->raw.p[0] == '&' || n->raw.p[0] == '!')) {
		size_t i = 0;

		while (i < n->raw.n && !strchr(" \t\r\n", n->raw.p[i]))
			i++;
		while (i < n->raw.n && (n->raw.p[i] == ' ' || n->raw.p[i] == '\t'))
			i++;
		if (i == n->raw.n || n->raw.p[i] == '\n' || n->raw.p[i] == '\r')
			return;
		n->raw = str_from_index(n->raw, i);
		n->pos.col += (uint32_t)i;
	}
}

static int
read_scalar(struct reader *r, const yaml_event_t *event, struct doc_node **out)
{
	struct doc_node *n = new_node(r, DOC_SCALAR, event);
	const char *eol;

	n->text = arena_str(r->arena, text_of(event->data.scalar.value, event->data.scalar.length));
	n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	refuse_tag(r, n->pos, event->data.scalar.tag);
	skip_properties(n);
	eol = n->raw.n ? memchr(n->raw.p, '\n', n->raw.n) : NULL;
	n->pos.len = (uint32_t)(eol ? (size_t)(eol - n->raw.p) : n->raw.n);
	if (memchr(n->text.p, '\0', n->text.n))
		diag_add(r->diags, DIAG_ERROR, n->pos, none,
			"a NUL byte (\\0) cannot be part of a value");
	close_anchor(r, open_anchor(r, event->data.scalar.anchor), n);
	*out = n;
	return 0;
}

static int
read_alias(struct reader *r, const yaml_event_t *event, uint32_t depth, struct doc_node **out)
{
	struct pos pos = pos_at(r, event->start_mark.index);
	struct str name = name_of(event->data.alias.anchor);
	const struct anchor *a = find_anchor(r, name);
	char quoted[DIAG_QUOTE_BYTES];

	if (!a) {
		diag_add(r->diags, DIAG_ERROR, pos, none,
			"the alias *%.*s names no anchor above it", STR_ARG(name));
		return ERR_INPUT;
	}
	if (!a->node) {
		diag_add(r->diags, DIAG_ERROR, pos, none,
			"the alias %s stands within what it names", diag_quote(quoted, name));
		return ERR_INPUT;
	}
	/* The alias itself was counted as one. */
	r->n_nodes += a->node->weight - 1;
	if (r->n_nodes > MANIFEST_MAX_NODES)
		return too_much(r, pos);
	if (depth + a->node->height - 1 > MANIFEST_MAX_DEPTH)
		return too_deep(r, pos);
	*out = a->node;
	return 0;
}

static void
contain(struct doc_node *outer, const struct doc_node *inner)
{
	outer->weight += inner->weight;
	if (outer->height < inner->height + 1)
		outer->height = inner->height + 1;
}

static int
read_list(struct reader *r, const yaml_event_t *start, uint32_t depth, struct doc_node **out)
{
	struct doc_node *n = new_node(r, DOC_LIST, start);
	size_t anchor = open_anchor(r, start->data.sequence_start.anchor), cap = 0;
	int rc = 0;

	refuse_tag(r, n->pos, start->data.sequence_start.tag);
	for (;;) {
		yaml_event_t event;
		struct doc_node *item;
		bool end;

		rc = next_event(r, &event);
		if (rc)
			return rc;
		end = event.type == YAML_SEQUENCE_END_EVENT;
		if (!end)
			rc = read_node(r, &event, depth + 1, &item);
		yaml_event_delete(&event);
		if (rc || end)
			break;
		if (n->n == cap) {
			struct doc_node **v;

			cap = cap ? cap * 2 : 8;
			v = ARENA_ARRAY(r->arena, struct doc_node *, cap);
			for (size_t i = 0; i < n->n; i++)
				v[i] = n->items[i];
			n->items = v;
		}
		n->items[n->n++] = item;
		contain(n, item);
	}
	close_anchor(r, anchor, n);
	*out = n;
	return rc;
}

struct entries {
	struct doc_entry *v;
	size_t n, cap;
};

static void
append(struct reader *r, struct entries *e, const struct doc_entry *entry)
{
	if (e->n == e->cap) {
		size_t cap = e->cap ? e->cap * 2 : 8;
		struct doc_entry *v = ARENA_ARRAY(r->arena, struct doc_entry, cap);

		if (e->n)
			memcpy(v, e->v, e->n * sizeof(*v));
		e->v = v;
		e->cap = cap;
	}
	e->v[e->n++] = *entry;
}

static const struct doc_entry *
find_entry(const struct entries *e, struct str key)
{
	for (size_t i = 0; i < e->n; i++) {
		if (str_eq(e->v[i].key, key))
			return &e->v[i];
	}
	return NULL;
}

/* Takes over what a `<<` names, but for keys that are there already. Their nodes were counted when
 * the alias was read. */
static void
merge(struct reader *r, struct doc_node *n, struct entries *e, const struct doc_entry *from)
{
	const struct doc_node *maps = from->value;
	bool is_list = maps->kind == DOC_LIST;

	for (size_t i = 0; i < (is_list ? maps->n : 1); i++) {
		const struct doc_node *map = is_list ? maps->items[i] : maps;

		if (map->kind != DOC_MAP) {
			diag_add(r->diags, DIAG_ERROR, from->pos, none,
				"<< merges mappings, but finds %s: write <<: *NAME, or <<: [*ONE, "
				"*OTHER]",
				doc_kind_name(map));
			return;
		}
		for (size_t k = 0; k < map->n; k++) {
			if (find_entry(e, map->entries[k].key))
				continue;
			append(r, e, &map->entries[k]);
			contain(n, map->entries[k].value);
			n->weight++;
		}
	}
}

static int
read_key(struct reader *r, const yaml_event_t *event, uint32_t depth, struct doc_entry *out,
	bool *is_merge)
{
	struct doc_node *key;
	int rc = read_node(r, event, depth, &key);

	if (rc)
		return rc;
	if (key->kind != DOC_SCALAR || !key->text.n) {
		diag_add(r->diags, DIAG_ERROR, key->pos, none, "a key has to be text, not %s",
			doc_kind_name(key));
		key->text = STR("");
	}
	*out = (struct doc_entry){.key = key->text, .pos = key->pos};
	*is_merge = key->plain && str_is(key->text, "<<");
	return 0;
}

static int
read_entry(struct reader *r, const yaml_event_t *event, uint32_t depth, struct doc_entry *out,
	bool *is_merge)
{
	yaml_event_t value;
	int rc = read_key(r, event, depth, out, is_merge);

	if (!rc)
		rc = next_event(r, &value);
	if (rc)
		return rc;
	rc = read_node(r, &value, depth, &out->value);
	yaml_event_delete(&value);
	return rc;
}

static void
refuse_duplicate(struct reader *r, const struct doc_entry *entry, const struct doc_entry *first)
{
	char quoted[DIAG_QUOTE_BYTES];

	diag_add(r->diags, DIAG_ERROR, entry->pos, none,
		"the key %s is given twice; it stands in line %u already",
		diag_quote(quoted, entry->key), first->pos.line);
}

static int
read_map(struct reader *r, const yaml_event_t *start, uint32_t depth, struct doc_node **out)
{
	struct doc_node *n = new_node(r, DOC_MAP, start);
	size_t anchor = open_anchor(r, start->data.mapping_start.anchor);
	struct entries entries = {0}, merges = {0};
	int rc = 0;

	refuse_tag(r, n->pos, start->data.mapping_start.tag);
	for (;;) {
		yaml_event_t event;
		struct doc_entry entry;
		const struct doc_entry *first;
		bool end, is_merge = false;

		rc = next_event(r, &event);
		if (rc)
			return rc;
		end = event.type == YAML_MAPPING_END_EVENT;
		if (!end)
			rc = read_entry(r, &event, depth + 1, &entry, &is_merge);
		yaml_event_delete(&event);
		if (rc)
			return rc;
		if (end)
			break;
		first = find_entry(is_merge ? &merges : &entries, entry.key);
		if (first) {
			refuse_duplicate(r, &entry, first);
			continue;
		}
		append(r, is_merge ? &merges : &entries, &entry);
		if (!is_merge)
			contain(n, entry.value);
		n->weight++;
	}
	for (size_t i = 0; i < merges.n; i++)
		merge(r, n, &entries, &merges.v[i]);
	n->entries = entries.v;
	n->n = entries.n;
	close_anchor(r, anchor, n);
	*out = n;
	return rc;
}

static int
read_node(struct reader *r, const yaml_event_t *event, uint32_t depth, struct doc_node **out)
{
	if (++r->n_nodes > MANIFEST_MAX_NODES)
		return too_much(r, pos_at(r, event->start_mark.index));
	if (depth > MANIFEST_MAX_DEPTH)
		return too_deep(r, pos_at(r, event->start_mark.index));
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(r, event, out);
	case YAML_ALIAS_EVENT:
		return read_alias(r, event, depth, out);
	case YAML_SEQUENCE_START_EVENT:
		return read_list(r, event, depth, out);
	case YAML_MAPPING_START_EVENT:
		return read_map(r, event, depth, out);
	default:
		diag_add(r->diags, DIAG_ERROR, pos_at(r, event->start_mark.index), none,
			"no YAML: an unexpected event (%d)", (int)event->type);
		return ERR_INPUT;
	}
}

/* The only document of the stream; *root stays NULL when there is none. */
static int
read_stream(struct reader *r, struct doc_node **root)
{
	for (;;) {
		yaml_event_t event;
		int rc = next_event(r, &event);
		bool end;

		if (rc)
			return rc;
		end = event.type == YAML_STREAM_END_EVENT;
		if (event.type == YAML_DOCUMENT_START_EVENT && *root) {
			diag_add(r->diags, DIAG_ERROR, pos_at(r, event.start_mark.index), none,
				"a second document begins here (---); a manifest is one document");
			end = true;
		} else if (!end && event.type != YAML_STREAM_START_EVENT &&
			   event.type != YAML_DOCUMENT_START_EVENT &&
			   event.type != YAML_DOCUMENT_END_EVENT) {
			rc = read_node(r, &event, 1, root);
		}
		yaml_event_delete(&event);
		if (rc || end)
			return rc;
	}
}

int
doc_parse(struct arena *a, struct doc_node **root, struct diagnostics *diags, struct str file,
	struct str bytes)
{
	struct reader r = {.arena = a, .diags = diags, .file = file, .cursor_line = 1};
	int rc;

	*root = NULL;
	if (str_starts(bytes, STR("\xef\xbb\xbf")))
		bytes = str_from_index(bytes, 3);
	if (!bytes.p)
		bytes = STR("");
	r.bytes = bytes;
	rc = doc_check_bytes(diags, file, bytes);
	if (rc)
		return rc;
	if (!yaml_parser_initialize(&r.parser)) {
		diag_add(diags, DIAG_ERROR, (struct pos){.file = file}, none,
			"not enough memory to read this");
		return ERR_INPUT;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes.p, bytes.n);
	rc = read_stream(&r, root);
	yaml_parser_delete(&r.parser);
	if (!rc && (!*root || doc_is_empty(*root))) {
		diag_add(diags, DIAG_ERROR, (struct pos){.file = file}, none,
			"there is nothing in it; `furrow init` writes a manifest to start from");
		rc = ERR_INPUT;
	}
	if (rc)
		*root = NULL;
	return rc;
}
