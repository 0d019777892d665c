/* s3_multipart: large files in parts, side by side. Either the whole object is there at the end, or
 * the upload is aborted: parts that nobody finishes cost money and show up in no listing. */
#include "providers/aws/s3_call.h"

#include "planner/base/buf.h"
#include "providers/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { COMPLETE_ATTEMPTS = 4, MAX_PARTS = 10000 };

static const int64_t one_request_bytes = INT64_C(64) << 20;
static const int64_t least_part_bytes = INT64_C(16) << 20;

struct part {
	char checksum[S3_CHECKSUM_BYTES];
	struct str etag; /* in the arena of the upload */
};

struct upload {
	struct aws *aws;
	struct arena *a;
	struct str bucket, key, id;
	char nonce[S3_NONCE_BYTES];
	int fd;
	int64_t bytes, part_bytes;
	struct part *parts;
	size_t n;
	atomic_bool stop;     /* a part has failed: no further ones */
	pthread_mutex_t lock; /* over what follows, and the arena while parts are sent */
	int rc;
	struct error err;
};

static int64_t
part_bytes_for(int64_t bytes)
{
	int64_t mib = INT64_C(1) << 20, least = (bytes + MAX_PARTS - 1) / MAX_PARTS;

	least = (least + mib - 1) / mib * mib;
	return least < least_part_bytes ? least_part_bytes : least;
}

static int
begin(struct upload *u, struct error *err)
{
	struct aws_answer answer = {0};
	char part_bytes[24];
	struct xml *root = NULL;
	struct s3_call c;
	int rc;

	s3_nonce(u->nonce);
	snprintf(part_bytes, sizeof(part_bytes), "%lld", (long long)u->part_bytes);
	s3_call_init(&c, "POST", u->bucket, u->key);
	s3_call_query(&c, "uploads", (struct str){0});
	s3_call_header(&c, "x-amz-checksum-algorithm", STR("SHA256"));
	s3_call_header(&c, S3_NONCE, str_from(u->nonce));
	s3_call_header(&c, S3_PART_BYTES, str_from(part_bytes));
	c.request.body = STR("");
	rc = aws_call(u->aws, u->a, &c.request, &answer, err);
	if (rc == 0)
		rc = xml_parse(u->a, &root, answer.body, "s3 CreateMultipartUpload", err);
	if (rc < 0)
		return rc;
	u->id = xml_text(root, "UploadId");
	if (u->id.n == 0)
		return error_set(err, ERR_HOST,
			"s3 CreateMultipartUpload %.*s/%.*s: the answer names no upload",
			STR_ARG(u->bucket), STR_ARG(u->key));
	return 0;
}

static int
send_part(struct upload *u, struct arena *a, size_t i, struct str *etag, struct error *err)
{
	int64_t at = (int64_t)i * u->part_bytes;
	int64_t n = u->bytes - at < u->part_bytes ? u->bytes - at : u->part_bytes;
	struct aws_answer answer = {0};
	struct digest sha256;
	struct aws_body from = {.fd = u->fd, .offset = at, .bytes = n, .sha256 = &sha256};
	char number[16];
	struct s3_call c;
	int rc = s3_digest_file(u->fd, at, n, &sha256, err);

	if (rc < 0)
		return error_wrap(
			err, "s3 UploadPart %.*s/%.*s", STR_ARG(u->bucket), STR_ARG(u->key));
	s3_checksum(u->parts[i].checksum, &sha256);
	snprintf(number, sizeof(number), "%zu", i + 1);
	s3_call_init(&c, "PUT", u->bucket, u->key);
	s3_call_query(&c, "partNumber", str_from(number));
	s3_call_query(&c, "uploadId", u->id);
	s3_call_header(&c, S3_CHECKSUM, str_from(u->parts[i].checksum));
	c.request.from = &from;
	c.request.stop = &u->stop;
	rc = aws_call(u->aws, a, &c.request, &answer, err);
	*etag = aws_header(&answer, "etag");
	if (rc == 0 && etag->n == 0)
		rc = error_set(err, ERR_HOST, "s3 UploadPart %.*s/%.*s: the answer has no ETag",
			STR_ARG(u->bucket), STR_ARG(u->key));
	return rc;
}

