/* http: one request over HTTP/1.1 and its whole answer, by libcurl, on connections that are kept and
 * used again. Follows no redirect, adds no signature, tries nothing again. Any thread.
 *
 * Proxies are taken from the environment as libcurl does (https_proxy, no_proxy). */
#ifndef FURROW_AWS_HTTP_H
#define FURROW_AWS_HTTP_H

#include "planner/base/arena.h"
#include "planner/base/error.h"
#include "planner/manifest.h"

#include <stdatomic.h>

struct hasher;
struct http;

struct http_options {
	struct str ca_bundle;	    /* a file of certificates; absent: the machine's */
	int64_t connect_timeout_ns; /* name, TCP and TLS; 0: 5 s */
	int64_t stall_timeout_ns;   /* without a byte either way; 0: 30 s */
	bool direct; /* no proxy: for places on this host and link, which no proxy is to hear of */
};

int http_open(struct http **out, const struct http_options *options, struct error *err);
/* No request may be under way. */
void http_close(struct http *h);

struct http_ask {
	const char *method;
	const char *url;		 /* sent as it is: no dot segments are taken out */
	const struct pairs *headers;	 /* NULL: none. Beside Host and Content-Length */
	struct str body;		 /* absent: none, or from_fd's */
	int from_fd;			 /* with from_bytes >= 0: read with pread */
	int64_t from_offset, from_bytes; /* from_bytes < 0: no file */
	int out_fd; /* > 0: the body of a 2xx goes there, by pwrite from out_offset on */
	int64_t out_offset;
	struct hasher *out_hasher; /* NULL, or: begun anew, and given what went there */
	size_t max_bytes;	   /* of a body in memory */
	/* On a connection of its own: libcurl sends a request anew by itself when a kept connection
	 * turns out to be dead, and then cannot know whether the first one had arrived. */
	bool once;
	int64_t timeout_ns;	 /* of the whole; 0: none */
	const atomic_bool *stop; /* NULL, or: ERR_CANCELLED within 100 ms after it became true */
};

struct http_reply {
	int status;
	struct pairs headers; /* names in lower case, values trimmed */
	struct str body;      /* NUL-terminated; "" when it went to out_fd */
	int64_t body_bytes;
	bool sent;	/* also on failure: the server may have got (some of) the request */
	uint32_t sends; /* how often it was begun to be sent: more than once see `once` */
};

/* 0 for an answer of any status. ERR_HOST: none came, or it was cut off (CLASS_TRANSIENT); the
 * server's certificate is not trusted, or the body is longer than max_bytes, or the file can't be
 * read or written (CLASS_FATAL). ERR_INTERNAL: a header that cannot be sent. */
int http_send(struct http *h, struct arena *a, const struct http_ask *ask, struct http_reply *out,
	struct error *err);

struct http_counts {
	uint64_t requests, connections;
};
struct http_counts http_counts(const struct http *h);

/* A plain request, as struct credentials_world has it. ctx: a struct http, or NULL. headers:
 * "Name: value", NULL-terminated; may be NULL. */
int http_fetch(void *ctx, struct arena *a, const char *method, const char *url,
	const char *const *headers, struct str body, int64_t timeout_ns, int *status,
	struct str *answer, struct error *err);

#endif
