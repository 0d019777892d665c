/* test_runner_listen: a runner that outlives connections: what a container and a host far away run.
 */
#include "tests/unit/session_fixture.h"

static void
socket_path(const struct host *h, char out[128])
{
	snprintf(out, 128, "%s/sock", h->dir);
}

static int
dial(const struct host *h)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char path[128];

	socket_path(h, path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.107s", path);
	for (int i = 0; i < 500; i++) {
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return fd;
		pause_ns(10 * NS_PER_MS);
	}
	fail_msg("no runner at %s: %s", path, strerror(errno));
	return -1;
}

static void
start_listening(struct host *h)
{
	char runner[4096], path[128];

	find_runner(runner);
	socket_path(h, path);
	h->runner = fork();
	if (h->runner == 0) {
		execl(runner, runner, "serve", "--listen", path, (char *)NULL);
		_exit(127);
	}
}

static void
connect_again(struct host *h)
{
	struct error err = {0};

	if (host_connect_to(h, dial(h), &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(h->told.pid, h->runner);
}

/* The connection goes, as when a network does; furrow's end forgets what it got since then. */
static void
cut(struct host *h)
{
	shutdown(h->fd, SHUT_RDWR);
	host_wait_lost(h);
	session_close(h->session, NS_PER_S, NULL);
}

static void
forget(struct host *h, uint64_t id)
{
	struct seen *s = &h->seen[id];

	for (int i = 0; i <= STREAM_TRACE; i++)
		buf_clear(&s->streams[i]);
	buf_clear(&s->tar);
	s->bytes = s->begun = s->ended = 0;
}

static void
init_lingering(struct host *h)
{
	host_init(h);
	h->linger_s = 30;
	start_listening(h);
	connect_again(h);
}

static void
one_connection_is_enough(void **state)
{
	static struct host h;
	char path[128];

	(void)state;
	init_lingering(&h);
	assert_said(host_run(&h, "echo hello; seq 3"), "hello\n1\n2\n3\n");
	socket_path(&h, path);
	assert_int_equal(access(path, F_OK), 0);
	host_end(&h);
}

static void
tasks_go_on_without_us(void **state)
{
	static struct host h;
	uint64_t id, other;
	struct seen *s;

	(void)state;
	init_lingering(&h);
	h.base.slots = 2;
	id = host_sh(&h, "echo before; echo err >&2; sleep 0.4; echo after; echo x >$FURROW_OUT/x; "
			 "echo t >$FURROW_TRACE_FILE");
	other = host_sh(&h, "sleep 0.2; seq 100000; exit 5");
	host_wait_bytes(&h, id, 11);
	cut(&h);
	pause_ns(700 * NS_PER_MS);
	connect_again(&h);
	assert_int_equal(h.told.n_tasks, 2);
	assert_true(h.told.tasks[0] + h.told.tasks[1] == id + other);
	pause_ns(100 * NS_PER_MS);
	/* Silent until asked; then from where we say. */
	assert_int_equal(h.seen[id].ended, 0);
	forget(&h, id);
	session_resume(h.session, id, 4, 0);
	s = host_wait(&h, id);
	assert_said(s, "re\nafter\n");
	assert_true(str_is(said(s, STREAM_STDERR), "err\n"));
	assert_true(str_is(said(s, STREAM_TRACE), "t\n"));
	assert_int_equal(s->begun, 1);
	assert_int_equal(s->outcome.stdout_bytes, 13);
	assert_int_equal(s->outcome.output_files, 1);
	assert_true(s->tar.n > 0);
	forget(&h, other);
	session_resume(h.session, other, 0, 0);
	s = host_wait(&h, other);
	assert_int_equal(s->outcome.exit_status, 5);
	assert_int_equal(said(s, STREAM_STDOUT).n, 588895);
	host_end(&h);
}

static void
ends_are_kept_until_acknowledged(void **state)
{
	static struct host h;
	uint64_t id;
	struct seen *s;

	(void)state;
	init_lingering(&h);
	h.no_ack = true;
	id = host_sh(&h, "seq 20000; mkdir $FURROW_OUT/d; echo x >$FURROW_OUT/d/x");
	s = host_wait(&h, id);
	for (int i = 0; i < 3; i++) {
		struct buf tar = s->tar;

		s->tar = (struct buf){0};
		cut(&h);
		connect_again(&h);
		assert_int_equal(h.told.n_tasks, 1);
		forget(&h, id);
		session_resume(h.session, id, 0, 0);
		s = host_wait(&h, id);
		assert_int_equal(said(s, STREAM_STDOUT).n, 108894);
		assert_int_equal(s->tar.n, tar.n);
		assert_memory_equal(s->tar.p, tar.p, tar.n);
		buf_free(&tar);
	}
	session_ack(h.session, id);
	assert_said(host_run(&h, "echo on"), "on\n");
	session_ack(h.session, 2);
	assert_int_equal(host_run(&h, "true")->ended, 1);
	cut(&h);
	connect_again(&h);
	/* The last one is not acknowledged. */
	assert_int_equal(h.told.n_tasks, 1);
	assert_int_equal(h.told.tasks[0], 3);
	host_end(&h);
}

static void
waiting_tasks_wait_on(void **state)
{
	static struct host h;

	(void)state;
	host_init(&h);
	h.linger_s = 30;
	h.base.slots = 1;
	start_listening(&h);
	connect_again(&h);
	for (int i = 0; i < 4; i++)
		host_sh(&h, "sleep 0.1; echo $FURROW_OUT");
	host_wait_for(&h, &h.seen[1].begun);
	cut(&h);
	connect_again(&h);
	for (size_t i = 0; i < h.told.n_tasks; i++) {
		forget(&h, h.told.tasks[i]);
		session_resume(h.session, h.told.tasks[i], 0, 0);
	}
	for (size_t i = 0; i < h.told.n_tasks; i++)
		assert_int_equal(host_wait(&h, h.told.tasks[i])->outcome.exit_status, 0);
	assert_true(h.told.n_tasks >= 3);
	host_end(&h);
}

static void
a_new_connection_supersedes(void **state)
{
	static struct host h;
	struct error err = {0};
	uint64_t id;
	int fd;

	(void)state;
	init_lingering(&h);
	id = host_sh(&h, "sleep 0.3; echo done");
	host_wait_for(&h, &h.seen[id].begun);
	/* The old one is not cut, it may just be silent: a new one is enough. */
	fd = dial(&h);
	host_wait_lost(&h);
	assert_int_equal(session_close(h.session, NS_PER_S, NULL), 0);
	if (host_connect_to(&h, fd, &err) < 0)
		fail_msg("%s", err.message);
	forget(&h, id);
	session_resume(h.session, id, 0, 0);
	assert_said(host_wait(&h, id), "done\n");
	assert_said(host_run(&h, "echo on"), "on\n");
	host_end(&h);
}

static void
another_run_is_refused(void **state)
{
	static struct host h;
	char run[40];

	(void)state;
	init_lingering(&h);
	cut(&h);
	memcpy(run, h.run, sizeof(run));
	snprintf(h.run, sizeof(h.run), "OTHER");
	connect_again(&h);
	host_wait_lost(&h);
	assert_non_null(strstr(h.why.message, run));
	session_close(h.session, NS_PER_S, NULL);
	memcpy(h.run, run, sizeof(run));
	connect_again(&h);
	assert_said(host_run(&h, "echo on"), "on\n");
	host_end(&h);
}

static void
lingering_ends(void **state)
{
	static struct host h;
	uint64_t id;
	pid_t pid;
	int status;

	(void)state;
	host_init(&h);
	h.linger_s = 1;
	start_listening(&h);
	connect_again(&h);
	id = host_sh(&h, "echo $$; exec sleep 1000");
	host_wait_bytes(&h, id, 2);
	pid = pid_in(said(&h.seen[id], STREAM_STDOUT));
	cut(&h);
	pause_ns(300 * NS_PER_MS);
	assert_true(lives(pid));
	assert_int_equal(waitpid(h.runner, &status, 0), h.runner);
	assert_false(lives(pid));
	host_free(&h);
}

static void
without_linger_the_end_is_the_end(void **state)
{
	static struct host h;
	char path[128];
	int status;

	(void)state;
	host_init(&h);
	start_listening(&h);
	/* Somebody who only looks whether it listens. */
	close(dial(&h));
	connect_again(&h);
	host_sh(&h, "exec sleep 1000");
	cut(&h);
	assert_int_equal(waitpid(h.runner, &status, 0), h.runner);
	assert_int_equal(spawn_sweep(h.run), 0);
	socket_path(&h, path);
	assert_int_equal(access(path, F_OK), -1);
	host_free(&h);
}

static void
garbage_is_not_listened_to(void **state)
{
	static struct host h;
	static const char garbage[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char answer[16];
	int fd;

	(void)state;
	init_lingering(&h);
	cut(&h);
	fd = dial(&h);
	assert_int_equal(write(fd, garbage, sizeof(garbage)), sizeof(garbage));
	assert_int_equal(read(fd, answer, sizeof(answer)), 0);
	close(fd);
	connect_again(&h);
	assert_said(host_run(&h, "echo on"), "on\n");
	host_end(&h);
}

static void
through_attach(void **state)
{
	static struct host h;
	char runner[4096], path[128];
	struct error err = {0};
	int pair[2], status;
	pid_t bridge;

	(void)state;
	host_init(&h);
	h.linger_s = 30;
	start_listening(&h);
	close(dial(&h));
	find_runner(runner);
	socket_path(&h, path);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	bridge = fork();
	if (bridge == 0) {
		dup2(pair[1], 0);
		dup2(pair[1], 1);
		execl(runner, runner, "attach", path, (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	if (host_connect_to(&h, pair[0], &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(host_run(&h, "seq 300000")->outcome.stdout_kept_bytes, 1988895);
	host_end(&h);
	assert_int_equal(waitpid(bridge, &status, 0), bridge);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_connection_is_enough),
		cmocka_unit_test(tasks_go_on_without_us),
		cmocka_unit_test(ends_are_kept_until_acknowledged),
		cmocka_unit_test(waiting_tasks_wait_on),
		cmocka_unit_test(a_new_connection_supersedes),
		cmocka_unit_test(another_run_is_refused),
		cmocka_unit_test(lingering_ends),
		cmocka_unit_test(without_linger_the_end_is_the_end),
		cmocka_unit_test(garbage_is_not_listened_to),
		cmocka_unit_test(through_attach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
