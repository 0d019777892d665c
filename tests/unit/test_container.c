/* Containers against a scripted engine: how they are started, what is heard of one that dies, setup, removing, listing. */
#include "engine_fixture.h"
#include "providers/host/spawn.h"

#include <sys/socket.h>
#include <sys/un.h>

static char self[512];

/* The runner of a scripted container: this program, listening on a socket in the folder `door` below the current one. */
static int
listen_here(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "door/sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;

	alarm(20);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0)
		return 1;
	peer = accept(fd, NULL, NULL);
	return peer >= 0 && write(peer, "hello", 5) == 5 ? 0 : 1;
}

static void
listen_after(struct fixture *f, const char *engine, const char *seconds)
{
	struct str clause = arena_printf(&f->arena,
		"'run '*) cd $D/root && (sleep %s; exec %s listen) >/dev/null 2>&1 & echo " HEX_A
		" ;;\n"
		"'container inspect'*) echo true ;;\nrm*) ;;\n",
		seconds, self);

	open_engine(f, engine, clause.p);
	sh(f, "mkdir -p root source; : > runner");
}

static struct container_wish
a_wish(struct fixture *f)
{
	return (struct container_wish){.run = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
		.job = "words",
		.image_id = "sha256:" HEX_A,
		.runner = below(f, "runner"),
		.root = below(f, "root"),
		.source = below(f, "source"),
		.memory_bytes = -1};
}

static void
assert_hello(int fd)
{
	char bytes[8] = "";

	assert_int_equal(read(fd, bytes, sizeof(bytes)), 5);
	assert_string_equal(bytes, "hello");
	close(fd);
}

static void
starts_and_connects(void **state)
{
	struct fixture *f = *state;
	struct container_wish wish;
	char name[80], again[80];
	int fd;

	listen_after(f, "podman", "0.1");
	wish = a_wish(f);
	wish.memory_bytes = 1 << 30;
	sh(f, "mkdir -p root/door; echo stale > root/door/sock");
	if (engine_start(f->engine, &wish, name, &fd, &f->err) < 0)
		fail_msg("%s", f->err.message);
	assert_hello(fd);
	assert_has(name, "furrow-01arz3ndektsv4rrffq69g5fav-");
	assert_has(calls(f), "run --rm --detach --name furrow-01arz3");
	assert_has(calls(f), " --pull=never ");
	assert_has(calls(f),
		" --label furrow.run=01ARZ3NDEKTSV4RRFFQ69G5FAV --label furrow.job=words ");
	assert_has(calls(f), " --ulimit nofile=");
	assert_has(calls(f), " --memory 1073741824b ");
	assert_has(calls(f), "/runner,target=/.furrow/runner,readonly ");
	assert_has(calls(f), "/source,target=/.furrow/source,readonly ");
	assert_has(calls(f), "/root,target=/.furrow/root ");
	assert_has(calls(f), " --user 0:0 ");
	assert_has(calls(f), " --entrypoint /.furrow/runner sha256:" HEX_A
			     " serve --listen /.furrow/root/door/sock \n");
	wish.source = NULL;
	wish.memory_bytes = -1;
	unlink(below(f, "log"));
	assert_int_equal(engine_start(f->engine, &wish, again, &fd, &f->err), 0);
	assert_hello(fd);
	assert_string_not_equal(name, again);
	assert_lacks(calls(f), "/.furrow/source");
	assert_lacks(calls(f), "--memory");
}

static void
long_paths(void **state)
{
	struct fixture *f = *state;
	struct container_wish wish;
	char name[80], folder[181];
	int fd;

	memset(folder, 'x', 180);
	folder[180] = '\0';
	listen_after(f, "podman", "0");
	wish = a_wish(f);
	sh(f, arena_printf(&f->arena, "mv root %s; ln -s %s root", folder, folder).p);
	wish.root = below(f, folder);
	if (engine_start(f->engine, &wish, name, &fd, &f->err) < 0)
		fail_msg("%s", f->err.message);
	assert_hello(fd);
}

static void
paths_with_separators(void **state)
{
	struct fixture *f = *state;
	struct container_wish wish;
	char name[80];
	int fd;

	listen_after(f, "podman", "0");
	wish = a_wish(f);
	wish.source = "/a,b";
	assert_int_equal(engine_start(f->engine, &wish, name, &fd, &f->err), 0);
	assert_hello(fd);
	assert_has(calls(f), " --volume /a,b:/.furrow/source:ro ");
	wish.source = "/a:b";
	assert_int_equal(engine_start(f->engine, &wish, name, &fd, &f->err), 0);
	assert_hello(fd);
	assert_has(calls(f), "source=/a:b,target=/.furrow/source,readonly ");
	wish.source = "/a:b,c";
	assert_int_equal(engine_start(f->engine, &wish, name, &fd, &f->err), ERR_INPUT);
	assert_has(f->err.message, "/a:b,c");
}

