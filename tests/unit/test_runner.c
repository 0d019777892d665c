/* test_runner: one task's life at a real furrow-runner. */
#include "tests/unit/session_fixture.h"

#include <dirent.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>

static void
ends_well(void **state)
{
	static struct host h;
	const char *const argv[] = {"true", NULL};
	int64_t before, after;
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	assert_true(h.told.cpus > 0);
	assert_true(h.told.memory_bytes > 1 << 20);
	assert_true(strcmp(h.told.arch, "x86_64") == 0 || strcmp(h.told.arch, "arm64") == 0);
	assert_int_equal(h.told.n_tasks, 0);
	before = now_of_test();
	s = host_wait(&h, host_submit_as(&h, &plain_task, argv));
	after = now_of_test();
	assert_int_equal(s->why, ENDED_SELF);
	assert_int_equal(s->begun, 1);
	assert_true(s->outcome.ran);
	assert_int_equal(s->outcome.exit_status, 0);
	assert_int_equal(s->outcome.signal, 0);
	assert_true(before <= s->outcome.begun_ns && s->outcome.begun_ns <= s->outcome.ended_ns);
	assert_true(s->outcome.ended_ns <= after);
	assert_int_equal(s->begun_ns, s->outcome.begun_ns);
	assert_true(s->outcome.max_rss_bytes > 100 << 10);
	/* Of the program, not of furrow or the runner before exec. */
	assert_true(s->outcome.max_rss_bytes < 16 << 20);
	assert_int_equal(s->outcome.stdout_bytes, 0);
	assert_int_equal(s->tar.n, 0);
	host_end(&h);
}

