/* query: forms and JSON to the services that take them, and STS's AssumeRole for the credentials. */
#include "providers/aws/query.h"

#include "providers/aws/client_internal.h"
#include "providers/aws/uri.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void
add(struct query *q, struct str value, const char *fmt, va_list ap)
{
	char name[256];
	int n;

	if (!value.p)
		return;
	n = vsnprintf(name, sizeof(name), fmt, ap);
	/* Names are literals with numbers in them. */
	if (n < 0 || (size_t)n >= sizeof(name))
		abort();
	buf_add_char(&q->params, '&');
	uri_encode(&q->params, (struct str){name, (size_t)n});
	buf_add_char(&q->params, '=');
	uri_encode(&q->params, value);
}

void
query_add(struct query *q, struct str value, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	add(q, value, name, ap);
	va_end(ap);
}

void
query_add_int(struct query *q, int64_t value, const char *name, ...)
{
	char text[24];
	va_list ap;

	snprintf(text, sizeof(text), "%lld", (long long)value);
	va_start(ap, name);
	add(q, str_from(text), name, ap);
	va_end(ap);
}

void
query_add_bool(struct query *q, bool value, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	add(q, value ? STR("true") : STR("false"), name, ap);
	va_end(ap);
}

void
query_free(struct query *q)
{
	buf_free(&q->params);
}

static const char *
version(enum aws_service service)
{
	return service == AWS_STS ? "2011-06-15" : "2016-11-15";
}

/* body must outlive the request. */
static struct aws_request
request_of(const struct query *q, struct pair *header, struct buf *body)
{
	buf_addf(body, "Action=%s&Version=%s", q->action, version(q->service));
	buf_add(body, q->params.p, q->params.n);
	*header = (struct pair){
		STR("Content-Type"), STR("application/x-www-form-urlencoded; charset=utf-8")};
	return (struct aws_request){.service = q->service,
		.region = q->region,
		.method = "POST",
		.headers = {header, 1},
		.body = buf_str(body),
		.repeat = q->repeat,
		.attempts = q->attempts,
		.stop = q->stop};
}

int
query_call(struct aws *aws, struct arena *a, const struct query *q, const struct xml **root,
	struct aws_answer *answer, struct error *err)
{
	struct aws_answer own = {0};
	struct buf body = {0};
	struct pair header;
	struct aws_request request = request_of(q, &header, &body);
	struct xml *x = NULL;
	char what[64];
	int rc;

	answer = answer ? answer : &own;
	rc = aws_call(aws, a, &request, answer, err);
	snprintf(what, sizeof(what), "%s %s", endpoint_service(q->service), q->action);
	if (rc == 0)
		rc = xml_parse(a, &x, answer->body, what, err);
	*root = x;
	buf_free(&body);
	return rc;
}

int
aws_json_call(struct aws *aws, struct arena *a, enum aws_service service, struct str region,
	const char *target, struct str json, struct aws_answer *answer, struct error *err)
{
	struct pair headers[] = {{STR("Content-Type"), STR("application/x-amz-json-1.1")},
		{STR("X-Amz-Target"), str_from(target)}};
	struct aws_request request = {.service = service,
		.region = region,
		.method = "POST",
		.headers = {headers, 2},
		.body = json};

	return aws_call(aws, a, &request, answer, err);
}

int
client_assume_role(void *ctx, struct arena *a, const struct credentials *by, struct str region,
	struct str role_arn, struct str session_name, struct str external_id, int64_t duration_s,
	struct str *xml, struct error *err)
{
	struct query q = {.service = AWS_STS, .action = "AssumeRole", .region = region};
	struct aws_answer answer;
	struct aws_request request;
	struct buf body = {0};
	struct pair header;
	int rc;

	query_add(&q, role_arn, "RoleArn");
	query_add(&q, session_name, "RoleSessionName");
	query_add(&q, external_id, "ExternalId");
	if (duration_s > 0) /* else the role's own */
		query_add_int(&q, duration_s, "DurationSeconds");
	request = request_of(&q, &header, &body);
	rc = client_call_as(ctx, a, &request, by, &answer, err);
	if (rc == 0)
		*xml = answer.body;
	query_free(&q);
	buf_free(&body);
	return rc;
}
