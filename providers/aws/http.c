/* http: the pool of handles, and what a failed transfer means. The handle that was given back last is
 * taken first: its connection is the likeliest to live. */
#include "providers/aws/http.h"

#include "planner/base/clock.h"
#include "planner/base/digest.h"
#include "providers/aws/http_internal.h"

#include <pthread.h>
#include <stdlib.h>

enum { CONNECT_TIMEOUT_S = 5, STALL_TIMEOUT_S = 30, EXPECT_BYTES = 1 << 20 };

struct http {
	const struct libcurl *lib;
	char *ca_bundle; /* NULL: libcurl's own */
	bool direct;
	int64_t connect_timeout_ns, stall_timeout_ns;
	pthread_mutex_t lock;
	struct http_slot *idle; /* under the lock */
	CURLSH *share;		/* names and TLS sessions, for all handles */
	pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];
	_Atomic uint64_t requests, connections;
};

static void
lock_share(CURL *easy, curl_lock_data data, curl_lock_access access, void *ctx)
{
	struct http *h = ctx;

	(void)easy, (void)access;
	pthread_mutex_lock(&h->share_locks[data]);
}

static void
unlock_share(CURL *easy, curl_lock_data data, void *ctx)
{
	struct http *h = ctx;

	(void)easy;
	pthread_mutex_unlock(&h->share_locks[data]);
}

static void
open_share(struct http *h)
{
	const struct libcurl *lib = h->lib;

	for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_init(&h->share_locks[i], NULL);
	h->share = lib->curl_share_init();
	if (!h->share)
		return;
	lib->curl_share_setopt(h->share, CURLSHOPT_LOCKFUNC, lock_share);
	lib->curl_share_setopt(h->share, CURLSHOPT_UNLOCKFUNC, unlock_share);
	lib->curl_share_setopt(h->share, CURLSHOPT_USERDATA, h);
	lib->curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
	lib->curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

int
http_open(struct http **out, const struct http_options *options, struct error *err)
{
	const struct libcurl *lib;
	struct http *h;
	int rc = libcurl_load(&lib, err);

	if (rc < 0)
		return rc;
	h = mem_alloc(sizeof(*h));
	*h = (struct http){
		.lib = lib,
		.direct = options->direct,
		.connect_timeout_ns = options->connect_timeout_ns ? options->connect_timeout_ns
								  : CONNECT_TIMEOUT_S * NS_PER_S,
		.stall_timeout_ns = options->stall_timeout_ns ? options->stall_timeout_ns
							      : STALL_TIMEOUT_S * NS_PER_S,
	};
	if (options->ca_bundle.p) {
		h->ca_bundle = mem_alloc(options->ca_bundle.n + 1);
		memcpy(h->ca_bundle, options->ca_bundle.p, options->ca_bundle.n);
		h->ca_bundle[options->ca_bundle.n] = '\0';
	}
	pthread_mutex_init(&h->lock, NULL);
	open_share(h);
	*out = h;
	return 0;
}

static void
free_slot(const struct libcurl *lib, struct http_slot *s)
{
	if (s->easy)
		lib->curl_easy_cleanup(s->easy);
	if (s->multi)
		lib->curl_multi_cleanup(s->multi);
	free(s);
}

void
http_close(struct http *h)
{
	if (!h)
		return;
	while (h->idle) {
		struct http_slot *s = h->idle;

		h->idle = s->next;
		free_slot(h->lib, s);
	}
	if (h->share)
		h->lib->curl_share_cleanup(h->share);
	for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_destroy(&h->share_locks[i]);
	pthread_mutex_destroy(&h->lock);
	free(h->ca_bundle);
	free(h);
}

struct http_counts
http_counts(const struct http *h)
{
	return (struct http_counts){atomic_load(&h->requests), atomic_load(&h->connections)};
}

/* NULL: no memory. */
static struct http_slot *
take_slot(struct http *h)
{
	struct http_slot *s;

	pthread_mutex_lock(&h->lock);
	s = h->idle;
	if (s)
		h->idle = s->next;
	pthread_mutex_unlock(&h->lock);
	if (s)
		return s;
	s = mem_alloc(sizeof(*s));
	*s = (struct http_slot){h->lib->curl_multi_init(), h->lib->curl_easy_init(), NULL};
	if (s->multi && s->easy)
		return s;
	free_slot(h->lib, s);
	return NULL;
}

static void
give_slot(struct http *h, struct http_slot *s)
{
	h->lib->curl_easy_reset(s->easy);
	pthread_mutex_lock(&h->lock);
	s->next = h->idle;
	h->idle = s;
	pthread_mutex_unlock(&h->lock);
}

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\t')
			return true;
	}
	return false;
}

