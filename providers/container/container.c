/* container: a container whose first process is the runner, and the stream to it.
 *
 * Its processes have what those of an infra without image have: the limits of the one who calls furrow, as much shared memory
 * as this machine, and they run as that one, so that what they write belongs to him. With an engine that runs as
 * this user (rootless, or furrow as root) that is the container's root; with docker's daemon it is the user's number. The
 * image's own USER, ENTRYPOINT, WORKDIR and VOLUMEs don't matter; its ENV does. */
#include "providers/container/internal.h"

#include "providers/host/spawn.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	START_S = 60, /* until the runner has to listen; a cold disk is slow */
	POLL_MS = 2,
	LOOK_AFTER_MS =
		400, /* then the engine is asked, every so often, whether the container still runs */
	POST_MORTEM_S = 5
};

static int64_t
now_ns(void)
{
	const struct clock *c = clock_system();

	return c->now_ns(c->ctx);
}

static void
sleep_ms(int ms)
{
	struct timespec t = {.tv_nsec = ms * NS_PER_MS};

	nanosleep(&t, NULL);
}

/* --volume takes a ':' for a separator, --mount a ','. A path with both is the user's to rename. */
int
container_add_mount(
	struct words *w, const char *from, const char *to, bool writable, struct error *err)
{
	bool comma = strchr(from, ',') != NULL;

	if (comma && strchr(from, ':'))
		return error_set(err, ERR_INPUT,
			"%s cannot be mounted into a container: its path has both ',' and ':' in "
			"it; "
			"rename a folder",
			from);
	if (comma) {
		words_add(w, "--volume");
		words_addf(w, "%s:%s:%s", from, to, writable ? "rw" : "ro");
	} else {
		words_add(w, "--mount");
		words_addf(w, "type=bind,source=%s,target=%s%s", from, to,
			writable ? "" : ",readonly");
	}
	return 0;
}

static void
add_limit(struct words *w, const char *name, int resource, int64_t most)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)resource, &l) != 0)
		return;
	if (most > 0 && l.rlim_max > (rlim_t)most)
		l.rlim_max = (rlim_t)most;
	if (l.rlim_cur > l.rlim_max)
		l.rlim_cur = l.rlim_max;
	if (l.rlim_max == RLIM_INFINITY)
		return;
	words_add(w, "--ulimit");
	words_addf(w, "%s=%llu:%llu", name, (unsigned long long)l.rlim_cur,
		(unsigned long long)l.rlim_max);
}

static int64_t
most_processes(void)
{
	FILE *f = fopen("/proc/sys/kernel/pid_max", "re");
	char line[32] = "";
	int64_t n = 0;

	if (!f)
		return 0;
	if (!fgets(line, sizeof(line), f) || !str_to_i64(str_trim(str_from(line)), &n))
		n = 0;
	fclose(f);
	return n;
}

/* Without these, engines ask for limits of their own, which a machine without CAP_SYS_RESOURCE refuses. podman cuts its
 * own limit of processes to the kernel's largest pid. */
static void
add_limits(struct words *w, const struct container_wish *wish)
{
	struct sysinfo machine;

	add_limit(w, "nofile", RLIMIT_NOFILE, 0);
	add_limit(w, "nproc", RLIMIT_NPROC, most_processes());
	if (wish->memory_bytes >= 0) {
		words_add(w, "--memory");
		words_addf(w, "%lldb", (long long)wish->memory_bytes);
	}
	/* Engines give 64 MiB, Linux half of the memory; what shares data between processes needs it. */
	if (sysinfo(&machine) == 0) {
		words_add(w, "--shm-size");
		words_addf(w, "%llub", (unsigned long long)machine.totalram * machine.mem_unit / 2);
	}
}

void
container_add_user(struct words *w, const struct engine_handle *e, bool as_root)
{
	words_add(w, "--user");
	if (as_root || e->rootless || geteuid() == 0)
		words_add(w, "0:0");
	else
		words_addf(w, "%u:%u", (unsigned)geteuid(), (unsigned)getegid());
}

int
container_add_words(
	struct words *w, const struct container_wish *wish, const char *name, struct error *err)
{
	int rc;

