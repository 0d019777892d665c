/* test_runner_share: what setup left on one host, on another one: fetched and taken when it is what furrow
 * said, refused when not, and what is told of that; and a host that waits for another stays up. */
#include "tests/unit/place_fixture.h"

#define ENV_ID "e57"
#define ENV "/var/lib/furrow/env/" ENV_ID

struct shared {
	uint8_t bits;
	char url[600], sha256[65];
	int64_t bytes, tar_bytes;
};

/* Runs it by sh in the place's folder; its first line. */
static const char *
sh(const char *script)
{
	static char line[256];
	char command[2048];
	FILE *f;

	snprintf(command, sizeof(command), "cd '%s' && { %s; }", place.h.dir, script);
	f = popen(command, "r");
	assert_non_null(f);
	line[0] = '\0';
	if (fgets(line, sizeof(line), f))
		line[strcspn(line, "\n")] = '\0';
	assert_int_equal(pclose(f), 0);
	return line;
}

/* What lies in the folder `made`, as a host packs it. */
static struct shared
pack(void)
{
	struct shared s = {.bits = SHARE_TELL};

	sh("cd made && tar --format=ustar -cf ../made.tar * && cd .. && gzip -nk made.tar");
	snprintf(s.url, sizeof(s.url), "file://%s/made.tar.gz", place.h.dir);
	snprintf(s.sha256, sizeof(s.sha256), "%.64s", sh("sha256sum <made.tar.gz"));
	s.bytes = strtol(sh("stat -c %s made.tar.gz"), NULL, 10);
	s.tar_bytes = strtol(sh("stat -c %s made.tar"), NULL, 10);
	return s;
}

static void
order_shared(const char *setup, const struct shared *s)
{
	static const char *const none[] = {NULL};
	uint8_t payload[4096], *to = put_str(payload, str_from(place.h.run));

	to = put_u32(to, 600);
	to = put_u32(to, 0);
	to = put_str(to, STR(""));
	to = put_str(to, STR(""));
	to = put_str(to, STR(ENV_ID));
	to = put_str(to, str_from(setup));
	to = put_list(to, none);
	to = put_list(to, none);
	for (int i = 0; i < 5; i++)
		to = put_str(to, STR("")); /* no container */
	to = put_u8(to, s->bits);
	to = put_str(to, str_from(s->url));
	to = put_str(to, str_from(s->sha256));
	to = put_i64(to, s->bytes);
	to = put_i64(to, s->tar_bytes);
	to = put_str(to, STR(""));
	to = put_str(to, STR(""));
	call();
	send_frame(FRAME_ORDER, payload, (size_t)(to - payload));
}

/* The next frame's fields; its type. */
static uint8_t
next_frame(struct fields *out)
{
	static char all[8192];
	struct frame f;
	size_t n = FRAME_HEADER_BYTES;
	uint32_t more;

	assert_int_equal(recv(place.fd, all, n, MSG_WAITALL), n);
	memcpy(&more, all, sizeof(more));
	assert_true(more <= sizeof(all) - n);
	assert_int_equal(recv(place.fd, all + n, more, MSG_WAITALL), more);
	assert_true(frame_read((struct str){.p = all, .n = n + more}, &f) > 0);
	*out = (struct fields){.rest = f.payload};
	return f.type;
}

static void
prepared(enum prepared how, const char *why)
{
	struct fields f;
	struct str said;

	assert_int_equal(next_frame(&f), FRAME_PREPARED);
	assert_int_equal(field_u8(&f), how);
	said = field_str(&f);
	assert_false(f.bad);
	if (!why && said.n)
		fail_msg("it said: %.*s", STR_ARG(said));
	if (why && !memmem(said.p, said.n, why, strlen(why)))
		fail_msg("not '%s' but: %.*s", why, STR_ARG(said));
}

static void
it_serves(void)
{
	open_session();
	assert_said(host_run(&place.h, "echo on"), "on\n");
	goodbye();
}

static void
it_is_fetched(void **state)
{
	struct shared s;

	(void)state;
	sh("mkdir -p made/bin && echo tool >made/bin/tool && chmod 755 made/bin/tool && ln -s tool "
	   "made/bin/also");
	s = pack();
	order_shared("touch ran", &s);
	prepared(PREPARED_FETCHED, NULL);
	it_serves();
	assert_string_equal(read_text(at(ENV "/bin/also")), "tool\n");
	assert_true(is_there(at(ENV "/.furrow-ready")));
	assert_false(is_there(at(ENV "/ran")));
	/* Nothing of the way is left. */
	assert_string_equal(sh("ls -A var/lib/furrow/env | xargs"), ENV_ID);
	order_shared("touch ran", &s);
	prepared(PREPARED_THERE, NULL);
	it_serves();
}

