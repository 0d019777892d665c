/* alloc: memory or the end. */
#include "cmd/runner/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void
no_memory(size_t n)
{
	fprintf(stderr, "furrow-runner: no memory for %zu bytes\n", n);
	_Exit(70);
}

void *
must_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		no_memory(n);
	return p;
}

void *
must_realloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		no_memory(n);
	return p;
}

char *
must_copy(const char *p, size_t n)
{
	char *s = must_alloc(n + 1);

	if (n)
		memcpy(s, p, n);
	return s;
}
