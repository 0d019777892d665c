/* run_dir: the runs of a state folder, below .furrow/runs:
 *
 *   RUN/journal.jsonl   what happened (planner/execute/journal.h)
 *   RUN/tasks           which tasks were to run: "INDEX TAB KEY TAB LABEL LF", by index. For
 * looking up logs and results later, when the manifest speaks of other tasks
 *   RUN/logs/INDEX.ATTEMPT.stdout|stderr
 *   RUN/runner.log
 */
#ifndef FURROW_RUN_DIR_H
#define FURROW_RUN_DIR_H

#include "planner/execute/timings.h"
#include "planner/plan.h"
#include "providers/state_dir.h"

enum run_state {
	RUN_RUNNING,
	RUN_ENDED,	 /* head.exit_code holds */
	RUN_INTERRUPTED, /* no end in its journal, and nobody holds the lock for it */
	RUN_UNREADABLE	 /* problem says why */
};

struct run_dir {
	const char *id; /* ULID */
	const char *path;
	enum run_state state;
	struct timings head; /* of timings_parse_head; zero when UNREADABLE or not begun */
	bool begun;	     /* its journal has a line; killed before that, it did nothing */
	const char *problem;
};

/* The newest runs, at most `limit`, newest first. all: how many there are. */
void run_dir_list(struct arena *a, const struct state_dir *state, size_t limit,
	struct run_dir **out, size_t *n, size_t *all);

/* One run: "latest" (also NULL), "^N" (N before the latest), or a prefix of an id that no other run
 * has (letters' case not counted). ERR_INPUT: none, or more than one. */
int run_dir_find(struct arena *a, const struct state_dir *state, const char *spec,
	struct run_dir *out, struct error *err);
/* Whether a word can only mean a run. */
bool run_dir_is_spec(const char *word);

/* The whole journal; of a run that is not begun: nothing but its id. */
int run_dir_timings(
	struct arena *a, const struct run_dir *run, struct timings *out, struct error *err);

/* Says on standard error that a run is not begun, when it isn't. */
void run_dir_say_begun(const struct run_dir *run);

/* "done", "failed", "running", "interrupted", "unreadable". */
const char *run_dir_result(const struct run_dir *run);

struct run_task {
	uint32_t index;
	struct digest key;
	struct str label;
};
struct run_tasks {
	struct run_task *v; /* by index */
	size_t n;
};
int run_tasks_write(const char *run_path, const struct plan *plan, struct error *err);
/* What cannot be read is left out. */
void run_tasks_read(struct arena *a, const char *run_path, struct run_tasks *out);
const struct run_task *run_tasks_find(const struct run_tasks *t, uint32_t index);
/* By "task[7]", "7" or a label. ERR_INPUT when it names no task of the run. */
int run_tasks_named(const struct run_tasks *t, const char *word, const struct run_task **out,
	struct error *err);

#endif
