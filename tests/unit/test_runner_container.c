/* test_runner_container: `furrow-runner host` with a run in a container: what it asks of an engine, by which
 * words, and what becomes of containers and images. The engine is engine_stub.sh; real ones are those of
 * tests/cloud/60-containers.sh. */
#include "tests/unit/place_fixture.h"

#include <limits.h>

#define ID "00aa"
#define OTHER "00bb"
#define ENV_ID "00cc"
#define PULL "r.io:5000/a/b@sha256:" ID

static const struct wish pulled = {.image = PULL, .image_id = ID};

/* A PATH on which there is no other engine. */
static int
set_up_engine(void **state, const char *engine)
{
	static const char *const tools[] = {"sh", "basename", "tr", "cat", "cp", "rm", "ls", "sed",
		"kill", "setsid", "tail", "curl", "tar", "find", "mkdir", "sync", "mv", "chmod"};
	char stub[PATH_MAX], path[PATH_MAX * 2];

	set_up(state);
	assert_non_null(realpath("tests/unit/engine_stub.sh", stub));
	mkdir(at("/bin"), 0755);
	mkdir(at("/images"), 0755);
	mkdir(at("/var/lib/furrow/image"), 0755);
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		snprintf(path, sizeof(path), "/usr/bin/%s", tools[i]);
		assert_int_equal(symlink(path, at("/bin/%s", tools[i])), 0);
	}
	if (engine)
		assert_int_equal(symlink(stub, at("/bin/%s", engine)), 0);
	/* Not root: as if sudo was asked for. */
	write_text(at("/bin/sudo"), "#!/bin/sh\nshift\nexec \"$@\"\n");
	chmod(at("/bin/sudo"), 0755);
	setenv("STUB", place.h.dir, 1);
	setenv("PATH", at("/bin"), 1);
	return 0;
}

static int
with_podman(void **state)
{
	return set_up_engine(state, "podman");
}

static int
with_docker(void **state)
{
	return set_up_engine(state, "docker");
}

static int
with_none(void **state)
{
	return set_up_engine(state, NULL);
}

static const char *path_before;

static int
tear_down_engine(void **state)
{
	setenv("PATH", path_before, 1);
	return tear_down(state);
}

static void
has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
}

static void
lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in: %s", part, text);
}

/* What the engine was asked since the last look. */
static const char *
calls(void)
{
	const char *text = read_text(at("/calls"));

	unlink(at("/calls"));
	return text;
}

static bool
has_image(const char *name)
{
	return is_there(at("/images/localhost_furrow-%s", name));
}

static void
a_run(const struct wish *w)
{
	begin(w);
	assert_int_equal(host_run(&place.h, "true")->outcome.exit_status, 0);
	goodbye();
}

static void
pulled_once(void **state)
{
	const char *said;

	(void)state;
	begin(&pulled);
	assert_int_equal(host_run(&place.h, "echo x >$FURROW_OUT/x")->outcome.exit_status, 0);
	said = calls();
	has(said, "podman pull --quiet " PULL "\n"
		  "podman tag " PULL " localhost/furrow-image:" ID "\n");
	has(said, "podman run --rm --name furrow-");
	has(said, " --user 0:0 ");
	has(said, " --network host ");
	has(said, ",target=/.furrow/runner,readonly --mount ");
	has(said, " --entrypoint /.furrow/runner localhost/furrow-image:" ID
		  " serve --listen /.furrow/root/door/sock\n");
	assert_true(is_there(at("/run/furrow/runs/%s.container", place.h.run)));
	goodbye();
	said = calls();
	has(said, "podman rm --force furrow-");
	assert_false(is_there(at("/run/furrow/runs/%s.container", place.h.run)));
	assert_false(is_there(at("/run/furrow/runs/%s", place.h.run)));
	assert_false(is_there(at("/var/lib/furrow/run/%s", place.h.run)));
	call();
	assert_string_equal(listed("runs"), "");
	assert_string_equal(listed("images"), ID);
	assert_string_equal(listed("image_envs"), "");
	assert_string_equal(listed("images_gone"), "");
	hang_up();
	a_run(&pulled);
	lacks(calls(), "pull --quiet");
}

/* A cut does not end it, and coming back asks the engine nothing. */
static void
a_cut_and_back(void **state)
{
	(void)state;
	place.h.linger_s = 30;
	begin(&pulled);
	cut();
	assert_int_equal(exit_status(), 1);
	calls();
	call();
	assert_string_equal(listed("runs"), place.h.run);
	order(&pulled);
	open_session();
	lacks(calls(), "podman run");
	assert_int_equal(host_run(&place.h, "true")->outcome.exit_status, 0);
	goodbye();
}

