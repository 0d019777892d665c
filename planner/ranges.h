/* ranges: many small numbers in a few characters: 0,1,2,3,7 is "0..3,7". */
#ifndef FURROW_RANGES_H
#define FURROW_RANGES_H

#include "planner/base/buf.h"

/* Adds n ascending numbers. Of more than max_bytes (0: no limit) the end becomes "...". */
void ranges_add(struct buf *out, const uint32_t *v, size_t n, size_t max_bytes);

/* Sets set[i] = 1 for each number of the text. false, set then being undefined, for anything that
 * ranges_add does not write: numbers out of order, or not below n. The empty text is no numbers. */
bool ranges_parse(struct str text, uint8_t *set, uint32_t n);

#endif
