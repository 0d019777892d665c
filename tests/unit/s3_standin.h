/* s3_standin: client.h by a bucket in memory, for tests that need no network: what S3 answers to
 * what furrow asks, strictly (checksums, conditions, pages), every request recorded, and a hook that
 * makes it fail. One binary, one stand-in. */
#ifndef FURROW_TESTS_S3_STANDIN_H
#define FURROW_TESTS_S3_STANDIN_H

#include "planner/base/buf.h"
#include "providers/aws/s3_call.h"

#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STANDIN_OBJECTS = 1 << 15, STANDIN_PARTS = 64, STANDIN_LOG = 1 << 16 };

struct standin_object {
	char *key;
	size_t key_n;
	struct buf body;
	char etag[32], checksum[64], nonce[64], part[24];
	int64_t modified_ns;
};

struct standin_upload {
	char id[16];
	char *key;
	size_t key_n;
	char nonce[64], part[24];
	struct buf parts[STANDIN_PARTS];
	int64_t begun_ns;
	bool open;
};

typedef int (*standin_hook)(
	const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after);

struct standin {
	pthread_mutex_t lock;
	struct standin_object *objects[STANDIN_OBJECTS]; /* by key */
	size_t n;
	struct standin_upload uploads[64];
	size_t n_uploads;
	int64_t now_ns; /* S3's clock; goes on by a millisecond with each request */
	size_t page;	/* of a listing; 0: a thousand */
	const char *region;
	bool no_bucket, ignores_ranges;
	char *log[STANDIN_LOG]; /* "PUT key?query" */
	size_t n_log;
	unsigned n_running, max_running; /* requests at the same time */
	int delay_us;			 /* of each */
	/* Asked before (after: false) and after each request; 0 to go on, else what aws_call gives.
	 * Without the lock. */
	_Atomic(standin_hook) hook;
	int (*presign)(struct error *err); /* asked before a URL is made; 0 to go on */
};
static struct standin standin = {.lock = PTHREAD_MUTEX_INITIALIZER,
	.now_ns = INT64_C(1795000000) * NS_PER_S,
	.region = "us-east-2"};

static inline struct str
standin_pair(const struct pairs *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].name.n == strlen(name) &&
			strncasecmp(p->v[i].name.p, name, p->v[i].name.n) == 0)
			return p->v[i].value.p ? p->v[i].value : STR("");
	}
	return (struct str){0};
}

