/* test_spawn: running helpers to their end, and finding the runner. */
#include "providers/host/spawn.h"

#include "planner/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int
sh(const char *script, struct buf *out, struct buf *errs, int64_t timeout_ns, struct error *err)
{
	const char *const argv[] = {"sh", "-c", script, NULL};

	return spawn_run(argv, NULL, NULL, out, errs, timeout_ns, err);
}

static void
status_and_output(void **state)
{
	struct buf out = {0}, errs = {0};
	struct error err = {0};

	(void)state;
	assert_int_equal(sh("echo out; echo err >&2; exit 3", &out, &errs, -1, &err), 3);
	assert_string_equal(buf_cstr(&out), "out\n");
	assert_string_equal(buf_cstr(&errs), "err\n");
	assert_int_equal(sh("kill -KILL $$", NULL, NULL, -1, &err), 128 + SIGKILL);
	assert_int_equal(sh("cat", NULL, NULL, 10 * NS_PER_S, &err), 0); /* stdin is empty */
	buf_free(&out);
	buf_free(&errs);
}

static void
one_buffer_for_both(void **state)
{
	struct buf both = {0};

	(void)state;
	assert_int_equal(sh("echo 1; echo 2 >&2; echo 3; echo 4 >&2", &both, &both, -1, NULL), 0);
	assert_string_equal(buf_cstr(&both), "1\n2\n3\n4\n");
	buf_free(&both);
}

static void
environment_and_folder(void **state)
{
	const char *const argv[] = {"sh", "-c", "echo $A; pwd", NULL};
	const char *const env[] = {"A=b", "PATH=/usr/bin:/bin", NULL};
	struct buf out = {0};

	(void)state;
	assert_int_equal(spawn_run(argv, env, "/usr", &out, NULL, -1, NULL), 0);
	assert_string_equal(buf_cstr(&out), "b\n/usr\n");
	buf_free(&out);
}

static void
cannot_be_run(void **state)
{
	const char *const none[] = {"furrow-no-such-program", NULL};
	const char *const folder[] = {"/usr", NULL};
	const char *const fine[] = {"true", NULL};
	struct error err = {0};

	(void)state;
	assert_int_equal(spawn_run(none, NULL, NULL, NULL, NULL, -1, &err), ERR_MISSING);
	assert_non_null(strstr(err.message, "furrow-no-such-program"));
	assert_int_equal(spawn_run(folder, NULL, NULL, NULL, NULL, -1, &err), ERR_HOST);
	assert_int_equal(err.os_errno, EACCES);
	assert_true(spawn_run(fine, NULL, "/no/such/folder", NULL, NULL, -1, &err) < 0);
}

static void
time_is_up(void **state)
{
	struct buf out = {0};
	struct error err = {0};
	int64_t start = clock_system()->now_ns(NULL), pid = 0;

	(void)state;
	/* Also what it started, and though it ignores what can be ignored. */
	assert_int_equal(
		sh("trap '' TERM; sleep 1000 & echo $!; wait", &out, NULL, 200 * NS_PER_MS, &err),
		ERR_HOST);
	assert_true(clock_system()->now_ns(NULL) - start < 5 * NS_PER_S);
	assert_non_null(strstr(err.message, "0.2 s"));
	assert_true(str_to_i64(str_trim(buf_str(&out)), &pid));
	for (int i = 0; i < 300 && kill((pid_t)pid, 0) == 0; i++) {
		char path[64], text[64] = "";
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || strstr(text, ") Z")) {
			pid = -1;
			close(fd);
			break;
		}
		close(fd);
		usleep(10000);
	}
	assert_true(pid == -1 || kill((pid_t)pid, 0) != 0);
	buf_free(&out);
}

