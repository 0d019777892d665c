/* test_credentials: which of all places counts, what is said when none does, and renewal on a made-up
 * clock and in many threads. */
#include "tests/unit/aws_fixture.h"

#define SECRET "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"

#define STS_XML(id, time)                                                                   \
	"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>" id               \
	"</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey><SessionToken>tok"      \
	"</SessionToken><Expiration>" time "</Expiration></Credentials></AssumeRoleResult>" \
	"</AssumeRoleResponse>"

static void
assert_key(struct world *w, const char *id, const char *from, int line)
{
	struct credentials c;

	if (world_get(w, &c) != 0)
		fail_msg("line %d: %s", line, w->err.message);
	if (!str_is(c.key_id, id) || !str_is(c.from, from))
		fail_msg("line %d: got %.*s from %.*s", line, STR_ARG(c.key_id), STR_ARG(c.from));
}
#define ASSERT_KEY(w, id, from) assert_key(w, id, from, __LINE__)

static void
assert_fails(struct world *w, int code, const char *part, int line)
{
	struct credentials c;
	int rc = world_get(w, &c);

	if (rc != code || (int)w->err.code != code || !strstr(w->err.message, part))
		fail_msg("line %d: %d: %s", line, rc, w->err.message);
	if (strstr(w->err.message, SECRET))
		fail_msg("line %d: a secret in the message", line);
	if (code == ERR_INPUT)
		assert_int_equal(w->err.class, CLASS_DENIED);
}
#define ASSERT_FAILS(w, code, part) assert_fails(w, code, part, __LINE__)

/* Answers of a container's endpoint, good until so many seconds from the clock's beginning. */
static const char *
answer(struct world *w, const char *id, int64_t until_s)
{
	return arena_printf(&w->arena,
		"{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"" SECRET
		"\",\"Token\":\"t\",\"Expiration\":\"%s\"}",
		id, world_time(w, until_s))
		.p;
}

#define CONTAINER "http://169.254.170.2/"
#define IMDS "http://169.254.169.254/latest/"

static void
container(struct world *w, size_t at, const char *id, int64_t until_s, int times)
{
	w->routes[at] = (struct route){.method = "GET",
		.url = CONTAINER,
		.status = 200,
		.body = answer(w, id, until_s),
		.times = times};
}

