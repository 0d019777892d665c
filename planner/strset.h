/* strset: which strings came before. Indices into an array of structs that each hold one, so a set
 * of 100,000 costs two megabytes and copies nothing. */
#ifndef FURROW_STRSET_H
#define FURROW_STRSET_H

#include "planner/base/str.h"

struct strset_slot;

struct strset {
	const struct str *first; /* string i stands i * stride bytes behind this one; not ours */
	size_t stride;
	struct strset_slot *slots;
	uint32_t mask;
};

/* A set for n strings, empty; free with strset_free. A string must not change while it is in the
 * set. */
void strset_init(struct strset *s, const struct str *first, size_t stride, uint32_t n);

/* Puts string i in. Returns the index of an equal one that was put in before (i then stays out),
 * else i. */
uint32_t strset_add(struct strset *s, uint32_t i);

/* The index of an equal string that was put in; UINT32_MAX: none. */
uint32_t strset_find(const struct strset *s, struct str key);

void strset_free(struct strset *s);

#endif
