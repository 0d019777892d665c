/* state_dir: the folder .furrow beside a manifest, where what lies in it, and how folders in it are
 * made and removed. */
#ifndef FURROW_STATE_DIR_H
#define FURROW_STATE_DIR_H

#include "planner/base/arena.h"
#include "planner/base/error.h"

struct state_dir {
	char *root; /* DIR/.furrow */
	char *store, *runs, *cache, *work, *lock;
};
int state_dir_open(struct arena *a, struct state_dir *out, const char *manifest_dir, bool create,
	struct error *err);

/* Makes one folder; there already: 0. */
int state_make_dir(const char *path, struct error *err);

/* Removes a file or folder with all below it, never following a symbolic link; none there: 0.
 * Folders without write permission are given it. */
int state_remove_tree(const char *path, struct error *err);

/* The same for a folder that is taken for whole when it is there: it loses its name first, so half
 * of it is never found under that. What is left when this is interrupted is NAME.partial. */
int state_remove_whole(const char *path, struct error *err);

#endif
