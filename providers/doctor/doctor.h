/* doctor: whether a manifest's job could run: everything that it needs, asked for side by side, and all that
 * was found told together. Changes nothing, here or in the cloud. */
#ifndef FURROW_DOCTOR_H
#define FURROW_DOCTOR_H

#include "providers/site.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_finding {
	const char *check; /* "credentials" */
	enum doctor_verdict verdict;
	bool input; /* of a failure: what the user wrote is wrong, not what the cloud says */
	struct str tried;
	struct str found;
	struct str advice; /* absent: nothing to do, or `found` tells */
};

struct doctor_findings {
	struct arena *arena; /* of the list and its strings */
	struct doctor_finding *v;
	size_t n, cap;
};

const char *doctor_verdict_name(enum doctor_verdict v); /* "ok" */

/* Adds what there is to tell of the infra that config's manifest names. Blocks; asks AWS, the container
 * engine and git. */
void doctor_examine(const struct site_config *config, struct doctor_findings *out);

#endif
