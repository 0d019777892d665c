/* test_runner_upload_ends: the task, the runner or the connection ends while outputs are uploaded, or before
 * that is told. */
#include "tests/unit/upload_bed.h"

/* The URL is in nobody's arguments, and a stop ends the upload. */
static void
stopped_while_uploading(void **state)
{
	static struct bed b;
	char path[64], text[4096];
	struct seen *s;
	uint64_t id;
	pid_t pid;
	ssize_t n;
	int fd;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.hang = true});
	bed_start(&b);
	id = host_sh(&b.h, large);
	wait_asked(&b, 1);
	pid = child_of(b.h.runner, "curl");
	assert_true(pid > 0);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	for (ssize_t i = 0; i < n; i++)
		text[i] = text[i] ? text[i] : ' ';
	text[n] = '\0';
	assert_has(text, "curl");
	assert_lacks(text, "bucket");
	session_stop_task(b.h.session, id, 5 * NS_PER_S);
	s = host_wait(&b.h, id);
	assert_int_equal(s->why, ENDED_STOPPED);
	assert_int_equal(s->n_placed + (int)s->tar.n, 0);
	assert_true(gone_soon(pid));
	assert_said(host_run(&b.h, "echo on"), "on\n");
	bed_end(&b);
}

/* So does the end of the runner, or of its last hope for a connection. */
static void
ended_while_uploading(void **state)
{
	static struct bed b;
	pid_t pid;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.hang = true});
	http_set_step(&b.http, 1, (struct http_step){.hang = true});
	bed_start(&b);
	host_sh(&b.h, large);
	wait_asked(&b, 1);
	pid = child_of(b.h.runner, "curl");
	assert_true(pid > 0);
	host_end(&b.h);
	assert_true(gone_soon(pid));

	host_init(&b.h);
	b.h.base.offer_over_bytes = 200000;
	snprintf(b.h.url, sizeof(b.h.url), "http://127.0.0.1:%d/bucket/key", b.http.port);
	bed_start(&b);
	host_sh(&b.h, large);
	wait_asked(&b, 2);
	pid = child_of(b.h.runner, "curl");
	assert_true(pid > 0);
	kill(b.h.runner, SIGKILL);
	assert_true(gone_soon(pid));
	waitpid(b.h.runner, NULL, 0);
	host_wait_lost(&b.h);
	session_close(b.h.session, NS_PER_S, NULL);
	host_free(&b.h);
	http_server_stop(&b.http);
}

/* The upload doesn't need the connection: it goes on, and is told to the next one. */
static void
cut_while_uploading(void **state)
{
	static struct bed b;
	struct seen *s;
	uint64_t id;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("200 OK"), .delay_ms = 1500});
	bed_start(&b);
	id = host_sh(&b.h, large);
	wait_asked(&b, 1);
	cut_and_resume(&b.h, id);
	s = host_wait(&b.h, id);
	assert_int_equal(s->n_offers, 2);
	assert_int_equal(s->n_placed, 1);
	assert_int_equal(s->tar.n, 0);
	assert_int_equal(s->outcome.output_files, 3);
	assert_int_equal(http_n_asked(&b.http), 1);
	bed_end(&b);
}

/* It ends while there is nobody to tell. */
static void
placed_without_us(void **state)
{
	static struct bed b;
	struct seen *s;
	uint64_t id;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0,
		(struct http_step){.answer = ANSWER("503 Slow Down"), .delay_ms = 1000});
	http_set_step(&b.http, 1, (struct http_step){.answer = ANSWER("200 OK")});
	bed_start(&b);
	id = host_sh(&b.h, large);
	wait_asked(&b, 1);
	cut(&b.h);
	wait_asked(&b, 2);
	pause_ns(200 * NS_PER_MS);
	assert_int_equal(child_of(b.h.runner, "curl"), -1);
	connect_to(&b.h);
	session_resume(b.h.session, id, 0, 0);
	s = host_wait(&b.h, id);
	assert_int_equal(s->n_placed, 1);
	assert_int_equal(http_n_asked(&b.http), 2);
	bed_end(&b);
}

/* The answer to the offer was lost with the connection. */
static void
cut_while_offering(void **state)
{
	static struct bed b;
	struct seen *s;
	uint64_t id;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("200 OK")});
	b.h.offers_wait = true;
	bed_start(&b);
	id = host_sh(&b.h, large);
	host_wait_for(&b.h, &b.h.seen[id].n_offers);
	cut(&b.h);
	b.h.offers_wait = false;
	connect_to(&b.h);
	b.h.seen[id].begun = 0;
	session_resume(b.h.session, id, 0, 0);
	s = host_wait(&b.h, id);
	assert_int_equal(s->n_offers, 2);
	assert_int_equal(s->n_placed, 1);
	assert_int_equal(http_n_asked(&b.http), 1);
	bed_end(&b);
}

/* Placed, ended, not acknowledged: what was put stays put, unless it is wanted elsewhere, or over the
 * connection. */
static void
resumed_after_the_end(void **state)
{
	static struct bed b;
	struct seen *s, *like;
	uint64_t id;

	(void)state;
	bed_init(&b);
	http_set_step(&b.http, 0, (struct http_step){.answer = ANSWER("200 OK")});
	http_set_step(&b.http, 1, (struct http_step){.answer = ANSWER("200 OK")});
	b.h.no_ack = true;
	bed_start(&b);
	id = host_sh(&b.h, large);
	s = host_wait(&b.h, id);
	assert_int_equal(s->n_placed, 1);
	cut_and_resume(&b.h, id);
	host_wait(&b.h, id);
	assert_int_equal(s->n_placed, 2);
	assert_int_equal(http_n_asked(&b.http), 1);
	/* Elsewhere. */
	snprintf(b.h.url, sizeof(b.h.url), "http://127.0.0.1:%d/bucket/key2", b.http.port);
	cut_and_resume(&b.h, id);
	host_wait(&b.h, id);
	assert_int_equal(s->n_placed, 3);
	assert_int_equal(http_n_asked(&b.http), 2);
	assert_has(http_asked(&b.http, 1), "PUT /bucket/key2?signed=3 HTTP/1.1\r\n");
	/* Nowhere. */
	b.h.url[0] = '\0';
	cut_and_resume(&b.h, id);
	host_wait(&b.h, id);
	assert_int_equal(s->n_placed, 3);
	assert_int_equal(s->tar.n, s->placed_bytes);
	session_ack(b.h.session, id);
	like = run_without_url(&b.h, large);
	assert_memory_equal(s->tar.p, like->tar.p, s->tar.n);
	bed_end(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stopped_while_uploading),
		cmocka_unit_test(ended_while_uploading),
		cmocka_unit_test(cut_while_uploading),
		cmocka_unit_test(placed_without_us),
		cmocka_unit_test(cut_while_offering),
		cmocka_unit_test(resumed_after_the_end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
