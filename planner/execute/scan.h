/* scan: reading one line of JSON (RFC 8259) from front to back, without building a tree of it: a
 * journal has several hundred thousand lines. Whatever is no JSON sets `bad`, which stays; values
 * are then zero or absent.
 *
 *   scan_object(&s); while (scan_member(&s, &key)) {
 *           if (str_is(key, "n"))
 *                   n = scan_int(&s);
 *           else
 *                   scan_skip(&s);
 *   }
 * / */
#ifndef FURROW_SCAN_H
#define FURROW_SCAN_H

#include "planner/base/arena.h"

struct scan {
	struct str rest;
	/* Where strings with escapes in them are unescaped; the others point into the line. */
	struct arena *arena;
	bool bad;
};

/* Goes into an object or an array. */
void scan_object(struct scan *s);
void scan_array(struct scan *s);

/* Goes on to the next member, whose value has to be read; false at the end of the object, which it
 * leaves. */
bool scan_member(struct scan *s, struct str *key);
/* Likewise for the next item of an array. */
bool scan_item(struct scan *s);

/* An integer from 0 to INT64_MAX; anything else is bad. */
int64_t scan_count(struct scan *s);
/* An integer. */
int64_t scan_int(struct scan *s);
bool scan_bool(struct scan *s);
struct str scan_string(struct scan *s);
/* Any value. */
void scan_skip(struct scan *s);

/* Nothing may follow but blanks. */
void scan_end(struct scan *s);

#endif
