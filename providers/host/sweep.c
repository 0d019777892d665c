/* sweep: ending processes that would outlive their run: by what stands in their environment, or by
 * descent. */
#include "planner/base/arena.h"
#include "planner/base/clock.h"
#include "providers/host/spawn.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TERM_MS = 500, KILL_MS = 5000, PAUSE_US = 5000, SHORT_PAUSES = 5, SHORT_PAUSE_US = 200 };

static int64_t
now_ns(void)
{
	const struct clock *c = clock_system();

	return c->now_ns(c->ctx);
}

static void
pause_us(int64_t us)
{
	struct timespec t = {.tv_nsec = us * 1000};

	nanosleep(&t, NULL);
}

static int
open_of(pid_t pid, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Calls each for every process; gives the sum of what it gave. */
static int
each_process(int (*each)(void *ctx, pid_t pid), void *ctx)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int sum = 0;

	while (d && (e = readdir(d))) {
		if (isdigit((unsigned char)e->d_name[0]))
			sum += each(ctx, (pid_t)strtol(e->d_name, NULL, 10));
	}
	if (d)
		closedir(d);
	return sum;
}

struct search {
	const char *entry; /* "FURROW_RUN=…" */
	size_t n;
	struct buf text; /* scratch */
	int signal;
};

static bool
has_entry(struct search *s, pid_t pid)
{
	int fd = open_of(pid, "environ");
	bool starts = true;
	ssize_t n;

	buf_clear(&s->text);
	if (fd < 0)
		return false;
	do {
		n = read(fd, buf_reserve(&s->text, 16384), 16384);
		if (n > 0)
			s->text.n += (size_t)n;
	} while (n > 0);
	close(fd);
	for (size_t i = 0; i + s->n <= s->text.n; i++) {
		const char *at = s->text.p + i;

		if (starts && memcmp(at, s->entry, s->n) == 0 &&
			(i + s->n == s->text.n || at[s->n] == '\0'))
			return true;
		starts = *at == '\0';
	}
	return false;
}

/* A process that has ended but was not waited for has no environment any more: it isn't found. */
static int
end_if_it_has(void *ctx, pid_t pid)
{
	struct search *s = ctx;

	if (pid == getpid() || !has_entry(s, pid))
		return 0;
	if (s->signal)
		kill(pid, s->signal);
	return 1;
}

/* Sends the signal to all once, again to what is new, and waits till they are gone. 0: they are. */
static int
end_all(struct search *s, int signal, int64_t ms)
{
	int64_t until = now_ns() + ms * NS_PER_MS;
	int n;

	s->signal = signal;
	while ((n = each_process(end_if_it_has, s)) > 0 && now_ns() < until) {
		/* What ignores TERM once does it again: only KILL is repeated. */
		s->signal = signal == SIGKILL ? SIGKILL : 0;
		pause_us(PAUSE_US);
	}
	return n;
}

int
spawn_sweep(const char *run)
{
	struct buf entry = {0};
	struct search s;
	int n;

	buf_addf(&entry, "FURROW_RUN=%s", run);
	s = (struct search){.entry = buf_cstr(&entry), .n = entry.n};
	n = each_process(end_if_it_has, &s);
	if (n > 0 && end_all(&s, SIGTERM, TERM_MS) > 0)
		end_all(&s, SIGKILL, KILL_MS);
	buf_free(&s.text);
	buf_free(&entry);
	return n;
}

void
spawn_adopt_orphans(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

struct process {
	pid_t pid, parent;
	bool below;
};

struct processes {
	struct process *v;
	size_t n, cap;
};

static int
add_process(void *ctx, pid_t pid)
{
	struct processes *l = ctx;
	int fd = open_of(pid, "stat"), parent = 0;
	char text[512], state = 'Z';
	const char *at;
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* "PID (NAME) STATE PARENT …": the name may hold anything. */
	at = strrchr(text, ')');
	if (!at || sscanf(at, ") %c %d", &state, &parent) != 2)
		return 0;
	if (l->n == l->cap) {
		l->cap = l->cap * 2 + 256;
		l->v = mem_realloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = (struct process){.pid = pid, .parent = parent};
	return 1;
}

static bool
is_below(const struct processes *l, pid_t parent)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].pid == parent)
			return l->v[i].below;
	}
	return false;
}

/* One look at all processes: KILL to those that descend from this one. */
static void
kill_descendants(struct processes *l)
{
	pid_t self = getpid();
	bool more = true;

	l->n = 0;
	each_process(add_process, l);
	while (more) {
		more = false;
		for (size_t i = 0; i < l->n; i++) {
			struct process *p = &l->v[i];

			if (!p->below && (p->parent == self || is_below(l, p->parent)))
				more = p->below = true;
		}
	}
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].below)
			kill(l->v[i].pid, SIGKILL);
	}
}

void
spawn_kill_children(void)
{
	int64_t until = now_ns() + KILL_MS * NS_PER_MS;
	struct processes l = {0};

	for (int i = 0; now_ns() < until; i++) {
		pid_t pid;

		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			break;
		/* Who is on the way out by itself, as a runner that said goodbye, has a moment for
		 * it. */
		if (i >= SHORT_PAUSES)
			kill_descendants(&l);
		pause_us(i < SHORT_PAUSES ? SHORT_PAUSE_US : PAUSE_US);
	}
	free(l.v);
}
