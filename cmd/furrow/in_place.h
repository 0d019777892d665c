/* in_place: tasks that did not run because their result was there already. */
#ifndef FURROW_IN_PLACE_H
#define FURROW_IN_PLACE_H

#include "cmd/furrow/options.h"
#include "cmd/furrow/run_dir.h"

/* The task that a word names among those that have a result now, by the manifest that the options
 * name and the working files as they are. False: there is none, or it can't be told. */
bool in_place_find(
	struct arena *a, const struct options *o, const char *word, struct run_task *out);

#endif
