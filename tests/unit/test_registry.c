/* Asking a registry for a tag's digest: against a server of this test's own that answers as scripted, and against a real
 * registry where Debian's docker-registry is installed. */
#include "engine_fixture.h"

#include "providers/container/internal.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

enum { ANSWERS = 8 };

/* Answers one connection after the other with the next answer; keeps what was asked. */
struct server {
	int fd, port;
	const char *answers[ANSWERS + 1]; /* NULL at the end: then 500 */
	size_t n;
	char asked[16384];
	pthread_t thread;
};

static void
serve_one(struct server *s, int peer)
{
	const char *answer = s->answers[s->n] ? s->answers[s->n++]
					      : "HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n";
	size_t at = strlen(s->asked);
	ssize_t n;

	while (!strstr(s->asked + at, "\r\n\r\n") && strlen(s->asked) < sizeof(s->asked) - 1 &&
		(n = recv(peer, s->asked + strlen(s->asked),
			 sizeof(s->asked) - 1 - strlen(s->asked), 0)) > 0)
		;
	send(peer, answer, strlen(answer), MSG_NOSIGNAL);
	close(peer);
}

static void *
serve(void *ctx)
{
	struct server *s = ctx;
	int peer;

	while ((peer = accept(s->fd, NULL, NULL)) >= 0) {
		char first;

		/* A TLS hello (0x16) gets nothing: https is tried first. */
		if (recv(peer, &first, 1, MSG_PEEK) == 1 && first != 0x16)
			serve_one(s, peer);
		else
			close(peer);
	}
	return NULL;
}

