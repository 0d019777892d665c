/* test_runner_output: what a task leaves: streams, outputs, its trace. */
#include "tests/unit/session_fixture.h"

#include <sys/mount.h>
#include <sched.h>
#include <sys/resource.h>

static int64_t
peak_rss_bytes(pid_t pid)
{
	char path[64], text[4096];
	const char *at;
	int64_t kib = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "VmHWM:");
	assert_non_null(at);
	sscanf(at + 6, "%ld", &kib);
	return kib * 1024;
}

/* The sanitizers' own memory is not the runner's. */
static bool
is_measurable(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return false;
#else
	return true;
#endif
}

static void
much_output_is_cut(void **state)
{
	static struct host h;
	uint64_t id;
	struct seen *s;

	(void)state;
	host_init(&h);
	h.base.cap_bytes = 3 << 20;
	host_start(&h);
	id = host_sh(&h, "head -c 1000000000 /dev/zero; echo end >&2");
	s = host_wait(&h, id);
	assert_int_equal(s->outcome.exit_status, 0);
	assert_int_equal(s->outcome.stdout_bytes, 1000000000);
	assert_int_equal(s->outcome.stdout_kept_bytes, 3 << 20);
	assert_int_equal(s->bytes, (3 << 20) + 4);
	assert_true(str_is(said(s, STREAM_STDERR), "end\n"));
	if (is_measurable())
		assert_true(peak_rss_bytes(h.runner) <= 8 << 20);
	host_end(&h);
}

static void
nothing_is_kept(void **state)
{
	static struct host h;
	struct seen *s;

	(void)state;
	host_init(&h);
	h.base.cap_bytes = 0;
	host_start(&h);
	s = host_run(&h, "echo out; echo err >&2");
	assert_int_equal(s->outcome.stdout_bytes, 4);
	assert_int_equal(s->outcome.stdout_kept_bytes, 0);
	assert_int_equal(s->bytes, 0);
	host_end(&h);
}

/* Numbers in sequence, so that any byte that is lost, doubled or out of order shows. */
static void
check_numbers(struct str text, int last)
{
	const char *at = text.p, *end = text.p + text.n;

	for (int i = 1; i <= last; i++) {
		char want[16];
		int n = snprintf(want, sizeof(want), "%d\n", i);

		assert_true(end - at >= n);
		assert_memory_equal(at, want, (size_t)n);
		at += n;
	}
	assert_ptr_equal(at, end);
}

/* The window closes; what the tasks write meanwhile lies in files, and all of it comes. */
static void
slow_furrow(void **state)
{
	static struct host h;
	uint64_t id[3];

	(void)state;
	host_init(&h);
	h.slow_ns = 5 * NS_PER_MS;
	h.base.slots = 3;
	host_start(&h);
	for (int i = 0; i < 3; i++)
		id[i] = host_sh(&h, "seq 400000; echo done >&2");
	for (int i = 0; i < 3; i++) {
		struct seen *s = host_wait(&h, id[i]);

		check_numbers(said(s, STREAM_STDOUT), 400000);
		assert_true(str_is(said(s, STREAM_STDERR), "done\n"));
		assert_int_equal(s->outcome.stdout_kept_bytes, s->outcome.stdout_bytes);
	}
	if (is_measurable())
		assert_true(peak_rss_bytes(h.runner) <= 8 << 20);
	host_end(&h);
}

static void
streams_are_live(void **state)
{
	static struct host h;
	uint64_t id;

	(void)state;
	host_init(&h);
	host_start(&h);
	id = host_sh(&h, "echo first; exec sleep 1000");
	host_wait_bytes(&h, id, 6);
	assert_int_equal(h.seen[id].ended, 0);
	session_stop_task(h.session, id, 0);
	host_wait(&h, id);
	host_end(&h);
}

/* The spool cannot be written: the task fails and says so; the runner goes on. */
static void
no_space_for_streams(void **state)
{
	static struct host h;
	struct rlimit small = {.rlim_cur = 100000, .rlim_max = 100000};
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	host_run(&h, "true");
	h.slow_ns = 20 * NS_PER_MS;
	assert_int_equal(prlimit(h.runner, RLIMIT_FSIZE, &small, NULL), 0);
	s = host_run(&h, "head -c 8000000 /dev/zero; sleep 1000");
	assert_int_equal(s->why, ENDED_BAD_OUTPUT);
	assert_non_null(strstr(s->message, "stdout"));
	assert_non_null(strstr(s->message, "File too large"));
	h.slow_ns = 0;
	assert_said(host_run(&h, "echo on"), "on\n");
	host_end(&h);
}

