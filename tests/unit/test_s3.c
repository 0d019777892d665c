/* S3 against a stand-in of the client: objects, listings, deletions, buckets: what is asked, what is made of
 * answers of every kind. */
#include "tests/unit/s3_fixture.h"

#include <stdatomic.h>

static void
test_urls(void **state)
{
	static const char *const bad[] = {"", "s3:/", "s3://", "s3:///x", "s3://ab", "bucket/x",
		"s3://Bucket", "s3://-bucket", "s3://bucket-", "s3://buc_ket", "s3://a..b",
		"s3://a.-b", "s3://a-.b", "s3://192.168.5.4/x", "S3://bucket",
		"s3://0123456789012345678901234567890123456789012345678901234567890123"};
	static const struct {
		const char *url, *bucket, *key;
	} good[] = {{"s3://bucket", "bucket", ""}, {"s3://bucket/", "bucket", ""},
		{"s3://my.bucket-1/a/b//c", "my.bucket-1", "a/b//c"}, {"s3://123/x", "123", "x"}};
	struct str b, k;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(s3_parse_url(str_from(bad[i]), &b, &k));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(s3_parse_url(str_from(good[i].url), &b, &k));
		assert_true(str_is(b, good[i].bucket));
		assert_true(str_is(k, good[i].key));
	}
}