static int
make_headers(struct http *h, struct arena *a, const struct http_ask *ask, struct curl_slist **out,
	struct error *err)
{
	size_t n = ask->headers ? ask->headers->n : 0;
	int64_t bytes = ask->body.p ? (int64_t)ask->body.n : ask->from_bytes;

	*out = NULL;
	/* libcurl asks first where a body is long: then S3 may refuse before it is sent. */
	if (bytes <= EXPECT_BYTES)
		*out = h->lib->curl_slist_append(*out, "Expect:");
	for (size_t i = 0; i < n; i++) {
		struct pair p = ask->headers->v[i];
		struct str value = str_trim(p.value);

		if (p.name.n == 0 || has_control(p.name) || has_control(value)) {
			h->lib->curl_slist_free_all(*out);
			return error_set(err, ERR_INTERNAL,
				"%s: a header's name or value has a control character in it: "
				"%.*s",
				ask->method, STR_ARG(p.name));
		}
		/* ';' is libcurl's way of saying that there is no value. */
		*out = h->lib->curl_slist_append(
			*out, arena_printf(a, value.n ? "%.*s: %.*s" : "%.*s;%.*s", STR_ARG(p.name),
				      STR_ARG(value))
				      .p);
	}
	return 0;
}

/* A URL's query may hold a signature. */
static struct str
without_query(const char *url)
{
	return (struct str){url, strcspn(url, "?")};
}

static const char *
what_to_do(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "; check the network and the region's name";
	case CURLE_COULDNT_RESOLVE_PROXY:
		return "; check the environment's https_proxy";
	case CURLE_PEER_FAILED_VERIFICATION:
		return "; where a proxy has certificates of its own, name their file in "
		       "AWS_CA_BUNDLE";
	case CURLE_SSL_CACERT_BADFILE:
		return "; check the file that AWS_CA_BUNDLE names";
	default:
		return "";
	}
}

static enum error_class
class_of(CURLcode code)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_NOT_BUILT_IN:
		return CLASS_FATAL;
	default:
		return CLASS_TRANSIENT;
	}
}

static int
fail_curl(const struct http_transfer *t, CURLcode code, struct error *err)
{
	struct str url = without_query(t->ask->url);
	const char *words = t->words[0] ? t->words : t->lib->curl_easy_strerror(code);

	if (code == CURLE_PARTIAL_FILE)
		error_set(err, ERR_HOST, "%s %.*s: the answer was cut off after %lld bytes of %lld",
			t->ask->method, STR_ARG(url), (long long)t->reply->body_bytes,
			(long long)t->promised_bytes);
	else
		error_set(err, ERR_HOST, "%s %.*s: %s%s", t->ask->method, STR_ARG(url), words,
			what_to_do(code));
	if (err)
		err->class = class_of(code);
	return ERR_HOST;
}

static int
fail_answer(const struct http_transfer *t, const char *why, struct error *err)
{
	struct str url = without_query(t->ask->url);

	error_set(err, ERR_HOST, "%s %.*s: the answer is broken: %s", t->ask->method, STR_ARG(url),
		why);
	if (err)
		err->class = CLASS_TRANSIENT;
	return ERR_HOST;
}

static int
fail_slow(const struct http_transfer *t, struct error *err)
{
	struct str url = without_query(t->ask->url);
	double s =
		(double)(http_now_ns() - (t->broken == HTTP_STALLED ? t->moved_ns : t->began_ns)) /
		(double)NS_PER_S;

	if (t->broken == HTTP_STALLED)
		error_set(err, ERR_HOST, "%s %.*s: not a byte came or went for %.1f s",
			t->ask->method, STR_ARG(url), s);
	else
		error_set(err, ERR_HOST, "%s %.*s: no whole answer within %.1f s", t->ask->method,
			STR_ARG(url), s);
	if (err)
		err->class = CLASS_TRANSIENT;
	return ERR_HOST;
}

