/* upload_child: the processes of an upload. They are children of the runner, in groups of their own,
 * and end with it. */
#ifndef RUNNER_UPLOAD_CHILD_H
#define RUNNER_UPLOAD_CHILD_H

#include "planner/base/str.h"

#include <sys/resource.h>
#include <sys/types.h>

/* Packs a task's outputs into a file. Its exit status is 0, or an errno. The arguments are those of
 * pack_open. -1 with errno: there is no process. */
pid_t upload_child_pack(int task_fd, int tar_fd, const char *outputs, const char *source);

/* Whether it is a URL of HTTP, without anything that would have to be quoted. */
bool upload_child_takes(struct str url);

/* PUTs the file to the URL, once. *said_fd: what it says, the caller's, for upload_child_said. The
 * URL is a secret of its own: it stands in no argument and no environment. -1 with errno, and what
 * could not be done in *what: neither curl nor python3 can be started. */
pid_t upload_child_send(
	int tar_fd, const char *url, const struct rlimit *files, int *said_fd, const char **what);

struct upload_said {
	int http;	 /* status of the answer; 0: there was none */
	char words[300]; /* why it failed, one line for people */
};
/* It ended, with this status. */
void upload_child_said(int said_fd, int status, struct upload_said *out);

#endif
