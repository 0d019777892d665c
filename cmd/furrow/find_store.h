/* find_store: the store and the results folder of a place, for commands that read what is there.
 * What is wrong with the manifest is not their business. */
#ifndef FURROW_FIND_STORE_H
#define FURROW_FIND_STORE_H

#include "cmd/furrow/place.h"
#include "planner/manifest.h"
#include "providers/store/store.h"

struct inventory;

/* Closed by find_store_close; zero: none. */
struct found_store {
	struct store *store;	     /* NULL: there is none */
	struct inventory *inventory; /* its region, when it is a bucket */
};

/* manifest NULL: it cannot be read; the default folder is meant. A bucket that cannot be reached is told
 * of on standard error. */
void find_store(struct found_store *out, struct arena *a, const struct place *place,
	const struct state_dir *state, const struct manifest *manifest);
void find_store_close(struct found_store *found);

/* The folder store of a job on this machine; NULL: none, or the job is not on this machine. */
struct store *find_store_here(struct arena *a, const struct place *place,
	const struct state_dir *state, const struct manifest *manifest);

/* Where results come together: an absolute path, or s3://… */
struct str find_results(
	struct arena *a, const struct place *place, const struct manifest *manifest);

/* The manifest of a place; NULL: it isn't there, or has errors. */
struct manifest *find_manifest(struct arena *a, const struct place *place);

#endif
