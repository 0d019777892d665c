/* client: what calls share: configuration, credentials, connections, paces, the buckets' regions. */
#include "providers/aws/client_internal.h"

#include <stdlib.h>

enum { ATTEMPTS = 4, ATTEMPTS_MAX = 20 };

static int
choose_region(struct aws *aws, const struct aws_options *options, struct error *err)
{
	struct str region = options->region.p ? options->region : shared_config_region(aws->config);

	if (!region.p)
		return error_set(err, ERR_INPUT,
			"which region of AWS? Name it in the manifest (infra: aws/us-east-2), in "
			"AWS_REGION, or as `region` in the profile '%.*s'",
			STR_ARG(shared_config_profile(aws->config)));
	if (!endpoint_is_region(region) || region.n >= sizeof(aws->region))
		return error_set(err, ERR_INPUT,
			"'%.*s' is no name of a region; expected something like us-east-2",
			STR_ARG(region));
	memcpy(aws->region, region.p, region.n);
	aws->region[region.n] = '\0';
	return 0;
}

static int
choose_attempts(struct aws *aws, struct error *err)
{
	struct str text = shared_config_env(aws->config, "AWS_MAX_ATTEMPTS");
	int64_t n = ATTEMPTS;

	if (!text.p)
		text = shared_config_get(aws->config, (struct str){0}, "max_attempts");
	if (text.p && (!str_to_i64(text, &n) || n < 1))
		return error_set(err, ERR_INPUT,
			"AWS_MAX_ATTEMPTS (or max_attempts in the profile) is '%.*s'; expected 1 "
			"to %d",
			STR_ARG(text), ATTEMPTS_MAX);
	aws->max_attempts = n < ATTEMPTS_MAX ? (uint32_t)n : ATTEMPTS_MAX;
	return 0;
}

static int
open_parts(struct aws *aws, const struct aws_options *options, struct error *err)
{
	struct credentials_world world = {.clock = aws->clock,
		.fetch = client_fetch,
		.assume_role = client_assume_role,
		.ctx = aws};
	struct http_options http = {0};
	int rc = shared_config_open(&aws->config, options->profile, NULL, NULL, err);

	if (rc == 0)
		rc = choose_region(aws, options, err);
	if (rc == 0)
		rc = choose_attempts(aws, err);
	if (rc < 0)
		return rc;
	http.ca_bundle = shared_config_env(aws->config, "AWS_CA_BUNDLE");
	rc = http_open(&aws->http, &http, err);
	if (rc == 0)
		rc = credentials_open(&aws->chain, aws->config, &world, err);
	return rc;
}

int
aws_open(struct aws **out, const struct aws_options *options, struct error *err)
{
	struct aws *aws = mem_alloc(sizeof(*aws));
	int rc;

	*aws = (struct aws){.clock = options->clock ? options->clock : clock_system()};
	pthread_mutex_init(&aws->lock, NULL);
	for (int i = 0; i < AWS_SERVICES; i++)
		limiter_init(&aws->limiters[i]);
	aws_quota_init(&aws->quota);
	atomic_init(&aws->jitter, (uint64_t)aws->clock->wall_ns(aws->clock->ctx));
	rc = open_parts(aws, options, err);
	if (rc < 0) {
		aws_close(aws);
		return rc;
	}
	*out = aws;
	return 0;
}

void
aws_close(struct aws *aws)
{
	if (!aws)
		return;
	if (aws->chain)
		credentials_close(aws->chain);
	if (aws->config)
		shared_config_close(aws->config);
	http_close(aws->http);
	while (aws->buckets) {
		struct bucket_region *b = aws->buckets;

		aws->buckets = b->next;
		free(b);
	}
	for (int i = 0; i < AWS_SERVICES; i++)
		limiter_destroy(&aws->limiters[i]);
	pthread_mutex_destroy(&aws->lock);
	free(aws);
}

const char *
aws_region(const struct aws *aws)
{
	return aws->region;
}

struct aws_counts
aws_counts(const struct aws *aws)
{
	struct http_counts c = http_counts(aws->http);

	return (struct aws_counts){c.requests, c.connections, atomic_load(&aws->retries)};
}

struct str
aws_header(const struct aws_answer *answer, const char *name)
{
	for (size_t i = 0; i < answer->headers.n; i++) {
		if (str_is(answer->headers.v[i].name, name))
			return answer->headers.v[i].value;
	}
	return (struct str){0};
}

int64_t
aws_wall_ns(const struct aws *aws)
{
	return aws->clock->wall_ns(aws->clock->ctx) + atomic_load(&aws->skew_ns);
}

int
aws_identity(
	struct aws *aws, struct arena *a, struct str *key_id, struct str *from, struct error *err)
{
	struct arena scratch = {0};
	struct credentials who = {0};
	int rc = credentials_get(aws->chain, &scratch, &who, err);

	*key_id = arena_str(a, who.key_id);
	*from = arena_str(a, who.from);
	arena_wipe(&scratch);
	return rc;
}

const char *
aws_learnt_region(struct aws *aws, struct str bucket)
{
	const struct bucket_region *b;

	pthread_mutex_lock(&aws->lock);
	for (b = aws->buckets; b && !str_is(bucket, b->bucket); b = b->next)
		;
	pthread_mutex_unlock(&aws->lock);
	return b ? b->region : NULL;
}

void
client_region_of(struct aws *aws, const struct aws_request *request, char out[CLIENT_REGION_BYTES])
{
	const char *learnt = request->service == AWS_S3 && request->bucket.p
				     ? aws_learnt_region(aws, request->bucket)
				     : NULL;
	struct str r = learnt		   ? str_from(learnt)
		       : request->region.p ? request->region
					   : str_from(aws->region);

	/* What is too long to be one is refused where the host is named. */
	if (r.n >= CLIENT_REGION_BYTES)
		r.n = CLIENT_REGION_BYTES - 1;
	memcpy(out, r.p, r.n);
	out[r.n] = '\0';
}

void
client_learn_region(struct aws *aws, struct str bucket, const char *region)
{
	struct bucket_region *b = mem_alloc(sizeof(*b) + bucket.n + 1);

	memcpy(b->bucket, bucket.p, bucket.n);
	b->bucket[bucket.n] = '\0';
	memcpy(b->region, region, strlen(region) + 1);
	pthread_mutex_lock(&aws->lock);
	b->next = aws->buckets;
	aws->buckets = b;
	pthread_mutex_unlock(&aws->lock);
}

int
client_fetch(void *ctx, struct arena *a, const char *method, const char *url,
	const char *const *headers, struct str body, int64_t timeout_ns, int *status,
	struct str *answer, struct error *err)
{
	struct aws *aws = ctx;

	return http_fetch(
		aws->http, a, method, url, headers, body, timeout_ns, status, answer, err);
}