/* The object, or where it belongs. */
static inline bool
standin_find(struct str key, size_t *at)
{
	size_t low = 0, high = standin.n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		struct standin_object *o = standin.objects[mid];
		int c = str_cmp((struct str){.p = o->key, .n = o->key_n}, key);

		if (c == 0) {
			*at = mid;
			return true;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*at = low;
	return false;
}

static inline void
standin_remove(size_t at)
{
	struct standin_object *o = standin.objects[at];

	free(o->key);
	buf_free(&o->body);
	free(o);
	memmove(&standin.objects[at], &standin.objects[at + 1],
		(--standin.n - at) * sizeof(standin.objects[0]));
}

static inline struct standin_object *
standin_make(struct str key)
{
	struct standin_object *o;
	size_t at;

	if (standin_find(key, &at)) {
		buf_clear(&standin.objects[at]->body);
		return standin.objects[at];
	}
	o = calloc(1, sizeof(*o));
	o->key = malloc(key.n + 1);
	memcpy(o->key, key.p, key.n);
	o->key_n = key.n;
	memmove(&standin.objects[at + 1], &standin.objects[at],
		(standin.n++ - at) * sizeof(standin.objects[0]));
	standin.objects[at] = o;
	return o;
}

static inline void
standin_copy(char *out, size_t size, struct str s)
{
	snprintf(out, size, "%.*s", STR_ARG(s));
}

static inline int
standin_fail(struct aws_answer *answer, int status, const char *code, struct error *err)
{
	enum error_code rc = status == 404		      ? ERR_MISSING
			     : status == 412		      ? ERR_STALE
			     : status == 403 || status == 400 ? ERR_INPUT
							      : ERR_HOST;

	answer->status = status;
	snprintf(answer->code, sizeof(answer->code), "%s", code);
	error_set(err, rc, "s3: %d %s", status, code);
	err->http_status = status;
	err->class = status >= 500 ? CLASS_TRANSIENT : status == 403 ? CLASS_DENIED : CLASS_FATAL;
	return rc;
}

static inline void
standin_date(char out[40], int64_t ns)
{
	time_t t = (time_t)(ns / NS_PER_S);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 40, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static inline void
standin_header(struct arena *a, struct aws_answer *answer, const char *name, const char *value)
{
	if (!answer->headers.v)
		answer->headers.v = ARENA_ARRAY(a, struct pair, 16);
	answer->headers.v[answer->headers.n++] = (struct pair){
		.name = arena_str(a, str_from(name)), .value = arena_str(a, str_from(value))};
}

static inline void
standin_answer_object(struct arena *a, struct aws_answer *answer, const struct standin_object *o)
{
	char text[40];

	standin_header(a, answer, "etag", o->etag);
	snprintf(text, sizeof(text), "%zu", o->body.n);
	standin_header(a, answer, "content-length", text);
	standin_date(text, o->modified_ns);
	standin_header(a, answer, "last-modified", text);
	if (o->checksum[0])
		standin_header(a, answer, "x-amz-checksum-sha256", o->checksum);
	if (o->nonce[0])
		standin_header(a, answer, S3_NONCE, o->nonce);
	if (o->part[0])
		standin_header(a, answer, S3_PART_BYTES, o->part);
}

static inline int
standin_body(
	const struct aws_request *r, struct buf *out, struct aws_answer *answer, struct error *err)
{
	struct str told = standin_pair(&r->headers, "x-amz-checksum-sha256");
	char checksum[S3_CHECKSUM_BYTES];
	struct digest d;

	if (r->from) {
		char *p = buf_reserve(out, (size_t)r->from->bytes + 1);
		ssize_t n = pread(r->from->fd, p, (size_t)r->from->bytes, r->from->offset);

		if (n != r->from->bytes)
			return standin_fail(answer, 400, "IncompleteBody", err);
		out->n = (size_t)n;
	} else {
		buf_add_str(out, r->body);
	}
	d = digest_of(out->p ? out->p : "", out->n);
	if (r->from && r->from->sha256 && digest_cmp(&d, r->from->sha256) != 0)
		return standin_fail(answer, 400, "XAmzContentSHA256Mismatch", err);
	s3_checksum(checksum, &d);
	if (told.p && !str_is(told, checksum))
		return standin_fail(answer, 400, "BadDigest", err);
	return 0;
}

static inline void
standin_store(struct standin_object *o, struct buf *body, struct str checksum, struct str nonce,
	struct str part)
{
	struct digest d = digest_of(body->p ? body->p : "", body->n);
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &d);
	snprintf(o->etag, sizeof(o->etag), "\"%.24s\"", hex);
	standin_copy(o->checksum, sizeof(o->checksum), checksum);
	standin_copy(o->nonce, sizeof(o->nonce), nonce);
	standin_copy(o->part, sizeof(o->part), part);
	o->modified_ns = standin.now_ns;
	buf_add(&o->body, body->p, body->n);
}

static inline int
standin_put(
	struct arena *a, const struct aws_request *r, struct aws_answer *answer, struct error *err)
{
	struct str part = standin_pair(&r->query, "partNumber"),
		   if_match = standin_pair(&r->headers, "If-Match");
	struct standin_object *o;
	struct buf body = {0};
	size_t at;
	bool there = standin_find(r->path, &at);
	int rc = standin_body(r, &body, answer, err);

	if (rc == 0 && part.p) {
		struct standin_upload *u =
			&standin.uploads[atoi(standin_pair(&r->query, "uploadId").p)];
		int number = atoi(part.p);

		buf_clear(&u->parts[number]);
		buf_add(&u->parts[number], body.p, body.n);
		standin_header(a, answer, "etag", "\"part&etag\"");
	} else if (rc == 0 && standin_pair(&r->headers, "If-None-Match").p && there) {
		rc = standin_fail(answer, 412, "PreconditionFailed", err);
	} else if (rc == 0 && if_match.p && !there) {
		rc = standin_fail(answer, 404, "NoSuchKey", err);
	} else if (rc == 0 && if_match.p && !str_is(if_match, standin.objects[at]->etag)) {
		rc = standin_fail(answer, 412, "PreconditionFailed", err);
	} else if (rc == 0) {
		o = standin_make(r->path);
		standin_store(o, &body, standin_pair(&r->headers, "x-amz-checksum-sha256"),
			standin_pair(&r->headers, S3_NONCE), (struct str){0});
		standin_header(a, answer, "etag", o->etag);
	}
	buf_free(&body);
	return rc;
}

static inline void
standin_encode(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == ' ')
			buf_add_char(out, '+');
		else if (isalnum(c) || strchr("-._~/", c))
			buf_add_char(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

static inline void
standin_list(struct arena *a, const struct aws_request *r, struct aws_answer *answer)
{
	struct str prefix = standin_pair(&r->query, "prefix"),
		   token = standin_pair(&r->query, "continuation-token");
	bool delimiter = standin_pair(&r->query, "delimiter").p;
	size_t max = (size_t)atoi(standin_pair(&r->query, "max-keys").p), n = 0, i = 0;
	struct str last = {0};
	struct buf b = {0};

	if (standin.page && max > standin.page)
		max = standin.page;
	if (token.p)
		i = (size_t)atoi(token.p);
	buf_add_cstr(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
			 "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
			 "<EncodingType>url</EncodingType>");
	for (; i < standin.n && n < max; i++) {
		struct standin_object *o = standin.objects[i];
		struct str key = {.p = o->key, .n = o->key_n};
		const char *slash;
		char date[40];
		time_t t = (time_t)(o->modified_ns / NS_PER_S);
		struct tm tm;

		if (!str_starts(key, prefix))
			continue;
		slash = delimiter ? memchr(key.p + prefix.n, '/', key.n - prefix.n) : NULL;
		if (slash) {
			struct str folder = {.p = key.p, .n = (size_t)(slash - key.p) + 1};

			if (last.p && str_eq(last, folder))
				continue;
			last = folder;
			buf_add_cstr(&b, "<CommonPrefixes><Prefix>");
			standin_encode(&b, folder);
			buf_add_cstr(&b, "</Prefix></CommonPrefixes>");
			n++;
			continue;
		}
		gmtime_r(&t, &tm);
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
		buf_add_cstr(&b, "<Contents><Key>");
		standin_encode(&b, key);
		buf_addf(&b,
			"</Key><LastModified>%s</LastModified><ETag>&quot;%.24s&quot;</ETag>"
			"<Size>%zu</Size></Contents>",
			date, o->etag + 1, o->body.n);
		n++;
	}
	buf_addf(&b, "<IsTruncated>%s</IsTruncated>", i < standin.n ? "true" : "false");
	if (i < standin.n)
		buf_addf(&b, "<NextContinuationToken>%zu</NextContinuationToken>", i);
	buf_add_cstr(&b, "</ListBucketResult>");
	answer->body = arena_str(a, buf_str(&b));
	buf_free(&b);
}

static inline void
standin_list_uploads(struct arena *a, const struct aws_request *r, struct aws_answer *answer)
{
	struct str prefix = standin_pair(&r->query, "prefix"),
		   marker = standin_pair(&r->query, "upload-id-marker");
	size_t i = marker.p ? (size_t)atoi(marker.p) + 1 : 0, n = 0;
	struct buf b = {0};

	buf_add_cstr(&b, "<ListMultipartUploadsResult><EncodingType>url</EncodingType>");
	for (; i < standin.n_uploads && n < 2; i++) {
		struct standin_upload *u = &standin.uploads[i];
		struct str key = {.p = u->key, .n = u->key_n};
		char date[CLOCK_RFC3339_BYTES];

		if (!u->open || !str_starts(key, prefix))
			continue;
		clock_format_rfc3339(date, u->begun_ns);
		buf_add_cstr(&b, "<Upload><Key>");
		standin_encode(&b, key);
		buf_addf(&b, "</Key><UploadId>%s</UploadId><Initiated>%s</Initiated></Upload>",
			u->id, date);
		n++;
	}
	buf_addf(&b, "<IsTruncated>%s</IsTruncated>", i < standin.n_uploads ? "true" : "false");
	if (i < standin.n_uploads)
		buf_addf(&b,
			"<NextKeyMarker>k%zu</NextKeyMarker>"
			"<NextUploadIdMarker>%zu</NextUploadIdMarker>",
			i, i - 1);
	buf_add_cstr(&b, "</ListMultipartUploadsResult>");
	answer->body = arena_str(a, buf_str(&b));
	buf_free(&b);
}

/* Which bytes of it are asked for: all, unless there is a Range. */
static inline void
standin_range(struct arena *a, const struct aws_request *r, struct aws_answer *answer,
	const struct standin_object *o, size_t *from, size_t *n)
{
	struct str range = standin_pair(&r->headers, "Range");
	char text[80];
	size_t to;

	*from = 0;
	*n = o->body.n;
	if (!range.p || standin.ignores_ranges)
		return;
	snprintf(text, sizeof(text), "%.*s", STR_ARG(range));
	if (sscanf(text, "bytes=%zu-%zu", from, &to) != 2 || *from > to || to >= o->body.n)
		abort();
	*n = to + 1 - *from;
	snprintf(text, sizeof(text), "bytes %zu-%zu/%zu", *from, to, o->body.n);
	standin_header(a, answer, "content-range", text);
}

static inline int
standin_get(
	struct arena *a, const struct aws_request *r, struct aws_answer *answer, struct error *err)
{
	struct str if_match = standin_pair(&r->headers, "If-Match");
	struct standin_object *o;
	size_t at, from, n;

	if (!r->path.p && standin_pair(&r->query, "uploads").p) {
		standin_list_uploads(a, r, answer);
		return 0;
	}
	if (!r->path.p) {
		standin_list(a, r, answer);
		return 0;
	}
	if (!standin_find(r->path, &at))
		return standin_fail(answer, 404, "NoSuchKey", err);
	o = standin.objects[at];
	if (if_match.p && !str_is(if_match, o->etag))
		return standin_fail(answer, 412, "PreconditionFailed", err);
	standin_answer_object(a, answer, o);
	standin_range(a, r, answer, o, &from, &n);
	answer->body_bytes = (int64_t)n;
	answer->body = STR("");
	if (r->out_fd > 0) {
		if (pwrite(r->out_fd, o->body.p ? o->body.p + from : "", n, r->out_offset) !=
			(ssize_t)n)
			return standin_fail(answer, 500, "cannot write", err);
		if (r->out_hasher) {
			hasher_end(r->out_hasher);
			hasher_add(r->out_hasher, o->body.p + from, n);
		}
		return 0;
	}
	if (r->max_bytes && o->body.n > r->max_bytes)
		return standin_fail(answer, 500, "too large", err);
	answer->body = arena_str(a, (struct str){.p = o->body.p ? o->body.p : "", .n = o->body.n});
	return 0;
}

static inline int
standin_head(
	struct arena *a, const struct aws_request *r, struct aws_answer *answer, struct error *err)
{
	struct str if_match = standin_pair(&r->headers, "If-Match");
	size_t at;

	if (!r->path.p) {
		standin_header(a, answer, "x-amz-bucket-region", standin.region);
		return standin.no_bucket ? standin_fail(answer, 404, "", err) : 0;
	}
	if (!standin_find(r->path, &at))
		return standin_fail(answer, 404, "", err);
	if (if_match.p && !str_is(if_match, standin.objects[at]->etag))
		return standin_fail(answer, 412, "", err);
	standin_answer_object(a, answer, standin.objects[at]);
	return 0;
}

static inline int
standin_delete(const struct aws_request *r, struct aws_answer *answer, struct error *err)
{
	struct str id = standin_pair(&r->query, "uploadId"),
		   if_match = standin_pair(&r->headers, "If-Match");
	size_t at;

	if (id.p) {
		if (!standin.uploads[atoi(id.p)].open)
			return standin_fail(answer, 404, "NoSuchUpload", err);
		standin.uploads[atoi(id.p)].open = false;
		return 0;
	}
	if (!standin_find(r->path, &at))
		return if_match.p ? standin_fail(answer, 404, "NoSuchKey", err) : 0;
	if (if_match.p && !str_is(if_match, standin.objects[at]->etag))
		return standin_fail(answer, 412, "PreconditionFailed", err);
	standin_remove(at);
	return 0;
}

/* Completing an upload: its parts one behind the other, the checksum that of their checksums. */
static inline void
standin_complete(struct standin_upload *u)
{
	struct buf whole = {0}, sums = {0};
	char checksum[64];
	struct digest d;
	int n = 0;

	for (int i = 1; i < STANDIN_PARTS; i++) {
		if (u->parts[i].n == 0)
			continue;
		d = digest_of(u->parts[i].p, u->parts[i].n);
		buf_add(&sums, d.b, sizeof(d.b));
		buf_add(&whole, u->parts[i].p, u->parts[i].n);
		buf_free(&u->parts[i]);
		u->parts[i] = (struct buf){0};
		n++;
	}
	d = digest_of(sums.p ? sums.p : "", sums.n);
	s3_checksum(checksum, &d);
	snprintf(checksum + strlen(checksum), sizeof(checksum) - 48, "-%d", n);
	standin_store(standin_make((struct str){.p = u->key, .n = u->key_n}), &whole,
		str_from(checksum), str_from(u->nonce), str_from(u->part));
	u->open = false;
	buf_free(&whole);
	buf_free(&sums);
}

static inline int
standin_delete_many(
	struct arena *a, const struct aws_request *r, struct aws_answer *answer, struct error *err)
{
	struct xml *root;
	struct buf body = {0};
	int rc = standin_body(r, &body, answer, err);

	buf_free(&body);
	if (rc == 0 && !standin_pair(&r->headers, "x-amz-checksum-sha256").p)
		rc = standin_fail(answer, 400, "InvalidRequest", err);
	if (rc == 0)
		rc = xml_parse(a, &root, r->body, "stand-in", err);
	if (rc < 0)
		return rc;
	for (const struct xml *x = xml_at(root, "Object"); x; x = xml_next(x)) {
		size_t at;

		if (standin_find(xml_text(x, "Key"), &at))
			standin_remove(at);
	}
	answer->body = STR("<DeleteResult></DeleteResult>");
	return 0;
}

static inline int
standin_post(
	struct arena *a, const struct aws_request *r, struct aws_answer *answer, struct error *err)
{
	struct str id = standin_pair(&r->query, "uploadId");

	if (standin_pair(&r->query, "delete").p)
		return standin_delete_many(a, r, answer, err);
	if (standin_pair(&r->query, "uploads").p) {
		struct standin_upload *u = &standin.uploads[standin.n_uploads];

		snprintf(u->id, sizeof(u->id), "%zu", standin.n_uploads++);
		u->key = malloc(r->path.n + 1);
		memcpy(u->key, r->path.p, r->path.n);
		u->key_n = r->path.n;
		u->begun_ns = standin.now_ns;
		u->open = true;
		standin_copy(u->nonce, sizeof(u->nonce), standin_pair(&r->headers, S3_NONCE));
		standin_copy(u->part, sizeof(u->part), standin_pair(&r->headers, S3_PART_BYTES));
		answer->body = arena_printf(a,
			"\n<CompleteMultipartUploadResponse><UploadId>%s</UploadId>"
			"</CompleteMultipartUploadResponse>",
			u->id);
		return 0;
	}
	if (!standin.uploads[atoi(id.p)].open)
		return standin_fail(answer, 404, "NoSuchUpload", err);
	standin_complete(&standin.uploads[atoi(id.p)]);
	answer->body = STR("  <CompleteMultipartUploadResult></CompleteMultipartUploadResult>");
	return 0;
}

static inline void
standin_record(const struct aws_request *r)
{
	struct buf b = {0};

	buf_addf(&b, "%s %.*s", r->method, STR_ARG(r->path));
	for (size_t i = 0; i < r->query.n; i++)
		buf_addf(&b, "%c%.*s=%.*s", i ? '&' : '?', STR_ARG(r->query.v[i].name),
			STR_ARG(r->query.v[i].value));
	if (standin.n_log < STANDIN_LOG)
		standin.log[standin.n_log++] = strdup(buf_cstr(&b));
	buf_free(&b);
}

static inline int
standin_do(
	struct arena *a, const struct aws_request *r, struct aws_answer *answer, struct error *err)
{
	char date[40];

	standin.now_ns += NS_PER_MS;
	standin_record(r);
	answer->status = 200;
	answer->attempts = 1;
	standin_date(date, standin.now_ns);
	standin_header(a, answer, "date", date);
	if (standin.no_bucket && strcmp(r->method, "PUT") == 0 && !r->path.p) {
		standin.no_bucket = false;
		return 0;
	}
	if (standin.no_bucket && strcmp(r->method, "HEAD") != 0)
		return standin_fail(answer, 404, "NoSuchBucket", err);
	if (!r->path.p && strcmp(r->method, "PUT") == 0)
		return standin_pair(&r->query, "publicAccessBlock").p
			       ? 0
			       : standin_fail(answer, 409, "BucketAlreadyOwnedByYou", err);
	if (strcmp(r->method, "PUT") == 0)
		return standin_put(a, r, answer, err);
	if (strcmp(r->method, "GET") == 0)
		return standin_get(a, r, answer, err);
	if (strcmp(r->method, "HEAD") == 0)
		return standin_head(a, r, answer, err);
	if (strcmp(r->method, "DELETE") == 0)
		return standin_delete(r, answer, err);
	return standin_post(a, r, answer, err);
}

int
aws_call(struct aws *aws, struct arena *a, const struct aws_request *r, struct aws_answer *answer,
	struct error *err)
{
	standin_hook hook;
	int rc = 0;

	(void)aws;
	*answer = (struct aws_answer){0};
	hook = atomic_load(&standin.hook);
	if (hook)
		rc = hook(r, answer, err, false);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&standin.lock);
	if (++standin.n_running > standin.max_running)
		standin.max_running = standin.n_running;
	rc = standin_do(a, r, answer, err);
	pthread_mutex_unlock(&standin.lock);
	if (standin.delay_us)
		usleep((useconds_t)standin.delay_us);
	pthread_mutex_lock(&standin.lock);
	standin.n_running--;
	pthread_mutex_unlock(&standin.lock);
	hook = atomic_load(&standin.hook);
	if (rc == 0 && hook)
		rc = hook(r, answer, err, true);
	return rc;
}

struct str
aws_header(const struct aws_answer *answer, const char *name)
{
	return standin_pair(&answer->headers, name);
}

const char *
aws_region(const struct aws *aws)
{
	(void)aws;
	return "us-east-2";
}

int
aws_presign(struct aws *aws, struct arena *a, const char *method, struct str bucket, struct str key,
	const struct pairs *query, const struct pairs *headers, int64_t expires_s, struct str *url,
	struct error *err)
{
	(void)aws;
	(void)query;
	(void)headers;
	if (standin.presign && standin.presign(err) < 0)
		return err->code;
	*url = arena_printf(a, "https://%.*s.s3/%.*s?%s&expires=%lld", STR_ARG(bucket),
		STR_ARG(key), method, (long long)expires_s);
	return 0;
}

/* How many requests so far begin with this ("PUT locks/"). */
static inline size_t
standin_count(const char *beginning)
{
	size_t n = 0;

	pthread_mutex_lock(&standin.lock);
	for (size_t i = 0; i < standin.n_log; i++)
		n += strncmp(standin.log[i], beginning, strlen(beginning)) == 0;
	pthread_mutex_unlock(&standin.lock);
	return n;
}

static inline bool
standin_has(const char *key)
{
	size_t at;

	return standin_find(str_from(key), &at);
}

/* Empties it, for the next test. */
static inline void
standin_reset(void)
{
	while (standin.n)
		standin_remove(standin.n - 1);
	for (size_t i = 0; i < standin.n_uploads; i++) {
		for (int k = 0; k < STANDIN_PARTS; k++)
			buf_free(&standin.uploads[i].parts[k]);
		free(standin.uploads[i].key);
		standin.uploads[i] = (struct standin_upload){0};
	}
	for (size_t i = 0; i < standin.n_log; i++)
		free(standin.log[i]);
	standin.n_uploads = standin.n_log = standin.page = 0;
	standin.n_running = standin.max_running = 0;
	standin.delay_us = 0;
	standin.hook = NULL;
	standin.presign = NULL;
	standin.no_bucket = false;
	standin.region = "us-east-2";
	standin.now_ns = INT64_C(1795000000) * NS_PER_S;
}

#endif