/* A full disk under the runner's folder. Needs the right to mount. */
static void
full_disk(void **state)
{
	static struct host h;
	char options[] = "size=128k,mode=755";
	struct seen *s;

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		print_message("cannot mount here\n");
		skip();
	}
	host_init(&h);
	assert_int_equal(mkdir(h.root, 0755), 0);
	if (mount("none", h.root, "tmpfs", 0, options) != 0) {
		host_free(&h);
		skip();
	}
	host_start(&h);
	s = host_run(&h, "cd $FURROW_OUT; head -c 10000000 /dev/zero >fill; echo full; exit 1");
	assert_said(s, "full\n");
	host_run(&h, "true");
	umount2(h.root, MNT_DETACH);
	host_end(&h);

	host_init(&h);
	assert_int_equal(mkdir(h.root, 0755), 0);
	assert_int_equal(mount("none", h.root, "tmpfs", 0, "nr_inodes=8,mode=755"), 0);
	h.base.slots = 2;
	host_start(&h);
	/* One folder takes 5 inodes: there is none for a second one. */
	{
		uint64_t first = host_sh(&h, "sleep 0.3; echo fine"),
			 second = host_sh(&h, "echo never");

		s = host_wait(&h, second);
		assert_int_equal(s->why, ENDED_NOT_STARTED);
		assert_non_null(strstr(s->message, "No space left"));
		assert_said(host_wait(&h, first), "fine\n");
	}
	assert_said(host_run(&h, "echo again"), "again\n");
	umount2(h.root, MNT_DETACH);
	host_end(&h);
}

/* "NAME MODE SIZE" of what lies in the tar, by an unpacker that isn't ours. */
static void
list_tar(struct host *h, const struct seen *s, struct buf *out)
{
	char path[128];
	const char *const argv[] = {"tar", "--quoting-style=literal", "-tvf", path, NULL};
	struct error err = {0};
	struct buf listing = {0}, errs = {0};
	struct str rest;
	int fd;

	snprintf(path, sizeof(path), "%s/a.tar", h->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, s->tar.p, s->tar.n), (ssize_t)s->tar.n);
	close(fd);
	if (spawn_run(argv, NULL, NULL, &listing, &errs, 20 * NS_PER_S, &err) != 0)
		fail_msg("tar: %s", errs.n ? buf_cstr(&errs) : err.message);
	/* "-rw-r--r-- 0/0      2 1970-01-01 00:00 NAME" */
	for (rest = buf_str(&listing); rest.n;) {
		struct str line = str_cut(&rest, '\n');
		char mode[32], size[32];
		int at = 0;

		sscanf(line.p, "%31s %*s %31s %*s %*s %n", mode, size, &at);
		assert_true(at > 0);
		buf_addf(out, "%.*s %s %s\n", (int)(line.n - (size_t)at), line.p + at, mode, size);
	}
	buf_free(&listing);
	buf_free(&errs);
}

static void
assert_tar(struct host *h, const struct seen *s, const char *want)
{
	struct buf got = {0};

	assert_int_equal(s->why, ENDED_SELF);
	assert_int_equal(s->outcome.exit_status, 0);
	list_tar(h, s, &got);
	if (strcmp(buf_cstr(&got), want) != 0)
		fail_msg("the tar holds\n%s not\n%s", buf_cstr(&got), want);
	buf_free(&got);
}

