/* arena: memory that is freed together. Three lifetimes use three arenas: the plan, the run, and a
 * worker's scratch, reset for each node. Running out of memory ends the program with a message. */
#ifndef FURROW_BASE_ARENA_H
#define FURROW_BASE_ARENA_H

#include "planner/base/str.h"

struct arena_block;

/* Zero-initialised is empty and ready. Not shared between threads. */
struct arena {
	struct arena_block
		*head;	    /* the block that allocations come from; older ones hang behind it */
	size_t used;	    /* bytes used of head */
	size_t total_bytes; /* of all blocks: what a memory figure wants to know */
};

/* Zeroed memory, aligned for any type. n may be 0: the pointer is then unique but not readable. */
void *arena_alloc(struct arena *a, size_t n);

/* `count` zeroed elements of `type`; a product that overflows ends the program. */
#define ARENA_ARRAY(a, type, count) ((type *)arena_alloc_array((a), (count), sizeof(type)))
#define ARENA_NEW(a, type) ARENA_ARRAY(a, type, 1)
void *arena_alloc_array(struct arena *a, size_t count, size_t size);

/* A copy of s followed by a NUL byte, so that .p is a C string too. Absent stays absent. */
struct str arena_str(struct arena *a, struct str s);
/* The same as a C string; absent gives NULL. */
char *arena_cstr(struct arena *a, struct str s);

struct str arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Forgets everything but keeps one block for the next use. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);
/* arena_free, for secrets: what was in it is overwritten. */
void arena_wipe(struct arena *a);

/* malloc and realloc that end the program, with a message, when there is no memory. */
void *mem_alloc(size_t n);
void *mem_realloc(void *p, size_t n);

#endif
