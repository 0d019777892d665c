/* yaml: a YAML document as a tree of nodes that know where they stand. Reads bytes, no files.
 *
 * What is taken is the YAML that people write: mappings with text as keys, lists, scalars, anchors
 * and aliases, and the merge key `<<` (keys of the mapping itself win). Refused: tags, more than
 * one document, duplicate keys, control characters, and anything that grows beyond the limits of
 * manifest.h (an alias counts with all that it stands for, so a bomb of aliases ends at once).
 *
 * A scalar stays the text that was written: `no` is "no" and 1.10 is "1.10", whatever YAML versions
 * say. The reader of a key decides what it means. */
#ifndef FURROW_YAML_H
#define FURROW_YAML_H

#include "planner/diag.h"
#include "planner/manifest.h"

enum doc_kind { DOC_SCALAR, DOC_LIST, DOC_MAP };

struct doc_entry;

struct doc_node {
	enum doc_kind kind;
	bool plain; /* scalar without quotes, not a block */
	struct pos pos;
	struct str text; /* DOC_SCALAR */
	struct str raw;	 /* the same as it stands in the source, with its quotes; points into the
			    bytes */
	struct doc_node **items;   /* DOC_LIST */
	struct doc_entry *entries; /* DOC_MAP, in the order of the source, merged ones behind */
	size_t n;		   /* of items or entries */
	uint32_t weight;	   /* nodes in it, itself included, aliases expanded */
	uint32_t height;	   /* levels in it, itself included */
};

struct doc_entry {
	struct str key;
	struct pos pos; /* of the key */
	struct doc_node *value;
};

/* The tree in *root, in the arena; nodes that an alias names are shared. `bytes` must live as long.
 * Adds what is wrong to diags; returns ERR_INPUT when it cannot be read on (then *root is NULL), 0
 * otherwise, even when diags has got errors. */
int doc_parse(struct arena *a, struct doc_node **root, struct diagnostics *diags, struct str file,
	struct str bytes);

/* The value under a key, or NULL; NULL as well when `map` is no mapping. */
const struct doc_entry *doc_find(const struct doc_node *map, const char *key);

/* An empty plain scalar (`key:`), and one that says `~` or `null`. */
bool doc_is_empty(const struct doc_node *n);
bool doc_is_null(const struct doc_node *n);

/* What a message calls it: "a mapping", "an empty list", "nothing", "text". */
const char *doc_kind_name(const struct doc_node *n);

/* Where the nth (from 0) `what` of a scalar's raw text stands; the scalar's own place when it isn't
 * found. */
struct pos doc_pos_within(const struct doc_node *n, const char *what, size_t nth, size_t len);

#endif
