/* Objects that are files: in one piece, in parts, in ranges, and what is left of those that fail. */
#include "tests/unit/s3_fixture.h"

#include <stdatomic.h>

static void
check_file(struct fixture *f, const char *key, int fd, int64_t bytes)
{
	int out = memfd_create("out", MFD_CLOEXEC);
	struct digest a, b;
	int64_t n;

	if (s3_get_file(NULL, &f->a, bucket, str_from(key), (struct str){0}, bytes, out, &n,
		    &f->err) < 0)
		fail_msg("%s", f->err.message);
	assert_int_equal(n, bytes);
	assert_int_equal(s3_digest_file(fd, 0, bytes, &a, &f->err), 0);
	assert_int_equal(s3_digest_file(out, 0, bytes, &b, &f->err), 0);
	assert_int_equal(digest_cmp(&a, &b), 0);
	close(out);
}

static void
test_files(void **state)
{
	const size_t large = (100 << 20) + 12345;
	struct fixture *f = *state;
	int fd = file_of(large);

	standin.delay_us = 2000;
	assert_int_equal(s3_put_file(NULL, &f->a, bucket, STR("small"), fd, 70000, &f->err), 0);
	check_file(f, "small", fd, 70000);
	assert_int_equal(s3_put_file(NULL, &f->a, bucket, STR("empty"), fd, 0, &f->err), 0);
	check_file(f, "empty", fd, 0);
	assert_int_equal(standin_count("POST"), 0);
	assert_int_equal(
		s3_put_file(NULL, &f->a, bucket, STR("large"), fd, (int64_t)large, &f->err), 0);
	assert_int_equal(standin_count("PUT large?partNumber"), 7);
	check_file(f, "large", fd, (int64_t)large);
	assert_int_equal(standin_count("GET large"), 7);
	standin.hook = damage; /* a checksum of checksums is checked as well */
	reads_to_damage = 100;
	{
		int64_t n;
		int out = memfd_create("out", MFD_CLOEXEC);

		assert_int_equal(s3_get_file(NULL, &f->a, bucket, STR("large"), (struct str){0},
					 (int64_t)large, out, &n, &f->err),
			ERR_HOST);
		close(out);
	}
	standin.hook = NULL;
	assert_int_equal(
		s3_put_file(NULL, &f->a, bucket, STR("more"), fd, (int64_t)large + 1, &f->err),
		ERR_HOST);
	assert_non_null(strstr(f->err.message, "shorter"));
	assert_int_equal(standin_count("DELETE more?uploadId"), 1);
	assert_int_equal(s3_put_file(NULL, &f->a, bucket, STR("more"), -1, 5, &f->err), ERR_HOST);
	assert_false(standin_has("more"));
	close(fd);
}

static int
get_large(struct fixture *f, struct str if_etag)
{
	int out = memfd_create("out", MFD_CLOEXEC), rc;
	int64_t n;

	rc = s3_get_file(NULL, &f->a, bucket, STR("large"), if_etag, 64 << 20, out, &n, &f->err);
	close(out);
	return rc;
}

static atomic_int changes;

/* Another one takes its place while it is read. */
static int
change(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	if (after || strcmp(r->method, "GET") != 0 || atomic_fetch_sub(&changes, 1) != 1)
		return 0;
	return standin_fail(answer, 412, "PreconditionFailed", err);
}

static void
test_ranges(void **state)
{
	const int64_t large = (80 << 20) + 1;
	struct fixture *f = *state;
	struct s3_object o;
	int fd = file_of((size_t)large);

	assert_int_equal(s3_put_file(NULL, &f->a, bucket, STR("large"), fd, large, &f->err), 0);
	assert_int_equal(s3_head(NULL, &f->a, bucket, STR("large"), &o, &f->err), 0);
	assert_int_equal(get_large(f, o.etag), 0);
	assert_int_equal(get_large(f, STR("\"another\"")), ERR_STALE);
	standin.hook = damage; /* once: read again */
	atomic_store(&reads_to_damage, 1);
	assert_int_equal(get_large(f, (struct str){0}), 0);
	standin.hook = change;
	atomic_store(&changes, 1);
	assert_int_equal(get_large(f, (struct str){0}), 0);
	atomic_store(&changes, 1);
	assert_int_equal(get_large(f, o.etag), ERR_STALE);
	standin.hook = NULL;
	standin.ignores_ranges = true;
	assert_int_equal(get_large(f, (struct str){0}), ERR_HOST);
	assert_non_null(strstr(f->err.message, "another part"));
	standin.ignores_ranges = false;
	/* One that turns out to be small. */
	assert_int_equal(s3_put_file(NULL, &f->a, bucket, STR("large"), fd, 70000, &f->err), 0);
	assert_int_equal(get_large(f, (struct str){0}), 0);
	close(fd);
}

