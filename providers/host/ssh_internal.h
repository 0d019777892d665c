/* ssh_internal: what the files of ssh share. One thread, the hub's, owns every connection and all of
 * libssh's objects; what callers may look at lies behind a host's lock. */
#ifndef FURROW_SSH_INTERNAL_H
#define FURROW_SSH_INTERNAL_H

#include "planner/base/arena.h"
#include "planner/base/buf.h"
#include "planner/base/clock.h"
#include "providers/host/ssh.h"
#include "providers/host/ssh_key.h"
#include "providers/ssh/lib.h"

#include <pthread.h>
#include <sys/socket.h>

enum {
	SSH_CHUNK_BYTES = 64 << 10, /* carried in one go, between caller and channel */
	SSH_SAID_BYTES = 4 << 10
};

/* What a connection does or waits for; in this order. */
enum ssh_step {
	STEP_PAUSE,   /* before the next try */
	STEP_DIAL,    /* connect(2) */
	STEP_KEX,     /* versions and keys */
	STEP_SERVICE, /* asked for ssh-userauth */
	STEP_AUTH,    /* signed */
	STEP_CHANNEL, /* let in; channel and command are on their way */
	STEP_EXEC,    /* the channel is open */
	STEP_RUN,     /* the command runs */
	STEP_DRAIN,   /* it is over, its last output waits for the caller */
	STEP_OVER
};

struct ssh_host {
	struct ssh_hub *hub; /* NULL once the hub was closed */

	/* Behind the hub's lock. */
	struct ssh_host *next_news;
	bool in_news, to_end;

	/* Behind this one. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum ssh_state state;
	int exit_status;
	struct error err;
	struct ssh_times times;
	struct buf said;

	/* Written by ssh_start, then read alone. */
	struct arena arena; /* the strings; the key is wiped before it is freed */
	struct sockaddr_storage to;
	socklen_t to_bytes;
	const char *name; /* "furrow@10.0.0.5 port 22" */
	const char *address, *user, *command;
	char host_key[SSH_KEY_PUBLIC_BYTES];
	struct ssh_key *key;
	int64_t wait_ns, handshake_ns;

	/* The thread's alone from here on. */
	struct ssh_host *prev, *next;
	enum ssh_step step;
	int64_t due_ns;	       /* when to look at it without an event; INT64_MAX: never */
	int64_t until_ns;      /* no new try after this */
	int64_t step_until_ns; /* of a dial, or of the handshake */
	uint32_t resets;       /* in a row, before the key exchange was done */
	bool careful;	       /* one thing after the other */
	bool exec_answered;    /* with yes, while the command was sent */
	int sock;	       /* the connection; libssh closes it once it has it; -1 */
	uint32_t sock_events;  /* what epoll was told; 0: it isn't watched */
	ssh_session session;
	ssh_event event;
	ssh_channel channel;
	struct ssh_counter_struct traffic, packets;
	struct ssh_channel_callbacks_struct callbacks;
	ssh_key auth_key;     /* libssh's, while it logs in */
	uint64_t heard_bytes; /* traffic.in_bytes when it last grew */
	int64_t heard_ns, asked_ns;
	char greeting[64]; /* the first that came, when it is no SSH; made fit to be shown */

	int fd; /* the hub's end of the caller's socket; -1 */
	uint32_t fd_events;
	bool fd_hung;		 /* the caller closed its end: it is watched no more */
	bool caller_gone;	 /* and nobody wants the output */
	bool up_ended, eof_sent; /* of the caller's bytes */
	struct buf up;		 /* taken from the caller, not yet by the channel */
	bool down_full;		 /* the caller doesn't take more now */
	bool down_left;		 /* libssh may hold output that was not taken */
	struct buf down;	 /* taken from libssh, not yet by the caller */
	bool remote_eof, remote_closed, output_ended;
};

struct ssh_hub {
	const struct libssh *lib;
	pthread_t thread;
	int epoll_fd, wake_fd;

	pthread_mutex_t lock;
	struct ssh_host *news; /* new, or to be ended */
	bool closing;

	/* The thread's alone. */
	struct ssh_host *hosts;
	/* Ended ones, emptied. A process that was forked while a descriptor was open may keep epoll
	 * telling of it until it has executed its program, and what it tells of must still be there. */
	struct ssh_host *gone;
	int64_t wake_ns; /* no host is due before */
	uint64_t dice;
	char *chunk; /* SSH_CHUNK_BYTES */

	/* Tests make these shorter before the first ssh_start. */
	int64_t quiet_ns; /* silence after which the other side is asked whether it is there */
	int64_t lost_ns;  /* and after which it is taken for lost */
};

int64_t ssh_now(void);

/* --- ssh_dial: getting a connection. --- */

void ssh_dial(struct ssh_host *h, int64_t now);
/* connect(2) came to its end. */
void ssh_dialled(struct ssh_host *h, int64_t now);
/* The try failed in a way that the next may not: goes to STEP_PAUSE, or fails when there is no time
 * left. `why` is what came back. */
void ssh_dial_again(struct ssh_host *h, bool reset, const char *why);

/* --- ssh_steps: one connection from its first byte to the command's start. --- */

/* Takes over h->sock. */
void ssh_begin(struct ssh_host *h, int64_t now);
/* Something came, can be written, or is due. */
void ssh_step(struct ssh_host *h, int64_t now);
/* Lets go of the connection, without a word to the other side. */
void ssh_drop(struct ssh_host *h);

/* --- ssh_relay: between the caller's socket and the channel. --- */

void ssh_relay_begin(struct ssh_host *h);
/* What libssh can take in and give out now. false: the connection is lost. */
bool ssh_pump(struct ssh_host *h);
/* What the caller has for the channel. */
void ssh_relay_up(struct ssh_host *h);
/* Whether it would take something from the caller now. */
bool ssh_relay_takes(const struct ssh_host *h);
/* What the caller didn't take before. */
void ssh_relay_down(struct ssh_host *h);
/* Whether all of the output is with the caller. */
bool ssh_relay_done(const struct ssh_host *h);
/* End of file for the caller. */
void ssh_relay_end(struct ssh_host *h);

/* --- ssh_hub: states, events, time. --- */

void ssh_due(struct ssh_host *h, int64_t at_ns);
void ssh_watch(struct ssh_host *h);
/* Before they are closed. */
void ssh_unwatch_sock(struct ssh_host *h);
void ssh_unwatch_caller(struct ssh_host *h);
void ssh_set_state(struct ssh_host *h, enum ssh_state state);
/* Over: drops the connection, ends the caller's socket. */
void ssh_finish(struct ssh_host *h);
void ssh_fail(struct ssh_host *h, enum error_class class, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* 0 to below n, for jitter alone. */
int64_t ssh_dice(struct ssh_hub *hub, int64_t n);

/* --- ssh_said: words of the other side. --- */

/* Text of `in` without control characters, as one line when one_line; cut at size - 1 bytes at the end
 * of a character. */
void ssh_clean(char *out, size_t size, struct str in, bool one_line);
void ssh_say(struct ssh_host *h, const char *bytes, size_t n);

#endif
