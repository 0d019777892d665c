/* manifest_read: from a document's nodes to the structs of manifest.h, by the tables of schema.h.
 * Part of manifest. */
#ifndef FURROW_MANIFEST_READ_H
#define FURROW_MANIFEST_READ_H

#include "planner/schema.h"
#include "planner/yaml.h"

struct reading {
	struct arena *arena;
	struct diagnostics *diags;
	struct manifest *manifest;
};

/* A value on its way in: a node, and what messages call the place that it came from. */
struct value {
	const struct schema_key *key;
	const char *expected; /* of the key, or of an item in its list */
	struct str path;      /* "instances.memory", "map.inputs[3]" */
	struct pos key_pos;   /* where a value stands that is empty */
	const struct doc_node *node;
};

/* Adds "PATH: MESSAGE" at the value. */
void value_bad(struct reading *r, const struct value *v, struct str hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* "PATH: expected …, found a list". */
void value_unexpected(struct reading *r, const struct value *v, struct str hint);
struct unit_problem;
void value_bad_unit(struct reading *r, const struct value *v, const struct unit_problem *why);

struct value value_item(struct reading *r, const struct value *list, size_t i);
struct value value_entry(struct reading *r, const struct value *map, size_t i);

/* A scalar's text as it is written; false, and an error, for everything else: nothing, null, a
 * list, a mapping. */
bool value_scalar(struct reading *r, const struct value *v, struct str *out);
/* The same, but neither empty nor with a template in it, which would stay what it is. */
bool value_text(struct reading *r, const struct value *v, struct str *out);
/* A list with at least one item; false, and an error, for everything else. */
bool value_list(struct reading *r, const struct value *v);

/* Reads a mapping's keys into the struct at base. `path` is that of the mapping. */
void read_mapping(struct reading *r, const struct schema *s, const struct value *v, void *base);

/* The types with readers of their own. `at` is the member, `base` the struct that it is in. */
typedef void (*read_fn)(struct reading *r, const struct value *v, void *at, void *base);
void read_name(struct reading *r, const struct value *v, void *at, void *base);
void read_image(struct reading *r, const struct value *v, void *at, void *base);
void read_build(struct reading *r, const struct value *v, void *at, void *base);
void read_inner_path(struct reading *r, const struct value *v, void *at, void *base);
void read_inner_paths(struct reading *r, const struct value *v, void *at, void *base);
void read_host_paths(struct reading *r, const struct value *v, void *at, void *base);
void read_env(struct reading *r, const struct value *v, void *at, void *base);
void read_secrets(struct reading *r, const struct value *v, void *at, void *base);
void read_workdir(struct reading *r, const struct value *v, void *at, void *base);
void read_infra(struct reading *r, const struct value *v, void *at, void *base);
void read_gpus(struct reading *r, const struct value *v, void *at, void *base);
void read_disk(struct reading *r, const struct value *v, void *at, void *base);
void read_type(struct reading *r, const struct value *v, void *at, void *base);
void read_ami(struct reading *r, const struct value *v, void *at, void *base);
void read_any_of(struct reading *r, const struct value *v, void *at, void *base);
void read_entrypoint(struct reading *r, const struct value *v, void *at, void *base);
void read_inputs(struct reading *r, const struct value *v, void *at, void *base);
void read_outputs(struct reading *r, const struct value *v, void *at, void *base);
void read_results(struct reading *r, const struct value *v, void *at, void *base);
void read_store(struct reading *r, const struct value *v, void *at, void *base);
void read_retry_for(struct reading *r, const struct value *v, void *at, void *base);
void read_exit_codes(struct reading *r, const struct value *v, void *at, void *base);

/* "aws/us-east-2". Returns NULL and fills *out (but its place), or says what is wrong, with a hint
 * or none. */
const char *infra_parse(struct arena *a, struct str text, struct infra *out, struct str *hint);

/* Whether a variable may have this name; else adds what is wrong. `what`: "name of a variable". */
bool check_variable(struct reading *r, const struct value *v, struct str name);

/* s3://BUCKET/…; else adds what is wrong. */
bool check_s3(struct reading *r, const struct value *v, struct str url);
bool is_s3(struct str s);

/* A path that is relative and leads nowhere out; clean in *out. Else adds what is wrong. */
bool check_inner_path(struct reading *r, const struct value *v, struct str text, struct str *out);

/* Adds an error at the second of two equal values; sorts nothing that the caller sees. */
void check_distinct(struct reading *r, const struct value *list, const struct strings *values);

/* What no single key shows: names that meet, limits that contradict each other. */
void check_together(struct reading *r, const struct doc_node *root);

/* manifest_extends.c: reads a file and those that it extends into one document. NULL: it could not
 * be read. */
struct doc_node *load_documents(struct arena *a, struct diagnostics *diags, struct str file,
	struct str bytes, const struct manifest_loader *loader);

#endif
