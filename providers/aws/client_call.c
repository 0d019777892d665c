/* client_call: attempts at one request until it is answered for good. What may be mended (credentials,
 * clock, a bucket's region) is mended once each, and that attempt doesn't count. */
#include "providers/aws/client_internal.h"

#include "providers/curl/lib.h"

#include <time.h>

enum { MAX_BYTES = 64 << 20, STOP_TICK_MS = 50 };

static const int64_t skew_min_ns = 240 * NS_PER_S; /* AWS minds five minutes */

static int64_t
now_ns(void)
{
	const struct clock *c = clock_system();

	return c->now_ns(c->ctx);
}

static bool
is_stopped(const struct call *c)
{
	return c->request->stop && atomic_load(c->request->stop);
}

static int
cancelled(const struct call *c, struct error *err)
{
	return error_set(err, ERR_CANCELLED, "%.*s %.*s %.*s: stopped",
		STR_ARG(c->operation.service), STR_ARG(c->operation.name),
		STR_ARG(c->operation.on));
}

static int
wait_until(const struct call *c, int64_t at_ns, struct error *err)
{
	int64_t left;

	while (!is_stopped(c) && (left = at_ns - now_ns()) > 0) {
		struct timespec t;

		if (c->request->stop && left > STOP_TICK_MS * NS_PER_MS)
			left = STOP_TICK_MS * NS_PER_MS;
		t = (struct timespec){left / NS_PER_S, left % NS_PER_S};
		nanosleep(&t, NULL);
	}
	return is_stopped(c) ? cancelled(c, err) : 0;
}

static int
take_credentials(struct call *c, struct error *err)
{
	int rc = 0;

	if (c->request->is_unsigned)
		return 0;
	if (c->as)
		c->who = *c->as;
	else
		rc = credentials_get(c->aws->chain, &c->scratch, &c->who, err);
	if (rc < 0)
		error_wrap(err, "%.*s %.*s %.*s", STR_ARG(c->operation.service),
			STR_ARG(c->operation.name), STR_ARG(c->operation.on));
	return rc;
}

static int
send_once(struct call *c, struct http_reply *reply, struct error *err)
{
	const struct aws_request *q = c->request;
	struct signed_request out;
	int rc = client_sign(c, &out, err);
	struct http_ask ask = {.method = q->method,
		.headers = &out.headers,
		.body = q->body,
		.from_bytes = -1,
		.out_fd = q->out_fd,
		.out_offset = q->out_offset,
		.out_hasher = q->out_hasher,
		.max_bytes = q->max_bytes ? q->max_bytes : MAX_BYTES,
		.once = q->repeat == AWS_REPEAT_UNSENT,
		.stop = q->stop};

	if (rc < 0)
		return rc;
	ask.url = out.url;
	if (!q->body.p && q->from) {
		ask.from_fd = q->from->fd;
		ask.from_offset = q->from->offset;
		ask.from_bytes = q->from->bytes;
	}
	return http_send(c->aws->http, c->arena, &ask, reply, err);
}

static struct str
header(const struct http_reply *reply, const char *name)
{
	struct aws_answer a = {.headers = reply->headers};

	return aws_header(&a, name);
}

static bool
mend_region(struct call *c, const struct failure *f)
{
	if (c->request->service != AWS_S3 || !c->request->bucket.p || !f->region[0] ||
		strcmp(f->region, c->region) == 0 || !endpoint_is_region(str_from(f->region)))
		return false;
	memcpy(c->region, f->region, strlen(f->region) + 1);
	client_learn_region(c->aws, c->request->bucket, c->region);
	return true;
}

static bool
mend_clock(struct call *c, const struct http_reply *reply)
{
	struct str date = header(reply, "date");
	const struct libcurl *lib;
	int64_t off_ns, ours_ns = c->aws->clock->wall_ns(c->aws->clock->ctx);
	time_t server;

	if (!date.p || libcurl_load(&lib, NULL) < 0 ||
		(server = lib->curl_getdate(date.p, NULL)) <= 0)
		return false;
	/* Against what this attempt was signed with: another call may have mended it meanwhile. */
	off_ns = (int64_t)server * NS_PER_S - ours_ns - c->skew_ns;
	if (off_ns < skew_min_ns && off_ns > -skew_min_ns)
		return false;
	atomic_store(&c->aws->skew_ns, (int64_t)server * NS_PER_S - ours_ns);
	return true;
}

static bool
same(struct str a, struct str b)
{
	return a.p && b.p ? str_eq(a, b) : !a.p && !b.p;
}

/* Others only help when there are others. */
static bool
mend_credentials(struct call *c)
{
	struct credentials old = c->who;

	if (c->as || c->request->is_unsigned)
		return false;
	credentials_forget(c->aws->chain, old.key_id);
	if (credentials_get(c->aws->chain, &c->scratch, &c->who, NULL) == 0 &&
		!(same(old.key_id, c->who.key_id) && same(old.token, c->who.token) &&
			same(old.secret, c->who.secret)))
		return true;
	c->who = old;
	return false;
}

static bool
mend(struct call *c, const struct aws_verdict *v, const struct failure *f,
	const struct http_reply *reply)
{
	unsigned int can = v->mend & ~c->mended, done = 0;

	if ((can & AWS_MEND_REGION) && mend_region(c, f))
		done = AWS_MEND_REGION;
	else if ((can & AWS_MEND_CLOCK) && mend_clock(c, reply))
		done = AWS_MEND_CLOCK;
	else if ((can & AWS_MEND_CREDENTIALS) && mend_credentials(c))
		done = AWS_MEND_CREDENTIALS;
	c->mended |= done;
	return done != 0;
}

