/* store: where results live, under their keys. An interface of few operations, with a folder behind it (dir.c); S3 is to
 * follow. Objects are complete or not there at all.
 *
 * Names of objects:
 *   results/<first 2 hex of key>/<other 62 hex>           result.json: complete when it exists, put last
 *   results/<2 hex>/<62 hex>.<parts>.tar | .stdout | .stderr
 *                                                         its body: outputs; streams longer than what is inline
 *   history/<job>                                         planner/history.h
 *   blobs/<2 hex>/<62 hex>                                by SHA-256, for what is shared
 *
 * <parts> is a name of its own for every attempt to put a result, and result.json says it ("parts"): two writers of one
 * key never mix. So a reader reads result.json first (result_load) and opens the parts that it names
 * (result_open_part). */
#ifndef FURROW_STORE_H
#define FURROW_STORE_H

#include "planner/base/arena.h"
#include "planner/base/buf.h"
#include "planner/base/digest.h"
#include "planner/base/error.h"

struct store;

/* Opens the folder store at path; makes it when `create`, else ERR_MISSING when it isn't there. ERR_INPUT: it is from
 * a newer furrow, or no store. */
int store_open_dir(struct store **out, const char *path, bool create, struct error *err);
void store_close(struct store *s); /* commits what is queued */
const char *store_where(const struct store *s); /* for messages: its path or URL */

/* Keys of all complete results, sorted; in the arena. */
int store_list_results(struct store *s, struct arena *a, struct digest **keys, size_t *n, struct error *err);

/* The whole object; ERR_MISSING when there is none. At most 64 MiB. */
int store_get(struct store *s, struct arena *a, const char *name, struct str *bytes, struct error *err);
/* Opens an object for reading; fd is the caller's. ERR_MISSING. */
int store_open(struct store *s, const char *name, int *fd, int64_t *size_bytes, struct error *err);

/* Replaces or creates an object; durable when it returns. Any thread. */
int store_put(struct store *s, const char *name, struct str bytes, struct error *err);
int store_remove(struct store *s, const char *name, struct error *err); /* none there: 0 */

/* A result on its way in: its parts are written to temporary files, then committed together with others (group
 * commit), result.json last. */
struct store_result;
int store_result_begin(struct store *s, const struct digest *key, struct store_result **out, struct error *err);
/* Appends to a part: "tar", "stdout", "stderr". */
int store_result_write(struct store_result *r, const char *part, const void *bytes, size_t n, struct error *err);
/* Takes over a finished file as a part (by rename when on the same file system). */
int store_result_take(struct store_result *r, const char *part, const char *path, struct error *err);
/* Queues it with its result.json (the bytes of a JSON object, copied), to which the store adds the member "parts" when
 * there are any; `done` is called once it is durable (err NULL) or could not be made so, on the store's own
 * thread, and r is gone. */
typedef void (*store_done_fn)(void *ctx, const struct error *err);
void store_result_commit(struct store_result *r, struct str json, store_done_fn done, void *ctx);
void store_result_abort(struct store_result *r);

/* Removes results whose key `keep` does not name and that are older than before_wall_ns, and temporary files of dead
 * writers. dry: only counts. */
struct store_gc {
	uint64_t n_results, n_temporary;
	int64_t bytes;
};
int store_gc(struct store *s, const struct digest *keep, size_t n_keep, int64_t before_wall_ns, bool dry,
	struct store_gc *out, struct error *err);

/* Names of objects: a result's json; one of the parts that it names (struct result: parts). */
enum { STORE_NAME_BYTES = 128 };
void store_result_name(char out[STORE_NAME_BYTES], const struct digest *key);
void store_part_name(char out[STORE_NAME_BYTES], const struct digest *key, struct str parts, const char *part);

#endif