static int
fail_broken(const struct http_transfer *t, struct error *err)
{
	struct str url = without_query(t->ask->url);

	switch (t->broken) {
	case HTTP_STOPPED:
		return error_set(
			err, ERR_CANCELLED, "%s %.*s: stopped", t->ask->method, STR_ARG(url));
	case HTTP_TOO_LONG:
		return error_set(err, ERR_HOST, "%s %.*s: the answer is longer than %zu bytes",
			t->ask->method, STR_ARG(url), http_max_bytes(t->ask));
	case HTTP_MANY_HEADERS:
		return error_set(err, ERR_HOST, "%s %.*s: the answer's headers are too many",
			t->ask->method, STR_ARG(url));
	case HTTP_BAD_LENGTH:
		return fail_answer(t, "its Content-Length is no number of bytes", err);
	case HTTP_READ_FAILED:
		if (t->os_errno)
			return error_set_errno(err, ERR_HOST, t->os_errno,
				"%s %.*s: read the file that is to be sent", t->ask->method,
				STR_ARG(url));
		return error_set(err, ERR_HOST,
			"%s %.*s: the file that is to be sent became shorter: it ended after %lld "
			"bytes of %lld; run this again when nothing changes it",
			t->ask->method, STR_ARG(url), (long long)t->sent_bytes,
			(long long)t->ask->from_bytes);
	case HTTP_WRITE_FAILED:
		return error_set_errno(err, ERR_HOST, t->os_errno,
			"%s %.*s: write the answer to its file", t->ask->method, STR_ARG(url));
	default:
		return fail_slow(t, err);
	}
}

static void
set_options(const struct http *h, CURL *easy)
{
	h->lib->curl_easy_setopt(
		easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(h->connect_timeout_ns / NS_PER_MS));
	if (h->ca_bundle)
		h->lib->curl_easy_setopt(easy, CURLOPT_CAINFO, h->ca_bundle);
	if (h->direct)
		h->lib->curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (h->share)
		h->lib->curl_easy_setopt(easy, CURLOPT_SHARE, h->share);
}

static void
count(struct http *h, CURL *easy, struct http_reply *out)
{
	long connects = 0, request_bytes = 0;

	h->lib->curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
	h->lib->curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	out->sent = request_bytes > 0;
	atomic_fetch_add(&h->requests, 1);
	atomic_fetch_add(&h->connections, (uint64_t)(connects > 0 ? connects : 0));
}

int
http_send(struct http *h, struct arena *a, const struct http_ask *ask, struct http_reply *out,
	struct error *err)
{
	struct curl_slist *headers;
	struct http_transfer *t;
	struct http_slot *slot;
	CURLcode code;
	int rc;

	*out = (struct http_reply){.body = STR("")};
	if (ask->out_hasher)
		hasher_end(ask->out_hasher);
	rc = make_headers(h, a, ask, &headers, err);
	if (rc < 0)
		return rc;
	slot = take_slot(h);
	if (!slot) {
		h->lib->curl_slist_free_all(headers);
		return error_set(err, ERR_HOST, "begin a request: out of memory");
	}
	t = mem_alloc(sizeof(*t));
	*t = (struct http_transfer){
		.lib = h->lib, .ask = ask, .reply = out, .arena = a, .promised_bytes = -1};
	http_transfer_set(t, slot->easy, headers);
	set_options(h, slot->easy);
	code = http_transfer_run(t, slot, h->stall_timeout_ns);
	count(h, slot->easy, out);
	http_transfer_take(t);
	if (t->broken != HTTP_NOT_BROKEN)
		rc = fail_broken(t, err);
	else if (code != CURLE_OK)
		rc = fail_curl(t, code, err);
	else if (!t->headers_ended || out->status < 200)
		rc = fail_answer(t, "it ended among its headers", err);
	give_slot(h, slot);
	h->lib->curl_slist_free_all(headers);
	buf_free(&t->body);
	free(t);
	return rc;
}
