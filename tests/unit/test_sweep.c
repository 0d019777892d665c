/* test_sweep: ending what would outlive its run. */
#include "planner/base/clock.h"
#include "providers/host/spawn.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char run[64];

/* A child with this in its environment; its script says when it is there. */
static pid_t
start(const char *entry, const char *script)
{
	int fds[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		char *const argv[] = {"sh", "-c", (char *)script, NULL};
		char *const env[] = {"PATH=/usr/bin:/bin", "FILL=x", (char *)entry, "LAST=y", NULL};

		dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		execve("/bin/sh", argv, env);
		_exit(127);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	return pid;
}

static int
how_it_ended(pid_t pid)
{
	int status = -1;

	for (int i = 0; i < 500; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		usleep(10000);
	}
	return -1;
}

static void
no_one_to_end(void **state)
{
	(void)state;
	assert_int_equal(spawn_sweep("NO-SUCH-RUN"), 0);
	assert_int_equal(spawn_sweep(""), 0);
}

static void
ends_them_by_their_run(void **state)
{
	char entry[96], longer[96], other[96];
	pid_t a, b, c, d;

	(void)state;
	snprintf(entry, sizeof(entry), "FURROW_RUN=%s", run);
	snprintf(longer, sizeof(longer), "FURROW_RUN=%s2", run);
	snprintf(other, sizeof(other), "XFURROW_RUN=%s", run);
	a = start(entry, "echo; exec sleep 1000 >&2");
	b = start(entry, "trap '' TERM; echo; while :; do sleep 0.1; done >&2");
	c = start(longer, "echo; exec sleep 1000 >&2");
	d = start(other, "echo; exec sleep 1000 >&2");
	/* b's sleep may be one more. */
	assert_in_range(spawn_sweep(run), 2, 3);
	assert_int_equal(how_it_ended(a), SIGTERM);
	assert_int_equal(how_it_ended(b), SIGKILL);
	assert_int_equal(kill(c, 0), 0);
	assert_int_equal(kill(d, 0), 0);
	assert_int_equal(spawn_sweep(run), 0);
	kill(c, SIGKILL);
	kill(d, SIGKILL);
	how_it_ended(c);
	how_it_ended(d);
}

static void
ends_descendants(void **state)
{
	pid_t a;
	int64_t before = clock_system()->now_ns(NULL);

	(void)state;
	spawn_adopt_orphans();
	a = start("A=b",
		"setsid sh -c 'setsid sleep 1000 & sleep 1000' & sleep 1000 & sleep 0.1; echo; "
		"exec sleep 1000 >&2");
	/* Some of them are orphans already. */
	kill(a, SIGKILL);
	spawn_kill_children();
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_true(clock_system()->now_ns(NULL) - before < 5 * NS_PER_S);
	spawn_kill_children(); /* nobody there */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_one_to_end),
		cmocka_unit_test(ends_them_by_their_run),
		cmocka_unit_test(ends_descendants),
	};

	snprintf(run, sizeof(run), "SWEEP-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
