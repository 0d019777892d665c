/* ssh_hub: the thread that drives all connections: its epoll, its timers, and what callers ask of it.
 * Callers never touch libssh: they queue news, and look at what lies behind a host's lock. */
#include "providers/host/ssh_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS = 64 };

/* Tags in the low bit of an event's pointer. */
enum { FROM_SOCK = 0, FROM_CALLER = 1 };

int64_t
ssh_now(void)
{
	const struct clock *c = clock_system();

	return c->now_ns(c->ctx);
}

int64_t
ssh_dice(struct ssh_hub *hub, int64_t n)
{
	/* xorshift64 */
	hub->dice ^= hub->dice << 13;
	hub->dice ^= hub->dice >> 7;
	hub->dice ^= hub->dice << 17;
	return n > 0 ? (int64_t)(hub->dice % (uint64_t)n) : 0;
}

void
ssh_due(struct ssh_host *h, int64_t at_ns)
{
	h->due_ns = at_ns;
	if (at_ns < h->hub->wake_ns)
		h->hub->wake_ns = at_ns;
}

void
ssh_set_state(struct ssh_host *h, enum ssh_state state)
{
	pthread_mutex_lock(&h->lock);
	h->state = state;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void
ssh_finish(struct ssh_host *h)
{
	ssh_drop(h);
	h->step = STEP_OVER;
	h->due_ns = INT64_MAX;
	ssh_relay_end(h);
}

/* The state before the end of file: who sees that one finds the other. */
static void
fail_with(struct ssh_host *h, const struct error *why)
{
	pthread_mutex_lock(&h->lock);
	h->err = *why;
	pthread_mutex_unlock(&h->lock);
	ssh_set_state(h, SSH_FAILED);
	ssh_finish(h);
}

void
ssh_fail(struct ssh_host *h, enum error_class class, const char *fmt, ...)
{
	char text[ERROR_MESSAGE_BYTES];
	struct error err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	error_set(&err, ERR_HOST, "ssh %s: %s", h->name, text);
	err.class = class;
	fail_with(h, &err);
}

/* Tells epoll what is wanted of a descriptor, when that has changed; 0: nothing, not even its errors. */
static void
watch(struct ssh_hub *hub, int fd, uint32_t *told, uint32_t wanted, void *tagged)
{
	struct epoll_event ev = {.events = wanted, .data.ptr = tagged};
	int op = !*told ? EPOLL_CTL_ADD : wanted ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;

	if (fd < 0 || *told == wanted)
		return;
	if (epoll_ctl(hub->epoll_fd, op, fd, &ev) == 0)
		*told = wanted;
}

void
ssh_watch(struct ssh_host *h)
{
	const struct libssh *lib = h->hub->lib;
	uint32_t sock = 0, fd = 0;

	if (h->step == STEP_DIAL) {
		sock = EPOLLOUT;
	} else if (h->session && h->step < STEP_DRAIN) {
		/* Errors are told in any case. */
		sock = h->down_full ? (uint32_t)EPOLLRDHUP : EPOLLIN;
		if (lib->ssh_get_poll_flags(h->session) & SSH_WRITE_PENDING)
			sock |= EPOLLOUT;
	}
	if (!h->fd_hung && h->step < STEP_OVER) {
		if (ssh_relay_takes(h))
			fd |= EPOLLIN;
		if (!ssh_relay_done(h))
			fd |= EPOLLOUT;
	}
	watch(h->hub, h->sock, &h->sock_events, sock, h);
	watch(h->hub, h->fd, &h->fd_events, fd, (char *)h + FROM_CALLER);
}

void
ssh_unwatch_sock(struct ssh_host *h)
{
	/* libssh may have closed it, and its number be another's by now. */
	if (!h->session || h->hub->lib->ssh_get_fd(h->session) == h->sock)
		watch(h->hub, h->sock, &h->sock_events, 0, h);
}

void
ssh_unwatch_caller(struct ssh_host *h)
{
	watch(h->hub, h->fd, &h->fd_events, 0, (char *)h + FROM_CALLER);
}

static void
run_timers(struct ssh_hub *hub, int64_t now)
{
	if (now < hub->wake_ns)
		return;
	hub->wake_ns = INT64_MAX;
	for (struct ssh_host *h = hub->hosts; h; h = h->next) {
		if (h->due_ns > now) {
			ssh_due(h, h->due_ns);
			continue;
		}
		h->due_ns = INT64_MAX;
		if (h->step == STEP_PAUSE)
			ssh_dial(h, now);
		else if (h->step == STEP_DIAL)
			ssh_dial_again(h, false, "connect: nobody answered");
		else
			ssh_step(h, now);
		ssh_watch(h);
	}
}

static void
heed(const struct epoll_event *ev, int64_t now)
{
	uintptr_t tagged = (uintptr_t)ev->data.ptr;
	struct ssh_host *h = (struct ssh_host *)(tagged & ~(uintptr_t)FROM_CALLER);
	bool caller = tagged & FROM_CALLER;

	/* An event of this round may be older than what the one before it did. */
	if (!h || h->step == STEP_OVER || (caller ? h->fd < 0 : h->sock < 0))
		return;
	if (caller && (ev->events & (EPOLLHUP | EPOLLERR)))
		h->fd_hung = true;
	if (h->step == STEP_DIAL && !caller)
		ssh_dialled(h, now);
	else
		ssh_step(h, now);
	ssh_watch(h);
}

static void
unlink_host(struct ssh_host *h)
{
	if (h->prev)
		h->prev->next = h->next;
	else if (h->hub && h->hub->hosts == h)
		h->hub->hosts = h->next;
	if (h->next)
		h->next->prev = h->prev;
	h->prev = h->next = NULL;
}

static void
link_host(struct ssh_host *h)
{
	h->next = h->hub->hosts;
	if (h->next)
		h->next->prev = h;
	h->hub->hosts = h;
}

static void
empty_host(struct ssh_host *h)
{
	OPENSSL_cleanse(h->key, sizeof(*h->key));
	free(h->key);
	h->key = NULL;
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->changed);
	buf_free(&h->said);
	buf_free(&h->up);
	buf_free(&h->down);
	arena_free(&h->arena);
}

