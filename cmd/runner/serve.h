/* serve: running tasks for a furrow, and carrying bytes to a runner that does. */
#ifndef RUNNER_SERVE_H
#define RUNNER_SERVE_H

/* Serves the connection on in_fd and out_fd (they may be the same), or, when socket_path is not
 * NULL, whoever connects there. Returns the exit status. */
int serve(int in_fd, int out_fd, const char *socket_path);

/* What a relay does beside carrying. */
struct relay_side {
	void (*heard)(void *ctx); /* some bytes came from in_fd; NULL: nobody wants to know */
	void *ctx;
	/* Frames of our own, each written at once and of RELAY_SAY_BYTES at most: they go out to out_fd
	 * between two of the socket's, after the first. -1: there are none. */
	int say_fd;
};

enum { RELAY_SAY_BYTES = 512 };

/* Bytes from in_fd to a connected socket and from there to out_fd, until the socket's end. side may be
 * NULL. 0: the socket ended, 1: it did after in_fd had ended, -1: what came cannot be passed on. */
int relay(int fd, int in_fd, int out_fd, const struct relay_side *side);

/* Bytes from in_fd to the socket and from the socket to out_fd, until the socket's end. */
int attach(const char *socket_path, int in_fd, int out_fd);

#endif
