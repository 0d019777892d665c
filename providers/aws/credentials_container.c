/* credentials_container: what ECS and EKS give to a container, over plain HTTP from the same host. The
 * token goes to nobody else: an http URL must name a place that only the host can be. */
#include "providers/aws/credentials_internal.h"

#include <arpa/inet.h>
#include <strings.h>

#define RELATIVE "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI"

enum { TIMEOUT_S = 3, ATTEMPTS = 3, SHOWN = 120 };

static bool
is_allowed_host(struct str host)
{
	static const char *const allowed[] = {"localhost", "169.254.170.2", "169.254.170.23"};
	struct in6_addr six, eks, loopback = IN6ADDR_LOOPBACK_INIT;
	struct in_addr four;
	char text[INET6_ADDRSTRLEN];

	if (host.n == 0 || host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (strcasecmp(text, allowed[i]) == 0)
			return true;
	}
	if (inet_pton(AF_INET, text, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	inet_pton(AF_INET6, "fd00:ec2::23", &eks);
	return inet_pton(AF_INET6, text, &six) == 1 &&
	       (memcmp(&six, &eks, sizeof(six)) == 0 || memcmp(&six, &loopback, sizeof(six)) == 0);
}

/* The host of what stands behind "http://", without a port and the brackets of IPv6. Absent: none, or
 * one with a user's name before it, which hides the true host from people. */
static struct str
host_of(struct str rest)
{
	struct str host;
	size_t n = 0;

	while (n < rest.n && !strchr("/?#\\", rest.p[n]))
		n++;
	host = (struct str){rest.p, n};
	if (memchr(host.p, '@', host.n))
		return (struct str){0};
	if (host.n && host.p[0] == '[') {
		const char *end = memchr(host.p, ']', host.n);

		return end ? (struct str){host.p + 1, (size_t)(end - host.p) - 1} : (struct str){0};
	}
	return str_cut(&host, ':');
}

static int
check_url(struct str url, struct error *err)
{
	struct str rest = url;

	if (!credentials_is_word(url, 2048))
		return credentials_wrong(err, FULL " has blanks or control characters in it");
	if (str_starts(url, STR("https://")))
		return 0;
	if (!str_starts(url, STR("http://")))
		return credentials_wrong(err, FULL "=%.*s is neither http:// nor https://",
			url.n < SHOWN ? (int)url.n : SHOWN, url.p);
	if (is_allowed_host(host_of(str_from_index(rest, 7))))
		return 0;
	return credentials_wrong(err,
		FULL "=%.*s: the token would go to another host in the clear; only https, "
		     "loopback, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23] are asked",
		url.n < SHOWN ? (int)url.n : SHOWN, url.p);
}

static int
find_url(struct looking *l, struct str *url, struct error *err)
{
	struct str relative = shared_config_env(l->config, RELATIVE);
	struct str full = shared_config_env(l->config, FULL);

	if (!relative.p && !full.p) {
		looking_note(l, "container: neither " RELATIVE " nor _FULL_URI is set");
		return 0;
	}
	if (!relative.p) {
		*url = full;
		return check_url(full, err) < 0 ? ERR_INPUT : 1;
	}
	if (relative.p[0] != '/' || !credentials_is_word(relative, 2048))
		return credentials_wrong(err, RELATIVE " is no path that begins with /");
	*url = arena_printf(&l->arena, "http://169.254.170.2%.*s", STR_ARG(relative));
	return 1;
}

/* The file anew each time: it changes. */
static int
find_token(struct looking *l, struct str *token, struct error *err)
{
	struct str file = shared_config_env(l->config, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *name = "AWS_CONTAINER_AUTHORIZATION_TOKEN";

	*token = shared_config_env(l->config, name);
	if (file.p) {
		name = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
		if (credentials_read_file(&l->arena, token, file.p, err) < 0) {
			error_wrap(err, "%s", name);
			return credentials_wrong(err, "%s", err ? err->message : "");
		}
		if (token->n == 0)
			return credentials_wrong(err, "%s: %s is empty", name, file.p);
	}
	for (size_t i = 0; i < token->n; i++) {
		if (token->p[i] < ' ' || token->p[i] > '~')
			return credentials_wrong(err,
				"%s: the token has a line break or another control character in "
				"it, which would forge headers",
				name);
	}
	return 0;
}

static struct str
error_words(struct looking *l, struct str answer)
{
	struct str code = answer_member(&l->arena, answer, "code");
	struct str message = answer_member(&l->arena, answer, "message");

	return arena_printf(
		&l->arena, "%.*s%s%.*s", STR_ARG(code), code.n ? " " : "", STR_ARG(message));
}

int
credentials_from_container(
	struct looking *l, struct str profile, struct credentials *out, struct error *err)
{
	const char *headers[3] = {"Accept: application/json"};
	struct ask ask = {.method = "GET",
		.headers = headers,
		.timeout_ns = TIMEOUT_S * NS_PER_S,
		.attempts = ATTEMPTS};
	struct str url = {0}, token, answer;
	int status, rc = find_url(l, &url, err);

	(void)profile;
	if (rc <= 0)
		return rc;
	rc = find_token(l, &token, err);
	if (rc < 0)
		return rc;
	if (token.n)
		headers[1] = arena_printf(&l->arena, "Authorization: %.*s", STR_ARG(token)).p;
	ask.url = url.p;
	ask.direct = str_starts(url, STR("http://"));
	if (credentials_ask(l, &ask, &status, &answer, err) < 0)
		return error_wrap(err, "container");
	if (status != 200)
		return credentials_refused(status, error_words(l, answer),
			arena_printf(&l->arena, "container %.100s", url.p).p, err);
	rc = answer_read_json(&l->arena, out, answer, &answer_of_container, "container", err);
	out->from = STR("container");
	return rc < 0 ? rc : 1;
}
