/* str: a view of bytes with a length. Never owns, may hold NUL bytes and need not end in one. */
#ifndef FURROW_BASE_STR_H
#define FURROW_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p; /* NULL: absent, which is not the same as empty */
	size_t n;
};

/* A view of a string literal. */
#define STR(lit) ((struct str){.p = (lit), .n = sizeof(lit) - 1})

/* Arguments for a "%.*s" conversion. */
#define STR_ARG(s) (int)(s).n, ((s).p ? (s).p : "")

/* A view of a C string; NULL gives the absent string. */
struct str str_from(const char *cstr);

bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *cstr);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Order by unsigned bytes, a prefix before what it is a prefix of: <0, 0 or >0. */
int str_cmp(struct str a, struct str b);

/* The part from `from` (clamped to the end) on. */
struct str str_from_index(struct str s, size_t from);

/* Without leading and trailing blanks, tabs, CR and LF. */
struct str str_trim(struct str s);

/* Cuts the part before the first `sep` off *rest and returns it; without `sep`, all of it, and
 * *rest becomes absent. Call until rest->p is NULL. */
struct str str_cut(struct str *rest, char sep);

/* Whether s is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);

/* A decimal integer with nothing around it; false on anything else or overflow. */
bool str_to_i64(struct str s, int64_t *out);

#endif
