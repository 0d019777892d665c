/* far: an image of a registry, for a machine that is not this one: no engine here is asked. */
#ifndef FURROW_CONTAINER_FAR_H
#define FURROW_CONTAINER_FAR_H

#include "planner/base/arena.h"
#include "planner/base/error.h"

/* What to pull ("REGISTRY/REPOSITORY@sha256:…"), the digest ("sha256:…"), and the "USER:PASSWORD" with
 * which this user is logged in at its registry (absent: not at all). auth: such a login in base64, from
 * who knows; absent: what `podman login` or `docker login` left. The registry is asked, also for a digest that
 * is given. notes: a folder for what need not be asked twice; NULL: none. ERR_INPUT: there is no such image, or not for this architecture, or the
 * registry doesn't show it; ERR_HOST: it doesn't answer. */
int image_far(struct arena *a, struct str image, bool arm64, const char *notes, struct str auth,
	struct str *pull, struct str *digest, struct str *login, struct error *err);

#endif
