/* ssh: hosts by SSH, through libssh: one connection and one channel a host, all of them driven by
 * one thread with its own epoll. What the rest of furrow sees is a socket: bytes written to it go to
 * the command's stdin, its stdout comes back. */
#ifndef FURROW_SSH_H
#define FURROW_SSH_H

#include "planner/base/error.h"
#include "planner/base/str.h"

struct ssh_hub;
struct ssh_host;

/* ERR_HOST: no libssh, or no thread. */
int ssh_hub_open(struct ssh_hub **out, struct error *err);
/* Cuts what is still open (ERR_CANCELLED). Hosts that are left are still to be ended. Not while another
 * thread calls ssh_start or ssh_end. */
void ssh_hub_close(struct ssh_hub *hub);

struct ssh_wish {
	struct str address; /* IPv4 or IPv6, no name */
	uint16_t port;
	struct str user;
	struct str private_key; /* OpenSSH private key file, ed25519 */
	struct str host_key;	/* "ssh-ed25519 AAAA…": the only one that is taken */
	struct str command;
	/* A port that nobody listens at yet, or a connection that is reset before the key exchange is
	 * done, is tried again until this is over (a booting host), with connect timeouts of half a second at
	 * first; < 0: tried once. */
	int64_t wait_ns;
	/* From the connection to the command being started. */
	int64_t handshake_ns;
};

enum ssh_state {
	SSH_CONNECTING, /* nobody answered yet */
	SSH_HANDSHAKE,
	SSH_OPEN,  /* the command runs */
	SSH_ENDED, /* it ended: exit status */
	SSH_FAILED
};

/* Begins to connect, and returns at once. *fd is the caller's end of the socket: may be written to
 * at once, what is written waits for the command; end of file on it when the connection is over.
 * shutdown(fd, SHUT_WR) ends the command's stdin, and only that; once the fd is closed its output goes
 * nowhere. Who doesn't read what comes holds up both directions.
 * Everything is copied. ERR_INPUT: a key or an address that is none. */
int ssh_start(struct ssh_hub *hub, const struct ssh_wish *wish, struct ssh_host **out, int *fd,
	struct error *err);

/* Where it is; never blocks. SSH_FAILED fills err: what was tried, on which address, what came back:
 * ERR_HOST, CLASS_TRANSIENT when another try may help; a wrong host key is CLASS_DENIED and says both
 * fingerprints. exit_status may be NULL; -1 until SSH_ENDED with one, 128 + the signal's number when one
 * ended the command. */
enum ssh_state ssh_look(struct ssh_host *h, int *exit_status, struct error *err);
/* Waits until it is SSH_OPEN or over; at most timeout_ns. */
enum ssh_state ssh_wait(struct ssh_host *h, int64_t timeout_ns, struct error *err);

/* When it got where it is, on CLOCK_BOOTTIME; 0: not yet. For phases and `make bench`. */
struct ssh_times {
	int64_t started_ns, connected_ns, authenticated_ns, open_ns;
	uint32_t tries;
};
struct ssh_times ssh_times(struct ssh_host *h);

/* The last 4 KiB of the command's stderr and of banners, made fit to be shown (no control
 * characters but line ends); in `out`, NUL-terminated. */
void ssh_said(struct ssh_host *h, char *out, size_t size);

/* Cuts it if it is still open, and frees it; returns at once. The fd is the caller's to close. */
void ssh_end(struct ssh_host *h);

#endif
