/* test_session: furrow's end of the protocol, against a runner played by the test. */
#include "tests/unit/session_fake.h"

static void
says_hello_and_base(void **state)
{
	static struct fake f;
	static uint8_t room[8192];
	struct frame frame;
	struct fields in;

	(void)state;
	fake_init(&f);
	f.h.base.outputs = "out";
	f.h.base.slots = 5;
	f.h.base.inherit_env = true;
	f.h.base.offer_over_bytes = INT64_C(5) << 30;
	say_welcome(&f, PROTOCOL_VERSION, now_of_test(), "arm64");
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, NULL), 0);
	assert_int_equal(f.h.told.pid, 4711);
	assert_int_equal(f.h.told.cpus, 2);
	assert_string_equal(f.h.told.arch, "arm64");
	assert_int_equal(f.h.told.n_tasks, 2);
	assert_int_equal(f.h.told.tasks[1], 88);
	frame = hear(&f, room, sizeof(room));
	assert_int_equal(frame.type, FRAME_HELLO);
	in = (struct fields){.rest = frame.payload};
	assert_int_equal(field_u32(&in), PROTOCOL_VERSION);
	assert_true(str_is(field_str(&in), "RUN"));
	assert_int_equal(field_u32(&in), 0);
	frame = hear(&f, room, sizeof(room));
	assert_int_equal(frame.type, FRAME_BASE);
	in = (struct fields){.rest = frame.payload};
	assert_true(str_is(field_str(&in), f.h.root));
	assert_true(str_is(field_str(&in), f.h.source));
	assert_true(str_is(field_str(&in), "out"));
	assert_int_equal(field_count(&in, 4), 1);
	assert_true(str_starts(field_str(&in), STR("PATH=/usr/local/bin:")));
	assert_int_equal(field_u64(&in), 16 << 20);
	assert_int_equal(field_u32(&in), 5);
	assert_int_equal(field_u8(&in), 1);
	assert_int_equal(field_u64(&in), INT64_C(5) << 30);
	assert_false(in.bad);
	assert_int_equal(in.rest.n, 0);
	fake_end(&f);
}

static void
no_good_beginning(void **state)
{
	static struct fake f;
	struct error err = {0};
	uint8_t half[10] = {1};
	int64_t start;

	(void)state;
	/* Silence. */
	fake_init(&f);
	start = now_of_test();
	assert_int_equal(fake_connect(&f, 100 * NS_PER_MS, &err), ERR_HOST);
	assert_non_null(strstr(err.message, "in time"));
	assert_true(now_of_test() - start < 5 * NS_PER_S);
	close(f.peer);
	host_free(&f.h);
	/* The end, after half a header. */
	fake_init(&f);
	say_bytes(&f, half, sizeof(half));
	shutdown(f.peer, SHUT_WR);
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, &err), ERR_HOST);
	assert_non_null(strstr(err.message, "ended"));
	close(f.peer);
	host_free(&f.h);
	/* Another version. */
	fake_init(&f);
	say_welcome(&f, PROTOCOL_VERSION + 1, 5, "x");
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, &err), ERR_HOST);
	assert_non_null(strstr(err.message, "version 2"));
	close(f.peer);
	host_free(&f.h);
	/* Something that isn't a runner: a login shell's greeting. */
	fake_init(&f);
	say_bytes(&f, "Welcome to this host! Have fun.\n", 32);
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, &err), ERR_HOST);
	assert_non_null(strstr(err.message, "no frame"));
	close(f.peer);
	host_free(&f.h);
	/* A frame that cannot come first. */
	fake_init(&f);
	say(&f, FRAME_BEGUN, 0, 1, half, 8);
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, &err), ERR_HOST);
	close(f.peer);
	host_free(&f.h);
	/* A word for people comes along. */
	fake_init(&f);
	say(&f, FRAME_NOTE, 0, 0, "\x04\0\0\0oops", 8);
	shutdown(f.peer, SHUT_WR);
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, &err), ERR_HOST);
	assert_non_null(strstr(err.message, "oops"));
	close(f.peer);
	host_free(&f.h);
}

static void
clock_of_another_host(void **state)
{
	static struct fake f;
	int64_t ahead = 1000 * NS_PER_S, before;
	const char *const argv[] = {"true", NULL};
	uint8_t p[8];
	struct seen *s;

	(void)state;
	fake_init(&f);
	before = now_of_test();
	say_welcome(&f, PROTOCOL_VERSION, before + ahead, "x");
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, NULL), 0);
	host_submit_as(&f.h, &plain_task, argv);
	put_i64(p, before + ahead + 5 * NS_PER_S);
	say(&f, FRAME_BEGUN, 0, 1, p, 8);
	say_end(&f, 1,
		&(struct end){.begun = before + ahead + 5 * NS_PER_S,
			.ended = before + ahead + 7 * NS_PER_S});
	s = host_wait(&f.h, 1);
	/* As exact as the way there and back was long. */
	assert_true(llabs(s->outcome.begun_ns - before - 5 * NS_PER_S) < NS_PER_S);
	assert_int_equal(s->outcome.ended_ns - s->outcome.begun_ns, 2 * NS_PER_S);
	assert_int_equal(s->begun_ns, s->outcome.begun_ns);
	fake_end(&f);
}

