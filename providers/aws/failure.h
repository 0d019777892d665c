/* failure: what an answer of AWS says went wrong, in each of the shapes in which services say it.
 * Pure; the bytes may be anything. */
#ifndef FURROW_AWS_FAILURE_H
#define FURROW_AWS_FAILURE_H

#include "planner/base/arena.h"
#include "planner/manifest.h"

enum { FAILURE_CODE_BYTES = 64 };

struct failure {
	char code[FAILURE_CODE_BYTES]; /* "NoSuchKey"; "": none */
	char request_id[FAILURE_CODE_BYTES];
	char region[40];    /* S3: where the bucket is; "": not said */
	struct str message; /* the service's words as one printable line; else what came instead */
};

/* Shapes: XML with Error/Code at any depth (EC2, STS, S3), JSON with __type (SSM), the header
 * x-amzn-errortype, HTML, nothing. Header names are in lower case. */
void failure_read(struct arena *a, struct failure *out, int status, const struct pairs *headers,
	struct str body);

/* Whether a body is a page of HTML, as something between us and AWS sends it. */
bool failure_is_page(struct str body);

/* Whether the body of a 2xx tells of a failure: S3 says 200 before it knows. */
bool failure_in_success(struct str body);

#endif
