/* test_ssh_faults: hosts that are not there yet or go away, and servers that are none, or that say too
 * much or too little. */
#include "ssh_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

/* --- Hosts that are not there yet, or no more. --- */

static void
nobody_listens(void **state)
{
	struct ssh_wish wish = sshd_wish(&sshd, "true");
	struct ssh_times t;
	struct error err;

	(void)state;
	wish.port = free_port(NULL);
	err = failure(&wish, &t);
	assert_int_equal(err.class, CLASS_TRANSIENT);
	says(err.message, "connect: Connection refused");
	assert_int_equal(t.tries, 1);
	wish.wait_ns = 400 * NS_PER_MS;
	err = failure(&wish, &t);
	assert_int_equal(err.class, CLASS_TRANSIENT);
	says(err.message, "given up after");
	says(err.message, "security group");
	assert_true(t.tries > 1);
}

static void
a_host_that_boots(void **state)
{
	struct sshd late;
	struct ssh_wish wish;
	struct ssh_host *h;
	struct error err = {0};
	int fd;

	(void)state;
	sshd_prepare(&late, "");
	wish = sshd_wish(&late, "true");
	wish.wait_ns = 20 * NS_PER_S;
	h = start(&wish, &fd);
	assert_int_equal(ssh_wait(h, 300 * NS_PER_MS, NULL), SSH_CONNECTING);
	assert_true(sshd_run(&late));
	if (ssh_wait(h, 20 * NS_PER_S, &err) < SSH_OPEN || ssh_look(h, NULL, &err) == SSH_FAILED)
		fail_msg("%s", err.message);
	assert_true(ssh_times(h).tries > 1);
	end(h, fd);
	sshd_end(&late);
}

static void
a_connection_that_is_cut(void **state)
{
	struct ssh_wish wish = sshd_wish(&sshd, "echo begun; read go; kill -9 $PPID; sleep 1");
	struct error err = {0};
	struct buf out;
	int fd, status = 0;
	struct ssh_host *h = start(&wish, &fd);
	char begun[6];

	(void)state;
	assert_int_equal(recv(fd, begun, sizeof(begun), MSG_WAITALL), sizeof(begun));
	assert_int_equal(write(fd, "\n", 1), 1);
	out = read_all(fd);
	assert_int_equal(out.n, 0);
	assert_int_equal(over(h, &status, &err), SSH_FAILED);
	assert_int_equal(status, -1);
	assert_int_equal(err.class, CLASS_TRANSIENT);
	says(err.message, "while the command ran");
	buf_free(&out);
	end(h, fd);
}

/* Its process stands still: no word, no reset. */
static void
a_host_that_falls_silent(void **state)
{
	struct ssh_wish wish = sshd_wish(&sshd, "echo $PPID; read go");
	struct ssh_hub *usual = hub;
	struct error err = {0};
	struct ssh_host *h;
	char line[32] = "";
	long frozen;
	int fd;

	(void)state;
	assert_int_equal(ssh_hub_open(&hub, &err), 0);
	hub->quiet_ns = 200 * NS_PER_MS;
	hub->lost_ns = 700 * NS_PER_MS;
	h = start(&wish, &fd);
	assert_true(read(fd, line, sizeof(line) - 1) > 0);
	frozen = strtol(line, NULL, 10);
	assert_true(frozen > 1);
	/* It is asked, answers, and so stays. */
	sleep_ms(1000);
	assert_int_equal(ssh_look(h, NULL, NULL), SSH_OPEN);
	kill((pid_t)frozen, SIGSTOP);
	assert_int_equal(over(h, NULL, &err), SSH_FAILED);
	kill((pid_t)frozen, SIGKILL);
	assert_int_equal(err.class, CLASS_TRANSIENT);
	says(err.message, "nothing came for");
	end(h, fd);
	ssh_hub_close(hub);
	hub = usual;
}

/* --- Servers that are none. --- */

struct peer {
	int fd;
	uint16_t port;
	pthread_t thread;
	const char *first, *again; /* said once; then over and over, when there is any */
	bool hangs_up;
	atomic_bool stop;
	atomic_size_t said, calls;
};

static void
talk(struct peer *p, int fd)
{
	const char *words = p->first;
	struct pollfd calm = {.fd = fd, .events = POLLRDHUP};

	while (words && !p->stop) {
		ssize_t n = send(fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			p->said += (size_t)n;
			words = p->again;
		} else if (errno == EAGAIN) {
			sleep_ms(1);
		} else {
			return;
		}
	}
	while (!p->hangs_up && !p->stop && poll(&calm, 1, 10) == 0)
		;
}