static int
bind_loopback(int *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static void
start(struct server *s)
{
	s->fd = bind_loopback(&s->port);
	assert_int_equal(listen(s->fd, 8), 0);
}

static void
stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

/* Asks the server for a/b:t. */
static int
ask(struct fixture *f, struct server *s, struct str *digest)
{
	struct reference ref;
	int rc;

	assert_int_equal(reference_parse(&f->arena, &ref,
				 arena_printf(&f->arena, "127.0.0.1:%d/a/b:t", s->port), &f->err),
		0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	rc = registry_digest(&f->arena, &ref, digest, &f->err);
	stop(s);
	return rc;
}

#define EMPTY "Content-Length: 0\r\nConnection: close\r\n\r\n"

static void
digest_in_header(void **state)
{
	struct fixture *f = *state;
	struct server s = {.answers = {"HTTP/1.1 200 OK\r\ndocker-content-digest: sha256:" HEX_A
				       "\r\n" EMPTY}};
	struct str digest;

	start(&s);
	assert_int_equal(ask(f, &s, &digest), 0);
	assert_true(str_is(digest, "sha256:" HEX_A));
	assert_has(s.asked, "HEAD /v2/a/b/manifests/t HTTP/1.1\r\n");
	assert_has(s.asked, "application/vnd.oci.image.index.v1+json");
	assert_has(s.asked, "application/vnd.docker.distribution.manifest.v2+json");
	assert_lacks(s.asked, "Authorization");
}

static void
digest_of_the_bytes(void **state)
{
	struct fixture *f = *state;
	struct server s = {
		.answers = {"HTTP/1.1 200 OK\r\nDocker-Content-Digest: md5:x\r\n" EMPTY,
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"}};
	struct str digest;

	start(&s);
	assert_int_equal(ask(f, &s, &digest), 0);
	assert_true(str_is(
		digest, "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"));
}

static void
token_is_fetched(void **state)
{
	struct fixture *f = *state;
	struct server s = {0};
	struct str digest;

	start(&s);
	s.answers[0] = arena_printf(&f->arena,
		"HTTP/1.1 401 U\r\nWWW-Authenticate: Bearer "
		"realm=\"http://127.0.0.1:%d/token?x=1\","
		"service=\"the registry\",scope=\"repository:a/b:pull\"\r\n" EMPTY,
		s.port)
			       .p;
	s.answers[1] = "HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: "
		       "close\r\n\r\n{\"token\":\"secret\"}";
	s.answers[2] = "HTTP/1.1 200 OK\r\nDocker-Content-Digest: sha256:" HEX_B "\r\n" EMPTY;
	if (ask(f, &s, &digest) < 0)
		fail_msg("%s", f->err.message);
	assert_true(str_is(digest, "sha256:" HEX_B));
	assert_has(s.asked,
		"GET /token?x=1&service=the%20registry&scope=repository%3Aa%2Fb%3Apull HTTP/1.1");
	assert_has(s.asked, "Authorization: Bearer secret\r\n");
}

static void
credentials_are_used(void **state)
{
	struct fixture *f = *state;
	struct server s = {
		.answers = {"HTTP/1.1 401 U\r\nWWW-Authenticate: Basic realm=\"x\"\r\n" EMPTY,
			"HTTP/1.1 200 OK\r\nDocker-Content-Digest: sha256:" HEX_B "\r\n" EMPTY}};
	struct str digest;

	start(&s);
	/* me:pass */
	write_file(below(f, "auth.json"),
		arena_printf(&f->arena,
			"{\"auths\":{\"127.0.0.1:%d\":{\"auth\":\"eDp5\"},\"127.0.0.1:%d/"
			"a\":{\"auth\":\"bWU6cGFzcw==\"}}}",
			s.port, s.port)
			.p,
		0600);
	setenv("REGISTRY_AUTH_FILE", below(f, "auth.json"), 1);
	assert_int_equal(ask(f, &s, &digest), 0);
	assert_has(s.asked, "Authorization: Basic bWU6cGFzcw==\r\n");
	unsetenv("REGISTRY_AUTH_FILE");
}

static void
credential_files(void **state)
{
	struct fixture *f = *state;
	struct reference ref;

	assert_int_equal(reference_parse(&f->arena, &ref, STR("python:3"), &f->err), 0);
	setenv("REGISTRY_AUTH_FILE", below(f, "a.json"), 1);
	assert_null(credentials_find(&f->arena, &ref).p);
	write_file(below(f, "a.json"), "not json", 0600);
	assert_null(credentials_find(&f->arena, &ref).p);
	write_file(below(f, "a.json"), "{\"auths\":{\"docker.io\":{\"auth\":\"!!!!\"}}}", 0600);
	assert_null(credentials_find(&f->arena, &ref).p);
	write_file(below(f, "a.json"), "{\"auths\":{\"docker.io\":{\"auth\":\"=\"}}}", 0600);
	assert_null(credentials_find(&f->arena, &ref).p);
	write_file(below(f, "a.json"),
		"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"eDp5\"}}}", 0600);
	assert_true(str_is(credentials_find(&f->arena, &ref), "x:y"));
	unsetenv("REGISTRY_AUTH_FILE");
	/* What docker keeps is found when podman has nothing. */
	setenv("XDG_RUNTIME_DIR", f->dir, 1);
	setenv("XDG_CONFIG_HOME", f->dir, 1);
	setenv("DOCKER_CONFIG", f->dir, 1);
	write_file(
		below(f, "config.json"), "{\"auths\":{\"docker.io\":{\"auth\":\"eDp5\"}}}", 0600);
	assert_true(str_is(credentials_find(&f->arena, &ref), "x:y"));
}

static void
refusals(void **state)
{
	static const struct {
		const char *answer;
		int code;
		enum error_class class;
		const char *part;
	} cases[] = {
		{"HTTP/1.1 404 N\r\n" EMPTY, ERR_INPUT, CLASS_FATAL, "has no such tag"},
		{"HTTP/1.1 403 N\r\n" EMPTY, ERR_INPUT, CLASS_DENIED, "podman login"},
		{"HTTP/1.1 401 N\r\n" EMPTY, ERR_INPUT, CLASS_DENIED, "private"},
		{"HTTP/1.1 401 N\r\nWWW-Authenticate: Basic realm=\"x\"\r\n" EMPTY, ERR_INPUT,
			CLASS_DENIED, "private"},
		{"HTTP/1.1 401 N\r\nWWW-Authenticate: Bearer realm=\"ftp://x\"\r\n" EMPTY, ERR_HOST,
			CLASS_FATAL, "challenge is not understood"},
		{"HTTP/1.1 401 N\r\nWWW-Authenticate: Bearer realm\r\n" EMPTY, ERR_HOST,
			CLASS_FATAL, "challenge is not understood"},
		{"HTTP/1.1 429 N\r\n" EMPTY, ERR_HOST, CLASS_THROTTLED, "HTTP 429"},
		{"HTTP/1.1 503 N\r\n" EMPTY, ERR_HOST, CLASS_TRANSIENT, "HTTP 503"},
		{"garbage\r\n\r\n", ERR_HOST, CLASS_TRANSIENT, "could not be asked"},
	};
	struct fixture *f = *state;
	struct str digest;

	setenv("REGISTRY_AUTH_FILE", "/nowhere", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct server s = {0};

		/* The same to every question. */
		for (size_t k = 0; k < ANSWERS; k++)
			s.answers[k] = cases[i].answer;
		start(&s);
		assert_int_equal(ask(f, &s, &digest), cases[i].code);
		assert_int_equal(f->err.class, cases[i].class);
		assert_has(f->err.message, cases[i].part);
	}
	unsetenv("REGISTRY_AUTH_FILE");
}

static const char *
with_body(struct fixture *f, const char *digest, const char *body)
{
	return arena_printf(&f->arena,
		"HTTP/1.1 200 OK\r\nDocker-Content-Digest: %s\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n%s",
		digest, strlen(body), body)
		.p;
}

static const char *
digest_text(struct fixture *f, const char *body)
{
	struct digest d = digest_of(body, strlen(body));
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &d);
	return arena_printf(&f->arena, "sha256:%s", hex).p;
}

/* Asks for what instances of x86_64 would pull: `manifest` is under the tag, `config` its blob. */
static int
find(struct fixture *f, const char *suffix, const char *manifest, const char *config,
	const char *notes, struct str *digest, char asked[16384])
{
	const char *is = digest_text(f, manifest);
	struct server s = {.answers = {with_body(f, is, ""), with_body(f, is, manifest),
				   config ? with_body(f, "", config) : NULL}};
	struct reference ref;
	int rc;

	start(&s);
	assert_int_equal(
		reference_parse(&f->arena, &ref,
			arena_printf(&f->arena, "127.0.0.1:%d/a/b%s", s.port, suffix), &f->err),
		0);
	assert_int_equal(pthread_create(&s.thread, NULL, serve, &s), 0);
	rc = registry_find(&f->arena, &ref, false, notes, digest, &f->err);
	stop(&s);
	memcpy(asked, s.asked, sizeof(s.asked));
	return rc;
}

static void
architecture_of_a_list(void **state)
{
	static const char both[] =
		"{\"manifests\":[{\"platform\":{\"architecture\":\"unknown\",\"os\":\"unknown\"}},"
		"{\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\"}},"
		"{\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}}]}";
	static const char arm[] =
		"{\"manifests\":[{\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\"}},"
		"{\"platform\":{\"architecture\":\"amd64\",\"os\":\"windows\"}}]}";
	struct fixture *f = *state;
	char asked[16384];
	struct str digest;

	assert_int_equal(find(f, ":t", both, NULL, NULL, &digest, asked), 0);
	assert_string_equal(digest.p, digest_text(f, both));
	assert_int_equal(find(f, ":t", arm, NULL, NULL, &digest, asked), ERR_INPUT);
	assert_has(
		f->err.message, "is for linux/arm64, windows/amd64, and instances are linux/amd64");
}

static void
architecture_of_one(void **state)
{
	static const char amd[] = "{\"architecture\":\"amd64\",\"os\":\"linux\"}";
	static const char arm[] = "{\"architecture\":\"arm64\",\"os\":\"linux\"}";
	struct fixture *f = *state;
	const char *manifest =
		arena_printf(&f->arena, "{\"config\":{\"digest\":\"%s\"}}", digest_text(f, amd)).p;
	const char *notes = below(f, "cache/images");
	char asked[16384];
	struct str digest;

	assert_int_equal(find(f, ":t", manifest, amd, notes, &digest, asked), 0);
	assert_has(asked,
		arena_printf(&f->arena, "GET /v2/a/b/blobs/%s HTTP/1.1", digest_text(f, amd)).p);
	/* Once is enough; a digest that is given is asked for, too. */
	assert_int_equal(find(f, ":t", manifest, amd, notes, &digest, asked), 0);
	assert_null(strstr(asked, "GET "));
	assert_int_equal(find(f, arena_printf(&f->arena, "@%s", digest_text(f, manifest)).p,
				 manifest, amd, notes, &digest, asked),
		0);
	assert_has(asked, "HEAD /v2/a/b/manifests/sha256:");
	manifest =
		arena_printf(&f->arena, "{\"config\":{\"digest\":\"%s\"}}", digest_text(f, arm)).p;
	assert_int_equal(find(f, ":t", manifest, arm, notes, &digest, asked), ERR_INPUT);
	assert_has(f->err.message, "is for linux/arm64, and instances are linux/amd64");
}

static void
digests_that_do_not_match(void **state)
{
	static const char manifest[] = "{\"config\":{\"digest\":\"sha256:" HEX_A "\"}}";
	struct fixture *f = *state;
	char asked[16384];
	struct str digest;

	/* The configuration is not what the manifest says. */
	assert_int_equal(find(f, ":t", manifest, "{}", NULL, &digest, asked), ERR_INPUT);
	assert_has(f->err.message, "does not match, and nothing of it is used");
	/* Nor is the manifest what was asked for. */
	assert_int_equal(
		find(f, "@sha256:" HEX_B, manifest, "{}", NULL, &digest, asked), ERR_INPUT);
	assert_has(f->err.message, "under that digest, which does not match");
	assert_int_equal(find(f, ":t", "nonsense", NULL, NULL, &digest, asked), ERR_INPUT);
	assert_has(f->err.message, "no JSON");
	assert_int_equal(find(f, ":t", "[]", NULL, NULL, &digest, asked), ERR_INPUT);
	assert_has(f->err.message, "is no image");
}

static void
nobody_there(void **state)
{
	struct fixture *f = *state;
	struct reference ref;
	struct str digest;
	int port, fd = bind_loopback(&port); /* taken, and nobody listens */

	reference_parse(
		&f->arena, &ref, arena_printf(&f->arena, "127.0.0.1:%d/x:y", port), &f->err);
	assert_int_equal(registry_digest(&f->arena, &ref, &digest, &f->err), ERR_HOST);
	assert_has(f->err.message, "/x:y is not here, and its registry could not be asked");
	assert_int_equal(f->err.class, CLASS_TRANSIENT);
	close(fd);
}

/* Debian's docker-registry, into which skopeo puts an image. */
static void
real_registry(void **state)
{
	struct fixture *f = *state;
	struct reference ref;
	struct str digest;
	char want[72] = "";
	int port, fd, status;
	pid_t pid;

	if (access("/usr/bin/docker-registry", X_OK) != 0 || access("/usr/bin/skopeo", X_OK) != 0) {
		print_message("docker-registry and skopeo are not installed\n");
		skip();
	}
	fd = bind_loopback(&port);
	close(fd);
	write_file(below(f, "config.yml"),
		arena_printf(&f->arena,
			"version: 0.1\nstorage: {filesystem: {rootdirectory: %s/data}}\n"
			"http: {addr: '127.0.0.1:%d'}\nlog: {level: error}\n",
			f->dir, port)
			.p,
		0600);
	pid = fork();
	if (pid == 0) {
		fd = open("/dev/null", O_RDWR);
		dup2(fd, 1);
		dup2(fd, 2);
		execl("/usr/bin/docker-registry", "docker-registry", "serve",
			below(f, "config.yml"), (char *)NULL);
		_exit(127);
	}
	sh(f, arena_printf(&f->arena,
		      "mkdir -p i/blobs/sha256 r; tar -cf l --files-from /dev/null; L=$(sha256sum "
		      "l | cut -c1-64); "
		      "cp l i/blobs/sha256/$L; printf "
		      "'{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":"
		      "\"layers\","
		      "\"diff_ids\":[\"sha256:%%s\"]}}' $L > c; C=$(sha256sum c | cut -c1-64); cp "
		      "c i/blobs/sha256/$C; "
		      "printf "
		      "'{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/"
		      "vnd.oci.image.config.v1+json\","
		      "\"digest\":\"sha256:%%s\",\"size\":%%d},\"layers\":[{\"mediaType\":"
		      "\"application/vnd.oci.image.layer.v1.tar\","
		      "\"digest\":\"sha256:%%s\",\"size\":%%d}]}' $C $(wc -c < c) $L $(wc -c < l) "
		      "> m; "
		      "M=$(sha256sum m | cut -c1-64); cp m i/blobs/sha256/$M; echo "
		      "'{\"imageLayoutVersion\":\"1.0.0\"}' > i/oci-layout; "
		      "printf "
		      "'{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/"
		      "vnd.oci.image.manifest.v1+json\","
		      "\"digest\":\"sha256:%%s\",\"size\":%%d}]}' $M $(wc -c < m) > i/index.json; "
		      "for n in 1 2 3 4 5 6 7 8 9 10; do "
		      "  skopeo --insecure-policy copy -q --preserve-digests "
		      "--dest-tls-verify=false oci:i docker://127.0.0.1:%d/a/b:t "
		      "    2>err && break; sleep 0.3; done; printf sha256:$M > want",
		      port)
			.p);
	fd = open(below(f, "want"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, want, sizeof(want) - 1), 71);
	close(fd);
	reference_parse(
		&f->arena, &ref, arena_printf(&f->arena, "127.0.0.1:%d/a/b:t", port), &f->err);
	status = registry_digest(&f->arena, &ref, &digest, &f->err);
	if (status == 0) {
		reference_parse(&f->arena, &ref,
			arena_printf(&f->arena, "127.0.0.1:%d/a/b:none", port), &f->err);
		struct str none;
		assert_int_equal(registry_digest(&f->arena, &ref, &none, &f->err), ERR_INPUT);
		assert_has(f->err.message, "no such tag");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	sh(f, "rm -rf data");
	if (status < 0)
		fail_msg("%s", f->err.message);
	assert_string_equal(digest.p, want);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(digest_in_header),
		TEST(digest_of_the_bytes),
		TEST(token_is_fetched),
		TEST(credentials_are_used),
		TEST(credential_files),
		TEST(refusals),
		TEST(architecture_of_a_list),
		TEST(architecture_of_one),
		TEST(digests_that_do_not_match),
		TEST(nobody_there),
		TEST(real_registry),
	};

	setenv("no_proxy", "*", 1);
	setenv("HOME", "/nowhere", 1);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
