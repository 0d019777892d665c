/* hasty: a clock that runs HASTE times as fast, for LD_PRELOAD: what a program waits for in minutes comes in
 * seconds. Only the clocks that count from some start are hastened, and what waits by them; the wall clock, by
 * which requests are signed, stays right. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
/* A time of a condition that is later than this is one of the wall clock. */
#define WALL_S 1000000000

static int64_t haste = 1, start_ns[CLOCK_TAI + 1];

static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_poll)(struct pollfd *, nfds_t, int);
static int (*real_ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static int (*real_nanosleep)(const struct timespec *, struct timespec *);
static int (*real_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

static int64_t
ns_of(const struct timespec *t)
{
	return t->tv_sec * NS_PER_S + t->tv_nsec;
}

static struct timespec
timespec_of(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static int
is_hasty(clockid_t id)
{
	return id == CLOCK_MONOTONIC || id == CLOCK_BOOTTIME || id == CLOCK_MONOTONIC_RAW ||
	       id == CLOCK_MONOTONIC_COARSE;
}

__attribute__((constructor)) static void
begin(void)
{
	const char *text = getenv("HASTE");
	struct timespec now;

	*(void **)&real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	*(void **)&real_poll = dlsym(RTLD_NEXT, "poll");
	*(void **)&real_ppoll = dlsym(RTLD_NEXT, "ppoll");
	*(void **)&real_epoll_wait = dlsym(RTLD_NEXT, "epoll_wait");
	*(void **)&real_nanosleep = dlsym(RTLD_NEXT, "nanosleep");
	*(void **)&real_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
	for (clockid_t id = 0; id <= CLOCK_TAI; id++) {
		if (is_hasty(id) && real_gettime(id, &now) == 0)
			start_ns[id] = ns_of(&now);
	}
	/* What is no number must not pass for a test that ran in haste. */
	if (text) {
		char *end;

		haste = strtoll(text, &end, 10);
		if (end == text || *end || haste < 1 || haste > 1000) {
			fprintf(stderr, "hasty: HASTE=%s is no whole number from 1 to 1000\n",
				text);
			_exit(64);
		}
	}
}

int
clock_gettime(clockid_t id, struct timespec *out)
{
	if (!real_gettime)
		begin();
	if (real_gettime(id, out) != 0)
		return -1;
	if (is_hasty(id))
		*out = timespec_of(start_ns[id] + (ns_of(out) - start_ns[id]) * haste);
	return 0;
}

/* Never nothing: who waits for a little would spin. */
static int
sooner(int ms)
{
	return ms > 0 ? (int)((ms + haste - 1) / haste) : ms;
}

int
poll(struct pollfd *fds, nfds_t n, int ms)
{
	return real_poll(fds, n, sooner(ms));
}

int
ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *signals)
{
	struct timespec less = {0};

	if (t)
		less = timespec_of(ns_of(t) / haste);
	return real_ppoll(fds, n, t ? &less : NULL, signals);
}

int
epoll_wait(int fd, struct epoll_event *events, int n, int ms)
{
	return real_epoll_wait(fd, events, n, sooner(ms));
}

int
nanosleep(const struct timespec *t, struct timespec *left)
{
	const struct timespec less = timespec_of(ns_of(t) / haste);

	return real_nanosleep(&less, left);
}

int
pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
	int64_t start = start_ns[CLOCK_MONOTONIC];
	struct timespec real = *until;

	if (until->tv_sec < WALL_S)
		real = timespec_of(start + (ns_of(until) - start) / haste);
	return real_timedwait(c, m, &real);
}
