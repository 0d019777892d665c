/* collect_s3_look: which of tasks' folders there are in a bucket. */
#ifndef FURROW_STORE_COLLECT_S3_LOOK_H
#define FURROW_STORE_COLLECT_S3_LOOK_H

#include "planner/base/arena.h"
#include "planner/base/error.h"

struct aws;

/* Where results lie. */
struct collect_s3_place {
	struct aws *aws;
	struct str bucket, root; /* root: "" or "PREFIX/" */
};

/* there[i]: whether there is an object below folders[i], which are sorted. */
int collect_s3_look(const struct collect_s3_place *place, const struct str *folders, size_t n,
	bool *there, struct error *err);

#endif