static void
same_clock_is_exact(void **state)
{
	static struct fake f;
	int64_t t;
	uint8_t p[8];

	(void)state;
	fake_init(&f);
	/* Read between HELLO and WELCOME: as the other end of a real socket would. */
	t = now_of_test() + 200 * NS_PER_MS;
	say_welcome(&f, PROTOCOL_VERSION, t, "x");
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, NULL), 0);
	fake_end(&f);
	fake_start(&f);
	put_i64(p, 123456789);
	say(&f, FRAME_BEGUN, 0, 1, p, 8);
	host_wait_for(&f.h, &f.h.seen[1].begun);
	/* fake_start's welcome was written before HELLO went out, so a small offset is right. */
	assert_true(llabs(f.h.seen[1].begun_ns - 123456789) < NS_PER_S);
	fake_end(&f);
}

static void
unknown_is_ignored(void **state)
{
	static struct fake f;
	uint8_t p[8] = {0};
	struct seen *s;

	(void)state;
	fake_start(&f);
	say(&f, 99, 0, 1, p, 8);
	say(&f, FRAME_TASK, 0, 1, p, 8);
	say_stream(&f, STREAM_STDOUT, 4711, 0, "who?");
	say(&f, FRAME_BEGUN, 0, 4711, p, 8);
	say(&f, FRAME_OUTPUT, 0, 0, p, 8);
	say_end(&f, 4711, &(struct end){0});
	say_stream(&f, STREAM_STDOUT, 1, 0, "one");
	/* The application of nobody's trace: no function was given for it. */
	say_stream(&f, STREAM_TRACE, 1, 0, "trace");
	say_end(&f, 1, &(struct end){.out = 3, .out_kept = 3});
	s = host_wait(&f.h, 1);
	assert_said(s, "one");
	/* It was never begun, so it never ran. */
	assert_false(s->outcome.ran);
	/* And nothing more of it. */
	say_stream(&f, STREAM_STDOUT, 1, 3, "more");
	say_end(&f, 1, &(struct end){0});
	say(&f, FRAME_BEGUN, 0, 2, p, 8);
	host_wait_for(&f.h, &f.h.seen[2].begun);
	assert_int_equal(f.h.seen[1].ended, 1);
	assert_false(is_lost(&f.h));
	fake_end(&f);
}

static void
bytes_one_by_one(void **state)
{
	static struct fake f;
	uint8_t bytes[FRAME_HEADER_BYTES + 8 + 5];
	struct frame frame = {
		.type = FRAME_STREAM, .stream = STREAM_STDOUT, .id = 1, .payload.n = 13};

	(void)state;
	fake_start(&f);
	frame_header(bytes, &frame);
	memset(bytes + FRAME_HEADER_BYTES, 0, 8);
	memcpy(bytes + FRAME_HEADER_BYTES + 8, "hello", 5);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		say_bytes(&f, bytes + i, 1);
		pause_ns(NS_PER_MS);
	}
	host_wait_bytes(&f.h, 1, 5);
	assert_said(&f.h.seen[1], "hello");
	fake_end(&f);
}

static void
credit_is_given(void **state)
{
	static struct fake f;
	static uint8_t p[8 + FRAME_CHUNK_BYTES], room[8192];
	uint64_t credited = 0;

	(void)state;
	fake_start(&f);
	f.h.seen[1].keep_no_bytes = true;
	for (uint64_t i = 0; i < 16; i++) {
		put_u64(p, i * FRAME_CHUNK_BYTES);
		say(&f, FRAME_STREAM, STREAM_STDOUT, 1, p, sizeof(p));
	}
	/* All but what is too little to be worth a frame. */
	while (credited < PROTOCOL_WINDOW_BYTES - PROTOCOL_WINDOW_BYTES / 4) {
		struct frame frame = hear(&f, room, sizeof(room));
		struct fields in = {.rest = frame.payload};

		if (frame.type == FRAME_CREDIT)
			credited += field_u32(&in);
	}
	assert_true(credited <= PROTOCOL_WINDOW_BYTES);
	fake_end(&f);
}

static void
command_that_is_too_long(void **state)
{
	static struct fake f;
	static char text[FRAME_MAX_BYTES];
	const char *const argv[] = {"echo", text, NULL};
	uint64_t id;
	struct seen *s;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	fake_start(&f);
	id = host_submit_as(&f.h, &plain_task, argv);
	s = host_wait(&f.h, id);
	assert_int_equal(s->why, ENDED_NOT_STARTED);
	assert_false(s->outcome.ran);
	assert_non_null(strstr(s->message, "1 MiB"));
	assert_false(is_lost(&f.h));
	fake_end(&f);
}

static void
environment_that_is_too_long(void **state)
{
	static struct fake f;
	static char text[FRAME_MAX_BYTES];
	struct error err = {0};

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	fake_init(&f);
	f.h.env[1] = (struct pair){.name = STR("LONG"), .value = str_from(text)};
	f.h.base.env.n = 2;
	assert_int_equal(fake_connect(&f, NS_PER_S, &err), ERR_INPUT);
	close(f.peer);
	host_free(&f.h);
}

