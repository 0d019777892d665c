/* Requests over real sockets: kept connections, cut, slow and wrong answers, files, the stop flag. */
#include "planner/base/digest.h"
#include "http_fixture.h"

#include "planner/base/clock.h"
#include "providers/aws/http.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

struct fixture {
	struct http_server server;
	struct http *http;
	struct arena arena;
	struct error err;
	struct http_reply reply;
};

static void
open_http(struct fixture *f, int64_t stall_ms)
{
	struct http_options o = {
		.connect_timeout_ns = 2 * NS_PER_S, .stall_timeout_ns = stall_ms * NS_PER_MS};

	http_close(f->http);
	assert_int_equal(http_open(&f->http, &o, &f->err), 0);
}

static int
set_up(void **state)
{
	static struct fixture f;

	signal(SIGPIPE, SIG_IGN);
	memset(&f, 0, sizeof(f));
	http_server_start(&f.server);
	open_http(&f, 5000);
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	http_close(f->http);
	http_server_stop(&f->server);
	arena_free(&f->arena);
	return 0;
}

static struct http_ask
ask_for(struct fixture *f, const char *method, const char *path)
{
	return (struct http_ask){.method = method,
		.url = arena_printf(&f->arena, "http://127.0.0.1:%d%s", f->server.port, path).p,
		.from_bytes = -1,
		.max_bytes = 1 << 20};
}

static int
send_ask(struct fixture *f, const struct http_ask *ask)
{
	f->err = (struct error){0};
	return http_send(f->http, &f->arena, ask, &f->reply, &f->err);
}

static int
get(struct fixture *f, const char *path)
{
	struct http_ask ask = ask_for(f, "GET", path);

	return send_ask(f, &ask);
}

static void
ok(struct fixture *f, int rc)
{
	if (rc < 0)
		fail_msg("%s", f->err.message);
}

static struct str
header(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->reply.headers.n; i++) {
		if (str_is(f->reply.headers.v[i].name, name))
			return f->reply.headers.v[i].value;
	}
	return (struct str){0};
}

static void
kept_connection(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++)
		f->server.steps[i] = (struct http_step){
			.answer = HTTP_OK "X-One:  a b \r\nx-TWO:\r\n", .body = "hello"};
	for (int i = 0; i < 10; i++) {
		ok(f, get(f, "/a/./../b//%2F?x=/../y"));
		assert_int_equal(f->reply.status, 200);
		assert_true(str_is(f->reply.body, "hello"));
		assert_int_equal(f->reply.body.p[5], '\0');
		assert_int_equal(f->reply.body_bytes, 5);
	}
	assert_true(str_is(header(f, "x-one"), "a b"));
	assert_true(str_is(header(f, "x-two"), ""));
	assert_has(http_asked(&f->server, 0), "GET /a/./../b//%2F?x=/../y HTTP/1.1\r\n");
	assert_has(http_asked(&f->server, 0), "User-Agent: furrow/");
	assert_lacks(http_asked(&f->server, 0), "Expect");
	assert_int_equal(f->server.n_connections, 1);
	assert_int_equal(http_counts(f->http).requests, 10);
	assert_int_equal(http_counts(f->http).connections, 1);
}

static void
closed_connection(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		f->server.steps[i] = (struct http_step){
			.answer = HTTP_OK "Connection: close\r\n", .body = "x", .close = true};
	for (int i = 0; i < 3; i++)
		ok(f, get(f, "/"));
	assert_int_equal(http_counts(f->http).connections, 3);
}

struct one_of_many {
	struct fixture *f;
	int n, failed;
};

static void *
ask_often(void *ctx)
{
	struct one_of_many *o = ctx;
	struct arena a = {0};

	for (int i = 0; i < o->n; i++) {
		struct http_ask ask = {.method = "GET", .from_bytes = -1, .max_bytes = 100};
		struct http_reply reply;
		struct error err;

		ask.url = arena_printf(&a, "http://127.0.0.1:%d/%d", o->f->server.port, i).p;
		if (http_send(o->f->http, &a, &ask, &reply, &err) < 0 || reply.status != 200)
			o->failed++;
	}
	arena_free(&a);
	return NULL;
}

