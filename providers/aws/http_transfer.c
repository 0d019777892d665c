/* http_transfer: libcurl's callbacks for one request, and the loop that drives it: its own, as
 * curl_easy_perform looks up once a second only. */
#include "providers/aws/http_internal.h"

#include "planner/base/clock.h"
#include "planner/base/digest.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	STOP_TICK_MS = 50,
	TICK_MS = 500,
	BUFFER_BYTES = 128 << 10,
	UNSENT_BYTES = 256 << 10,
	ERROR_BODY_BYTES = 1 << 20 /* of a failure whose success would have gone to a file */
};

int64_t
http_now_ns(void)
{
	const struct clock *c = clock_system();

	return c->now_ns(c->ctx);
}

static size_t
break_off(struct http_transfer *t, enum http_broken why, int os_errno)
{
	t->broken = why;
	t->os_errno = os_errno;
	return 0;
}

static bool
is_2xx(const struct http_reply *r)
{
	return r->status >= 200 && r->status < 300;
}

static struct str
lower(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		p[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
	return (struct str){p, s.n};
}

/* "HTTP/1.1 200 OK": an answer begins, perhaps behind an interim one (100 Continue). */
static void
begin_answer(struct http_transfer *t, struct str line)
{
	int64_t status = 0;

	str_cut(&line, ' ');
	line = line.p ? str_trim(line) : line;
	str_to_i64(str_cut(&line, ' '), &status);
	t->reply->status = status >= 100 && status <= 999 ? (int)status : 0;
	t->reply->headers.n = 0;
	t->promised_bytes = -1;
	t->headers_ended = false;
}

static size_t
take_header(char *bytes, size_t size, size_t n, void *ctx)
{
	struct http_transfer *t = ctx;
	struct str value = {bytes, size * n}, name;

	t->moved_ns = http_now_ns();
	if (str_starts(value, STR("HTTP/"))) {
		begin_answer(t, value);
		return size * n;
	}
	name = str_cut(&value, ':');
	t->headers_ended |= str_trim(name).n == 0;
	if (!value.p)
		return size * n;
	t->header_bytes += size * n;
	if (t->reply->headers.n == HTTP_HEADERS_MAX || t->header_bytes > HTTP_HEADERS_MAX_BYTES)
		return break_off(t, HTTP_MANY_HEADERS, 0);
	name = lower(t->arena, str_trim(name));
	value = arena_str(t->arena, str_trim(value));
	if (str_is(name, "content-length") &&
		(!str_to_i64(value, &t->promised_bytes) || t->promised_bytes < 0))
		return break_off(t, HTTP_BAD_LENGTH, 0);
	t->headers[t->reply->headers.n++] = (struct pair){name, value};
	return size * n;
}

static size_t
to_file(struct http_transfer *t, const char *bytes, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t wrote = pwrite(t->ask->out_fd, bytes + done, n - done,
			(off_t)(t->ask->out_offset + t->reply->body_bytes));

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return break_off(t, HTTP_WRITE_FAILED, wrote < 0 ? errno : EIO);
		done += (size_t)wrote;
		t->reply->body_bytes += wrote;
	}
	if (t->ask->out_hasher)
		hasher_add(t->ask->out_hasher, bytes, n);
	return n;
}

size_t
http_max_bytes(const struct http_ask *ask)
{
	return ask->out_fd > 0 ? ERROR_BODY_BYTES : ask->max_bytes;
}

static size_t
to_memory(struct http_transfer *t, const char *bytes, size_t n)
{
	size_t max = http_max_bytes(t->ask);
	size_t have = (size_t)t->reply->body_bytes;

	if (n > max || have > max - n ||
		(t->promised_bytes > 0 && (uint64_t)t->promised_bytes > max))
		return break_off(t, HTTP_TOO_LONG, 0);
	if (!t->whole && have == 0 && t->promised_bytes > 0)
		t->whole = arena_alloc(t->arena, (size_t)t->promised_bytes + 1);
	if (t->whole && have + n > (size_t)t->promised_bytes)
		return break_off(t, HTTP_TOO_LONG, 0);
	if (t->whole)
		memcpy(t->whole + have, bytes, n);
	else
		buf_add(&t->body, bytes, n);
	t->reply->body_bytes += (int64_t)n;
	return n;
}

static size_t
take_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct http_transfer *t = ctx;

	t->moved_ns = http_now_ns();
	return t->ask->out_fd > 0 && is_2xx(t->reply) ? to_file(t, bytes, size * n)
						      : to_memory(t, bytes, size * n);
}

static int64_t
bytes_to_send(const struct http_ask *ask)
{
	if (ask->body.p)
		return (int64_t)ask->body.n;
	return ask->from_bytes;
}

static size_t
give_body(char *to, size_t size, size_t n, void *ctx)
{
	struct http_transfer *t = ctx;
	size_t left = (size_t)(bytes_to_send(t->ask) - t->sent_bytes);
	size_t want = size * n < left ? size * n : left;
	ssize_t got;

	t->moved_ns = http_now_ns();
	if (want == 0)
		return 0;
	if (t->ask->body.p) {
		memcpy(to, t->ask->body.p + t->sent_bytes, want);
		got = (ssize_t)want;
	} else {
		do
			got = pread(t->ask->from_fd, to, want,
				(off_t)(t->ask->from_offset + t->sent_bytes));
		while (got < 0 && errno == EINTR);
	}
	if (got <= 0) {
		break_off(t, HTTP_READ_FAILED, got < 0 ? errno : 0);
		return CURL_READFUNC_ABORT;
	}
	t->sent_bytes += got;
	return (size_t)got;
}