static void
close_does_not_wait_for_ever(void **state)
{
	static struct fake f;
	struct error err = {0};
	int64_t start;

	(void)state;
	fake_start(&f);
	start = now_of_test();
	assert_int_equal(session_close(f.h.session, 200 * NS_PER_MS, &err), ERR_HOST);
	assert_true(now_of_test() - start < 5 * NS_PER_S);
	assert_non_null(strstr(err.message, "in time"));
	assert_false(is_lost(&f.h));
	close(f.peer);
	host_free(&f.h);
	/* At once. */
	fake_start(&f);
	assert_int_equal(session_close(f.h.session, 0, NULL), ERR_HOST);
	close(f.peer);
	host_free(&f.h);
}

static void
no_event_after_close(void **state)
{
	static struct fake f;
	static uint8_t room[65536];

	(void)state;
	fake_start(&f);
	f.h.slow_ns = 300 * NS_PER_MS;
	say_stream(&f, STREAM_STDOUT, 1, 0, "x");
	say_end(&f, 2, &(struct end){0});
	host_wait_for(&f.h, &f.h.seen[2].ended);
	shutdown(f.peer, SHUT_WR);
	session_close(f.h.session, 5 * NS_PER_S, NULL);
	while (read(f.peer, room, sizeof(room)) > 0)
		;
	close(f.peer);
	host_free(&f.h);
}

/* Many threads at once. */
static void *
submit_many(void *arg)
{
	struct host *h = arg;
	struct str words[] = {STR("true")};

	for (int i = 0; i < 100; i++) {
		struct session_task task = plain_task;

		pthread_mutex_lock(&h->lock);
		task.id = ++h->last_id;
		pthread_mutex_unlock(&h->lock);
		task.command.argv = (struct strings){.v = words, .n = 1};
		session_submit(h->session, &task);
		if (i % 10 == 0)
			session_stop_task(h->session, task.id, 0);
	}
	return NULL;
}

static void
any_thread_may_submit(void **state)
{
	static struct host h;
	pthread_t threads[4];

	(void)state;
	host_init(&h);
	h.base.slots = 4;
	host_start(&h);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &h), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (uint64_t id = 1; id <= 400; id++)
		host_wait(&h, id);
	host_end(&h);
}

static void
start_unawaited(struct fake *f, int64_t timeout_ns)
{
	const struct session_events events = fake_events(f);
	const char *const argv[] = {"true", NULL};
	struct error err = {0};

	fake_init(f);
	if (session_start(&f->h.session,
		    &(struct transport){.read_fd = f->h.fd, .write_fd = f->h.fd}, "RUN", 0,
		    &f->h.base, &events, timeout_ns, &err) < 0)
		fail_msg("%s", err.message);
	host_submit_as(&f->h, &plain_task, argv);
}

static void
tasks_before_the_welcome(void **state)
{
	const struct end end = {.begun = 1, .ended = 2};
	static const enum frame_type types[] = {FRAME_HELLO, FRAME_BASE, FRAME_TASK};
	static struct fake f;
	static uint8_t room[4096];
	const int never = 0;

	(void)state;
	start_unawaited(&f, 10 * NS_PER_S);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(hear(&f, room, sizeof(room)).type, types[i]);
	say_welcome(&f, PROTOCOL_VERSION, now_of_test(), "x86_64");
	say(&f, FRAME_BEGUN, 0, 1, "\1\0\0\0\0\0\0", 8);
	say_end(&f, 1, &end);
	assert_int_equal(host_wait(&f.h, 1)->outcome.exit_status, 0);
	assert_false(f.h.lost);
	fake_end(&f);
	/* None comes. */
	start_unawaited(&f, 100 * NS_PER_MS);
	host_wait_for(&f.h, &never);
	assert_non_null(strstr(f.h.why.message, "in time"));
	fake_end(&f);
	/* It ends instead, and says why. */
	start_unawaited(&f, 10 * NS_PER_S);
	say(&f, FRAME_NOTE, 0, 0, "\x04\0\0\0oops", 8);
	shutdown(f.peer, SHUT_WR);
	host_wait_for(&f.h, &never);
	assert_non_null(strstr(f.h.why.message, "oops"));
	fake_end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_hello_and_base),
		cmocka_unit_test(no_good_beginning),
		cmocka_unit_test(clock_of_another_host),
		cmocka_unit_test(same_clock_is_exact),
		cmocka_unit_test(unknown_is_ignored),
		cmocka_unit_test(bytes_one_by_one),
		cmocka_unit_test(credit_is_given),
		cmocka_unit_test(command_that_is_too_long),
		cmocka_unit_test(environment_that_is_too_long),
		cmocka_unit_test(close_does_not_wait_for_ever),
		cmocka_unit_test(no_event_after_close),
		cmocka_unit_test(any_thread_may_submit),
		cmocka_unit_test(tasks_before_the_welcome),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
