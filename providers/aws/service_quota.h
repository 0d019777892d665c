/* service_quota: what Service Quotas says that an account may have (JSON 1.1, 2019-06-24). */
#ifndef FURROW_AWS_SERVICE_QUOTA_H
#define FURROW_AWS_SERVICE_QUOTA_H

#include "providers/aws/client.h"

struct service_quota {
	struct str name; /* Service Quotas' own; absent: not told */
	bool has_value;
	double value; /* as told: may be 0, negative or absurd */
	bool adjustable;
};

/* One quota of a service of AWS ("ec2", "L-1216C47A"), as it applies to the account in the client's
 * region. ERR_MISSING: AWS has none of this code there. Errors as aws_call's; ERR_HOST for an answer
 * that is none. */
int service_quota_get(struct aws *aws, struct arena *a, const char *service, const char *code,
	struct service_quota *out, struct error *err);

/* From the answer's body. */
int service_quota_parse(
	struct arena *a, struct str json, struct service_quota *out, struct error *err);

#endif
