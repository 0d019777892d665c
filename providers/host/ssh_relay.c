/* ssh_relay: bytes between the caller's socket and the channel, both ways at once. It takes no more than
 * the other side can: nothing from the caller while the channel's window is shut or libssh still holds
 * bytes for the network, nothing from the network while the caller's socket is full. */
#include "providers/host/ssh_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { TURNS = 16 }; /* before another host has its turn */

/* Gives the caller what its socket takes; the number of bytes that are dealt with. */
static size_t
give(struct ssh_host *h, const char *p, size_t n)
{
	size_t done = 0;

	while (done < n && !h->caller_gone) {
		ssize_t sent = send(h->fd, p + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			h->down_full = true;
			return done;
		}
		if (sent < 0)
			h->caller_gone = true;
		else
			done += (size_t)sent;
	}
	return n;
}

/* libssh's callbacks: they may not call it again. */

static int
on_data(ssh_session session, ssh_channel channel, void *data, uint32_t n, int is_stderr, void *ctx)
{
	struct ssh_host *h = ctx;
	size_t done;

	(void)session;
	(void)channel;
	if (is_stderr) {
		ssh_say(h, data, n);
		return (int)n;
	}
	done = h->down_full ? 0 : give(h, data, n);
	h->down_left = done < n;
	return (int)done;
}

static void
on_eof(ssh_session session, ssh_channel channel, void *ctx)
{
	(void)session;
	(void)channel;
	((struct ssh_host *)ctx)->remote_eof = true;
}

static void
on_close(ssh_session session, ssh_channel channel, void *ctx)
{
	struct ssh_host *h = ctx;

	(void)session;
	(void)channel;
	h->remote_eof = h->remote_closed = true;
}

static void
set_exit(struct ssh_host *h, int status)
{
	pthread_mutex_lock(&h->lock);
	h->exit_status = status;
	pthread_mutex_unlock(&h->lock);
}

static void
on_exit_status(ssh_session session, ssh_channel channel, int status, void *ctx)
{
	(void)session;
	(void)channel;
	set_exit(ctx, status & 0xff);
}

static int
signal_number(const char *name)
{
	for (int i = 1; i < 32; i++) {
		const char *abbreviation = sigabbrev_np(i);

		if (abbreviation && strcmp(abbreviation, name) == 0)
			return i;
	}
	return 0;
}

static void
on_exit_signal(ssh_session session, ssh_channel channel, const char *name, int core,
	const char *message, const char *language, void *ctx)
{
	(void)session;
	(void)channel;
	(void)core;
	(void)message;
	(void)language;
	set_exit(ctx, 128 + signal_number(name ? name : ""));
}

void
ssh_relay_begin(struct ssh_host *h)
{
	h->callbacks = (struct ssh_channel_callbacks_struct){
		.userdata = h,
		.channel_data_function = on_data,
		.channel_eof_function = on_eof,
		.channel_close_function = on_close,
		.channel_exit_status_function = on_exit_status,
		.channel_exit_signal_function = on_exit_signal,
	};
	ssh_callbacks_init(&h->callbacks);
	h->hub->lib->ssh_set_channel_callbacks(h->channel, &h->callbacks);
}

bool
ssh_pump(struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;

	for (int i = 0; i < TURNS; i++) {
		/* Once at least: a connection that broke is to be noticed also when nothing can be
		 * taken from it. */
		if (lib->ssh_event_dopoll(h->event, 0) != SSH_OK || h->down_full)
			break;
	}
	if (lib->ssh_get_fd(h->session) < 0) {
		h->sock = -1;
		h->sock_events = 0;
	}
	return h->sock >= 0 &&
	       (lib->ssh_get_status(h->session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
}

static bool
sends(const struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;

	return h->step == STEP_RUN && !h->eof_sent && !h->remote_closed && h->sock >= 0 &&
	       (lib->ssh_get_status(h->session) & SSH_WRITE_PENDING) == 0 &&
	       lib->ssh_channel_window_size(h->channel) > 0;
}

bool
ssh_relay_takes(const struct ssh_host *h)
{
	return !h->up_ended && !h->up.n && sends(h);
}

/* Hands the channel n bytes; keeps what it doesn't take (it takes none during a key exchange). */
static void
send_up(struct ssh_host *h, const char *p, size_t n)
{
	int done = h->hub->lib->ssh_channel_write(h->channel, p, (uint32_t)n);

	if (done < 0) { /* the command, or all, is at its end: that is seen elsewhere */
		h->eof_sent = true;
		buf_clear(&h->up);
	} else if (p == h->up.p) {
		buf_shift(&h->up, (size_t)done);
	} else {
		buf_add(&h->up, p + done, n - (size_t)done);
	}
}

/* false: there is no more for now. */
static bool
take_up(struct ssh_host *h)
{
	uint32_t window = h->hub->lib->ssh_channel_window_size(h->channel);
	ssize_t n = recv(h->fd, h->hub->chunk, window < SSH_CHUNK_BYTES ? window : SSH_CHUNK_BYTES,
		MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n > 0)
		send_up(h, h->hub->chunk, (size_t)n);
	else
		h->up_ended = true;
	return true;
}

void
ssh_relay_up(struct ssh_host *h)
{
	for (int i = 0; i < TURNS && sends(h); i++) {
		if (h->up.n) {
			send_up(h, h->up.p, h->up.n);
			if (h->up.n)
				return;
		} else if (h->up_ended) {
			h->hub->lib->ssh_channel_send_eof(h->channel);
			h->eof_sent = true;
		} else if (!take_up(h)) {
			return;
		}
	}
}

/* What libssh kept since the caller's socket was full. */
static void
take_down(struct ssh_host *h)
{
	int n = h->hub->lib->ssh_channel_read_nonblocking(
		h->channel, h->hub->chunk, SSH_CHUNK_BYTES, 0);
	size_t done;

	if (n <= 0) {
		h->down_left = false;
		return;
	}
	done = h->down_full ? 0 : give(h, h->hub->chunk, (size_t)n);
	buf_add(&h->down, h->hub->chunk + done, (size_t)n - done);
	h->down_left = true;
}

void
ssh_relay_down(struct ssh_host *h)
{
	if (h->down_full) {
		h->down_full = false;
		buf_shift(&h->down, give(h, h->down.p, h->down.n));
	}
	for (int i = 0; i < TURNS && h->down_left && !h->down_full; i++)
		take_down(h);
	if (h->remote_eof && !h->output_ended && !h->down_full && !h->down_left) {
		h->output_ended = true;
		shutdown(h->fd, SHUT_WR);
	}
}

bool
ssh_relay_done(const struct ssh_host *h)
{
	return !h->down_full && !h->down_left;
}

void
ssh_relay_end(struct ssh_host *h)
{
	if (h->fd < 0)
		return;
	/* Unread bytes would make an error of the end of file that the caller is to see. */
	shutdown(h->fd, SHUT_RDWR);
	while (recv(h->fd, h->hub->chunk, SSH_CHUNK_BYTES, MSG_DONTWAIT) > 0)
		;
	ssh_unwatch_caller(h);
	close(h->fd);
	h->fd = -1;
	h->fd_events = 0;
	buf_free(&h->up);
	buf_free(&h->down);
}