static void
free_host(struct ssh_host *h)
{
	empty_host(h);
	free(h);
}

/* Takes one that is new or to be ended; NULL: none. */
static struct ssh_host *
take_news(struct ssh_hub *hub, bool *to_end, bool *closing)
{
	struct ssh_host *h;

	pthread_mutex_lock(&hub->lock);
	h = hub->news;
	if (h) {
		hub->news = h->next_news;
		h->in_news = false;
		*to_end = h->to_end;
	}
	*closing = hub->closing;
	pthread_mutex_unlock(&hub->lock);
	return h;
}

/* false: the hub is to close. */
static bool
heed_news(struct ssh_hub *hub)
{
	struct ssh_host *h;
	bool to_end = false, closing = false;

	while ((h = take_news(hub, &to_end, &closing))) {
		if (to_end) {
			unlink_host(h);
			ssh_finish(h);
			empty_host(h);
			h->next = hub->gone;
			hub->gone = h;
			continue;
		}
		link_host(h);
		if (closing)
			continue;
		ssh_dial(h, ssh_now());
		ssh_watch(h);
	}
	return !closing;
}

static int
sleep_ms(const struct ssh_hub *hub)
{
	int64_t left = hub->wake_ns - ssh_now();

	if (hub->wake_ns == INT64_MAX || left > 3600 * NS_PER_S)
		return hub->wake_ns == INT64_MAX ? -1 : 3600 * 1000;
	return left <= 0 ? 0 : (int)(left / NS_PER_MS) + 1;
}

/* Those that are left are their owners' to end. */
static void
cancel_all(struct ssh_hub *hub)
{
	while (hub->hosts) {
		struct ssh_host *h = hub->hosts;
		struct error err;

		unlink_host(h);
		error_set(&err, ERR_CANCELLED, "ssh %s: cut, since furrow ends", h->name);
		if (h->step != STEP_OVER)
			fail_with(h, &err);
		h->hub = NULL;
	}
}

