/* s3_server PORT_FILE: as much of S3 as clients of it need to put and get objects fast, on loopback, so that `make bench`
 * measures these and not a server in Python: objects and uploads in parts lie in this process's memory, with their
 * x-amz-meta headers and SHA-256 checksums, as S3 keeps them. A thread a connection. It checks no signature and no
 * checksum; ETags are no MD5 sums (as those of encrypted objects are none). Ends when its stdin does. */
#include "planner/base/buf.h"
#include "planner/base/digest.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 32 << 10, PARTS = 10000, KEPT_BYTES = 2048 };

struct piece {
	char *p;
	size_t n;
	char sha256[64]; /* base64, as the client said; "": it didn't */
};

/* An object, or an upload of one in parts. */
struct object {
	char *name; /* BUCKET/KEY */
	struct piece *pieces;
	size_t n_pieces, bytes;
	char etag[40], kept[KEPT_BYTES]; /* kept: header lines that come back with it */
	time_t modified;
	int users; /* the table is one */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	struct object **v;
	size_t n, cap;
} objects, uploads; /* of uploads, etag is the id */
static uint64_t serial;

/* Memory that was used before costs no page faults: what is freed is kept, by its size. */
static struct {
	char *p;
	size_t n;
} spare[PARTS];
static size_t n_spare;

struct request {
	int fd;
	char head[HEAD_BYTES];
	size_t have, head_bytes; /* of head: what was read, and what the request's own is */
	char *method, *path, *query, *headers;
	long long body_bytes;
};

static char *
take_memory(size_t n)
{
	char *p = NULL;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < n_spare && !p; i++) {
		if (spare[i].n == n) {
			p = spare[i].p;
			spare[i] = spare[--n_spare];
		}
	}
	pthread_mutex_unlock(&lock);
	if (!p)
		p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static void
give_memory_locked(char *p, size_t n)
{
	if (n_spare == PARTS) {
		munmap(p, n);
		return;
	}
	spare[n_spare].p = p;
	spare[n_spare++].n = n;
}

static void
release(struct object *o)
{
	if (!o || --o->users > 0)
		return;
	for (size_t i = 0; i < o->n_pieces; i++) {
		if (o->pieces[i].p)
			give_memory_locked(o->pieces[i].p, o->pieces[i].n);
	}
	free(o->pieces);
	free(o->name);
	free(o);
}

static struct object *
new_object(const char *name)
{
	struct object *o = calloc(1, sizeof(*o));

	o->name = strdup(name);
	o->modified = time(NULL);
	o->users = 1;
	snprintf(o->etag, sizeof(o->etag), "%llx-f", (unsigned long long)++serial);
	return o;
}

static size_t
find_object(const char *name)
{
	for (size_t i = 0; i < objects.n; i++) {
		if (strcmp(objects.v[i]->name, name) == 0)
			return i;
	}
	return SIZE_MAX;
}

static void
keep_object(struct object *o)
{
	size_t at = find_object(o->name);

	if (at == SIZE_MAX && objects.n == objects.cap) {
		objects.cap = objects.cap ? 2 * objects.cap : 1024;
		objects.v = realloc(objects.v, objects.cap * sizeof(*objects.v));
	}
	if (at == SIZE_MAX)
		at = objects.n++;
	else
		release(objects.v[at]);
	objects.v[at] = o;
}

/* --- Requests and answers. --- */

static int
read_head(struct request *r)
{
	char *end;

	memmove(r->head, r->head + r->head_bytes, r->have - r->head_bytes);
	r->have -= r->head_bytes;
	r->head_bytes = 0;
	for (;;) {
		ssize_t n;

		r->head[r->have] = '\0';
		end = strstr(r->head, "\r\n\r\n");
		if (end)
			break;
		n = r->have + 1 < sizeof(r->head)
			    ? recv(r->fd, r->head + r->have, sizeof(r->head) - 1 - r->have, 0)
			    : -1;
		if (n <= 0)
			return -1;
		r->have += (size_t)n;
	}
	*end = '\0';
	r->head_bytes = (size_t)(end + 4 - r->head);
	r->method = r->head;
	r->path = strchr(r->head, ' ');
	r->headers = strstr(r->head, "\r\n");
	if (!r->path || !r->headers)
		return -1;
	*r->path++ = '\0';
	*r->headers = '\0';
	r->headers += 2;
	*strchrnul(r->path, ' ') = '\0';
	r->query = strchrnul(r->path, '?');
	if (*r->query)
		*r->query++ = '\0';
	return 0;
}

