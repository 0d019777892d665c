/* report_boot: how instances came up, and what was bought for that: of one, and of a whole run. */
#ifndef FURROW_REPORT_BOOT_H
#define FURROW_REPORT_BOOT_H

#include "planner/base/buf.h"
#include "planner/execute/timings.h"

/* Of the attempt that made it; NULL: nothing is known. */
const struct boot *report_boot_of(const struct timing_node *n);

/* Indented lines: the marks in the order in which they came, what was read, how EBS fills the disk. */
void report_boot_add(struct buf *b, const struct boot *boot, size_t indent);

/* ,"boot":{…} */
void report_boot_add_json(struct buf *b, const struct boot *boot);

/* A line for all instances that read files, or nothing. */
void report_boot_add_sum(struct buf *b, const struct timings *t);

#endif
