/* delay: a network line with a length. Two TAP devices, one in each of two network namespaces; what
 * goes into one comes out of the other half a round trip later, in order. The line's length can be
 * changed and the line be cut while it runs, by a word on a socket.
 *
 *	delay CLIENT_NETNS SOCKET [RTT_MS]
 *
 * makes `line` here and `eth0` in CLIENT_NETNS, prints "ready" and runs until it is killed; with it
 * go both devices. SOCKET takes datagrams and answers each with one: `rtt MS`, `cut on`, `cut off`,
 * `state`. Frames go through with their offload header, so that 64 KiB segments stay whole. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	FRAME_MAX = 80 << 10, /* a whole segment with its headers */
	HELD_MAX = 256 << 20, /* bytes on the line in one direction, more are lost */
	BATCH = 64,	      /* frames taken before the other direction has its turn */
};

struct frame {
	struct frame *next;
	int64_t due_ns;
	size_t len;
	char bytes[];
};

struct direction {
	int from, to;
	struct frame *first, **last;
	size_t held_bytes;
	int64_t last_due_ns; /* a shorter line overtakes nothing */
	uint64_t passed, lost;
};

struct line {
	struct direction way[2];
	int64_t one_way_ns;
	bool cut;
};

static void
fail(const char *what, const char *name)
{
	fprintf(stderr, "delay: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static int64_t
now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int
tap_open(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fail("open", "/dev/net/tun");
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		fail("make the device", name);
	if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)) < 0)
		fail("set the offload of", name);
	return fd;
}

static int
socket_open(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		fail("bind", path);
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("bind", path);
	return fd;
}

/* Out at the far end. A device that has no room or is down loses the frame, as a real one does. */
static void
deliver(struct direction *d, const char *bytes, size_t len)
{
	if (write(d->to, bytes, len) == (ssize_t)len)
		d->passed++;
	else
		d->lost++;
}

static void
hold(struct direction *d, const char *bytes, size_t len, int64_t due_ns)
{
	struct frame *f;
	if (d->held_bytes + len > HELD_MAX || !(f = malloc(sizeof(*f) + len))) {
		d->lost++;
		return;
	}
	if (due_ns < d->last_due_ns)
		due_ns = d->last_due_ns;
	*f = (struct frame){.due_ns = due_ns, .len = len};
	memcpy(f->bytes, bytes, len);
	*d->last = f;
	d->last = &f->next;
	d->last_due_ns = due_ns;
	d->held_bytes += len;
}

static void
take(struct line *l, struct direction *d)
{
	static char bytes[FRAME_MAX];
	for (int i = 0; i < BATCH; i++) {
		ssize_t len = read(d->from, bytes, sizeof(bytes));
		if (len <= 0)
			return;
		if (l->cut)
			d->lost++;
		else if (!l->one_way_ns && !d->first)
			deliver(d, bytes, (size_t)len);
		else
			hold(d, bytes, (size_t)len, now_ns() + l->one_way_ns);
	}
}

/* What is due goes out, or, on a cut line, nowhere. */
static void
release(struct line *l, struct direction *d, int64_t now)
{
	while (d->first && (l->cut || d->first->due_ns <= now)) {
		struct frame *f = d->first;
		if (l->cut)
			d->lost++;
		else
			deliver(d, f->bytes, f->len);
		d->held_bytes -= f->len;
		if (!(d->first = f->next))
			d->last = &d->first;
		free(f);
	}
}

static void
obey(struct line *l, int sock)
{
	char word[64], answer[160];
	struct sockaddr_un from;
	socklen_t from_len = sizeof(from);
	double ms;
	ssize_t n = recvfrom(sock, word, sizeof(word) - 1, 0, (struct sockaddr *)&from, &from_len);
	if (n < 0)
		return;
	word[n] = '\0';
	const char *bad = "";
	if (sscanf(word, "rtt %lf", &ms) == 1 && ms >= 0 && ms <= 60000)
		l->one_way_ns = (int64_t)(ms * 500000);
	else if (!strcmp(word, "cut on") || !strcmp(word, "cut off"))
		l->cut = !strcmp(word, "cut on");
	else if (strcmp(word, "state"))
		bad = "not understood; ";
	int len = snprintf(answer, sizeof(answer),
		"%srtt %g ms, cut %s, passed %llu+%llu, lost %llu+%llu\n", bad,
		(double)l->one_way_ns / 500000, l->cut ? "on" : "off",
		(unsigned long long)l->way[0].passed, (unsigned long long)l->way[1].passed,
		(unsigned long long)l->way[0].lost, (unsigned long long)l->way[1].lost);
	sendto(sock, answer, (size_t)len, 0, (struct sockaddr *)&from, from_len);
}

static void
run(struct line *l, int sock)
{
	struct pollfd p[] = {{.fd = l->way[0].from, .events = POLLIN},
		{.fd = l->way[1].from, .events = POLLIN}, {.fd = sock, .events = POLLIN}};
	for (;;) {
		int64_t now = now_ns(), due = INT64_MAX;
		for (int i = 0; i < 2; i++) {
			release(l, &l->way[i], now);
			if (l->way[i].first && l->way[i].first->due_ns < due)
				due = l->way[i].first->due_ns;
		}
		int64_t left = due > now ? due - now : 0;
		struct timespec t = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
		if (ppoll(p, 3, due == INT64_MAX ? NULL : &t, NULL) < 0 && errno != EINTR)
			fail("poll", "the line");
		for (int i = 0; i < 2; i++)
			if (p[i].revents)
				take(l, &l->way[i]);
		if (p[2].revents)
			obey(l, sock);
	}
}

int
main(int argc, char **argv)
{
	struct line l = {0};
	if (argc < 3 || argc > 4) {
		fputs("usage: delay CLIENT_NETNS SOCKET [RTT_MS]\n", stderr);
		return 64;
	}
	l.one_way_ns = argc > 3 ? (int64_t)(strtod(argv[3], NULL) * 500000) : 0;
	prctl(PR_SET_TIMERSLACK, 1UL);
	int near = tap_open("line");
	int sock = socket_open(argv[2]);
	int ns = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		fail("enter", argv[1]);
	int far = tap_open("eth0");
	l.way[0] = (struct direction){.from = far, .to = near, .last = &l.way[0].first};
	l.way[1] = (struct direction){.from = near, .to = far, .last = &l.way[1].first};
	puts("ready");
	fflush(stdout);
	run(&l, sock);
}
