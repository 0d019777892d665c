/* test_session_offer: outputs that a host offers, and what hosts may not say of them. */
#include "tests/unit/session_fake.h"

static void
say_part(struct fake *f, enum frame_type type, uint64_t id, uint8_t part, int64_t bytes)
{
	uint8_t p[9];

	put_i64(put_u8(p, part), bytes);
	say(f, type, 0, id, p, sizeof(p));
}

/* What furrow answers, past all else that it says. */
static void
assert_put(struct fake *f, uint64_t id, const char *url)
{
	static uint8_t room[8192];
	struct frame frame;
	struct fields in;

	do {
		frame = hear(f, room, sizeof(room));
	} while (frame.type != FRAME_PUT);
	assert_int_equal(frame.id, id);
	in = (struct fields){.rest = frame.payload};
	assert_int_equal(field_u8(&in), OFFER_TAR);
	assert_true(str_is(field_str(&in), url));
	assert_false(in.bad);
	assert_int_equal(in.rest.n, 0);
}

static void
offer_put_placed(void **state)
{
	static struct fake f;
	struct seen *s;

	(void)state;
	fake_start(&f);
	snprintf(f.h.url, sizeof(f.h.url), "https://b.s3/k");
	say_part(&f, FRAME_OFFER, 1, OFFER_TAR, INT64_C(1) << 40);
	assert_put(&f, 1, "https://b.s3/k?signed=1");
	/* It was good no more. */
	say_part(&f, FRAME_OFFER, 1, OFFER_TAR, INT64_C(1) << 40);
	assert_put(&f, 1, "https://b.s3/k?signed=2");
	say_part(&f, FRAME_PLACED, 1, OFFER_TAR, 12345678901);
	say_end(&f, 1, &(struct end){0});
	s = host_wait(&f.h, 1);
	assert_int_equal(s->n_offers, 2);
	assert_int_equal(s->offered_bytes, INT64_C(1) << 40);
	assert_int_equal(s->n_placed, 1);
	assert_int_equal(s->placed_bytes, 12345678901);
	assert_int_equal(s->tar.n, 0);
	fake_end(&f);
}

static void
over_the_connection_please(void **state)
{
	static struct fake f;
	struct seen *s;

	(void)state;
	fake_start(&f);
	say_part(&f, FRAME_OFFER, 1, OFFER_TAR, 5);
	assert_put(&f, 1, "");
	say(&f, FRAME_OUTPUT, 0, 1, "bytes", 5);
	say_end(&f, 1, &(struct end){0});
	s = host_wait(&f.h, 1);
	assert_int_equal(s->n_placed, 0);
	assert_true(str_is(buf_str(&s->tar), "bytes"));
	fake_end(&f);
}

/* Who takes no offers. */
static void
no_function_for_it(void **state)
{
	static struct fake f;
	const char *const argv[] = {"true", NULL};

	(void)state;
	fake_init(&f);
	say_welcome(&f, PROTOCOL_VERSION, now_of_test(), "x86_64");
	f.takes_no_offers = true;
	assert_int_equal(fake_connect(&f, 10 * NS_PER_S, NULL), 0);
	host_submit_as(&f.h, &plain_task, argv);
	say_part(&f, FRAME_OFFER, 1, OFFER_TAR, 5);
	assert_put(&f, 1, "");
	fake_end(&f);
}

static void
answers_that_nobody_waits_for(void **state)
{
	static struct fake f;

	(void)state;
	fake_start(&f);
	f.h.offers_wait = true;
	session_put(f.h.session, 1, "https://b.s3/unasked");
	session_put(f.h.session, 4711, "https://b.s3/unknown");
	say_part(&f, FRAME_OFFER, 1, OFFER_TAR, 5);
	host_wait_for(&f.h, &f.h.seen[1].n_offers);
	session_put(f.h.session, 1, "https://b.s3/asked");
	session_put(f.h.session, 1, "https://b.s3/twice");
	session_stop_task(f.h.session, 1, 0);
	assert_put(&f, 1, "https://b.s3/asked");
	{
		static uint8_t room[8192];

		assert_int_equal(hear(&f, room, sizeof(room)).type, FRAME_STOP);
	}
	fake_end(&f);
}

