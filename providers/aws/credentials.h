/* credentials: who furrow is to AWS. Looks where the SDKs look, and renews in time. Any thread.
 *
 * The order, the first that has some counts; one that is there but broken ends the search, so that
 * furrow never becomes somebody else by a mishap:
 *   1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; not when a profile was named by an
 *      option (AWS_PROFILE does not count as one)
 *   2. the profile's role_arn with source_profile or credential_source
 *   3. web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, else the profile's
 *      web_identity_token_file and role_arn
 *   4. the profile's sso_session, or sso_start_url
 *   5. the profile's aws_access_key_id and aws_secret_access_key, the credentials file before the
 *      config file
 *   6. the profile's credential_process
 *   7. the container's: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
 *   8. the instance's role, from IMDSv2 */
#ifndef FURROW_AWS_CREDENTIALS_H
#define FURROW_AWS_CREDENTIALS_H

#include "planner/base/arena.h"
#include "planner/base/clock.h"
#include "planner/base/error.h"
#include "planner/base/str.h"

struct credentials_chain;
struct shared_config;

struct credentials {
	struct str key_id, secret, token; /* token absent: long-lived ones */
	int64_t expires_wall_ns;	  /* INT64_MAX: never */
	struct str from;		  /* for messages: "profile work (sso)" */
};

/* What the chain needs of the world, so that tests can bring their own. NULL members: the real one.
 * The environment is the shared_config's. */
struct credentials_world {
	const struct clock *clock;
	/* One HTTP request without a signature (STS web identity, SSO, container, IMDS). headers:
	 * "Name: value" lines, NULL-terminated. body absent: none. */
	int (*fetch)(void *ctx, struct arena *a, const char *method, const char *url,
		const char *const *headers, struct str body, int64_t timeout_ns, int *status,
		struct str *answer, struct error *err);
	/* STS AssumeRole signed with `by`, for role_arn with source_profile or credential_source.
	 * duration_s 0: STS's own default. There is no real one here: the client brings it. */
	int (*assume_role)(void *ctx, struct arena *a, const struct credentials *by,
		struct str region, struct str role_arn, struct str session_name,
		struct str external_id, int64_t duration_s, struct str *xml, struct error *err);
	void *ctx;
	int64_t process_timeout_ns; /* of credential_process; 0: 60 s */
};

/* Makes no call. config must outlive the chain. */
int credentials_open(struct credentials_chain **out, const struct shared_config *config,
	const struct credentials_world *world, struct error *err);
/* Wipes what it held. No other thread may be in here. NULL is fine. */
void credentials_close(struct credentials_chain *c);

/* Good for at least five minutes more where that can be had: renews before they expire, one thread
 * at a time while the others go on with the old ones. Copies into the arena. ERR_INPUT,
 * CLASS_DENIED when there are none: the message lists each place that was looked at and what was
 * found there. ERR_HOST when a place has some but could not be asked. */
int credentials_get(
	struct credentials_chain *c, struct arena *a, struct credentials *out, struct error *err);

/* AWS refused these as expired or unknown: the next get looks anew. */
void credentials_forget(struct credentials_chain *c, struct str key_id);

#endif
