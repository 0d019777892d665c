/* arena: a chain of blocks that double in size. */
#include "planner/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(max_align_t) char data[];
};

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

static _Noreturn void
out_of_memory(size_t n)
{
	fprintf(stderr, "furrow: out of memory (%zu bytes wanted)\n", n);
	abort();
}

void *
mem_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		out_of_memory(n);
	return p;
}

void *
mem_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		out_of_memory(n);
	return q;
}

static void
add_block(struct arena *a, size_t n)
{
	size_t size = a->head ? a->head->size * 2 : FIRST_BLOCK;
	struct arena_block *b;

	if (size > LARGEST_BLOCK)
		size = LARGEST_BLOCK;
	if (size < n)
		size = n;
	b = mem_alloc(sizeof(*b) + size);
	b->next = a->head;
	b->size = size;
	a->head = b;
	a->used = 0;
	a->total_bytes += size;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	size_t align = _Alignof(max_align_t);
	size_t at = (a->used + align - 1) & ~(align - 1);
	void *p;

	if (n > SIZE_MAX / 4)
		out_of_memory(n);
	if (!a->head || at > a->head->size || a->head->size - at < n) {
		add_block(a, n);
		at = 0;
	}
	p = a->head->data + at;
	a->used = at + n;
	return memset(p, 0, n);
}

void *
arena_alloc_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		out_of_memory(SIZE_MAX);
	return arena_alloc(a, n);
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p;

	if (!s.p)
		return s;
	p = arena_alloc(a, s.n + 1);
	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct str){.p = p, .n = s.n};
}

char *
arena_cstr(struct arena *a, struct str s)
{
	char *p;

	if (!s.p)
		return NULL;
	p = arena_alloc(a, s.n + 1);
	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

struct str
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return STR("");
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return (struct str){.p = p, .n = (size_t)n};
}

void
arena_reset(struct arena *a)
{
	struct arena_block *b = a->head;

	if (!b)
		return;
	while (b->next) {
		struct arena_block *next = b->next;

		b->next = next->next;
		free(next);
	}
	a->used = 0;
	a->total_bytes = b->size;
}

void
arena_free(struct arena *a)
{
	arena_reset(a);
	free(a->head);
	*a = (struct arena){0};
}

void
arena_wipe(struct arena *a)
{
	for (struct arena_block *b = a->head; b; b = b->next)
		explicit_bzero(b->data, b->size);
	arena_free(a);
}
