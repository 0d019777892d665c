/* buf: bytes that grow by doubling. */
#include "planner/base/buf.h"

#include "planner/base/arena.h"

#include <stdio.h>
#include <stdlib.h>

char *
buf_reserve(struct buf *b, size_t n)
{
	if (b->cap - b->n < n) {
		size_t cap = b->cap ? b->cap * 2 : 256;

		while (cap - b->n < n)
			cap *= 2;
		b->p = mem_realloc(b->p, cap);
		b->cap = cap;
	}
	return b->p + b->n;
}

void
buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(b, n), bytes, n);
	b->n += n;
}

void
buf_add_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

void
buf_add_cstr(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_add_char(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->n++;
}

void
buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *at = buf_reserve(b, 128);
	int n;

	va_copy(again, ap);
	n = vsnprintf(at, b->cap - b->n, fmt, ap);
	if (n >= 0 && (size_t)n >= b->cap - b->n) {
		at = buf_reserve(b, (size_t)n + 1);
		n = vsnprintf(at, b->cap - b->n, fmt, again);
	}
	va_end(again);
	if (n > 0)
		b->n += (size_t)n;
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

const char *
buf_cstr(struct buf *b)
{
	*buf_reserve(b, 1) = '\0';
	return b->p;
}

struct str
buf_str(const struct buf *b)
{
	return (struct str){.p = b->p ? b->p : "", .n = b->n};
}

void
buf_shift(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
}

void
buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}