static const char *failing_query;
static atomic_int failures; /* uploads run side by side */

static int
fail_query(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	if (after || failures == 0 || !standin_pair(&r->query, failing_query).p ||
		strcmp(r->method, "DELETE") == 0)
		return 0;
	failures--;
	return standin_fail(answer, 500, "InternalError", err);
}

/* "after": done, but the answer says otherwise. */
static int
fail_in_200(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	(void)err;
	if (!after || failures == 0 || strcmp(r->method, "POST") != 0 ||
		!standin_pair(&r->query, "uploadId").p)
		return 0;
	failures--;
	answer->body = STR("  \n<?xml version=\"1.0\"?><Error><Code>InternalError</Code>"
			   "<Message>try again</Message></Error>");
	return 0;
}

static void
test_parts_that_fail(void **state)
{
	const int64_t large = INT64_C(80) << 20;
	struct fixture *f = *state;
	int fd = file_of((size_t)large);
	static const char *const queries[] = {"uploads", "partNumber", "uploadId"};

	for (size_t i = 0; i < 3; i++) {
		standin.hook = fail_query;
		failing_query = queries[i];
		failures = 1;
		assert_int_equal(
			s3_put_file(NULL, &f->a, bucket, STR("k"), fd, large, &f->err), ERR_HOST);
		assert_non_null(strstr(f->err.message, "InternalError"));
		assert_false(standin_has("k"));
		for (size_t u = 0; u < standin.n_uploads; u++)
			assert_false(standin.uploads[u].open);
	}
	/* 200 with an error, the upload being there all the same: its own nonce tells */
	standin.hook = fail_in_200;
	failures = 1;
	assert_int_equal(s3_put_file(NULL, &f->a, bucket, STR("k"), fd, large, &f->err), 0);
	check_file(f, "k", fd, large);
	assert_int_equal(failures, 0);
	close(fd);
}

static void
test_aborting_what_is_unfinished(void **state)
{
	struct fixture *f = *state;
	int64_t begun = standin.now_ns;
	uint32_t n;

	for (int i = 0; i < 7; i++) {
		struct aws_answer answer;
		struct s3_call c;

		s3_call_init(&c, "POST", bucket, i == 3 ? STR("other/x") : STR("p/a b"));
		s3_call_query(&c, "uploads", (struct str){0});
		assert_int_equal(aws_call(NULL, &f->a, &c.request, &answer, &f->err), 0);
		standin.now_ns += 3600 * NS_PER_S;
	}
	assert_int_equal(s3_abort_uploads(NULL, &f->a, bucket, STR("p/"),
				 begun + 3 * 3600 * NS_PER_S, true, &n, &f->err),
		0);
	assert_int_equal(n, 3);
	assert_int_equal(standin_count("DELETE"), 0);
	assert_int_equal(s3_abort_uploads(NULL, &f->a, bucket, STR("p/"),
				 begun + 3 * 3600 * NS_PER_S, false, &n, &f->err),
		0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(standin.uploads[i].open, i > 2);
	standin.hook = answer_with;
	answer_body = STR("<L><IsTruncated>true</IsTruncated></L>");
	assert_int_equal(
		s3_abort_uploads(NULL, &f->a, bucket, STR("p/"), INT64_MAX, false, &n, &f->err),
		ERR_HOST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_files),
		TEST(test_parts_that_fail),
		TEST(test_ranges),
		TEST(test_aborting_what_is_unfinished),
	};

	return cmocka_run_group_tests_name("s3", tests, NULL, NULL);
}
