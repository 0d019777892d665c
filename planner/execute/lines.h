/* lines: what stands in the lines of a journal (the format is on top of journal.c). Adds members to
 * an object in a buffer; writes nothing itself. */
#ifndef FURROW_LINES_H
#define FURROW_LINES_H

#include "planner/base/buf.h"
#include "planner/execute/journal.h"

void line_int(struct buf *b, const char *name, int64_t value);
/* Text that is known to need no escapes. */
void line_plain(struct buf *b, const char *name, const char *value);
void line_id(struct buf *b, const char *name, enum kind kind, uint32_t index);

/* Nothing at all for 0, false, absent or empty. */
void line_count(struct buf *b, const char *name, int64_t value);
void line_flag(struct buf *b, const char *name, bool value);
void line_text(struct buf *b, const char *name, struct str value);
void line_cstr(struct buf *b, const char *name, const char *value);

/* Money as it is written: in billionths of a dollar; -1: unknown. */
int64_t line_nusd(double usd);
/* "a":{"nusd":…} of what costs so much an hour; nothing for 0. */
void line_hourly(struct buf *b, double hourly_usd);

/* The members of a `run` line, all but "ev". */
void line_head(struct buf *b, const struct journal_head *h, const char *trace);

/* Those of a `node` line, all but "ev" and "n", for the node `first` and its neighbours that fold
 * with it: returns how many these are. scratch: 2 * n_nodes numbers. */
uint32_t line_nodes(struct buf *b, const struct graph *g, uint32_t first, uint32_t *scratch);

/* "err":{…} and "a":{…}; the latter not when there is nothing to say. */
void line_error(struct buf *b, const struct error *e);
void line_outcome(struct buf *b, const struct outcome *o);

#endif
