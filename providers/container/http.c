/* http: one request to a registry or to who gives out its tokens, through libcurl. */
#include "providers/container/internal.h"
#include "providers/curl/lib.h"

#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { BODY_BYTES = 4 << 20, CONNECT_MS = 10000, WHOLE_MS = 30000, REDIRECTS = 5 };

struct receiving {
	struct arena *arena;
	struct http_answer *answer;
	struct buf body;
};

static size_t
take_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct receiving *r = ctx;

	if (r->body.n + size * n > BODY_BYTES)
		return 0;
	buf_add(&r->body, bytes, size * n);
	return size * n;
}

static bool
is_header(struct str name, const char *wanted)
{
	return name.n == strlen(wanted) && strncasecmp(name.p, wanted, name.n) == 0;
}

static size_t
take_header(char *bytes, size_t size, size_t n, void *ctx)
{
	struct receiving *r = ctx;
	struct str value = {bytes, size * n}, name = str_cut(&value, ':');

	if (str_starts(name, STR("HTTP/"))) {
		/* Another answer begins, behind a redirect or a proxy's. */
		r->answer->digest = r->answer->challenge = (struct str){0};
		buf_clear(&r->body);
	} else if (is_header(name, "Docker-Content-Digest")) {
		r->answer->digest = arena_str(r->arena, str_trim(value));
	} else if (is_header(name, "WWW-Authenticate") && !r->answer->challenge.p) {
		r->answer->challenge = arena_str(r->arena, str_trim(value));
	}
	return size * n;
}

static struct curl_slist *
request_headers(const struct libcurl *lib, struct arena *a, const struct http_wish *wish)
{
	struct curl_slist *list = NULL;

	if (wish->accept)
		list = lib->curl_slist_append(list, arena_printf(a, "Accept: %s", wish->accept).p);
	if (wish->bearer)
		list = lib->curl_slist_append(
			list, arena_printf(a, "Authorization: Bearer %s", wish->bearer).p);
	return list;
}

/* NULL: none of its own. */
static const char *
authority_of(struct arena *a, const char *registry)
{
	const char *home = getenv("HOME");
	const char *places[] = {
		home ? arena_printf(a, "%s/.config/containers", home).p : "/etc/containers",
		"/etc/containers", "/etc/docker"};

	for (size_t i = 0; registry && i < sizeof(places) / sizeof(places[0]); i++) {
		const char *path = arena_printf(a, "%s/certs.d/%s/ca.crt", places[i], registry).p;

		if (access(path, R_OK) == 0)
			return path;
	}
	return NULL;
}

static void
set_options(const struct libcurl *lib, CURL *c, const struct http_wish *wish,
	struct curl_slist *headers, struct receiving *r)
{
	const char *authority = authority_of(r->arena, wish->registry);

	if (authority)
		lib->curl_easy_setopt(c, CURLOPT_CAINFO, authority);
	lib->curl_easy_setopt(c, CURLOPT_URL, wish->url);
	lib->curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	lib->curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	lib->curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	lib->curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)WHOLE_MS);
	lib->curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	lib->curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS);
	lib->curl_easy_setopt(c, CURLOPT_USERAGENT, "furrow/" FURROW_VERSION);
	lib->curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	lib->curl_easy_setopt(c, CURLOPT_NOBODY, wish->head ? 1L : 0L);
	lib->curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	lib->curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
	lib->curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	lib->curl_easy_setopt(c, CURLOPT_HEADERDATA, r);
	if (wish->user_password) {
		lib->curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		lib->curl_easy_setopt(c, CURLOPT_USERPWD, wish->user_password);
	}
}

int
http_request(
	struct arena *a, const struct http_wish *wish, struct http_answer *out, struct error *err)
{
	struct receiving r = {.arena = a, .answer = out};
	const struct libcurl *lib;
	struct curl_slist *headers;
	CURLcode code;
	CURL *c;
	int rc = libcurl_load(&lib, err);

	if (rc < 0)
		return rc;
	*out = (struct http_answer){0};
	c = lib->curl_easy_init();
	if (!c)
		return error_set(err, ERR_HOST, "begin a request to %s: out of memory", wish->url);
	headers = request_headers(lib, a, wish);
	set_options(lib, c, wish, headers, &r);
	code = lib->curl_easy_perform(c);
	if (code != CURLE_OK) {
		rc = error_set(err, ERR_HOST, "%s: %s", wish->url, lib->curl_easy_strerror(code));
		if (err)
			err->class = CLASS_TRANSIENT;
	} else {
		lib->curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &out->status);
		out->body = arena_str(a, buf_str(&r.body));
	}
	lib->curl_slist_free_all(headers);
	lib->curl_easy_cleanup(c);
	buf_free(&r.body);
	return rc;
}
