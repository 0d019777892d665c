/* state: folders below .furrow, made and removed. */
#ifndef FURROW_LOCAL_STATE_H
#define FURROW_LOCAL_STATE_H

#include "planner/base/error.h"

/* Makes one folder; there already: 0. */
int state_make_dir(const char *path, struct error *err);

/* Removes a file or folder with all below it, never following a symbolic link; none there: 0.
 * Folders without write permission are given it. */
int state_remove_tree(const char *path, struct error *err);

#endif
