/* proc: what /proc tells about processes. Without /proc everything is empty, and only process
 * groups are ended. */
#ifndef RUNNER_PROC_H
#define RUNNER_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc {
	pid_t pid, parent, group;
	uint64_t start; /* clock ticks since boot: with pid it names one process for good */
	bool zombie;
	bool below; /* scratch of proc_mark_below */
};

struct proc_list {
	struct proc *v; /* malloc'd, the caller's */
	size_t n;
};

/* false: there is no such process any more, or it cannot be read. */
bool proc_read(pid_t pid, struct proc *out);
/* All processes that can be seen. */
void proc_all(struct proc_list *out);
/* Marks what descends from pid, and pid itself. */
void proc_mark_below(struct proc_list *l, pid_t pid);

/* The children of this thread: from children_fd (/proc/thread-self/children) or, when that is -1,
 * by looking at all. Gives their number; the pids are valid until the next call. */
int proc_open_children(void);
size_t proc_children(int children_fd, const pid_t **pids);

/* The value of a variable in what a process was started with, or its current folder; false: can't
 * be told. */
bool proc_variable(pid_t pid, const char *name, char *out, size_t n);
bool proc_folder(pid_t pid, char *out, size_t n);

/* Calls found(ctx, pid) for each process, but this one, that has the pipe open that fd reads. */
void proc_holders(int fd, void (*found)(void *ctx, pid_t pid), void *ctx);

#endif