static void
outputs_of_both_places(void **state)
{
	static struct host h;
	struct seen *s, *again;

	(void)state;
	host_init(&h);
	h.base.outputs = "out/";
	host_start(&h);
	s = host_run(&h,
		"mkdir -p out/d $FURROW_OUT/d; echo b >out/b; echo aa >$FURROW_OUT/a; echo x "
		">out/d/x; "
		"echo y >$FURROW_OUT/d/y; chmod 750 out/d/x; : >out/empty; ln -s d/x out/link; "
		"ln -s ../b out/d/up; touch stray");
	assert_tar(&h, s,
		"a -rw-r--r-- 3\nb -rw-r--r-- 2\nd/ drwxr-xr-x 0\nd/up -> ../b lrwxrwxrwx 0\nd/x "
		"-rwxr-x--- 2\nd/y -rw-r--r-- 2\nempty -rw-r--r-- 0\nlink -> d/x lrwxrwxrwx 0\n");
	assert_int_equal(s->outcome.output_files, 5);
	assert_int_equal(s->outcome.output_bytes, 9);
	/* The same files make the same bytes, whenever and in whichever order they were made. */
	again = host_run(&h, "mkdir -p out/d; ln -s d/x out/link; : >out/empty; echo b >out/b; "
			     "mkdir $FURROW_OUT/d; "
			     "echo x >out/d/x; ln -s ../b out/d/up; chmod 750 out/d/x; echo y "
			     ">$FURROW_OUT/d/y; echo aa >$FURROW_OUT/a");
	assert_int_equal(s->tar.n, again->tar.n);
	assert_memory_equal(s->tar.p, again->tar.p, s->tar.n);
	assert_int_equal(s->tar.n % 512, 0);
	/* Nothing left, nothing sent; and a failure keeps nothing. */
	s = host_run(&h, "true");
	assert_int_equal(s->tar.n, 0);
	s = host_run(&h, "mkdir out; echo x >out/x; exit 1");
	assert_int_equal(s->tar.n, 0);
	assert_int_equal(s->outcome.output_files, 0);
	s = host_run(&h, "mkdir out");
	assert_int_equal(s->tar.n, 0);
	host_end(&h);
}

static void
outputs_with_odd_names(void **state)
{
	static struct host h;
	char script[4096], want[4096], name[256], deep[300];
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	memset(name, 'n', 250);
	name[250] = '\0';
	memset(deep, 'd', 99);
	deep[99] = '\0';
	snprintf(script, sizeof(script),
		"cd $FURROW_OUT; echo 1 >%s; mkdir %s; echo 2 >%s/%s; ln -s %s/%s link; echo 3 "
		">'sp ace'; "
		"echo 4 >-dash; echo 5 >grün; echo 6 >\"$(printf 'bad\\377')\"",
		name, deep, deep, name, deep, name);
	s = host_run(&h, script);
	snprintf(want, sizeof(want),
		"-dash -rw-r--r-- 2\nbad\377 -rw-r--r-- 2\n%s/ drwxr-xr-x 0\n%s/%s -rw-r--r-- "
		"2\ngrün "
		"-rw-r--r-- 2\nlink -> %s/%s lrwxrwxrwx 0\n%s -rw-r--r-- 2\nsp ace -rw-r--r-- 2\n",
		deep, deep, name, deep, name, name);
	assert_tar(&h, s, want);
	host_end(&h);
}

static void
outputs_may_be_a_file(void **state)
{
	static struct host h;

	(void)state;
	host_init(&h);
	h.base.outputs = "some/where/result.txt";
	host_start(&h);
	assert_tar(&h,
		host_run(&h,
			"mkdir -p some/where; echo hi >some/where/result.txt; touch some/where/x"),
		"result.txt -rw-r--r-- 3\n");
	assert_tar(&h,
		host_run(&h,
			"mkdir -p some/where; echo hi >some/where/result.txt; echo >$FURROW_OUT/a"),
		"a -rw-r--r-- 1\nresult.txt -rw-r--r-- 3\n");
	assert_int_equal(host_run(&h, "mkdir some")->tar.n, 0);
	host_end(&h);
}

static void
outputs_may_be_everything(void **state)
{
	static struct host h;
	char path[128];
	int fd;

	(void)state;
	host_init(&h);
	snprintf(path, sizeof(path), "%s/input", h.source);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	close(fd);
	h.base.outputs = "./";
	host_start(&h);
	assert_tar(&h, host_run(&h, "ls; echo x >mine; mkdir sub; ln -s ../mine sub/l"),
		"mine -rw-r--r-- 2\nsub/ drwxr-xr-x 0\nsub/l -> ../mine lrwxrwxrwx 0\n");
	host_end(&h);
}

