/* images: what of a job lies in the container engine. */
#ifndef FURROW_IMAGES_H
#define FURROW_IMAGES_H

#include "cmd/furrow/leftovers.h"
#include "planner/manifest.h"

enum images_wish {
	IMAGES_SETUPS, /* what the job's setups left */
	IMAGES_ALL,    /* also what was built for it, and what was loaded of its `image` */
	IMAGES_OLD     /* made before before_ns: the job's but the newest, and loaded ones that the
			  manifest names no more */
};

/* Whether a job of this manifest has images at all: else the engine need not be asked. */
bool images_may_be(const struct manifest *m);

/* Adds them in an order in which they can be removed. dir: the manifest's folder. An engine that
 * doesn't answer is told of on standard error. */
void images_add(struct arena *a, struct leftovers *l, struct engine_handle *engine,
	const struct manifest *m, const char *dir, enum images_wish wish, int64_t before_ns);

#endif
