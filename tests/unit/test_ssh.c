/* test_ssh: commands on a real sshd of loopback: bytes, statuses, words, keys; and many at once. */
#include "ssh_fixture.h"

#include <pthread.h>

enum { MUCH = 8 << 20 /* several windows of either side */ };

/* --- Commands. --- */

static void
a_command(void **state)
{
	struct ssh_wish wish = sshd_wish(&sshd, "echo here; cat");
	struct ssh_times t;
	struct buf out;
	int fd, status;
	struct ssh_host *h = start(&wish, &fd);

	(void)state;
	/* At once: it waits for the command. */
	assert_int_equal(write(fd, "early\n", 6), 6);
	assert_int_equal(ssh_wait(h, 30 * NS_PER_S, NULL), SSH_OPEN);
	assert_int_equal(ssh_look(h, &status, NULL), SSH_OPEN);
	assert_int_equal(status, -1);
	assert_int_equal(write(fd, "late\n", 5), 5);
	shutdown(fd, SHUT_WR);
	out = read_all(fd);
	assert_string_equal(buf_cstr(&out), "here\nearly\nlate\n");
	assert_int_equal(over(h, &status, NULL), SSH_ENDED);
	assert_int_equal(status, 0);
	t = ssh_times(h);
	assert_int_equal(t.tries, 1);
	assert_true(t.started_ns <= t.connected_ns && t.connected_ns <= t.authenticated_ns &&
		    t.authenticated_ns <= t.open_ns);
	buf_free(&out);
	end(h, fd);
}

static void
statuses(void **state)
{
	static const struct {
		const char *command;
		int status;
	} cases[] = {{"true", 0}, {"exit 7", 7}, {"exit 255", 255},
		{"kill -TERM $$", 128 + SIGTERM}, {"kill -KILL $$", 128 + SIGKILL},
		{"/nonexistent/command", 127}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = -1;
		struct buf out = run(cases[i].command, &status, NULL, 0);

		if (status != cases[i].status || out.n)
			fail_msg("%s: %d", cases[i].command, status);
		buf_free(&out);
	}
}

static void
words_on_stderr(void **state)
{
	char said[8192];
	int status;
	struct buf out =
		run("printf 'red: \\033[31m\\007 \\302\\233 \\377\\nnext\\r\\n' >&2; echo out",
			&status, said, sizeof(said));

	(void)state;
	assert_string_equal(buf_cstr(&out), "out\n");
	assert_string_equal(said, "red: ?[31m? ?? ?\nnext");
	buf_free(&out);
	/* The last of much. */
	out = run("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done >&2", &status,
		said, sizeof(said));
	assert_int_equal(out.n, 0);
	assert_in_range(strlen(said), 4000, 4096);
	says(said, "line 19999");
	assert_null(strstr(said, "line 1000\n"));
	buf_free(&out);
}

/* --- Many bytes. --- */

static char
byte_at(size_t i)
{
	return (char)(i * 2654435761u >> 13);
}

struct writer {
	int fd;
	bool ok;
};

static void *
write_much(void *arg)
{
	struct writer *w = arg;
	char chunk[50000];
	size_t at = 0;

	while (at < MUCH) {
		size_t n = MUCH - at < sizeof(chunk) ? MUCH - at : sizeof(chunk), done = 0;

		for (size_t i = 0; i < n; i++)
			chunk[i] = byte_at(at + i);
		while (done < n) {
			ssize_t sent = send(w->fd, chunk + done, n - done, MSG_NOSIGNAL);

			if (sent <= 0)
				return NULL;
			done += (size_t)sent;
		}
		at += n;
	}
	w->ok = shutdown(w->fd, SHUT_WR) == 0;
	return NULL;
}

static void
is_much(const struct buf *got)
{
	assert_int_equal(got->n, MUCH);
	for (size_t i = 0; i < MUCH; i++) {
		if (got->p[i] != byte_at(i))
			fail_msg("byte %zu differs", i);
	}
}

static void
much_both_ways(void **state)
{
	struct ssh_wish wish = sshd_wish(&sshd, "cat");
	struct writer w = {0};
	struct buf out;
	pthread_t thread;
	int status;
	struct ssh_host *h = start(&wish, &w.fd);

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, write_much, &w), 0);
	/* Nobody reads for a while: both directions are held up, nothing is lost. */
	assert_int_equal(ssh_wait(h, 30 * NS_PER_S, NULL), SSH_OPEN);
	sleep_ms(300);
	out = read_all(w.fd);
	pthread_join(thread, NULL);
	assert_true(w.ok);
	is_much(&out);
	assert_int_equal(over(h, &status, NULL), SSH_ENDED);
	assert_int_equal(status, 0);
	buf_free(&out);
	end(h, w.fd);
}

/* What was said before the end is there after it. */
static void
read_when_it_is_over(void **state)
{
	struct ssh_wish wish = sshd_wish(&sshd, "head -c 3000000 /dev/zero; exit 5");
	struct buf out;
	int fd, status;
	struct ssh_host *h = start(&wish, &fd);

	(void)state;
	assert_int_equal(ssh_wait(h, 30 * NS_PER_S, NULL), SSH_OPEN);
	sleep_ms(300);
	assert_int_equal(ssh_look(h, &status, NULL), SSH_OPEN);
	out = read_all(fd);
	assert_int_equal(out.n, 3000000);
	assert_int_equal(over(h, &status, NULL), SSH_ENDED);
	assert_int_equal(status, 5);
	buf_free(&out);
	end(h, fd);
}

static void
nobody_wants_the_output(void **state)
{
	struct ssh_wish wish = sshd_wish(&sshd, "head -c 5000000 /dev/zero; exit 6");
	int fd, status;
	struct ssh_host *h = start(&wish, &fd);

	(void)state;
	close(fd);
	assert_int_equal(over(h, &status, NULL), SSH_ENDED);
	assert_int_equal(status, 6);
	ssh_end(h);
}

