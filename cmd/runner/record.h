/* record: attempts are on disk before they are made.
 *
 * ROOT/attempts.log, append-only, a line for each: ID SPACE ATTEMPT SPACE KEY LF (KEY:
 * FURROW_TASK_KEY, 64 hex digits, or "-"). All tasks that came in together are one write and one
 * fdatasync; a child process waits for the disk, so that what runs is looked after meanwhile. */
#ifndef RUNNER_RECORD_H
#define RUNNER_RECORD_H

#include "cmd/runner/conn.h"

#include <sys/types.h>

struct record {
	struct watch watch;
	int epoll;
	int log_fd;
	int helper_fd; /* -1: none, the runner waits for the disk itself */
	pid_t helper;
	char *lines; /* not written yet */
	size_t n, cap;
	uint64_t added;	  /* attempts, counted from 1 */
	uint64_t asked;	  /* on their way to the disk up to this one */
	uint64_t durable; /* on disk up to this one */
	uint64_t failed;  /* could not be recorded up to this one */
	int error;	  /* errno of that */
};

/* The log below root_fd, which stays the caller's. 0, or -1 with why; record_close is for both. */
int record_open(struct record *r, int root_fd, int epoll, char *why, size_t why_bytes);
/* Gives the attempt's number, by which `durable` and `failed` tell of it. What is no key is left out. */
uint64_t record_add(struct record *r, uint64_t id, uint32_t attempt, const char *key);
/* Sends on their way what has been added, unless others still are. */
void record_sync(struct record *r);
/* The helper has answered, or is gone. */
void record_answered(struct record *r);
void record_close(struct record *r);

#endif
