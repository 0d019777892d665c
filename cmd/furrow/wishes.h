/* wishes: what the command line wishes of an instance, beside or instead of a manifest's. */
#ifndef FURROW_WISHES_H
#define FURROW_WISHES_H

#include "cmd/furrow/options.h"
#include "planner/manifest.h"

/* Whether any is given; --infra is none of them. */
bool wishes_given(const struct options *o);

/* Takes the place of what the manifest says, in its alternatives too. ERR_INPUT: a value that is none,
 * told with its option. What is new lives in the arena. */
int wishes_override(
	struct arena *a, struct manifest *m, const struct options *o, struct error *err);

/* A manifest that says nothing but these, on `infra`. ERR_INPUT likewise. */
int wishes_manifest(struct arena *a, struct manifest *out, struct str infra,
	const struct options *o, struct error *err);

#endif
