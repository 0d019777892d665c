/* inputs: what a map's inputs are read from, on any site. */
#ifndef FURROW_INPUTS_H
#define FURROW_INPUTS_H

#include "planner/job.h"
#include "providers/git/tree.h"

/* The bytes of `map.inputs: {file: …}`. ERR_INPUT at its place in the manifest when it isn't there. */
int inputs_read_list(struct source_reader *reader, struct arena *a, const struct manifest *m,
	const struct source *source, struct str *bytes, struct error *err);

#endif
