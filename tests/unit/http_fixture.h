/* http_fixture: an HTTP server on the loopback, in this process, that answers as scripted: one step a
 * request, in the order in which they come, on however many connections. Keeps what was asked. */
#ifndef FURROW_TESTS_HTTP_FIXTURE_H
#define FURROW_TESTS_HTTP_FIXTURE_H

#include "planner/base/arena.h"
#include "planner/base/buf.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { HTTP_STEPS = 64, HTTP_CONNECTIONS = 64 };

struct http_step {
	const char *
		answer; /* all of it, status line and headers too; NULL: no answer, the connection is closed */
	size_t bytes;	  /* of it; 0: strlen */
	const char *body; /* behind it, with its Content-Length; NULL: answer has all */
	int delay_ms;	  /* before it */
	size_t piece;	  /* bytes at a time, with piece_ms between them; 0: at once */
	int piece_ms;
	bool close; /* the connection, behind it */
	bool hang;  /* says nothing more, until the client goes */
	bool early; /* answers before the body was read, and closes */
};

struct http_server {
	int fd, port;
	struct http_step steps[HTTP_STEPS];
	pthread_t thread;
	pthread_mutex_t lock; /* over all below */
	size_t next, n_connections;
	int peers[HTTP_CONNECTIONS];
	pthread_t threads[HTTP_CONNECTIONS];
	struct {
		char *p; /* whole requests, NUL-terminated */
		size_t n;
		size_t connection;
	} asked[HTTP_STEPS];
	size_t n_asked;
};

struct http_peer {
	struct http_server *server;
	int fd;
	size_t connection;
};

