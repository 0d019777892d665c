/* http_internal: between http.c (the pool, what failures mean) and http_transfer.c (one transfer). */
#ifndef FURROW_AWS_HTTP_INTERNAL_H
#define FURROW_AWS_HTTP_INTERNAL_H

#include "planner/base/buf.h"
#include "providers/aws/http.h"
#include "providers/curl/lib.h"

enum { HTTP_HEADERS_MAX = 256, HTTP_HEADERS_MAX_BYTES = 256 << 10 };

/* What a thread needs for a request. Connections live in the multi handle, from one request to the
 * next. */
struct http_slot {
	CURLM *multi;
	CURL *easy;
	struct http_slot *next; /* in the pool */
};

/* Why a transfer was broken off by furrow. */
enum http_broken {
	HTTP_NOT_BROKEN,
	HTTP_STOPPED,
	HTTP_STALLED,
	HTTP_TOO_LATE,
	HTTP_TOO_LONG,	   /* a body beyond max_bytes */
	HTTP_MANY_HEADERS, /* beyond the limits above */
	HTTP_BAD_LENGTH,   /* Content-Length is no number of bytes */
	HTTP_READ_FAILED,  /* the file to send, see os_errno; 0: it is shorter than it was said */
	HTTP_WRITE_FAILED  /* the file to fill, see os_errno */
};

struct http_transfer {
	const struct libcurl *lib;
	const struct http_ask *ask;
	struct http_reply *reply;
	struct arena *arena;
	int64_t began_ns, moved_ns; /* moved: when a byte last went either way */
	int64_t sent_bytes;	    /* of the body */
	int64_t promised_bytes;	    /* Content-Length; < 0: none */
	size_t header_bytes;
	bool headers_ended; /* libcurl takes a connection's end among them for theirs */
	struct pair headers[HTTP_HEADERS_MAX];
	char *whole;	 /* promised_bytes of the arena, when they are promised */
	struct buf body; /* otherwise */
	enum http_broken broken;
	int os_errno;
	char words[CURL_ERROR_SIZE]; /* libcurl's own */
};

int64_t http_now_ns(void);
/* Of a body in memory. */
size_t http_max_bytes(const struct http_ask *ask);
/* Sets callbacks and what goes out; headers must outlive the transfer. */
void http_transfer_set(struct http_transfer *t, CURL *easy, struct curl_slist *headers);
/* Runs it to its end. */
CURLcode http_transfer_run(
	struct http_transfer *t, const struct http_slot *slot, int64_t stall_timeout_ns);
/* Moves what came into the reply. */
void http_transfer_take(struct http_transfer *t);

#endif