static void
many_threads(void **state)
{
	struct fixture *f = *state;
	struct one_of_many o[8];
	pthread_t t[8];

	for (int i = 0; i < HTTP_STEPS; i++)
		f->server.steps[i] =
			(struct http_step){.answer = HTTP_OK, .body = "x", .delay_ms = 5};
	for (int i = 0; i < 8; i++) {
		o[i] = (struct one_of_many){f, 8, 0};
		assert_int_equal(pthread_create(&t[i], NULL, ask_often, &o[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(o[i].failed, 0);
	}
	assert_int_equal(http_counts(f->http).requests, 64);
	assert_true(http_counts(f->http).connections <= 8);
	assert_int_equal(http_counts(f->http).connections, f->server.n_connections);
}

static void
sends_headers(void **state)
{
	struct fixture *f = *state;
	struct pair v[] = {{STR("X-Amz-Date"), STR(" now ")}, {STR("X-Empty"), STR("")},
		{STR("X-Twice"), STR("1")}, {STR("X-Twice"), STR("2")}};
	struct pairs headers = {v, 4};
	struct http_ask ask = ask_for(f, "POST", "/");

	f->server.steps[0] = (struct http_step){.answer = HTTP_OK, .body = ""};
	ask.headers = &headers;
	ask.body = STR("Action=X\0Y");
	ok(f, send_ask(f, &ask));
	assert_has(http_asked(&f->server, 0), "POST / HTTP/1.1\r\n");
	assert_has(http_asked(&f->server, 0), "X-Amz-Date: now\r\n");
	assert_has(http_asked(&f->server, 0), "X-Empty:\r\n");
	assert_has(http_asked(&f->server, 0), "X-Twice: 1\r\nX-Twice: 2\r\n");
	assert_has(http_asked(&f->server, 0), "Content-Length: 10\r\n");
	assert_lacks(http_asked(&f->server, 0), "Content-Type");
	assert_memory_equal(f->server.asked[0].p + f->server.asked[0].n - 10, "Action=X\0Y", 10);
	v[0].value = STR("a\r\nX-Evil: 1");
	assert_int_equal(send_ask(f, &ask), ERR_INTERNAL);
	v[0] = (struct pair){STR("a\nb"), STR("x")};
	assert_int_equal(send_ask(f, &ask), ERR_INTERNAL);
	assert_int_equal(http_n_asked(&f->server), 1);
}

static void
methods(void **state)
{
	struct fixture *f = *state;
	struct http_ask head = ask_for(f, "HEAD", "/k"), del = ask_for(f, "DELETE", "/k"),
			put = ask_for(f, "PUT", "/k");

	f->server.steps[0] =
		(struct http_step){.answer = HTTP_OK "Content-Length: 1000\r\nETag: \"e\"\r\n\r\n"};
	f->server.steps[1] = (struct http_step){.answer = "HTTP/1.1 204 No Content\r\n\r\n"};
	f->server.steps[2] = (struct http_step){.answer = HTTP_OK, .body = ""};
	ok(f, send_ask(f, &head));
	assert_true(str_is(header(f, "etag"), "\"e\""));
	assert_int_equal(f->reply.body.n, 0);
	ok(f, send_ask(f, &del));
	assert_int_equal(f->reply.status, 204);
	put.body = STR("");
	ok(f, send_ask(f, &put));
	assert_has(http_asked(&f->server, 0), "HEAD /k ");
	assert_has(http_asked(&f->server, 1), "DELETE /k ");
	assert_has(http_asked(&f->server, 2), "PUT /k ");
	assert_has(http_asked(&f->server, 2), "Content-Length: 0\r\n");
	assert_int_equal(f->server.n_connections, 1);
}

static void
no_redirect(void **state)
{
	struct fixture *f = *state;

	f->server.steps[0] = (struct http_step){
		.answer = "HTTP/1.1 307 T\r\nLocation: /other\r\n", .body = "<Error/>"};
	ok(f, get(f, "/"));
	assert_int_equal(f->reply.status, 307);
	assert_int_equal(http_n_asked(&f->server), 1);
}

static void
fails(struct fixture *f, int rc, enum error_code code, enum error_class class, const char *words)
{
	assert_int_equal(rc, code);
	assert_int_equal(f->err.class, class);
	assert_has(f->err.message, words);
}

static void
cut_bodies(void **state)
{
	struct fixture *f = *state;

	f->server.steps[0] = (struct http_step){
		.answer = HTTP_OK "Content-Length: 10\r\n\r\nhello", .close = true};
	f->server.steps[1] = (struct http_step){
		.answer = HTTP_OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		.close = true};
	f->server.steps[2] = (struct http_step){.answer = HTTP_OK "Content-Le", .close = true};
	fails(f, get(f, "/x?X-Amz-Signature=abc"), ERR_HOST, CLASS_TRANSIENT,
		"cut off after 5 bytes of 10");
	assert_lacks(f->err.message, "Signature");
	assert_true(f->reply.sent);
	assert_int_equal(get(f, "/"), ERR_HOST);
	assert_int_equal(f->err.class, CLASS_TRANSIENT);
	assert_int_equal(get(f, "/"), ERR_HOST);
	assert_int_equal(f->err.class, CLASS_TRANSIENT);
	f->server.steps[3] =
		(struct http_step){.answer = "HTTP/1.1 100 Continue\r\n\r\n", .close = true};
	assert_int_equal(get(f, "/"), ERR_HOST);
}

static void
chunked(void **state)
{
	struct fixture *f = *state;

	f->server.steps[0] = (struct http_step){
		.answer = HTTP_OK
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"};
	f->server.steps[1] = (struct http_step){.answer = HTTP_OK "\r\nto the end", .close = true};
	ok(f, get(f, "/"));
	assert_true(str_is(f->reply.body, "hello!"));
	ok(f, get(f, "/"));
	assert_true(str_is(f->reply.body, "to the end"));
}

static void
not_http(void **state)
{
	struct fixture *f = *state;

	f->server.steps[0] = (struct http_step){.answer = "SSH-2.0-OpenSSH\r\n", .close = true};
	f->server.steps[1] =
		(struct http_step){.answer = HTTP_OK "Content-Length: -5\r\n\r\n", .close = true};
	f->server.steps[2] = (struct http_step){
		.answer = HTTP_OK "Content-Length: 99999999999999999999999\r\n\r\n", .close = true};
	assert_int_equal(get(f, "/"), ERR_HOST);
	assert_int_equal(get(f, "/"), ERR_HOST);
	assert_int_equal(get(f, "/"), ERR_HOST);
}

static void
too_long(void **state)
{
	struct fixture *f = *state;
	struct http_ask ask = ask_for(f, "GET", "/");
	struct buf many = {0};

	f->server.steps[0] = (struct http_step){.answer = HTTP_OK, .body = "12345"};
	f->server.steps[1] = (struct http_step){.answer = HTTP_OK "\r\n123456", .close = true};
	f->server.steps[2] = (struct http_step){.answer = HTTP_OK, .body = "1234"};
	ask.max_bytes = 4;
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_FATAL, "longer than 4 bytes");
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_FATAL, "longer than 4 bytes");
	ok(f, send_ask(f, &ask));
	buf_add_cstr(&many, HTTP_OK);
	for (int i = 0; i < 300; i++)
		buf_addf(&many, "H%d: x\r\n", i);
	/* The server may be at it still when the client has cut it short. */
	f->server.steps[3] =
		(struct http_step){.answer = arena_cstr(&f->arena, buf_str(&many)), .body = ""};
	buf_free(&many);
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_FATAL, "headers are too many");
}

static void
lost_reply(void **state)
{
	struct fixture *f = *state;

	f->server.steps[0] = (struct http_step){.close = true};
	fails(f, get(f, "/"), ERR_HOST, CLASS_TRANSIENT, "");
	assert_true(f->reply.sent);
	assert_int_equal(http_n_asked(&f->server), 1);
}

/* A kept connection that dies while it is used: libcurl asks again, unless it was told to ask once. */
static void
asked_once(void **state)
{
	struct fixture *f = *state;
	struct http_ask ask = ask_for(f, "POST", "/");

	ask.body = STR("x");
	f->server.steps[0] = (struct http_step){.answer = HTTP_OK, .body = "1"};
	f->server.steps[1] = (struct http_step){.close = true};
	f->server.steps[2] = (struct http_step){.answer = HTTP_OK, .body = "2"};
	f->server.steps[3] = (struct http_step){.close = true};
	f->server.steps[4] = (struct http_step){.answer = HTTP_OK, .body = "no"};
	ok(f, send_ask(f, &ask));
	ok(f, send_ask(f, &ask));
	assert_true(str_is(f->reply.body, "2"));
	assert_int_equal(http_n_asked(&f->server), 3);
	assert_has(http_asked(&f->server, 2), "\r\n\r\nx");
	ask.once = true;
	assert_int_equal(send_ask(f, &ask), ERR_HOST);
	assert_true(f->reply.sent);
	assert_int_equal(http_n_asked(&f->server), 4);
}

static void
nobody_there(void **state)
{
	struct fixture *f = *state;
	struct http_ask ask = {.method = "GET", .from_bytes = -1, .max_bytes = 10};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);

	/* Bound, but nobody listens. */
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	ask.url = arena_printf(&f->arena, "http://127.0.0.1:%d/", ntohs(at.sin_port)).p;
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_TRANSIENT, "Failed to connect");
	assert_false(f->reply.sent);
	close(fd);
	ask.url = "ftp://127.0.0.1/";
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_FATAL, "ftp");
	ask.url = "http://[::1/";
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_FATAL, "");
	assert_false(f->reply.sent);
}

