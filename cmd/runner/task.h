/* task: one task's life at the runner.
 *
 *   WAITING    for its record to be durable and for a slot
 *   RUNNING    its main process lives
 *   ENDING     that has ended; what it left behind is being ended, its streams are read to the end
 *   FINISHING  nothing of it runs; what furrow hasn't got yet is on its way
 *   DONE       told; kept until furrow acknowledges */
#ifndef RUNNER_TASK_H
#define RUNNER_TASK_H

#include "cmd/runner/conn.h"
#include "cmd/runner/pack.h"

#include <sys/types.h>

struct runner;
struct task;

enum task_state { TASK_WAITING, TASK_RUNNING, TASK_ENDING, TASK_FINISHING, TASK_DONE };

/* One of stdout and stderr. Bytes are counted from the task's first one. What has to be held
 * (because the window is closed, or for a later connection) lies in memory while it is little, else
 * in a file of the task's folder. */
struct stream {
	struct watch watch;
	struct task *task;
	enum frame_stream number;
	int fd;		    /* read end of the pipe; -1: at its end */
	bool wide;	    /* the pipe was made larger */
	uint64_t written;   /* by the task */
	uint64_t kept;	    /* of these: up to the cap */
	uint64_t sent;	    /* to furrow, over this connection */
	uint64_t held_from; /* held is what lies between this and kept */
	char *memory;
	size_t memory_n;
	int spool_fd; /* -1: not open */
	bool spooled; /* held is in the file, whose byte 0 is held_from; else in memory */
};

/* A process seen below a task when it was asked to end, by pid and start time. */
struct straggler {
	pid_t pid;
	uint64_t start;
};

struct task {
	struct task *next, *prev; /* in one of the runner's lists */
	struct task *next_by_id, *next_by_pid;
	uint64_t id;
	uint64_t record; /* number of its attempt's record */
	enum task_state state;
	uint32_t attempt;
	int64_t timeout_ms;
	uint32_t grace_ms;
	char *block; /* argv, env and input point into this; freed when it runs */
	char **argv, **env;
	char *input;
	pid_t pid;   /* of its main process; 0: none, or reaped */
	pid_t group; /* the same, and stays */
	enum ended_why why;
	int exit_status, signal;
	int64_t begun_ns, ended_ns, cpu_ns, max_rss_bytes;
	int64_t wake_ns;    /* when it wants to be looked at; INT64_MAX: never */
	int64_t kill_ns;    /* asked to end: KILL from here on; INT64_MAX: was not asked */
	uint32_t n_orphans; /* processes of it that fell to the runner and live */
	struct straggler *stragglers;
	size_t n_stragglers;
	bool has_folder;
	bool has_slot;
	bool prepared;	  /* has folder and pipes, waits for a slot */
	int write_fds[2]; /* of its pipes, until it has a process */
	bool muted;	  /* a new connection hasn't asked for it yet */
	struct stream streams[2];
	int trace_fd; /* -1: none, or not opened yet */
	bool trace_done;
	uint64_t trace_sent;
	struct pack *pack;
	bool pack_done;
	struct upload *upload; /* NULL: it has none, or doesn't know yet */
	uint64_t output_files, output_bytes;
	char message[640];
};

struct task_list {
	struct task *first, *last;
	size_t n;
};
void task_list_add(struct task_list *l, struct task *t);
void task_list_remove(struct task_list *l, struct task *t);

/* What came from furrow. */
void task_submit(struct runner *r, const struct frame *f);
void task_stop(struct runner *r, struct task *t, uint32_t grace_ms);
void task_ack(struct runner *r, struct task *t);
void task_resume(struct runner *r, struct task *t, uint64_t stdout_from, uint64_t stderr_from);

/* Starts what waits, as slots and records allow. */
void task_start_waiting(struct runner *r);
/* The same, but only of those that are ready for that. */
void task_start_prepared(struct runner *r);
/* Makes the next ones ready for that. */
void task_prepare_waiting(struct runner *r);
/* Its time has come: a deadline, the end of a grace, another look. */
void task_wake(struct runner *r, struct task *t);
/* Its main process was reaped. */
void task_exited(
	struct runner *r, struct task *t, int status, int64_t cpu_ns, int64_t max_rss_bytes);
/* ENDING: goes on to FINISHING when nothing of it is left. */
void task_check_end(struct runner *r, struct task *t);
/* Ends it because its streams cannot be kept. */
void task_fail(struct runner *r, struct task *t, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The connection is gone. */
void task_mute(struct task *t);
void task_free(struct runner *r, struct task *t);

#endif
