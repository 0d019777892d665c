/* policy: the least that an IAM policy has to allow for a job: which actions furrow calls, on what, and under
 * which condition. */
#ifndef FURROW_AWS_POLICY_H
#define FURROW_AWS_POLICY_H

#include "planner/base/buf.h"

struct policy_place {
	struct str bucket, prefix; /* bucket absent: none */
};

struct policy_region {
	struct str name;
	struct str ami; /* as in the manifest; absent: Amazon's own */
};

struct policy_wish {
	const struct policy_region *regions; /* where instances may be, at least one */
	size_t n_regions;
	struct str account; /* absent: any */
	struct str job;
	struct str image;			    /* that containers are of; absent: none */
	struct policy_place store, results, inputs; /* results, inputs: in S3 */
	bool spot;
};

/* The policy document, JSON for people, with a line feed at its end. What changes an instance, a volume or a
 * security group is allowed only with the tag furrow:job of this job: on what is made, and on what is there. */
void policy_write(struct buf *out, const struct policy_wish *wish);

#endif
