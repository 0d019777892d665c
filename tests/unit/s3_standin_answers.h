/* s3_standin_answers: what S3 answers of that bucket, strictly: checksums, conditions, ranges, pages. */
#ifndef FURROW_TESTS_S3_STANDIN_ANSWERS_H
#define FURROW_TESTS_S3_STANDIN_ANSWERS_H

#include "tests/unit/s3_standin_bucket.h"

#include <ctype.h>
#include <unistd.h>

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

/* What is asked for by number: one below `end`, or the test ends here. */
static inline size_t
standin_number(const struct aws_request *r, const char *name, size_t end)
{
	struct str text = standin_pair(&r->query, name);
	int64_t n;

	if (!str_to_i64(text, &n) || n < 0 || (size_t)n >= end) {
		fprintf(stderr, "s3 stand-in: %s=%.*s: no number below %zu\n", name, STR_ARG(text),
			end);
		abort();
	}
	return (size_t)n;
}

static inline struct standin_upload *
standin_upload_of(const struct aws_request *r)
{
	return &standin.uploads[standin_number(r, "uploadId", standin.n_uploads)];
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
		struct standin_upload *u = standin_upload_of(r);
		size_t number = standin_number(r, "partNumber", STANDIN_PARTS);

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
	size_t max = standin_number(r, "max-keys", 1001), n = 0, i = 0;
	struct str last = {0};
	struct buf b = {0};

	if (standin.page && max > standin.page)
		max = standin.page;
	/* "x": of an answer that a test made up. */
	if (token.p && !str_is(token, "x"))
		i = standin_number(r, "continuation-token", STANDIN_OBJECTS);
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
	size_t i = marker.p ? standin_number(r, "upload-id-marker", standin.n_uploads) + 1 : 0;
	size_t n = 0;
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
		if (!standin_upload_of(r)->open)
			return standin_fail(answer, 404, "NoSuchUpload", err);
		standin_upload_of(r)->open = false;
		return 0;
	}
	if (!standin_find(r->path, &at))
		return if_match.p ? standin_fail(answer, 404, "NoSuchKey", err) : 0;
	if (if_match.p && !str_is(if_match, standin.objects[at]->etag))
		return standin_fail(answer, 412, "PreconditionFailed", err);
	standin_remove(at);
	return 0;
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
	if (!standin_upload_of(r)->open)
		return standin_fail(answer, 404, "NoSuchUpload", err);
	standin_complete(standin_upload_of(r));
	answer->body = STR("  <CompleteMultipartUploadResult></CompleteMultipartUploadResult>");
	return 0;
}

#endif