static void
docker_with_a_login(void **state)
{
	const struct wish w = {.image = "docker.io/a/b@sha256:" ID,
		.image_id = ID,
		.image_login = "me:pa\"ss:word"};
	const char *said;

	(void)state;
	a_run(&w);
	said = calls();
	has(said, "docker --config ");
	has(said, " pull --quiet docker.io/a/b@sha256:" ID "\n");
	lacks(said, "pa\"ss");
	assert_string_equal(read_text(at("/login")), "{\"auths\":{\"https://index.docker.io/v1/"
						     "\":{\"auth\":\"bWU6cGEic3M6d29yZA==\"}}}\n");
	assert_false(is_there(at("/run/furrow/login.%d", (int)place.pid)));
}

static void
make_pci(const char *name, const char *vendor, const char *class)
{
	mkdir(at("/sys"), 0755);
	mkdir(at("/sys/bus"), 0755);
	mkdir(at("/sys/bus/pci"), 0755);
	mkdir(at("/sys/bus/pci/devices"), 0755);
	mkdir(at("/sys/bus/pci/devices/%s", name), 0755);
	write_text(at("/sys/bus/pci/devices/%s/vendor", name), vendor);
	write_text(at("/sys/bus/pci/devices/%s/class", name), class);
}

static void
gpus_of_podman(void **state)
{
	(void)state;
	make_pci("0000:00:1e.0", "0x1d0f\n", "0x030000\n");
	make_pci("0000:00:1d.0", "0x10de\n", "0x040300\n");
	a_run(&pulled);
	lacks(calls(), "nvidia");
	make_pci("0000:00:1f.0", "0x10de\n", "0x030200\n");
	a_run(&pulled);
	has(calls(), " --device nvidia.com/gpu=all ");
}

static void
gpus_of_docker(void **state)
{
	(void)state;
	make_pci("0000:00:1f.0", "0x10de\n", "0x030200\n");
	a_run(&pulled);
	has(calls(), " --gpus all ");
}

/* Its daemon comes up later than we do. */
static void
docker_is_awaited(void **state)
{
	(void)state;
	write_text(at("/daemon-in"), "3\n");
	a_run(&pulled);
	has(calls(),
		"docker version\ndocker version\ndocker version\ndocker version\ndocker image");
}

static void
podman_with_a_login(void **state)
{
	const struct wish w = {.image = PULL, .image_id = ID, .image_login = "me:pass"};

	(void)state;
	a_run(&w);
	has(calls(), "podman pull --quiet --authfile ");
	assert_string_equal(read_text(at("/login")),
		"{\"auths\":{\"r.io:5000\":{\"auth\":\"bWU6cGFzcw==\"}}}\n");
}

static void
no_engine(void **state)
{
	(void)state;
	refused(&pulled, 1,
		"environment.image needs podman or docker on the host, and this one has neither");
	has(errors(), "podman, docker or docker.io");
}

static void
what_the_engine_refuses(void **state)
{
	(void)state;
	write_text(at("/fails"), "manifest unknown\n");
	refused(&pulled, 1, "pulling image " PULL ": manifest unknown (exit status 125)");
	unlink(at("/fails"));
	a_run(&pulled);
	write_text(at("/fails"), "no space left\n");
	refused(&pulled, 1, "starting a container of image " PULL ": no space left");
	assert_false(is_there(at("/run/furrow/runs/%s.container", place.h.run)));
}

static void
the_boot_pulls(void **state)
{
	char line[32];

	(void)state;
	write_text(at("/run/furrow/image.id"), ID "\n");
	snprintf(line, sizeof(line), "%d\n", (int)getpid());
	write_text(at("/run/furrow/get_image.pid"), line);
	call();
	order(&pulled);
	pause_ns(300 * NS_PER_MS);
	assert_int_equal(waitpid(place.pid, NULL, WNOHANG), 0);
	write_text(at("/images/localhost_furrow-image_" ID), "");
	unlink(at("/run/furrow/get_image.pid"));
	open_session();
	goodbye();
	lacks(calls(), "pull --quiet");
}

static void
an_archive(void **state)
{
	struct wish w = {.image = "oci-archive:the:name", .image_id = ID};
	char url[PATH_MAX];

	(void)state;
	write_text(at("/archive"), "an image");
	snprintf(url, sizeof(url), "file://%s", at("/archive"));
	w.image_url = url;
	a_run(&w);
	has(calls(), ".tar:the:name\npodman tag " ID " localhost/furrow-image:" ID "\n");
	w.image_id = OTHER;
	w.image_url = "file:///nowhere";
	refused(&w, 1, "the archive of image " OTHER " could not be fetched (status 37)");
}

static void
docker_loads_an_archive(void **state)
{
	struct wish w = {.image = "docker-archive:", .image_id = ID};
	char url[PATH_MAX];

	(void)state;
	write_text(at("/archive"), "an image");
	snprintf(url, sizeof(url), "file://%s", at("/archive"));
	w.image_url = url;
	a_run(&w);
	has(calls(), "docker load --quiet --input ");
}

