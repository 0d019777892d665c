/* s3_delete: many objects at once: DeleteObjects, a thousand keys a request. The few keys that XML
 * 1.0 cannot hold are deleted one by one. */
#include "providers/aws/s3_call.h"

#include "planner/base/buf.h"
#include "providers/parallel.h"

#include <pthread.h>
#include <stdlib.h>

enum { DELETE_ATTEMPTS = 4 };

/* One call of s3_delete_many. */
struct deleting {
	struct aws *aws;
	struct str bucket;
	struct strings keys;
	pthread_mutex_t lock; /* over what follows */
	int rc;
	struct error err; /* the first failure */
};

static bool
fits_into_xml(struct str key)
{
	if (!str_is_utf8(key))
		return false;
	for (size_t i = 0; i < key.n; i++) {
		unsigned char c = (unsigned char)key.p[i];

		if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
			return false;
		if (c == 0xef && i + 2 < key.n && memcmp(key.p + i, "\xef\xbf", 2) == 0 &&
			(unsigned char)key.p[i + 2] >= 0xbe) /* U+FFFE, U+FFFF */
			return false;
	}
	return true;
}

static void
add_escaped(struct buf *out, struct str key)
{
	for (size_t i = 0; i < key.n; i++) {
		char c = key.p[i];

		if (c == '&' || c == '<' || c == '>' || c == '\t' || c == '\n' || c == '\r')
			buf_addf(out, "&#%d;", c);
		else
			buf_add_char(out, c);
	}
}

static void
failed(struct deleting *d, int rc, const struct error *err)
{
	pthread_mutex_lock(&d->lock);
	if (d->rc == 0) {
		d->rc = rc;
		d->err = *err;
	}
	pthread_mutex_unlock(&d->lock);
}

static int
refused(struct deleting *d, const struct xml *x, struct error *err)
{
	struct str key = xml_text(x, "Key"), code = xml_text(x, "Code");
	int rc = error_set(err, ERR_HOST, "s3 DeleteObjects %.*s/%.*s: %.*s: %.*s",
		STR_ARG(d->bucket), STR_ARG(key), STR_ARG(code), STR_ARG(xml_text(x, "Message")));

	if (str_is(code, "AccessDenied")) {
		rc = err->code = ERR_INPUT;
		err->class = CLASS_DENIED;
	} else if (str_is(code, "InternalError") || str_is(code, "SlowDown") ||
		   str_is(code, "ServiceUnavailable")) {
		err->class = CLASS_TRANSIENT;
	}
	return rc;
}

/* What is said of each key. */
static int
read_answer(struct deleting *d, struct arena *a, struct str body, struct error *err)
{
	struct xml *root;
	int rc = xml_parse(a, &root, body, "s3 DeleteObjects", err);

	if (rc < 0)
		return rc;
	if (str_is(root->name, "Error"))
		return refused(d, root, err);
	for (const struct xml *x = xml_at(root, "Error"); x; x = xml_next(x)) {
		if (!str_is(xml_text(x, "Code"), "NoSuchKey"))
			return refused(d, x, err);
	}
	return 0;
}

/* All of them again when one failed for the moment: what is gone stays gone. */
static int
send_batch(struct deleting *d, struct arena *a, struct str body, struct error *err)
{
	int rc = 0;

	for (int i = 0; i < DELETE_ATTEMPTS; i++) {
		char checksum[S3_CHECKSUM_BYTES];
		struct aws_answer answer = {0};
		struct s3_call c;

		s3_call_init(&c, "POST", d->bucket, (struct str){0});
		s3_call_query(&c, "delete", (struct str){0});
		s3_call_header(&c, "Content-Type", STR("application/xml"));
		s3_call_header(&c, "x-amz-sdk-checksum-algorithm", STR("SHA256"));
		s3_call_body(&c, body, checksum);
		rc = aws_call(d->aws, a, &c.request, &answer, err);
		if (rc == 0)
			rc = read_answer(d, a, answer.body, err);
		else
			break; /* that was tried again already */
		if (rc == 0 || err->class != CLASS_TRANSIENT)
			break;
	}
	return rc;
}

static void
delete_batch(void *ctx, size_t which)
{
	struct deleting *d = ctx;
	size_t end = (which + 1) * S3_BATCH;
	struct arena a = {0};
	struct buf body = {0};
	struct error err;
	size_t n = 0;
	int rc = 0;

	buf_add_cstr(&body, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
			    "<Quiet>true</Quiet>");
	for (size_t i = which * S3_BATCH; rc == 0 && i < end && i < d->keys.n; i++) {
		if (!fits_into_xml(d->keys.v[i])) {
			rc = s3_delete(d->aws, &a, d->bucket, d->keys.v[i], NULL, &err);
			continue;
		}
		n++;
		buf_add_cstr(&body, "<Object><Key>");
		add_escaped(&body, d->keys.v[i]);
		buf_add_cstr(&body, "</Key></Object>");
	}
	buf_add_cstr(&body, "</Delete>");
	if (rc == 0 && n)
		rc = send_batch(d, &a, buf_str(&body), &err);
	if (rc < 0)
		failed(d, rc, &err);
	buf_free(&body);
	arena_free(&a);
}

int
s3_delete_many(struct aws *aws, struct arena *a, struct str bucket, const struct strings *keys,
	struct error *err)
{
	struct deleting d = {
		.aws = aws, .bucket = bucket, .keys = *keys, .lock = PTHREAD_MUTEX_INITIALIZER};

	(void)a; /* each batch has its own */
	parallel_for((keys->n + S3_BATCH - 1) / S3_BATCH, S3_THREADS, delete_batch, &d);
	if (d.rc < 0 && err)
		*err = d.err;
	return d.rc;
}
