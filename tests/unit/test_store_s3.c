/* The store in a bucket, against a stand-in of the client: what every store does, and what only this
 * one does: parts that hosts put, uploads that fail, long listings, garbage. */
#include "tests/unit/store_cases.h"

#include "tests/unit/s3_standin.h"

#include "providers/store/s3.h"

static const char *const tmpdir_name = "TMPDIR";
static char tmpdir[PATH_MAX];

static int
open_s3(struct fixture *f, struct store **out)
{
	return store_open_s3(out, NULL, STR("bucket"), STR("some/prefix"), &f->err);
}

static int
setup(void **state)
{
	struct fixture *f;
	int rc = fixture_open_by(state, open_s3);

	f = *state;
	snprintf(tmpdir, sizeof(tmpdir), "%s", getenv(tmpdir_name) ? getenv(tmpdir_name) : "");
	setenv(tmpdir_name, f->root, 1);
	return rc;
}

static bool
has_spool(const char *root)
{
	DIR *d = opendir(root);
	struct dirent *e;
	bool found = false;

	while ((e = readdir(d)))
		found |= strncmp(e->d_name, "furrow-", strlen("furrow-")) == 0;
	closedir(d);
	return found;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->s);
	f->s = NULL;
	assert_false(has_spool(f->root)); /* no temporary file is left */
	if (tmpdir[0])
		setenv(tmpdir_name, tmpdir, 1);
	else
		unsetenv(tmpdir_name);
	standin_reset();
	return fixture_close(state);
}

static char *
key_in_bucket(struct fixture *f, unsigned i, const char *rest)
{
	struct digest key = key_of(i);
	char name[STORE_NAME_BYTES];

	store_result_name(name, &key, NULL);
	return (char *)arena_printf(&f->a, "some/prefix/%s%s", name, rest).p;
}

static size_t
count_parts(void)
{
	size_t n = 0;

	for (size_t i = 0; i < standin.n; i++) {
		struct str key = {.p = standin.objects[i]->key, .n = standin.objects[i]->key_n};

		n += str_ends(key, STR(".tar")) || str_ends(key, STR(".stderr"));
	}
	return n;
}

static void
test_layout(void **state)
{
	struct fixture *f = *state;
	struct store *other;

	assert_string_equal(store_where(f->s), "s3://bucket/some/prefix");
	assert_int_equal(standin.n_log, 0); /* opening asks nothing */
	put(f->s, 1, STR("text"), 1000, 0);
	assert_int_equal(standin.n, 1); /* one object, one request */
	assert_int_equal(standin.n_log, 1);
	assert_true(standin_has(key_in_bucket(f, 1, "")));
	put(f->s, 2, STR("text"), 100000, 70000);
	assert_int_equal(standin.n, 4);
	assert_int_equal(count_parts(), 2);
	assert_int_equal(store_put(f->s, "history/job", STR("h"), &f->err), 0);
	assert_true(standin_has("some/prefix/history/job"));
	assert_int_equal(store_open_s3(&other, NULL, STR("bucket"), (struct str){0}, &f->err), 0);
	assert_string_equal(store_where(other), "s3://bucket");
	assert_int_equal(count_results(other), 0);
	assert_int_equal(store_put(other, "history/job", STR("h"), &f->err), 0);
	assert_true(standin_has("history/job"));
	store_close(other);
}

static void
test_without_a_bucket(void **state)
{
	struct fixture *f = *state;
	struct waiting w = WAITING_INIT;
	struct store_gc gc;
	struct strings v;

	standin.no_bucket = true;
	assert_int_equal(count_results(f->s), 0);
	assert_int_equal(store_list(f->s, &f->a, "history", &v, &f->err), 0);
	assert_null(get(f, 1, NULL).p);
	assert_int_equal(f->err.code, ERR_MISSING);
	assert_int_equal(store_gc(f->s, NULL, 0, INT64_MAX, false, &gc, &f->err), 0);
	queue(f->s, 1, STR("text"), 0, 0, &w);
	wait_for(&w, 1);
	assert_int_equal(w.n_failed, 1);
	assert_non_null(strstr(w.last.message, "s3://bucket/some/prefix"));
}

/* Pages are small here, so that the listing is long. */
static void
test_a_long_listing(void **state)
{
	struct fixture *f = *state;
	struct waiting w = WAITING_INIT;

	for (unsigned i = 0; i < 1200; i++)
		queue(f->s, i, STR("text"), i % 100 == 0 ? 70000 : 0, 0, &w);
	wait_for(&w, 1200);
	assert_int_equal(check_all_whole(f->s), 1200);
	assert_int_equal(standin_count("GET ?list-type"), 1 + 16);
	assert_true(standin.n == 1212);
}

