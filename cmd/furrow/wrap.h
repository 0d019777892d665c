/* wrap: lines for people on a terminal that is narrower than they are. */
#ifndef FURROW_WRAP_H
#define FURROW_WRAP_H

#include "planner/base/buf.h"

/* Appends the lines of s, those that are wider than `columns` broken at blanks. What goes on begins where
 * the text of its line does: behind the last two blanks in the line's first half, else two columns in.
 * What has no blank stays whole, and so do the words of programs ("    | …"). Colours take no columns. */
void wrap_add(struct buf *out, struct str s, size_t columns);

/* The same in place, when fd is a terminal that tells how wide it is. */
void wrap_for(struct buf *b, int fd);

#endif
