/* upload: a task's outputs on their way to where they are stored, by HTTP and not through furrow.
 *
 * The tar is measured first. Is it larger than what BASE says, it is offered; has furrow a URL for
 * it, one child packs it into a file without a name in the task's folder (what takes the PUT wants
 * to know its length), and another one, curl or python3, sends that. What is transient is tried
 * again, a URL that is good no more is asked for anew once; when all fails the outputs go over the
 * connection as if nothing had been. That the connection is cut meanwhile doesn't matter: the
 * children go on, and the next connection learns how it went. */
#ifndef RUNNER_UPLOAD_H
#define RUNNER_UPLOAD_H

#include "planner/base/str.h"

#include <sys/types.h>

struct runner;
struct task;
struct upload;

enum { UPLOADS_AT_ONCE = 4 };

enum upload_state {
	UPLOAD_NONE, /* the outputs are for the connection */
	UPLOAD_WAITS,
	UPLOAD_PLACED /* and furrow was told so */
};

/* Says what there is to say of a task that ended well, and goes on measuring. To be called until it
 * doesn't wait any more. Makes the task's upload. */
enum upload_state upload_tell(struct runner *r, struct task *t);
/* What came with FRAME_PUT. */
void upload_put(struct runner *r, struct upload *u, struct str url);
/* There is a new connection. */
void upload_again(struct upload *u);
/* Starts the children whose turn it is. */
void uploads_go_on(struct runner *r);

/* The one that has this child; NULL: none. */
struct upload *upload_of(const struct runner *r, pid_t pid);
/* Its child was reaped. */
void upload_child_ended(struct runner *r, struct upload *u, int status);

/* Nobody wants the outputs any more. false: nothing had been offered, or all is over. */
bool upload_stop(struct runner *r, struct upload *u);
/* Ends its child and lets the file go. */
void upload_rest(struct runner *r, struct upload *u);
void upload_free(struct runner *r, struct upload *u);

#endif