static void
stalls(void **state)
{
	struct fixture *f = *state;
	int64_t began = now_ms();

	open_http(f, 300);
	f->server.steps[0] =
		(struct http_step){.answer = HTTP_OK "Content-Length: 10\r\n\r\nhel", .hang = true};
	fails(f, get(f, "/"), ERR_HOST, CLASS_TRANSIENT, "not a byte");
	assert_in_range(now_ms() - began, 290, 1500);
	/* Slow, but it moves: longer in all than the stall timeout. */
	f->server.steps[1] = (struct http_step){
		.answer = HTTP_OK, .body = "0123456789", .piece = 1, .piece_ms = 60};
	ok(f, get(f, "/"));
	assert_true(str_is(f->reply.body, "0123456789"));
}

static void
too_late(void **state)
{
	struct fixture *f = *state;
	struct http_ask ask = ask_for(f, "GET", "/");
	int64_t began = now_ms();

	f->server.steps[0] = (struct http_step){
		.answer = HTTP_OK, .body = "0123456789", .piece = 1, .piece_ms = 100};
	ask.timeout_ns = 250 * NS_PER_MS;
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_TRANSIENT, "no whole answer within");
	assert_in_range(now_ms() - began, 240, 1000);
}

struct stopper {
	atomic_bool stop;
	int after_ms;
};