static void
engine_refuses(void **state)
{
	struct fixture *f = *state;
	struct container_wish wish;
	char name[80];
	int fd;

	open_engine(f, "podman",
		"'run '*) echo 'OCI runtime error: no space' >&2; exit 126 ;;\nrm*) ;;\n");
	sh(f, "mkdir root source");
	wish = a_wish(f);
	assert_int_equal(engine_start(f->engine, &wish, name, &fd, &f->err), ERR_HOST);
	assert_has(f->err.message, "OCI runtime error: no space");
	assert_has(calls(f), "rm --force --time 0 furrow-01");
	wish.root = "/nowhere";
	assert_int_equal(engine_start(f->engine, &wish, name, &fd, &f->err), ERR_HOST);
}

/* Begun well and gone at once: what it says is heard by starting it in the foreground. */
static void
runner_dies(void **state)
{
	struct fixture *f = *state;
	struct container_wish wish;
	char name[80];
	int fd;

	open_engine(f, "docker",
		"*--detach*) echo " HEX_A
		" ;;\n'container inspect'*) echo 'No such container' >&2; exit 1 ;;\n"
		"'run '*) echo 'furrow-runner: illegal instruction' >&2; exit 132 ;;\nrm*) ;;\n");
	sh(f, "mkdir root source");
	wish = a_wish(f);
	assert_int_equal(engine_start(f->engine, &wish, name, &fd, &f->err), ERR_HOST);
	assert_has(f->err.message, "illegal instruction");
	assert_has(f->err.message, "ended at once");
	assert_has(calls(f), "rm --force furrow-01");
}

static void
docker_runs_as_the_caller(void **state)
{
	struct fixture *f = *state;
	struct container_wish wish;
	char name[80], user[64];
	int fd;

	listen_after(f, "docker", "0");
	wish = a_wish(f);
	assert_int_equal(engine_start(f->engine, &wish, name, &fd, &f->err), 0);
	assert_hello(fd);
	snprintf(user, sizeof(user), " --user %u:%u ", geteuid(), getegid());
	assert_has(calls(f), user);
}

static int
do_setup(struct fixture *f, const struct container_wish *wish, const char *setup, struct pairs env,
	struct str *id, struct buf *log)
{
	struct digest identity = {{0xee}};

	return engine_setup(
		f->engine, &f->arena, wish, str_from(setup), env, &identity, id, log, &f->err);
}

static void
setup_is_kept(void **state)
{
	struct fixture *f = *state;
	struct pair pairs[] = {{STR("A"), STR("it's")}, {STR("B"), STR("$(x) \n\"y\"")}};
	struct pairs env = {.v = pairs, .n = 2};
	struct container_wish wish;
	struct buf log = {0};
	struct digest identity = {{0xee}};
	struct str id;

	/* The scripted engine runs the script here, with its places moved. */
	open_engine(f, "podman",
		"'image inspect'*furrow-env*) test -e $D/kept || { echo 'image not known' >&2; "
		"exit 125; }; "
		"printf '%s\\nnull\\nnull\\n' " HEX_B " ;;\n"
		"'run '*) sed \"s,/.furrow/,$D/in/,g\" $D/root/setup-script > $D/script; mkdir "
		"$D/in; "
		"cp -R $D/source $D/in/; sh $D/script; exit ;;\n"
		"commit*) touch $D/kept; echo words >&2 ;;\nrm*) ;;\n");
	sh(f, "mkdir root source; echo req > source/requirements.txt; : > runner");
	wish = a_wish(f);
	assert_false(engine_has_setup(f->engine, &identity));
	if (do_setup(f, &wish,
		    "printf '%s|%s|' \"$A\" \"$B\"; cat requirements.txt; echo 'quo'\\''te' >&2; "
		    "pwd",
		    env, &id, &log) < 0)
		fail_msg("%s", f->err.message);
	assert_true(str_is(id, "sha256:" HEX_B));
	assert_string_equal(buf_cstr(&log),
		arena_printf(&f->arena, "it's|$(x) \n\"y\"|req\nquo'te\n%s/in/work\n", f->dir).p);
	assert_has(calls(f), " --user 0:0 ");
	assert_has(calls(f), "commit furrow-01arz3");
	assert_has(calls(f), " localhost/furrow-env:ee00");
	assert_has(calls(f), "rm --force --time 0 furrow-01arz3");
	assert_lacks(calls(f), "it's");
	assert_lacks(calls(f), "run --rm");
	assert_int_equal(access(below(f, "root/setup-script"), F_OK), -1);
	assert_true(engine_has_setup(f->engine, &identity));
	unlink(below(f, "log"));
	assert_int_equal(do_setup(f, &wish, "false", env, &id, NULL), 0); /* it is there */
	assert_lacks(calls(f), "run ");
	buf_free(&log);
}

