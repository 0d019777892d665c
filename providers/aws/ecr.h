/* ecr: logging in at Amazon's registries of containers (ECR, JSON 1.1, AmazonEC2ContainerRegistry_V20150921). */
#ifndef FURROW_AWS_ECR_H
#define FURROW_AWS_ECR_H

#include "providers/aws/client.h"

/* Of an image as ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY, and as partitions other than AWS's own
 * have it. false: it lies elsewhere. */
bool ecr_is_there(struct str image, struct str *account, struct str *region);

/* What logs in at all registries of the region that the credentials may see, as docker's configuration
 * writes it: base64 of "AWS:PASSWORD". Good for 12 hours. In the arena. Errors as aws_call's. */
int ecr_login(
	struct aws *aws, struct arena *a, struct str region, struct str *auth, struct error *err);

/* Of an answer to GetAuthorizationToken. ERR_HOST: it holds none. */
int ecr_parse_login(struct arena *a, struct str json, struct str *auth, struct error *err);

#endif
