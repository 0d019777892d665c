/* retry: the table of codes, and the waiting. */
#include "providers/aws/retry.h"

#include "planner/base/clock.h"
#include "planner/base/str.h"

enum { CREDENTIALS = AWS_MEND_CREDENTIALS, CLOCK = AWS_MEND_CLOCK, REGION = AWS_MEND_REGION };

struct row {
	const char *code;
	enum error_code result;
	enum error_class class;
	unsigned int mend;
};

static const struct row rows[] = {
	{"RequestLimitExceeded", ERR_HOST, CLASS_THROTTLED, 0},
	{"EC2ThrottledException", ERR_HOST, CLASS_THROTTLED, 0},
	{"Throttling", ERR_HOST, CLASS_THROTTLED, 0},
	{"ThrottlingException", ERR_HOST, CLASS_THROTTLED, 0},
	{"ThrottledException", ERR_HOST, CLASS_THROTTLED, 0},
	{"RequestThrottled", ERR_HOST, CLASS_THROTTLED, 0},
	{"RequestThrottledException", ERR_HOST, CLASS_THROTTLED, 0},
	{"TooManyRequestsException", ERR_HOST, CLASS_THROTTLED, 0},
	{"SlowDown", ERR_HOST, CLASS_THROTTLED, 0},
	{"BandwidthLimitExceeded", ERR_HOST, CLASS_THROTTLED, 0},
	{"PriorRequestNotComplete", ERR_HOST, CLASS_THROTTLED, 0},

	{"InternalError", ERR_HOST, CLASS_TRANSIENT, 0},
	{"InternalFailure", ERR_HOST, CLASS_TRANSIENT, 0},
	{"InternalServerError", ERR_HOST, CLASS_TRANSIENT, 0},
	{"Unavailable", ERR_HOST, CLASS_TRANSIENT, 0},
	{"ServiceUnavailable", ERR_HOST, CLASS_TRANSIENT, 0},
	{"ServiceUnavailableException", ERR_HOST, CLASS_TRANSIENT, 0},
	{"RequestTimeout", ERR_HOST, CLASS_TRANSIENT, 0},
	{"RequestTimeoutException", ERR_HOST, CLASS_TRANSIENT, 0},
	{"OperationAborted", ERR_HOST, CLASS_TRANSIENT, 0},
	{"BadDigest", ERR_HOST, CLASS_TRANSIENT, 0},
	{"XAmzContentSHA256Mismatch", ERR_HOST, CLASS_TRANSIENT, 0},
	{"IncompleteBody", ERR_HOST, CLASS_TRANSIENT, 0},

	{"InsufficientInstanceCapacity", ERR_HOST, CLASS_CAPACITY, 0},
	{"InsufficientHostCapacity", ERR_HOST, CLASS_CAPACITY, 0},
	{"InsufficientReservedInstanceCapacity", ERR_HOST, CLASS_CAPACITY, 0},
	{"InsufficientCapacity", ERR_HOST, CLASS_CAPACITY, 0},
	{"InsufficientFreeAddressesInSubnet", ERR_HOST, CLASS_CAPACITY, 0},
	{"UnfulfillableCapacity", ERR_HOST, CLASS_CAPACITY, 0},
	{"SpotMaxPriceTooLow", ERR_HOST, CLASS_CAPACITY, 0},
	{"MaxSpotInstanceCountExceeded", ERR_HOST, CLASS_CAPACITY, 0},
	{"Unsupported", ERR_HOST, CLASS_CAPACITY, 0},

	{"VcpuLimitExceeded", ERR_HOST, CLASS_QUOTA, 0},
	{"InstanceLimitExceeded", ERR_HOST, CLASS_QUOTA, 0},
	{"MaxIOPSLimitExceeded", ERR_HOST, CLASS_QUOTA, 0},
	{"VolumeLimitExceeded", ERR_HOST, CLASS_QUOTA, 0},
	{"SecurityGroupLimitExceeded", ERR_HOST, CLASS_QUOTA, 0},
	{"RulesPerSecurityGroupLimitExceeded", ERR_HOST, CLASS_QUOTA, 0},
	{"AddressLimitExceeded", ERR_HOST, CLASS_QUOTA, 0},
	{"TooManyBuckets", ERR_HOST, CLASS_QUOTA, 0},

	{"UnauthorizedOperation", ERR_INPUT, CLASS_DENIED, 0},
	{"AccessDenied", ERR_INPUT, CLASS_DENIED, 0},
	{"AccessDeniedException", ERR_INPUT, CLASS_DENIED, 0},
	{"AllAccessDisabled", ERR_INPUT, CLASS_DENIED, 0},
	{"AccountProblem", ERR_INPUT, CLASS_DENIED, 0},
	{"NotSignedUp", ERR_INPUT, CLASS_DENIED, 0},
	{"OptInRequired", ERR_INPUT, CLASS_DENIED, 0},
	{"PendingVerification", ERR_INPUT, CLASS_DENIED, 0},
	{"Blocked", ERR_INPUT, CLASS_DENIED, 0},
	{"IncompleteSignature", ERR_INPUT, CLASS_DENIED, 0},
	{"MissingAuthenticationToken", ERR_INPUT, CLASS_DENIED, 0},
	{"MissingAuthenticationTokenException", ERR_INPUT, CLASS_DENIED, 0},
	{"ExpiredToken", ERR_INPUT, CLASS_DENIED, CREDENTIALS},
	{"ExpiredTokenException", ERR_INPUT, CLASS_DENIED, CREDENTIALS},
	{"TokenRefreshRequired", ERR_INPUT, CLASS_DENIED, CREDENTIALS},
	{"InvalidToken", ERR_INPUT, CLASS_DENIED, CREDENTIALS},
	{"InvalidClientTokenId", ERR_INPUT, CLASS_DENIED, CREDENTIALS},
	{"InvalidAccessKeyId", ERR_INPUT, CLASS_DENIED, CREDENTIALS},
	{"UnrecognizedClientException", ERR_INPUT, CLASS_DENIED, CREDENTIALS},
	{"AuthFailure", ERR_INPUT, CLASS_DENIED, CREDENTIALS | CLOCK},
	{"RequestExpired", ERR_INPUT, CLASS_DENIED, CREDENTIALS | CLOCK},
	{"RequestTimeTooSkewed", ERR_INPUT, CLASS_DENIED, CLOCK},
	{"RequestInTheFuture", ERR_INPUT, CLASS_DENIED, CLOCK},
	{"SignatureDoesNotMatch", ERR_INPUT, CLASS_DENIED, CLOCK},
	{"InvalidSignatureException", ERR_INPUT, CLASS_DENIED, CLOCK},

	{"PermanentRedirect", ERR_HOST, CLASS_FATAL, REGION},
	{"TemporaryRedirect", ERR_HOST, CLASS_FATAL, REGION},
	{"AuthorizationHeaderMalformed", ERR_INPUT, CLASS_DENIED, REGION},
	{"IllegalLocationConstraintException", ERR_INPUT, CLASS_FATAL, REGION},

	{"NoSuchKey", ERR_MISSING, CLASS_FATAL, 0},
	{"NoSuchBucket", ERR_MISSING, CLASS_FATAL, 0},
	{"NoSuchUpload", ERR_MISSING, CLASS_FATAL, 0},
	{"NoSuchVersion", ERR_MISSING, CLASS_FATAL, 0},
	{"NoSuchEntity", ERR_MISSING, CLASS_FATAL, 0},
	{"ParameterNotFound", ERR_MISSING, CLASS_FATAL, 0},

	{"PreconditionFailed", ERR_STALE, CLASS_FATAL, 0},
	{"ConditionalRequestConflict", ERR_STALE, CLASS_TRANSIENT, 0},

	/* Not what was asked is wrong, but what is there already: the caller looks at the code. */
	{"DryRunOperation", ERR_HOST, CLASS_FATAL, 0},
	{"IdempotentParameterMismatch", ERR_HOST, CLASS_FATAL, 0},
	{"DependencyViolation", ERR_HOST, CLASS_FATAL, 0},
	{"InvalidGroup.InUse", ERR_HOST, CLASS_FATAL, 0},
	{"InvalidGroup.Duplicate", ERR_HOST, CLASS_FATAL, 0},
	{"InvalidPermission.Duplicate", ERR_HOST, CLASS_FATAL, 0},
	{"InvalidKeyPair.Duplicate", ERR_HOST, CLASS_FATAL, 0},
	{"InvalidRange", ERR_HOST, CLASS_FATAL, 0},
};

