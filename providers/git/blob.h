/* blob: git's name for the bytes of a file, computed without git: SHA-1 of "blob N\0" and the
 * bytes. */
#ifndef FURROW_GIT_BLOB_H
#define FURROW_GIT_BLOB_H

#include "planner/base/error.h"
#include "planner/source.h"

#include <sys/stat.h>

struct blob_hasher;

struct blob_hasher *blob_hasher_new(void);
/* Begins with a blob of n_bytes; what came before is forgotten. */
void blob_hasher_begin(struct blob_hasher *h, int64_t n_bytes);
void blob_hasher_add(struct blob_hasher *h, const void *bytes, size_t n);
void blob_hasher_end(struct blob_hasher *h, uint8_t id[BLOB_ID_BYTES]);
void blob_hasher_free(struct blob_hasher *h);

/* Opens the folder that holds `path` (below the folder root_fd, '/' between its parts) without
 * following a link on the way; *name is its last part, within path. Returns the fd, or -1 and
 * errno. */
int blob_open_folder(int root_fd, const char *path, const char **name);

/* A working file as an entry: mode, id and size of `name` in the folder dir_fd; st is its lstat.
 * `shown` names it in messages. ERR_INPUT: a special file, or not readable; ERR_STALE: it changed
 * under the hand. */
int blob_of_file(struct blob_hasher *h, int dir_fd, const char *name, const struct stat *st,
	struct str shown, struct source_entry *out, struct error *err);

#endif
