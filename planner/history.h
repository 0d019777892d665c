/* history: how long things took, and which key a task had, from earlier runs of a job. A small text
 * that the store keeps; the planner estimates from it and `why` compares with it.
 *
 * Format, one line each, sorted by kind then label:
 *   furrow-history 1
 *   KIND TAB LABEL TAB KEY-OR-DASH TAB NANOSECONDS TAB COUNT
 * NANOSECONDS is the newest duration and COUNT in how many runs it was seen. For tasks LABEL is the
 * task's; for environments on instances that were there already "warm"; for all else "-". What cannot be read is skipped: history helps, nothing needs it. */
#ifndef FURROW_HISTORY_H
#define FURROW_HISTORY_H

#include "planner/base/buf.h"
#include "planner/base/digest.h"
#include "planner/kind.h"

struct history_entry {
	enum kind kind;
	struct str label;
	struct digest key; /* zero: none */
	int64_t ns;
	uint32_t count;
};

struct history {
	struct history_entry *v; /* sorted by kind, label */
	size_t n;
};

/* What cannot be read is left out; false: that is all of it, as these bytes are no history, or one of a later
 * furrow. Strings point into bytes. */
bool history_parse(struct arena *a, struct history *out, struct str bytes);

/* Valid as long as h is; NULL: it has none. */
const struct history_entry *history_find(const struct history *h, enum kind kind, struct str label);

/* Median and 90th percentile of a kind (nearest rank, each entry once); false: there is none. */
bool history_quantiles(const struct history *h, enum kind kind, int64_t *p50_ns, int64_t *p90_ns);

/* Writes the union; `newer` wins where both have an entry, and the counts add up. newer must be
 * sorted like older. */
void history_merge(struct buf *out, const struct history *older, const struct history *newer);

#endif
