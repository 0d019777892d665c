/* ssh_dial: getting a connection to a host that may still boot: short tries of its own instead of the
 * kernel's, whose pauses double (1, 3, 7, 15, 31 s). */
#include "providers/host/ssh_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

enum {
	FIRST_DIAL_MS = 500,
	LAST_DIAL_MS = 5000,
	FIRST_PAUSE_MS = 100,
	LAST_PAUSE_MS = 2000,
	RESET_PAUSE_MS = 250
};

static int64_t
clamp_ms(int64_t ns, int64_t least_ms, int64_t most_ms)
{
	if (ns < least_ms * NS_PER_MS)
		return least_ms * NS_PER_MS;
	return ns > most_ms * NS_PER_MS ? most_ms * NS_PER_MS : ns;
}

/* The longer it lasts, the rarer: a twentieth of the time that has passed. */
static int64_t
dial_ns(const struct ssh_host *h, int64_t now)
{
	if (h->wait_ns < 0)
		return LAST_DIAL_MS * NS_PER_MS;
	return clamp_ms((now - h->times.started_ns) / 20, FIRST_DIAL_MS, LAST_DIAL_MS);
}

static int64_t
pause_ns(struct ssh_host *h, bool reset, int64_t now)
{
	uint32_t doubled = h->resets < 5 ? h->resets : 5;
	int64_t pause;

	/* Full jitter: who was turned away with many others is not to come back with all of them. */
	if (reset)
		return RESET_PAUSE_MS * NS_PER_MS / 5 +
		       ssh_dice(h->hub, (RESET_PAUSE_MS * NS_PER_MS) << doubled >> 1);
	pause = clamp_ms((now - h->times.started_ns) / 20, FIRST_PAUSE_MS, LAST_PAUSE_MS);
	return pause / 2 + ssh_dice(h->hub, pause);
}

void
ssh_dial_again(struct ssh_host *h, bool reset, const char *why)
{
	int64_t now = ssh_now(), next = now + pause_ns(h, reset, now);
	double waited = (double)(now - h->times.started_ns) / (double)NS_PER_S;

	ssh_drop(h);
	h->resets = reset ? h->resets + 1 : 0;
	if (h->wait_ns >= 0 && next < h->until_ns) {
		h->step = STEP_PAUSE;
		ssh_set_state(h, SSH_CONNECTING);
		ssh_due(h, next);
		return;
	}
	if (h->wait_ns < 0)
		ssh_fail(h, CLASS_TRANSIENT, "%s", why);
	else
		ssh_fail(h, CLASS_TRANSIENT,
			"%s; given up after %.3g s and %u tries. Does the host run, and do its "
			"firewall and security group let this machine reach the port?",
			why, waited, h->times.tries);
}

static void
dial_failed(struct ssh_host *h, int os_errno)
{
	char text[128], why[192];

	/* A host that vanished from the network, or isn't there yet, says any of these. */
	snprintf(why, sizeof(why), "connect: %s", strerror_r(os_errno, text, sizeof(text)));
	if (os_errno == EMFILE || os_errno == ENFILE || os_errno == EACCES || os_errno == EPERM)
		ssh_fail(h, CLASS_FATAL, "%s%s", why,
			os_errno == EMFILE ? " (raise the limit on open files: ulimit -n)" : "");
	else
		ssh_dial_again(h, false, why);
}

void
ssh_dial(struct ssh_host *h, int64_t now)
{
	int one = 1, rc;

	pthread_mutex_lock(&h->lock);
	h->times.tries++;
	pthread_mutex_unlock(&h->lock);
	h->sock = socket(h->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (h->sock < 0) {
		dial_failed(h, errno);
		return;
	}
	setsockopt(h->sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	h->step = STEP_DIAL;
	h->step_until_ns = now + dial_ns(h, now);
	ssh_due(h, h->step_until_ns);
	rc = connect(h->sock, (const struct sockaddr *)&h->to, h->to_bytes);
	if (rc == 0)
		ssh_begin(h, now);
	else if (errno != EINPROGRESS && errno != EINTR)
		dial_failed(h, errno);
}

void
ssh_dialled(struct ssh_host *h, int64_t now)
{
	int e = 0;
	socklen_t n = sizeof(e);

	if (getsockopt(h->sock, SOL_SOCKET, SO_ERROR, &e, &n) != 0)
		e = errno;
	if (e)
		dial_failed(h, e);
	else
		ssh_begin(h, now);
}
