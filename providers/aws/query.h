/* query: calls in AWS's Query protocol (EC2, STS: a form in, XML out) and in JSON 1.1 (SSM, pricing). */
#ifndef FURROW_AWS_QUERY_H
#define FURROW_AWS_QUERY_H

#include "planner/base/buf.h"
#include "providers/aws/client.h"
#include "providers/aws/xml.h"

/* One call of a Query service. Begin with
 *   struct query q = {.service = AWS_EC2, .action = "DescribeInstances"};
 * add parameters, make the call, free it. */
struct query {
	enum aws_service service; /* AWS_EC2 or AWS_STS */
	const char *action;
	struct str region;	 /* absent: the client's */
	enum aws_repeat repeat;	 /* AWS_REPEAT unless said otherwise */
	uint32_t attempts;	 /* as in struct aws_request */
	const atomic_bool *stop; /* likewise */
	struct buf params;	 /* "&Name.1=value…", percent-encoded; query_add writes it */
};

/* A parameter: its value, then its name as printf takes it:
 *   query_add(&q, STR("instance-id"), "Filter.%zu.Name", i + 1);
 * An absent value adds nothing. Order is kept. */
void query_add(struct query *q, struct str value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));
void query_add_int(struct query *q, int64_t value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));
void query_add_bool(struct query *q, bool value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));
void query_free(struct query *q);

/* Adds Action and the service's Version, calls, parses. *root is the answer's root element, in the
 * arena, NULL on failure. answer may be NULL; answer->code tells a failure's code
 * ("InvalidGroup.Duplicate", "DryRunOperation"). Errors as aws_call's, and ERR_HOST for what is no
 * XML. */
int query_call(struct aws *aws, struct arena *a, const struct query *q, const struct xml **root,
	struct aws_answer *answer, struct error *err);

/* JSON 1.1: POST / with X-Amz-Target. target: "AmazonSSM.GetParameter"; json: the whole body. The
 * answer's body is the caller's to parse. */
int aws_json_call(struct aws *aws, struct arena *a, enum aws_service service, struct str region,
	const char *target, struct str json, struct aws_answer *answer, struct error *err);

#endif
