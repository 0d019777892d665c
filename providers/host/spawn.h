/* spawn: running programs: a helper to its end with its output, or a runner on this machine. */
#ifndef FURROW_SPAWN_H
#define FURROW_SPAWN_H

#include "planner/base/buf.h"
#include "planner/base/error.h"

#include <stdatomic.h>
#include <sys/types.h>

/* Runs argv (looked up in PATH) to its end, without a shell, stdin from /dev/null. out and errs may
 * be NULL; of more than 16 MiB the middle is left out. Returns its exit status (128 + signal), or < 0 with err
 * when it could not be started or timeout_ns (< 0: none) passed, after which its whole process
 * group is killed. */
int spawn_run(const char *const *argv, const char *const *env, const char *dir, struct buf *out,
	struct buf *errs, int64_t timeout_ns, struct error *err);

/* From now on a spawn_run of this thread ends early, with its process group killed and
 * ERR_CANCELLED, once *stop is true. NULL: no longer. Returns what it heeded before. */
const atomic_bool *spawn_heed(const atomic_bool *stop);

/* Where furrow-runner is: FURROW_RUNNER, beside the furrow binary, ../libexec/furrow/. ERR_HOST
 * when nowhere. */
int spawn_find_runner(char *out, size_t size, struct error *err);

/* Starts the runner of this machine with one end of a socket pair as its stdin and stdout; its
 * stderr goes to log_fd. */
int spawn_runner(const char *runner, int log_fd, int *fd, pid_t *pid, struct error *err);

/* Ends every process that has FURROW_RUN=run in its environment, TERM then KILL. Returns how many
 * there were. */
int spawn_sweep(const char *run);

/* Makes this process the one that orphans of its children fall to, so that spawn_kill_children
 * finds them. */
void spawn_adopt_orphans(void);
/* Kills all descendants of this process, and reaps them. */
void spawn_kill_children(void);

#endif
