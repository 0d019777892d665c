/* spool: a folder of this process for what waits to be sent. It is held by a flock(2), so the next one
 * that opens a spool finds and removes what dead ones left. */
#ifndef FURROW_STORE_SPOOL_H
#define FURROW_STORE_SPOOL_H

#include "planner/base/error.h"

enum { SPOOL_PATH_BYTES = 4096 };

struct spool;

/* Below TMPDIR, else /var/tmp (which is on a disk where /tmp is memory), else /tmp. ERR_HOST. */
int spool_open(struct spool **out, struct error *err);
/* Removes it with all that is in it. NULL is fine. */
void spool_close(struct spool *s);
/* The path of a new file or folder in it; not made. Any thread. ERR_HOST: too long. */
int spool_name(struct spool *s, char path[SPOOL_PATH_BYTES], struct error *err);

/* Removes a file or folder with all that is in it, following no symlink. */
void spool_remove(const char *path);

/* A file without a name in the same place, for reading and writing; < 0: -errno. */
int spool_unlinked_file(void);

#endif