/* What stays in the background with our pipe doesn't hold us up. */
static void
background_is_not_waited_for(void **state)
{
	struct buf out = {0};
	int64_t start = clock_system()->now_ns(NULL), pid = 0;

	(void)state;
	assert_int_equal(sh("sleep 1000 & echo $!", &out, NULL, -1, NULL), 0);
	assert_true(clock_system()->now_ns(NULL) - start < 5 * NS_PER_S);
	assert_true(str_to_i64(str_trim(buf_str(&out)), &pid));
	kill((pid_t)pid, SIGKILL);
	buf_free(&out);
}

static void
much_output(void **state)
{
	struct buf out = {0};

	(void)state;
	buf_add_cstr(&out, "before ");
	assert_int_equal(
		sh("echo begin; head -c 50000000 /dev/zero; echo end", &out, NULL, -1, NULL), 0);
	assert_in_range(out.n, 12 << 20, (16 << 20) + 7);
	assert_true(str_starts(buf_str(&out), STR("before begin\n")));
	assert_true(str_ends(buf_str(&out), STR("end\n")));
	assert_non_null(memmem(out.p, out.n, "\n(much is left out here)\n", 25));
	buf_free(&out);
	/* So much is kept as it is. */
	assert_int_equal(sh("head -c 16777216 /dev/zero", &out, NULL, -1, NULL), 0);
	assert_int_equal(out.n, 16 << 20);
	buf_free(&out);
}

static void
signals_are_as_they_should(void **state)
{
	struct buf out = {0};
	sigset_t all, before;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	assert_int_equal(
		sh("set -- $(grep -E '^Sig(Blk|Ign)' /proc/self/status); echo $((0x$2)) $((0x$4 & "
		   "~0x180000000))",
			&out, NULL, -1, NULL),
		0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	assert_string_equal(buf_cstr(&out), "0 0\n");
	buf_free(&out);
}

static void
the_runner_is_found(void **state)
{
	char was[4096], out[4096], dir[] = "/tmp/furrow-spawn.XXXXXX", path[128];
	struct error err = {0};
	int fd;

	(void)state;
	snprintf(was, sizeof(was), "%s", getenv("FURROW_RUNNER") ? getenv("FURROW_RUNNER") : "");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/runner", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	close(fd);
	setenv("FURROW_RUNNER", path, 1);
	assert_int_equal(spawn_find_runner(out, sizeof(out), &err), 0);
	assert_string_equal(out, path);
	chmod(path, 0644);
	if (geteuid() != 0 || access(path, X_OK) != 0) {
		assert_int_equal(spawn_find_runner(out, sizeof(out), &err), ERR_HOST);
		assert_non_null(strstr(err.message, path));
	}
	setenv("FURROW_RUNNER", "/no/such/runner", 1);
	assert_int_equal(spawn_find_runner(out, sizeof(out), &err), ERR_HOST);
	assert_non_null(strstr(err.message, "FURROW_RUNNER"));
	/* Neither beside a test nor in ../libexec. */
	unsetenv("FURROW_RUNNER");
	assert_int_equal(spawn_find_runner(out, sizeof(out), &err), ERR_HOST);
	assert_non_null(strstr(err.message, "libexec"));
	if (was[0])
		setenv("FURROW_RUNNER", was, 1);
	unlink(path);
	rmdir(dir);
}

static void
a_runner_that_is_none(void **state)
{
	struct error err = {0};
	int fd = -1;
	pid_t pid = 0;

	(void)state;
	assert_int_equal(spawn_runner("/no/such/runner", 2, &fd, &pid, &err), ERR_HOST);
	assert_non_null(strstr(err.message, "/no/such/runner"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_and_output),
		cmocka_unit_test(one_buffer_for_both),
		cmocka_unit_test(environment_and_folder),
		cmocka_unit_test(cannot_be_run),
		cmocka_unit_test(time_is_up),
		cmocka_unit_test(background_is_not_waited_for),
		cmocka_unit_test(much_output),
		cmocka_unit_test(signals_are_as_they_should),
		cmocka_unit_test(the_runner_is_found),
		cmocka_unit_test(a_runner_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
