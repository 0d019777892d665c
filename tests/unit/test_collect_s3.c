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

static void
test_names(void **state)
{
	struct fixture *f = *state;
	struct collect_item items[] = {ITEM(1, "k=v, +x"), ITEM(2, "empty"), ITEM(3, "long")};
	struct buf tar = {0};
	char name[201];

	tar_file(&tar, "caf\xc3\xa9 %2F+&?#.txt", "odd");
	tar_file(&tar, "line\nfeed", "lf");
	tar_file(&tar, "dir/.hidden", "dot");
	tar_add(&tar, "dir/empty", '5', 0755, "", STR(""));
	tar_add(&tar, "to-file", '2', 0777, "dir/.hidden", STR(""));
	tar_add(&tar, "dir/up", '2', 0777, "../line\nfeed", STR(""));
	tar_add(&tar, "to-dir", '2', 0777, "dir", STR(""));
	tar_add(&tar, "to-nothing", '2', 0777, "not-there", STR(""));
	tar_add(&tar, "to-itself", '2', 0777, "to-itself", STR(""));
	tar_file(&tar, "none", "");
	tar_end(&tar);
	put_tar(f, 1, &tar, STR(""), (struct str){0});
	buf_clear(&tar);
	tar_add(&tar, "dir/empty", '5', 0755, "", STR(""));
	tar_end(&tar);
	put_tar(f, 2, &tar, STR(""), (struct str){0});

	collect_ok(f, 2, items, 2, 0, 0);
	expect("some/out/k=v, +x/caf\xc3\xa9 %2F+&?#.txt", "odd");
	expect("some/out/k=v, +x/line\nfeed", "lf");
	expect("some/out/k=v, +x/dir/.hidden", "dot");
	expect("some/out/k=v, +x/to-file", "dot");
	expect("some/out/k=v, +x/dir/up", "lf");
	expect("some/out/k=v, +x/none", "");
	assert_int_equal(standin.n, 1 + 6); /* neither folders nor other links */
	collect_ok(f, 2, items, 0, 2, 0);   /* also the one of which nothing is there */
	assert_string_equal(seen(f), "empty k=v, +x");

	buf_clear(&tar);
	memset(name, 'n', 200);
	name[200] = '\0';
	tar_pax(&tar, "path",
		arena_printf(&f->a, "%s/%s/%s/%s/%s/%s", name, name, name, name, name, name));
	tar_file(&tar, "short", "long");
	tar_end(&tar);
	put_tar(f, 3, &tar, STR(""), (struct str){0});
	assert_int_equal(collect(f, 3, items), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "collect long: some/out/long/nnn"));
	assert_string_equal(seen(f), "empty k=v, +x");
	buf_free(&tar);
}

static void
test_folders_that_are_none(void **state)
{
	struct fixture *f = *state;
	struct collect_item twice[] = {ITEM(1, "t"), ITEM(2, "t")}, up = ITEM(1, "../t"),
			    inner = ITEM(2, "t/u"), outer = ITEM(1, "t");

	put_file(f, 1, "a", "a");
	put_file(f, 2, "a", "a");
	assert_int_equal(collect(f, 1, &up), ERR_INPUT);
	assert_int_equal(collect(f, 2, twice), ERR_INPUT);
	assert_int_equal(standin.n_log, 0);
	collect_ok(f, 1, &outer, 1, 0, 0);
	assert_int_equal(collect(f, 1, &inner), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "within that of another task"));
}

static void
test_without_a_prefix_or_a_bucket(void **state)
{
	struct fixture *f = *state;
	struct collect_item item = ITEM(1, "t");
	struct collected *v;
	size_t n;

	put_file(f, 1, "a", "a");
	assert_int_equal(collect_s3_run(f->s, NULL, STR("bucket"), (struct str){0}, &item, 1,
				 &report, &f->err),
		0);
	expect("t/a", "a");
	assert_int_equal(
		collect_s3_observe(NULL, &f->a, STR("bucket"), STR(""), &v, &n, &f->err), 0);
	assert_int_equal(n, 1);

	standin.no_bucket = true;
	assert_int_equal(collect(f, 1, &item), ERR_MISSING);
	assert_non_null(strstr(f->err.message, "collect into s3://bucket/some/out: "));
	assert_int_equal(collect_s3_observe(NULL, &f->a, STR("bucket"), STR("x"), &v, &n, &f->err),
		ERR_MISSING);
	assert_int_equal(n, 0);
}

