/* test_runner_upload: large outputs, put by the runner to a URL; the store is an HTTP server here. */
#include "tests/unit/upload_bed.h"

#include <sched.h>
#include <sys/mount.h>

static void
large_ones_are_put(void **state)
{
	static struct bed b;
	struct seen *s, *like;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("200 OK")});
	bed_start(&b);
	s = host_run(&b.h, large);
	like = run_without_url(&b.h, large);
	assert_int_equal(like->n_offers, 1);
	assert_int_equal(like->offered_bytes, like->tar.n);
	assert_true(like->tar.n > 800000);
	assert_int_equal(like->outcome.output_files, 3);
	assert_int_equal(s->n_offers, 1);
	assert_int_equal(s->offered_bytes, like->tar.n);
	assert_placed(&b, s, like);
	assert_put(&b, 0, 1, like);
	s = host_run(&b.h, small);
	assert_int_equal(s->n_offers, 0);
	assert_true(s->tar.n > 0);
	/* Neither what is nothing nor what failed is offered, and what cannot be is told. */
	s = host_run(&b.h, "true");
	assert_int_equal(s->n_offers + (int)s->tar.n, 0);
	s = host_run(&b.h, "seq 100000 >$FURROW_OUT/a; exit 3");
	assert_int_equal(s->n_offers + (int)s->tar.n, 0);
	s = host_run(&b.h, "seq 100000 >$FURROW_OUT/a; mkfifo $FURROW_OUT/p");
	assert_int_equal(s->n_offers, 0);
	assert_int_equal(s->why, ENDED_BAD_OUTPUT);
	assert_non_null(strstr(s->message, "p is a named pipe"));
	assert_int_equal(http_n_asked(&b.http), 1);
	bed_end(&b);
}

/* Furrow that doesn't speak of it isn't offered anything. */
static void
none_is_offered(void **state)
{
	static struct bed b;
	struct seen *s;

	(void)state;
	bed_init(&b);
	b.h.base.offer_over_bytes = 0;
	bed_start(&b);
	s = host_run(&b.h, large);
	assert_int_equal(s->n_offers, 0);
	assert_true(s->tar.n > 800000);
	bed_end(&b);
}

/* Many entries: measuring goes on over many rounds, others have their turn meanwhile. */
static void
many_files(void **state)
{
	static struct bed b;
	struct seen *s;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("200 OK")});
	bed_start(&b);
	s = host_run(&b.h, "cd $FURROW_OUT; seq 5000 | xargs touch; seq 10000 >z");
	assert_int_equal(s->n_placed, 1);
	assert_int_equal(s->outcome.output_files, 5001);
	assert_int_equal(s->placed_bytes, 5001 * 512 + 49152 + 1024);
	assert_int_equal(s->offered_bytes, s->placed_bytes);
	bed_end(&b);
}

static void
what_is_transient_is_tried_again(void **state)
{
	static struct bed b;
	struct seen *s, *like;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.close = true});
	http_set_step(&b.http, 1, (struct http_step){.answer = ANSWER("500 Internal Error")});
	http_set_step(&b.http, 2, (struct http_step){.answer = ANSWER("503 Slow Down")});
	http_set_step(&b.http, 3, (struct http_step){.answer = ANSWER("200 OK")});
	bed_start(&b);
	s = host_run(&b.h, large);
	like = run_without_url(&b.h, large);
	assert_placed(&b, s, like);
	assert_int_equal(s->n_offers, 1);
	assert_int_equal(http_n_asked(&b.http), 4);
	for (size_t i = 0; i < 4; i++)
		assert_put(&b, i, 1, like);
	bed_end(&b);
}

static void
url_that_is_good_no_more(void **state)
{
	static struct bed b;
	struct seen *s, *like;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){REFUSED});
	http_set_step(&b.http, 1, (struct http_step){.answer = ANSWER("200 OK")});
	bed_start(&b);
	s = host_run(&b.h, large);
	like = run_without_url(&b.h, large);
	assert_placed(&b, s, like);
	assert_int_equal(s->n_offers, 2);
	assert_put(&b, 0, 1, like);
	assert_put(&b, 1, 2, like);
	bed_end(&b);
}

static void
assert_over_connection(struct bed *b, const struct seen *s, const char *says)
{
	assert_int_equal(s->why, ENDED_SELF);
	assert_int_equal(s->n_placed, 0);
	assert_true(s->tar.n > 800000);
	assert_int_equal(s->outcome.output_files, 3);
	pthread_mutex_lock(&b->h.lock);
	assert_has(b->h.note, says);
	assert_lacks(b->h.note, "signed=");
	pthread_mutex_unlock(&b->h.lock);
}

static void
refused_for_good(void **state)
{
	static struct bed b;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){REFUSED});
	http_set_step(&b.http, 1, (struct http_step){REFUSED});
	http_set_step(&b.http, 2, (struct http_step){.answer = ANSWER("404 Not Found")});
	http_set_step(&b.http, 3, (struct http_step){.answer = ANSWER("307 Elsewhere")});
	bed_start(&b);
	assert_over_connection(&b, host_run(&b.h, large), "HTTP 403, AccessDenied");
	assert_int_equal(http_n_asked(&b.http), 2);
	assert_over_connection(&b, host_run(&b.h, large), "HTTP 404, no reason given (try 1)");
	assert_over_connection(&b, host_run(&b.h, large), "HTTP 307");
	assert_int_equal(http_n_asked(&b.http), 4);
	bed_end(&b);
}