static void
outputs_that_cannot_be(void **state)
{
	static struct host h;
	static const struct {
		const char *script, *says;
	} bad[] = {
		{"mkdir out; mkfifo out/pipe", "pipe is a named pipe"},
		{"mkdir out; ln -s /etc/passwd out/l", "leaves the outputs"},
		{"mkdir out; ln -s ../stray out/l", "leaves the outputs"},
		{"mkdir -p out/a/b; ln -s ../../../x out/a/b/l", "leaves the outputs"},
		{"mkdir -p out/a; ln -s a out/l; ln -s l/../../x out/m", "leaves the outputs"},
		{"mkdir out; echo >out/same; echo >$FURROW_OUT/same", "same lies both"},
		{"mkdir -p out/same; echo >$FURROW_OUT/same", "same lies both"},
		{"ln -s /etc out", "no file or folder of its own"},
		{"mkfifo out", "no file or folder of its own"},
		{"mkdir out; rmdir $FURROW_OUT; ln -s /etc $FURROW_OUT", "FURROW_OUT"},
		{"d=out; for i in $(seq 110); do d=$d/d; done; mkdir -p $d", "nested deeper"},
	};

	(void)state;
	host_init(&h);
	h.base.outputs = "out";
	host_start(&h);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct seen *s = host_run(&h, bad[i].script);

		if (s->why != ENDED_BAD_OUTPUT || !strstr(s->message, bad[i].says))
			fail_msg("%s: why %d: %s", bad[i].script, s->why, s->message);
		assert_int_equal(s->outcome.exit_status, 0);
	}
	assert_said(host_run(&h, "echo on"), "on\n");
	host_end(&h);
}

/* Not in memory, and the window holds for it as well. */
static void
outputs_are_streamed(void **state)
{
	static struct host h;
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	s = host_run(&h,
		"head -c 60000000 /dev/zero >$FURROW_OUT/big; for i in $(seq 300); do echo $i "
		">$FURROW_OUT/$i; done");
	assert_int_equal(s->outcome.output_files, 301);
	assert_true(s->tar.n > 60000000);
	if (is_measurable())
		assert_true(peak_rss_bytes(h.runner) <= 8 << 20);
	host_end(&h);
}

static void
trace_is_told(void **state)
{
	static struct host h;
	struct seen *s;

	(void)state;
	host_init(&h);
	host_start(&h);
	s = host_run(&h, "echo '{\"name\":\"a\"}' >$FURROW_TRACE_FILE");
	assert_true(str_is(said(s, STREAM_TRACE), "{\"name\":\"a\"}\n"));
	assert_int_equal(s->tar.n, 0);
	s = host_run(&h, "echo trace >$FURROW_TRACE_FILE; exit 3");
	assert_true(str_is(said(s, STREAM_TRACE), "trace\n"));
	assert_int_equal(said(host_run(&h, "true"), STREAM_TRACE).n, 0);
	s = host_run(&h, "head -c 3000000 /dev/zero >$FURROW_TRACE_FILE");
	assert_int_equal(said(s, STREAM_TRACE).n, TRACE_MAX_BYTES);
	/* No way to have another file told, nor to hold the runner up. */
	assert_int_equal(
		said(host_run(&h, "ln -s /etc/passwd $FURROW_TRACE_FILE"), STREAM_TRACE).n, 0);
	assert_int_equal(said(host_run(&h, "mkfifo $FURROW_TRACE_FILE"), STREAM_TRACE).n, 0);
	host_end(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(much_output_is_cut),
		cmocka_unit_test(nothing_is_kept),
		cmocka_unit_test(slow_furrow),
		cmocka_unit_test(streams_are_live),
		cmocka_unit_test(no_space_for_streams),
		cmocka_unit_test(outputs_of_both_places),
		cmocka_unit_test(outputs_with_odd_names),
		cmocka_unit_test(outputs_may_be_a_file),
		cmocka_unit_test(outputs_may_be_everything),
		cmocka_unit_test(outputs_that_cannot_be),
		cmocka_unit_test(outputs_are_streamed),
		cmocka_unit_test(trace_is_told),
		cmocka_unit_test(full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
