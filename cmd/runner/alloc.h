/* alloc: memory, or the end of the runner with a word on stderr (its tasks end with it). */
#ifndef RUNNER_ALLOC_H
#define RUNNER_ALLOC_H

#include <stddef.h>

void *must_alloc(size_t n); /* zeroed */
void *must_realloc(void *p, size_t n);
char *must_copy(const char *p, size_t n); /* followed by a NUL */

#endif