static void
upload_part(void *ctx, size_t i)
{
	struct upload *u = ctx;
	struct arena a = {0};
	struct error err;
	struct str etag = {0};
	int rc;

	if (atomic_load(&u->stop))
		return;
	rc = send_part(u, &a, i, &etag, &err);
	pthread_mutex_lock(&u->lock);
	if (rc == 0)
		u->parts[i].etag = arena_str(u->a, etag);
	else if (u->rc == 0) {
		u->rc = rc;
		u->err = err;
		atomic_store(&u->stop, true);
	}
	pthread_mutex_unlock(&u->lock);
	arena_free(&a);
}

static void
write_parts(struct buf *out, const struct upload *u)
{
	buf_add_cstr(out, "<CompleteMultipartUpload "
			  "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (size_t i = 0; i < u->n; i++) {
		buf_addf(out, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
		for (size_t k = 0; k < u->parts[i].etag.n; k++) {
			char c = u->parts[i].etag.p[k];

			if (c == '"' || c == '&' || c == '<')
				buf_addf(out, "&#%d;", c);
			else
				buf_add_char(out, c);
		}
		buf_addf(out, "</ETag><ChecksumSHA256>%s</ChecksumSHA256></Part>",
			u->parts[i].checksum);
	}
	buf_add_cstr(out, "</CompleteMultipartUpload>");
}

/* A 200 may hold an error all the same. */
static int
read_completion(struct upload *u, struct str body, struct error *err)
{
	const struct xml *failure;
	struct xml *root;
	int rc = xml_parse(u->a, &root, body, "s3 CompleteMultipartUpload", err);

	if (rc < 0)
		return rc;
	failure = xml_find(root, "Error");
	if (!failure)
		return 0;
	rc = error_set(err, ERR_HOST, "s3 CompleteMultipartUpload %.*s/%.*s: %.*s: %.*s",
		STR_ARG(u->bucket), STR_ARG(u->key), STR_ARG(xml_text(failure, "Code")),
		STR_ARG(xml_text(failure, "Message")));
	if (err)
		err->class = CLASS_TRANSIENT;
	return rc;
}

/* Whether the object that is there is from this upload: the answer of its completion was lost. */
static bool
is_complete(struct upload *u)
{
	struct aws_answer answer = {0};
	struct error unwanted;
	struct s3_call c;

	s3_call_init(&c, "HEAD", u->bucket, u->key);
	return aws_call(u->aws, u->a, &c.request, &answer, &unwanted) == 0 &&
	       str_is(aws_header(&answer, S3_NONCE), u->nonce);
}

static int
complete(struct upload *u, struct error *err)
{
	struct buf body = {0};
	int rc = 0;

	write_parts(&body, u);
	for (int i = 0; i < COMPLETE_ATTEMPTS; i++) {
		struct aws_answer answer = {0};
		struct s3_call c;

		s3_call_init(&c, "POST", u->bucket, u->key);
		s3_call_query(&c, "uploadId", u->id);
		s3_call_header(&c, "Content-Type", STR("application/xml"));
		c.request.body = buf_str(&body);
		rc = aws_call(u->aws, u->a, &c.request, &answer, err);
		if (rc < 0)
			break;
		rc = read_completion(u, answer.body, err);
		if (rc == 0)
			break;
	}
	buf_free(&body);
	return rc < 0 && is_complete(u) ? 0 : rc;
}

static int
abort_one(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct str id,
	struct error *err)
{
	struct aws_answer answer = {0};
	struct s3_call c;
	int rc;

	s3_call_init(&c, "DELETE", bucket, key);
	s3_call_query(&c, "uploadId", id);
	rc = aws_call(aws, a, &c.request, &answer, err);
	return rc == ERR_MISSING && strcmp(answer.code, "NoSuchBucket") != 0 ? 0 : rc;
}

static int
put_parts(struct upload *u, struct error *err)
{
	struct error unwanted;
	int rc = begin(u, err);

	if (rc < 0)
		return rc;
	parallel_for(u->n, S3_THREADS, upload_part, u);
	rc = u->rc;
	if (rc < 0)
		*err = u->err;
	else
		rc = complete(u, err);
	if (rc < 0)
		abort_one(u->aws, u->a, u->bucket, u->key, u->id, &unwanted);
	return rc;
}

int
s3_put_file(struct aws *aws, struct arena *a, struct str bucket, struct str key, int fd,
	int64_t bytes, struct error *err)
{
	struct upload u = {.aws = aws,
		.a = a,
		.bucket = bucket,
		.key = key,
		.fd = fd,
		.bytes = bytes,
		.part_bytes = part_bytes_for(bytes),
		.lock = PTHREAD_MUTEX_INITIALIZER};
	struct error unwanted;
	int rc;

	if (bytes <= one_request_bytes)
		return s3_put_whole_file(aws, a, bucket, key, fd, bytes, err);
	u.n = (size_t)((bytes + u.part_bytes - 1) / u.part_bytes);
	u.parts = mem_alloc(u.n * sizeof(*u.parts));
	memset(u.parts, 0, u.n * sizeof(*u.parts));
	rc = put_parts(&u, err ? err : &unwanted);
	free(u.parts);
	return rc;
}

static int
bad_uploads(struct str bucket, struct error *err)
{
	return error_set(err, ERR_HOST,
		"s3 ListMultipartUploads %.*s: the answer is none, or does not say where it goes "
		"on",
		STR_ARG(bucket));
}

/* One page of unfinished uploads. */
struct uploads {
	struct xml *root;
	struct str key_marker, id_marker; /* where the next one begins; absent: there is none */
};

static int
list_uploads(struct aws *aws, struct arena *a, struct str bucket, struct str prefix,
	struct uploads *page, struct error *err)
{
	struct aws_answer answer = {0};
	struct str before = page->key_marker, before_id = page->id_marker;
	struct s3_call c;
	int rc;

	s3_call_init(&c, "GET", bucket, (struct str){0});
	s3_call_query(&c, "uploads", (struct str){0});
	s3_call_query(&c, "encoding-type", STR("url"));
	if (prefix.n)
		s3_call_query(&c, "prefix", prefix);
	if (before.p) {
		s3_call_query(&c, "key-marker", before);
		s3_call_query(&c, "upload-id-marker", before_id);
	}
	rc = aws_call(aws, a, &c.request, &answer, err);
	if (rc == 0)
		rc = xml_parse(a, &page->root, answer.body, "s3 ListMultipartUploads", err);
	if (rc < 0)
		return rc;
	page->key_marker = page->id_marker = (struct str){0};
	if (!str_is(xml_text(page->root, "IsTruncated"), "true"))
		return 0;
	page->key_marker = xml_text(page->root, "NextKeyMarker");
	page->id_marker = xml_text(page->root, "NextUploadIdMarker");
	if (str_is(xml_text(page->root, "EncodingType"), "url") &&
		!s3_url_decode(a, &page->key_marker))
		return bad_uploads(bucket, err);
	if (page->key_marker.n == 0 ||
		(str_eq(page->key_marker, before) && str_eq(page->id_marker, before_id)))
		return bad_uploads(bucket, err);
	return 0;
}

static int
abort_old(struct aws *aws, struct arena *a, struct str bucket, struct str prefix,
	const struct xml *root, int64_t before_wall_ns, bool dry, uint32_t *n, struct error *err)
{
	bool coded = str_is(xml_text(root, "EncodingType"), "url");
	int rc = 0;

	for (const struct xml *x = xml_at(root, "Upload"); x && rc == 0; x = xml_next(x)) {
		struct str key = xml_text(x, "Key"), id = xml_text(x, "UploadId");
		int64_t begun = s3_time(xml_text(x, "Initiated"));

		if (coded && !s3_url_decode(a, &key))
			return bad_uploads(bucket, err);
		if (!key.p || id.n == 0 || begun == 0 || begun >= before_wall_ns ||
			!str_starts(key, prefix))
			continue;
		rc = dry ? 0 : abort_one(aws, a, bucket, key, id, err);
		*n += rc == 0;
	}
	return rc;
}

int
s3_abort_uploads(struct aws *aws, struct arena *a, struct str bucket, struct str prefix,
	int64_t before_wall_ns, bool dry, uint32_t *n, struct error *err)
{
	struct uploads page = {0};
	int rc;

	*n = 0;
	do {
		rc = list_uploads(aws, a, bucket, prefix, &page, err);
		if (rc == 0)
			rc = abort_old(
				aws, a, bucket, prefix, page.root, before_wall_ns, dry, n, err);
	} while (rc == 0 && page.key_marker.p);
	return rc;
}