static void
setup_fails(void **state)
{
	struct fixture *f = *state;
	struct container_wish wish;
	struct str id;

	open_engine(f, "podman",
		"'image inspect'*) echo 'image not known' >&2; exit 125 ;;\n"
		"'run '*) for i in 1 2 3 4 5 6 7; do echo line $i; done; echo 'no such package' "
		">&2; exit 7 ;;\nrm*) ;;\n");
	sh(f, "mkdir root source");
	wish = a_wish(f);
	assert_int_equal(do_setup(f, &wish, "x", (struct pairs){0}, &id, NULL), ERR_HOST);
	assert_has(f->err.message, "status 7");
	assert_has(f->err.message, "line 4\nline 5\nline 6\nline 7\nno such package");
	assert_lacks(f->err.message, "line 3");
	assert_lacks(calls(f), "commit");
	assert_has(calls(f), "rm --force");
}

static void
removing(void **state)
{
	struct fixture *f = *state;

	open_engine(f, "podman",
		"rm*there) ;;\nrm*gone) echo 'Error: no such container gone' >&2; exit 1 ;;\n"
		"rm*) echo 'device busy' >&2; exit 125 ;;\n");
	assert_int_equal(engine_remove(f->engine, "there", &f->err), 0);
	assert_int_equal(engine_remove(f->engine, "gone", &f->err), 0);
	assert_int_equal(engine_remove(f->engine, "stuck", &f->err), ERR_HOST);
	assert_has(f->err.message, "remove container stuck: device busy");
	engine_close(f->engine);
	open_engine(f, "docker", "rm*) echo 'Error: No such container: x' >&2; exit 1 ;;\n");
	assert_int_equal(engine_remove(f->engine, "x", &f->err), 0);
}

/* Who is told to stop still removes what it made. */
static void
removing_when_stopped(void **state)
{
	struct fixture *f = *state;
	atomic_bool stop = true;

	open_engine(f, "podman", "rm*) sleep 0.1; echo gone >$D/removed ;;\n");
	assert_null(spawn_heed(&stop));
	assert_int_equal(engine_remove(f->engine, "there", &f->err), 0);
	assert_ptr_equal(spawn_heed(NULL), &stop);
	assert_int_equal(access(below(f, "removed"), F_OK), 0);
}

static void
listing(void **state)
{
	struct fixture *f = *state;
	struct strings names;

	open_engine(
		f, "podman", "ps*job=words*) printf 'a\\nb\\n' ;;\nps*job=*) ;;\nps*) echo c ;;\n");
	assert_int_equal(engine_list(f->engine, &f->arena, "words", &names, &f->err), 0);
	assert_int_equal(names.n, 2);
	assert_true(str_is(names.v[0], "a") && str_is(names.v[1], "b"));
	assert_has(calls(f), "ps --all --format {{.Names}} --filter label=furrow.job=words");
	assert_int_equal(engine_list(f->engine, &f->arena, "other", &names, &f->err), 0);
	assert_int_equal(names.n, 0);
	assert_int_equal(engine_list(f->engine, &f->arena, NULL, &names, &f->err), 0);
	assert_int_equal(names.n, 1);
	assert_int_equal(engine_list_run(f->engine, &f->arena, "RUN", &names, &f->err), 0);
	assert_has(calls(f), " label=furrow.run=RUN \n");
	answers(f, "podman", "ps*) echo 'locked' >&2; exit 125 ;;\n");
	assert_int_equal(engine_list(f->engine, &f->arena, NULL, &names, &f->err), ERR_HOST);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(starts_and_connects),
		TEST(long_paths),
		TEST(paths_with_separators),
		TEST(engine_refuses),
		TEST(runner_dies),
		TEST(docker_runs_as_the_caller),
		TEST(setup_is_kept),
		TEST(setup_fails),
		TEST(removing),
		TEST(removing_when_stopped),
		TEST(listing),
	};

	if (argc > 1 && strcmp(argv[1], "listen") == 0)
		return listen_here();
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