static int
go_back(void *ctx, curl_off_t offset, int origin)
{
	struct http_transfer *t = ctx;

	if (origin != SEEK_SET || offset < 0 || offset > bytes_to_send(t->ask))
		return CURL_SEEKFUNC_CANTSEEK;
	t->sent_bytes = offset;
	return CURL_SEEKFUNC_OK;
}

/* So that little of what counts as moved still waits in the kernel. */
static int
set_socket(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	int unsent = UNSENT_BYTES;

	(void)ctx, (void)purpose;
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	return CURL_SOCKOPT_OK;
}

static int
count_send(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
	struct http_transfer *t = ctx;

	(void)ip, (void)local_ip, (void)port, (void)local_port;
	t->reply->sends++;
	return CURL_PREREQFUNC_OK;
}

static void
set_body(struct http_transfer *t, CURL *easy)
{
	const struct libcurl *lib = t->lib;
	int64_t bytes = bytes_to_send(t->ask);

	if (bytes < 0) {
		if (strcmp(t->ask->method, "HEAD") == 0)
			lib->curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		else
			lib->curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, t->ask->method);
		return;
	}
	lib->curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	lib->curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, t->ask->method);
	lib->curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)bytes);
	lib->curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_BYTES);
	lib->curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
	lib->curl_easy_setopt(easy, CURLOPT_READDATA, t);
	lib->curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, go_back);
	lib->curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
}

void
http_transfer_set(struct http_transfer *t, CURL *easy, struct curl_slist *headers)
{
	const struct libcurl *lib = t->lib;

	lib->curl_easy_setopt(easy, CURLOPT_URL, t->ask->url);
	lib->curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	lib->curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	lib->curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	lib->curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	lib->curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	lib->curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	lib->curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	lib->curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_socket);
	lib->curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, count_send);
	lib->curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
	lib->curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, t->ask->once ? 1L : 0L);
	lib->curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	lib->curl_easy_setopt(easy, CURLOPT_USERAGENT, "furrow/" FURROW_VERSION);
	lib->curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	lib->curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->words);
	lib->curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
	lib->curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	lib->curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	lib->curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	lib->curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	set_body(t, easy);
}

/* How long to sleep at most; 0: it is to end now, see t->broken. */
static int
next_tick_ms(struct http_transfer *t, int64_t stall_timeout_ns)
{
	const struct http_ask *ask = t->ask;
	int64_t now = http_now_ns(), left = stall_timeout_ns - (now - t->moved_ns);
	int64_t tick = (ask->stop ? STOP_TICK_MS : TICK_MS) * NS_PER_MS;

	if (ask->stop && atomic_load(ask->stop)) {
		t->broken = HTTP_STOPPED;
	} else if (left <= 0) {
		t->broken = HTTP_STALLED;
	} else if (ask->timeout_ns > 0 && now - t->began_ns >= ask->timeout_ns) {
		t->broken = HTTP_TOO_LATE;
	} else {
		if (ask->timeout_ns > 0 && ask->timeout_ns - (now - t->began_ns) < left)
			left = ask->timeout_ns - (now - t->began_ns);
		return (int)((left < tick ? left : tick) / NS_PER_MS) + 1;
	}
	return 0;
}

static CURLcode
result_of(const struct libcurl *lib, CURLM *multi)
{
	CURLcode result = CURLE_OK;
	CURLMsg *message;
	int left;

	while ((message = lib->curl_multi_info_read(multi, &left))) {
		if (message->msg == CURLMSG_DONE)
			result = message->data.result;
	}
	return result;
}

CURLcode
http_transfer_run(struct http_transfer *t, const struct http_slot *slot, int64_t stall_timeout_ns)
{
	const struct libcurl *lib = t->lib;
	CURLcode result = CURLE_OK;
	int running = 1, tick_ms;

	t->began_ns = t->moved_ns = http_now_ns();
	if (lib->curl_multi_add_handle(slot->multi, slot->easy) != CURLM_OK)
		return CURLE_OUT_OF_MEMORY;
	while (result == CURLE_OK) {
		if (lib->curl_multi_perform(slot->multi, &running) != CURLM_OK)
			result = CURLE_OUT_OF_MEMORY;
		else if (!running)
			break;
		else if ((tick_ms = next_tick_ms(t, stall_timeout_ns)) == 0)
			result = CURLE_ABORTED_BY_CALLBACK;
		else
			lib->curl_multi_poll(slot->multi, NULL, 0, tick_ms, NULL);
	}
	if (result == CURLE_OK)
		result = result_of(lib, slot->multi);
	lib->curl_multi_remove_handle(slot->multi, slot->easy);
	return result;
}

void
http_transfer_take(struct http_transfer *t)
{
	struct http_reply *r = t->reply;
	struct pair *v = ARENA_ARRAY(t->arena, struct pair, r->headers.n);

	memcpy(v, t->headers, r->headers.n * sizeof(*v));
	r->headers.v = v;
	if (t->whole)
		r->body = (struct str){t->whole, (size_t)r->body_bytes};
	else
		r->body = arena_str(t->arena, t->body.n ? buf_str(&t->body) : STR(""));
}