/* Setup runs instead, in an empty folder. */
static void
is_refused(const struct shared *s, const char *why)
{
	order_shared("ls -A >found; touch ran", s);
	prepared(PREPARED_RAN, why);
	it_serves();
	assert_true(is_there(at(ENV "/ran")));
	assert_string_equal(read_text(at(ENV "/found")), "found\n");
	assert_false(is_there(at("/beside")));
	assert_string_equal(sh("rm -r var/lib/furrow/env/" ENV_ID
			       "; ls var/lib/furrow/env/*.gz 2>/dev/null | wc -l"),
		"0");
}

static void
it_is_something_else(void **state)
{
	struct shared s, other;

	(void)state;
	sh("mkdir made && echo x >made/x");
	other = s = pack();
	other.sha256[0] = other.sha256[0] == '0' ? '1' : '0';
	is_refused(&other, "not fetched: what the store has is not what was put there");
	other = s;
	other.bytes++;
	is_refused(&other, "bytes long, not");
	other = s;
	other.tar_bytes = 512;
	is_refused(&other, "it unpacks to more than the 512 bytes that were announced");
	other = s;
	other.tar_bytes = INT64_MAX / 8;
	is_refused(&other, "there is no room on the disk");
	other = s;
	snprintf(other.url, sizeof(other.url), "file://%s/none", place.h.dir);
	is_refused(&other, "fetching it ended with status");
}

static void
it_leads_astray(void **state)
{
	struct shared s;

	(void)state;
	sh("mkdir -p made && echo evil >made/x && ln -s ../../../../../.. made/up");
	s = pack();
	is_refused(&s, "'up' is a symlink that leads out of its folder");
	sh("rm -r made made.*; mkdir made; mkfifo made/pipe");
	s = pack();
	is_refused(&s, "'pipe' is neither file, folder nor symlink");
	sh("rm -r made made.*; mkdir made; touch made/.furrow-ready made/x; cd made && tar "
	   "--format=ustar -cf "
	   "../made.tar .furrow-ready x && cd .. && gzip -nk made.tar");
	snprintf(s.sha256, sizeof(s.sha256), "%.64s", sh("sha256sum <made.tar.gz"));
	s.bytes = strtol(sh("stat -c %s made.tar.gz"), NULL, 10);
	is_refused(&s, "'.furrow-ready' is not for an archive to make");
}

static void
it_is_offered(void **state)
{
	const struct shared s = {.bits = SHARE_TELL | SHARE_OFFER};
	uint8_t put[8], *to = put_u8(put, OFFER_SETUP);
	struct fields f;
	struct str sha256;

	(void)state;
	order_shared("echo x >x", &s);
	assert_int_equal(next_frame(&f), FRAME_OFFER);
	assert_int_equal(field_u8(&f), OFFER_SETUP);
	assert_true(field_i64(&f) > 0);
	assert_int_equal(field_i64(&f), 4 * 512); /* a header, a block, the end */
	sha256 = field_str(&f);
	assert_int_equal(sha256.n, 64);
	to = put_str(to, STR(""));
	send_frame(FRAME_PUT, put, (size_t)(to - put));
	prepared(PREPARED_RAN, "not shared: furrow did not say where to put it");
	it_serves();
}

static void
it_cannot_be_packed(void **state)
{
	const struct shared s = {.bits = SHARE_TELL | SHARE_OFFER};

	(void)state;
	order_shared("ln -s /etc/passwd secret", &s);
	prepared(PREPARED_RAN, "not shared: secret is a symlink to /etc/passwd");
	it_serves();
}

static void
setup_fails(void **state)
{
	const struct shared s = {.bits = SHARE_TELL | SHARE_OFFER};

	(void)state;
	order_shared("echo the reason; exit 7", &s);
	prepared(PREPARED_FAILED,
		"environment.setup ended with status 7; it said last:\nthe reason");
	assert_int_equal(exit_status(), 1);
	/* Of much, the end, and no half of a line. */
	order_shared("seq 1000 3000; echo the reason; exit 7", &s);
	prepared(PREPARED_FAILED,
		"environment.setup ended with status 7; it said last:\n2901\n2902\n");
	assert_int_equal(exit_status(), 1);
}

static void
who_waits_stays_up(void **state)
{
	uint8_t lease[4];

	(void)state;
	write_text(at("/run/furrow/until"), "1\n");
	call();
	put_u32(lease, 900);
	send_frame(FRAME_LEASE, lease, sizeof(lease));
	for (int i = 0; i < 500 && until() == 1; i++)
		pause_ns(10 * NS_PER_MS);
	assert_true(labs(until() - (long)uptime_s() - 900) <= 6);
	order(&(struct wish){.idle_s = 0});
	it_serves();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_fetched),
		TEST(it_is_something_else),
		TEST(it_leads_astray),
		TEST(it_is_offered),
		TEST(it_cannot_be_packed),
		TEST(setup_fails),
		TEST(who_waits_stays_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
