/* s3_object: one object: put, get, head, delete. */
#include "providers/aws/s3_call.h"

#include <errno.h>
#include <unistd.h>

enum { READ_ATTEMPTS = 3 /* of a body that is not what its checksum says */ };

static void
add_condition(struct s3_call *c, const struct s3_condition *condition)
{
	c->request.stop = condition ? condition->stop : NULL;
	if (condition && condition->if_absent)
		s3_call_header(c, "If-None-Match", STR("*"));
	if (condition && condition->if_etag.p)
		s3_call_header(c, "If-Match", condition->if_etag);
}

static bool
has_condition(const struct s3_condition *condition)
{
	return condition && (condition->if_absent || condition->if_etag.p);
}

/* Whether the object that is there was written by the put of this nonce: its answer was lost, and
 * what came back is about its repetition. */
static bool
is_own(struct aws *aws, struct arena *a, struct str bucket, struct str key, const char *nonce,
	struct str *etag)
{
	struct aws_answer answer = {0};
	struct error unwanted;
	struct s3_call c;

	s3_call_init(&c, "HEAD", bucket, key);
	if (aws_call(aws, a, &c.request, &answer, &unwanted) < 0 ||
		!str_is(aws_header(&answer, S3_NONCE), nonce))
		return false;
	*etag = aws_header(&answer, "etag");
	return true;
}

/* A condition that does not hold: ERR_STALE also when what it names is not there. */
static int
condition_failed(const struct aws_answer *answer, struct str bucket, struct str key,
	const struct s3_condition *condition, int rc, struct error *err)
{
	if (rc != ERR_MISSING || !condition->if_etag.p || strcmp(answer->code, "NoSuchBucket") == 0)
		return rc;
	return error_set(err, ERR_STALE, "s3 PutObject %.*s/%.*s: it is not there any more",
		STR_ARG(bucket), STR_ARG(key));
}

int
s3_put(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct str bytes,
	const struct s3_condition *condition, struct str *etag, struct error *err)
{
	char checksum[S3_CHECKSUM_BYTES], nonce[S3_NONCE_BYTES];
	struct aws_answer answer = {0};
	struct str got;
	struct s3_call c;
	int rc;

	s3_call_init(&c, "PUT", bucket, key);
	s3_call_body(&c, bytes, checksum);
	add_condition(&c, condition);
	if (has_condition(condition)) {
		s3_nonce(nonce);
		s3_call_header(&c, S3_NONCE, str_from(nonce));
	}
	rc = aws_call(aws, a, &c.request, &answer, err);
	got = aws_header(&answer, "etag");
	if (rc < 0 && has_condition(condition)) {
		rc = condition_failed(&answer, bucket, key, condition, rc, err);
		if (rc == ERR_STALE && is_own(aws, a, bucket, key, nonce, &got))
			rc = 0;
	}
	if (etag)
		*etag = got;
	return rc;
}

int
s3_put_whole_file(struct aws *aws, struct arena *a, struct str bucket, struct str key, int fd,
	int64_t bytes, struct error *err)
{
	char checksum[S3_CHECKSUM_BYTES];
	struct aws_answer answer = {0};
	struct digest sha256;
	struct aws_body from = {.fd = fd, .bytes = bytes, .sha256 = &sha256};
	struct s3_call c;
	int rc;

	if (bytes == 0)
		return s3_put(aws, a, bucket, key, STR(""), NULL, NULL, err);
	rc = s3_digest_file(fd, 0, bytes, &sha256, err);
	if (rc < 0)
		return error_wrap(err, "s3 PutObject %.*s/%.*s", STR_ARG(bucket), STR_ARG(key));
	s3_checksum(checksum, &sha256);
	s3_call_init(&c, "PUT", bucket, key);
	s3_call_header(&c, S3_CHECKSUM, str_from(checksum));
	c.request.from = &from;
	return aws_call(aws, a, &c.request, &answer, err);
}

static void
init_get(struct s3_call *c, struct str bucket, struct str key, struct str if_etag)
{
	s3_call_init(c, "GET", bucket, key);
	s3_call_header(c, "x-amz-checksum-mode", STR("ENABLED"));
	if (if_etag.p)
		s3_call_header(c, "If-Match", if_etag);
}

int
s3_get(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct str if_etag,
	size_t max_bytes, struct str *bytes, struct s3_object *object, struct error *err)
{
	struct aws_answer answer;
	struct s3_call c;
	int rc = 0;

	for (int i = 0; i < READ_ATTEMPTS; i++) {
		answer = (struct aws_answer){0};
		init_get(&c, bucket, key, if_etag);
		c.request.max_bytes = max_bytes;
		rc = aws_call(aws, a, &c.request, &answer, err);
		if (rc < 0)
			return rc;
		if (!answer.body.p)
			answer.body = STR("");
		rc = s3_check_body(
			&answer, bucket, key, answer.body, -1, (int64_t)answer.body.n, err);
		if (rc == 0)
			break;
	}
	*bytes = answer.body;
	if (object)
		s3_read_object(&answer, key, object);
	return rc;
}

/* again: see s3_get_ranges. */
static int
get_whole_file(struct aws *aws, struct arena *a, struct str bucket, struct str key,
	struct str if_etag, int fd, int64_t *bytes, bool *again, struct error *err)
{
	struct aws_answer answer = {0};
	struct s3_call c;
	int rc;

	init_get(&c, bucket, key, if_etag);
	c.request.out_fd = fd;
	rc = aws_call(aws, a, &c.request, &answer, err);
	if (rc < 0)
		return rc;
	*bytes = answer.body_bytes;
	if (ftruncate(fd, (off_t)answer.body_bytes) < 0 && errno != EINVAL)
		return error_set_errno(err, ERR_HOST, errno,
			"s3 GetObject %.*s/%.*s: write its bytes", STR_ARG(bucket), STR_ARG(key));
	rc = s3_check_body(&answer, bucket, key, (struct str){0}, fd, *bytes, err);
	*again = rc < 0;
	return rc;
}

int
s3_get_file(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct str if_etag,
	int64_t about_bytes, int fd, int64_t *bytes, struct error *err)
{
	bool again = true;
	int rc = 0;

	for (int i = 0; i < READ_ATTEMPTS && again; i++) {
		again = false;
		rc = 1;
		if (about_bytes >= S3_RANGES_BYTES)
			rc = s3_get_ranges(aws, a, bucket, key, if_etag, fd, bytes, &again, err);
		if (rc > 0)
			rc = get_whole_file(aws, a, bucket, key, if_etag, fd, bytes, &again, err);
	}
	return rc;
}

int
s3_head(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct s3_object *out,
	struct error *err)
{
	struct aws_answer answer = {0};
	struct s3_call c;
	int rc;

	s3_call_init(&c, "HEAD", bucket, key);
	rc = aws_call(aws, a, &c.request, &answer, err);
	if (rc == 0)
		s3_read_object(&answer, key, out);
	return rc;
}

int
s3_delete(struct aws *aws, struct arena *a, struct str bucket, struct str key,
	const struct s3_condition *condition, struct error *err)
{
	struct aws_answer answer = {0};
	struct s3_call c;
	int rc;

	s3_call_init(&c, "DELETE", bucket, key);
	add_condition(&c, condition);
	rc = aws_call(aws, a, &c.request, &answer, err);
	return rc == ERR_MISSING && strcmp(answer.code, "NoSuchBucket") != 0 ? 0 : rc;
}
