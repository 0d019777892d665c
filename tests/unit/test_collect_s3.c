/* Collecting into a bucket, against a stand-in of S3: the index true at any moment, the user's own
 * objects left alone, nothing of an older result left. */
#include "tests/unit/collect_fixture.h"

#include "tests/unit/s3_standin.h"

#include "providers/store/collect_s3.h"

static const char *const tmpdir_name = "TMPDIR";
static char tmpdir[PATH_MAX];

static int
setup(void **state)
{
	struct fixture *f;
	int rc = fixture_open(state);

	f = *state;
	snprintf(tmpdir, sizeof(tmpdir), "%s", getenv(tmpdir_name) ? getenv(tmpdir_name) : "");
	setenv(tmpdir_name, f->root, 1);
	return rc;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(count_entries(f->root, "."), 1); /* the store alone: no spool is left */
	if (tmpdir[0])
		setenv(tmpdir_name, tmpdir, 1);
	else
		unsetenv(tmpdir_name);
	standin_reset();
	return fixture_close(state);
}

static struct collect_report report;

static int
collect(struct fixture *f, size_t n, const struct collect_item *items)
{
	return collect_s3_run(
		f->s, NULL, STR("bucket"), STR("some/out"), items, n, &report, &f->err);
}

static void
collect_ok(struct fixture *f, size_t n, const struct collect_item *items, unsigned written,
	unsigned kept, unsigned missing)
{
	if (collect(f, n, items) < 0)
		fail_msg("%s", f->err.message);
	assert_int_equal(report.n_written, written);
	assert_int_equal(report.n_kept, kept);
	assert_int_equal(report.n_missing, missing);
}

static void
expect(const char *key, const char *content)
{
	size_t at;

	if (!content) {
		assert_false(standin_has(key));
		return;
	}
	if (!standin_find(str_from(key), &at))
		fail_msg("%s is not there", key);
	assert_int_equal(standin.objects[at]->body.n, strlen(content));
	assert_memory_equal(standin.objects[at]->body.p, content, strlen(content));
}

static void
store_object(const char *key, const char *content)
{
	struct buf body = {0};

	buf_add_cstr(&body, content);
	standin_store(standin_make(str_from(key)), &body, (struct str){0}, (struct str){0},
		(struct str){0});
	buf_free(&body);
}

/* The labels that count as collected, one after the other. */
static const char *
seen(struct fixture *f)
{
	struct collected *v;
	struct buf b = {0};
	const char *out;
	size_t n;

	if (collect_s3_observe(NULL, &f->a, STR("bucket"), STR("some/out"), &v, &n, &f->err) < 0)
		fail_msg("%s", f->err.message);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%.*s", i ? " " : "", STR_ARG(v[i].label));
	out = arena_cstr(&f->a, b.n ? buf_str(&b) : STR(""));
	buf_free(&b);
	return out;
}

static void
test_collect(void **state)
{
	struct fixture *f = *state;
	struct buf tar = {0}, large = {0};
	size_t before;

	memset(buf_reserve(&large, 100000), 'o', 100000);
	large.n = 100000;
	put(f->s, 1, STR(""), 0, 0);
	put(f->s, 2, STR("hello\n"), 0, 0);
	tar_file(&tar, "sub/a.txt", "a");
	tar_file(&tar, "stdout", "the task's own");
	tar_end(&tar);
	put_tar(f, 3, &tar, STR("hidden by the task's own"), (struct str){0});
	put_tar(f, 4, &(struct buf){0}, STR(""), buf_str(&large));

	struct collect_item items[] = {
		ITEM(4, "d"), ITEM(3, "deep/er/c"), ITEM(2, "b"), ITEM(1, "a"), ITEM(6, "f")};
	assert_string_equal(seen(f), "");
	collect_ok(f, 5, items, 4, 0, 1);
	assert_int_equal(report.bytes, 6 + 10 + 100000);
	assert_int_equal(standin.n, 5);
	expect("some/out/b/stdout", "hello\n");
	expect("some/out/deep/er/c/sub/a.txt", "a");
	expect("some/out/deep/er/c/stdout", "the task's own");
	assert_true(standin_has("some/out/d/stdout") && standin_has("some/out/.furrow-index"));
	assert_string_equal(seen(f), "a b d deep/er/c");

	before = standin_count("PUT");
	collect_ok(f, 5, items, 0, 4, 1);
	assert_int_equal(standin_count("PUT"), before);

	assert_true(standin_find(STR("some/out/b/stdout"), &before)); /* the user removes it */
	standin_remove(before);
	assert_string_equal(seen(f), "a d deep/er/c");
	collect_ok(f, 5, items, 1, 3, 1);
	expect("some/out/b/stdout", "hello\n");
	buf_free(&tar);
	buf_free(&large);
}

static void
test_replacing(void **state)
{
	struct fixture *f = *state;
	struct collect_item first = ITEM(1, "t"), second = ITEM(2, "t"), empty = ITEM(3, "t"),
			    missing = ITEM(9, "t"), other = ITEM(1, "u");

	put_file(f, 1, "old.txt", "old");
	put_file(f, 2, "new.txt", "new");
	put(f->s, 3, STR(""), 0, 0);
	collect_ok(f, 1, &first, 1, 0, 0);
	store_object("some/out/t/notes", "x"); /* within a task's folder: goes with it */
	store_object("some/out/t", "mine");    /* beside it, as S3 has no folders */
	store_object("some/out/t-mine", "mine");
	store_object("some/out/mine", "mine");
	collect_ok(f, 1, &second, 1, 0, 0);
	expect("some/out/t/new.txt", "new");
	expect("some/out/t/old.txt", NULL);
	expect("some/out/t/notes", NULL);
	expect("some/out/t", "mine");
	expect("some/out/t-mine", "mine");
	expect("some/out/mine", "mine");
	collect_ok(f, 1, &missing, 0, 0, 1); /* a failed task's older result stays */
	expect("some/out/t/new.txt", "new");
	collect_ok(f, 1, &other, 1, 0, 0); /* what isn't asked for stays */
	expect("some/out/t/new.txt", "new");
	assert_string_equal(seen(f), "t u");
	collect_ok(f, 1, &empty, 1, 0, 0);
	expect("some/out/t/new.txt", NULL);
	collect_ok(f, 1, &empty, 0, 1, 0);
	assert_string_equal(seen(f), "t u");
	collect_ok(f, 1, &second, 1, 0, 0);
	expect("some/out/t/new.txt", "new");
}

static void
test_what_is_the_users(void **state)
{
	struct fixture *f = *state;
	struct collect_item items[] = {ITEM(1, "a"), ITEM(1, "t")};

	put_file(f, 1, "new.txt", "new");
	store_object("some/out/t/thesis", "mine");
	assert_int_equal(collect(f, 2, items), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "s3://bucket/some/out"));
	assert_non_null(strstr(f->err.message, "below t/ that furrow has not put there"));
	assert_int_equal(standin.n, 1); /* nothing done before */
	standin_remove(0);
	collect_ok(f, 2, items, 2, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_collect),
		TEST(test_replacing),
		TEST(test_what_is_the_users),
	};

	return cmocka_run_group_tests_name("collect_s3", tests, NULL, NULL);
}