static void *
peer_main(void *arg)
{
	struct peer *p = arg;
	struct pollfd calls = {.fd = p->fd, .events = POLLIN};

	while (!p->stop) {
		int fd = poll(&calls, 1, 10) == 1 ? accept(p->fd, NULL, NULL) : -1;

		if (fd < 0)
			continue;
		p->calls++;
		talk(p, fd);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	return NULL;
}

/* A call to a server that says `first`, then `again` for ever. */
static struct error
call(struct peer *p, int64_t wait_ns, int64_t handshake_ns)
{
	struct ssh_wish wish = sshd_wish(&sshd, "true");
	struct error err;

	p->port = free_port(&p->fd);
	assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
	wish.port = p->port;
	wish.wait_ns = wait_ns;
	wish.handshake_ns = handshake_ns;
	err = failure(&wish, NULL);
	p->stop = true;
	pthread_join(p->thread, NULL);
	close(p->fd);
	for (const char *c = err.message; *c; c++)
		assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
	return err;
}

static void
a_silent_server(void **state)
{
	struct peer once = {0}, often = {0};
	struct error err = call(&once, -1, 200 * NS_PER_MS);

	(void)state;
	assert_int_equal(err.class, CLASS_TRANSIENT);
	says(err.message, "said nothing for 0.2 s");
	assert_int_equal(once.calls, 1);
	err = call(&often, 900 * NS_PER_MS, 200 * NS_PER_MS);
	assert_int_equal(err.class, CLASS_TRANSIENT);
	says(err.message, "said nothing for 0.2 s");
	assert_true(often.calls > 1);
}

static void
another_protocol(void **state)
{
	struct peer hangs = {.first = "HTTP/1.1 400 Bad\033[31m Request\r\n\r\n", .hangs_up = true},
		    stays = {.first = "220 mail\r\n"},
		    binary = {.first = "\001\002\003\377\376\033]0;x\007\n", .hangs_up = true};
	struct error err = call(&hangs, -1, 5 * NS_PER_S);

	(void)state;
	says(err.message, "HTTP/1.1 400 Bad?[31m Request");
	err = call(&stays, -1, 300 * NS_PER_MS);
	assert_int_equal(err.class, CLASS_FATAL);
	says(err.message, "talks no SSH: it began with \"220 mail\"");
	err = call(&binary, -1, 5 * NS_PER_S);
	says(err.message, "no SSH");
}

/* However much it says, little of it is taken. */
static void
endless_words(void **state)
{
	static char line[200], letters[1000];
	struct peer lines = {.again = line}, letter = {.again = letters},
		    version = {.first = "SSH-2.0-", .again = letters},
		    packets = {.first = "SSH-2.0-x\r\n", .again = letters},
		    *peers[] = {&lines, &letter, &version, &packets};

	(void)state;
	memset(line, 'a', sizeof(line) - 3);
	memcpy(line + 5, "\033[2J", 4);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	memset(letters, 'b', sizeof(letters) - 1);
	for (size_t i = 0; i < 4; i++) {
		struct error err;

		if (!peers[i]->first)
			peers[i]->first = peers[i]->again;
		err = call(peers[i], -1, 10 * NS_PER_S);
		/* What the kernel's buffers hold, and no more. */
		if (peers[i]->said > 16 << 20)
			fail_msg(
				"%zu: %zu bytes, then: %s", i, (size_t)peers[i]->said, err.message);
		if (strstr(err.message, "within 10 s"))
			fail_msg("%zu: %s", i, err.message);
	}
}

/* A login banner goes to what the host said. */
static void
a_long_banner(void **state)
{
	static char banner[60000];
	struct sshd proud;
	struct ssh_wish wish;
	char said[8192], more[256];
	struct buf out;
	int fd, status;
	struct ssh_host *h;

	(void)state;
	memset(banner, 'w', sizeof(banner) - 1);
	memcpy(banner + sizeof(banner) - 20, "\033[2Jmind the gap\n", 17);
	sshd_prepare(&proud, "");
	sshd_file(&proud, "banner", banner);
	snprintf(more, sizeof(more), "Banner %s/banner\n", proud.folder);
	sshd_write(&proud, "config", "a", more);
	assert_true(sshd_run(&proud));
	wish = sshd_wish(&proud, "echo in");
	h = start(&wish, &fd);
	out = read_all(fd);
	assert_string_equal(buf_cstr(&out), "in\n");
	assert_int_equal(over(h, &status, NULL), SSH_ENDED);
	ssh_said(h, said, sizeof(said));
	assert_in_range(strlen(said), 4000, 4096);
	says(said, "[2Jmind the gap");
	assert_null(strchr(said, '\033'));
	buf_free(&out);
	end(h, fd);
	sshd_end(&proud);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(a_host_that_boots),
		cmocka_unit_test(a_connection_that_is_cut),
		cmocka_unit_test(a_host_that_falls_silent),
		cmocka_unit_test(a_silent_server),
		cmocka_unit_test(another_protocol),
		cmocka_unit_test(endless_words),
		cmocka_unit_test(a_long_banner),
	};

	signal(SIGPIPE, SIG_IGN);
	return SSH_TESTS("ssh faults", tests);
}
