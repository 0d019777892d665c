/* proc: reading /proc. */
#include "cmd/runner/proc.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENVIRON_MAX = 4 << 20 };

static ssize_t
read_all(int fd, char *out, size_t n)
{
	ssize_t got = read(fd, out, n);

	close(fd);
	return got;
}

static int
open_of(pid_t pid, const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	return open(path, flags | O_CLOEXEC);
}

bool
proc_read(pid_t pid, struct proc *out)
{
	int fd = open_of(pid, "stat", O_RDONLY);
	unsigned long long start;
	char text[1024], state;
	ssize_t n;
	char *at;

	if (fd < 0)
		return false;
	n = read_all(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* "PID (NAME) STATE PARENT GROUP …": the name may hold anything, also ") ". */
	at = strrchr(text, ')');
	*out = (struct proc){.pid = pid};
	if (!at || sscanf(at,
			   ") %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
			   "%*d %llu",
			   &state, &out->parent, &out->group, &start) != 4)
		return false;
	out->start = start;
	out->zombie = state == 'Z' || state == 'X';
	return true;
}

static pid_t
to_pid(const char *name)
{
	char *end;
	long v = strtol(name, &end, 10);

	return name[0] >= '1' && name[0] <= '9' && *end == '\0' && v <= INT_MAX ? (pid_t)v : 0;
}

static int
add_process(void *ctx, const char *name, unsigned char type)
{
	struct proc_list *l = ctx;
	pid_t pid = to_pid(name);

	(void)type;
	if (!pid)
		return 0;
	if (l->n % 64 == 0)
		l->v = must_realloc(l->v, (l->n + 64) * sizeof(*l->v));
	l->n += proc_read(pid, &l->v[l->n]);
	return 0;
}

static int
compare_pids(const void *a, const void *b)
{
	const struct proc *p = a, *q = b;

	return p->pid < q->pid ? -1 : p->pid > q->pid;
}

void
proc_all(struct proc_list *out)
{
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*out = (struct proc_list){0};
	if (fd < 0)
		return;
	dir_each(fd, add_process, out);
	close(fd);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), compare_pids);
}

static struct proc *
find(const struct proc_list *l, pid_t pid)
{
	struct proc key = {.pid = pid};

	return l->n ? bsearch(&key, l->v, l->n, sizeof(*l->v), compare_pids) : NULL;
}

void
proc_mark_below(struct proc_list *l, pid_t pid)
{
	struct proc *top = find(l, pid);
	bool more = top != NULL;

	if (top)
		top->below = true;
	/* Children have higher numbers, but where numbers began anew: mostly one pass, and one that
	 * finds nothing. */
	while (more) {
		more = false;
		for (size_t i = 0; i < l->n; i++) {
			const struct proc *parent = l->v[i].below ? NULL : find(l, l->v[i].parent);

			if (parent && parent->below)
				more = l->v[i].below = true;
		}
	}
}

int
proc_open_children(void)
{
	return open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
}

static pid_t *children;
static size_t n_children, cap_children;

static void
add_child(pid_t pid)
{
	if (n_children == cap_children) {
		cap_children = cap_children * 2 + 64;
		children = must_realloc(children, cap_children * sizeof(*children));
	}
	children[n_children++] = pid;
}

static void
children_by_parent(void)
{
	struct proc_list all;
	pid_t self = getpid();

	proc_all(&all);
	for (size_t i = 0; i < all.n; i++) {
		if (all.v[i].parent == self)
			add_child(all.v[i].pid);
	}
	free(all.v);
}

size_t
proc_children(int children_fd, const pid_t **pids)
{
	char text[1024];
	off_t at = 0;
	pid_t pid = 0;
	ssize_t n;

	n_children = 0;
	if (children_fd < 0)
		children_by_parent();
	/* "PID PID … " */
	while (children_fd >= 0 && (n = pread(children_fd, text, sizeof(text), at)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
			} else if (pid) {
				add_child(pid);
				pid = 0;
			}
		}
		at += n;
	}
	*pids = children;
	return n_children;
}

/* A whole file of /proc that is larger than a page; NUL-terminated, the caller's. NULL: can't be
 * read. */
static char *
read_long(int fd, size_t *n)
{
	size_t cap = 16384;
	char *text = must_alloc(cap + 1);
	ssize_t got;

	*n = 0;
	while ((got = read(fd, text + *n, cap - *n)) > 0) {
		*n += (size_t)got;
		if (*n == cap && cap < ENVIRON_MAX) {
			cap *= 2;
			text = must_realloc(text, cap + 1);
		}
	}
	close(fd);
	text[*n] = '\0';
	return text;
}

bool
proc_variable(pid_t pid, const char *name, char *out, size_t n)
{
	int fd = open_of(pid, "environ", O_RDONLY);
	size_t name_n = strlen(name), text_n;
	bool found = false;
	char *text;

	if (fd < 0)
		return false;
	text = read_long(fd, &text_n);
	for (size_t at = 0; at < text_n && !found; at += strlen(text + at) + 1) {
		found = strncmp(text + at, name, name_n) == 0 && text[at + name_n] == '=';
		if (found)
			found = (size_t)snprintf(out, n, "%s", text + at + name_n + 1) < n;
	}
	free(text);
	return found;
}

bool
proc_folder(pid_t pid, char *out, size_t n)
{
	char path[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	got = readlink(path, out, n - 1);
	if (got > 0)
		out[got] = '\0';
	return got > 0;
}

struct search {
	char link[64]; /* what the pipe's links read */
	pid_t pid;
	int fd;
	bool holds;
};

static int
look_at_descriptor(void *ctx, const char *name, unsigned char type)
{
	struct search *s = ctx;
	char link[64];
	ssize_t n = readlinkat(s->fd, name, link, sizeof(link));

	(void)type;
	s->holds = n == (ssize_t)strlen(s->link) && memcmp(link, s->link, (size_t)n) == 0;
	return s->holds;
}

void
proc_holders(int fd, void (*found)(void *ctx, pid_t pid), void *ctx)
{
	struct proc_list all;
	struct search s;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return;
	snprintf(s.link, sizeof(s.link), "pipe:[%llu]", (unsigned long long)st.st_ino);
	proc_all(&all);
	for (size_t i = 0; i < all.n; i++) {
		if (all.v[i].pid == getpid() || all.v[i].zombie)
			continue;
		s.fd = open_of(all.v[i].pid, "fd", O_RDONLY | O_DIRECTORY);
		s.holds = false;
		if (s.fd < 0)
			continue;
		dir_each(s.fd, look_at_descriptor, &s);
		close(s.fd);
		if (s.holds)
			found(ctx, all.v[i].pid);
	}
	free(all.v);
}
