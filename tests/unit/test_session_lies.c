/* test_session_lies: hosts that say what cannot be are lost; what could be is taken within limits. */
#include "tests/unit/session_fake.h"

static void
welcome_that_lies(void **state)
{
	static struct fake f;
	uint8_t p[64], *at;
	char arch[300];

	(void)state;
	/* More tasks than it has room for. */
	fake_init(&f);
	at = put_u32(put_u32(put_u32(p, PROTOCOL_VERSION), 1), 1);
	at = put_i64(put_u64(at, 1), 1);
	at = put_u32(put_str(at, STR("x")), UINT32_MAX);
	say(&f, FRAME_WELCOME, 0, 0, p, (size_t)(at - p));
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, NULL), ERR_HOST);
	close(f.peer);
	host_free(&f.h);
	/* Cut short. */
	fake_init(&f);
	say(&f, FRAME_WELCOME, 0, 0, p, 20);
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, NULL), ERR_HOST);
	close(f.peer);
	host_free(&f.h);
	/* By a clock that no machine has. */
	fake_init(&f);
	say_welcome(&f, PROTOCOL_VERSION, INT64_MAX, "x86_64");
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, NULL), ERR_HOST);
	close(f.peer);
	host_free(&f.h);
	/* A name longer than anybody's is cut. */
	fake_init(&f);
	memset(arch, 'a', sizeof(arch));
	arch[100] = '\0';
	say_welcome(&f, PROTOCOL_VERSION, now_of_test(), arch);
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, NULL), 0);
	assert_int_equal(strlen(f.h.told.arch), sizeof(f.h.told.arch) - 1);
	fake_end(&f);
}

static void
lose_by(void (*lie)(struct fake *f))
{
	static struct fake f;

	fake_start(&f);
	lie(&f);
	host_wait_lost(&f.h);
	assert_int_equal(f.h.why.code, ERR_HOST);
	assert_true(strlen(f.h.why.message) > 20);
	assert_int_equal(f.h.seen[1].ended + f.h.seen[2].ended, 0);
	fake_end(&f);
}

static void
lie_huge_frame(struct fake *f)
{
	static const uint8_t header[FRAME_HEADER_BYTES] = {0xff, 0xff, 0xff, 0xff, FRAME_STREAM, 1};

	say_bytes(f, header, sizeof(header));
}

static void
lie_gap(struct fake *f)
{
	say_stream(f, STREAM_STDOUT, 1, 0, "one");
	say_stream(f, STREAM_STDOUT, 1, 4, "two");
}

static void
lie_again(struct fake *f)
{
	say_stream(f, STREAM_STDOUT, 1, 0, "one");
	say_stream(f, STREAM_STDOUT, 1, 0, "one");
}

static void
lie_stream_number(struct fake *f)
{
	say_stream(f, 4, 1, 0, "one");
}

static void
lie_no_stream(struct fake *f)
{
	say_stream(f, 0, 1, 0, "one");
}

static void
lie_no_offset(struct fake *f)
{
	say(f, FRAME_STREAM, 1, 1, "1234567", 7);
}

static void
lie_long_piece(struct fake *f)
{
	static uint8_t p[8 + FRAME_CHUNK_BYTES + 1];

	say(f, FRAME_STREAM, 1, 1, p, sizeof(p));
}

static void
lie_long_output(struct fake *f)
{
	static uint8_t p[FRAME_CHUNK_BYTES + 1];

	say(f, FRAME_OUTPUT, 0, 1, p, sizeof(p));
}

static void
lie_long_trace(struct fake *f)
{
	static uint8_t p[8 + FRAME_CHUNK_BYTES];

	for (uint64_t at = 0; at <= TRACE_MAX_BYTES; at += FRAME_CHUNK_BYTES) {
		put_u64(p, at);
		say(f, FRAME_STREAM, STREAM_TRACE, 1, p, sizeof(p));
	}
}

static void
lie_two_begins(struct fake *f)
{
	uint8_t p[8] = {1};

	say(f, FRAME_BEGUN, 0, 1, p, 8);
	say(f, FRAME_BEGUN, 0, 1, p, 8);
}

static void
lie_short_begin(struct fake *f)
{
	say(f, FRAME_BEGUN, 0, 1, "1234567", 7);
}

static void
lie_far_begin(struct fake *f)
{
	uint8_t t[8];

	put_i64(t, INT64_MAX);
	say(f, FRAME_BEGUN, 0, 1, t, sizeof(t));
}

static void
lie_kept(struct fake *f)
{
	say_stream(f, STREAM_STDERR, 1, 0, "one");
	say_end(f, 1, &(struct end){.errs = 4, .errs_kept = 4});
}

static void
lie_less_written_than_kept(struct fake *f)
{
	say_stream(f, STREAM_STDERR, 1, 0, "one");
	say_end(f, 1, &(struct end){.errs = 2, .errs_kept = 3});
}

static void
lie_status(struct fake *f)
{
	say_end(f, 1, &(struct end){.status = 256});
}

static void
lie_negative_status(struct fake *f)
{
	say_end(f, 1, &(struct end){.status = -2});
}

static void
lie_signal(struct fake *f)
{
	say_end(f, 1, &(struct end){.signal = 4000});
}

static void
lie_why(struct fake *f)
{
	say_end(f, 1, &(struct end){.why = ENDED_BAD_OUTPUT + 1});
}