static struct aws_verdict
by_status(int status, bool has_code)
{
	if (status == 404)
		return (struct aws_verdict){.code = ERR_MISSING};
	if (status == 412)
		return (struct aws_verdict){.code = ERR_STALE};
	if (status == 429)
		return (struct aws_verdict){
			.code = ERR_HOST, .class = CLASS_THROTTLED, .untouched = true};
	if (status == 401 || status == 403)
		return (struct aws_verdict){
			.code = ERR_INPUT, .class = CLASS_DENIED, .untouched = true};
	if (status == 301 || status == 307)
		return (struct aws_verdict){
			.code = ERR_HOST, .mend = AWS_MEND_REGION, .untouched = true};
	/* To HEAD: there is no body that could tell which. */
	if (status == 400 && !has_code)
		return (struct aws_verdict){.code = ERR_HOST,
			.mend = AWS_MEND_REGION | AWS_MEND_CREDENTIALS,
			.untouched = true};
	if (status == 408 || status == 500 || status == 502 || status == 503 || status == 504)
		return (struct aws_verdict){.code = ERR_HOST, .class = CLASS_TRANSIENT};
	if (status == 400 && has_code)
		return (struct aws_verdict){.code = ERR_INPUT};
	return (struct aws_verdict){.code = ERR_HOST};
}