static void
test_uploads_side_by_side(void **state)
{
	struct fixture *f = *state;
	struct waiting w = WAITING_INIT;

	standin.delay_us = 20000;
	for (unsigned i = 0; i < 64; i++)
		queue(f->s, i, STR("text"), 0, 0, &w);
	wait_for(&w, 64);
	assert_in_range(standin.max_running, 8, 48);
}

static const char *fail_what;

static int
fail_some(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	if (after || strcmp(r->method, "PUT") != 0 || !str_ends(r->path, str_from(fail_what)))
		return 0;
	return standin_fail(answer, 403, "AccessDenied", err);
}

static void
test_an_upload_that_fails(void **state)
{
	struct fixture *f = *state;
	struct waiting w = WAITING_INIT;

	standin.hook = fail_some;
	fail_what = ".stderr";
	queue(f->s, 1, STR("text"), 100000, 70000, &w); /* its tar is there when stderr fails */
	wait_for(&w, 1);
	assert_int_equal(w.n_failed, 1);
	assert_non_null(strstr(w.last.message, "AccessDenied"));
	store_close(f->s);
	assert_int_equal(standin.n, 0);
	assert_int_equal(f->open(f, &f->s), 0);
	put(f->s, 1, STR("text"), 100000, 0);
	assert_int_equal(check_all_whole(f->s), 1);
}

static void
put_by_host(const char *url, size_t bytes)
{
	/* https://bucket.s3/KEY?PUT */
	struct str rest = str_from(url + strlen("https://bucket.s3/"));
	struct buf body = {0};

	memset(buf_reserve(&body, bytes + 1), 't', bytes);
	body.n = bytes;
	pthread_mutex_lock(&standin.lock);
	standin_store(standin_make(str_cut(&rest, '?')), &body, (struct str){0}, (struct str){0},
		(struct str){0});
	pthread_mutex_unlock(&standin.lock);
	buf_free(&body);
}

/* bytes: that the host puts; told: that it says. */
static int
commit_offered(struct fixture *f, unsigned i, size_t bytes, int64_t told)
{
	struct waiting w = WAITING_INIT;
	struct digest key = key_of(i);
	struct result result = {
		.key = key, .has_tar = true, .outcome = {.output_bytes = told, .ran = true}};
	struct store_result *r;
	struct buf json = {0};
	struct str url;

	assert_int_equal(store_result_begin(f->s, &key, &r, &f->err), 0);
	assert_int_equal(store_result_placed(r, "tar", told, &f->err), ERR_INTERNAL);
	assert_int_equal(store_result_offer(r, "tar", told, &url, &f->err), 0);
	if (bytes)
		put_by_host(url.p, bytes);
	assert_int_equal(store_result_placed(r, "tar", told, &f->err), 0);
	assert_int_equal(store_result_placed(r, "tar", told, &f->err), ERR_INTERNAL);
	result_write(&json, &result);
	store_result_commit(r, buf_str(&json), on_done, &w);
	buf_free(&json);
	wait_for(&w, 1);
	f->err = w.last;
	return w.n_failed ? w.last.code : 0;
}

static void
test_parts_that_a_host_puts(void **state)
{
	struct fixture *f = *state;
	struct digest key = key_of(9);
	struct store_result *r;
	struct str url;

	assert_int_equal(commit_offered(f, 1, 100000, 100000), 0);
	assert_int_equal(commit_offered(f, 2, 100, 100), 0); /* small, but where it is */
	assert_int_equal(check_all_whole(f->s), 2);
	assert_int_equal(get(f, 2, "tar").n, 100);
	assert_int_equal(commit_offered(f, 3, 0, 100), ERR_HOST);
	assert_non_null(strstr(f->err.message, "not there"));
	assert_int_equal(commit_offered(f, 3, 50, 100), ERR_HOST);
	assert_non_null(strstr(f->err.message, "has 50 bytes, the host said 100"));
	assert_int_equal(check_all_whole(f->s), 2);
	assert_int_equal(count_parts(), 2); /* what failed was taken away */

	assert_int_equal(store_result_begin(f->s, &key, &r, &f->err), 0);
	assert_int_equal(store_result_offer(r, "tar", INT64_C(6) << 30, &url, &f->err), ERR_INPUT);
	assert_int_equal(store_result_offer(r, "tar", -1, &url, &f->err), 0);
	put_by_host(url.p, 10);
	assert_int_equal(store_result_placed(r, "tar", 10, &f->err), 0);
	store_result_abort(r);
	assert_int_equal(store_result_begin(f->s, &key, &r, &f->err), 0);
	assert_int_equal(store_result_offer(r, "tar", 10, &url, &f->err), 0);
	store_result_abort(r);
	reopen(f);
	assert_int_equal(count_parts(), 2);
}

