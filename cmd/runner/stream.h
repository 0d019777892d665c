/* stream: reading what a task writes, holding what has to be held, sending what may be sent. */
#ifndef RUNNER_STREAM_H
#define RUNNER_STREAM_H

#include "cmd/runner/task.h"

void stream_init(struct stream *s, struct task *t, enum frame_stream number);
/* The pipe can be read: one read of it. Gives false when there was nothing (more). */
bool stream_take(struct runner *r, struct stream *s);
/* Sends held bytes as far as the window goes. */
void stream_pump(struct runner *r, struct stream *s);
/* Sends again from here on; what isn't held any more is left out. */
void stream_rewind(struct stream *s, uint64_t from);
/* Stops reading. */
void stream_close(struct runner *r, struct stream *s);
/* Forgets what is held. */
void stream_free(struct runner *r, struct stream *s);

#endif
