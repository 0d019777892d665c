/* kept: what is to be said when less was kept of a task's streams than it wrote. */
#ifndef FURROW_KEPT_H
#define FURROW_KEPT_H

#include "planner/base/buf.h"
#include "planner/provider.h"

/* Whether some of stdout or stderr was dropped. */
bool kept_less(const struct outcome *o);

/* "the first 64.0 MiB of its 98.2 MiB of stdout", for both with " and " between; nothing when all
 * was kept. */
void kept_add(struct buf *b, const struct outcome *o);

/* The members "stdout_bytes", "stdout_kept", "stderr_bytes", "stderr_kept": written, and kept. */
void kept_add_json(struct buf *b, const struct outcome *o);

#endif
