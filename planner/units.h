/* units: the quantities of a manifest: durations, sizes, rates, money, counts and ranges of them.
 *
 * Everything is exact: a number is read as integer and fraction, never through floating point (but
 * for money, at the very end), and what doesn't fit is an error. Blanks, signs and foreign units
 * are errors with a proposal, never guessed. */
#ifndef FURROW_UNITS_H
#define FURROW_UNITS_H

#include "planner/manifest.h"

/* Why a text is no such quantity. */
struct unit_problem {
	char message[320]; /* "'16Gb' is no size; expected …" */
	char proposal[48]; /* "16GiB"; empty: none */
};

enum { UNITS_MAX_DAYS = 36500 };

/* "1h30m", "500ms", "1.5h", "0": days, hours, minutes, seconds, milliseconds, from large to small.
 */
bool units_duration(struct str s, int64_t *ns, struct unit_problem *why);

/* "16GiB", "1.5TiB": KiB, MiB, GiB, TiB. */
bool units_size(struct str s, int64_t *bytes, struct unit_problem *why);

/* "300MiB/s". */
bool units_rate(struct str s, int64_t *bytes_per_s, struct unit_problem *why);

/* US dollars: "5", "0.25", to the millionth. */
bool units_money(struct str s, double *usd, struct unit_problem *why);

/* A whole number, written in decimal, from least to most. */
bool units_count(struct str s, int64_t least, int64_t most, int64_t *out, struct unit_problem *why);

/* "4", "4+", "4..8", from least on. */
bool units_count_range(struct str s, int64_t least, struct range *out, struct unit_problem *why);

/* "16GiB", "16GiB+", "8GiB..32GiB"; more than nothing. */
bool units_size_range(struct str s, struct range *out, struct unit_problem *why);

/* The other way, for people: "1h30m", "16GiB", "4+". */
struct str units_format_duration(struct arena *a, int64_t ns);
struct str units_format_size(struct arena *a, int64_t bytes);
struct str units_format_range(struct arena *a, struct range r);

#endif
