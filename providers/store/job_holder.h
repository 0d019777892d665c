/* job_holder: the document of a job's lock: writing it, reading anybody's. Its format stands in
 * job_lock.h. Pure. */
#ifndef FURROW_STORE_JOB_HOLDER_H
#define FURROW_STORE_JOB_HOLDER_H

#include "planner/base/buf.h"
#include "providers/store/job_lock.h"

struct job_document {
	struct str job, run, host, machine, user, since, until, nonce;
	int64_t pid, lease_s;
	uint64_t renewals;
	bool released; /* given back where it could not be removed */
};

void job_document_write(struct buf *out, const struct job_document *d);

/* Strings are of one line, fit for messages. ERR_INPUT: no lock, or one of a newer furrow. */
int job_document_parse(
	struct arena *a, struct job_document *out, struct str bytes, struct error *err);

#endif