static inline void
sleep_ms(int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

static inline int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline bool
send_all(int fd, const char *p, size_t n, size_t piece, int piece_ms)
{
	while (n > 0) {
		size_t some = piece && piece < n ? piece : n;
		ssize_t sent = send(fd, p, some, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
		if (piece_ms && n > 0)
			sleep_ms(piece_ms);
	}
	return true;
}

static inline bool
receive_some(int fd, struct buf *b)
{
	ssize_t n = recv(fd, buf_reserve(b, 65536), 65536, 0);

	if (n > 0)
		b->n += (size_t)n;
	return n > 0;
}

static inline size_t
content_length(const char *head)
{
	for (const char *p = head; (p = strstr(p, "\r\n")); p += 2) {
		if (strncasecmp(p + 2, "Content-Length:", 15) == 0)
			return strtoul(p + 17, NULL, 10);
	}
	return 0;
}

/* Reads the headers of a request; false when the client has gone. */
static inline bool
receive_head(int fd, struct buf *b)
{
	while (!strstr(buf_cstr(b), "\r\n\r\n")) {
		if (!receive_some(fd, b))
			return false;
	}
	return true;
}

static inline bool
receive_body(int fd, struct buf *b)
{
	const char *head = buf_cstr(b);
	size_t whole = (size_t)(strstr(head, "\r\n\r\n") + 4 - head) + content_length(head);

	if (strstr(head, "Expect: 100-continue"))
		send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, 0, 0);
	while (b->n < whole) {
		if (!receive_some(fd, b))
			return false;
	}
	return true;
}

/* For who is asked by another process: nothing else orders what the test writes before that. */
static inline void
http_set_step(struct http_server *s, size_t i, struct http_step step)
{
	pthread_mutex_lock(&s->lock);
	s->steps[i] = step;
	pthread_mutex_unlock(&s->lock);
}

static inline struct http_step
next_step(struct http_server *s)
{
	static const struct http_step none = {
		.answer = "HTTP/1.1 599 No step left\r\nContent-Length: 0\r\n\r\n"};
	struct http_step step;

	pthread_mutex_lock(&s->lock);
	step = s->next < HTTP_STEPS ? s->steps[s->next] : none;
	if (!step.answer && !step.close && !step.hang && !step.early)
		step = none;
	else
		s->next++;
	pthread_mutex_unlock(&s->lock);
	return step;
}

static inline void
keep_request(struct http_server *s, const struct buf *b, size_t connection)
{
	pthread_mutex_lock(&s->lock);
	if (s->n_asked < HTTP_STEPS) {
		char *p = mem_alloc(b->n + 1);

		memcpy(p, b->p, b->n);
		p[b->n] = '\0';
		s->asked[s->n_asked].p = p;
		s->asked[s->n_asked].n = b->n;
		s->asked[s->n_asked++].connection = connection;
	}
	pthread_mutex_unlock(&s->lock);
}

/* false: the connection is over. */
static inline bool
answer_step(int fd, const struct http_step *step)
{
	size_t n = step->bytes ? step->bytes : step->answer ? strlen(step->answer) : 0;
	bool alive = true;
	char length[64];

	if (step->delay_ms)
		sleep_ms(step->delay_ms);
	if (step->answer && step->body) {
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n\r\n", strlen(step->body));
		alive = send_all(fd, step->answer, n, 0, 0) &&
			send_all(fd, length, strlen(length), 0, 0) &&
			send_all(fd, step->body, strlen(step->body), step->piece, step->piece_ms);
	} else if (step->answer) {
		alive = send_all(fd, step->answer, n, step->piece, step->piece_ms);
	}
	if (step->hang) {
		char c;

		while (recv(fd, &c, 1, 0) > 0)
			;
	}
	return alive && !step->close && !step->hang && !step->early && step->answer;
}

static inline void *
serve_peer(void *ctx)
{
	struct http_peer *p = ctx;
	struct buf b = {0};
	bool alive = true;

	while (alive && receive_head(p->fd, &b)) {
		struct http_step step = next_step(p->server);

		if (!step.early && !receive_body(p->fd, &b))
			break;
		keep_request(p->server, &b, p->connection);
		buf_clear(&b);
		alive = answer_step(p->fd, &step);
	}
	shutdown(p->fd, SHUT_WR);
	buf_free(&b);
	free(p);
	return NULL;
}

static inline void *
serve_all(void *ctx)
{
	struct http_server *s = ctx;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		struct http_peer *p;

		pthread_mutex_lock(&s->lock);
		if (s->n_connections == HTTP_CONNECTIONS) {
			pthread_mutex_unlock(&s->lock);
			close(fd);
			continue;
		}
		p = mem_alloc(sizeof(*p));
		*p = (struct http_peer){s, fd, s->n_connections};
		s->peers[s->n_connections] = fd;
		pthread_create(&s->threads[s->n_connections++], NULL, serve_peer, p);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static inline void
http_server_start(struct http_server *s)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);

	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &n), 0);
	s->port = ntohs(at.sin_port);
	assert_int_equal(listen(s->fd, 64), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve_all, s), 0);
}

static inline void
http_server_stop(struct http_server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	for (size_t i = 0; i < s->n_connections; i++) {
		shutdown(s->peers[i], SHUT_RDWR);
		pthread_join(s->threads[i], NULL);
		close(s->peers[i]);
	}
	for (size_t i = 0; i < s->n_asked; i++)
		free(s->asked[i].p);
	pthread_mutex_destroy(&s->lock);
}

/* The bytes of a request's i-th asking; fails when there were fewer. */
static inline const char *
http_asked(struct http_server *s, size_t i)
{
	const char *p;

	pthread_mutex_lock(&s->lock);
	p = i < s->n_asked ? s->asked[i].p : NULL;
	pthread_mutex_unlock(&s->lock);
	assert_non_null(p);
	return p;
}

static inline size_t
http_n_asked(struct http_server *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->n_asked;
	pthread_mutex_unlock(&s->lock);
	return n;
}

#define assert_has(text, part)                                           \
	do {                                                             \
		const char *has_text = (text), *has_part = (part);       \
		if (!strstr(has_text, has_part))                         \
			fail_msg("'%s' lacks '%s'", has_text, has_part); \
	} while (0)
#define assert_lacks(text, part)                                       \
	do {                                                           \
		const char *has_text = (text), *has_part = (part);     \
		if (strstr(has_text, has_part))                        \
			fail_msg("'%s' has '%s'", has_text, has_part); \
	} while (0)

#define HTTP_OK "HTTP/1.1 200 OK\r\n"

#endif
