/* What codes mean, how long is waited, the quota and the pace; and failures in all shapes. */
#include "providers/aws/failure.h"
#include "providers/aws/limiter.h"
#include "providers/aws/retry.h"

#include "planner/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { MENDS = AWS_MEND_CLOCK | AWS_MEND_CREDENTIALS | AWS_MEND_REGION };

static void
codes(void **state)
{
	static const struct {
		const char *code;
		int status;
		enum error_code result;
		enum error_class class;
		unsigned int mend;
		bool untouched;
	} cases[] = {
		{"InsufficientInstanceCapacity", 500, ERR_HOST, CLASS_CAPACITY, 0, false},
		{"Unsupported", 400, ERR_HOST, CLASS_CAPACITY, 0, false},
		{"VcpuLimitExceeded", 400, ERR_HOST, CLASS_QUOTA, 0, false},
		{"RequestLimitExceeded", 503, ERR_HOST, CLASS_THROTTLED, 0, true},
		{"ThrottlingException", 400, ERR_HOST, CLASS_THROTTLED, 0, true},
		{"SlowDown", 503, ERR_HOST, CLASS_THROTTLED, 0, true},
		{"", 429, ERR_HOST, CLASS_THROTTLED, 0, true},
		{"Strange", 429, ERR_HOST, CLASS_THROTTLED, 0, true},
		{"InternalError", 500, ERR_HOST, CLASS_TRANSIENT, 0, false},
		{"RequestTimeout", 400, ERR_HOST, CLASS_TRANSIENT, 0, false},
		{"Strange", 500, ERR_HOST, CLASS_TRANSIENT, 0, false},
		{"", 500, ERR_HOST, CLASS_TRANSIENT, 0, false},
		{"", 502, ERR_HOST, CLASS_TRANSIENT, 0, false},
		{"", 503, ERR_HOST, CLASS_TRANSIENT, 0, false},
		{"", 504, ERR_HOST, CLASS_TRANSIENT, 0, false},
		{"", 501, ERR_HOST, CLASS_FATAL, 0, false},
		{"UnauthorizedOperation", 403, ERR_INPUT, CLASS_DENIED, 0, false},
		{"", 403, ERR_INPUT, CLASS_DENIED, 0, true},
		{"", 401, ERR_INPUT, CLASS_DENIED, 0, true},
		{"ExpiredToken", 400, ERR_INPUT, CLASS_DENIED, AWS_MEND_CREDENTIALS, true},
		{"AuthFailure", 401, ERR_INPUT, CLASS_DENIED, AWS_MEND_CREDENTIALS | AWS_MEND_CLOCK,
			true},
		{"RequestTimeTooSkewed", 403, ERR_INPUT, CLASS_DENIED, AWS_MEND_CLOCK, true},
		{"PermanentRedirect", 301, ERR_HOST, CLASS_FATAL, AWS_MEND_REGION, true},
		{"", 307, ERR_HOST, CLASS_FATAL, AWS_MEND_REGION, true},
		{"", 400, ERR_HOST, CLASS_FATAL, AWS_MEND_REGION | AWS_MEND_CREDENTIALS, true},
		{"InvalidParameterValue", 400, ERR_INPUT, CLASS_FATAL, 0, false},
		{"NoSuchKey", 404, ERR_MISSING, CLASS_FATAL, 0, false},
		{"InvalidInstanceID.NotFound", 400, ERR_MISSING, CLASS_FATAL, 0, false},
		{"ParameterNotFound", 400, ERR_MISSING, CLASS_FATAL, 0, false},
		{"", 404, ERR_MISSING, CLASS_FATAL, 0, false},
		{"PreconditionFailed", 412, ERR_STALE, CLASS_FATAL, 0, false},
		{"", 412, ERR_STALE, CLASS_FATAL, 0, false},
		{"ConditionalRequestConflict", 409, ERR_STALE, CLASS_TRANSIENT, 0, false},
		{"DryRunOperation", 412, ERR_HOST, CLASS_FATAL, 0, false},
		{"IdempotentParameterMismatch", 400, ERR_HOST, CLASS_FATAL, 0, false},
		{"InvalidGroup.Duplicate", 400, ERR_HOST, CLASS_FATAL, 0, false},
		{"BucketAlreadyOwnedByYou", 409, ERR_HOST, CLASS_FATAL, 0, false},
		{"", 200, ERR_HOST, CLASS_FATAL, 0, false},
		{"", 0, ERR_HOST, CLASS_FATAL, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct aws_verdict v = aws_retry_judge(cases[i].code, cases[i].status);

		if (v.code != cases[i].result || v.class != cases[i].class ||
			v.mend != cases[i].mend || v.untouched != cases[i].untouched)
			fail_msg("%s %d: code %d, class %d, mend %u, untouched %d", cases[i].code,
				cases[i].status, v.code, v.class, v.mend, v.untouched);
		assert_int_equal(v.mend & ~(unsigned int)MENDS, 0);
	}
}

static int64_t
longest(enum error_class class, uint32_t attempt)
{
	uint64_t random = 7;
	int64_t most = 0, least = INT64_MAX;

	for (int i = 0; i < 2000; i++) {
		int64_t ns = aws_retry_delay_ns(class, attempt, &random, 0);

		most = ns > most ? ns : most;
		least = ns < least ? ns : least;
	}
	/* Full jitter: from nothing on. */
	assert_true(least < most / 50);
	return most;
}

static void
delays(void **state)
{
	uint64_t random = 1;

	(void)state;
	assert_in_range(longest(CLASS_TRANSIENT, 1), 45 * NS_PER_MS, 50 * NS_PER_MS);
	assert_in_range(longest(CLASS_TRANSIENT, 3), 190 * NS_PER_MS, 200 * NS_PER_MS);
	assert_in_range(longest(CLASS_TRANSIENT, 99), 950 * NS_PER_MS, NS_PER_S);
	assert_in_range(longest(CLASS_THROTTLED, 1), 950 * NS_PER_MS, NS_PER_S);
	assert_in_range(longest(CLASS_THROTTLED, 2), 1900 * NS_PER_MS, 2 * NS_PER_S);
	assert_in_range(longest(CLASS_THROTTLED, UINT32_MAX), 19 * NS_PER_S, 20 * NS_PER_S);
	/* The server's wish is a floor, within reason. */
	assert_int_equal(
		aws_retry_delay_ns(CLASS_TRANSIENT, 1, &random, 3 * NS_PER_S), 3 * NS_PER_S);
	assert_in_range(aws_retry_delay_ns(CLASS_TRANSIENT, 1, &random, 3600 * NS_PER_S),
		5 * NS_PER_S, 5 * NS_PER_S + 50 * NS_PER_MS);
	assert_int_equal(aws_retry_after_ns("1500", "7"), 1500 * NS_PER_MS);
	assert_int_equal(aws_retry_after_ns(NULL, "7"), 7 * NS_PER_S);
	assert_int_equal(aws_retry_after_ns(NULL, "Fri, 01 Jan 2010 10:00:00 GMT"), 0);
	assert_int_equal(aws_retry_after_ns("-1", "-1"), 0);
	assert_int_equal(aws_retry_after_ns("9223372036854775807", NULL), 1000 * NS_PER_S);
	assert_int_equal(aws_retry_after_ns(NULL, NULL), 0);
}

static void
quota(void **state)
{
	struct aws_quota q;
	int n = 0;

	(void)state;
	aws_quota_init(&q);
	while (aws_quota_take(&q))
		n++;
	assert_int_equal(n, AWS_QUOTA / AWS_QUOTA_COST);
	for (int i = 0; i < AWS_QUOTA_COST - 1; i++)
		aws_quota_give(&q, 0);
	assert_false(aws_quota_take(&q));
	aws_quota_give(&q, 0);
	assert_true(aws_quota_take(&q));
	/* A call that succeeded behind two retries gives back what they cost. */
	aws_quota_give(&q, 2);
	assert_true(aws_quota_take(&q));
	assert_true(aws_quota_take(&q));
	assert_false(aws_quota_take(&q));
	for (int i = 0; i < 3 * AWS_QUOTA; i++)
		aws_quota_give(&q, 1);
	assert_int_equal(atomic_load(&q.left), AWS_QUOTA);
}

static void
pace(void **state)
{
	struct limiter l;
	int64_t now = 10 * NS_PER_S, before;

	(void)state;
	limiter_init(&l);
	assert_int_equal(limiter_take(&l, now), now);
	assert_int_equal(limiter_take(&l, now), now);
	/* Throttled answers to requests that were under way together count once. */
	for (int i = 0; i < 10; i++)
		limiter_throttled(&l, now + i);
	assert_int_equal(limiter_take(&l, now), now + 50 * NS_PER_MS);
	assert_int_equal(limiter_take(&l, now), now + 100 * NS_PER_MS);
	assert_int_equal(limiter_take(&l, now), now + 150 * NS_PER_MS);
	limiter_throttled(&l, now + NS_PER_S);
	assert_int_equal(limiter_take(&l, now + NS_PER_S), now + NS_PER_S + 100 * NS_PER_MS);
	for (int i = 0; i < 100; i++)
		limiter_throttled(&l, now += NS_PER_S);
	assert_int_equal(l.interval_ns, 2 * NS_PER_S);
	/* Successes bring it back, in the end wholly. */
	before = l.interval_ns;
	limiter_succeeded(&l);
	assert_true(l.interval_ns < before);
	for (int i = 0; i < 50; i++)
		limiter_succeeded(&l);
	assert_int_equal(l.interval_ns, 0);
	now += 100 * NS_PER_S;
	assert_int_equal(limiter_take(&l, now), now);
	assert_int_equal(limiter_take(&l, now), now);
	limiter_destroy(&l);
}

static void
shapes(void **state)
{
	static const struct {
		const char *body, *header, *value;
		const char *code, *message, *request_id, *region;
	} cases[] = {
		{"<Response><Errors><Error><Code>A.B</Code><Message>m</Message></Error></Errors>"
		 "<RequestID>r</RequestID></Response>",
			"", "", "A.B", "m", "r", ""},
		{"<ErrorResponse xmlns='x'><Error><Type>Sender</Type><Code>C</Code><Message> two\n"
		 "lines</Message></Error><RequestId>r</RequestId></ErrorResponse>",
			"", "", "C", "two lines", "r", ""},
		{"\n<Error><Code>C</Code><Message>m</Message><RequestId>r</RequestId><HostId>h"
		 "</HostId><Region>eu-west-1</Region></Error>",
			"", "", "C", "m", "r", "eu-west-1"},
		{"<ErrorResponse><Errors><Error><Code>C</Code></Error></Errors></ErrorResponse>",
			"", "", "C", "HTTP status 400 with nothing more", "", ""},
		{"{\"__type\":\"ns#C\",\"message\":\"m\"}", "x-amzn-requestid", "r", "C", "m", "r",
			""},
		{"{\"__type\":\"C\",\"Message\":\"m\"}", "", "", "C", "m", "", ""},
		{"{\"code\":\"C:http://x\",\"message\":3}", "", "", "C",
			"HTTP status 400 with nothing more", "", ""},
		{"{}", "x-amzn-errortype", "C:http://internal/", "C",
			"HTTP status 400 with nothing more", "", ""},
		{"", "x-amz-bucket-region", "eu-west-2", "", "HTTP status 400 with nothing more",
			"", "eu-west-2"},
		{"", "x-amz-request-id", "r", "", "HTTP status 400 with nothing more", "r", ""},
		{"<Error><Code>no\tcode</Code></Error>", "", "", "",
			"HTTP status 400 with words that AWS doesn't use: <Error><Code>no "
			"code</Code></Error>",
			"", ""},
		{"<Error><Code>C</Code", "", "", "",
			"HTTP status 400 with words that AWS doesn't use: <Error><Code>C</Code", "",
			""},
		{"[1]", "", "", "", "HTTP status 400 with words that AWS doesn't use: [1]", "", ""},
		{"<HTML><body>x", "", "", "",
			"HTTP status 400 with a page of HTML, as a proxy or load balancer sends "
			"it: "
			"<HTML><body>x",
			"", ""},
		{"<!DOCTYPE html><html/>", "", "", "",
			"HTTP status 400 with a page of HTML, as a proxy or load balancer sends "
			"it: "
			"<!DOCTYPE html><html/>",
			"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pair header = {str_from(cases[i].header), str_from(cases[i].value)};
		struct pairs headers = {&header, 1};
		struct arena a = {0};
		struct failure f;

		failure_read(&a, &f, 400, &headers, str_from(cases[i].body));
		assert_string_equal(f.code, cases[i].code);
		assert_string_equal(f.message.p, cases[i].message);
		assert_string_equal(f.request_id, cases[i].request_id);
		assert_string_equal(f.region, cases[i].region);
		arena_free(&a);
	}
}

static void
hidden_failures(void **state)
{
	(void)state;
	assert_true(failure_in_success(STR("<Error><Code>x</Code></Error>")));
	assert_true(failure_in_success(STR("  <?xml version='1.0'?>\n <Error xmlns='x'>")));
	assert_false(failure_in_success(STR("<Errors/>")));
	assert_false(failure_in_success(
		STR("<DeleteResult><Error><Key>k</Key></Error></DeleteResult>")));
	assert_false(failure_in_success(STR("")));
	assert_false(failure_in_success((struct str){0}));
	assert_false(failure_in_success(STR("<?xml")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes),
		cmocka_unit_test(delays),
		cmocka_unit_test(quota),
		cmocka_unit_test(pace),
		cmocka_unit_test(shapes),
		cmocka_unit_test(hidden_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
