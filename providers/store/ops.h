/* ops: what stands behind store.h: a table of operations for each kind of store. store.c checks names
 * and passes on. Only stores include it. */
#ifndef FURROW_STORE_OPS_H
#define FURROW_STORE_OPS_H

#include "providers/store/record.h"
#include "providers/store/store.h"

/* A checked name of an object. */
struct store_name {
	const char *text; /* all of it; of anything but a result a plain relative path */
	bool is_result;
	struct digest key;
	bool is_json; /* result.json, else: */
	enum part part;
};

/* As in store.h. */
struct store_ops {
	void (*close)(struct store *s);
	int (*list_results)(struct store *s, struct arena *a, struct digest **keys, size_t *n,
		struct error *err);
	int (*list)(struct store *s, struct arena *a, const char *folder, struct strings *out,
		struct error *err);
	int (*get)(struct store *s, struct arena *a, const struct store_name *name,
		struct str *bytes, struct error *err);
	int (*open)(struct store *s, const struct store_name *name, int *fd, int64_t *size_bytes,
		struct error *err);
	/* of no result */
	int (*put)(struct store *s, const struct store_name *name, struct str bytes,
		struct error *err);
	/* of a result: is_json */
	int (*remove)(struct store *s, const struct store_name *name, struct error *err);
	struct store_result *(*result_begin)(struct store *s, const struct digest *key);
	int (*result_write)(struct store_result *r, enum part part, const void *bytes, size_t n,
		struct error *err);
	int (*result_take)(
		struct store_result *r, enum part part, const char *path, struct error *err);
	/* Both NULL: it has no URLs. */
	int (*result_offer)(struct store_result *r, enum part part, int64_t bytes, struct str *url,
		struct error *err);
	int (*result_placed)(
		struct store_result *r, enum part part, int64_t bytes, struct error *err);
	void (*result_commit)(
		struct store_result *r, struct str json, store_done_fn done, void *ctx);
	void (*result_abort)(struct store_result *r);
	int (*gc)(struct store *s, const struct digest *keep, size_t n_keep, int64_t before_wall_ns,
		bool dry, struct store_gc *out, struct error *err);
	void (*remember)(struct store *s);		     /* NULL: it need not */
	void (*gather)(struct store *s, int64_t at_most_ns); /* NULL: it has no use for it */
	unsigned readers;
};

/* What every store and every result begins with. */
struct store {
	const struct store_ops *ops;
	const char *where;
};
struct store_result {
	struct store *store;
};

#endif