static void
of_tasks_that_are_not_there(void **state)
{
	static struct fake f;
	uint8_t p[8] = {0};

	(void)state;
	fake_start(&f);
	snprintf(f.h.url, sizeof(f.h.url), "https://b.s3/k");
	say_part(&f, FRAME_OFFER, 4711, OFFER_TAR, 5);
	say_part(&f, FRAME_PLACED, 4711, OFFER_TAR, 5);
	say_part(&f, FRAME_OFFER, 0, OFFER_TAR, 5);
	say_end(&f, 1, &(struct end){0});
	say_part(&f, FRAME_OFFER, 1, OFFER_TAR, 5);
	say_part(&f, FRAME_PLACED, 1, OFFER_TAR, 5);
	say(&f, FRAME_BEGUN, 0, 2, p, 8);
	host_wait_for(&f.h, &f.h.seen[2].begun);
	assert_false(is_lost(&f.h));
	assert_int_equal(f.h.seen[1].n_offers + f.h.seen[1].n_placed, 0);
	fake_end(&f);
}

static void
lie_placed_unasked(struct fake *f)
{
	say_part(f, FRAME_PLACED, 1, OFFER_TAR, 5);
}

static void
lie_placed_unanswered(struct fake *f)
{
	f->h.offers_wait = true;
	say_part(f, FRAME_OFFER, 1, OFFER_TAR, 5);
	say_part(f, FRAME_PLACED, 1, OFFER_TAR, 5);
}

static void
lie_placed_though_refused(struct fake *f)
{
	f->h.url[0] = '\0';
	say_part(f, FRAME_OFFER, 1, OFFER_TAR, 5);
	assert_put(f, 1, "");
	say_part(f, FRAME_PLACED, 1, OFFER_TAR, 5);
}

static void
place(struct fake *f)
{
	say_part(f, FRAME_OFFER, 1, OFFER_TAR, 5);
	assert_put(f, 1, "https://b.s3/k?signed=1");
	say_part(f, FRAME_PLACED, 1, OFFER_TAR, 5);
}

static void
lie_placed_twice(struct fake *f)
{
	place(f);
	say_part(f, FRAME_PLACED, 1, OFFER_TAR, 5);
}

static void
lie_offer_of_what_is_placed(struct fake *f)
{
	place(f);
	say_part(f, FRAME_OFFER, 1, OFFER_TAR, 5);
}

static void
lie_output_of_what_is_placed(struct fake *f)
{
	place(f);
	say(f, FRAME_OUTPUT, 0, 1, "bytes", 5);
}

static void
lie_two_offers(struct fake *f)
{
	f->h.offers_wait = true;
	say_part(f, FRAME_OFFER, 1, OFFER_TAR, 5);
	say_part(f, FRAME_OFFER, 1, OFFER_TAR, 5);
}

static void
lie_offer_of_nothing(struct fake *f)
{
	say_part(f, FRAME_OFFER, 1, OFFER_TAR, 0);
}

static void
lie_offer_of_less(struct fake *f)
{
	say_part(f, FRAME_OFFER, 1, OFFER_TAR, -5);
}

static void
lie_offer_of_what(struct fake *f)
{
	say_part(f, FRAME_OFFER, 1, 7, 5);
}

static void
lie_short_offer(struct fake *f)
{
	say(f, FRAME_OFFER, 0, 1, "\1\2", 2);
}

static void
lies_lose_the_host(void **state)
{
	static void (*const lies[])(struct fake * f) = {
		lie_placed_unasked,
		lie_placed_unanswered,
		lie_placed_though_refused,
		lie_placed_twice,
		lie_offer_of_what_is_placed,
		lie_output_of_what_is_placed,
		lie_two_offers,
		lie_offer_of_nothing,
		lie_offer_of_less,
		lie_offer_of_what,
		lie_short_offer,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		static struct fake f;

		fake_start(&f);
		snprintf(f.h.url, sizeof(f.h.url), "https://b.s3/k");
		lies[i](&f);
		host_wait_lost(&f.h);
		assert_int_equal(f.h.why.code, ERR_HOST);
		assert_non_null(strstr(f.h.why.message, "makes no sense"));
		assert_int_equal(f.h.seen[1].ended, 0);
		assert_int_equal(f.h.seen[1].tar.n, 0);
		assert_true(f.h.seen[1].n_placed <= 1);
		fake_end(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offer_put_placed),
		cmocka_unit_test(over_the_connection_please),
		cmocka_unit_test(no_function_for_it),
		cmocka_unit_test(answers_that_nobody_waits_for),
		cmocka_unit_test(of_tasks_that_are_not_there),
		cmocka_unit_test(lies_lose_the_host),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