static void *
stop_later(void *ctx)
{
	struct stopper *s = ctx;

	sleep_ms(s->after_ms);
	atomic_store(&s->stop, true);
	return NULL;
}

static void
stopped(void **state)
{
	struct fixture *f = *state;
	struct http_ask ask = ask_for(f, "GET", "/");
	struct stopper s = {.after_ms = 100};
	pthread_t t;
	int64_t began = now_ms();

	f->server.steps[0] = (struct http_step){.hang = true};
	f->server.steps[1] = (struct http_step){.answer = HTTP_OK, .body = "x"};
	ask.stop = &s.stop;
	pthread_create(&t, NULL, stop_later, &s);
	assert_int_equal(send_ask(f, &ask), ERR_CANCELLED);
	assert_in_range(now_ms() - began, 95, 250);
	pthread_join(t, NULL);
	atomic_store(&s.stop, false);
	ok(f, send_ask(f, &ask));
}

static int
scratch_file(const char *bytes, size_t n)
{
	char name[] = "/tmp/furrow-test-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, bytes, n), n);
	return fd;
}

static void
to_a_file(void **state)
{
	struct fixture *f = *state;
	struct http_ask ask = ask_for(f, "GET", "/");
	int fd = scratch_file("0123456789", 10);
	const struct digest wanted = digest_of("ABCDEF", 6);
	struct digest hashed;
	char got[32] = "";

	f->server.steps[0] =
		(struct http_step){.answer = HTTP_OK "Content-Length: 6\r\n\r\nabc", .close = true};
	f->server.steps[1] = (struct http_step){.answer = HTTP_OK, .body = "ABCDEF"};
	f->server.steps[2] = (struct http_step){.answer = "HTTP/1.1 404 N\r\n", .body = "<Error/>"};
	ask.out_fd = fd;
	ask.out_offset = 8;
	ask.out_hasher = hasher_new();
	ask.max_bytes = 0;
	assert_int_equal(send_ask(f, &ask), ERR_HOST);
	ok(f, send_ask(f, &ask));
	assert_int_equal(f->reply.body.n, 0);
	assert_int_equal(f->reply.body_bytes, 6);
	assert_int_equal(pread(fd, got, sizeof(got), 0), 14);
	assert_string_equal(got, "01234567ABCDEF");
	hashed = hasher_end(ask.out_hasher); /* of what came at last, and not of what was cut off */
	assert_int_equal(digest_cmp(&hashed, &wanted), 0);
	ok(f, send_ask(f, &ask));
	assert_int_equal(f->reply.status, 404);
	assert_true(str_is(f->reply.body, "<Error/>"));
	assert_int_equal(pread(fd, got, sizeof(got), 0), 14);
	hasher_free(ask.out_hasher);
	close(fd);
}

