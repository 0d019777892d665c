/* ec2_fixture: a service that answers from a script instead of over the wire: this header's query_*
 * take the place of providers/aws/query.c's. Parameters are kept as they were given, a line each. */
#ifndef FURROW_TEST_EC2_FIXTURE_H
#define FURROW_TEST_EC2_FIXTURE_H

#include "providers/aws/ec2_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct step {
	const char *action;
	const char *code; /* NULL: success */
	const char *body; /* XML, JSON, or "@FILE" below tests/unit/ec2 */
	enum error_class class;
	int rc; /* 0: ERR_INPUT when there is a code */
};

static struct {
	const struct step *steps;
	size_t n, at;
	struct buf asked; /* "ACTION REGION\nName=value\n…" of each call */
	struct arena arena;
	struct error err;
} service;

#define SCRIPT(...)                                      \
	service_says((const struct step[]){__VA_ARGS__}, \
		sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

/* Before each test's first call. */
static inline void
service_says(const struct step *steps, size_t n)
{
	struct step *copy = arena_alloc(&service.arena, n * sizeof(*steps));

	memcpy(copy, steps, n * sizeof(*steps));
	service.steps = copy;
	service.n = n;
	service.at = 0;
	buf_clear(&service.asked);
}

static inline struct str
fixture(struct arena *a, const char *name)
{
	char path[200], chunk[4096];
	struct buf all = {0};
	struct str out;
	size_t got;
	FILE *f;

	snprintf(path, sizeof(path), "tests/unit/ec2/%s", name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("no %s: tests run from the repository's root", path);
	while ((got = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&all, chunk, got);
	fclose(f);
	out = arena_str(a, buf_str(&all));
	buf_free(&all);
	return out;
}

static inline void
finished(void)
{
	if (service.at != service.n)
		fail_msg("only %zu of %zu calls were made", service.at, service.n);
}

static inline int
teardown(void **state)
{
	(void)state;
	buf_free(&service.asked);
	arena_free(&service.arena);
	return 0;
}

static inline void
has(const char *part)
{
	if (!strstr(buf_cstr(&service.asked), part))
		fail_msg("no '%s' was asked in:\n%s", part, buf_cstr(&service.asked));
}

static inline void
lacks(const char *part)
{
	if (strstr(buf_cstr(&service.asked), part))
		fail_msg("'%s' was asked in:\n%s", part, buf_cstr(&service.asked));
}

static inline void
says(const char *part)
{
	if (!strstr(service.err.message, part))
		fail_msg("'%s' lacks '%s'", service.err.message, part);
}

static void
add(struct query *q, const char *name, va_list ap, struct str value)
{
	buf_vaddf(&q->params, name, ap);
	buf_addf(&q->params, "=%.*s\n", STR_ARG(value));
}

void
query_add(struct query *q, struct str value, const char *name, ...)
{
	va_list ap;

	if (!value.p)
		return;
	va_start(ap, name);
	add(q, name, ap, value);
	va_end(ap);
}

void
query_add_int(struct query *q, int64_t value, const char *name, ...)
{
	char text[24];
	va_list ap;

	snprintf(text, sizeof(text), "%lld", (long long)value);
	va_start(ap, name);
	add(q, name, ap, str_from(text));
	va_end(ap);
}

void
query_add_bool(struct query *q, bool value, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	add(q, name, ap, value ? STR("true") : STR("false"));
	va_end(ap);
}

void
query_free(struct query *q)
{
	buf_free(&q->params);
}

const char *
aws_region(const struct aws *aws)
{
	(void)aws;
	return "us-east-2";
}

static int
next_step(struct arena *a, const char *action, struct str region, struct aws_answer *answer,
	struct str *body, struct error *err)
{
	const struct step *s = &service.steps[service.at];

	if (service.at == service.n)
		fail_msg("one call more than the script has: %s", action);
	assert_string_equal(action, s->action);
	service.at++;
	*body = !s->body	    ? STR("<r/>")
		: s->body[0] == '@' ? fixture(a, s->body + 1)
				    : str_from(s->body);
	(void)region;
	if (answer) {
		*answer = (struct aws_answer){.status = s->code ? 400 : 200, .body = *body};
		snprintf(answer->code, sizeof(answer->code), "%s", s->code ? s->code : "");
	}
	if (!s->code)
		return 0;
	error_set(err, s->rc ? s->rc : ERR_INPUT, "ec2 %s: %s: words", action, s->code);
	if (err)
		err->class = s->class;
	return s->rc ? s->rc : ERR_INPUT;
}

int
query_call(struct aws *aws, struct arena *a, const struct query *q, const struct xml **root,
	struct aws_answer *answer, struct error *err)
{
	struct xml *parsed = NULL;
	struct str body;
	int rc;

	(void)aws;
	*root = NULL;
	buf_addf(&service.asked, "%s %.*s\n", q->action, STR_ARG(q->region));
	buf_add_str(&service.asked, buf_str(&q->params));
	rc = next_step(a, q->action, q->region, answer, &body, err);
	if (rc < 0)
		return rc;
	rc = xml_parse(a, &parsed, body, q->action, err);
	*root = parsed;
	return rc;
}

int
aws_json_call(struct aws *aws, struct arena *a, enum aws_service which, struct str region,
	const char *target, struct str json, struct aws_answer *answer, struct error *err)
{
	struct str body;
	int rc;

	(void)aws;
	assert_int_equal(which, strncmp(target, "AmazonSSM.", 10) == 0		 ? AWS_SSM
				: strncmp(target, "AmazonEC2Container", 18) == 0 ? AWS_ECR
										 : AWS_PRICING);
	buf_addf(&service.asked, "%s %.*s\n%.*s\n", target, STR_ARG(region), STR_ARG(json));
	rc = next_step(a, target, region, answer, &body, err);
	answer->body = body;
	return rc;
}

#endif