/* Many folders are looked for by listing, few one by one: the same comes out. */
static void
test_many(void **state)
{
	struct fixture *f = *state;
	struct collect_item *items = calloc(400, sizeof(*items));
	size_t lists;

	standin.page = 7;
	put_file(f, 1, "x", "one");
	for (unsigned i = 0; i < 400; i++)
		items[i] = (struct collect_item){.key = key_of(1),
			.folder = arena_printf(&f->a, "%s%03u", i % 2 ? "p/q/" : "", i)};
	store_object("some/out/p/q/0010/x", "mine");
	collect_ok(f, 400, items, 400, 0, 0);
	lists = standin_count("GET ?");
	assert_true(lists < 10);
	collect_ok(f, 400, items, 0, 400, 0);
	for (unsigned i = 0; i < 400; i += 7) {
		size_t at;

		assert_true(standin_find(
			arena_printf(&f->a, "some/out/%.*s/x", STR_ARG(items[i].folder)), &at));
		standin_remove(at);
	}
	collect_ok(f, 400, items, 58, 400 - 58, 0);
	for (unsigned i = 0; i < 400; i++)
		expect(arena_printf(&f->a, "some/out/%.*s/x", STR_ARG(items[i].folder)).p, "one");
	free(items);
}

static void
test_side_by_side(void **state)
{
	struct fixture *f = *state;
	struct collect_item *items = calloc(40, sizeof(*items));
	struct buf tar = {0};

	standin.delay_us = 2000;
	for (unsigned i = 0; i < 60; i++) {
		char name[8];

		snprintf(name, sizeof(name), "f%u", i);
		tar_file(&tar, name, "x");
	}
	tar_end(&tar);
	for (unsigned i = 0; i < 40; i++) {
		put_tar(f, i, &tar, STR(""), (struct str){0});
		items[i] = (struct collect_item){
			.key = key_of(i), .folder = arena_printf(&f->a, "t%02u", i)};
	}
	collect_ok(f, 1, items, 1, 0, 0); /* the files of one task */
	assert_in_range(standin.max_running, 8, 32);
	standin.max_running = 0;
	collect_ok(f, 40, items, 39, 1, 0); /* the files of many */
	assert_in_range(standin.max_running, 8, 32);
	assert_int_equal(standin.n, 1 + 40 * 60);
	buf_free(&tar);
	free(items);
}

static bool
is_put(const struct aws_request *r, const char *key)
{
	return strcmp(r->method, "PUT") == 0 && str_is(r->path, key);
}

/* The state of a folder in the index as it is in the bucket: 0: not in it. */
static char
state_in_index(const char *folder)
{
	char line[64];
	const char *found;
	size_t at;

	if (!standin_find(STR("some/out/.furrow-index"), &at))
		return 0;
	snprintf(line, sizeof(line), "\t%s\n", folder);
	found = strstr(buf_cstr(&standin.objects[at]->body), line);
	if (!found)
		return 0;
	return found[-1] == '?' || found[-1] == '-' ? found[-1] : 'f';
}

static unsigned n_pending, n_puts;

/* While objects change, the index calls their folder pending. */
static int
check_pending(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	(void)answer;
	(void)err;
	if (after || !r->path.p || !str_starts(r->path, STR("some/out/t/")))
		return 0;
	if (strcmp(r->method, "PUT") == 0 || strcmp(r->method, "DELETE") == 0) {
		pthread_mutex_lock(&standin.lock);
		n_puts++;
		n_pending += state_in_index("t") == '?';
		pthread_mutex_unlock(&standin.lock);
	}
	return 0;
}

static void
test_pending_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct collect_item first = ITEM(1, "t"), second = ITEM(2, "t");

	put_file(f, 1, "a", "a");
	put_file(f, 2, "b", "b");
	standin.hook = check_pending;
	n_puts = n_pending = 0;
	collect_ok(f, 1, &first, 1, 0, 0);
	assert_int_equal(state_in_index("t"), 'f');
	collect_ok(f, 1, &second, 1, 0, 0);
	assert_int_equal(n_puts, 2);
	assert_int_equal(n_pending, 2);
	assert_int_equal(state_in_index("t"), 'f');
}

static const char *failing_key;
static int failing_status;
static unsigned n_failed;

