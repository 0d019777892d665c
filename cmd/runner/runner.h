/* runner: what one furrow-runner holds: a connection, tasks, and what they share. One thread, one
 * epoll. */
#ifndef RUNNER_RUNNER_H
#define RUNNER_RUNNER_H

#include "cmd/runner/conn.h"
#include "cmd/runner/folder.h"
#include "cmd/runner/record.h"
#include "cmd/runner/task.h"
#include "cmd/runner/upload.h"

#include <sys/resource.h>

enum { RUNNER_BUCKETS = 1024 };

/* A living child of the runner that is nobody's main process: a task's process fell to it when its
 * parent ended. */
struct orphan {
	pid_t pid;
	uint64_t owner; /* the task's id; 0: not to be told */
};

struct runner {
	int epoll, signal_fd, listen_fd, null_fd;
	int children_fd; /* /proc/thread-self/children; -1: the kernel has none */
	struct watch listen_watch, signal_watch;
	const char *socket_path; /* NULL: stdin and stdout */
	struct rlimit files;	 /* RLIMIT_NOFILE as it was: tasks get that one */

	struct conn conn;
	int64_t alone_ns; /* since when there is no connection */
	uint32_t linger_s;
	char *run; /* FURROW_RUN; NULL: no HELLO yet */
	bool leaving;
	int exit_status;

	bool has_base; /* the following are valid */
	char *base_block;
	char **base_env;
	char *const *inherited; /* NULL: tasks get nothing of the runner's own environment */
	const char *root, *source, *outputs;
	uint64_t cap; /* bytes kept of a stream */
	uint32_t slots;
	uint64_t offer_over; /* bytes of a tar that may stay with the connection; 0: any */
	struct folders folders;
	struct record record;

	struct task_list waiting, active, done;
	struct task *by_id[RUNNER_BUCKETS], *by_pid[RUNNER_BUCKETS];
	uint32_t n_slots_taken;
	size_t held_bytes;			 /* of streams, in memory */
	struct upload *uploads[UPLOADS_AT_ONCE]; /* that have a child at work; NULL: none */
	struct orphan *orphans;
	size_t n_orphans, cap_orphans;
};

/* Nanoseconds of CLOCK_BOOTTIME. */
int64_t runner_now(void);
struct task *runner_task(struct runner *r, uint64_t id);
struct task *runner_task_of(struct runner *r, pid_t pid);
/* Whether streams have to be kept until they are acknowledged. */
bool runner_keeps(const struct runner *r);
/* Whether frames about this task may go out. */
bool runner_can_send(const struct runner *r, const struct task *t);

#endif
