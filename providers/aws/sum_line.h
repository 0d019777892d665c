/* sum_line: the last line of what is kept on disk: "sha256 HEX" LF, over all before it. */
#ifndef FURROW_AWS_SUM_LINE_H
#define FURROW_AWS_SUM_LINE_H

#include "planner/base/buf.h"
#include "planner/base/digest.h"

void sum_line_add(struct buf *out);

/* Cuts it off; false: it is not there, or not that of what stands before it. */
bool sum_line_cut(struct str *bytes);

#endif
