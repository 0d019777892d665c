/* serve: running tasks for a furrow, and carrying bytes to a runner that does. */
#ifndef RUNNER_SERVE_H
#define RUNNER_SERVE_H

/* Serves the connection on in_fd and out_fd (they may be the same), or, when socket_path is not
 * NULL, whoever connects there. Returns the exit status. */
int serve(int in_fd, int out_fd, const char *socket_path);

/* Bytes from in_fd to the socket and from the socket to out_fd, until the socket's end. */
int attach(const char *socket_path, int in_fd, int out_fd);

#endif
