/* credentials_ask: asking a place over HTTP or on disk, the same way for all of them. */
#include "providers/aws/credentials_internal.h"

#include "providers/aws/http.h"
#include "providers/aws/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { FILE_BYTES = 256 << 10, SHOWN_BYTES = 200, FIRST_WAIT_MS = 50 };

static void
wait_before(int attempt)
{
	int64_t ns = (FIRST_WAIT_MS * NS_PER_MS) << (attempt < 6 ? attempt : 6);
	struct timespec t = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};

	nanosleep(&t, NULL);
}

void
looking_end(struct looking *l)
{
	http_close(l->http[0]);
	http_close(l->http[1]);
	arena_wipe(&l->arena);
	buf_free(&l->notes);
}

static int
fetch(struct looking *l, const struct ask *ask, int *status, struct str *answer, struct error *err)
{
	static const char *const none[] = {NULL};
	const char *const *headers = ask->headers ? ask->headers : none;
	const struct credentials_world *w = l->world;
	struct http_options options = {
		.ca_bundle = shared_config_env(l->config, "AWS_CA_BUNDLE"), .direct = ask->direct};
	struct http **http = &l->http[ask->direct];
	int rc;

	if (w->fetch)
		return w->fetch(w->ctx, &l->arena, ask->method, ask->url, headers, ask->body,
			ask->timeout_ns, status, answer, err);
	if (!options.ca_bundle.p)
		options.ca_bundle = shared_config_get(l->config, (struct str){0}, "ca_bundle");
	rc = *http ? 0 : http_open(http, &options, err);
	if (rc < 0)
		return rc;
	return http_fetch(*http, &l->arena, ask->method, ask->url, headers, ask->body,
		ask->timeout_ns, status, answer, err);
}

int
credentials_ask(struct looking *l, const struct ask *ask, int *status, struct str *answer,
	struct error *err)
{
	struct error failure = {0};
	bool again;
	int rc;

	for (int i = 1;; i++) {
		*status = 0;
		*answer = (struct str){0};
		failure = (struct error){0};
		rc = fetch(l, ask, status, answer, &failure);
		again = rc < 0 ? rc == ERR_HOST : *status == 429 || *status >= 500;
		if (!again || i >= ask->attempts)
			break;
		wait_before(i - 1);
	}
	if (rc < 0 && err)
		*err = failure;
	return rc < 0 ? rc : 0;
}

int
credentials_refused(int status, struct str words, const char *what, struct error *err)
{
	bool later = status == 429 || status >= 500;
	char shown[SHOWN_BYTES];

	printable(shown, sizeof(shown), words);
	error_set(err, later ? ERR_HOST : ERR_INPUT, "%s: HTTP %d%s%s", what, status,
		shown[0] ? ": " : "", shown);
	if (err) {
		err->class = later ? CLASS_TRANSIENT : CLASS_DENIED;
		err->http_status = status;
	}
	return later ? ERR_HOST : ERR_INPUT;
}

int
credentials_read_file(struct arena *a, struct str *out, const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), e;
	ssize_t n = 0;
	size_t got = 0;
	char *bytes;

	*out = (struct str){0};
	if (fd < 0)
		return error_set_errno(err, ERR_INPUT, errno, "reading %s", path);
	bytes = arena_alloc(a, FILE_BYTES + 1);
	while (got < FILE_BYTES) {
		n = read(fd, bytes + got, FILE_BYTES - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	e = errno;
	close(fd);
	if (n < 0)
		return error_set_errno(err, ERR_INPUT, e, "reading %s", path);
	if (got == FILE_BYTES)
		return error_set(err, ERR_INPUT, "%s has more than 256 KiB", path);
	*out = (struct str){bytes, got};
	return 0;
}

struct str
credentials_sts_region(const struct looking *l, struct str role_arn)
{
	struct str region = shared_config_region(l->config);

	if (region.p)
		return region;
	if (str_starts(role_arn, STR("arn:aws-cn:")))
		return STR("cn-north-1");
	if (str_starts(role_arn, STR("arn:aws-us-gov:")))
		return STR("us-gov-west-1");
	if (str_starts(role_arn, STR("arn:aws-eusc:")))
		return STR("eusc-de-east-1");
	return STR("us-east-1");
}

struct str
credentials_endpoint(struct looking *l, const char *service, const char *host, struct str region)
{
	struct str url = shared_config_endpoint(l->config, service);
	const char *suffix = "amazonaws.com";

	if (url.p)
		return arena_str(&l->arena, url);
	if (str_starts(region, STR("cn-")))
		suffix = "amazonaws.com.cn";
	else if (str_starts(region, STR("eusc-")))
		suffix = "amazonaws.eu";
	return arena_printf(&l->arena, "https://%s.%.*s.%s", host, STR_ARG(region), suffix);
}