static void
lie_times(struct fake *f)
{
	say_end(f, 1, &(struct end){.begun = 10, .ended = 9});
}

static void
lie_far_end(struct fake *f)
{
	say_end(f, 1, &(struct end){.begun = 1, .ended = INT64_MAX});
}

static void
lie_short_end(struct fake *f)
{
	say_end(f, 1, &(struct end){.cut = 1, .message = "m"});
}

static void
lie_long_message(struct fake *f)
{
	static char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	say_end(f, 1, &(struct end){.message = text});
}

static void
lie_second_welcome(struct fake *f)
{
	say_welcome(f, PROTOCOL_VERSION, 1, "x");
}

static void
lie_note(struct fake *f)
{
	say(f, FRAME_NOTE, 0, 0, "\xff\xff\xff\xff", 4);
}

static void
say_notice(struct fake *f, const char *action, int64_t left_ms, int64_t wall_s, size_t cut)
{
	uint8_t p[128], *at = put_str(p, str_from(action));

	at = put_i64(at, left_ms);
	at = put_i64(at, wall_s);
	say(f, FRAME_NOTICE, 0, 0, p, (size_t)(at - p) - cut);
}

static void
lie_notice_cut(struct fake *f)
{
	say_notice(f, "stop", 1, 1, 1);
}

static void
lie_notice_action(struct fake *f)
{
	say_notice(f, "stop\x1b[2J", 1, 1, 0);
}

static void
lie_notice_long(struct fake *f)
{
	say_notice(f, "terminateterminate", 1, 1, 0);
}

static void
lie_notice_past(struct fake *f)
{
	say_notice(f, "stop", -1, 1, 0);
}

static void
lie_notice_far(struct fake *f)
{
	say_notice(f, "stop", INT64_C(1) << 40, 1, 0);
}

static void
lie_notice_time(struct fake *f)
{
	say_notice(f, "stop", 1, INT64_MAX, 0);
}

static void
a_notice(void **state)
{
	struct fake f = {0};

	(void)state;
	fake_start(&f);
	say_notice(&f, "hibernate", 1500, 1732341600, 0);
	host_wait_notice(&f.h);
	assert_string_equal(f.h.action, "hibernate");
	assert_int_equal(f.h.notice_left_ns, 1500 * NS_PER_MS);
	assert_int_equal(f.h.notice_wall_s, 1732341600);
	assert_false(is_lost(&f.h));
	fake_end(&f);
}

static void
lies_lose_the_host(void **state)
{
	static void (*const lies[])(struct fake * f) = {lie_huge_frame, lie_gap, lie_again,
		lie_stream_number, lie_no_stream, lie_no_offset, lie_long_piece, lie_long_output,
		lie_long_trace, lie_two_begins, lie_short_begin, lie_far_begin, lie_kept,
		lie_less_written_than_kept, lie_status, lie_negative_status, lie_signal, lie_why,
		lie_times, lie_far_end, lie_short_end, lie_long_message, lie_second_welcome,
		lie_note, lie_notice_cut, lie_notice_action, lie_notice_long, lie_notice_past,
		lie_notice_far, lie_notice_time};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		print_message("lie %zu\n", i);
		lose_by(lies[i]);
	}
}

/* Whoever is told that it is lost finds the session, however soon after the welcome that comes. */
struct early {
	struct fake f;
	struct session *seen;
};

static void
early_lost(void *ctx, const struct error *err)
{
	struct early *e = ctx;

	e->seen = e->f.h.session;
	host_lost(&e->f.h, err);
}

static void
lost_as_it_is_welcomed(void **state)
{
	static struct early e;
	struct session_events events;
	struct session_host far = {0};
	struct error err = {0};

	(void)state;
	fake_init(&e.f);
	events = fake_events(&e.f);
	events.ctx = &e;
	events.lost = early_lost;
	say_welcome(&e.f, PROTOCOL_VERSION, now_of_test(), "x86_64");
	shutdown(e.f.peer, SHUT_WR);
	if (session_begin(&e.f.h.session,
		    &(struct transport){.read_fd = e.f.h.fd, .write_fd = e.f.h.fd}, "RUN", 0,
		    &e.f.h.base, &events, 10 * NS_PER_S, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(session_await(e.f.h.session, &far, &err), 0);
	assert_string_equal(far.arch, "x86_64");
	host_wait_lost(&e.f.h);
	assert_ptr_equal(e.seen, e.f.h.session);
	assert_int_equal(session_close(e.f.h.session, 5 * NS_PER_S, NULL), 0);
	close(e.f.peer);
	host_free(&e.f.h);
}

/* Negative and enormous numbers that no check can tell from true ones stay within what furrow can
 * count. */
static void
numbers_in_their_ranges(void **state)
{
	static struct fake f;
	struct seen *s;

	(void)state;
	fake_start(&f);
	say_end(&f, 1, &(struct end){.cpu = -5, .rss = INT64_MIN, .out = UINT64_MAX});
	s = host_wait(&f.h, 1);
	assert_int_equal(s->outcome.cpu_ns, 0);
	assert_int_equal(s->outcome.max_rss_bytes, 0);
	assert_int_equal(s->outcome.stdout_bytes, 0);
	fake_end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(welcome_that_lies),
		cmocka_unit_test(a_notice),
		cmocka_unit_test(lies_lose_the_host),
		cmocka_unit_test(lost_as_it_is_welcomed),
		cmocka_unit_test(numbers_in_their_ranges),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
