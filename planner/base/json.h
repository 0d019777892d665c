/* json: writing JSON (RFC 8259) into a buffer. Reading is jansson's. */
#ifndef FURROW_BASE_JSON_H
#define FURROW_BASE_JSON_H

#include "planner/base/buf.h"

/* A JSON string with its quotes. A byte that is no UTF-8 becomes U+FFFD, as readers refuse anything
 * else; an absent string becomes null. */
void json_add_string(struct buf *b, struct str s);

/* Seconds with up to nine decimals and no trailing zeros, from nanoseconds: 1500000000 gives
 * 1.5. */
void json_add_seconds(struct buf *b, int64_t ns);

/* ,"NAME": before a member's value; no comma directly behind '{'. The name must need no escapes. */
void json_add_name(struct buf *b, const char *name);
void json_add_member_string(struct buf *b, const char *name, struct str value);
void json_add_member_int(struct buf *b, const char *name, int64_t value);
/* As json_add_seconds writes it. */
void json_add_member_seconds(struct buf *b, const char *name, int64_t ns);
/* In up to nine decimals, whatever the locale, and without an exponent; < 0, not known: null. */
void json_add_member_usd(struct buf *b, const char *name, double usd);
void json_add_member_bool(struct buf *b, const char *name, bool value);

#endif
