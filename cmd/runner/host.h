/* host: `furrow-runner host`, the far end of furrow's connection to an instance. It says what the
 * host has, takes the order of which run it is to serve, prepares what that stands on, and carries
 * bytes to and from the run's runner, which outlives the connection. While furrow is heard, the
 * host's lease is renewed; user data's script powers the host off when it is over.
 *
 * Folders, below $FURROW_ROOT (which only tests set):
 *   /var/lib/furrow/runner/SHA256     this program
 *   /var/lib/furrow/source/ID/        exported sources; ID.partial while one is being made
 *   /var/lib/furrow/env/ID/           what setup left; whole when .furrow-ready lies in it
 *   /var/lib/furrow/env/ID.log        what setup said
 *   /var/lib/furrow/run/RUN/          task folders of a run
 *   /run/furrow/until, boot, boot.err see user_data.c
 *   /run/furrow/turn              locked by who prepares the host, and its pid
 *   /run/furrow/runs/RUN              "PID START" of its runner, while that lives
 *   /run/furrow/runs/RUN.sock, .log   its door, and its stderr */
#ifndef RUNNER_HOST_H
#define RUNNER_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HOST_PATH_BYTES = 4096 };

/* FRAME_ORDER. Strings are the order's own. */
struct order {
	char *run;
	uint32_t lease_s, idle_s;
	char *source_id, *source_url; /* id "": none */
	char *env_id, *setup;	      /* id "": none */
	char **setup_files, **setup_vars;
	char *block; /* what holds the strings */
};

/* All of it, on stdin, stdout and stderr; returns the exit status. */
int host(void);

/* The path below the root; in a buffer of HOST_PATH_BYTES. false: too long. */
bool host_path(char *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* host_words.c: one line of JSON to fd:
 *   {"furrow_host":1,"runners":[…],"sources":[…],"envs":[…],"runs":[{"run":…}],"cpus":…,
 *    "memory":…,"uptime_s":…,"until_s":…,"boot":{"start":…,"runner":…,"source":…},"boot_err":…}
 * -1: it cannot be written. */
int host_words(int fd);

/* host_lease.c: the host stays up for so long from now on. -1 and a word on stderr. */
int host_lease(uint32_t seconds);
/* For as long as furrow is at the other end of in_fd. */
void host_lease_renew(uint32_t seconds, int in_fd);

/* host_turn.c: the right to prepare the host, taken from whoever has it; a descriptor, or -1 and a
 * word on stderr. */
int host_take_turn(void);
void host_give_turn(int fd);
/* Nobody waits any more for what is being prepared: furrow went, or another end has the turn. */
bool host_is_left(void);

/* host_runs.c */
bool host_run_lives(const char *run);
/* Ends the runs that furrow has given up, all but `run`: their processes, then their folders. */
void host_end_others(const char *run);
/* One that ended: removes what it left but its log. */
void host_forget_run(const char *run);
/* Starts the run's runner unless it lives; a socket that is connected to it, or -1. */
int host_open_run(const char *run);

/* host_prepare.c: sees to it that they are there. 0, or -1 and a word on stderr. */
int host_source(const struct order *o);
int host_setup(const struct order *o);

#endif
