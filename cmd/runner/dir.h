/* dir: listing folders and removing trees, below descriptors, never following a symlink. */
#ifndef RUNNER_DIR_H
#define RUNNER_DIR_H

/* Calls each(ctx, name, type) for every entry but "." and ".."; type as in d_type. Stops when it
 * gives non-zero, and gives that; -1 with errno when the folder cannot be read. Starts from the
 * folder's beginning. */
typedef int (*dir_fn)(void *ctx, const char *name, unsigned char type);
int dir_each(int fd, dir_fn each, void *ctx);

/* Removes what `name` below at_fd is, with all that is in it. 0, or -1 with errno of the first
 * thing that stays. */
int dir_remove(int at_fd, const char *name);

/* Removes all in a folder, at most *budget entries, which it lowers. 0: empty now; -1: not. */
int dir_empty(int fd, int *budget);

#endif
