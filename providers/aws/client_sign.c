/* client_sign: a request's URL and headers, with its signature in the headers or in the URL. */
#include "providers/aws/client_internal.h"

#include "providers/aws/uri.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20, OWN_HEADERS = 5 };

static int
hash_file(const struct aws_request *request, struct digest *out, struct error *err)
{
	const struct aws_body *from = request->from;
	struct hasher *h = hasher_new();
	char *bytes = mem_alloc(READ_BYTES);
	int64_t done = 0;
	int rc = 0;

	while (done < from->bytes && rc == 0) {
		size_t want =
			from->bytes - done < READ_BYTES ? (size_t)(from->bytes - done) : READ_BYTES;
		ssize_t n = pread(from->fd, bytes, want, (off_t)(from->offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = error_set_errno(
				err, ERR_HOST, errno, "read the file that is to be sent");
		else if (n == 0)
			rc = error_set(err, ERR_HOST,
				"the file that is to be sent became shorter: it ended after %lld "
				"bytes of %lld; run this again when nothing changes it",
				(long long)done, (long long)from->bytes);
		else if (request->stop && atomic_load(request->stop))
			rc = error_set(err, ERR_CANCELLED, "stopped");
		if (n > 0)
			hasher_add(h, bytes, (size_t)n);
		done += n;
	}
	*out = hasher_end(h);
	hasher_free(h);
	free(bytes);
	return rc;
}

int
client_hash_body(
	struct arena *a, const struct aws_request *request, struct str *hex, struct error *err)
{
	struct digest d;
	char text[DIGEST_HEX_BYTES];
	int rc = 0;

	if (request->body.p || !request->from)
		d = digest_of(request->body.p ? request->body.p : "", request->body.n);
	else if (request->from->sha256)
		d = *request->from->sha256;
	else
		rc = hash_file(request, &d, err);
	if (rc < 0)
		return rc;
	digest_hex(text, &d);
	*hex = arena_str(a, str_from(text));
	return 0;
}

/* The path on the wire: S3's keys are any bytes, encoded once. */
static struct str
wire_path(struct arena *a, const struct endpoint *at, const struct aws_request *request)
{
	struct buf b = {0};
	struct str out;

	buf_add_str(&b, at->base_path);
	if (request->service != AWS_S3 || request->path.n > 0 || b.n == 0)
		buf_add_char(&b, '/');
	uri_encode_path(&b, request->path);
	out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

static const char *
join_url(struct arena *a, const struct endpoint *at, struct str path, const struct buf *query)
{
	return arena_printf(a, "%.*s://%.*s%.*s%s%.*s", STR_ARG(at->scheme), STR_ARG(at->host),
		STR_ARG(path), query->n ? "?" : "", (int)query->n, query->n ? query->p : "")
		.p;
}

static void
add_header(struct arena *a, struct pairs *headers, struct str name, struct str value)
{
	struct buf b = {0};

	sigv4_header_value(&b, value);
	headers->v[headers->n++] = (struct pair){name, arena_str(a, b.n ? buf_str(&b) : STR(""))};
	buf_free(&b);
}

static void
add_signature(struct call *c, struct sigv4 *r)
{
	struct arena *a = &c->scratch;
	struct buf signature = {0};

	sigv4_time(r->time, aws_wall_ns(c->aws));
	add_header(a, &r->headers, STR("X-Amz-Date"), str_from(r->time));
	add_header(a, &r->headers, STR("X-Amz-Content-Sha256"), c->payload);
	if (c->who.token.p)
		add_header(a, &r->headers, STR("X-Amz-Security-Token"), c->who.token);
	sigv4_sign(&signature, r, c->who.key_id, c->who.secret);
	add_header(a, &r->headers, STR("Authorization"), buf_str(&signature));
	buf_free(&signature);
}

int
client_sign(struct call *c, struct signed_request *out, struct error *err)
{
	const struct aws_request *request = c->request;
	struct arena *a = &c->scratch;
	struct buf query = {0};
	struct endpoint at;
	struct sigv4 r = {.method = request->method,
		.query = request->query,
		.payload = c->payload,
		.s3 = request->service == AWS_S3,
		.region = str_from(c->region),
		.service = str_from(endpoint_service(request->service))};
	int rc = endpoint_find(a, &at, request->service, str_from(c->region), request->bucket,
		c->aws->config, err);

	if (rc < 0)
		return rc;
	r.path = wire_path(a, &at, request);
	r.headers.v = ARENA_ARRAY(a, struct pair, request->headers.n + OWN_HEADERS);
	add_header(a, &r.headers, STR("Host"), at.host);
	for (size_t i = 0; i < request->headers.n; i++)
		add_header(a, &r.headers, request->headers.v[i].name, request->headers.v[i].value);
	if (!request->is_unsigned)
		add_signature(c, &r);
	sigv4_query(&query, &request->query);
	out->url = join_url(a, &at, r.path, &query);
	out->headers = r.headers;
	buf_free(&query);
	return 0;
}

static int
presign(struct call *c, int64_t expires_s, struct str *url, struct error *err)
{
	const struct aws_request *request = c->request;
	struct arena *a = &c->scratch;
	struct buf query = {0};
	struct endpoint at;
	struct sigv4 r = {.method = request->method,
		.query = request->query,
		.payload = STR(SIGV4_UNSIGNED_PAYLOAD),
		.s3 = true,
		.region = str_from(c->region),
		.service = STR("s3")};
	int rc = endpoint_find(
		a, &at, AWS_S3, str_from(c->region), request->bucket, c->aws->config, err);

	if (rc < 0)
		return rc;
	r.path = wire_path(a, &at, request);
	r.headers.v = ARENA_ARRAY(a, struct pair, request->headers.n + 1);
	add_header(a, &r.headers, STR("Host"), at.host);
	for (size_t i = 0; i < request->headers.n; i++)
		add_header(a, &r.headers, request->headers.v[i].name, request->headers.v[i].value);
	sigv4_time(r.time, aws_wall_ns(c->aws));
	sigv4_presign(&query, &r, c->who.key_id, c->who.secret, c->who.token, expires_s);
	*url = str_from(join_url(c->arena, &at, r.path, &query));
	buf_free(&query);
	return 0;
}

int
aws_presign(struct aws *aws, struct arena *a, const char *method, struct str bucket, struct str key,
	const struct pairs *query, const struct pairs *headers, int64_t expires_s, struct str *url,
	struct error *err)
{
	struct aws_request request = {.service = AWS_S3,
		.method = method,
		.bucket = bucket,
		.path = key,
		.query = query ? *query : (struct pairs){0},
		.headers = headers ? *headers : (struct pairs){0}};
	struct call c = {.aws = aws, .arena = a, .request = &request};
	int rc;

	if (expires_s < 1 || expires_s > SIGV4_EXPIRES_MAX_S)
		return error_set(err, ERR_INTERNAL,
			"a URL is to be good for %lld s; S3 takes 1 to %d", (long long)expires_s,
			SIGV4_EXPIRES_MAX_S);
	client_region_of(aws, &request, c.region);
	rc = credentials_get(aws->chain, &c.scratch, &c.who, err);
	if (rc == 0)
		rc = presign(&c, expires_s, url, err);
	if (rc < 0)
		error_wrap(err, "sign a URL for s3://%.*s/%.*s", STR_ARG(bucket), STR_ARG(key));
	arena_free(&c.scratch);
	return rc;
}
