/* session: one host's runner, from furrow's side: one connection, tasks and results framed over it. A thread of its own
 * per session drives the connection; callers only queue. */
#ifndef FURROW_SESSION_H
#define FURROW_SESSION_H

#include "planner/base/arena.h"
#include "planner/base/clock.h"
#include "planner/job.h"
#include "planner/provider.h"

struct session;

/* Where the bytes go: two file descriptors (they may be the same socket), owned by the session from session_open on. */
struct transport {
	int read_fd, write_fd;
};

struct session_base {      /* FRAME_BASE */
	const char *root, *source, *outputs;
	struct pairs env;  /* everything that all tasks get: a clean PATH, LANG, …; secrets included. The runner adds HOME,
	                    * TMPDIR, FURROW_RUN, FURROW_OUT, FURROW_ATTEMPT, FURROW_TRACE_FILE and a glob's FURROW_INPUT */
	int64_t cap_bytes; /* kept of each of stdout and stderr; <= 0: nothing */
	uint32_t slots;    /* tasks at a time; what is submitted beyond waits at the runner. 0: 1 */
};

struct session_task {
	uint64_t id;       /* unique in the session */
	uint32_t attempt;
	int64_t timeout_ns, grace_ns;
	struct task_command command; /* copied */
	struct str input;  /* relative to source; absent: FURROW_INPUT is in command.env as a value */
};

/* Called on the session's thread, in order for each task: begun, any number of streams and outputs, ended. Must not block
 * for long: while it does, the window closes and the runner keeps the data on its disk. */
struct session_events {
	void *ctx;
	void (*begun)(void *ctx, uint64_t id, int64_t t_ns); /* t_ns on furrow's CLOCK_BOOTTIME (offset by HELLO) */
	void (*stream)(void *ctx, uint64_t id, int stream, uint64_t offset, struct str bytes);
	/* What the task wrote to FURROW_TRACE_FILE, piece by piece. May be NULL. */
	void (*trace)(void *ctx, uint64_t id, struct str bytes);
	void (*output)(void *ctx, uint64_t id, struct str tar_bytes);
	/* why: enum ended_why. begun_ns and ended_ns of outcome on furrow's CLOCK_BOOTTIME. message: may be empty. */
	void (*ended)(void *ctx, uint64_t id, const struct outcome *outcome, int why, struct str message);
	void (*note)(void *ctx, struct str text);
	/* The connection is gone for good: every task that has not ended is lost. Last call. */
	void (*lost)(void *ctx, const struct error *err);
};

struct session_host {      /* FRAME_WELCOME */
	uint32_t pid, cpus;
	int64_t memory_bytes;
	char arch[16];
	uint64_t *tasks; /* ids that the runner still has from an earlier connection; the session's */
	size_t n_tasks;
};

/* Says HELLO and BASE, waits for WELCOME (at most timeout_ns), starts the thread. Closes the transport when it fails.
 * ERR_HOST: no runner, another version, or silence. host may be NULL. */
int session_open(struct session **out, const struct transport *t, const char *run, uint32_t linger_s,
	const struct session_base *base, const struct session_events *events, int64_t timeout_ns,
	struct session_host *host, struct error *err);

void session_submit(struct session *s, const struct session_task *task); /* never blocks */
void session_stop_task(struct session *s, uint64_t id, int64_t grace_ns); /* never blocks */
/* A task of session_host.tasks: its events come from here on, its streams from these bytes on. Never blocks. */
void session_resume(struct session *s, uint64_t id, uint64_t stdout_from, uint64_t stderr_from);
void session_ack(struct session *s, uint64_t id); /* its result is stored; never blocks; any thread */

/* BYE, waits for the runner to end (at most timeout_ns), joins the thread, closes. 0, or ERR_HOST when it did not end. */
int session_close(struct session *s, int64_t timeout_ns, struct error *err);

#endif
