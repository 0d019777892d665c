/* http_fetch: a plain request, for those who hand out credentials. */
#include "providers/aws/http.h"

enum { MAX_BYTES = 1 << 20 };

static struct pairs
split_headers(struct arena *a, const char *const *lines)
{
	struct pairs out = {0};
	size_t n = 0;

	while (lines && lines[n])
		n++;
	out.v = ARENA_ARRAY(a, struct pair, n);
	for (; out.n < n; out.n++) {
		struct str value = str_from(lines[out.n]), name = str_cut(&value, ':');

		out.v[out.n] = (struct pair){name, value.p ? str_trim(value) : value};
	}
	return out;
}

int
http_fetch(void *ctx, struct arena *a, const char *method, const char *url,
	const char *const *headers, struct str body, int64_t timeout_ns, int *status,
	struct str *answer, struct error *err)
{
	struct pairs pairs = split_headers(a, headers);
	struct http_ask ask = {.method = method,
		.url = url,
		.headers = &pairs,
		.body = body,
		.from_bytes = -1,
		.max_bytes = MAX_BYTES,
		.timeout_ns = timeout_ns};
	struct http *own = NULL, *h = ctx;
	struct http_reply reply;
	int rc = 0;

	if (!h) {
		rc = http_open(&own, &(struct http_options){0}, err);
		h = own;
	}
	if (rc == 0)
		rc = http_send(h, a, &ask, &reply, err);
	if (rc == 0) {
		*status = reply.status;
		*answer = reply.body;
	}
	http_close(own);
	return rc;
}
