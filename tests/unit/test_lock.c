/* The lock of a job: one holder, named; a dead one's is free. */
#include "tests/unit/store_fixture.h"

#include "providers/store/lock.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#define RUN "01JDCVQ9T6W1V2F8C8ZQ0N4R5M"

struct lock_fixture {
	char root[128], path[192];
	struct error err;
};

static int
set_up(void **state)
{
	struct lock_fixture *f = calloc(1, sizeof(*f));
	const char *base = getenv("TMPDIR");

	snprintf(f->root, sizeof(f->root), "%s/furrow-unit.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(f->root))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/lock", f->root);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct lock_fixture *f = *state;

	remove_tree(f->root);
	free(f);
	return 0;
}

static void
test_take_and_release(void **state)
{
	struct lock_fixture *f = *state;
	char run[32], text[512];
	struct lock *l, *second;

	assert_int_equal(lock_holder(f->path, run), 0); /* no file yet */
	assert_int_equal(lock_take(&l, f->path, RUN, &f->err), 0);
	assert_non_null(
		strstr(read_file(f->root, "lock", text, sizeof(text)), "\"run\":\"" RUN "\""));
	assert_int_equal(lock_holder(f->path, run), getpid());
	assert_string_equal(run, RUN);
	assert_int_equal(lock_take(&second, f->path, "OTHER", &f->err), ERR_LOCKED);
	assert_null(second);
	snprintf(text, sizeof(text), "process %d on ", getpid());
	assert_non_null(strstr(f->err.message, text));
	assert_non_null(strstr(f->err.message, "run " RUN ", since 20"));
	lock_release(l);
	assert_int_equal(lock_holder(f->path, run), 0);
	assert_string_equal(run, "");
	assert_int_equal(lock_take(&l, f->path, RUN, &f->err), 0);
	lock_release(l);
	lock_release(NULL);
}

/* A child that takes the lock, says so, and holds it until it is killed. */
static pid_t
hold(struct lock_fixture *f)
{
	int fds[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct lock *l;

		if (lock_take(&l, f->path, RUN, NULL) < 0 || write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);
	close(fds[0]);
	return pid;
}

static void
test_a_dead_holder(void **state)
{
	struct lock_fixture *f = *state;
	char run[32];
	struct lock *l;
	pid_t pid = hold(f);

	assert_int_equal(lock_take(&l, f->path, "OTHER", &f->err), ERR_LOCKED);
	assert_int_equal(lock_holder(f->path, run), pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(file_bytes(f->root, "lock") > 0); /* its name is still there */
	assert_int_equal(lock_holder(f->path, run), 0);
	assert_string_equal(run, "");
	assert_int_equal(lock_take(&l, f->path, "OTHER", &f->err), 0);
	assert_int_equal(lock_holder(f->path, run), getpid());
	assert_string_equal(run, "OTHER");
	lock_release(l);
}

/* Who only looks holds the lock for a moment: nobody is turned away for that. */
static void
test_looking_does_not_lock(void **state)
{
	struct lock_fixture *f = *state;
	char run[32];
	struct lock *l;
	pid_t looker, pid = hold(f);

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	looker = fork();
	if (looker == 0) {
		for (;;)
			lock_holder(f->path, run);
	}
	for (int i = 0; i < 50; i++) {
		if (lock_take(&l, f->path, RUN, &f->err) < 0)
			fail_msg("%s", f->err.message);
		lock_release(l);
	}
	kill(looker, SIGKILL);
	waitpid(looker, NULL, 0);
}

static void
test_only_one_of_many(void **state)
{
	struct lock_fixture *f = *state;
	int n = 0;

	for (int i = 0; i < 8; i++) {
		if (fork() == 0) {
			struct lock *l;
			int rc = lock_take(&l, f->path, RUN, &f->err);

			usleep(rc == 0 ? 700000 : 0);
			_exit(rc == 0 ? 0 : rc == ERR_LOCKED ? 2 : 3);
		}
	}
	for (int i = 0; i < 8; i++) {
		int status;

		wait(&status);
		assert_true(WIFEXITED(status) &&
			    (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2));
		n += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(n, 1);
}

static void
test_odd_files(void **state)
{
	struct lock_fixture *f = *state;
	static const char *const odd[] = {"", "garbage", "{\"pid\":\"x\"}", "{\"pid\":-1}",
		"{\"pid\":99999999999}", "[1]",
		"{\"pid\":1,\"run\":\"\\u001b[31mred\",\"host\":7}"};
	char run[32];
	struct lock *l;
	int fd;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		write_file(f->root, "lock", odd[i], strlen(odd[i]));
		assert_int_equal(lock_holder(f->path, run), 0);
		fd = open(f->path, O_RDWR | O_CLOEXEC);
		assert_int_equal(flock(fd, LOCK_EX), 0); /* somebody holds it */
		assert_int_equal(lock_take(&l, f->path, RUN, &f->err), ERR_LOCKED);
		assert_null(strchr(f->err.message, '\033'));
		close(fd);
		assert_int_equal(lock_take(&l, f->path, RUN, &f->err), 0);
		lock_release(l);
	}
}

static void
test_no_place_for_a_lock(void **state)
{
	struct lock_fixture *f = *state;
	struct lock *l;

	assert_int_equal(lock_take(&l, "/nonexistent/lock", RUN, &f->err), ERR_HOST);
	assert_int_equal(lock_take(&l, f->root, RUN, &f->err), ERR_HOST);
	assert_int_equal(symlink("/tmp/elsewhere", f->path), 0);
	assert_int_equal(lock_take(&l, f->path, RUN, &f->err), ERR_HOST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_take_and_release),
		TEST(test_a_dead_holder),
		TEST(test_looking_does_not_lock),
		TEST(test_only_one_of_many),
		TEST(test_odd_files),
		TEST(test_no_place_for_a_lock),
	};

	return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
