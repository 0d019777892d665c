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
 *   /var/lib/furrow/image/ID, ID.env  touched when a container began from that image, or from what setup
 *                                     made of one; they themselves are in the engine's keeping
 *   /var/lib/furrow/env/ID.PID.tar.gz on its way to other hosts, or from one
 *   /var/lib/furrow/run/RUN/          task folders of a run
 *   /run/furrow/until, boot, boot.err see user_data.c
 *   /run/furrow/turn              locked by who prepares the host, and its pid
 *   /run/furrow/runs/RUN              "PID START" of its runner, while that lives
 *   /run/furrow/runs/RUN.sock, .log   its door, and its stderr
 *   /run/furrow/runs/RUN.container    the run is in a container; then its door is in its folder */
#ifndef RUNNER_HOST_H
#define RUNNER_HOST_H

#include "planner/base/protocol.h"

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
	/* All "" for a run without a container. See FRAME_ORDER. */
	char *job, *image, *image_id, *image_url, *image_login;
	uint8_t share;			/* of enum share_bit */
	char *share_url, *share_sha256; /* url "": setup is to run here */
	uint64_t share_bytes, share_tar_bytes;
	char *build_context, *build_file; /* below the source; "": the image is not built */
	char *block;			  /* what holds the strings */
};

/* How a host came to what setup makes: FRAME_PREPARED. */
struct prepared_words {
	enum prepared how;
	char why[1024];
};

/* All of it, on stdin, stdout and stderr; returns the exit status. */
int host(void);

/* The path below the root; in a buffer of HOST_PATH_BYTES. false: too long. */
bool host_path(char *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* host_words.c: one line of JSON to fd:
 *   {"furrow_host":1,"runners":[…],"sources":[…],"envs":[…],"runs":[{"run":…}],"dead":[RUN…],
 *    "images":[ID…],"images_gone":[…],"image_envs":[…],"cpus":…,
 *    "memory":…,"uptime_s":…,"until_s":…,"boot":{"start":…,"runner":…,"source":…},"boot_err":…}
 * The engine is asked for images only where there were some, and not while the boot fetches one.
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

/* Waits for a child, and keeps the lease meanwhile; its exit status. When furrow goes, so does the
 * child's whole group: it is run again when furrow comes back. One of another user is left to end by
 * itself. */
int host_wait_for(pid_t pid, uint32_t lease_s);

/* host_runs.c */
bool host_run_lives(const char *run);
/* Ends the runs that furrow has given up, all but `run`: their processes, then their folders. */
void host_end_others(const char *run);
/* One that ended: removes what it left but its log. */
void host_forget_run(const char *run);
/* Starts the run's runner unless it lives; a socket that is connected to it, or -1. */
int host_open_run(const struct order *o);
/* true: in a child of init's, for what nobody waits for; it has none of furrow's connection. */
bool host_detach(void);
/* Connects to a socket; -1 and errno. */
int host_dial(const char *path);

/* host_notice.c: begins to ask the instance's metadata service, in a process of its own, whether the
 * instance is to be interrupted. What it then reads from *fd are frames for furrow, of RELAY_SAY_BYTES at
 * most. The process, or -1: nobody asks. */
pid_t host_watch_notices(int *fd);
/* While the host is being prepared: says on stdout what is there to be read. */
void host_pass_notices(void);
void host_end_watch(pid_t watcher, int fd);

/* host_prepare.c: sees to it that they are there. 0, or -1 and a word on stderr. */
int host_source(const struct order *o);
int host_setup(const struct order *o, struct prepared_words *how);
/* Whether user data's script fetches that ("source", "image"; id NULL: whichever), and well. */
bool host_boot_fetches(const char *what, const char *id);
/* While it does, and until the path, if any, is there. */
void host_await_boot(const struct order *o, const char *what, const char *id, const char *path);
/* A file of furrow's store to a path, by a URL that is good for a while. Exit status. */
int host_fetch(const struct order *o, const char *url, const char *path);
/* Setup sees the files that its identity was made of, and no others: into a folder. */
int host_copy_setup_files(const struct order *o, const char *dir);

/* host_engine.c: podman, else docker, as root. What it said is in `said`, of which the end is kept when
 * that is too small. Exit status; HOST_NO_ENGINE: there is neither. o may be NULL: then furrow is not
 * looked after, and the engine is given a few seconds. */
enum { HOST_NO_ENGINE = 1000, HOST_SAID_BYTES = 2048 };
bool host_engine_is_docker(void);
int host_engine(
	const struct order *o, char *said, size_t size, const char *const *words /* to NULL */);
/* Its stdout goes to out_fd, and `said` is its stderr. */
int host_engine_to(
	const struct order *o, int out_fd, char *said, size_t size, const char *const *words);

/* Until it answers: docker's daemon comes up later than sshd. As host_engine. */
int host_engine_await(const struct order *o, char *said, size_t size);

/* host_image.c: sees to it that the order's image is there. 0, or -1 and a word on stderr. */
/* That there is an engine, and a place for archives; of itself in host_image. */
int host_image_begin(const struct order *o);
int host_image(const struct order *o, struct prepared_words *how);
/* The names under which they are kept: localhost/furrow-image:ID, localhost/furrow-env:ID. */
void host_image_name(char out[128], const char *id);
void host_env_name(char out[128], const char *id);
/* What the engine has of them, with a blank after each and one before the first; "": nothing, or it was
 * not asked. Takes as much as fits. */
void host_image_list(char *out, size_t size);
bool host_image_is_there(const struct order *o, const char *name);
/* Notes that it was used; of those that were used longest ago some are dropped. */
void host_image_used(const struct order *o);

/* host_container.c: the run's container. */
/* environment.setup in a container of the image, kept as an image of its own; or that image from another
 * host, when furrow says where it is. Sees to the order's image when that is needed. 0, or -1 and a word
 * on stderr. */
int host_container_setup(const struct order *o, struct prepared_words *how);
/* Starts it, and gives a socket that is connected to the runner in it, and that one's pid. */
int host_container_start(const struct order *o, pid_t *pid);
bool host_has_container(const char *run);
/* Ends it with all that runs in it; at once when it is gone already. */
void host_container_end(const char *run);
/* The path of the runner's socket. */
bool host_container_door(char *out, const char *run);

/* host_share.c: what setup left, from one host to the others. -1: why says why not; it is no failure,
 * setup can run here as well. The folder is empty before. */
int host_share_fetch(const struct order *o, const char *dir, char *why, size_t size);
int host_share_offer(const struct order *o, char *why, size_t size);
/* Of a file: to this path, inflated; no more than furrow announced. And one, from its beginning on,
 * compressed on the way. */
int host_share_fetch_file(const struct order *o, const char *path, char *why, size_t size);
int host_share_offer_file(const struct order *o, int fd, char *why, size_t size);

/* host_image_share.c: an image by its name here, from furrow's store and to it. -1: why says why not. */
int host_image_fetch(const struct order *o, const char *name, char *why, size_t size);
int host_image_offer(const struct order *o, const char *name, char *why, size_t size);

/* host_build.c: environment.build, of which the image is not there yet. 0, or -1 and a word on stderr. */
int host_build(const struct order *o, struct prepared_words *how);

/* host.c: the next frame from furrow, its payload in *block, which is malloc'd. 1, 0: the end came
 * first, -1: what came is no frame. */
int host_read_frame(struct frame *out, uint8_t **block);
/* 0, or -1: furrow is gone. */
int host_say(uint8_t type, const void *payload, size_t n);

#endif
