/* schema: the keys of a manifest as a table, mapping by mapping: what type a key has, where its
 * value goes, and what a message says was expected. Reading, merging and "did you mean" are driven
 * by it. Data only. */
#ifndef FURROW_SCHEMA_H
#define FURROW_SCHEMA_H

#include "planner/manifest.h"

/* How a value is written. The type of the member that it fills stands behind it. */
enum key_type {
	KEY_READ_BEFORE, /* furrow, extends: nothing is left to do */
	KEY_TEXT,	 /* struct str: any text but an empty one */
	KEY_BOOL,	 /* bool */
	KEY_WORD,	 /* an enum: index of one of `words` */
	KEY_COUNT,	 /* int64_t from least to most */
	KEY_DURATION,	 /* int64_t in ns, of least or more */
	KEY_MONEY,	 /* double in US dollars, more than 0 */
	KEY_COUNT_RANGE, /* struct range, of least or more */
	KEY_SIZE_RANGE,	 /* struct range in bytes */
	KEY_MAP,	 /* a struct of its own, by `map` */
	KEY_NAME,	 /* struct str: the job's name */
	KEY_IMAGE,	 /* struct str */
	KEY_BUILD,	 /* struct build */
	KEY_INNER_PATH,	 /* struct str: relative, and leads nowhere out */
	KEY_INNER_PATHS, /* struct strings of those */
	KEY_HOST_PATHS,	 /* struct strings: absolute, on an instance; may be patterns */
	KEY_ENV,	 /* struct pairs */
	KEY_SECRETS,	 /* struct strings */
	KEY_WORKDIR,	 /* struct workdir */
	KEY_INFRA,	 /* struct infra */
	KEY_GPUS,	 /* struct gpus */
	KEY_DISK,	 /* struct disk */
	KEY_SIZE,	 /* int64_t in bytes */
	KEY_RATE,	 /* int64_t in bytes per second, from least to most */
	KEY_TYPE,	 /* struct str: an instance type */
	KEY_AMI,	 /* struct str */
	KEY_ANY_OF,	 /* in struct instances, whose other keys are read by then */
	KEY_ENTRYPOINT,	 /* struct entrypoint */
	KEY_INPUTS,	 /* in struct map */
	KEY_OUTPUTS,	 /* struct str */
	KEY_RESULTS,	 /* struct str */
	KEY_STORE,	 /* struct str */
	KEY_RETRY_FOR,	 /* unsigned */
	KEY_EXIT_CODES,	 /* in struct retry */
	KEY_TYPE_COUNT
};

enum key_flag {
	KEY_REQUIRED = 1,
	KEY_LATE = 2,  /* read behind the other keys of its mapping: it looks at them */
	KEY_WHOLE = 4, /* `extends` replaces the mapping as a whole: its keys exclude each other */
	KEY_FOLDER = 8 /* a path that may be "." */
};

struct schema;

struct schema_key {
	const char *name;
	enum key_type type;
	unsigned flags;
	size_t at;     /* offset of the member in the mapping's struct */
	size_t at_pos; /* of its struct pos; 0: it has none */
	int64_t least, most;
	const struct schema *map; /* the keys of the mapping that the value may be */
	const char *const *words; /* ends with NULL */
	const char *expected;	  /* "a size, such as 16GiB" */
	const char *each;	  /* the same of an item, where the value is a list */
};

struct schema {
	const char *path; /* "" for the manifest itself, "map.inputs" */
	const struct schema_key *keys;
	size_t n;
	const char *short_for; /* the key that somebody means who gives a plain value instead of the
				  mapping; may be NULL */
};

extern const struct schema schema_manifest, schema_environment, schema_build, schema_workdir,
	schema_instances, schema_alternative, schema_disk, schema_map, schema_inputs, schema_retry;

/* NULL: it has no such key. */
const struct schema_key *schema_find(const struct schema *s, struct str name);

/* What somebody meant by an unknown key of s: "did you mean 'memory'?"; without an idea, the keys
 * there are. */
struct str schema_hint(struct arena *a, const struct schema *s, struct str name);

/* Calls `each` for every key of every mapping, with the path of the mapping. For the tests of what
 * documents them. */
void schema_walk(
	void (*each)(void *ctx, const struct schema *s, const struct schema_key *key), void *ctx);

#endif
