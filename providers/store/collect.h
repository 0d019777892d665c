/* collect: brings results out of the store into the `results` folder, each task's folder whole
 * or not at all, never outside of it.
 *
 * RESULTS/LABEL/ holds what the task left as output, and `stdout` and `stderr` when the task
 * wrote any (unless it left files of these names). RESULTS/.furrow-index says which key lies in
 * which folder: "KEY TAB LABEL LF" lines sorted by label; a KEY followed by "-" had nothing to
 * bring and has no folder; one followed by "?" was being brought when collect was interrupted,
 * so its folder is collect's own, but what lies in it is not known. */
#ifndef FURROW_COLLECT_H
#define FURROW_COLLECT_H

#include "planner/observed.h"
#include "providers/store/store.h"

struct collect_item {
	struct digest key;
	struct str
		folder; /* below the results folder; may hold '/', never ".." nor a leading '/' */
	bool is_empty;	/* its result is in the store and has nothing to bring: it needs no look */
};

struct collect_report {
	uint32_t n_written, n_kept, n_missing; /* missing: no result in the store (a failed task) */
	int64_t bytes;
};

/* What lies in the results folder now (the index, less folders that are gone). No folder:
 * nothing. */
int collect_observe(struct arena *a, const char *results_dir, struct collected **out, size_t *n,
	struct error *err);

/* Writes what is not there yet; an older result's folder is replaced by exchange. Files of the
 * user's own in the results folder are left alone; a folder of the user's own with a task's name
 * is an error, not overwritten. ERR_INPUT when results_dir is a file or not writable. */
int collect_run(struct store *s, const char *results_dir, const struct collect_item *items,
	size_t n, struct collect_report *report, struct error *err);

/* Checks, before anything is spent, that collect_run could write there. */
int collect_check(const char *results_dir, struct error *err);

/* Likewise, of the folders that items want there, whether each could have its own: ERR_INPUT when
 * two are the same, one would lie within another, or something of the user's own is there. */
int collect_check_items(
	const char *results_dir, const struct collect_item *items, size_t n, struct error *err);

/* Unpacks a result's tar into a folder (an fd), refusing absolute paths, "..", links that leave
 * it, devices, and more than limit_bytes. */
int collect_unpack(int tar_fd, int dir_fd, int64_t limit_bytes, struct error *err);

#endif