static void
test_times(void **state)
{
	static const char *const bad[] = {"", "now", "Wed, 25 Nov 2026", "2026-11-25",
		"Wed, 32 Nov 2026 04:45:46 GMT", "Wed, 25 Now 2026 04:45:46 GMT",
		"Wed, 25 Nov 2026 04:45:46", "2026-13-25T04:45:46Z", "9999-01-01T00:00:00Z",
		"0026-11-25T04:45:46Z", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

	(void)state;
	assert_int_equal(
		s3_time(STR("Wed, 25 Nov 2026 04:45:46 GMT")), INT64_C(1795581946) * NS_PER_S);
	assert_int_equal(s3_time(STR("2026-11-25T04:45:46.123Z")), INT64_C(1795581946) * NS_PER_S);
	assert_int_equal(s3_time(STR("1970-01-01T00:00:01Z")), NS_PER_S);
	assert_int_equal(s3_time((struct str){0}), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(s3_time(str_from(bad[i])), 0);
}

static void
test_put_get(void **state)
{
	struct fixture *f = *state;
	struct s3_object o;
	struct str bytes;

	put(f, "a/b", STR("hello"));
	assert_string_equal(standin.log[0], "PUT a/b");
	assert_int_equal(
		s3_get(NULL, &f->a, bucket, STR("a/b"), (struct str){0}, 0, &bytes, &o, &f->err),
		0);
	assert_true(str_is(bytes, "hello"));
	assert_int_equal(o.size_bytes, 5);
	assert_true(o.etag.n > 2 && o.etag.p[0] == '"');
	assert_true(o.modified_wall_ns > 0 && o.answered_wall_ns >= o.modified_wall_ns);
	assert_int_equal(
		s3_get(NULL, &f->a, bucket, STR("a/b"), o.etag, 0, &bytes, NULL, &f->err), 0);
	assert_int_equal(
		s3_get(NULL, &f->a, bucket, STR("a/b"), STR("\"x\""), 0, &bytes, NULL, &f->err),
		ERR_STALE);
	assert_int_equal(
		s3_get(NULL, &f->a, bucket, STR("none"), (struct str){0}, 0, &bytes, NULL, &f->err),
		ERR_MISSING);
	put(f, "empty", STR(""));
	assert_int_equal(s3_get(NULL, &f->a, bucket, STR("empty"), (struct str){0}, 0, &bytes, NULL,
				 &f->err),
		0);
	assert_true(bytes.p && bytes.n == 0);
	assert_int_equal(s3_head(NULL, &f->a, bucket, STR("a/b"), &o, &f->err), 0);
	assert_int_equal(o.size_bytes, 5);
	assert_int_equal(s3_head(NULL, &f->a, bucket, STR("none"), &o, &f->err), ERR_MISSING);
	assert_int_equal(s3_delete(NULL, &f->a, bucket, STR("a/b"), NULL, &f->err), 0);
	assert_int_equal(s3_delete(NULL, &f->a, bucket, STR("a/b"), NULL, &f->err), 0);
	assert_false(standin_has("a/b"));
	standin.no_bucket = true;
	assert_int_equal(s3_delete(NULL, &f->a, bucket, STR("a/b"), NULL, &f->err), ERR_MISSING);
}

static void
test_conditions(void **state)
{
	struct fixture *f = *state;
	struct s3_condition absent = {.if_absent = true}, is = {0};
	struct str etag, etag2;

	assert_int_equal(
		s3_put(NULL, &f->a, bucket, STR("k"), STR("1"), &absent, &etag, &f->err), 0);
	assert_int_equal(
		s3_put(NULL, &f->a, bucket, STR("k"), STR("2"), &absent, NULL, &f->err), ERR_STALE);
	is.if_etag = etag;
	assert_int_equal(s3_put(NULL, &f->a, bucket, STR("k"), STR("2"), &is, &etag2, &f->err), 0);
	assert_false(str_eq(etag, etag2));
	assert_int_equal(
		s3_put(NULL, &f->a, bucket, STR("k"), STR("3"), &is, NULL, &f->err), ERR_STALE);
	assert_int_equal(
		s3_put(NULL, &f->a, bucket, STR("gone"), STR("3"), &is, NULL, &f->err), ERR_STALE);
	assert_int_equal(s3_delete(NULL, &f->a, bucket, STR("k"), &is, &f->err), ERR_STALE);
	assert_true(standin_has("k"));
	is.if_etag = etag2;
	assert_int_equal(s3_delete(NULL, &f->a, bucket, STR("k"), &is, &f->err), 0);
	assert_int_equal(s3_delete(NULL, &f->a, bucket, STR("k"), &is, &f->err), 0);
	standin.no_bucket = true;
	assert_int_equal(
		s3_put(NULL, &f->a, bucket, STR("k"), STR("3"), &is, NULL, &f->err), ERR_MISSING);
}

/* The first answer to a put is lost, its repetition finds the object there. */
static int
lose_reply(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	if (!after || strcmp(r->method, "PUT") != 0)
		return 0;
	return standin_fail(answer, 412, "PreconditionFailed", err);
}

static void
test_own_lost_reply_is_no_conflict(void **state)
{
	struct fixture *f = *state;
	struct s3_condition absent = {.if_absent = true}, is = {0};
	struct str etag;

	standin.hook = lose_reply;
	assert_int_equal(
		s3_put(NULL, &f->a, bucket, STR("k"), STR("1"), &absent, &etag, &f->err), 0);
	assert_true(etag.n > 0);
	is.if_etag = etag;
	assert_int_equal(s3_put(NULL, &f->a, bucket, STR("k"), STR("2"), &is, &etag, &f->err), 0);
	/* the same bytes, but by somebody else: a conflict nevertheless */
	assert_int_equal(
		s3_put(NULL, &f->a, bucket, STR("k"), STR("2"), &absent, NULL, &f->err), ERR_STALE);
}

static void
test_a_body_that_is_not_what_was_put(void **state)
{
	struct fixture *f = *state;
	int fd = memfd_create("out", MFD_CLOEXEC);
	struct str bytes;
	char text[8] = "";
	int64_t n;

	put(f, "k", STR("hello"));
	standin.hook = damage;
	reads_to_damage = 1;
	assert_int_equal(
		s3_get(NULL, &f->a, bucket, STR("k"), (struct str){0}, 0, &bytes, NULL, &f->err),
		0);
	assert_true(str_is(bytes, "hello"));
	reads_to_damage = 1;
	assert_int_equal(write(fd, "longer than that", 16), 16);
	assert_int_equal(
		s3_get_file(NULL, &f->a, bucket, STR("k"), (struct str){0}, -1, fd, &n, &f->err),
		0);
	assert_int_equal(n, 5);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 5);
	assert_string_equal(text, "hello");
	reads_to_damage = 100;
	assert_int_equal(
		s3_get(NULL, &f->a, bucket, STR("k"), (struct str){0}, 0, &bytes, NULL, &f->err),
		ERR_HOST);
	assert_non_null(strstr(f->err.message, "not those that were put"));
	assert_int_equal(
		s3_get_file(NULL, &f->a, bucket, STR("k"), (struct str){0}, -1, fd, &n, &f->err),
		ERR_HOST);
	close(fd);
}

static void
test_listing(void **state)
{
	static const char *const odd[] = {"p/a b", "p/a+b", "p/a%2Fb", "p/\xc3\xa4", "p/\x01\n",
		"p/<&>\"'", "p//x", "p/../y", "p/z"};
	struct fixture *f = *state;
	struct s3_object *v;
	size_t n;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		put(f, odd[i], STR("12345"));
	put(f, "q", STR(""));
	for (size_t page = 0; page < 4; page++) {
		standin.page = page;
		assert_int_equal(s3_list(NULL, &f->a, bucket, STR("p/"), 0, &v, &n, &f->err), 0);
		assert_int_equal(n, sizeof(odd) / sizeof(odd[0]));
		for (size_t i = 0; i < n; i++) {
			bool found = false;

			for (size_t k = 0; k < n; k++)
				found |= str_is(v[i].key, odd[k]);
			assert_true(found);
			assert_true(i == 0 || str_cmp(v[i - 1].key, v[i].key) < 0);
			assert_int_equal(v[i].size_bytes, 5);
			assert_true(v[i].modified_wall_ns > 0 && v[i].etag.p[0] == '"');
		}
	}
	assert_int_equal(s3_list(NULL, &f->a, bucket, STR("p/"), 4, &v, &n, &f->err), 0);
	assert_int_equal(n, 4);
	assert_int_equal(s3_list(NULL, &f->a, bucket, STR("none"), 0, &v, &n, &f->err), 0);
	assert_int_equal(n, 0);
	standin.no_bucket = true;
	assert_int_equal(s3_list(NULL, &f->a, bucket, STR("p/"), 0, &v, &n, &f->err), ERR_MISSING);
	assert_int_equal(n, 0);
}

static void
test_folders(void **state)
{
	struct fixture *f = *state;
	struct strings v;

	put(f, "r/a/1", STR(""));
	put(f, "r/a/2", STR(""));
	put(f, "r/a b/x/y", STR(""));
	put(f, "r/file", STR(""));
	for (size_t page = 0; page < 3; page++) {
		standin.page = page;
		assert_int_equal(s3_list_folders(NULL, &f->a, bucket, STR("r/"), &v, &f->err), 0);
		assert_int_equal(v.n, 2);
		assert_true(str_is(v.v[0], "a") && str_is(v.v[1], "a b"));
	}
}

#define LIST(text) "<ListBucketResult>" text "</ListBucketResult>"

static void
test_bad_pages(void **state)
{
	static const char *const bad[] = {"", "<html><body>502</body></html>", "{}", "<a",
		LIST("<Contents/>"), LIST("<Contents><Key></Key><Size>1</Size></Contents>"),
		LIST("<Contents><Key>a</Key></Contents>"),
		LIST("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
		LIST("<Contents><Key>a</Key><Size>99999999999999999999</Size></Contents>"),
		LIST("<EncodingType>url</EncodingType><Contents><Key>a%2</Key><Size>1</Size></"
		     "Contents>"),
		LIST("<EncodingType>url</EncodingType><Contents><Key>a%zz</Key><Size>1</Size></"
		     "Contents>"),
		LIST("<CommonPrefixes/>"), LIST("<IsTruncated>true</IsTruncated>"),
		LIST("<IsTruncated>true</IsTruncated><NextContinuationToken/>")};
	struct fixture *f = *state;
	struct s3_page page;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(s3_page_parse(&f->a, &page, str_from(bad[i]), &f->err), ERR_HOST);
	assert_int_equal(
		s3_page_parse(&f->a, &page,
			STR(LIST("<Contents><Key>a%41</Key><Size>1</Size></Contents>")), &f->err),
		0);
	assert_true(str_is(page.objects[0].key, "a%41")); /* not said to be encoded */
	assert_null(page.next.p);
}

static void
test_listings_that_lead_astray(void **state)
{
	struct fixture *f = *state;
	struct s3_object *v;
	struct strings folders;
	size_t n;

	standin.hook = answer_with;
	answer_body = STR(LIST("<IsTruncated>true</IsTruncated>"
			       "<NextContinuationToken>x</NextContinuationToken>"));
	assert_int_equal(s3_list(NULL, &f->a, bucket, STR("p/"), 0, &v, &n, &f->err), ERR_HOST);
	assert_int_equal(standin.n_log, 2); /* not for ever */
	assert_non_null(strstr(f->err.message, "bucket/p/"));
	answer_body = STR(LIST("<Contents><Key>other</Key><Size>1</Size></Contents>"));
	assert_int_equal(s3_list(NULL, &f->a, bucket, STR("p/"), 0, &v, &n, &f->err), ERR_HOST);
	answer_body = STR(LIST("<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>"));
	assert_int_equal(
		s3_list_folders(NULL, &f->a, bucket, STR("p/"), &folders, &f->err), ERR_HOST);
	/* out of order, as directory buckets list */
	answer_body = STR(LIST("<Contents><Key>p/b</Key><Size>1</Size></Contents>"
			       "<Contents><Key>p/a</Key><Size>2</Size></Contents>"));
	assert_int_equal(s3_list(NULL, &f->a, bucket, STR("p/"), 0, &v, &n, &f->err), 0);
	assert_true(str_is(v[0].key, "p/a") && v[0].size_bytes == 2);
}

static void
test_deleting_many(void **state)
{
	enum { N = 2503 };
	struct fixture *f = *state;
	struct strings keys = {.v = ARENA_ARRAY(&f->a, struct str, N), .n = N};

	for (size_t i = 0; i < N; i++) {
		keys.v[i] = arena_printf(&f->a, i % 2 ? "d/<%zu>&" : "d/ %zu\r\n.", i);
		if (i == 7)
			keys.v[i] = STR("d/\x02"); /* no XML can hold it */
		if (i == 8)
			keys.v[i] = STR("d/\xff");
		if (i != 9)
			put(f, keys.v[i].p, STR("x"));
	}
	put(f, "other", STR("x"));
	assert_int_equal(s3_delete_many(NULL, &f->a, bucket, &keys, &f->err), 0);
	assert_int_equal(standin.n, 1);
	assert_int_equal(standin_count("POST ?delete="), 3);
	assert_int_equal(standin_count("DELETE "), 2);
	keys.n = 0;
	assert_int_equal(s3_delete_many(NULL, &f->a, bucket, &keys, &f->err), 0);
}

static void
test_deleting_many_with_failures(void **state)
{
	struct fixture *f = *state;
	struct str key = STR("k");
	struct strings keys = {.v = &key, .n = 1};

	standin.hook = answer_with;
	answer_body = STR("<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code>"
			  "<Message>no</Message></Error></DeleteResult>");
	assert_int_equal(s3_delete_many(NULL, &f->a, bucket, &keys, &f->err), ERR_INPUT);
	assert_int_equal(f->err.class, CLASS_DENIED);
	assert_non_null(strstr(f->err.message, "bucket/k: AccessDenied: no"));
	answer_body = STR("<DeleteResult><Error><Key>k</Key><Code>SlowDown</Code>"
			  "</Error></DeleteResult>");
	assert_int_equal(s3_delete_many(NULL, &f->a, bucket, &keys, &f->err), ERR_HOST);
	assert_true(standin.n_log >= 4); /* tried again */
	answer_body = STR("<Error><Code>InternalError</Code><Message>we</Message></Error>");
	assert_int_equal(s3_delete_many(NULL, &f->a, bucket, &keys, &f->err), ERR_HOST);
	answer_body = STR("<DeleteResult><Error><Key>k</Key><Code>NoSuchKey</Code>"
			  "</Error></DeleteResult>");
	assert_int_equal(s3_delete_many(NULL, &f->a, bucket, &keys, &f->err), 0);
	answer_body = STR("");
	assert_int_equal(s3_delete_many(NULL, &f->a, bucket, &keys, &f->err), ERR_HOST);
}

static int
deny(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	(void)r;
	return after ? 0 : standin_fail(answer, 403, "", err);
}

static int
taken(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	(void)r;
	return after ? 0 : standin_fail(answer, 409, "BucketAlreadyExists", err);
}

static void
test_buckets(void **state)
{
	struct fixture *f = *state;
	int64_t now;

	assert_int_equal(s3_head_bucket(NULL, &f->a, bucket, &now, &f->err), 0);
	assert_true(now > 0);
	assert_int_equal(s3_create_bucket(NULL, &f->a, bucket, &f->err), 0);
	standin.no_bucket = true;
	assert_int_equal(s3_head_bucket(NULL, &f->a, bucket, NULL, &f->err), ERR_MISSING);
	assert_int_equal(s3_create_bucket(NULL, &f->a, bucket, &f->err), 0);
	assert_int_equal(standin_count("PUT ?publicAccessBlock="), 1);
	standin.region = "eu-west-1";
	assert_int_equal(s3_head_bucket(NULL, &f->a, bucket, NULL, &f->err), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "eu-west-1"));
	standin.region = "us-east-2";
	standin.hook = deny;
	assert_int_equal(s3_head_bucket(NULL, &f->a, bucket, NULL, &f->err), ERR_INPUT);
	assert_int_equal(f->err.class, CLASS_DENIED);
	standin.hook = taken;
	assert_int_equal(s3_create_bucket(NULL, &f->a, bucket, &f->err), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "another account"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_times),
		TEST(test_put_get),
		TEST(test_conditions),
		TEST(test_own_lost_reply_is_no_conflict),
		TEST(test_a_body_that_is_not_what_was_put),
		TEST(test_listing),
		TEST(test_folders),
		TEST(test_bad_pages),
		TEST(test_listings_that_lead_astray),
		TEST(test_deleting_many),
		TEST(test_deleting_many_with_failures),
		TEST(test_buckets),
	};

	return cmocka_run_group_tests_name("s3", tests, NULL, NULL);
}