static struct world *
container_world(const char *id, int64_t until_s)
{
	struct world *w = world_new();

	world_set(w, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
	container(w, 0, id, until_s, 1);
	assert_int_equal(world_open(w, NULL), 0);
	return w;
}

static void
imds(struct world *w, const char *id, int64_t until_s)
{
	w->routes[0] =
		(struct route){.method = "PUT", .url = IMDS, .status = 200, .body = "imds-token"};
	w->routes[1] = (struct route){.method = "GET",
		.url = IMDS "meta-data/iam/security-credentials/",
		.status = 200,
		.body = "worker\n",
		.times = 1};
	w->routes[2] = (struct route){.method = "GET",
		.url = IMDS "meta-data/iam/security-credentials/worker",
		.status = 200,
		.body = answer(w, id, until_s)};
}

static void
nothing_anywhere(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->routes[0] = (struct route){.method = "PUT", .url = "http://169.254", .status = 0};
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_FAILS(w, ERR_INPUT, "no AWS credentials: ");
	assert_string_equal(w->err.message,
		"no AWS credentials: environment: AWS_ACCESS_KEY_ID is not set; web identity: "
		"AWS_WEB_IDENTITY_TOKEN_FILE is not set; profile default: not in "
		"~/.aws/credentials (none), ~/.aws/config (none); container: neither "
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor _FULL_URI is set; IMDS: no answer in 1 "
		"s (http://169.254.169.254/latest/api/token: connection refused). Set "
		"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws "
		"configure` or `aws sso login`");

	world_set(w, "AWS_EC2_METADATA_DISABLED", "true");
	world_write(w, ".aws/config", "[profile a]\nregion=x\n");
	assert_int_equal(world_open(w, "a"), 0);
	ASSERT_FAILS(w, ERR_INPUT, "environment: not looked at, as a profile was named; ");
	assert_true(strstr(w->err.message, "profile a in ~/.aws/credentials (none), "
					   "~/.aws/config: no keys, role_arn, sso_session or "
					   "credential_process; "));
	assert_true(strstr(w->err.message, "; IMDS: turned off by AWS_EC2_METADATA_DISABLED. "));
	world_free(w);
}

/* From the last place to the first: each wins over those before. */
static void
order_of_places(void **state)
{
	struct world *w = world_new();
	const char *process;

	(void)state;
	imds(w, "IMDS", 7200);
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "IMDS", "role worker of this instance");

	world_set(w, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
	container(w, 3, "CONTAINER", 7200, 0);
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "CONTAINER", "container");

	process = "credential_process = /bin/echo '{\"Version\":1,\"AccessKeyId\":\"PROCESS\","
		  "\"SecretAccessKey\":\"" SECRET "\"}'\n";
	world_write(w, ".aws/config", arena_printf(&w->arena, "[default]\n%s", process).p);
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "PROCESS", "profile default (credential_process)");

	world_write(w, ".aws/config",
		arena_printf(&w->arena,
			"[default]\n%saws_access_key_id=CONFIG\naws_secret_access_key=s\n", process)
			.p);
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "CONFIG", "profile default");

	world_write(w, ".aws/credentials",
		"[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n"
		"[base]\naws_access_key_id=BASE\naws_secret_access_key=s\n");
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "FILE", "profile default");

	world_write(w, "token", "web-token");
	world_set(w, "AWS_ROLE_ARN", "arn:aws:iam::1:role/web");
	world_set(w, "AWS_WEB_IDENTITY_TOKEN_FILE", arena_printf(&w->arena, "%s/token", w->home).p);
	w->routes[4] = (struct route){.method = "POST",
		.url = "https://sts.us-east-1.amazonaws.com/",
		.status = 200,
		.body = STS_XML("WEB", "2030-03-18T00:00:00Z")};
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "WEB", "web identity, role arn:aws:iam::1:role/web");

	world_write(w, ".aws/config",
		"[default]\nrole_arn=arn:aws:iam::1:role/r\nsource_profile=base\n");
	w->sts_xml = STS_XML("ROLE", "2030-03-18T00:00:00Z");
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "ROLE", "profile default (role arn:aws:iam::1:role/r)");

	world_set(w, "AWS_ACCESS_KEY_ID", "ENVIRONMENT");
	world_set(w, "AWS_SECRET_ACCESS_KEY", SECRET);
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "ENVIRONMENT", "environment");
	world_set(w, "AWS_PROFILE", "base"); /* does not count as an option */
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "ENVIRONMENT", "environment");
	assert_int_equal(world_open(w, "base"), 0);
	ASSERT_KEY(w, "BASE", "profile base");
	world_free(w);
}

static void
the_environment(void **state)
{
	struct world *w = world_new();
	struct credentials c;

	(void)state;
	world_set(w, "AWS_ACCESS_KEY_ID", "AKID");
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_FAILS(w, ERR_INPUT,
		"AWS credentials: environment: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is "
		"not");
	world_set(w, "AWS_SECRET_ACCESS_KEY", SECRET);
	assert_int_equal(world_get(w, &c), 0);
	assert_true(str_is(c.secret, SECRET));
	assert_null(c.token.p);
	assert_true(c.expires_wall_ns == INT64_MAX);
	world_set(w, "AWS_SESSION_TOKEN", "t");
	assert_int_equal(world_open(w, NULL), 0);
	assert_int_equal(world_get(w, &c), 0);
	assert_true(str_is(c.token, "t"));

	world_set(w, "AWS_ACCESS_KEY_ID", "");
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_FAILS(w, ERR_INPUT, "AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not");
	world_set(w, "AWS_ACCESS_KEY_ID", "AKID");
	world_set(w, "AWS_SECRET_ACCESS_KEY", SECRET "\n");
	ASSERT_FAILS(w, ERR_INPUT, "environment: the secret access key is empty, too long, or has");
	world_set(w, "AWS_SECRET_ACCESS_KEY", SECRET);
	world_set(w, "AWS_SESSION_TOKEN", "a\r\nX-Evil: b");
	ASSERT_FAILS(w, ERR_INPUT, "environment: the session token is ");
	assert_int_equal(atomic_load(&w->asked), 0);
	world_free(w);
}

