/* imds: one small request a connection, with one deadline over all of it. */
#include "cmd/runner/imds.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TOKEN_TTL_S = 21600, REQUEST_BYTES = 1024, UNAUTHORIZED = 401 };

/* Where it is; FURROW_IMDS, "ADDRESS:PORT", is set by tests alone. */
static bool
find_service(struct sockaddr_in *out)
{
	const char *said = getenv("FURROW_IMDS"), *colon = said ? strchr(said, ':') : NULL;
	char address[INET_ADDRSTRLEN] = "169.254.169.254";
	long port = 80;

	if (said && (!colon || colon - said >= INET_ADDRSTRLEN))
		return false;
	if (colon) {
		snprintf(address, sizeof(address), "%.*s", (int)(colon - said), said);
		port = strtol(colon + 1, NULL, 10);
	}
	*out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	return inet_pton(AF_INET, address, &out->sin_addr) == 1;
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool
wait_for(int fd, short events, int64_t until_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left = until_ms - now_ms();

	return left > 0 && poll(&p, 1, (int)left) > 0;
}

static int
dial(int64_t until_ms)
{
	struct sockaddr_in to;
	int fd, why = 0;
	socklen_t n = sizeof(why);

	if (!find_service(&to))
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	if (errno == EINPROGRESS && wait_for(fd, POLLOUT, until_ms) &&
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) == 0 && why == 0)
		return fd;
	close(fd);
	return -1;
}

/* The length of the body that the head of an answer tells; -1: it tells none, or there is no whole head. */
static long long
told_length(const char *bytes, const char **body)
{
	static const char name[] = "\r\nContent-Length:";
	const char *end = strstr(bytes, "\r\n\r\n"), *said = strcasestr(bytes, name);

	*body = end ? end + 4 : NULL;
	if (!end || !said || said > end)
		return -1;
	return strtoll(said + sizeof(name) - 1, NULL, 10);
}

/* Up to the end of the answer; 0: it did not come in time, or is longer than there is room. */
static size_t
receive(int fd, char *to, size_t room, int64_t until_ms)
{
	size_t n = 0;

	while (n < room && wait_for(fd, POLLIN, until_ms)) {
		ssize_t got = recv(fd, to + n, room - n, 0);
		const char *body;
		long long length;

		if (got == 0)
			return n;
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			break;
		n += got > 0 ? (size_t)got : 0;
		to[n] = '\0';
		length = told_length(to, &body);
		if (length >= 0 && to + n - body >= length)
			return n;
	}
	return 0;
}

/* What is longer than its head says, or was cut short, is no answer. */
static void
read_answer(struct imds_answer *a, size_t n)
{
	long long length;

	a->bytes[n] = '\0';
	length = told_length(a->bytes, &a->body);
	if (strncmp(a->bytes, "HTTP/1.", 7) != 0 || n < 12 || a->bytes[8] != ' ' || !a->body ||
		strlen(a->bytes) != n)
		return;
	a->n = n - (size_t)(a->body - a->bytes);
	if (length < 0 || length == (long long)a->n)
		a->status = (int)strtol(a->bytes + 9, NULL, 10);
}

static void
ask(const char *method, const char *path, const char *header, const char *value,
	struct imds_answer *out)
{
	int64_t until_ms = now_ms() + IMDS_ASK_MS;
	char request[REQUEST_BYTES];
	int fd, n;

	out->status = 0;
	out->n = 0;
	out->body = out->bytes;
	out->bytes[0] = '\0';
	n = snprintf(request, sizeof(request),
		"%s /latest/%s HTTP/1.1\r\nHost: 169.254.169.254\r\n%s: %s\r\n"
		"Content-Length: 0\r\nConnection: close\r\n\r\n",
		method, path, header, value);
	if (n < 0 || (size_t)n >= sizeof(request))
		return;
	fd = dial(until_ms);
	if (fd < 0)
		return;
	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) == n)
		read_answer(out, receive(fd, out->bytes, IMDS_BYTES, until_ms));
	close(fd);
}

/* It becomes a header's value. */
static bool
take_token(struct imds *m, const struct imds_answer *a)
{
	m->token[0] = '\0';
	if (a->status != 200 || a->n == 0 || a->n >= sizeof(m->token))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->body[i] <= ' ' || a->body[i] > '~')
			return false;
	}
	memcpy(m->token, a->body, a->n + 1);
	return true;
}

void
imds_get(struct imds *m, const char *path, struct imds_answer *out)
{
	char full[256], ttl[16];

	snprintf(full, sizeof(full), "meta-data/%s", path);
	snprintf(ttl, sizeof(ttl), "%d", TOKEN_TTL_S);
	for (int i = 0; i < 2; i++) {
		if (!m->token[0]) {
			ask("PUT", "api/token", "X-aws-ec2-metadata-token-ttl-seconds", ttl, out);
			if (!take_token(m, out)) {
				out->status = out->status == 200 ? 0 : out->status;
				return;
			}
		}
		ask("GET", full, "X-aws-ec2-metadata-token", m->token, out);
		if (out->status != UNAUTHORIZED)
			return;
		m->token[0] = '\0';
	}
}