/* The value of a header; "" when there is none. */
static const char *
header(const struct request *r, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	out[0] = '\0';
	for (const char *line = r->headers; line && *line; line = strstr(line, "\r\n")) {
		line += *line == '\r' ? 2 : 0;
		if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
			line += n + 1;
			line += strspn(line, " ");
			snprintf(out, size, "%.*s", (int)strcspn(line, "\r"), line);
			break;
		}
	}
	return out;
}

static void
decode(char *s)
{
	char *out = s;

	for (; *s; s++) {
		unsigned c;

		if (*s == '%' && sscanf(s + 1, "%2x", &c) == 1) {
			*out++ = (char)c;
			s += 2;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

/* Whether the query has it, and its value. */
static bool
query(const struct request *r, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	out[0] = '\0';
	for (const char *at = r->query; *at; at += *at == '&') {
		size_t m = strcspn(at, "&");

		if (strncmp(at, name, n) == 0 && (m == n || at[n] == '=')) {
			snprintf(out, size, "%.*s", (int)(m > n ? m - n - 1 : 0), at + n + (m > n));
			decode(out);
			return true;
		}
		at += m;
	}
	return false;
}

static int
send_all(int fd, const char *p, size_t n, int flags)
{
	while (n) {
		ssize_t sent = send(fd, p, n, flags | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -1;
		p += sent;
		n -= (size_t)sent;
	}
	return 0;
}

static int
answer(struct request *r, int status, const char *headers, const char *body)
{
	struct buf b = {0};
	int rc;

	buf_addf(&b, "HTTP/1.1 %d %s\r\n%sContent-Length: %zu\r\n\r\n", status,
		status < 300 ? "OK" : "No", headers, strlen(body));
	if (strcmp(r->method, "HEAD") != 0)
		buf_add_cstr(&b, body);
	rc = send_all(r->fd, b.p, b.n, 0);
	buf_free(&b);
	return rc;
}

static int
no_such(struct request *r, const char *code)
{
	char body[128];

	snprintf(body, sizeof(body), "<Error><Code>%s</Code><Message>none</Message></Error>", code);
	return answer(r, 404, "Content-Type: application/xml\r\n", body);
}

/* Reads the body into memory of its own; p NULL when it is empty. */
static int
read_body(struct request *r, struct piece *out)
{
	char text[64];
	size_t had = r->have - r->head_bytes, at;

	*out = (struct piece){.n = (size_t)r->body_bytes};
	header(r, "x-amz-checksum-sha256", out->sha256, sizeof(out->sha256));
	if (r->body_bytes == 0)
		return 0;
	if (strcasecmp(header(r, "expect", text, sizeof(text)), "100-continue") == 0 && had == 0 &&
		send_all(r->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, 0) < 0)
		return -1;
	out->p = take_memory(out->n);
	if (!out->p)
		return -1;
	had = had < out->n ? had : out->n;
	memcpy(out->p, r->head + r->head_bytes, had);
	r->head_bytes += had;
	for (at = had; at < out->n;) {
		ssize_t n = recv(r->fd, out->p + at, out->n - at, 0);

		if (n <= 0) {
			munmap(out->p, out->n);
			return -1;
		}
		at += (size_t)n;
	}
	return 0;
}

/* The request's headers that belong to the object. */
static void
keep_headers(const struct request *r, struct object *o)
{
	size_t at = 0;

	for (const char *line = r->headers; line && *line; line = strstr(line, "\r\n")) {
		size_t n;

		line += *line == '\r' ? 2 : 0;
		n = strcspn(line, "\r");
		if ((strncasecmp(line, "x-amz-meta-", 11) == 0 ||
			    strncasecmp(line, "x-amz-checksum-sha256:", 22) == 0 ||
			    strncasecmp(line, "content-type:", 13) == 0) &&
			at + n + 3 < sizeof(o->kept))
			at += (size_t)snprintf(
				o->kept + at, sizeof(o->kept) - at, "%.*s\r\n", (int)n, line);
	}
}

static void
time_text(char *out, size_t size, time_t t, const char *format)
{
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, size, format, &tm);
}

/* --- What is asked. --- */

static int
put_object(struct request *r)
{
	struct object *o;
	struct piece piece;
	char headers[128];

	if (read_body(r, &piece) < 0)
		return -1;
	pthread_mutex_lock(&lock);
	o = new_object(r->path);
	o->pieces = malloc(sizeof(piece));
	o->pieces[o->n_pieces++] = piece;
	o->bytes = piece.n;
	keep_headers(r, o);
	snprintf(headers, sizeof(headers), "ETag: \"%s\"\r\n", o->etag);
	keep_object(o);
	pthread_mutex_unlock(&lock);
	return answer(r, 200, headers, "");
}

static int
begin_upload(struct request *r)
{
	struct object *o;
	struct piece body;
	char text[1024];

	if (read_body(r, &body) < 0)
		return -1;
	pthread_mutex_lock(&lock);
	o = new_object(r->path);
	o->pieces = calloc(PARTS, sizeof(*o->pieces));
	o->n_pieces = PARTS;
	keep_headers(r, o);
	if (uploads.n == uploads.cap) {
		uploads.cap = uploads.cap ? 2 * uploads.cap : 16;
		uploads.v = realloc(uploads.v, uploads.cap * sizeof(*uploads.v));
	}
	uploads.v[uploads.n++] = o;
	snprintf(text, sizeof(text),
		"<InitiateMultipartUploadResult><UploadId>%s</UploadId></"
		"InitiateMultipartUploadResult>",
		o->etag);
	pthread_mutex_unlock(&lock);
	return answer(r, 200, "Content-Type: application/xml\r\n", text);
}

static size_t
find_upload(const char *id)
{
	for (size_t i = 0; i < uploads.n; i++) {
		if (strcmp(uploads.v[i]->etag, id) == 0)
			return i;
	}
	return SIZE_MAX;
}

static int
put_part(struct request *r, const char *id, const char *number)
{
	long n = strtol(number, NULL, 10);
	struct piece piece;
	char headers[128];
	size_t at;

	if (n < 1 || n > PARTS || read_body(r, &piece) < 0)
		return -1;
	pthread_mutex_lock(&lock);
	at = find_upload(id);
	if (at != SIZE_MAX)
		uploads.v[at]->pieces[n - 1] = piece;
	pthread_mutex_unlock(&lock);
	if (at == SIZE_MAX)
		return no_such(r, "NoSuchUpload");
	snprintf(headers, sizeof(headers), "ETag: \"%ld-p\"\r\n", n);
	return answer(r, 200, headers, "");
}

/* S3's checksum of an object in parts: of its parts' checksums, when all have one. */
static void
add_checksum(struct object *o)
{
	struct hasher *h = hasher_new();
	char text[64];
	bool all = o->n_pieces > 0;
	struct digest d;

	for (size_t i = 0; i < o->n_pieces; i++) {
		unsigned char bytes[64];

		all &= o->pieces[i].sha256[0] &&
		       EVP_DecodeBlock(bytes, (unsigned char *)o->pieces[i].sha256,
			       (int)strlen(o->pieces[i].sha256)) == 33;
		hasher_add(h, bytes, DIGEST_BYTES);
	}
	d = hasher_end(h);
	hasher_free(h);
	EVP_EncodeBlock((unsigned char *)text, d.b, DIGEST_BYTES);
	if (all && strlen(o->kept) + 100 < sizeof(o->kept))
		snprintf(o->kept + strlen(o->kept), sizeof(o->kept) - strlen(o->kept),
			"x-amz-checksum-sha256: %s-%zu\r\n", text, o->n_pieces);
}

static int
end_upload(struct request *r, const char *id, bool complete)
{
	struct object *o = NULL;
	struct piece body;
	size_t at;

	if (read_body(r, &body) < 0)
		return -1;
	pthread_mutex_lock(&lock);
	at = find_upload(id);
	if (at != SIZE_MAX) {
		o = uploads.v[at];
		uploads.v[at] = uploads.v[--uploads.n];
		for (o->n_pieces = 0; o->n_pieces < PARTS && o->pieces[o->n_pieces].p;)
			o->bytes += o->pieces[o->n_pieces++].n;
		if (complete) {
			add_checksum(o);
			keep_object(o);
		} else {
			release(o);
		}
	}
	pthread_mutex_unlock(&lock);
	if (body.p)
		munmap(body.p, body.n);
	if (!o)
		return no_such(r, "NoSuchUpload");
	if (!complete)
		return answer(r, 204, "", "");
	return answer(r, 200, "Content-Type: application/xml\r\n",
		"<CompleteMultipartUploadResult><ETag>\"whole-1\"</ETag></"
		"CompleteMultipartUploadResult>");
}

static int
send_pieces(struct request *r, const struct object *o, size_t from, size_t n)
{
	for (size_t i = 0; i < o->n_pieces && n; i++) {
		const struct piece *p = &o->pieces[i];
		size_t take = from < p->n ? p->n - from : 0;

		take = take < n ? take : n;
		if (take && send_all(r->fd, p->p + from, take, 0) < 0)
			return -1;
		n -= take;
		from -= from < p->n ? from : p->n;
	}
	return 0;
}

static int
get_object(struct request *r)
{
	char range[64], when[64];
	size_t at, from = 0, to, n;
	struct object *o = NULL;
	struct buf b = {0};
	int rc;

	pthread_mutex_lock(&lock);
	at = find_object(r->path);
	if (at != SIZE_MAX) {
		o = objects.v[at];
		o->users++;
	}
	pthread_mutex_unlock(&lock);
	if (!o)
		return no_such(r, "NoSuchKey");
	to = o->bytes;
	header(r, "range", range, sizeof(range));
	if (strncmp(range, "bytes=", 6) == 0) {
		char *end;

		from = strtoul(range + 6, &end, 10);
		if (*end == '-' && end[1])
			to = strtoul(end + 1, NULL, 10) + 1;
		to = to < o->bytes ? to : o->bytes;
	}
	n = from < to ? to - from : 0;
	time_text(when, sizeof(when), o->modified, "%a, %d %b %Y %H:%M:%S GMT");
	buf_addf(&b,
		"HTTP/1.1 %s\r\n%sETag: \"%s\"\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n",
		range[0] ? "206 Partial Content" : "200 OK", o->kept, o->etag, when);
	if (range[0])
		buf_addf(&b, "Content-Range: bytes %zu-%zu/%zu\r\n", from, to - 1, o->bytes);
	buf_addf(&b, "Content-Length: %zu\r\n\r\n", n);
	if (strcmp(r->method, "HEAD") == 0)
		n = 0;
	rc = send_all(r->fd, b.p, b.n, n ? MSG_MORE : 0);
	if (rc == 0)
		rc = send_pieces(r, o, from, n);
	pthread_mutex_lock(&lock);
	release(o);
	pthread_mutex_unlock(&lock);
	buf_free(&b);
	return rc;
}

static int
by_name(const void *a, const void *b)
{
	const struct object *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* All of a prefix, on one page. No folders: a delimiter is not heeded. */
static int
list(struct request *r)
{
	char prefix[1024], whole[2048], when[64];
	size_t bucket = strcspn(r->path, "/");
	struct buf b = {0};
	size_t n = 0;
	int rc;

	query(r, "prefix", prefix, sizeof(prefix));
	snprintf(whole, sizeof(whole), "%.*s/%s", (int)bucket, r->path, prefix);
	buf_add_cstr(&b, "<ListBucketResult><IsTruncated>false</IsTruncated>");
	pthread_mutex_lock(&lock);
	qsort(objects.v, objects.n, sizeof(*objects.v), by_name);
	for (size_t i = 0; i < objects.n; i++) {
		const struct object *o = objects.v[i];

		if (strncmp(o->name, whole, strlen(whole)) != 0)
			continue;
		time_text(when, sizeof(when), o->modified, "%Y-%m-%dT%H:%M:%S.000Z");
		buf_addf(&b,
			"<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>\"%s\"</ETag>"
			"<Size>%zu</Size><StorageClass>STANDARD</StorageClass></Contents>",
			o->name + bucket + 1, when, o->etag, o->bytes);
		n++;
	}
	pthread_mutex_unlock(&lock);
	buf_addf(&b, "<KeyCount>%zu</KeyCount></ListBucketResult>", n);
	rc = answer(r, 200, "Content-Type: application/xml\r\n", buf_cstr(&b));
	buf_free(&b);
	return rc;
}

static int
remove_object(struct request *r)
{
	size_t at;

	pthread_mutex_lock(&lock);
	at = find_object(r->path);
	if (at != SIZE_MAX) {
		release(objects.v[at]);
		objects.v[at] = objects.v[--objects.n];
	}
	pthread_mutex_unlock(&lock);
	return answer(r, 204, "", "");
}

static int
serve(struct request *r)
{
	bool get = strcmp(r->method, "GET") == 0, head = strcmp(r->method, "HEAD") == 0;
	bool put = strcmp(r->method, "PUT") == 0, post = strcmp(r->method, "POST") == 0;
	char id[64], number[16], unused[16];
	bool in_bucket;

	r->path += r->path[0] == '/';
	decode(r->path);
	in_bucket = strchr(r->path, '/') && strchr(r->path, '/')[1];
	if (!in_bucket)
		return get ? list(r) : answer(r, 200, "", "");
	if (post && query(r, "uploads", unused, sizeof(unused)))
		return begin_upload(r);
	if (query(r, "uploadId", id, sizeof(id)))
		return put && query(r, "partNumber", number, sizeof(number))
			       ? put_part(r, id, number)
			       : end_upload(r, id, post);
	if (put)
		return put_object(r);
	return get || head ? get_object(r) : remove_object(r);
}

static void *
serve_all(void *arg)
{
	struct request *r = calloc(1, sizeof(*r));
	char text[64];
	int rc = 0, one = 1;

	r->fd = (int)(intptr_t)arg;
	setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (rc == 0 && read_head(r) == 0) {
		r->body_bytes = strtoll(header(r, "content-length", text, sizeof(text)), NULL, 10);
		if (header(r, "transfer-encoding", text, sizeof(text))[0])
			rc = answer(r, 501, "", "");
		else
			rc = serve(r);
	}
	close(r->fd);
	free(r);
	return NULL;
}

static void *
accept_all(void *arg)
{
	int fd = (int)(intptr_t)arg;

	for (;;) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (peer >= 0 &&
			pthread_create(&thread, NULL, serve_all, (void *)(intptr_t)peer) == 0)
			pthread_detach(thread);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t thread;
	FILE *f;
	char c;

	signal(SIGPIPE, SIG_IGN);
	if (argc != 2 || fd < 0 || bind(fd, (struct sockaddr *)&at, n) != 0 ||
		listen(fd, 256) != 0 || getsockname(fd, (struct sockaddr *)&at, &n) != 0 ||
		!(f = fopen(argv[1], "we"))) {
		fputs("usage: s3_server PORT_FILE\n", stderr);
		return 64;
	}
	fprintf(f, "%d\n", ntohs(at.sin_port));
	fclose(f);
	if (pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)fd) != 0)
		return 1;
	while (read(0, &c, 1) > 0)
		;
	return 0;
}