static void
half_a_key(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_write(w, ".aws/credentials",
		"[default]\naws_access_key_id = A\n[b]\n"
		"aws_secret_access_key = " SECRET "\n");
	world_write(w, ".aws/config", "[default]\naws_secret_access_key = of-another\n");
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_FAILS(w, ERR_INPUT,
		"profile default: has aws_access_key_id, but no aws_secret_access_key");
	/* What was looked at before is in the message too. */
	assert_true(strstr(w->err.message, ". Before that: environment: AWS_ACCESS_KEY_ID is not"));
	assert_int_equal(world_open(w, "b"), 0);
	ASSERT_FAILS(
		w, ERR_INPUT, "profile b: has aws_secret_access_key, but no aws_access_key_id");
	world_free(w);
}

static void
login_session(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_write(w, ".aws/config", "[profile l]\nlogin_session = arn:x\n");
	assert_int_equal(world_open(w, "l"), 0);
	ASSERT_FAILS(w, ERR_INPUT, "aws configure export-credentials --profile l --format process");
	world_free(w);
}

/* One request for many gets; the second before the end, at 15 minutes. */
static void
renewed_in_time(void **state)
{
	struct world *w = container_world("A", 3600);

	(void)state;
	container(w, 1, "B", 9000, 1);
	ASSERT_KEY(w, "A", "container");
	world_pass(w, 3600 - 15 * 60 - 1);
	ASSERT_KEY(w, "A", "container");
	assert_int_equal(atomic_load(&w->asked), 1);
	world_pass(w, 1);
	ASSERT_KEY(w, "B", "container");
	ASSERT_KEY(w, "B", "container");
	assert_int_equal(atomic_load(&w->asked), 2);
	world_free(w);
}

/* A place that fails costs nothing as long as there are others, and is asked once a minute. */
static void
old_ones_while_they_last(void **state)
{
	struct world *w = container_world("A", 3600);

	(void)state;
	w->routes[1] = (struct route){
		.method = "GET", .url = CONTAINER, .status = 403, .body = "{\"message\":\"no\"}"};
	ASSERT_KEY(w, "A", "container");
	world_pass(w, 3600 - 10 * 60);
	ASSERT_KEY(w, "A", "container");
	ASSERT_KEY(w, "A", "container");
	assert_int_equal(atomic_load(&w->asked), 2);
	world_pass(w, 61);
	ASSERT_KEY(w, "A", "container");
	assert_int_equal(atomic_load(&w->asked), 3);
	world_pass(w, 10 * 60 - 62);
	ASSERT_KEY(w, "A", "container"); /* one second before the end */
	world_pass(w, 1);
	ASSERT_FAILS(w, ERR_INPUT, "container http://169.254.170.2/x: HTTP 403: no");
	world_free(w);
}

/* Good for less than twice 15 minutes: not asked for at every get. */
static void
short_lived(void **state)
{
	struct world *w = container_world("A", 600);

	(void)state;
	container(w, 1, "B", 900, 1);
	ASSERT_KEY(w, "A", "container");
	world_pass(w, 299);
	ASSERT_KEY(w, "A", "container");
	assert_int_equal(atomic_load(&w->asked), 1);
	world_pass(w, 1);
	ASSERT_KEY(w, "B", "container");
	world_free(w);
}