static void
setup_is_kept(void **state)
{
	const struct wish w = {.image = PULL,
		.image_id = ID,
		.env_id = ENV_ID,
		.setup = "echo a reason; test ! -e $STUB/bad",
		.vars = {"A=it's"}};
	const char *said;

	(void)state;
	write_text(at("/bad"), "");
	refused(&w, 1, "environment.setup ended with status 1 in a container of image " PULL);
	has(errors(), "it said last:\na reason\n");
	assert_false(has_image("env_" ENV_ID));
	unlink(at("/bad"));
	calls();
	a_run(&w);
	has(read_text(at("/setup")), "export A='it'\\''s'\nexec /bin/sh -c ");
	said = calls();
	has(said, " --entrypoint /bin/sh localhost/furrow-image:" ID " /.furrow/setup\n");
	has(said, "-setup localhost/furrow-env:" ENV_ID "\n");
	has(said, " --entrypoint /.furrow/runner localhost/furrow-env:" ENV_ID " serve");
	a_run(&w);
	lacks(calls(), "commit");
	call();
	assert_string_equal(listed("image_envs"), ENV_ID);
}

static void
kill_container(void)
{
	int pid = (int)strtol(read_text(at("/run/furrow/runs/%s", place.h.run)), NULL, 10);

	assert_true(pid > 1);
	kill(pid, SIGKILL);
}

static void
one_that_died(void **state)
{
	char first[sizeof(place.h.run)];

	(void)state;
	begin(&pulled);
	kill_container();
	host_wait_lost(&place.h);
	session_close(place.h.session, NS_PER_S, NULL);
	assert_int_equal(exit_status(), 0);
	has(errors(), "the container of ");
	/* Nobody is there when it dies. */
	place.h.linger_s = 30;
	begin(&pulled);
	cut();
	exit_status();
	kill_container();
	for (int i = 0; i < 500; i++) {
		call();
		if (json_array_size(word("dead")) > 0)
			break;
		hang_up();
		exit_status();
		pause_ns(10 * NS_PER_MS);
	}
	assert_string_equal(listed("dead"), place.h.run);
	hang_up();
	exit_status();
	snprintf(first, sizeof(first), "%s", place.h.run);
	assert_true(strlen(first) + 2 <= sizeof(place.h.run));
	memcpy(place.h.run + strlen(first), "B", 2);
	calls();
	a_run(&pulled);
	has(calls(), first);
	call();
	assert_string_equal(listed("dead"), "");
}

static bool
goes(const char *image)
{
	for (int i = 0; i < 500 && has_image(image); i++)
		pause_ns(10 * NS_PER_MS);
	return !has_image(image);
}

static void
old_images_go(void **state)
{
	static const struct {
		const char *id;
		time_t used;
	} old[] = {{"0001", 1000}, {"0002", 2000}, {"0003", 3000}};

	(void)state;
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		const struct timespec times[] = {{.tv_sec = old[i].used}, {.tv_sec = old[i].used}};

		write_text(at("/images/localhost_furrow-image_%s", old[i].id), "");
		write_text(at("/var/lib/furrow/image/%s", old[i].id), "");
		utimensat(AT_FDCWD, at("/var/lib/furrow/image/%s", old[i].id), times, 0);
	}
	write_text(at("/images/localhost_somebodys"), "");
	a_run(&pulled);
	assert_true(goes("image_0001"));
	assert_true(goes("image_0002"));
	assert_true(has_image("image_0003"));
	assert_true(has_image("image_" ID));
	assert_true(gone_in_time(at("/var/lib/furrow/image/0001")));
	assert_true(is_there(at("/images/localhost_somebodys")));
	unlink(at("/images/localhost_furrow-image_0003"));
	call();
	assert_string_equal(listed("images"), ID);
	assert_string_equal(listed("images_gone"), "0003");
}

#define ENGINE(f, with) cmocka_unit_test_setup_teardown(f, with, tear_down_engine)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE(pulled_once, with_podman),
		ENGINE(a_cut_and_back, with_podman),
		ENGINE(docker_with_a_login, with_docker),
		ENGINE(docker_is_awaited, with_docker),
		ENGINE(gpus_of_docker, with_docker),
		ENGINE(gpus_of_podman, with_podman),
		ENGINE(podman_with_a_login, with_podman),
		ENGINE(no_engine, with_none),
		ENGINE(what_the_engine_refuses, with_podman),
		ENGINE(the_boot_pulls, with_podman),
		ENGINE(an_archive, with_podman),
		ENGINE(docker_loads_an_archive, with_docker),
		ENGINE(setup_is_kept, with_podman),
		ENGINE(one_that_died, with_podman),
		ENGINE(old_images_go, with_podman),
	};

	path_before = strdup(getenv("PATH"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
