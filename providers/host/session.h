/* session: one host's runner, from furrow's side: one connection, tasks and results framed over it.
 * A thread of its own per session drives the connection; callers only queue. What a host says is
 * checked, see session_hear.c: one that talks nonsense is lost, and harmless. */
#ifndef FURROW_SESSION_H
#define FURROW_SESSION_H

#include "planner/base/arena.h"
#include "planner/base/clock.h"
#include "planner/job.h"
#include "planner/provider.h"

struct session;

/* Where the bytes go: two file descriptors (they may be the same socket), owned by the session from
 * session_open on, also when that fails. */
struct transport {
	int read_fd, write_fd;
};

/* FRAME_BASE */
struct session_base {
	const char *root;    /* absolute */
	const char *source;  /* absolute; NULL or "": none */
	const char *outputs; /* relative to the working folder; NULL or "": FURROW_OUT alone */
	/* What all tasks get: a clean PATH, LANG, …; secrets included. Above it lies a task's own
	 * environment, and what the runner adds: FURROW_RUN, FURROW_OUT, FURROW_ATTEMPT,
	 * FURROW_TRACE_FILE, a glob's FURROW_INPUT, and HOME and TMPDIR unless the task's own has
	 * them. */
	struct pairs env;
	/* Beneath env lies what the runner itself was given: in a container the image's ENV. */
	bool inherit_env;
	int64_t cap_bytes; /* kept of each of stdout and stderr; <= 0: nothing */
	uint32_t slots;	   /* tasks at a time, what is submitted beyond waits at the runner; 0: 1 */
	/* Outputs whose tar is larger are offered, see session_events.offer; <= 0: none is. */
	int64_t offer_over_bytes;
};

struct session_task {
	uint64_t id; /* not 0; unique in the life of the runner */
	uint32_t attempt;
	int64_t timeout_ns;	     /* < 0: none */
	int64_t grace_ns;	     /* between TERM and KILL, when the timeout passed */
	struct task_command command; /* copied */
	/* Relative to source: FURROW_INPUT is its path. Absent: FURROW_INPUT is in command.env as a
	 * value. */
	struct str input;
};

/* Called on the session's thread, in order for each task: begun, any number of streams, then of
 * traces, then of outputs (or offer and placed instead), ended. Must not block for long: while it does, the window closes and the
 * runner keeps the data on its disk. None is called any more once session_close was. They may
 * submit, stop and acknowledge. */
struct session_events {
	void *ctx;
	/* t_ns on furrow's CLOCK_BOOTTIME, as all times here. */
	void (*begun)(void *ctx, uint64_t id, int64_t t_ns);
	/* stream: STREAM_STDOUT or STREAM_STDERR; offset: of the first byte, without gaps. */
	void (*stream)(void *ctx, uint64_t id, int stream, uint64_t offset, struct str bytes);
	/* What the task wrote to FURROW_TRACE_FILE, piece by piece, TRACE_MAX_BYTES at most. May be
	 * NULL. */
	void (*trace)(void *ctx, uint64_t id, struct str bytes);
	void (*output)(void *ctx, uint64_t id, struct str tar_bytes);
	/* The runner has outputs that need not come over the connection: their tar has about so many
	 * bytes. It waits for session_put, from here or any thread, and may ask again when its URL
	 * was good no more. NULL: they come over the connection. */
	void (*offer)(void *ctx, uint64_t id, int64_t tar_bytes);
	/* They lie where session_put said, so many bytes; the runner says so, nobody has looked. Not
	 * NULL when offer isn't. */
	void (*placed)(void *ctx, uint64_t id, int64_t tar_bytes);
	/* why: enum ended_why. message: may be empty. Output that came counts only with ENDED_SELF.
	 */
	void (*ended)(
		void *ctx, uint64_t id, const struct outcome *outcome, int why, struct str message);
	/* A word for people. May be NULL. */
	void (*note)(void *ctx, struct str text);
	/* The host is to be interrupted ("terminate", "stop", "hibernate") in so long, which is wall_s
	 * of Unix time by its own clock. May come again. May be NULL. */
	void (*notice)(void *ctx, const char *action, int64_t left_ns, int64_t wall_s);
	/* The connection is gone for good: every task that has not ended is lost. Last call. The
	 * runner ends its tasks when that happens; if it was killed, spawn_sweep() finds what is
	 * left of them. */
	void (*lost)(void *ctx, const struct error *err);
};

/* FRAME_WELCOME */
struct session_host {
	uint32_t pid, cpus;
	int64_t memory_bytes;
	char arch[16];
	/* Ids that the runner has from an earlier connection; the session's memory. */
	uint64_t *tasks;
	size_t n_tasks;
};

/* Says HELLO and BASE, starts the thread, waits for WELCOME (at most timeout_ns). host may be NULL.
 * Signals are never delivered on the thread. ERR_HOST: no runner, another version, or silence.
 * ERR_INPUT: the environment is too long to be sent. */
int session_open(struct session **out, const struct transport *t, const char *run,
	uint32_t linger_s, const struct session_base *base, const struct session_events *events,
	int64_t timeout_ns, struct session_host *host, struct error *err);

/* Its two halves, for who lets others know of the session before it is welcomed: *out is set before any event
 * comes, and `lost` is told of a session that was welcomed alone. */
int session_begin(struct session **out, const struct transport *t, const char *run,
	uint32_t linger_s, const struct session_base *base, const struct session_events *events,
	int64_t timeout_ns, struct error *err);
/* < 0: it was not welcomed, and is to be closed. */
int session_await(struct session *s, struct session_host *host, struct error *err);

/* The same without the wait: what is submitted from now on goes out in one flight with HELLO. Where no
 * WELCOME comes within timeout_ns, `lost` is told, perhaps before this returns; *out is set by then. */
int session_start(struct session **out, const struct transport *t, const char *run,
	uint32_t linger_s, const struct session_base *base, const struct session_events *events,
	int64_t timeout_ns, struct error *err);

/* These five never block; any thread. */
void session_submit(struct session *s, const struct session_task *task);
/* Its end comes as ENDED_STOPPED, unless it was faster; grace_ns < 0: or has begun. */
void session_stop_task(struct session *s, uint64_t id, int64_t grace_ns);
/* A task of session_host.tasks: its events come from here on, its streams from these bytes on. */
void session_resume(struct session *s, uint64_t id, uint64_t stdout_from, uint64_t stderr_from);
/* Its result is stored, or nobody wants it: the runner may forget it. */
void session_ack(struct session *s, uint64_t id);
/* The answer to an offer: a URL that takes one HTTP PUT of it without further headers; NULL or "":
 * over the connection, please. Without an offer that waits for it, nothing happens. */
void session_put(struct session *s, uint64_t id, const char *url);

/* BYE, waits for the runner to end (at most timeout_ns), joins the thread, closes. 0, or ERR_HOST
 * when it did not end in time. Not from an event. */
int session_close(struct session *s, int64_t timeout_ns, struct error *err);

#endif