/* The place has nothing better yet: not asked at every get. */
static void
the_same_again(void **state)
{
	struct world *w = container_world("A", 3600);

	(void)state;
	container(w, 1, "A", 3600, 0);
	ASSERT_KEY(w, "A", "container");
	world_pass(w, 3600 - 4 * 60);
	for (int i = 0; i < 10; i++)
		ASSERT_KEY(w, "A", "container");
	assert_int_equal(atomic_load(&w->asked), 2);
	world_pass(w, 60);
	for (int i = 0; i < 10; i++)
		ASSERT_KEY(w, "A", "container");
	assert_int_equal(atomic_load(&w->asked), 3);
	world_free(w);
}

static void
ended_already(void **state)
{
	struct world *w = container_world("A", -1);

	(void)state;
	ASSERT_FAILS(w, ERR_INPUT,
		"AWS credentials of container ended already, at 2030-03-17T17:46:39.000Z");
	world_free(w);
}

static void
without_an_end(void **state)
{
	struct world *w = container_world("A", 10);

	(void)state;
	w->routes[0].body = "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}";
	ASSERT_KEY(w, "A", "container");
	world_pass(w, 1000000);
	ASSERT_KEY(w, "A", "container");
	assert_int_equal(atomic_load(&w->asked), 1);
	world_free(w);
}

static void
refused_by_aws(void **state)
{
	struct world *w = container_world("A", 3600);

	(void)state;
	container(w, 1, "B", 3600, 1);
	ASSERT_KEY(w, "A", "container");
	credentials_forget(w->chain, STR("other"));
	ASSERT_KEY(w, "A", "container");
	credentials_forget(w->chain, STR("A"));
	ASSERT_KEY(w, "B", "container");
	credentials_forget(w->chain, STR("A")); /* of a slower thread: has gone long ago */
	ASSERT_KEY(w, "B", "container");
	assert_int_equal(atomic_load(&w->asked), 2);
	credentials_forget(w->chain, STR("B"));
	ASSERT_FAILS(w, ERR_INPUT, "HTTP 404"); /* never those that were refused */
	world_free(w);
}

static void
imds_goes_down(void **state)
{
	struct world *w = world_new();

	(void)state;
	imds(w, "I", 3600);
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "I", "role worker of this instance");
	assert_int_equal(atomic_load(&w->asked), 3);
	w->routes[0].status = 0;
	world_pass(w, 4000); /* nobody asked for them meanwhile */
	ASSERT_KEY(w, "I", "role worker of this instance");
	ASSERT_KEY(w, "I", "role worker of this instance");
	assert_int_equal(atomic_load(&w->asked), 4);
	world_pass(w, 61);
	w->routes[0].status = 503;
	ASSERT_KEY(w, "I", "role worker of this instance");
	assert_int_equal(atomic_load(&w->asked), 5);

	world_pass(w, 61); /* up again, but the role was taken away */
	w->routes[0].status = 200;
	w->routes[1].times = 0;
	w->routes[1].status = 404;
	ASSERT_FAILS(w, ERR_INPUT, "this instance has no role");
	world_free(w);
}

/* IMDS hands out old ones when it can't get new ones itself. */
static void
imds_has_old_ones(void **state)
{
	struct world *w = world_new();

	(void)state;
	imds(w, "I", -100);
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_KEY(w, "I", "role worker of this instance");
	ASSERT_KEY(w, "I", "role worker of this instance");
	assert_int_equal(atomic_load(&w->asked), 3);
	world_free(w);
}

struct getting {
	struct world *w;
	pthread_t thread;
	int rc;
	char id[16], message[64];
	atomic_bool *stop;
	int gets;
};

static void *
get_once(void *ctx)
{
	struct getting *g = ctx;
	struct arena a = {0};
	struct credentials c;
	struct error err = {0};

	g->rc = credentials_get(g->w->chain, &a, &c, &err);
	if (g->rc == 0)
		snprintf(g->id, sizeof(g->id), "%.*s", STR_ARG(c.key_id));
	snprintf(g->message, sizeof(g->message), "%.60s", err.message);
	arena_free(&a);
	return NULL;
}

