/* path: file names as text, '/' between their parts. Looks at no file system, so a part that is a
 * symbolic link is not followed. */
#ifndef FURROW_PATH_H
#define FURROW_PATH_H

#include "planner/base/arena.h"

/* Without empty parts, "." and whatever ".." takes back; a ".." that leads out stays in front.
 * Relative to nothing gives "". */
struct str path_clean(struct arena *a, struct str path);

/* path_clean of "folder/path"; a path that starts with '/' stands alone. */
struct str path_join(struct arena *a, struct str folder, struct str path);

/* What stands before the last '/'; "" without one. */
struct str path_folder(struct str path);

/* Whether path is folder or lies below it. Both clean; "" holds all that is relative and does not
 * lead out. */
bool path_within(struct str path, struct str folder);

#endif
