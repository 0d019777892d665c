/* text: how values look to people: durations, sizes, times, and bytes that came from elsewhere. */
#ifndef FURROW_TEXT_H
#define FURROW_TEXT_H

#include "planner/base/buf.h"

enum { TEXT_BYTES = 32 };

/* "0.4 ms", "420 ms", "34.2 s", "12m 05s", "3h 20m", "2d 04h"; "-" when ns < 0. Returns out. */
const char *text_duration(char out[TEXT_BYTES], int64_t ns);
/* The same in whole seconds, for figures that change while one looks: "34 s", "12m 05s". */
const char *text_elapsed(char out[TEXT_BYTES], int64_t ns);
/* "812 B", "3.1 MiB"; "-" when n < 0. */
const char *text_bytes(char out[TEXT_BYTES], int64_t n);
/* An amount: "$12.34", of less than a cent "$0.0041", "$0.00"; "-" when usd < 0. */
const char *text_usd(char out[TEXT_BYTES], double usd);
/* "2026-11-23 06:18" in local time. */
const char *text_time(char out[TEXT_BYTES], int64_t wall_ns);
/* "just now", "5 minutes ago", "3 hours ago", "12 days ago". */
const char *text_ago(char out[TEXT_BYTES], int64_t ns);

/* Appends s in at most `columns` columns (0: no limit), with "..." where it was cut. Control
 * characters and bytes that are no UTF-8 become '?', so that what a task wrote cannot move the
 * cursor. */
void text_add_safe(struct buf *b, struct str s, size_t columns);
/* How many columns text_add_safe takes without a limit: one a character. */
size_t text_columns(struct str s);
void text_add_pad(struct buf *b, size_t columns);
/* A message that may have lines of its own, of what a program said: the first with `suffix` behind
 * it, the others as "    | …" beneath. `eol` goes before every newline; one ends it. */
void text_add_message(struct buf *b, struct str message, struct str suffix, const char *eol);
/* The first line of s. */
struct str text_first_line(struct str s);

/* The last n lines of s (without a newline at its end). */
struct str text_last_lines(struct str s, unsigned n);

#endif