static int
fail_key(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	bool hit = r->path.p && str_starts(r->path, str_from(failing_key)) &&
		   strcmp(r->method, "PUT") == 0;

	if (strcmp(failing_key, "?delete") == 0)
		hit = strcmp(r->method, "POST") == 0;
	if (after || !hit)
		return 0;
	__atomic_add_fetch(&n_failed, 1, __ATOMIC_RELAXED);
	return standin_fail(answer, failing_status, "Failing", err);
}

static void
fail_at(const char *key, int status)
{
	standin.hook = fail_key;
	failing_key = key;
	failing_status = status;
	n_failed = 0;
}

static void
test_a_put_that_fails(void **state)
{
	struct fixture *f = *state;
	struct collect_item items[] = {ITEM(1, "a"), ITEM(2, "b"), ITEM(3, "c")},
			    newer[] = {ITEM(4, "a"), ITEM(4, "b"), ITEM(4, "c")};
	struct buf tar = {0};

	put_file(f, 1, "x", "one");
	tar_file(&tar, "x", "two");
	tar_file(&tar, "y", "two");
	tar_end(&tar);
	put_tar(f, 2, &tar, STR(""), (struct str){0});
	put_file(f, 3, "x", "three");
	put_file(f, 4, "z", "newer");
	fail_at("some/out/b/y", 503);
	assert_int_equal(collect(f, 3, items), ERR_HOST);
	assert_non_null(strstr(f->err.message, "collect b: "));
	assert_int_equal(report.n_written, 2);
	expect("some/out/a/x", "one"); /* the others have theirs */
	expect("some/out/c/x", "three");
	assert_string_equal(seen(f), "a c");
	assert_int_equal(state_in_index("b"), '?');
	store_object("some/out/b/half", "of an attempt");
	standin.hook = NULL;
	collect_ok(f, 3, items, 1, 2, 0); /* what lies there is ours to replace */
	expect("some/out/b/y", "two");
	expect("some/out/b/half", NULL);

	fail_at("?delete", 503); /* what is left of the old one cannot be removed */
	assert_int_equal(collect(f, 1, newer), ERR_HOST);
	assert_string_equal(seen(f), "b c");
	standin.hook = NULL;
	collect_ok(f, 1, newer, 1, 0, 0);
	expect("some/out/a/x", NULL);

	put_file(f, 4, "../escaped", "newer"); /* found out before anything is sent */
	assert_int_equal(collect(f, 3, newer), ERR_HOST);
	assert_non_null(strstr(f->err.message, "leads out"));
	assert_int_equal(report.n_kept, 1);
	assert_string_equal(seen(f), "a b c");
	expect("some/out/b/y", "two");
	buf_free(&tar);
}

/* When S3 is not to be had, or denies, not all of them are tried. */
static void
test_when_all_puts_fail(void **state)
{
	struct fixture *f = *state;
	struct collect_item *items = calloc(100, sizeof(*items));

	put_file(f, 1, "x", "one");
	for (unsigned i = 0; i < 100; i++)
		items[i] = (struct collect_item){
			.key = key_of(1), .folder = arena_printf(&f->a, "t%03u", i)};
	fail_at("some/out/t", 503);
	assert_int_equal(collect(f, 100, items), ERR_HOST);
	assert_in_range(n_failed, 4, 11);
	assert_int_equal(report.n_written, 0);
	assert_string_equal(seen(f), "");
	assert_int_equal(state_in_index("t099"), 0); /* never begun */
	fail_at("some/out/t", 403);
	assert_int_equal(collect(f, 100, items), ERR_INPUT);
	assert_in_range(n_failed, 1, 8);
	fail_at("some/out/.furrow-index", 403);
	assert_int_equal(collect(f, 100, items), ERR_INPUT);
	assert_non_null(strstr(f->err.message, "collect into s3://bucket/some/out: "));
	assert_false(standin_has("some/out/t000/x"));
	standin.hook = NULL;
	collect_ok(f, 100, items, 100, 0, 0);
	free(items);
}

/* Somebody else puts the index: when the nth put of it begins, with these lines more. */
static unsigned rival_at, rival_until;
static char rival_lines[512];
static unsigned n_index_puts;