/* --- Keys. --- */

static void
another_host_key(void **state)
{
	struct ssh_wish wish = sshd_wish(&sshd, "true");
	char print[SSH_KEY_PRINT_BYTES];
	struct error err;

	(void)state;
	wish.host_key = str_from(sshd.caller.public_key);
	wish.wait_ns = 20 * NS_PER_S; /* no reason to try again */
	err = failure(&wish, NULL);
	assert_int_equal(err.class, CLASS_DENIED);
	assert_true(ssh_key_print(print, str_from(sshd.host.public_key)));
	says(err.message, print);
	assert_true(ssh_key_print(print, str_from(sshd.caller.public_key)));
	says(err.message, print);
	says(err.message, "127.0.0.1 port ");
}

static void
another_user_key(void **state)
{
	struct ssh_wish wish = sshd_wish(&sshd, "true");
	char print[SSH_KEY_PRINT_BYTES];
	struct ssh_key other;
	struct error err;

	(void)state;
	assert_int_equal(ssh_key_make(&other, &err), 0);
	wish.private_key = str_from(other.private_key);
	wish.wait_ns = 20 * NS_PER_S;
	err = failure(&wish, NULL);
	assert_int_equal(err.class, CLASS_DENIED);
	assert_true(ssh_key_print(print, str_from(other.public_key)));
	says(err.message, print);
	says(err.message, "authorized_keys");
}

static void
wishes_that_are_none(void **state)
{
	struct ssh_wish good = sshd_wish(&sshd, "true"), bad[5] = {good, good, good, good, good};
	struct ssh_host *h;
	struct error err;
	int fd;

	(void)state;
	bad[0].address = STR("localhost");
	bad[1].port = 0;
	bad[2].host_key = STR("ssh-rsa AAAA");
	bad[3].private_key = STR("no key");
	bad[4].command = STR("");
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(ssh_start(hub, &bad[i], &h, &fd, &err), ERR_INPUT);
		says(err.message, "ssh");
	}
}

/* --- Many at once. --- */

static void
start_many(struct sshd *d, size_t n, bool turned_away)
{
	struct ssh_wish wish = sshd_wish(d, "read x; echo $x; exit 4");
	struct ssh_host *hosts[100];
	int fds[100], status;
	uint32_t tries = 0;

	wish.wait_ns = 60 * NS_PER_S;
	wish.handshake_ns = 60 * NS_PER_S;
	for (size_t i = 0; i < n; i++) {
		char line[16];
		int length = snprintf(line, sizeof(line), "%zu\n", i);

		hosts[i] = start(&wish, &fds[i]);
		assert_int_equal(write(fds[i], line, (size_t)length), length);
	}
	for (size_t i = 0; i < n; i++) {
		struct error err = {0};
		struct buf out = read_all(fds[i]);
		char line[16];

		if (over(hosts[i], &status, &err) != SSH_ENDED)
			fail_msg("%zu: %s", i, err.message);
		snprintf(line, sizeof(line), "%zu\n", i);
		assert_string_equal(buf_cstr(&out), line);
		assert_int_equal(status, 4);
		tries += ssh_times(hosts[i]).tries;
		buf_free(&out);
		end(hosts[i], fds[i]);
	}
	if (turned_away)
		assert_true(tries > n);
	else
		assert_int_equal(tries, n);
}

static void
a_hundred_at_once(void **state)
{
	(void)state;
	start_many(&sshd, 100, false);
}

static void
turned_away(void **state)
{
	struct sshd narrow;

	(void)state;
	assert_true(sshd_start(&narrow, "MaxStartups 2\n"));
	start_many(&narrow, 12, true);
	sshd_end(&narrow);
}

static void
a_hub_that_closes(void **state)
{
	struct ssh_hub *usual = hub;
	struct ssh_wish wish = sshd_wish(&sshd, "read x"), nowhere = sshd_wish(&sshd, "true");
	struct ssh_host *h[3];
	struct error err;
	int fd[3], gone_fd;

	(void)state;
	assert_int_equal(ssh_hub_open(&hub, &err), 0);
	nowhere.port = free_port(NULL);
	nowhere.wait_ns = 60 * NS_PER_S;
	h[0] = start(&wish, &fd[0]);
	assert_int_equal(ssh_wait(h[0], 30 * NS_PER_S, NULL), SSH_OPEN);
	h[1] = start(&nowhere, &fd[1]);
	h[2] = start(&wish, &fd[2]);
	end(start(&wish, &gone_fd), gone_fd);
	ssh_hub_close(hub);
	hub = usual;
	for (size_t i = 0; i < 3; i++) {
		struct buf out = read_all(fd[i]);

		assert_int_equal(out.n, 0);
		err = (struct error){0};
		assert_int_equal(ssh_look(h[i], NULL, &err), SSH_FAILED);
		assert_int_equal(err.code, ERR_CANCELLED);
		end(h[i], fd[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command),
		cmocka_unit_test(statuses),
		cmocka_unit_test(words_on_stderr),
		cmocka_unit_test(much_both_ways),
		cmocka_unit_test(read_when_it_is_over),
		cmocka_unit_test(nobody_wants_the_output),
		cmocka_unit_test(another_host_key),
		cmocka_unit_test(another_user_key),
		cmocka_unit_test(wishes_that_are_none),
		cmocka_unit_test(a_hundred_at_once),
		cmocka_unit_test(turned_away),
		cmocka_unit_test(a_hub_that_closes),
	};

	signal(SIGPIPE, SIG_IGN);
	return SSH_TESTS("ssh", tests);
}
