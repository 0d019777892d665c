/* parallel: the same for many, side by side: for calls that wait for an answer. */
#ifndef FURROW_PARALLEL_H
#define FURROW_PARALLEL_H

#include <stddef.h>

/* Calls fn(ctx, i) once for each i < n, at most `threads` at a time (the caller's own is one of
 * them), in order of i as far as that goes. Returns when all are done. fn is called by several
 * threads at once. No thread to be had: then with fewer. */
void parallel_for(size_t n, size_t threads, void (*fn)(void *ctx, size_t i), void *ctx);

#endif