/* Whether there is another attempt; waits for it. < 0: stopped meanwhile. */
static int
try_again(struct call *c, enum error_class class, bool may_repeat, int64_t after_ns,
	struct error *err)
{
	uint32_t most = c->request->attempts ? c->request->attempts : c->aws->max_attempts;
	int64_t delay_ns;
	int rc;

	if ((class != CLASS_TRANSIENT && class != CLASS_THROTTLED) || !may_repeat ||
		c->attempts >= most || !aws_quota_take(&c->aws->quota))
		return 0;
	c->retries++;
	atomic_fetch_add(&c->aws->retries, 1);
	delay_ns = aws_retry_delay_ns(class, c->attempts, &c->random, after_ns);
	rc = wait_until(c, now_ns() + delay_ns, err);
	return rc < 0 ? rc : 1;
}

static int
pace(struct call *c, struct error *err)
{
	struct limiter *l = &c->aws->limiters[c->request->service];

	return wait_until(c, limiter_take(l, now_ns()), err);
}

/* No answer of AWS's is a page of HTML, but an object may be one. */
static bool
may_be_a_page(const struct aws_request *q)
{
	return q->service == AWS_S3 && strcmp(q->method, "GET") == 0 && q->path.n;
}

static bool
has_succeeded(const struct call *c, const struct http_reply *reply)
{
	bool writes =
		strcmp(c->request->method, "PUT") == 0 || strcmp(c->request->method, "POST") == 0;

	if (reply->status < 200 || reply->status > 299)
		return false;
	if (failure_is_page(reply->body) && !may_be_a_page(c->request))
		return false;
	return c->request->service != AWS_S3 || !writes || !failure_in_success(reply->body);
}

static void
fill_answer(struct aws_answer *answer, const struct call *c, const struct http_reply *reply,
	const struct failure *f)
{
	struct str id = header(reply, "x-amzn-requestid");

	id = id.p ? id : header(reply, "x-amz-request-id");
	*answer = (struct aws_answer){.status = reply->status,
		.headers = reply->headers,
		.body = reply->body,
		.body_bytes = reply->body_bytes,
		.attempts = c->attempts,
		.sends = c->sends};
	if (f) {
		memcpy(answer->code, f->code, sizeof(answer->code));
		memcpy(answer->request_id, f->request_id, sizeof(answer->request_id));
	} else if (id.n < sizeof(answer->request_id)) {
		memcpy(answer->request_id, id.p ? id.p : "", id.n);
	}
}

/* The request was answered. > 0: try again. */
static int
judge(struct call *c, const struct http_reply *reply, struct aws_answer *answer, struct error *err)
{
	struct limiter *l = &c->aws->limiters[c->request->service];
	struct aws_verdict v;
	struct failure f;
	int status = reply->status, rc;

	if (has_succeeded(c, reply)) {
		limiter_succeeded(l);
		aws_quota_give(&c->aws->quota, c->retries);
		fill_answer(answer, c, reply, NULL);
		return 0;
	}
	failure_read(&c->scratch, &f, status, &reply->headers, reply->body);
	v = aws_retry_judge(f.code, status >= 200 && status < 300 ? 500 : status);
	fill_answer(answer, c, reply, &f);
	if (v.class == CLASS_THROTTLED)
		limiter_throttled(l, now_ns());
	if (mend(c, &v, &f, reply)) {
		c->attempts--;
		return 1;
	}
	rc = try_again(c, v.class, c->request->repeat == AWS_REPEAT || v.untouched,
		aws_retry_after_ns(
			header(reply, "x-amz-retry-after").p, header(reply, "retry-after").p),
		err);
	return rc != 0 ? rc : client_fail(c, &f, &v, status, err);
}

/* > 0: try again. */
static int
attempt(struct call *c, struct aws_answer *answer, struct error *err)
{
	struct http_reply reply = {0};
	struct error failure = {0};
	int rc = pace(c, err);

	if (rc == 0)
		rc = take_credentials(c, err);
	if (rc < 0)
		return rc;
	c->attempts++;
	c->skew_ns = atomic_load(&c->aws->skew_ns);
	rc = send_once(c, &reply, &failure);
	c->sends += reply.sends;
	if (rc == 0)
		return judge(c, &reply, answer, err);
	answer->attempts = c->attempts;
	answer->sends = c->sends;
	if (rc == ERR_CANCELLED)
		return cancelled(c, err);
	rc = try_again(c, failure.class, c->request->repeat == AWS_REPEAT || !reply.sent, 0, err);
	if (rc != 0)
		return rc;
	if (err)
		*err = failure;
	return client_fail_unanswered(c, reply.sent, err);
}

int
client_call_as(struct aws *aws, struct arena *a, const struct aws_request *request,
	const struct credentials *as, struct aws_answer *answer, struct error *err)
{
	struct call c = {.aws = aws,
		.arena = a,
		.request = request,
		.as = as,
		.random = atomic_fetch_add(&aws->jitter, UINT64_C(0x9e3779b97f4a7c15))};
	int rc;

	*answer = (struct aws_answer){.body = STR("")};
	client_region_of(aws, request, c.region);
	operation_of(&c.scratch, &c.operation, request, str_from(c.region));
	rc = client_hash_body(&c.scratch, request, &c.payload, err);
	if (rc < 0)
		error_wrap(err, "%.*s %.*s %.*s", STR_ARG(c.operation.service),
			STR_ARG(c.operation.name), STR_ARG(c.operation.on));
	else
		do
			rc = attempt(&c, answer, err);
		while (rc > 0);
	arena_free(&c.scratch);
	return rc;
}

int
aws_call(struct aws *aws, struct arena *a, const struct aws_request *request,
	struct aws_answer *answer, struct error *err)
{
	return client_call_as(aws, a, request, NULL, answer, err);
}