static int
rival(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	struct buf b = {0};
	size_t at;

	(void)answer;
	(void)err;
	if (after || !is_put(r, "some/out/.furrow-index"))
		return 0;
	n_index_puts++;
	if (n_index_puts < rival_at || n_index_puts > rival_until)
		return 0;
	pthread_mutex_lock(&standin.lock);
	if (rival_lines[0] == '=') {
		buf_add_cstr(&b, rival_lines + 1);
	} else {
		if (standin_find(STR("some/out/.furrow-index"), &at))
			buf_add_str(&b, buf_str(&standin.objects[at]->body));
		buf_add_cstr(&b, rival_lines);
	}
	standin_store(standin_make(STR("some/out/.furrow-index")), &b, (struct str){0},
		(struct str){0}, (struct str){0});
	pthread_mutex_unlock(&standin.lock);
	buf_free(&b);
	return 0;
}

static void
begin_rival(unsigned from, unsigned until, const char *beginning, unsigned key, const char *end)
{
	struct digest d = key_of(key);
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &d);
	snprintf(rival_lines, sizeof(rival_lines), "%s%s%s", beginning, hex, end);
	rival_at = from;
	rival_until = until;
	n_index_puts = 0;
	standin.hook = rival;
}

static void
test_two_at_once(void **state)
{
	struct fixture *f = *state;
	struct collect_item item = ITEM(1, "t"), other = ITEM(2, "z"), newer = ITEM(2, "n");

	put_file(f, 1, "a", "a");
	put_file(f, 2, "b", "b");
	begin_rival(1, 1, "", 9, "\tu\n"); /* before we say what we are about to do */
	assert_int_equal(collect(f, 1, &item), ERR_LOCKED);
	assert_non_null(strstr(f->err.message, "another furrow"));
	assert_false(standin_has("some/out/t/a"));
	assert_int_equal(state_in_index("u"), 'f');

	store_object("some/out/u/x", "the other's");
	begin_rival(2, 2, "", 9, "?\tv\n"); /* after that: both are in it */
	collect_ok(f, 1, &item, 1, 0, 0);
	assert_int_equal(n_index_puts, 3);
	assert_string_equal(seen(f), "t u");
	assert_int_equal(state_in_index("v"), '?');

	begin_rival(2, 2, "=", 1, "?\tz\n"); /* the same folder, with another key */
	assert_int_equal(collect(f, 1, &other), ERR_LOCKED);
	assert_int_equal(state_in_index("z"), '?');
	begin_rival(2, 100, "", 9, "?\tw\n"); /* without an end */
	assert_int_equal(collect(f, 1, &newer), ERR_LOCKED);
	assert_in_range(n_index_puts, 3, 20);
	assert_int_equal(state_in_index("n"), '?');
}

static void
test_killed_in_the_middle(void **state)
{
	struct fixture *f = *state;
	struct collect_item first = ITEM(1, "t"), second = ITEM(2, "t"), other = ITEM(1, "u");
	struct digest key = key_of(2);
	char hex[DIGEST_HEX_BYTES];

	put_file(f, 1, "a", "a");
	put_file(f, 2, "b", "b");
	collect_ok(f, 1, &first, 1, 0, 0);
	digest_hex(hex, &key); /* as it is between the first put of the index and the last */
	store_object("some/out/.furrow-index", arena_printf(&f->a, "%s?\tt\n%s?\tu\n", hex, hex).p);
	store_object("some/out/t/b", "b");
	assert_string_equal(seen(f), "");
	collect_ok(f, 1, &second, 1, 0, 0);
	expect("some/out/t/a", NULL);
	expect("some/out/t/b", "b");
	assert_string_equal(seen(f), "t");
	store_object("some/out/u/b", "b");
	collect_ok(f, 1, &other, 1, 0, 0);
	expect("some/out/u/b", NULL);
	assert_string_equal(seen(f), "t u");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_collect),
		TEST(test_replacing),
		TEST(test_what_is_the_users),
		TEST(test_names),
		TEST(test_folders_that_are_none),
		TEST(test_without_a_prefix_or_a_bucket),
		TEST(test_many),
		TEST(test_side_by_side),
		TEST(test_pending_meanwhile),
		TEST(test_a_put_that_fails),
		TEST(test_when_all_puts_fail),
		TEST(test_two_at_once),
		TEST(test_killed_in_the_middle),
	};

	return cmocka_run_group_tests_name("collect_s3", tests, NULL, NULL);
}