static void
no_space(void **state)
{
	struct fixture *f = *state;
	struct http_ask ask = ask_for(f, "GET", "/");
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		skip();
	f->server.steps[0] = (struct http_step){.answer = HTTP_OK, .body = "x"};
	f->server.steps[1] = (struct http_step){.answer = HTTP_OK, .body = "x"};
	ask.out_fd = fd;
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_FATAL, "No space left");
	assert_int_equal(f->err.os_errno, ENOSPC);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ask.out_fd = fd;
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_FATAL, "Bad file descriptor");
	close(fd);
}

static void
from_a_file(void **state)
{
	struct fixture *f = *state;
	struct http_ask ask = ask_for(f, "PUT", "/");
	size_t n = 3 << 20;
	char *bytes = mem_alloc(n);
	int fd;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)('a' + i % 26);
	fd = scratch_file(bytes, n);
	f->server.steps[0] = (struct http_step){.answer = HTTP_OK, .body = ""};
	f->server.steps[1] = (struct http_step){.close = true};
	f->server.steps[2] = (struct http_step){.answer = HTTP_OK, .body = ""};
	ask.from_fd = fd;
	ask.from_offset = 26;
	ask.from_bytes = 2 << 20;
	ok(f, send_ask(f, &ask));
	assert_has(http_asked(&f->server, 0), "Expect: 100-continue\r\n");
	assert_memory_equal(strstr(http_asked(&f->server, 0), "\r\n\r\n") + 4, bytes, 2 << 20);
	assert_int_equal(f->reply.status, 200);
	/* The kept connection dies: all is sent again, from the begin. */
	ask.from_bytes = 512 << 10;
	ok(f, send_ask(f, &ask));
	assert_memory_equal(strstr(http_asked(&f->server, 2), "\r\n\r\n") + 4, bytes, 512 << 10);
	ask.from_bytes = 3 << 20;
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_FATAL, "became shorter");
	close(fd);
	ask.from_fd = fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_FATAL, "Bad file descriptor");
	close(fd);
	free(bytes);
}

