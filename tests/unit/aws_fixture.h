/* aws_fixture: a made-up world for credentials: an environment, a home folder, a clock and who answers
 * HTTP requests. */
#ifndef FURROW_TESTS_AWS_FIXTURE_H
#define FURROW_TESTS_AWS_FIXTURE_H

#include "planner/base/buf.h"
#include "providers/aws/credentials.h"
#include "providers/aws/shared_config.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_VARIABLES = 24, MAX_ROUTES = 8, HEARD_BYTES = 4096 };

#define NOON_S INT64_C(1900000000) /* the made-up clock begins here: 2030-03-17T17:46:40Z */

/* An answer for URLs that begin so. */
struct route {
	const char *method, *url;
	int status; /* 0: no answer comes */
	const char *body;
	int times; /* answers so often, then the next route that fits does; 0: always */
	int used;
};

struct world {
	char home[64];
	const char *names[MAX_VARIABLES], *values[MAX_VARIABLES];
	size_t n;
	_Atomic int64_t now_ns, wall_ns;
	struct route routes[MAX_ROUTES];
	pthread_mutex_t mutex; /* of routes and heard */
	struct buf heard;      /* "METHOD URL|header|header|body\n" */
	atomic_int asked;
	int delay_ms; /* of each answer */
	const char *sts_xml;
	struct buf assumed; /* "KEY ROLE SESSION EXTERNAL DURATION REGION\n" */
	struct clock clock;
	struct credentials_world credentials;
	struct shared_config *config;
	struct credentials_chain *chain;
	struct arena arena;
	struct error err;
};

static inline const char *
world_getenv(void *ctx, const char *name)
{
	struct world *w = ctx;

	for (size_t i = w->n; i-- > 0;) {
		if (strcmp(w->names[i], name) == 0)
			return w->values[i];
	}
	return NULL;
}

static inline void
world_set(struct world *w, const char *name, const char *value)
{
	assert_true(w->n < MAX_VARIABLES);
	w->names[w->n] = name;
	w->values[w->n++] = value;
}

static inline int64_t
world_now(void *ctx)
{
	return atomic_load(&((struct world *)ctx)->now_ns);
}

static inline int64_t
world_wall(void *ctx)
{
	return atomic_load(&((struct world *)ctx)->wall_ns);
}

static inline void
world_pass(struct world *w, int64_t seconds)
{
	atomic_fetch_add(&w->now_ns, seconds * NS_PER_S);
	atomic_fetch_add(&w->wall_ns, seconds * NS_PER_S);
}

/* Seconds from the clock's beginning as RFC 3339. */
static inline const char *
world_time(struct world *w, int64_t seconds)
{
	char text[CLOCK_RFC3339_BYTES];

	clock_format_rfc3339(text, (NOON_S + seconds) * NS_PER_S);
	return arena_printf(&w->arena, "%s", text).p;
}

static inline struct route *
world_route(struct world *w, const char *method, const char *url)
{
	for (size_t i = 0; i < MAX_ROUTES; i++) {
		struct route *r = &w->routes[i];

		if (r->url && strcmp(r->method, method) == 0 &&
			strncmp(r->url, url, strlen(r->url)) == 0 &&
			(r->times == 0 || r->used < r->times))
			return r;
	}
	return NULL;
}

static inline int
world_fetch(void *ctx, struct arena *a, const char *method, const char *url,
	const char *const *headers, struct str body, int64_t timeout_ns, int *status,
	struct str *answer, struct error *err)
{
	struct world *w = ctx;
	struct route *r;

	(void)timeout_ns;
	atomic_fetch_add(&w->asked, 1);
	if (w->delay_ms)
		usleep((useconds_t)w->delay_ms * 1000);
	pthread_mutex_lock(&w->mutex);
	buf_addf(&w->heard, "%s %s", method, url);
	for (; *headers; headers++)
		buf_addf(&w->heard, "|%s", *headers);
	buf_addf(&w->heard, "|%.*s\n", STR_ARG(body));
	r = world_route(w, method, url);
	if (r)
		r->used++;
	*status = r ? r->status : 404;
	*answer = arena_str(a, r && r->body ? str_from(r->body) : STR(""));
	pthread_mutex_unlock(&w->mutex);
	if (*status == 0) {
		error_set(err, ERR_HOST, "%s: connection refused", url);
		err->class = CLASS_TRANSIENT;
		return ERR_HOST;
	}
	return 0;
}

static inline int
world_assume_role(void *ctx, struct arena *a, const struct credentials *by, struct str region,
	struct str role_arn, struct str session_name, struct str external_id, int64_t duration_s,
	struct str *xml, struct error *err)
{
	struct world *w = ctx;

	buf_addf(&w->assumed, "%.*s %.*s %.*s %.*s %lld %.*s\n", STR_ARG(by->key_id),
		STR_ARG(role_arn), STR_ARG(session_name), STR_ARG(external_id),
		(long long)duration_s, STR_ARG(region));
	if (!w->sts_xml) {
		error_set(err, ERR_INPUT, "sts AssumeRole: AccessDenied");
		err->class = CLASS_DENIED;
		return ERR_INPUT;
	}
	*xml = arena_str(a, str_from(w->sts_xml));
	return 0;
}

static inline void
world_write(struct world *w, const char *path, const char *text)
{
	struct str whole = arena_printf(&w->arena, "%s/%s", w->home, path);
	FILE *f;

	for (char *p = (char *)whole.p + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		assert_true(mkdir(whole.p, 0700) == 0 || errno == EEXIST);
	}
	f = fopen(whole.p, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	strcpy(w->home, "/tmp/test-aws-XXXXXX");
	assert_non_null(mkdtemp(w->home));
	world_set(w, "HOME", w->home);
	atomic_store(&w->now_ns, 1000 * NS_PER_S);
	atomic_store(&w->wall_ns, NOON_S * NS_PER_S);
	pthread_mutex_init(&w->mutex, NULL);
	w->clock = (struct clock){.ctx = w, .now_ns = world_now, .wall_ns = world_wall};
	w->credentials = (struct credentials_world){.clock = &w->clock,
		.fetch = world_fetch,
		.assume_role = world_assume_role,
		.ctx = w,
		.process_timeout_ns = 20 * NS_PER_S};
	return w;
}

static inline void
world_close(struct world *w)
{
	credentials_close(w->chain);
	shared_config_close(w->config);
	w->chain = NULL;
	w->config = NULL;
}

static inline void
world_free(struct world *w)
{
	char command[96];

	world_close(w);
	snprintf(command, sizeof(command), "rm -rf %s", w->home);
	assert_int_equal(system(command), 0);
	pthread_mutex_destroy(&w->mutex);
	buf_free(&w->heard);
	buf_free(&w->assumed);
	arena_free(&w->arena);
	free(w);
}

/* Anew from the files and variables as they are now. */
static inline int
world_open(struct world *w, const char *profile)
{
	int rc;

	world_close(w);
	w->err = (struct error){0};
	rc = shared_config_open(&w->config, str_from(profile), world_getenv, w, &w->err);
	if (rc == 0)
		rc = credentials_open(&w->chain, w->config, &w->credentials, &w->err);
	return rc;
}

static inline int
world_get(struct world *w, struct credentials *out)
{
	w->err = (struct error){0};
	return credentials_get(w->chain, &w->arena, out, &w->err);
}

#endif
