/* session_internal: what the two halves of a session share: queueing and driving the connection,
 * and judging what comes. */
#ifndef FURROW_SESSION_INTERNAL_H
#define FURROW_SESSION_INTERNAL_H

#include "planner/base/buf.h"
#include "planner/base/protocol.h"
#include "providers/host/session.h"

#include <pthread.h>

/* A task that has not ended. What the runner says of it has to follow on what it said before. */
struct open_task {
	uint64_t id;		   /* 0: free */
	uint64_t at[STREAM_TRACE]; /* bytes of each stream so far */
	bool begun;
	bool offered; /* and not answered yet */
	bool may_put; /* answered with a URL */
	bool placed;
	bool too_long; /* its frame cannot be sent: refused on the session's thread */
};

/* By id: open addressing, capacity a power of two, at most half full. */
struct open_tasks {
	struct open_task *v;
	size_t n, cap;
};

struct session {
	struct transport t;
	int wake_fd; /* eventfd: something was queued */
	pthread_t thread;
	struct session_events events;
	int64_t open_until_ns; /* for WELCOME */
	bool awaited;	       /* whoever opens it waits for that, and is told by session_await */

	/* Any thread, under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* opened, ended */
	struct buf queue;	/* frames on their way to the thread */
	struct open_tasks open;
	size_t n_refused, n_unacked;
	bool woken; /* wake_fd is set, or the thread has not looked yet */
	bool welcomed;
	bool ended;		/* the thread touches nothing any more */
	int64_t close_until_ns; /* 0: session_close was not called; else: how long it waits */
	struct error why;	/* of the end */

	/* The session's thread. */
	struct buf out, in;
	size_t out_at, in_at;
	uint32_t taken_bytes; /* of data, not credited yet */
	int64_t spoke_ns;     /* when anything went out last */
	int64_t hello_ns;     /* when HELLO went out */
	int64_t offset_ns;    /* the host's clock less ours */
	struct session_host host;
	bool late;	/* the runner outlived close_until_ns */
	char note[512]; /* the last one: often why the runner ends */
};

/* Under s->lock. What they give holds until the next open_add or open_remove: those move others. NULL: it
 * is not open; 0 is no id. open_add is for one that is not there. */
struct open_task *open_find(struct open_tasks *o, uint64_t id);
struct open_task *open_add(struct open_tasks *o, uint64_t id);
void open_remove(struct open_tasks *o, struct open_task *t);

/* One frame from the runner. < 0 with s->why when it makes no sense; such a host is not listened to
 * any more. */
int session_hear(struct session *s, const struct frame *f, int64_t now_ns);

#endif