static void *
thread_main(void *arg)
{
	struct ssh_hub *hub = arg;
	struct epoll_event events[EVENTS];

	while (heed_news(hub)) {
		int n = epoll_wait(hub->epoll_fd, events, EVENTS, sleep_ms(hub));
		int64_t now = ssh_now();
		uint64_t count;

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				heed(&events[i], now);
			else if (read(hub->wake_fd, &count, sizeof(count)) < 0)
				continue;
		}
		run_timers(hub, now);
	}
	cancel_all(hub);
	return NULL;
}

static void
wake(struct ssh_hub *hub)
{
	uint64_t one = 1;

	while (write(hub->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Puts h before the thread, behind those that came before. */
static void
tell(struct ssh_host *h, bool to_end)
{
	struct ssh_hub *hub = h->hub;

	pthread_mutex_lock(&hub->lock);
	h->to_end = to_end;
	if (!h->in_news) {
		struct ssh_host **at = &hub->news;

		while (*at)
			at = &(*at)->next_news;
		h->next_news = NULL;
		h->in_news = true;
		*at = h;
	}
	pthread_mutex_unlock(&hub->lock);
	wake(hub);
}

static int
start_thread(struct ssh_hub *hub)
{
	sigset_t all, before;
	int e;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&hub->thread, NULL, thread_main, hub);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e;
}

static void
free_hub(struct ssh_hub *hub)
{
	while (hub->gone) {
		struct ssh_host *h = hub->gone;

		hub->gone = h->next;
		free(h);
	}
	if (hub->epoll_fd >= 0)
		close(hub->epoll_fd);
	if (hub->wake_fd >= 0)
		close(hub->wake_fd);
	pthread_mutex_destroy(&hub->lock);
	free(hub->chunk);
	free(hub);
}

int
ssh_hub_open(struct ssh_hub **out, struct error *err)
{
	struct epoll_event ev = {.events = EPOLLIN};
	const struct libssh *lib;
	struct ssh_hub *hub;
	int rc = libssh_load(&lib, err), e = 0;

	if (rc < 0)
		return rc;
	hub = mem_alloc(sizeof(*hub));
	*hub = (struct ssh_hub){.lib = lib,
		.wake_ns = INT64_MAX,
		.quiet_ns = 15 * NS_PER_S,
		.lost_ns = 60 * NS_PER_S,
		.chunk = mem_alloc(SSH_CHUNK_BYTES)};
	pthread_mutex_init(&hub->lock, NULL);
	if (RAND_bytes((unsigned char *)&hub->dice, sizeof(hub->dice)) != 1 || !hub->dice)
		hub->dice = (uint64_t)ssh_now() | 1;
	hub->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	hub->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hub->epoll_fd < 0 || hub->wake_fd < 0 ||
		epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, hub->wake_fd, &ev) != 0)
		e = errno;
	if (!e)
		e = start_thread(hub);
	if (e) {
		free_hub(hub);
		return error_set_errno(err, ERR_HOST, e, "preparing connections by ssh");
	}
	*out = hub;
	return 0;
}

void
ssh_hub_close(struct ssh_hub *hub)
{
	if (!hub)
		return;
	pthread_mutex_lock(&hub->lock);
	hub->closing = true;
	pthread_mutex_unlock(&hub->lock);
	wake(hub);
	pthread_join(hub->thread, NULL);
	free_hub(hub);
}