	WORDS_ADD(w, "--name", name, "--pull=never", "--init=false", "--stop-timeout", "1",
		"--label");
	words_addf(w, "furrow.run=%s", wish->run);
	words_add(w, "--label");
	words_addf(w, "furrow.job=%s", wish->job);
	/* Relabelling the user's files for SELinux would change them; the container goes without. */
	if (access("/sys/fs/selinux/enforce", F_OK) == 0)
		WORDS_ADD(w, "--security-opt", "label=disable");
	add_limits(w, wish);
	rc = container_add_mount(w, wish->runner, "/.furrow/runner", false, err);
	if (rc == 0 && wish->source)
		rc = container_add_mount(w, wish->source, "/.furrow/source", false, err);
	return rc;
}

void
container_name(struct engine_handle *e, char name[CONTAINER_NAME_BYTES], const char *run)
{
	snprintf(name, CONTAINER_NAME_BYTES, "furrow-%.40s-%d-%u", run, (int)getpid(),
		atomic_fetch_add(&e->n_names, 1));
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
}

static int
runner_words(struct words *w, struct engine_handle *e, const struct container_wish *wish,
	const char *name, bool background, struct error *err)
{
	int rc;

	WORDS_ADD(w, "run", "--rm");
	if (background)
		words_add(w, "--detach");
	rc = container_add_words(w, wish, name, err);
	if (rc == 0)
		rc = container_add_mount(w, wish->root, "/.furrow/root", true, err);
	container_add_user(w, e, false);
	WORDS_ADD(w, "--workdir", "/", "--entrypoint", "/.furrow/runner", wish->image_id, "serve",
		"--listen", "/.furrow/root/door/sock");
	return rc;
}

/* Connects to the socket in the folder door_fd; -1 and errno. Through /proc, as a socket's path may have 107 bytes only. */
static int
try_connect(int door_fd)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), saved;

	if (fd < 0)
		return -1;
	snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/sock", door_fd);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static bool
is_running(struct engine_handle *e, struct arena *a, const char *name)
{
	struct words w = {.arena = a};
	struct buf out = {0};
	bool yes;

	WORDS_ADD(&w, "container", "inspect", "--format", "{{.State.Running}}", name);
	yes = engine_call(e, &w, &out, NULL, QUICK_CALL_S * NS_PER_S, NULL) == 0 &&
	      str_is(str_trim(buf_str(&out)), "true");
	buf_free(&out);
	return yes;
}

/* The container ended, and its words are gone with it: once more, in the foreground, to hear them. */
static int
post_mortem(struct engine_handle *e, struct arena *a, const struct container_wish *wish,
	const char *name, struct error *err)
{
	struct words w = {.arena = a};
	struct buf errs = {0};
	int rc = runner_words(&w, e, wish, name, false, err);

	if (rc == 0)
		rc = engine_call(e, &w, &errs, &errs, POST_MORTEM_S * NS_PER_S, NULL);
	engine_failed(e, err, rc, &errs, "the runner ended at once in a container of image %s",
		wish->image_id);
	buf_free(&errs);
	return ERR_HOST;
}

/* Waits for the runner to listen. */
static int
connect_runner(struct engine_handle *e, struct arena *a, const struct container_wish *wish,
	const char *name, int door_fd, int *fd, struct error *err)
{
	int64_t began = now_ns(), look = began + LOOK_AFTER_MS * NS_PER_MS;

	while ((*fd = try_connect(door_fd)) < 0) {
		int64_t now = now_ns();

		if (errno != ENOENT && errno != ECONNREFUSED)
			return error_set_errno(err, ERR_HOST, errno,
				"connect to the runner in container %s through %s/door/sock", name,
				wish->root);
		if (now - began > START_S * NS_PER_S)
			return error_set(err, ERR_HOST,
				"the runner in container %s does not listen on %s/door/sock after "
				"%d s; "
				"does "
				"the engine run in a virtual machine or on another host?",
				name, wish->root, START_S);
		if (now >= look) {
			if (!is_running(e, a, name))
				return post_mortem(e, a, wish, name, err);
			look = now_ns() + LOOK_AFTER_MS * NS_PER_MS;
		}
		sleep_ms(POLL_MS);
	}
	return 0;
}

/* The folder of the socket, which only its owner may enter: who says the first word to a runner may
 * have it run programs. -1 and errno. */
static int
open_door(const char *root)
{
	int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), door_fd = -1;

	if (root_fd < 0)
		return -1;
	if (mkdirat(root_fd, "door", 0700) == 0 || errno == EEXIST)
		door_fd = openat(root_fd, "door", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(root_fd);
	return door_fd;
}