struct aws_verdict
aws_retry_judge(const char *code, int status)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];

		if (strcmp(r->code, code) == 0)
			return (struct aws_verdict){r->result, r->class, r->mend,
				r->class == CLASS_THROTTLED || r->mend != 0};
	}
	if (str_ends(str_from(code), STR(".NotFound")))
		return (struct aws_verdict){.code = ERR_MISSING};
	return by_status(status, code[0] != '\0');
}

/* splitmix64: jitter needs no better one. */
static uint64_t
draw(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

int64_t
aws_retry_delay_ns(enum error_class class, uint32_t attempt, uint64_t *random, int64_t after_ns)
{
	bool throttled = class == CLASS_THROTTLED;
	int64_t most = throttled ? NS_PER_S : 50 * NS_PER_MS;
	int64_t cap = throttled ? 20 * NS_PER_S : NS_PER_S, delay;

	while (attempt-- > 1 && most < cap)
		most *= 2;
	if (most > cap)
		most = cap;
	delay = (int64_t)(draw(random) % (uint64_t)(most + 1));
	if (after_ns > delay + 5 * NS_PER_S)
		return delay + 5 * NS_PER_S;
	return after_ns > delay ? after_ns : delay;
}

int64_t
aws_retry_after_ns(const char *x_amz_retry_after, const char *retry_after)
{
	int64_t n;

	if (x_amz_retry_after && str_to_i64(str_from(x_amz_retry_after), &n) && n > 0)
		return n < 1000000 ? n * NS_PER_MS : 1000 * NS_PER_S;
	if (retry_after && str_to_i64(str_from(retry_after), &n) && n > 0)
		return n < 1000 ? n * NS_PER_S : 1000 * NS_PER_S;
	return 0;
}

void
aws_quota_init(struct aws_quota *q)
{
	atomic_init(&q->left, AWS_QUOTA);
}

bool
aws_quota_take(struct aws_quota *q)
{
	int left = atomic_load(&q->left);

	do {
		if (left < AWS_QUOTA_COST)
			return false;
	} while (!atomic_compare_exchange_weak(&q->left, &left, left - AWS_QUOTA_COST));
	return true;
}

void
aws_quota_give(struct aws_quota *q, uint32_t retries)
{
	int left = atomic_load(&q->left), more = retries ? (int)retries * AWS_QUOTA_COST : 1;

	while (!atomic_compare_exchange_weak(
		&q->left, &left, left + more < AWS_QUOTA ? left + more : AWS_QUOTA))
		;
}
