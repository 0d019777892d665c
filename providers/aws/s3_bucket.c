/* s3_bucket: names of buckets, whether one is there, and making one. */
#include "providers/aws/s3_call.h"

#include <stdio.h>
#include <time.h>

enum { CREATE_ATTEMPTS = 6 };

/* As S3 wants them for buckets made since 2018: 3 to 63 of a-z 0-9 . -, no IPv4 address. */
static bool
is_bucket_name(struct str s)
{
	bool only_address = true;

	if (s.n < 3 || s.n > 63)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		bool is_edge = i == 0 || i + 1 == s.n || s.p[i - 1] == '.';

		if (!is_word && ((c != '.' && c != '-') || is_edge))
			return false;
		if (c == '.' && s.p[i - 1] == '-')
			return false;
		only_address &= c == '.' || (c >= '0' && c <= '9');
	}
	return !only_address || !memchr(s.p, '.', s.n);
}

bool
s3_parse_url(struct str url, struct str *bucket, struct str *key)
{
	struct str rest = str_from_index(url, sizeof("s3://") - 1);

	if (!str_starts(url, STR("s3://")))
		return false;
	*bucket = str_cut(&rest, '/');
	*key = rest.p ? rest : STR("");
	return is_bucket_name(*bucket);
}

static int
other_region(struct aws *aws, struct str bucket, struct str region, struct error *err)
{
	return error_set(err, ERR_INPUT,
		"bucket %.*s lies in %.*s, this job's region is %s: name a bucket of %s, or "
		"another `infra`",
		STR_ARG(bucket), STR_ARG(region), aws_region(aws), aws_region(aws));
}

int
s3_head_bucket(struct aws *aws, struct arena *a, struct str bucket, int64_t *now_wall_ns,
	struct error *err)
{
	struct aws_answer answer = {0};
	struct str region;
	struct s3_call c;
	int rc;

	s3_call_init(&c, "HEAD", bucket, (struct str){0});
	rc = aws_call(aws, a, &c.request, &answer, err);
	if (now_wall_ns)
		*now_wall_ns = s3_time(aws_header(&answer, "date"));
	region = aws_header(&answer, "x-amz-bucket-region");
	if (rc != ERR_MISSING && region.n && !str_is(region, aws_region(aws)))
		return other_region(aws, bucket, region, err);
	if (rc < 0 && answer.status == 403) {
		rc = error_set(err, ERR_INPUT,
			"bucket %.*s is there, but these credentials may not use it (403): it "
			"belongs to another account: name another one; or their policy lacks "
			"{\"Effect\":\"Allow\",\"Action\":\"s3:ListBucket\",\"Resource\":"
			"\"arn:aws:s3:::%.*s\"}",
			STR_ARG(bucket), STR_ARG(bucket));
		if (err)
			err->class = CLASS_DENIED;
	}
	return rc;
}

int
s3_blocks_public(
	struct aws *aws, struct arena *a, struct str bucket, bool *blocked, struct error *err)
{
	static const char *const ways[] = {"BlockPublicAcls", "IgnorePublicAcls",
		"BlockPublicPolicy", "RestrictPublicBuckets"};
	struct aws_answer answer = {0};
	struct xml *root = NULL;
	struct s3_call c;
	int rc;

	*blocked = false;
	s3_call_init(&c, "GET", bucket, (struct str){0});
	s3_call_query(&c, "publicAccessBlock", (struct str){0});
	rc = aws_call(aws, a, &c.request, &answer, err);
	if (rc < 0 && strcmp(answer.code, "NoSuchPublicAccessBlockConfiguration") == 0)
		return 0;
	if (rc == 0)
		rc = xml_parse(a, &root, answer.body, "s3 GetPublicAccessBlock", err);
	if (rc < 0)
		return rc;
	*blocked = true;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		*blocked &= str_is(xml_text(root, ways[i]), "true");
	return 0;
}

/* A part of an upload that nobody has begun: S3 looks at the permission first. */
int
s3_may_put(struct aws *aws, struct arena *a, struct str bucket, struct str key, struct error *err)
{
	struct aws_answer answer = {0};
	struct s3_call c;
	int rc;

	s3_call_init(&c, "PUT", bucket, key);
	s3_call_query(&c, "partNumber", STR("1"));
	s3_call_query(&c, "uploadId", STR("furrow-doctor"));
	c.request.body = STR("");
	rc = aws_call(aws, a, &c.request, &answer, err);
	return rc < 0 && strcmp(answer.code, "NoSuchUpload") == 0 ? 0 : rc;
}

static int
create(struct aws *aws, struct arena *a, struct str bucket, struct aws_answer *answer,
	struct error *err)
{
	static const char open[] = "<CreateBucketConfiguration "
				   "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
				   "<LocationConstraint>",
			  close[] = "</LocationConstraint></CreateBucketConfiguration>";
	struct s3_call c;

	s3_call_init(&c, "PUT", bucket, (struct str){0});
	c.request.body = STR("");
	if (strcmp(aws_region(aws), "us-east-1") != 0)
		c.request.body = arena_printf(a, "%s%s%s", open, aws_region(aws), close);
	return aws_call(aws, a, &c.request, answer, err);
}

static int
block_public_access(struct aws *aws, struct arena *a, struct str bucket, struct error *err)
{
	static const char body[] =
		"<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
		"<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>"
		"<BlockPublicPolicy>true</BlockPublicPolicy>"
		"<RestrictPublicBuckets>true</RestrictPublicBuckets>"
		"</PublicAccessBlockConfiguration>";
	char checksum[S3_CHECKSUM_BYTES];
	struct aws_answer answer = {0};
	struct s3_call c;

	s3_call_init(&c, "PUT", bucket, (struct str){0});
	s3_call_query(&c, "publicAccessBlock", (struct str){0});
	s3_call_body(&c, str_from(body), checksum);
	return aws_call(aws, a, &c.request, &answer, err);
}

int
s3_create_bucket(struct aws *aws, struct arena *a, struct str bucket, struct error *err)
{
	int rc = 0;

	for (int i = 0; i < CREATE_ATTEMPTS; i++) {
		struct timespec pause = {.tv_nsec = 500000000};
		struct aws_answer answer = {0};

		rc = create(aws, a, bucket, &answer, err);
		if (rc == 0)
			return block_public_access(aws, a, bucket, err);
		if (strcmp(answer.code, "BucketAlreadyOwnedByYou") == 0)
			return 0;
		if (strcmp(answer.code, "BucketAlreadyExists") == 0)
			return error_set(err, ERR_INPUT,
				"make bucket %.*s: another account has one of this name; name "
				"another bucket as `store`",
				STR_ARG(bucket));
		if (strcmp(answer.code, "OperationAborted") != 0)
			return rc;
		nanosleep(&pause, NULL); /* another one is just making it */
	}
	return rc;
}
