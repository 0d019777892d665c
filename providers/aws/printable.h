/* printable: foreign bytes as words of one line, for messages. Pure. */
#ifndef FURROW_AWS_PRINTABLE_H
#define FURROW_AWS_PRINTABLE_H

#include "planner/base/str.h"

/* At most size - 1 bytes of s and a NUL: runs of blanks and control characters become one blank,
 * what is no UTF-8 a '?'; "…" at the end when something was left off. Returns the length. */
size_t printable(char *out, size_t size, struct str s);

#endif