/* Fills h->to and h->name. */
static int
set_address(struct ssh_host *h, const struct ssh_wish *wish, struct error *err)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&h->to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&h->to;

	h->address = arena_cstr(&h->arena, wish->address);
	h->name = arena_printf(
		&h->arena, "%.*s@%s port %u", STR_ARG(wish->user), h->address, wish->port)
			  .p;
	if (inet_pton(AF_INET, h->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(wish->port);
		h->to_bytes = sizeof(*v4);
	} else if (inet_pton(AF_INET6, h->address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(wish->port);
		h->to_bytes = sizeof(*v6);
	} else {
		return error_set(
			err, ERR_INPUT, "ssh: \"%s\" is no IPv4 or IPv6 address", h->address);
	}
	return wish->port ? 0 : error_set(err, ERR_INPUT, "ssh %s: port 0 is none", h->name);
}

static bool
is_text(struct str s)
{
	return s.n > 0 && !memchr(s.p, '\0', s.n);
}

static int
read_wish(struct ssh_host *h, const struct ssh_wish *wish, struct error *err)
{
	int rc;

	if (!is_text(wish->address) || !is_text(wish->user) || !is_text(wish->command))
		return error_set(err, ERR_INPUT,
			"ssh: address, user and command must not be empty, nor hold a NUL byte");
	rc = set_address(h, wish, err);
	if (rc < 0)
		return rc;
	h->user = arena_cstr(&h->arena, wish->user);
	h->command = arena_cstr(&h->arena, wish->command);
	h->wait_ns = wish->wait_ns;
	h->handshake_ns = wish->handshake_ns;
	if (!ssh_key_normal(h->host_key, wish->host_key))
		return error_set(err, ERR_INPUT,
			"ssh %s: the host key it is to have is no ed25519 public key (ssh-ed25519 "
			"AAAA…)",
			h->name);
	rc = ssh_key_read(h->key, wish->private_key, err);
	return rc < 0 ? error_wrap(err, "ssh %s", h->name) : 0;
}

static struct ssh_host *
new_host(struct ssh_hub *hub)
{
	struct ssh_host *h = mem_alloc(sizeof(*h));
	pthread_condattr_t monotonic;

	*h = (struct ssh_host){.hub = hub,
		.exit_status = -1,
		.sock = -1,
		.fd = -1,
		.due_ns = INT64_MAX,
		.key = mem_alloc(sizeof(struct ssh_key)),
		.times.started_ns = ssh_now()};
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&h->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return h;
}

int
ssh_start(struct ssh_hub *hub, const struct ssh_wish *wish, struct ssh_host **out, int *fd,
	struct error *err)
{
	struct ssh_host *h = new_host(hub);
	int pair[2] = {-1, -1}, rc = read_wish(h, wish, err);

	if (rc == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		rc = error_set_errno(err, ERR_HOST, errno, "ssh %s: making a socket", h->name);
	if (rc < 0) {
		free_host(h);
		return rc;
	}
	h->fd = pair[0];
	h->until_ns = h->wait_ns < 0 ? 0 : h->times.started_ns + h->wait_ns;
	*fd = pair[1];
	*out = h;
	tell(h, false);
	return 0;
}

void
ssh_end(struct ssh_host *h)
{
	if (!h)
		return;
	if (h->hub)
		tell(h, true);
	else
		free_host(h);
}

/* --- Looking. --- */

enum ssh_state
ssh_look(struct ssh_host *h, int *exit_status, struct error *err)
{
	enum ssh_state state;

	pthread_mutex_lock(&h->lock);
	state = h->state;
	if (exit_status)
		*exit_status = state == SSH_ENDED ? h->exit_status : -1;
	if (err && state == SSH_FAILED)
		*err = h->err;
	pthread_mutex_unlock(&h->lock);
	return state;
}

enum ssh_state
ssh_wait(struct ssh_host *h, int64_t timeout_ns, struct error *err)
{
	struct timespec until;
	enum ssh_state state;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	if (timeout_ns < 0)
		timeout_ns = 0;
	until.tv_sec += timeout_ns / NS_PER_S;
	until.tv_nsec += timeout_ns % NS_PER_S;
	if (until.tv_nsec >= NS_PER_S) {
		until.tv_sec++;
		until.tv_nsec -= NS_PER_S;
	}
	pthread_mutex_lock(&h->lock);
	while (h->state < SSH_OPEN && rc == 0)
		rc = pthread_cond_timedwait(&h->changed, &h->lock, &until);
	state = h->state;
	if (err && state == SSH_FAILED)
		*err = h->err;
	pthread_mutex_unlock(&h->lock);
	return state;
}

struct ssh_times
ssh_times(struct ssh_host *h)
{
	struct ssh_times times;

	pthread_mutex_lock(&h->lock);
	times = h->times;
	pthread_mutex_unlock(&h->lock);
	return times;
}
