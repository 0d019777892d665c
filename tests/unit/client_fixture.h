/* client_fixture: a client whose endpoint is a scripted server on the loopback. */
#ifndef FURROW_TESTS_CLIENT_FIXTURE_H
#define FURROW_TESTS_CLIENT_FIXTURE_H

#include "http_fixture.h"

#include "providers/aws/client.h"
#include "providers/aws/query.h"

#include <sys/stat.h>

struct fixture {
	struct http_server server;
	struct aws *aws;
	struct arena arena;
	struct error err;
	struct aws_answer answer;
	char home[64];
};

#define ERROR_XML(code, words)                                                                   \
	"<?xml version=\"1.0\"?>\n<Response><Errors><Error><Code>" code "</Code><Message>" words \
	"</Message></Error></Errors><RequestID>req-1</RequestID></Response>"

#define TEST_KEY "AKIDEXAMPLE"
#define TEST_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TEST_TOKEN "IQoJb3JpZ2luX2VjEEXAMPLETOKEN=="

static inline void
open_client(struct fixture *f)
{
	struct aws_options o = {.region = STR("us-east-2")};

	aws_close(f->aws);
	f->aws = NULL;
	if (aws_open(&f->aws, &o, &f->err) < 0)
		fail_msg("%s", f->err.message);
}

static inline void
clean_environment(struct fixture *f)
{
	static const char *const gone[] = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION",
		"AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_EC2",
		"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSM", "AWS_CA_BUNDLE",
		"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_MAX_ATTEMPTS",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
		"http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"};

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		unsetenv(gone[i]);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	setenv("AWS_ACCESS_KEY_ID", TEST_KEY, 1);
	setenv("AWS_SECRET_ACCESS_KEY", TEST_SECRET, 1);
	setenv("AWS_SESSION_TOKEN", TEST_TOKEN, 1);
	setenv("AWS_CONFIG_FILE", arena_printf(&f->arena, "%s/config", f->home).p, 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", arena_printf(&f->arena, "%s/credentials", f->home).p,
		1);
	setenv("AWS_ENDPOINT_URL", arena_printf(&f->arena, "http://127.0.0.1:%d", f->server.port).p,
		1);
}

static inline int
set_up(void **state)
{
	static struct fixture f;

	signal(SIGPIPE, SIG_IGN);
	memset(&f, 0, sizeof(f));
	strcpy(f.home, "/tmp/furrow-test-XXXXXX");
	assert_non_null(mkdtemp(f.home));
	http_server_start(&f.server);
	clean_environment(&f);
	open_client(&f);
	*state = &f;
	return 0;
}

static inline void
write_home(struct fixture *f, const char *name, const char *text, mode_t mode)
{
	const char *path = arena_printf(&f->arena, "%s/%s", f->home, name).p;
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

static inline int
tear_down(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"config", "credentials", "process", "count"};

	aws_close(f->aws);
	http_server_stop(&f->server);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(arena_printf(&f->arena, "%s/%s", f->home, names[i]).p);
	rmdir(f->home);
	arena_free(&f->arena);
	return 0;
}

static inline void
answers(struct fixture *f, size_t i, const char *head, const char *body)
{
	f->server.steps[i] = (struct http_step){.answer = head, .body = body};
}

static inline int
call(struct fixture *f, const struct aws_request *r)
{
	f->err = (struct error){0};
	return aws_call(f->aws, &f->arena, r, &f->answer, &f->err);
}

static inline void
ok(struct fixture *f, int rc)
{
	if (rc < 0)
		fail_msg("%s", f->err.message);
}

static inline struct aws_request
get_object(const char *key)
{
	return (struct aws_request){
		.service = AWS_S3, .method = "GET", .bucket = STR("bucket"), .path = str_from(key)};
}

/* No message tells a secret. */
static inline void
no_secrets(const struct fixture *f)
{
	assert_lacks(f->err.message, TEST_SECRET);
	assert_lacks(f->err.message, TEST_TOKEN);
	assert_lacks(f->err.message, "Signature=");
}

static inline void
fails(struct fixture *f, int rc, enum error_code code, enum error_class class, const char *words)
{
	assert_has(f->err.message, words);
	assert_int_equal(rc, code);
	assert_int_equal(f->err.code, code);
	assert_int_equal(f->err.class, class);
	no_secrets(f);
}

#endif
