/* find_store: the store and the results folder of a place, for commands that look at what was: runs
 * outlive their manifest, so what is wrong with that is no business of theirs. */
#ifndef FURROW_FIND_STORE_H
#define FURROW_FIND_STORE_H

#include "cmd/furrow/place.h"
#include "providers/store/store.h"

/* The store that the manifest names, or the state folder's own when it names none or cannot be
 * read. NULL: there is no store yet. */
struct store *find_store(struct arena *a, const struct place *place, const struct state_dir *state);

/* The results folder that the manifest names, absolute; NULL when it can't be read or names none on
 * this machine. */
const char *find_results(struct arena *a, const struct place *place);

#endif
