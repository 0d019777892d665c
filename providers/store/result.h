/* result: the document result.json of one task.
 *
 *   {"furrow_result":1,"key":…,"job":…,"label":…,"index":…,"run":…,"attempt":…,"commit":…,"dirty":"<patch sha256>"?,
 *    "begun":"<RFC 3339>","s":…,"cpu_s":…,"max_rss":…,"exit":0,
 *    "stdout":{"bytes":…,"kept":…,"text":"…"}, "stderr":{…},      text: inline when kept <= 4 KiB and UTF-8, else its own part
 *    "outputs":{"files":…,"bytes":…,"tar":true|false},
 *    "record":[["entrypoint","…"],…]} */
#ifndef FURROW_RESULT_H
#define FURROW_RESULT_H

#include "planner/base/buf.h"
#include "planner/job.h"
#include "planner/provider.h"

enum { RESULT_INLINE_BYTES = 4096 };

struct result {
	struct digest key;
	struct str job, label, run, commit, patch_sha256;
	uint32_t index, attempt;
	struct str begun;  /* RFC 3339 */
	struct outcome outcome;
	struct str stdout_text, stderr_text; /* absent: not inline */
	bool has_tar;
	struct pairs record;
};

void result_write(struct buf *out, const struct result *r);
int result_parse(struct arena *a, struct result *out, struct str bytes, struct error *err);

#endif