/* S3 says no before it has read all: the answer counts, not the broken connection. */
static void
refused_early(void **state)
{
	struct fixture *f = *state;
	struct http_ask ask = ask_for(f, "PUT", "/");
	size_t n = 8 << 20;
	char *bytes = mem_alloc(n);

	memset(bytes, 'x', n);
	f->server.steps[0] = (struct http_step){.answer = "HTTP/1.1 403 F\r\nConnection: close\r\n",
		.body = "<Error/>",
		.early = true};
	ask.body = (struct str){bytes, n};
	ok(f, send_ask(f, &ask));
	assert_int_equal(f->reply.status, 403);
	assert_true(str_is(f->reply.body, "<Error/>"));
	free(bytes);
}

static void
certificates(void **state)
{
	struct fixture *f = *state;
	struct http_options o = {.ca_bundle = STR("/nonexistent/ca.pem")};
	struct http_ask ask = {.method = "GET", .from_bytes = -1, .max_bytes = 10};

	http_close(f->http);
	assert_int_equal(http_open(&f->http, &o, &f->err), 0);
	ask.url = arena_printf(&f->arena, "https://127.0.0.1:%d/", f->server.port).p;
	fails(f, send_ask(f, &ask), ERR_HOST, CLASS_FATAL, "AWS_CA_BUNDLE");
	assert_false(f->reply.sent);
}

static void
fetches(void **state)
{
	struct fixture *f = *state;
	const char *headers[] = {"X-aws-ec2-metadata-token: abc", "Accept: */*", NULL};
	const char *url = arena_printf(&f->arena, "http://127.0.0.1:%d/t", f->server.port).p;
	struct str answer;
	int status;

	f->server.steps[0] = (struct http_step){.answer = HTTP_OK, .body = "role"};
	f->server.steps[1] = (struct http_step){.answer = "HTTP/1.1 404 N\r\n", .body = "none"};
	f->server.steps[2] = (struct http_step){.hang = true};
	ok(f, http_fetch(f->http, &f->arena, "GET", url, headers, (struct str){0}, NS_PER_S,
		      &status, &answer, &f->err));
	assert_int_equal(status, 200);
	assert_true(str_is(answer, "role"));
	assert_has(http_asked(&f->server, 0), "X-aws-ec2-metadata-token: abc\r\n");
	ok(f, http_fetch(NULL, &f->arena, "PUT", url, NULL, STR("body"), NS_PER_S, &status, &answer,
		      &f->err));
	assert_int_equal(status, 404);
	assert_has(http_asked(&f->server, 1), "PUT /t HTTP/1.1\r\n");
	assert_has(http_asked(&f->server, 1), "\r\n\r\nbody");
	fails(f,
		http_fetch(NULL, &f->arena, "GET", url, NULL, (struct str){0}, 200 * NS_PER_MS,
			&status, &answer, &f->err),
		ERR_HOST, CLASS_TRANSIENT, "no whole answer within 0.2 s");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {TEST(kept_connection), TEST(closed_connection),
		TEST(many_threads), TEST(sends_headers), TEST(methods), TEST(no_redirect),
		TEST(cut_bodies), TEST(chunked), TEST(not_http), TEST(too_long), TEST(lost_reply),
		TEST(asked_once), TEST(nobody_there), TEST(stalls), TEST(too_late), TEST(stopped),
		TEST(to_a_file), TEST(no_space), TEST(from_a_file), TEST(refused_early),
		TEST(certificates), TEST(fetches)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
