/* endpoint: where a service of a region is. Pure but for the configuration that it is given. */
#ifndef FURROW_AWS_ENDPOINT_H
#define FURROW_AWS_ENDPOINT_H

#include "providers/aws/client.h"
#include "providers/aws/shared_config.h"

struct endpoint {
	struct str scheme;    /* "https" */
	struct str host;      /* as the Host header has it: with a port unless it is the default */
	struct str base_path; /* "", or "/bucket": goes before the request's path; encoded */
	bool custom;	      /* an endpoint URL was configured */
};

/* "ec2": in host names, for signatures, in messages. */
const char *endpoint_service(enum aws_service service);

/* Whether a region's name has the form of one ("us-east-2"): it becomes part of host names. */
bool endpoint_is_region(struct str region);
/* "aws", "aws-cn", "aws-us-gov", …: the second field of the region's ARNs. */
const char *endpoint_partition(struct str region);

/* bucket: of S3; absent: none is meant. Strings live in the arena or are constant. ERR_INPUT: the
 * region cannot be one, the configured URL is none, FIPS is asked for where there is none. */
int endpoint_find(struct arena *a, struct endpoint *out, enum aws_service service,
	struct str region, struct str bucket, const struct shared_config *config,
	struct error *err);

#endif