static int
start_and_connect(struct engine_handle *e, struct arena *a, const struct container_wish *wish,
	const char *name, int *fd, struct error *err)
{
	struct words w = {.arena = a};
	struct buf errs = {0};
	int door_fd = open_door(wish->root), rc;

	if (door_fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "make a folder in %s", wish->root);
	unlinkat(door_fd, "sock", 0); /* of a runner that is gone */
	rc = runner_words(&w, e, wish, name, true, err);
	if (rc == 0)
		rc = engine_call(e, &w, NULL, &errs, -1, err);
	if (rc > 0)
		rc = engine_failed(
			e, err, rc, &errs, "start a container of image %s", wish->image_id);
	if (rc == 0)
		rc = connect_runner(e, a, wish, name, door_fd, fd, err);
	buf_free(&errs);
	close(door_fd);
	return rc;
}

int
engine_start(struct engine_handle *e, const struct container_wish *wish, char name[80], int *fd,
	struct error *err)
{
	struct arena a = {0};
	int rc;

	container_name(e, name, wish->run);
	rc = start_and_connect(e, &a, wish, name, fd, err);
	if (rc < 0)
		engine_remove(e, name, NULL);
	arena_free(&a);
	return rc;
}

/* One try. 1: the engine was in the middle of something with it, and may be willing in a moment. */
static int
remove_once(struct engine_handle *e, const char *name, struct error *err)
{
	struct arena a = {0};
	struct words w = {.arena = &a};
	struct buf errs = {0};
	int rc;

	WORDS_ADD(&w, "rm", "--force");
	if (!e->is_docker) /* docker's rm kills at once anyway */
		WORDS_ADD(&w, "--time", "0");
	words_add(&w, name);
	rc = engine_call(e, &w, NULL, &errs, QUICK_CALL_S * NS_PER_S, err);
	if (rc > 0) {
		struct str said = buf_str(&errs);
		bool absent = memmem(said.p, said.n, "o such container", 16) ||
			      memmem(said.p, said.n, "no container with name", 22);
		/* It ended just when it was to be killed. */
		bool again = memmem(said.p, said.n, "container state improper", 24);

		/* The engine may be removing it already, as it ended. */
		if (absent || memmem(said.p, said.n, "already in progress", 19))
			rc = 0;
		else
			rc = engine_failed(e, err, rc, &errs, "remove container %s", name);
		rc = rc < 0 && again ? 1 : rc;
	}
	buf_free(&errs);
	arena_free(&a);
	return rc;
}

int
engine_remove(struct engine_handle *e, const char *name, struct error *err)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	/* To remove a container is part of stopping. */
	const atomic_bool *heeded = spawn_heed(NULL);
	struct error local = {0};
	int rc;

	err = err ? err : &local;
	rc = remove_once(e, name, err);
	for (int i = 1; rc > 0 && i < REMOVE_TRIES; i++) {
		nanosleep(&pause, NULL);
		rc = remove_once(e, name, err);
	}
	spawn_heed(heeded);
	return rc > 0 ? (int)err->code : rc;
}

static int
list_labelled(struct engine_handle *e, struct arena *a, const char *label, const char *value,
	struct strings *names, struct error *err)
{
	struct words w = {.arena = a};
	struct buf out = {0}, errs = {0};
	struct str rest;
	size_t n = 0;
	int rc;

	*names = (struct strings){0};
	WORDS_ADD(&w, "ps", "--all", "--format", "{{.Names}}", "--filter");
	words_addf(&w, "label=%s%s%s", label, value ? "=" : "", value ? value : "");
	rc = engine_call(e, &w, &out, &errs, QUICK_CALL_S * NS_PER_S, err);
	if (rc > 0)
		rc = engine_failed(e, err, rc, &errs, "list containers");
	rest = str_trim(buf_str(&out));
	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == '\n';
	names->v = ARENA_ARRAY(a, struct str, n + 1);
	while (rc == 0 && rest.n) {
		struct str name = str_trim(str_cut(&rest, '\n'));

		if (name.n)
			names->v[names->n++] = arena_str(a, name);
	}
	buf_free(&out);
	buf_free(&errs);
	return rc;
}

int
engine_list(struct engine_handle *e, struct arena *a, const char *job, struct strings *names,
	struct error *err)
{
	return list_labelled(e, a, "furrow.job", job, names, err);
}

int
engine_list_run(struct engine_handle *e, struct arena *a, const char *run, struct strings *names,
	struct error *err)
{
	return list_labelled(e, a, "furrow.run", run, names, err);
}
