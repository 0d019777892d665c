/* store: where results live, under their keys. An interface of few operations, with a folder
 * behind it (dir.c) or a bucket of S3 (s3.h). Objects are complete or not there at all.
 *
 * Names of objects:
 *   results/<first 2 hex of key>/<other 62 hex>           result.json of a task
 *   results/<2 hex>/<62 hex>.tar | .stdout | .stderr      its parts: outputs; streams longer than what is inline
 *   history/<job>                                         planner/history.h
 *   blobs/<2 hex>/<62 hex>                                by SHA-256, for what is shared
 *   runners/…, sources/<job>/…                            what hosts fetch
 *
 * A result and its parts are one: they are put together, by store_result_commit, and read as
 * they were put together. Of several results of one key the one that was committed last counts.
 * Where the bytes of these objects lie is the store's own business (dir.h says it for the
 * folder, s3.h for the bucket). */
#ifndef FURROW_STORE_H
#define FURROW_STORE_H

#include "planner/base/arena.h"
#include "planner/base/buf.h"
#include "planner/base/digest.h"
#include "planner/base/error.h"
#include "planner/manifest.h"

struct store;

/* Opens the folder store at path; makes it when `create`, else ERR_MISSING when it isn't there.
 * ERR_INPUT: it is from a newer furrow, or no store. */
int store_open_dir(struct store **out, const char *path, bool create, struct error *err);
void store_close(struct store *s);		/* commits what is queued */
const char *store_where(const struct store *s); /* for messages: its path or URL */

/* Keys of all complete results, sorted; in the arena. */
int store_list_results(
	struct store *s, struct arena *a, struct digest **keys, size_t *n, struct error *err);

/* The whole object; ERR_MISSING when there is none. At most STORE_GET_BYTES. */
enum { STORE_GET_BYTES = 64 << 20 };
int store_get(
	struct store *s, struct arena *a, const char *name, struct str *bytes, struct error *err);
/* Opens an object for reading; fd is the caller's. ERR_MISSING. */
int store_open(struct store *s, const char *name, int *fd, int64_t *size_bytes, struct error *err);

/* Replaces or creates an object that is no result; durable when it returns. Any thread. */
int store_put(struct store *s, const char *name, struct str bytes, struct error *err);
int store_remove(struct store *s, const char *name, struct error *err); /* none there: 0 */

/* A result on its way in. Its parts are collected, then committed together with other results
 * (group commit): complete and durable, or not there. One thread at a time for each. */
struct store_result;
int store_result_begin(
	struct store *s, const struct digest *key, struct store_result **out, struct error *err);
/* Appends to a part: "tar", "stdout", "stderr". */
int store_result_write(
	struct store_result *r, const char *part, const void *bytes, size_t n, struct error *err);
/* Takes over a finished file as the whole of a part: it is gone from path then. */
int store_result_take(
	struct store_result *r, const char *part, const char *path, struct error *err);
/* For who makes the part's bytes elsewhere: a URL to put them to (HTTP PUT of all of it, no further
 * headers), good for some hours; bytes: how many are expected. The URL is valid as long as r. What is
 * put there counts only after store_result_placed. ERR_INPUT: this store has none to offer. */
int store_result_offer(struct store_result *r, const char *part, int64_t bytes, struct str *url,
	struct error *err);
/* It was put there, and has so many bytes; whether that is so is looked at before the commit. */
int store_result_placed(struct store_result *r, const char *part, int64_t bytes, struct error *err);
/* Queues it with its result.json (copied); `done` is called once it is durable (err NULL) or
 * could not be made so, on the store's own thread, and r is gone. Never blocks. */
typedef void (*store_done_fn)(void *ctx, const struct error *err);
void store_result_commit(struct store_result *r, struct str json, store_done_fn done, void *ctx);
void store_result_abort(struct store_result *r);

/* Removes results whose key `keep` does not name and that are older than before_wall_ns, results
 * that are damaged, and what dead writers left. What another process is just writing to is left
 * for the next time. dry: only counts. */
struct store_gc {
	uint64_t n_results;   /* removed */
	uint64_t n_damaged;   /* of these: what could not be read back as it was written */
	uint64_t n_temporary; /* files of dead writers, parts that no result names */
	int64_t bytes;
};
int store_gc(struct store *s, const struct digest *keep, size_t n_keep, int64_t before_wall_ns,
	bool dry, struct store_gc *out, struct error *err);

/* From now on what this process puts of results is read as it put it, without asking: for the length of
 * a run, in which nobody else puts results of the same job. A store that is quick to ask ignores it. */
void store_remember(struct store *s);

/* Lets a result wait about so long for others that come in, to be committed together with them: for who
 * has something else to do meanwhile. 0, as at first: none waits. */
void store_gather(struct store *s, int64_t at_most_ns);

/* How many reads of this store are worth making side by side. */
unsigned store_readers(const struct store *s);

/* Names of the objects right in a folder ("history"), sorted; none: 0. Not for results. */
int store_list(struct store *s, struct arena *a, const char *folder, struct strings *out,
	struct error *err);

/* part NULL: result.json. */
enum { STORE_NAME_BYTES = 96 };
void store_result_name(char out[STORE_NAME_BYTES], const struct digest *key, const char *part);

#endif