static void
test_a_damaged_result(void **state)
{
	struct fixture *f = *state;
	struct digest keep[4] = {key_of(1), key_of(2), key_of(3), key_of(4)};
	struct store_gc gc;
	size_t at;

	put(f->s, 1, STR("text"), 0, 0);
	put(f->s, 2, STR("text"), 0, 0);
	put(f->s, 3, STR("text"), 90000, 0);
	put(f->s, 4, STR("text"), 90000, 0);
	assert_true(standin_find(str_from(key_in_bucket(f, 1, "")), &at));
	standin.objects[at]->body.p[250] = '?';
	standin.objects[at]->checksum[0] = '\0'; /* as if somebody had put it there */
	assert_true(standin_find(str_from(key_in_bucket(f, 3, ".")), &at) == false);
	standin.objects[at]->body.n = 100;
	standin.objects[at]->checksum[0] = '\0';
	assert_null(get(f, 1, NULL).p);
	assert_int_equal(f->err.code, ERR_HOST);
	assert_non_null(strstr(f->err.message, "damaged"));
	assert_null(get(f, 3, "tar").p);
	assert_int_equal(f->err.code, ERR_HOST);
	assert_int_equal(store_gc(f->s, keep, 4, 0, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 2);
	assert_int_equal(gc.n_damaged, 2);
	assert_int_equal(check_all_whole(f->s), 2);
	assert_int_equal(count_parts(), 1);
	put(f->s, 1, STR("text"), 0, 0);
	assert_int_equal(check_all_whole(f->s), 3);
}

static unsigned n_reads;

static int
count_reads(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	(void)answer;
	(void)err;
	n_reads += !after && strcmp(r->method, "GET") == 0;
	return 0;
}

/* What this process has put is read without a request, but for what is not in the record. */
static void
test_remembering(void **state)
{
	struct fixture *f = *state;
	struct digest key = key_of(2);
	char name[STORE_NAME_BYTES];

	standin.hook = count_reads;
	put(f->s, 1, STR("before"), 0, 0);
	store_remember(f->s);
	for (unsigned i = 2; i < 300; i++)
		put(f->s, i, STR("text"), 100, 0);
	put(f->s, 300, STR("text"), 100000, 0);
	n_reads = 0;
	for (unsigned i = 2; i < 300; i++) {
		assert_non_null(get(f, i, NULL).p);
		assert_int_equal(get(f, i, "tar").n, 100);
	}
	assert_int_equal(n_reads, 0);
	assert_int_equal(get(f, 300, "tar").n, 100000);
	assert_int_equal(n_reads, 1);
	assert_non_null(get(f, 1, NULL).p);
	assert_int_equal(n_reads, 2);
	put(f->s, 3, STR("text"), 200, 0);
	assert_int_equal(get(f, 3, "tar").n, 200);
	store_result_name(name, &key, NULL);
	assert_int_equal(store_remove(f->s, name, &f->err), 0);
	assert_null(get(f, 2, NULL).p);
	assert_int_equal(f->err.code, ERR_MISSING);
}

static void
test_gc(void **state)
{
	struct fixture *f = *state;
	struct digest keep[2] = {key_of(9), key_of(3)};
	struct store_gc gc;

	for (unsigned i = 0; i < 6; i++)
		put(f->s, i, STR("text"), i % 2 ? 100000 : 10, 0);
	put(f->s, 3, STR("newer"), 100000, 0); /* the first one's part is nobody's now */
	assert_int_equal(store_put(f->s, "history/job", STR("h"), &f->err), 0);
	assert_int_equal(store_gc(f->s, keep, 2, 0, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 0); /* nothing is old enough */
	assert_int_equal(gc.n_temporary, 0);
	assert_int_equal(check_all_whole(f->s), 6);
	assert_int_equal(store_gc(f->s, keep, 2, INT64_MAX, true, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 5);
	assert_true(gc.bytes > 200000);
	assert_int_equal(check_all_whole(f->s), 6);
	standin.now_ns += INT64_C(25) * 3600 * NS_PER_S;
	assert_int_equal(store_gc(f->s, keep, 2, INT64_MAX, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 5);
	assert_int_equal(gc.n_damaged, 0);
	assert_int_equal(gc.n_temporary, 1);
	assert_int_equal(check_all_whole(f->s), 1);
	assert_int_equal(get(f, 3, "tar").n, 100000);
	assert_true(standin_has("some/prefix/history/job"));
	assert_int_equal(store_gc(f->s, NULL, 0, INT64_MAX, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 1);
	assert_int_equal(standin.n, 1);
}

/* An age by our clock, results by S3's, which is an hour ahead. */
static void
test_gc_with_another_clock(void **state)
{
	struct fixture *f = *state;
	int64_t own = clock_system()->wall_ns(clock_system()->ctx);
	struct store_gc gc;

	standin.now_ns = own + 3600 * NS_PER_S;
	put(f->s, 1, STR("old"), 0, 0);
	standin.now_ns += 600 * NS_PER_S;
	put(f->s, 2, STR("new"), 0, 0);
	assert_int_equal(store_gc(f->s, NULL, 0, own - 300 * NS_PER_S, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 1);
	assert_non_null(get(f, 2, NULL).p);
}

static struct fixture *racing;

/* Just before the record is removed, another furrow puts it anew. */
static int
put_anew(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	struct store *other;

	(void)answer;
	(void)err;
	if (after || strcmp(r->method, "DELETE") != 0)
		return 0;
	standin.hook = NULL;
	racing->open(racing, &other);
	put(other, 1, STR("newer"), 80000, 0);
	store_close(other);
	return 0;
}

static void
test_gc_beside_a_writer(void **state)
{
	struct fixture *f = *state;
	struct store_gc gc;

	put(f->s, 1, STR("text"), 100000, 0);
	racing = f;
	standin.hook = put_anew;
	assert_int_equal(store_gc(f->s, NULL, 0, INT64_MAX, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 0);
	assert_int_equal(check_all_whole(f->s), 1);
	assert_int_equal(get(f, 1, "tar").n, 80000);
}

static int
fail_reads(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	if (after || strcmp(r->method, "GET") != 0 || !r->path.p)
		return 0;
	return standin_fail(answer, 503, "SlowDown", err);
}

/* What cannot be read just now is not damaged. */
static void
test_gc_when_reads_fail(void **state)
{
	struct fixture *f = *state;
	struct store_gc gc;

	put(f->s, 1, STR("text"), 100000, 0);
	standin.hook = fail_reads;
	assert_int_equal(store_gc(f->s, NULL, 0, INT64_MAX, false, &gc, &f->err), ERR_HOST);
	assert_non_null(strstr(f->err.message, "SlowDown"));
	standin.hook = NULL;
	assert_int_equal(check_all_whole(f->s), 1);
}

static void
test_foreign_objects(void **state)
{
	static const char *const foreign[] = {"some/prefix/results/notes.txt",
		"some/prefix/results/ab/x", "some/prefix/results/", "some/prefixresults/y"};
	struct fixture *f = *state;
	struct store_gc gc;
	struct buf body = {0};

	for (size_t i = 0; i < 4; i++)
		standin_store(standin_make(str_from(foreign[i])), &body, (struct str){0},
			(struct str){0}, (struct str){0});
	standin_store(standin_make(str_from(key_in_bucket(f, 1, ".txt"))), &body, (struct str){0},
		(struct str){0}, (struct str){0});
	put(f->s, 2, STR("text"), 0, 0);
	assert_int_equal(check_all_whole(f->s), 1);
	standin.now_ns += INT64_C(25) * 3600 * NS_PER_S;
	assert_int_equal(store_gc(f->s, NULL, 0, INT64_MAX, false, &gc, &f->err), 0);
	assert_int_equal(gc.n_results, 1);
	assert_int_equal(standin.n, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_CASES,
		TEST(test_layout),
		TEST(test_without_a_bucket),
		TEST(test_a_long_listing),
		TEST(test_uploads_side_by_side),
		TEST(test_an_upload_that_fails),
		TEST(test_parts_that_a_host_puts),
		TEST(test_a_damaged_result),
		TEST(test_remembering),
		TEST(test_gc),
		TEST(test_gc_with_another_clock),
		TEST(test_gc_beside_a_writer),
		TEST(test_gc_when_reads_fail),
		TEST(test_foreign_objects),
	};

	return cmocka_run_group_tests_name("store_s3", tests, NULL, NULL);
}