/* All tries, with their pauses: 16 s. Another task goes on beside it. */
static void
nobody_there(void **state)
{
	static struct bed b;
	int64_t begun = now_of_test();
	uint64_t id;

	(void)state;
	bed_init(&b);
	snprintf(b.h.url, sizeof(b.h.url), "http://127.0.0.1:1/bucket/key");
	bed_start(&b);
	id = host_sh(&b.h, large);
	host_wait_for(&b.h, &b.h.seen[id].n_offers);
	for (int i = 0; i < 3; i++)
		assert_said(host_run(&b.h, "echo on"), "on\n");
	assert_int_equal(b.h.seen[id].ended, 0);
	assert_over_connection(&b, host_wait(&b.h, id), "curl: (7)");
	assert_has(b.h.note, "(try 7)");
	assert_true(now_of_test() - begun > 15 * NS_PER_S);
	bed_end(&b);
}

static void
urls_that_are_none(void **state)
{
	static struct bed b;
	static const char *const bad[] = {"file:///etc/passwd", "http://127.0.0.1:1/a\"\noutput=x",
		"http://127.0.0.1:1/a b", "nonsense"};

	(void)state;
	bed_init(&b);
	bed_start(&b);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(b.h.url, sizeof(b.h.url), "%s", bad[i]);
		b.h.note[0] = '\0';
		assert_over_connection(&b, host_run(&b.h, large), "the URL for them is none");
	}
	bed_end(&b);
}

static void
link_program(struct bed *b, const char *dir, const char *program)
{
	char path[256], target[256];

	snprintf(path, sizeof(path), "%s/%s", b->h.dir, dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", b->h.dir, dir, program);
	snprintf(target, sizeof(target), "/usr/bin/%s", program);
	assert_int_equal(symlink(target, path), 0);
}

static void
python_where_there_is_no_curl(void **state)
{
	static struct bed b;
	char path[128];
	struct seen *s, *like;

	(void)state;
	bed_init(&b);
	link_program(&b, "bin", "python3");
	snprintf(path, sizeof(path), "%s/bin", b.h.dir);
	b.path = path;
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("503 Slow Down")});
	http_set_step(&b.http, 1, (struct http_step){.close = true});
	http_set_step(&b.http, 2, (struct http_step){REFUSED, .early = true});
	http_set_step(&b.http, 3, (struct http_step){.answer = ANSWER("200 OK")});
	http_set_step(&b.http, 4, (struct http_step){.answer = ANSWER("404 Not Found")});
	bed_start(&b);
	s = host_run(&b.h, large);
	like = run_without_url(&b.h, large);
	assert_placed(&b, s, like);
	assert_put(&b, 0, 1, like);
	assert_put(&b, 3, s->n_offers, like);
	assert_over_connection(&b, host_run(&b.h, large), "HTTP 404");
	bed_end(&b);
}

static void
nothing_to_send_with(void **state)
{
	static struct bed b;

	(void)state;
	bed_init(&b);
	b.path = "/nonexistent";
	bed_start(&b);
	assert_over_connection(&b, host_run(&b.h, large), "neither curl nor python3");
	bed_end(&b);
}

/* More of them than may go at a time. */
static void
many_at_once(void **state)
{
	static struct bed b;
	enum { MANY = 12 };
	uint64_t id[MANY];

	(void)state;
	bed_init(&b);
	b.h.base.slots = MANY;
	for (int i = 0; i < MANY; i++)
		http_set_step(&b.http, (size_t)i,
			(struct http_step){.answer = ANSWER("200 OK"), .delay_ms = 100});
	bed_start(&b);
	for (int i = 0; i < MANY; i++)
		id[i] = host_sh(&b.h, large);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(host_wait(&b.h, id[i])->n_placed, 1);
	assert_int_equal(http_n_asked(&b.http), MANY);
	bed_end(&b);
}

/* No room for the file: then without it. Needs the right to mount. */
static void
no_room_to_pack(void **state)
{
	static struct bed b;
	struct seen *s;

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		print_message("cannot mount here\n");
		skip();
	}
	bed_init(&b);
	assert_int_equal(mkdir(b.h.root, 0755), 0);
	assert_int_equal(mount("none", b.h.root, "tmpfs", 0, "size=8m,mode=755"), 0);
	bed_start(&b);
	s = host_run(&b.h, large);
	assert_over_connection(&b, s, "no room");
	umount2(b.h.root, MNT_DETACH);
	bed_end(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_ones_are_put),
		cmocka_unit_test(none_is_offered),
		cmocka_unit_test(many_files),
		cmocka_unit_test(what_is_transient_is_tried_again),
		cmocka_unit_test(url_that_is_good_no_more),
		cmocka_unit_test(refused_for_good),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(urls_that_are_none),
		cmocka_unit_test(python_where_there_is_no_curl),
		cmocka_unit_test(nothing_to_send_with),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(no_room_to_pack),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
