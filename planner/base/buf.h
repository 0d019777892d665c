/* buf: bytes that grow. */
#ifndef FURROW_BASE_BUF_H
#define FURROW_BASE_BUF_H

#include "planner/base/str.h"

#include <stdarg.h>

/* Zero-initialised is empty and ready; free with buf_free. */
struct buf {
	char *p;
	size_t n;
	size_t cap;
};

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_add_cstr(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Room for n more bytes at the end; returns where they go. Add to b->n what was written. */
char *buf_reserve(struct buf *b, size_t n);

/* The bytes as a C string: adds a NUL that is not counted in n. */
const char *buf_cstr(struct buf *b);
struct str buf_str(const struct buf *b);

/* Removes the first n bytes. */
void buf_shift(struct buf *b, size_t n);
void buf_clear(struct buf *b);
void buf_free(struct buf *b);

#endif
