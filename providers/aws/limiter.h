/* limiter: the pace at which all calls of a client go to one service. Free until the service
 * throttles; then each throttled answer halves the pace, and successes bring it back. Any thread. */
#ifndef FURROW_AWS_LIMITER_H
#define FURROW_AWS_LIMITER_H

#include <pthread.h>
#include <stdint.h>

struct limiter {
	pthread_mutex_t lock;
	int64_t interval_ns; /* between two requests; 0: no limit */
	int64_t next_ns;     /* when the next one may go */
	int64_t slowed_ns;   /* when it was last halved */
};

void limiter_init(struct limiter *l);
void limiter_destroy(struct limiter *l);

/* Takes the next free moment, and returns it: at or after now_ns. */
int64_t limiter_take(struct limiter *l, int64_t now_ns);
void limiter_throttled(struct limiter *l, int64_t now_ns);
void limiter_succeeded(struct limiter *l);

#endif