static void
tells_how_it_ended(void **state)
{
	static struct host h;
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	s = host_run(&h, "exit 7");
	assert_int_equal(s->why, ENDED_SELF);
	assert_int_equal(s->outcome.exit_status, 7);
	s = host_run(&h, "kill -SEGV $$");
	assert_int_equal(s->outcome.exit_status, -1);
	assert_int_equal(s->outcome.signal, SIGSEGV);
	s = host_run(&h, "kill -KILL $$");
	assert_int_equal(s->outcome.signal, SIGKILL);
	s = host_run(&h, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done");
	assert_true(s->outcome.cpu_ns > NS_PER_MS);
	s = host_run(&h, "echo one; echo two >&2; printf three");
	assert_said(s, "one\nthree");
	assert_true(str_is(said(s, STREAM_STDERR), "two\n"));
	assert_int_equal(s->outcome.stdout_bytes, 9);
	assert_int_equal(s->outcome.stdout_kept_bytes, 9);
	assert_int_equal(s->outcome.stderr_bytes, 4);
	host_end(&h);
}

static struct seen *
run_argv(struct host *h, const char *a, const char *b)
{
	const char *const argv[] = {a, b, NULL};

	return host_wait(h, host_submit_as(h, &plain_task, argv));
}

static void
write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
cannot_be_started(void **state)
{
	static struct host h;
	char path[128];
	struct seen *s;

	(void)state;
	host_init(&h);
	snprintf(path, sizeof(path), "%s/no-program", h.source);
	write_file(path, "text\n", 0644);
	snprintf(path, sizeof(path), "%s/no-format", h.source);
	write_file(path, "text\n", 0755);
	host_start(&h);
	s = run_argv(&h, "no-such-program", NULL);
	assert_int_equal(s->why, ENDED_NOT_STARTED);
	assert_false(s->outcome.ran);
	assert_int_equal(s->begun, 0);
	assert_non_null(strstr(s->message, "no-such-program"));
	assert_non_null(strstr(s->message, "PATH"));
	assert_int_equal(run_argv(&h, "./missing", NULL)->why, ENDED_NOT_STARTED);
	s = run_argv(&h, "./no-program", NULL);
	assert_int_equal(s->why, ENDED_NOT_STARTED);
	assert_non_null(strstr(s->message, "executable"));
	s = run_argv(&h, "./no-format", NULL);
	assert_int_equal(s->why, ENDED_NOT_STARTED);
	assert_non_null(strstr(s->message, "#!"));
	s = run_argv(&h, "/", NULL);
	assert_int_equal(s->why, ENDED_NOT_STARTED);
	s = run_argv(&h, NULL, NULL);
	assert_int_equal(s->why, ENDED_NOT_STARTED);
	s = run_argv(&h, "", NULL);
	assert_int_equal(s->why, ENDED_NOT_STARTED);
	/* The runner is none the worse for it. */
	assert_said(host_run(&h, "echo fine"), "fine\n");
	host_end(&h);
}

static void
nul_byte_in_a_word(void **state)
{
	static struct host h;
	struct str words[] = {STR("ec\0ho")};
	struct session_task task = plain_task;
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	task.id = h.last_id = 1;
	task.command.argv = (struct strings){.v = words, .n = 1};
	session_submit(h.session, &task);
	s = host_wait(&h, 1);
	assert_int_equal(s->why, ENDED_NOT_STARTED);
	assert_non_null(strstr(s->message, "NUL"));
	host_end(&h);
}

static void
environment_of_a_task(void **state)
{
	static struct host h;
	struct pair own[] = {
		{.name = STR("B"), .value = STR("task")},
		{.name = STR("TMPDIR"), .value = STR("/elsewhere")},
		{.name = STR("FURROW_OUT"), .value = STR("/forged")},
	};
	struct session_task task = plain_task;
	const char *const show[] = {"sh", "-c", "echo $A $B $TMPDIR", NULL};
	const char *const more[] = {"sh", "-c",
		"echo $FURROW_ATTEMPT $FURROW_RUN $FURROW_INPUT; pwd; echo $FURROW_OUT; "
		"echo $FURROW_TRACE_FILE; cd $HOME && pwd",
		NULL};
	const char *const sorted[] = {"env", NULL};
	char want[1024];
	struct seen *s;

	(void)state;
	host_init(&h);
	h.env[1] = (struct pair){.name = STR("A"), .value = STR("base")};
	h.env[2] = (struct pair){.name = STR("B"), .value = STR("base")};
	h.base.env.n = 3;
	setenv("FURROW_TEST_LEAK", "leaked", 1);
	host_start(&h);
	task.command.env = (struct pairs){.v = own, .n = 3};
	task.attempt = 3;
	task.input = STR("texts/a b.txt");
	s = host_wait(&h, host_submit_as(&h, &task, show));
	assert_said(s, "base task /elsewhere\n");
	s = host_wait(&h, host_submit_as(&h, &task, more));
	snprintf(want, sizeof(want),
		"3 %s %s/texts/a b.txt\n%s/tasks/2/work\n%s/tasks/2/out\n%s/tasks/2/trace.jsonl\n"
		"%s/tasks/2/tmp\n",
		h.run, h.source, h.root, h.root, h.root, h.root);
	assert_said(s, want);
	/* Nothing of furrow's own environment, and no name twice. */
	s = host_wait(&h, host_submit_as(&h, &plain_task, sorted));
	assert_null(memmem(said(s, 1).p, said(s, 1).n, "leaked", 6));
	assert_null(memmem(said(s, 1).p, said(s, 1).n, "FURROW_INPUT", 12));
	assert_non_null(memmem(said(s, 1).p, said(s, 1).n, "TMPDIR=", 7));
	host_end(&h);
}

static void
clean_process(void **state)
{
	static struct host h;
	struct seen *s;

	(void)state;
	host_init(&h);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	host_start(&h);
	/* But for 32 and 33, which are the C library's own. */
	s = host_run(&h, "set -- $(grep -E '^Sig(Blk|Ign)' /proc/self/status); "
			 "echo $((0x$2)) $((0x$4 & ~0x180000000))");
	assert_said(s, "0 0\n");
	s = host_run(&h, "ls /proc/self/fd | tr '\\n' ' '"); /* 3 is ls's own */
	assert_said(s, "0 1 2 3 ");
	s = host_run(&h, "cat; umask; readlink /proc/self/fd/0");
	assert_said(s, "0022\n/dev/null\n");
	s = host_run(&h, "[ $(ps -o pgid= -p $$) = $$ ] && echo leader");
	assert_said(s, "leader\n");
	signal(SIGUSR2, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	host_end(&h);
}

static void
source_is_there_but_outputs_are_not(void **state)
{
	static struct host h;
	char path[128];
	struct seen *s;

	(void)state;
	host_init(&h);
	snprintf(path, sizeof(path), "%s/file", h.source);
	write_file(path, "content\n", 0644);
	snprintf(path, sizeof(path), "%s/.hidden", h.source);
	write_file(path, "", 0644);
	snprintf(path, sizeof(path), "%s/out", h.source);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/folder", h.source);
	assert_int_equal(mkdir(path, 0755), 0);
	h.base.outputs = "out/deep";
	host_start(&h);
	s = host_run(&h, "cat file; ls -A");
	assert_said(s, "content\n.hidden\nfile\nfolder\n");
	host_end(&h);
}

/* Folders are used again: nothing of the one before may be in them. */
static void
no_task_sees_another(void **state)
{
	static struct host h;
	static const char *const litter[] = {
		"true",
		"echo x >new; mkdir -p d/e/f; echo y >d/e/f/g",
		"rm file; echo mine >file",
		"rm file; ln -s /etc/passwd file",
		"rm file",
		"chmod 500 .; chmod 700 $FURROW_OUT; chmod 000 $TMPDIR",
		"echo x >$HOME/.profile; echo x >$TMPDIR/t; echo x >$FURROW_OUT/o",
		"echo x >../stray; mkdir ../folder; touch -d @1000000000 ..",
		"echo x >$FURROW_OUT/o; touch -r $HOME $FURROW_OUT",
		"cd ..; rm -rf work out; touch work",
		"cd ..; mv work w; ln -s /etc work",
		"i=0; while [ $i -lt 150 ]; do echo >f$i; i=$((i+1)); done",
		"d=.; for i in $(seq 120); do d=$d/d; done; mkdir -p $d",
		"exec >/dev/null; cd ..; rm -rf ./*",
		"echo '{}' >$FURROW_TRACE_FILE",
	};
	char path[128];

	(void)state;
	host_init(&h);
	snprintf(path, sizeof(path), "%s/file", h.source);
	write_file(path, "content\n", 0644);
	h.base.slots = 1;
	host_start(&h);
	for (size_t i = 0; i < sizeof(litter) / sizeof(litter[0]); i++) {
		struct seen *s;

		host_run(&h, litter[i]);
		s = host_run(&h, "cat file; find .. | sort; stat -c %a .. . ../out ../tmp | "
				 "tr '\\n' ' '");
		if (!str_is(said(s, 1), "content\n..\n../out\n../tmp\n../work\n../work/file\n"
					"755 755 755 755 "))
			fail_msg("after \"%s\": %.*s", litter[i], STR_ARG(said(s, 1)));
		assert_int_equal(s->outcome.exit_status, 0);
	}
	host_end(&h);
}

static void
wait_for_begins(struct host *h, int n)
{
	for (int i = 1; i <= n; i++)
		host_wait_for(h, &h->seen[i].begun);
}

/* Folders are not made while those of tasks that have ended lie about: not even when many end at
 * the same time. Each task says which folder it has. */
static void
folders_of_the_ended_come_first(void **state)
{
	enum { SLOTS = 16, PREPARED = 4, TASKS = 3 * SLOTS };
	static struct host h;
	int64_t inodes[TASKS];
	int n = 0;

	(void)state;
	host_init(&h);
	h.base.slots = SLOTS;
	host_start(&h);
	for (int i = 0; i < TASKS; i++)
		host_sh(&h, "stat -c %i .; exec sleep 0.3");
	wait_for_begins(&h, SLOTS);
	assert_int_equal(kill(h.runner, SIGSTOP), 0);
	pause_ns(800 * NS_PER_MS);
	assert_int_equal(kill(h.runner, SIGCONT), 0);
	for (uint64_t id = 1; id <= TASKS; id++) {
		int64_t inode = 0;
		int k = 0;

		assert_true(str_to_i64(str_trim(said(host_wait(&h, id), STREAM_STDOUT)), &inode));
		while (k < n && inodes[k] != inode)
			k++;
		inodes[k] = inode;
		n += k == n;
	}
	if (n > SLOTS + 2 * PREPARED)
		fail_msg("%d tasks at a time had %d folders", SLOTS, n);
	host_end(&h);
}

/* What is in the root beside attempts.log and tasks. */
static int
strangers_in(const char *root)
{
	DIR *d = opendir(root);
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] == '.' ? strlen(e->d_name) > 2
					 : strcmp(e->d_name, "tasks") != 0 &&
						   strcmp(e->d_name, "attempts.log") != 0;
	closedir(d);
	return n;
}

/* Of what an earlier runner left nothing stays. */
static void
begins_anew(void **state)
{
	static struct host h;
	const char *argv[] = {"mkdir", "-p", NULL, NULL};
	char old[128];

	(void)state;
	host_init(&h);
	snprintf(old, sizeof(old), "%s/tasks/1/work/old", h.root);
	argv[2] = old;
	run_quietly(argv);
	host_start(&h);
	assert_said(
		host_run(&h, "ls -A . .. ../.. | tr '\\n' ' '"), ".:  ..: out tmp work  ../..: 1 ");
	assert_int_equal(strangers_in(h.root), 0);
	host_end(&h);
}

/* New folders lie far from where something was removed lately, where the file system knows how. */
static void
lies_apart(void **state)
{
	static struct host h;
	struct statfs fs;
	int fd, flags = 0;
	bool can;

	(void)state;
	host_init(&h);
	host_start(&h);
	assert_int_equal(host_run(&h, "true")->outcome.exit_status, 0);
	fd = open(h.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	can = fstatfs(fd, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC;
	assert_true(!can || ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
	close(fd);
	assert_true(!can || (flags & FS_TOPDIR_FL));
	host_end(&h);
	if (!can)
		skip();
}

static void
slots_and_order(void **state)
{
	static struct host h;
	uint64_t id[12];
	int64_t last = 0;

	(void)state;
	host_init(&h);
	h.base.slots = 3;
	host_start(&h);
	for (int i = 0; i < 12; i++)
		id[i] = host_sh(&h, "sleep 0.3");
	for (int i = 0; i < 12; i++)
		host_wait(&h, id[i]);
	for (int i = 0; i < 12; i++) {
		const struct outcome *o = &h.seen[id[i]].outcome;
		int at_a_time = 0;

		assert_true(o->begun_ns >= last);
		last = o->begun_ns;
		for (int k = 0; k < 12; k++) {
			const struct outcome *p = &h.seen[id[k]].outcome;

			at_a_time += p->begun_ns <= o->begun_ns && o->begun_ns < p->ended_ns;
		}
		assert_true(at_a_time <= 3);
		if (i >= 3 && i < 9)
			assert_true(at_a_time >= 2);
	}
	host_end(&h);
}

static void
many_tasks(void **state)
{
	static struct host h;
	const char *const argv[] = {"true", NULL};

	(void)state;
	host_init(&h);
	h.base.slots = 8;
	host_start(&h);
	for (int i = 0; i < MAX_SEEN - 1; i++)
		host_submit_as(&h, &plain_task, argv);
	for (uint64_t id = 1; id < MAX_SEEN; id++)
		assert_int_equal(host_wait(&h, id)->outcome.exit_status, 0);
	host_end(&h);
}

static void
attempts_are_recorded(void **state)
{
	static struct host h;
	const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct pair env[] = {{.name = STR("FURROW_TASK_KEY"), .value = STR(key)}};
	struct pair odd[] = {{.name = STR("FURROW_TASK_KEY"), .value = STR("no\nkey")}};
	struct session_task task = plain_task;
	char script[256];
	const char *const argv[] = {"sh", "-c", script, NULL};

	(void)state;
	host_init(&h);
	host_start(&h);
	/* What a task reads there was written before it began. */
	snprintf(script, sizeof(script), "cat %s/attempts.log", h.root);
	task.attempt = 2;
	task.command.env = (struct pairs){.v = env, .n = 1};
	snprintf(script, sizeof(script), "cat %s/attempts.log", h.root);
	assert_said(host_wait(&h, host_submit_as(&h, &task, argv)),
		"1 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n");
	task.command.env = (struct pairs){.v = odd, .n = 1};
	snprintf(script, sizeof(script), "tail -n 1 %s/attempts.log", h.root);
	assert_said(host_wait(&h, host_submit_as(&h, &task, argv)), "2 2 -\n");
	host_end(&h);
}

static void
an_id_is_taken(void **state)
{
	static struct host h;
	const char *const argv[] = {"sleep", "0.2", NULL};

	(void)state;
	host_init(&h);
	host_start(&h);
	host_submit_as(&h, &plain_task, argv);
	/* The session would know better; the runner has to as well. */
	h.last_id = 0;
	host_submit_as(&h, &plain_task, argv);
	host_wait(&h, 1);
	assert_int_equal(h.seen[1].begun, 1);
	assert_non_null(strstr(h.note, "taken"));
	assert_said(host_run(&h, "echo on"), "on\n");
	host_end(&h);
}

/* Pipes cannot be made: that task fails, saying so, and the runner goes on. */
static void
no_descriptors_left(void **state)
{
	static struct host h;
	struct rlimit few = {.rlim_cur = 9, .rlim_max = 20000}, before;
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	assert_int_equal(prlimit(h.runner, RLIMIT_NOFILE, NULL, &before), 0);
	few.rlim_max = before.rlim_max;
	assert_int_equal(prlimit(h.runner, RLIMIT_NOFILE, &few, NULL), 0);
	s = host_run(&h, "true");
	assert_int_equal(s->why, ENDED_NOT_STARTED);
	assert_non_null(strstr(s->message, "Too many open files"));
	assert_int_equal(prlimit(h.runner, RLIMIT_NOFILE, &before, NULL), 0);
	assert_int_equal(host_run(&h, "true")->outcome.exit_status, 0);
	host_end(&h);
}

static void
base_that_cannot_be(void **state)
{
	static struct host h;

	(void)state;
	host_init(&h);
	h.base.source = "/no/such/folder";
	host_start(&h);
	host_wait_lost(&h);
	assert_non_null(strstr(h.why.message, "/no/such/folder"));
	assert_int_equal(session_close(h.session, NS_PER_S, NULL), 0);
	waitpid(h.runner, NULL, 0);
	host_free(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_well),
		cmocka_unit_test(tells_how_it_ended),
		cmocka_unit_test(cannot_be_started),
		cmocka_unit_test(nul_byte_in_a_word),
		cmocka_unit_test(environment_of_a_task),
		cmocka_unit_test(clean_process),
		cmocka_unit_test(source_is_there_but_outputs_are_not),
		cmocka_unit_test(no_task_sees_another),
		cmocka_unit_test(folders_of_the_ended_come_first),
		cmocka_unit_test(begins_anew),
		cmocka_unit_test(lies_apart),
		cmocka_unit_test(slots_and_order),
		cmocka_unit_test(many_tasks),
		cmocka_unit_test(attempts_are_recorded),
		cmocka_unit_test(an_id_is_taken),
		cmocka_unit_test(no_descriptors_left),
		cmocka_unit_test(base_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