enum { THREADS = 8 };

static void
get_in_threads(struct world *w, struct getting g[THREADS])
{
	for (int i = 0; i < THREADS; i++) {
		g[i] = (struct getting){.w = w};
		assert_int_equal(pthread_create(&g[i].thread, NULL, get_once, &g[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(g[i].thread, NULL);
}

static void
many_threads_one_look(void **state)
{
	struct world *w = container_world("A", 3600);
	struct getting g[THREADS];

	(void)state;
	w->delay_ms = 100;
	get_in_threads(w, g);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(g[i].rc, 0);
		assert_string_equal(g[i].id, "A");
	}
	assert_int_equal(atomic_load(&w->asked), 1);

	/* Ten minutes before the end: one asks, the others go on. */
	container(w, 1, "B", 9000, 1);
	world_pass(w, 3600 - 600);
	get_in_threads(w, g);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(g[i].rc, 0);
	assert_int_equal(atomic_load(&w->asked), 2);
	ASSERT_KEY(w, "B", "container");
	world_free(w);
}

/* Threads that waited for a look that failed do not each look again. */
static void
many_threads_one_failure(void **state)
{
	struct world *w = world_new();
	struct getting g[THREADS];
	int64_t took;

	(void)state;
	w->routes[0] = (struct route){.method = "PUT", .url = "http://", .status = 0};
	w->delay_ms = 300;
	assert_int_equal(world_open(w, NULL), 0);
	took = clock_system()->now_ns(NULL);
	get_in_threads(w, g);
	took = clock_system()->now_ns(NULL) - took;
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(g[i].rc, ERR_INPUT);
		assert_string_equal(g[i].message, g[0].message);
	}
	assert_true(atomic_load(&w->asked) < THREADS);
	assert_true(took < THREADS * 300 * NS_PER_MS);
	world_free(w);
}

static void *
get_until_told(void *ctx)
{
	struct getting *g = ctx;
	struct arena a = {0};
	struct credentials c;
	struct error err = {0};

	while (!atomic_load(g->stop) && g->rc == 0) {
		g->rc = credentials_get(g->w->chain, &a, &c, &err);
		if (g->rc == 0 && g->gets++ % 16 == 15)
			credentials_forget(g->w->chain, c.key_id);
		arena_reset(&a);
	}
	arena_free(&a);
	return NULL;
}

/* Gets, renewals and refusals at once: for the thread sanitizer. */
static void
all_at_once(void **state)
{
	struct world *w = container_world("A", 3600);
	struct getting g[THREADS];
	atomic_bool stop = false;

	(void)state;
	container(w, 0, "A", 3000000, 0);
	for (int i = 0; i < THREADS; i++) {
		g[i] = (struct getting){.w = w, .stop = &stop};
		assert_int_equal(pthread_create(&g[i].thread, NULL, get_until_told, &g[i]), 0);
	}
	for (int i = 0; i < 100; i++) {
		world_pass(w, 3600);
		usleep(1000);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(g[i].thread, NULL);
		assert_int_equal(g[i].rc, 0);
		assert_true(g[i].gets > 0);
	}
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_anywhere),
		cmocka_unit_test(order_of_places),
		cmocka_unit_test(the_environment),
		cmocka_unit_test(half_a_key),
		cmocka_unit_test(login_session),
		cmocka_unit_test(renewed_in_time),
		cmocka_unit_test(old_ones_while_they_last),
		cmocka_unit_test(short_lived),
		cmocka_unit_test(the_same_again),
		cmocka_unit_test(ended_already),
		cmocka_unit_test(without_an_end),
		cmocka_unit_test(refused_by_aws),
		cmocka_unit_test(imds_goes_down),
		cmocka_unit_test(imds_has_old_ones),
		cmocka_unit_test(many_threads_one_look),
		cmocka_unit_test(many_threads_one_failure),
		cmocka_unit_test(all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
