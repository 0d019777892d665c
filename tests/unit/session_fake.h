/* session_fake: a session whose other end is the test itself, which says what no runner would. */
#ifndef FURROW_TESTS_SESSION_FAKE_H
#define FURROW_TESTS_SESSION_FAKE_H

#include "tests/unit/session_fixture.h"

/* The other end is played by the test: what it will say is written beforehand or by hand. */
struct fake {
	struct host h;
	int peer;
	bool takes_no_offers;
};

static inline void
fake_init(struct fake *f)
{
	int pair[2];

	host_init(&f->h);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->h.fd = pair[0];
	f->peer = pair[1];
}

static inline void
say_bytes(struct fake *f, const void *bytes, size_t n)
{
	assert_int_equal(write(f->peer, bytes, n), (ssize_t)n);
}

static inline void
say(struct fake *f, enum frame_type type, int stream, uint64_t id, const void *payload, size_t n)
{
	struct frame frame = {
		.type = (uint8_t)type, .stream = (uint8_t)stream, .id = id, .payload.n = n};
	uint8_t header[FRAME_HEADER_BYTES];

	frame_header(header, &frame);
	say_bytes(f, header, sizeof(header));
	if (n)
		say_bytes(f, payload, n);
}

static inline void
say_welcome(struct fake *f, uint32_t version, int64_t now, const char *arch)
{
	uint8_t p[256], *at = p;

	at = put_u32(at, version);
	at = put_u32(at, 4711);
	at = put_u32(at, 2);
	at = put_u64(at, 1 << 30);
	at = put_i64(at, now);
	at = put_str(at, str_from(arch));
	at = put_u32(at, 2);
	at = put_u64(at, 77);
	at = put_u64(at, 88);
	say(f, FRAME_WELCOME, 0, 0, p, (size_t)(at - p));
}

static inline void
say_stream(struct fake *f, int stream, uint64_t id, uint64_t offset, const char *text)
{
	uint8_t p[256], *at = put_u64(p, offset);

	memcpy(at, text, strlen(text));
	say(f, FRAME_STREAM, stream, id, p, 8 + strlen(text));
}

struct end {
	int32_t status;
	uint32_t signal;
	uint8_t why;
	int64_t begun, ended, cpu, rss;
	uint64_t out, errs, out_kept, errs_kept;
	const char *message;
	size_t cut; /* bytes left out at the end */
};

static inline void
say_end(struct fake *f, uint64_t id, const struct end *e)
{
	static uint8_t p[8192];
	uint8_t *at = p;

	at = put_u32(at, (uint32_t)e->status);
	at = put_u32(at, e->signal);
	at = put_u8(at, e->why);
	at = put_i64(at, e->begun);
	at = put_i64(at, e->ended);
	at = put_i64(at, e->cpu);
	at = put_i64(at, e->rss);
	at = put_u64(at, e->out);
	at = put_u64(at, e->errs);
	at = put_u64(at, e->out_kept);
	at = put_u64(at, e->errs_kept);
	at = put_u64(at, 0);
	at = put_u64(at, 0);
	at = put_str(at, str_from(e->message ? e->message : ""));
	say(f, FRAME_ENDED, 0, id, p, (size_t)(at - p) - e->cut);
}

static inline struct session_events
fake_events(struct fake *f)
{
	return (struct session_events){.ctx = &f->h,
		.begun = host_begun,
		.stream = host_stream,
		.output = host_output,
		.offer = host_offer,
		.placed = host_placed,
		.ended = host_ended,
		.notice = host_notice,
		.lost = host_lost};
}

static inline int
fake_connect(struct fake *f, int64_t timeout_ns, struct error *err)
{
	struct session_events events = fake_events(f);

	if (f->takes_no_offers)
		events.offer = NULL;
	return session_open(&f->h.session,
		&(struct transport){.read_fd = f->h.fd, .write_fd = f->h.fd}, "RUN", 0, &f->h.base,
		&events, timeout_ns, &f->h.told, err);
}

/* With tasks 1 and 2 submitted. */
static inline void
fake_start(struct fake *f)
{
	const char *const argv[] = {"true", NULL};
	struct error err = {0};

	fake_init(f);
	say_welcome(f, PROTOCOL_VERSION, now_of_test(), "x86_64");
	if (fake_connect(f, 10 * NS_PER_S, &err) < 0)
		fail_msg("%s", err.message);
	host_submit_as(&f->h, &plain_task, argv);
	host_submit_as(&f->h, &plain_task, argv);
}

static inline void
fake_end(struct fake *f)
{
	shutdown(f->peer, SHUT_RDWR);
	assert_int_equal(session_close(f->h.session, 5 * NS_PER_S, NULL), 0);
	close(f->peer);
	host_free(&f->h);
}

/* The next frame that furrow sent. */
static inline struct frame
hear(struct fake *f, uint8_t *room, size_t n)
{
	size_t have = 0, want = FRAME_HEADER_BYTES;
	struct frame frame = {0};

	while (have < want) {
		ssize_t got = read(f->peer, room + have, want - have);

		assert_true(got > 0);
		have += (size_t)got;
		if (have == FRAME_HEADER_BYTES)
			want += (size_t)room[0] | (size_t)room[1] << 8 | (size_t)room[2] << 16;
		assert_true(want <= n);
	}
	assert_int_equal(frame_read((struct str){.p = (char *)room, .n = have}, &frame), have);
	return frame;
}

#endif
