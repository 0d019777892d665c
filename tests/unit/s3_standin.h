/* s3_standin: client.h by a bucket in memory, for tests that need no network: what S3 answers to
 * what furrow asks, every request recorded, and a hook that makes it fail. One binary, one stand-in. */
#ifndef FURROW_TESTS_S3_STANDIN_H
#define FURROW_TESTS_S3_STANDIN_H

#include "tests/unit/s3_standin_answers.h"

static inline void
standin_record(const struct aws_request *r)
{
	struct buf b = {0};

	buf_addf(&b, "%s %.*s", r->method, STR_ARG(r->path));
	for (size_t i = 0; i < r->query.n; i++)
		buf_addf(&b, "%c%.*s=%.*s", i ? '&' : '?', STR_ARG(r->query.v[i].name),
			STR_ARG(r->query.v[i].value));
	if (standin.n_log < STANDIN_LOG)
		standin.log[standin.n_log++] = strdup(buf_cstr(&b));
	buf_free(&b);
}

static inline int
standin_do(
	struct arena *a, const struct aws_request *r, struct aws_answer *answer, struct error *err)
{
	char date[40];

	standin.now_ns += NS_PER_MS;
	standin_record(r);
	answer->status = 200;
	answer->attempts = 1;
	standin_date(date, standin.now_ns);
	standin_header(a, answer, "date", date);
	if (standin.no_bucket && strcmp(r->method, "PUT") == 0 && !r->path.p) {
		standin.no_bucket = false;
		return 0;
	}
	if (standin.no_bucket && strcmp(r->method, "HEAD") != 0)
		return standin_fail(answer, 404, "NoSuchBucket", err);
	if (!r->path.p && strcmp(r->method, "PUT") == 0)
		return standin_pair(&r->query, "publicAccessBlock").p
			       ? 0
			       : standin_fail(answer, 409, "BucketAlreadyOwnedByYou", err);
	if (strcmp(r->method, "PUT") == 0)
		return standin_put(a, r, answer, err);
	if (strcmp(r->method, "GET") == 0)
		return standin_get(a, r, answer, err);
	if (strcmp(r->method, "HEAD") == 0)
		return standin_head(a, r, answer, err);
	if (strcmp(r->method, "DELETE") == 0)
		return standin_delete(r, answer, err);
	return standin_post(a, r, answer, err);
}

int
aws_call(struct aws *aws, struct arena *a, const struct aws_request *r, struct aws_answer *answer,
	struct error *err)
{
	standin_hook hook;
	int rc = 0;

	(void)aws;
	*answer = (struct aws_answer){0};
	hook = atomic_load(&standin.hook);
	if (hook)
		rc = hook(r, answer, err, false);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&standin.lock);
	if (++standin.n_running > standin.max_running)
		standin.max_running = standin.n_running;
	rc = standin_do(a, r, answer, err);
	pthread_mutex_unlock(&standin.lock);
	if (standin.delay_us)
		usleep((useconds_t)standin.delay_us);
	pthread_mutex_lock(&standin.lock);
	standin.n_running--;
	pthread_mutex_unlock(&standin.lock);
	hook = atomic_load(&standin.hook);
	if (rc == 0 && hook)
		rc = hook(r, answer, err, true);
	return rc;
}

struct str
aws_header(const struct aws_answer *answer, const char *name)
{
	return standin_pair(&answer->headers, name);
}

const char *
aws_region(const struct aws *aws)
{
	(void)aws;
	return "us-east-2";
}

int
aws_presign(struct aws *aws, struct arena *a, const char *method, struct str bucket, struct str key,
	const struct pairs *query, const struct pairs *headers, int64_t expires_s, struct str *url,
	struct error *err)
{
	(void)aws;
	(void)query;
	(void)headers;
	if (standin.presign && standin.presign(err) < 0)
		return err->code;
	*url = arena_printf(a, "https://%.*s.s3/%.*s?%s&expires=%lld", STR_ARG(bucket),
		STR_ARG(key), method, (long long)expires_s);
	return 0;
}

/* How many requests so far begin with this ("PUT locks/"). */
static inline size_t
standin_count(const char *beginning)
{
	size_t n = 0;

	pthread_mutex_lock(&standin.lock);
	for (size_t i = 0; i < standin.n_log; i++)
		n += strncmp(standin.log[i], beginning, strlen(beginning)) == 0;
	pthread_mutex_unlock(&standin.lock);
	return n;
}

#endif
