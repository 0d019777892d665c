/* conn: the connection to furrow: frames in, frames out, and how much data may go out yet. */
#ifndef RUNNER_CONN_H
#define RUNNER_CONN_H

#include "planner/base/protocol.h"

/* What epoll gives back: the first member of whatever is watched. */
enum watch_kind { WATCH_IN, WATCH_OUT, WATCH_LISTEN, WATCH_SIGNAL, WATCH_RECORD, WATCH_STREAM };
struct watch {
	enum watch_kind kind;
};

struct conn {
	struct watch in_watch, out_watch;
	int epoll;
	int in_fd, out_fd; /* -1: no connection. A socket is held twice, once for each */
	char *in;
	size_t in_from, in_n, in_cap;
	char *out;
	size_t out_from, out_n, out_cap;
	bool armed;	 /* epoll waits for room to write */
	bool greeted;	 /* HELLO came and was answered: frames may go out */
	uint32_t window; /* bytes of STREAM and OUTPUT that may be sent before the next CREDIT */
};

void conn_init(struct conn *c, int epoll);
/* Takes both over. They may be the same descriptor. */
int conn_open(struct conn *c, int in_fd, int out_fd);
void conn_close(struct conn *c);

/* Reads what is there. 0, or -1: the other end is gone. */
int conn_read(struct conn *c);
/* The next whole frame; its payload is valid until the next conn_read. 1, 0: none yet, -1: garbage.
 */
int conn_next(struct conn *c, struct frame *out);

/* Room for a frame with n bytes of payload at the end of what goes out; returns where the payload
 * goes. conn_add puts the header before it, with the length that it has in the end. Without
 * conn_add nothing happened. */
uint8_t *conn_room(struct conn *c, size_t n);
void conn_add(struct conn *c, uint8_t type, uint8_t stream, uint64_t id, size_t n);
void conn_send(struct conn *c, uint8_t type, uint64_t id, const void *payload, size_t n);
void conn_note(struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Writes what it can. 0, or -1: the other end is gone. */
int conn_flush(struct conn *c);

#endif
