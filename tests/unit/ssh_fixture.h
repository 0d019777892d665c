/* ssh_fixture: one sshd and one hub for a file of tests, and hosts of theirs from start to end. */
#ifndef FURROW_TESTS_SSH_FIXTURE_H
#define FURROW_TESTS_SSH_FIXTURE_H

#include "sshd_fixture.h"

#include "planner/base/buf.h"
#include "providers/host/ssh_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct sshd sshd;
static struct ssh_hub *hub;

static inline int
start_all(void **state)
{
	struct error err;

	(void)state;
	return sshd_start(&sshd, "MaxStartups 500\n") && ssh_hub_open(&hub, &err) == 0 ? 0 : -1;
}

static inline int
end_all(void **state)
{
	(void)state;
	ssh_hub_close(hub);
	sshd_end(&sshd);
	return 0;
}

static inline struct ssh_host *
start(const struct ssh_wish *wish, int *fd)
{
	const struct timeval patience = {.tv_sec = 30};
	struct ssh_host *h = NULL;
	struct error err = {0};

	if (ssh_start(hub, wish, &h, fd, &err) != 0)
		fail_msg("%s", err.message);
	setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return h;
}

/* What comes until end of file. */
static inline struct buf
read_all(int fd)
{
	static char chunk[1 << 16];
	struct buf got = {0};
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(&got, chunk, (size_t)n);
	assert_int_equal(n, 0);
	return got;
}

/* Waits until it is over. */
static inline enum ssh_state
over(struct ssh_host *h, int *exit_status, struct error *err)
{
	int64_t until = now_ns() + 30 * NS_PER_S;
	enum ssh_state s;

	while ((s = ssh_look(h, exit_status, err)) < SSH_ENDED && now_ns() < until)
		sleep_ms(2);
	return s;
}

static inline void
end(struct ssh_host *h, int fd)
{
	ssh_end(h);
	close(fd);
}

/* Runs it with no input; the output is the caller's to free. */
static inline struct buf
run(const char *command, int *exit_status, char *said, size_t said_size)
{
	struct ssh_wish wish = sshd_wish(&sshd, command);
	struct error err = {0};
	struct buf out;
	int fd;
	struct ssh_host *h = start(&wish, &fd);

	shutdown(fd, SHUT_WR);
	out = read_all(fd);
	if (over(h, exit_status, &err) != SSH_ENDED)
		fail_msg("%s: %s", command, err.message);
	if (said)
		ssh_said(h, said, said_size);
	end(h, fd);
	return out;
}

/* Starts it, waits for its failure. */
static inline struct error
failure(const struct ssh_wish *wish, struct ssh_times *times)
{
	struct error err = {0};
	int fd, status = 0;
	struct ssh_host *h = start(wish, &fd);
	struct buf out = read_all(fd);

	assert_int_equal(out.n, 0);
	assert_int_equal(over(h, &status, &err), SSH_FAILED);
	assert_int_equal(status, -1);
	assert_int_equal(err.code, ERR_HOST);
	if (times)
		*times = ssh_times(h);
	end(h, fd);
	return err;
}

static inline void
says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
}

/* main of such a file. */
#define SSH_TESTS(name, tests)                                                          \
	(sshd_is_there() ? cmocka_run_group_tests_name(name, tests, start_all, end_all) \
			 : (printf("ok 1 - " name " # SKIP there is no " SSHD           \
				   " (package openssh-server)\n1..1\n"),                \
				   0))

#endif
