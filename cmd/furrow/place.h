/* place: where a job is at home: its manifest, the folder of that, and the state folder beside it.
 */
#ifndef FURROW_PLACE_H
#define FURROW_PLACE_H

#include "cmd/furrow/options.h"
#include "providers/state_dir.h"

struct place {
	const char *shown; /* the manifest as the user calls it, for messages */
	const char *path;  /* absolute */
	const char *dir;   /* absolute */
	const char *name;  /* within dir */
};

/* From the manifest as given (a file, or a folder with a furrow.yaml; NULL: ./furrow.yaml). The
 * folder has to be there, the file need not: at another revision it may be. ERR_INPUT. */
int place_find(struct arena *a, struct place *out, const char *manifest, struct error *err);

/* The manifest that the options name, by -m or as an argument: ERR_INPUT when by both. */
int place_from_options(struct arena *a, struct place *out, const struct options *o,
	const char *argument, struct error *err);

/* A path for people: relative when it lies below the manifest's folder and one works there, else
 * as it is. */
struct str place_shown(const struct place *place, struct str path);

/* The state folder of a place where something ran before; ERR_MISSING with what to do when nothing
 * did. */
int place_state(
	struct arena *a, struct state_dir *out, const struct place *place, struct error *err);

#endif
