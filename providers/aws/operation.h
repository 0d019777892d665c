/* operation: what a request is called in AWS's words, on what it works, and which permission it
 * takes: for messages. Pure. */
#ifndef FURROW_AWS_OPERATION_H
#define FURROW_AWS_OPERATION_H

#include "providers/aws/client.h"

struct operation {
	struct str service;    /* "ec2" */
	struct str name;       /* "RunInstances", "GetObject" */
	struct str on;	       /* "in us-east-2", "s3://bucket/key" */
	struct str permission; /* "ec2:RunInstances", "s3:ListBucket" */
	struct str resource;   /* ARN for a policy's statement, or "*" */
};

void operation_of(
	struct arena *a, struct operation *out, const struct aws_request *r, struct str region);

#endif
