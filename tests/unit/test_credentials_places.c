/* test_credentials_places: the container and the instance: what is asked of them, and everything
 * that they may answer instead. */
#include "tests/unit/aws_fixture.h"

#include "providers/aws/credentials_internal.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define SECRET "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"

static void
assert_fails(struct world *w, int code, const char *part, int line)
{
	struct credentials c;
	int rc = world_get(w, &c);

	if (rc != code || (int)w->err.code != code || !strstr(w->err.message, part))
		fail_msg("line %d: %d: %s", line, rc, w->err.message);
	if (strstr(w->err.message, SECRET))
		fail_msg("line %d: a secret in the message", line);
}
#define ASSERT_FAILS(w, code, part) assert_fails(w, code, part, __LINE__)

/* A container's world: full or relative, with a token or a file of it. */
static void
a_container(void **state)
{
	struct world *w = world_new();
	struct credentials c;

	(void)state;
	world_set(w, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x?y=1");
	world_set(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc");
	w->routes[0] = (struct route){.method = "GET",
		.url = "http://169.254.170.2/v2/credentials/x?y=1",
		.status = 200,
		.body = "{\"RoleArn\":\"r\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
			"\"Token\":\"t\",\"Expiration\":\"2030-03-18T00:00:00Z\"}"};
	assert_int_equal(world_open(w, NULL), 0);
	assert_int_equal(world_get(w, &c), 0);
	assert_string_equal(buf_cstr(&w->heard),
		"GET http://169.254.170.2/v2/credentials/x?y=1|Accept: application/json|"
		"Authorization: Basic abc|\n");

	/* The file wins, and is read each time. */
	world_write(w, "token", "first");
	world_set(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		arena_printf(&w->arena, "%s/token", w->home).p);
	credentials_forget(w->chain, STR("A"));
	assert_int_equal(world_get(w, &c), 0);
	assert_true(strstr(buf_cstr(&w->heard), "Authorization: first|"));
	world_write(w, "token", "second");
	credentials_forget(w->chain, STR("A"));
	assert_int_equal(world_get(w, &c), 0);
	assert_true(strstr(buf_cstr(&w->heard), "Authorization: second|"));

	world_write(w, "token", "third\n");
	credentials_forget(w->chain, STR("A"));
	ASSERT_FAILS(w, ERR_INPUT, "TOKEN_FILE: the token has a line break");
	world_write(w, "token", "");
	ASSERT_FAILS(w, ERR_INPUT, "/token is empty");
	world_set(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/no/such");
	ASSERT_FAILS(w, ERR_INPUT, "TOKEN_FILE: reading /no/such: No such file");
	world_set(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "");
	world_set(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nHost: evil");
	ASSERT_FAILS(w, ERR_INPUT, "AWS_CONTAINER_AUTHORIZATION_TOKEN: the token has a line break");
	assert_null(strstr(w->err.message, "evil"));
	assert_int_equal(atomic_load(&w->asked), 3);
	world_free(w);
}

static void
container_hosts(void **state)
{
	static const char *const good[] = {"http://localhost/x", "http://LOCALHOST:80/",
		"http://127.0.0.1:1234/x", "http://127.9.9.9", "http://[::1]/x",
		"http://[::1]:80/x", "http://169.254.170.2/v2",
		"http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials",
		"https://example.com/any"};
	static const char *const bad[] = {"http://example.com/x", "http://169.254.169.254/",
		"http://127.0.0.1.example.com/", "http://localhost.example.com/",
		"http://localhost@example.com/", "http://example.com#@localhost/",
		"http://example.com\\@127.0.0.1/", "http://[::2]/", "http://[::1", "http:///x",
		"ftp://localhost/x", "localhost/x", "http://1270.0.0.1/", "http://10.0.0.1/",
		"http://local host/", "http://localhost/\r\nx"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct world *w = world_new();

		world_set(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI", good[i]);
		assert_int_equal(world_open(w, NULL), 0);
		ASSERT_FAILS(w, ERR_INPUT, "HTTP 404"); /* so it was asked */
		assert_int_equal(atomic_load(&w->asked), 1);
		world_free(w);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct world *w = world_new();

		world_set(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI", bad[i]);
		world_set(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN", SECRET);
		assert_int_equal(world_open(w, NULL), 0);
		ASSERT_FAILS(w, ERR_INPUT, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
		assert_int_equal(atomic_load(&w->asked), 0);
		world_free(w);
	}
}

static void
containers_that_fail(void **state)
{
	static const struct {
		int status;
		const char *body, *part;
		int code, asked;
	} cases[] = {
		{0, NULL, "container: http://169.254.170.2/x: connection refused", ERR_HOST, 3},
		{500, "<html>", "container http://169.254.170.2/x: HTTP 500", ERR_HOST, 3},
		{429, "", "HTTP 429", ERR_HOST, 3},
		{400, "{\"code\":\"Bad\",\"message\":\"not\\nyours\"}", "HTTP 400: Bad not yours",
			ERR_INPUT, 1},
		{200, "", "container: not JSON", ERR_INPUT, 1},
		{200, "<html>", "container: not JSON", ERR_INPUT, 1},
		{200, "{\"AccessKeyId\":\"A\"}", "container: SecretAccessKey is missing", ERR_INPUT,
			1},
		{200,
			"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"" SECRET
			"\",\"Expiration\":\"x\"}",
			"container: Expiration is no time", ERR_INPUT, 1},
		{301, "", "HTTP 301", ERR_INPUT, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = world_new();

		world_set(w, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
		w->routes[0] = (struct route){.method = "GET",
			.url = "http://",
			.status = cases[i].status,
			.body = cases[i].body};
		assert_int_equal(world_open(w, NULL), 0);
		assert_fails(w, cases[i].code, cases[i].part, (int)i);
		assert_int_equal(
			w->err.class, cases[i].code == ERR_HOST ? CLASS_TRANSIENT : CLASS_DENIED);
		assert_int_equal(atomic_load(&w->asked), cases[i].asked);
		world_free(w);
	}
}

#define IMDS "http://169.254.169.254/latest/"
#define ROLES IMDS "meta-data/iam/security-credentials/"

static void
imds_routes(struct world *w, const char *credentials)
{
	w->routes[0] = (struct route){
		.method = "PUT", .url = IMDS "api/token", .status = 200, .body = "TOKEN=="};
	w->routes[1] = (struct route){
		.method = "GET", .url = ROLES, .status = 200, .body = "r", .times = 1};
	w->routes[2] = (struct route){
		.method = "GET", .url = ROLES "r", .status = 200, .body = credentials};
}

static void
an_instance(void **state)
{
	struct world *w = world_new();
	struct credentials c;

	(void)state;
	imds_routes(w, "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"A\","
		       "\"SecretAccessKey\":\"s\",\"Token\":\"t\","
		       "\"Expiration\":\"2030-03-18T00:00:00Z\"}");
	assert_int_equal(world_open(w, NULL), 0);
	assert_int_equal(world_get(w, &c), 0);
	assert_string_equal(buf_cstr(&w->heard),
		"PUT " IMDS "api/token|X-aws-ec2-metadata-token-ttl-seconds: 21600|\n"
		"GET " ROLES "|X-aws-ec2-metadata-token: TOKEN==|\n"
		"GET " ROLES "r|X-aws-ec2-metadata-token: TOKEN==|\n");
	world_free(w);
}

static void
where_imds_is(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_set(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6");
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_FAILS(w, ERR_INPUT, "IMDS http://[fd00:ec2::254]: not version 2 (HTTP 404");
	world_set(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338//");
	ASSERT_FAILS(w, ERR_INPUT, "IMDS http://127.0.0.1:1338: ");
	assert_true(strstr(buf_cstr(&w->heard), "PUT http://127.0.0.1:1338/latest/api/token|"));
	world_set(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254");
	ASSERT_FAILS(w, ERR_INPUT, "=169.254.169.254 is no http:// URL");
	world_set(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "");
	world_set(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "5");
	ASSERT_FAILS(w, ERR_INPUT, "=5 is neither IPv4 nor IPv6");
	world_set(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "");
	world_write(
		w, ".aws/config", "[default]\nec2_metadata_service_endpoint = http://from-file\n");
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_FAILS(w, ERR_INPUT, "IMDS http://from-file: ");
	world_set(w, "AWS_EC2_METADATA_DISABLED", "TRUE");
	ASSERT_FAILS(w, ERR_INPUT, "IMDS: turned off by AWS_EC2_METADATA_DISABLED");
	world_free(w);
}

static void
instances_that_fail(void **state)
{
	static const struct {
		int route, status;
		const char *body, *part;
		int code;
	} cases[] = {
		{0, 403, "", "IMDS http://169.254.169.254: turned off (HTTP 403", ERR_INPUT},
		{0, 405, "", "not version 2 (HTTP 405", ERR_INPUT},
		{0, 200, "", "not version 2 (HTTP 200", ERR_INPUT},
		{0, 200, "<html> page", "not version 2 (HTTP 200", ERR_INPUT},
		{0, 500, "", IMDS "api/token: HTTP 500", ERR_HOST},
		{1, 404, "", "this instance has no role", ERR_INPUT},
		{1, 200, " ", "this instance has no role", ERR_INPUT},
		{1, 200, "<html>", "the role's name is none", ERR_INPUT},
		{1, 200, "../x", "the role's name is none", ERR_INPUT},
		{1, 401, "", ROLES ": HTTP 401", ERR_INPUT},
		{1, 500, "", ROLES ": HTTP 500", ERR_HOST},
		{1, 0, "", "IMDS: " ROLES ": connection refused", ERR_HOST},
		{2, 404, "", "IMDS role r: has no credentials", ERR_INPUT},
		{2, 200, "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}",
			"IMDS role r: Code is AssumeRoleUnauthorizedAccess", ERR_INPUT},
		{2, 200, "{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}",
			"IMDS role r: Token is missing", ERR_INPUT},
		{2, 200, "x", "IMDS role r: not JSON", ERR_INPUT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = world_new();

		imds_routes(w, "{}");
		w->routes[cases[i].route].status = cases[i].status;
		w->routes[cases[i].route].body = cases[i].body;
		assert_int_equal(world_open(w, NULL), 0);
		assert_fails(w, cases[i].code, cases[i].part, (int)i);
		world_free(w);
	}
}

static void
attempts_of_imds(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->routes[0] = (struct route){.method = "PUT", .url = "http://", .status = 0};
	world_set(w, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "3");
	world_set(w, "AWS_METADATA_SERVICE_TIMEOUT", "2");
	assert_int_equal(world_open(w, NULL), 0);
	ASSERT_FAILS(w, ERR_INPUT, "IMDS: no answer in 2 s");
	assert_int_equal(atomic_load(&w->asked), 3);
	world_set(w, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "many");
	ASSERT_FAILS(w, ERR_INPUT, "IMDS: no answer in 2 s");
	assert_int_equal(atomic_load(&w->asked), 4);
	world_free(w);
}

static void
times(void **state)
{
	static const struct {
		const char *text;
		int64_t s; /* -1: none */
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2030-03-17T17:46:40Z", NOON_S},
		{"2030-03-17T17:46:40.999999999Z", NOON_S},
		{"2030-03-17t19:46:40+02:00", NOON_S},
		{"2030-03-17T12:16:40-0530", NOON_S},
		{"2030-03-17 17:46:40UTC", NOON_S},
		{"1969-12-31T23:59:59Z", 0},
		{"2030-03-17T17:46:40", -1},
		{"2030-03-17T17:46:40ZZ", -1},
		{"2030-03-17T17:46:40+2", -1},
		{"2030-03-17T17:46:40+99:00", -1},
		{"2030-13-17T17:46:40Z", -1},
		{"2030-00-17T17:46:40Z", -1},
		{"2030-03-32T17:46:40Z", -1},
		{"2030-03-17T24:46:40Z", -1},
		{"2030-03-17", -1},
		{"", -1},
		{"1900000000", -1},
	};
	int64_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool ok = answer_read_time(str_from(cases[i].text), &at);

		if (ok != (cases[i].s >= 0) || (ok && at != cases[i].s * NS_PER_S))
			fail_msg("%s", cases[i].text);
	}
	assert_true(answer_read_time(STR("9999-12-31T23:59:59Z"), &at));
	assert_true(at == INT64_MAX);
}

/* Answers one request with what is in it. */
struct server {
	pthread_t thread;
	int fd;
	char answer[512], heard[1024];
};

static void *
serve(void *ctx)
{
	struct server *s = ctx;
	int c = accept(s->fd, NULL, NULL);
	ssize_t n = read(c, s->heard, sizeof(s->heard) - 1);

	s->heard[n > 0 ? n : 0] = '\0';
	n = write(c, s->answer, strlen(s->answer));
	close(c);
	return NULL;
}

/* Over the real wire, and past the proxy that the environment names: its keeper is to see no token. */
static void
the_real_wire(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static const char body[] = "{\"AccessKeyId\":\"WIRE\",\"SecretAccessKey\":\"s\"}";
	struct server s = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
	struct world *w = world_new();
	socklen_t n = sizeof(at);
	struct credentials c;

	(void)state;
	assert_int_equal(bind(s.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s.fd, 1), 0);
	assert_int_equal(getsockname(s.fd, (struct sockaddr *)&at, &n), 0);
	snprintf(s.answer, sizeof(s.answer),
		"HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
		strlen(body), body);
	assert_int_equal(pthread_create(&s.thread, NULL, serve, &s), 0);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	world_set(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		arena_printf(&w->arena, "http://127.0.0.1:%d/x", ntohs(at.sin_port)).p);
	world_set(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "abc");
	w->credentials.fetch = NULL;
	assert_int_equal(world_open(w, NULL), 0);
	if (world_get(w, &c) != 0)
		fail_msg("%s", w->err.message);
	assert_true(str_is(c.key_id, "WIRE"));
	pthread_join(s.thread, NULL);
	assert_true(strncmp(s.heard, "GET /x HTTP/1.1\r\n", 17) == 0);
	assert_true(strstr(s.heard, "\r\nAuthorization: abc\r\n"));
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	close(s.fd);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container),
		cmocka_unit_test(container_hosts),
		cmocka_unit_test(containers_that_fail),
		cmocka_unit_test(an_instance),
		cmocka_unit_test(where_imds_is),
		cmocka_unit_test(instances_that_fail),
		cmocka_unit_test(attempts_of_imds),
		cmocka_unit_test(times),
		cmocka_unit_test(the_real_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
