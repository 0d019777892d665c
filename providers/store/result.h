/* result: the document result.json of one task.
 *
 *   {"furrow_result":1,"key":…,"job":…,"label":…,"index":…,"run":…,"attempt":…,"commit":…,"dirty":"<patch sha256>"?,
 *    "begun":"<RFC 3339>","s":…,"cpu_s":…,"max_rss":…,"exit":0,
 *    "stdout":{"bytes":…,"kept":…,"text":"…"}, "stderr":{…},      text: inline when kept <= 4 KiB and UTF-8, else its own part
 *    "outputs":{"files":…,"bytes":…,"tar":true|false},
 *    "record":[["entrypoint","…"],…]}
 *
 * Members that a reader doesn't know are ignored; a greater version is refused. */
#ifndef FURROW_RESULT_H
#define FURROW_RESULT_H

#include "planner/base/buf.h"
#include "planner/job.h"
#include "planner/provider.h"
#include "providers/store/store.h"

enum { RESULT_INLINE_BYTES = 4096 };

struct result {
	struct digest key;
	struct str job, label, run, commit, patch_sha256;
	uint32_t index, attempt;
	struct str begun; /* RFC 3339 */
	struct outcome outcome;
	struct str stdout_text, stderr_text; /* absent: not inline */
	bool has_tar;
	struct pairs record;
};

/* Whether a stream's kept bytes go into result.json: short enough, and UTF-8. Otherwise they are
 * a part of their own. */
bool result_is_inline(struct str bytes);

void result_write(struct buf *out, const struct result *r);
/* Times of outcome come out as begun_ns 0 and ended_ns how long it ran. ERR_INPUT: no result, or
 * from a newer furrow. */
int result_parse(struct arena *a, struct result *out, struct str bytes, struct error *err);

/* Reads and parses the result of a key. ERR_MISSING: there is none. */
int result_load(struct store *s, struct arena *a, struct result *out, const struct digest *key,
	struct error *err);

#endif
