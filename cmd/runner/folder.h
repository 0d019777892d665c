/* folder: where tasks work. A task's folder, ROOT/tasks/ID, holds
 *
 *   work/       the current folder: a symlink to each top-level entry of the source, but the
 *               first part of `outputs`
 *   out/        FURROW_OUT
 *   tmp/        TMPDIR and HOME
 *   trace.jsonl FURROW_TRACE_FILE, if the task makes it
 *   stdout, stderr: kept streams that furrow hasn't taken yet, if any
 *
 * Making and removing one costs as much as starting a small program, so folders are used again:
 * each of the four carries a fixed, old modification time, any change of its entries moves that,
 * and what still has it is as good as new. What has not is cleaned when that is little work, else
 * removed by a child process. */
#ifndef RUNNER_FOLDER_H
#define RUNNER_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FOLDER_NAME_BYTES = 24, FOLDER_SPARE_MAX = 256, FOLDER_REMOVERS = 4 };

struct folders {
	int root_fd, tasks_fd; /* ROOT, ROOT/tasks */
	char *tasks;	       /* path of ROOT/tasks */
	char *source;	       /* path; "": none */
	char **entries;	       /* names in source that get a symlink */
	size_t n_entries;
	long old_ns; /* of the modification time that marks what is as good as new */
	uint64_t spare[FOLDER_SPARE_MAX]; /* ids of folders that are as good as new */
	size_t n_spare;
	uint64_t *doomed; /* ids of folders to remove */
	size_t n_doomed, cap_doomed;
	pid_t removers[FOLDER_REMOVERS]; /* 0: none at work */
};

/* Makes ROOT/tasks, anew if there is an old one. -1 with a message in why. */
int folders_open(struct folders *f, const char *root, const char *source, const char *outputs,
	char *why, size_t why_bytes);

/* 0, or -1 with errno. */
int folder_make(struct folders *f, uint64_t id);
/* For the *at() calls on a folder; the caller's. -1 with errno. */
int folder_open(const struct folders *f, uint64_t id);
/* Keeps it for another task, or has it removed. */
void folder_give_back(struct folders *f, uint64_t id);
/* Keeps it if nothing was made, changed or removed in it; else false. */
bool folder_give_back_new(struct folders *f, uint64_t id);

/* Gives up all but so many of those that are kept. */
void folders_trim(struct folders *f, size_t keep);

/* Starts removing what is to be removed, in a child of its own, unless enough of them are at work:
 * they wait for the disk more than they do. folders_removed: this child (reaped) has ended; false
 * if it is none of them. */
void folders_remove(struct folders *f);
bool folders_is_remover(const struct folders *f, pid_t pid);
bool folders_removed(struct folders *f, pid_t pid);
/* Removes ROOT/tasks. The caller has no children any more. */
void folders_close(struct folders *f);

/* "ID" or "ID/sub", for the *at() calls on tasks_fd. */
void folder_name(char out[FOLDER_NAME_BYTES + 16], uint64_t id, const char *sub);

#endif
