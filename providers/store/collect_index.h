/* collect_index: RESULTS/.furrow-index, which says what collect has brought. The format stands
 * in collect.h. */
#ifndef FURROW_STORE_COLLECT_INDEX_H
#define FURROW_STORE_COLLECT_INDEX_H

#include "planner/base/arena.h"
#include "planner/base/buf.h"
#include "planner/base/error.h"
#include "planner/observed.h"

#define COLLECT_INDEX ".furrow-index"
#define COLLECT_TEMPORARY \
	".furrow-tmp" /* one at a time: the results folder is locked while it is written to */

enum collect_state {
	COLLECT_FOLDER,	 /* the folder holds the result */
	COLLECT_EMPTY,	 /* there was nothing to bring, so there is no folder */
	COLLECT_PENDING, /* the folder is collect's own, but what is in it is not known */
	COLLECT_GONE	 /* the folder is not there any more; only out of collect_index_look */
};

struct collect_index {
	struct collected *v; /* sorted by label, no duplicates */
	uint8_t *state;	     /* of each, enum collect_state */
	size_t n;
};

/* Lines that are none are left out. */
void collect_index_parse(struct arena *a, struct collect_index *out, struct str bytes);
void collect_index_format(struct buf *out, const struct collect_index *index);

/* None there: empty. Lines that are none are left out. */
int collect_index_read(
	struct arena *a, int results_fd, struct collect_index *out, struct error *err);

/* Finds those whose folder is gone. */
void collect_index_look(int results_fd, struct collect_index *index);

/* Writes the file into the folder of temporary files; < 0: -errno. */
int collect_index_write(int temporary_fd, const struct collect_index *index);

/* A path of parts [A-Za-z0-9._,=+-] and the like, relative, none of them "." or ".." or
 * collect's own. */
bool collect_is_folder(struct str folder);

/* Says that the results folder is not writable, or no folder: ERR_INPUT when that is the user's
 * to change. */
int collect_not_writable(const char *path, int os_errno, struct error *err);

#endif
