/* host_container: the container of a run on this host. Its first process is this binary, which is static,
 * and the folder of the run is mounted into it, with the door through which it is talked to. All in it
 * runs as the container's root: the host is there for nothing else. The network is the host's, so that a
 * task reaches what it would without a container, the instance's credentials among it.
 *
 * The container goes when the runner ends. It is known by its run: there is never a second one. */
#include "cmd/runner/host.h"

#include "cmd/runner/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_WORDS = 64,
	PLACE_BYTES = HOST_PATH_BYTES + 128,
	NAME_BYTES = 128,
	STEP_MS = 5,
	OPEN_STEPS = 12000,
	LEND_STEPS = 1000
};

static const char setup_place[] = "/.furrow/setup";

/* The words that start a container; what they are made of lives as long. */
struct words {
	const char *v[MAX_WORDS];
	size_t n;
	char name[NAME_BYTES], run[NAME_BYTES], job[NAME_BYTES], shm[NAME_BYTES];
	char runner[PLACE_BYTES], mounts[3][PLACE_BYTES];
	size_t n_mounts;
};

static void
add(struct words *w, const char *word)
{
	w->v[w->n++] = word;
	w->v[w->n] = NULL;
}

static void
add_two(struct words *w, const char *option, const char *value)
{
	add(w, option);
	add(w, value);
}

/* No path of ours has a comma in it. */
static void
add_mount(struct words *w, const char *from, const char *to, bool writable)
{
	char *mount = w->mounts[w->n_mounts++];

	snprintf(mount, PLACE_BYTES, "type=bind,source=%s,target=%s%s", from, to,
		writable ? "" : ",readonly");
	add_two(w, "--mount", mount);
}

static void
container_name(char out[NAME_BYTES], const char *run, const char *suffix)
{
	snprintf(out, NAME_BYTES, "furrow-%.90s%s", run, suffix);
}

static bool
run_folder(char *out, const char *run)
{
	return host_path(out, "/var/lib/furrow/run/%s", run);
}

/* A file of a few bytes below the root begins so. */
static bool
begins(const char *name, const char *device, const char *start)
{
	char path[HOST_PATH_BYTES], text[16] = "";
	int fd = host_path(path, "/sys/bus/pci/devices/%s/%s", device, name)
			 ? open(path, O_RDONLY | O_CLOEXEC)
			 : -1;
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 && strncmp(text, start, strlen(start)) == 0;
}

static int
is_gpu(void *ctx, const char *name, unsigned char type)
{
	(void)ctx;
	(void)type;
	return begins("vendor", name, "0x10de") && begins("class", name, "0x03");
}

/* By the bus, not by what drivers have made of it so far: where these are missing the engine says so. */
static bool
has_nvidia(void)
{
	char path[HOST_PATH_BYTES];
	int fd = -1;
	bool has;

	if (host_path(path, "/sys/bus/pci/devices"))
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	has = fd >= 0 && dir_each(fd, is_gpu, NULL) > 0;
	if (fd >= 0)
		close(fd);
	return has;
}

/* What the runner's and setup's containers have in common. */
static void
begin(struct words *w, const struct order *o, const char *suffix)
{
	long half = sysconf(_SC_PHYS_PAGES) / 2 * (sysconf(_SC_PAGESIZE) >> 10);

	container_name(w->name, o->run, suffix);
	snprintf(w->run, sizeof(w->run), "furrow.run=%.100s", o->run);
	snprintf(w->job, sizeof(w->job), "furrow.job=%.100s", o->job);
	/* Engines give 64 MiB, Linux half of the memory. */
	snprintf(w->shm, sizeof(w->shm), "%ldk", half);
	add_two(w, "run", "--rm");
	add_two(w, "--name", w->name);
	add_two(w, "--label", w->run);
	add_two(w, "--label", w->job);
	add_two(w, "--shm-size", w->shm);
	add_two(w, "--user", "0:0");
	add_two(w, "--workdir", "/");
	add_two(w, "--network", "host");
	add_two(w, "--stop-timeout", "1");
	add(w, "--pull=never");
	add(w, "--init=false");
	if (has_nvidia())
		add_two(w, host_engine_is_docker() ? "--gpus" : "--device",
			host_engine_is_docker() ? "all" : "nvidia.com/gpu=all");
	/* Relabelling for SELinux would change the source; the container goes without. */
	if (access("/sys/fs/selinux/enforce", F_OK) == 0)
		add_two(w, "--security-opt", "label=disable");
}

static void
add_source(struct words *w, const struct order *o, const char *dir)
{
	if (o->source_id[0])
		add_mount(w, dir, "/.furrow/source", false);
}

bool
host_container_door(char *out, const char *run)
{
	return host_path(out, "/var/lib/furrow/run/%s/door/sock", run);
}

static bool
note_path(char *out, const char *run)
{
	return host_path(out, "/run/furrow/runs/%s.container", run);
}

bool
host_has_container(const char *run)
{
	char path[HOST_PATH_BYTES];

	return note_path(path, run) && access(path, F_OK) == 0;
}

/* Before there is one, so that it is found whatever happens in between. */
static int
note_container(const char *run)
{
	char path[HOST_PATH_BYTES];
	int fd = -1;

	if (host_path(path, "/run/furrow/runs") && (mkdir(path, 0755) == 0 || errno == EEXIST) &&
		note_path(path, run))
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : close(fd);
}

static void
remove_container(const char *name)
{
	const char *const words[] = {"rm", "--force", name, NULL};
	char said[HOST_SAID_BYTES];

	host_engine(NULL, said, sizeof(said), words);
}

void
host_container_end(const char *run)
{
	char path[HOST_PATH_BYTES], name[NAME_BYTES];

	if (!host_has_container(run))
		return;
	container_name(name, run, "");
	remove_container(name);
	container_name(name, run, "-setup");
	remove_container(name);
	if (note_path(path, run))
		unlink(path);
}

/* Who says the first word to a runner may have it run programs: only we go through that door. */
static int
make_door(const char *folder)
{
	char door[PLACE_BYTES], sock[PLACE_BYTES + 8];

	snprintf(door, sizeof(door), "%s/door", folder);
	snprintf(sock, sizeof(sock), "%s/sock", door);
	if (mkdir(door, 0700) != 0 && errno != EEXIST)
		return -1;
	return unlink(sock) == 0 || errno == ENOENT ? 0 : -1;
}

static int
dial_runner(const char *run, pid_t *pid)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
	char sock[HOST_PATH_BYTES];
	struct ucred peer;
	socklen_t n = sizeof(peer);
	int fd = -1;

	if (!host_container_door(sock, run))
		return -1;
	for (int i = 0; fd < 0 && i < OPEN_STEPS && !host_is_left(); i++) {
		fd = host_dial(sock);
		if (fd < 0 && errno != ENOENT && errno != ECONNREFUSED)
			break;
		if (fd < 0)
			nanosleep(&step, NULL);
	}
	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0) {
		*pid = peer.pid; /* as this host numbers it */
		return fd;
	}
	fprintf(stderr,
		"furrow-runner: the runner in the container of %s does not answer on %s: %s\n", run,
		sock, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* What the runner in there may lack: see lend.h. Until it is at the door a task could not be helped. */
static void
begin_lending(const char *run, const char *self, pid_t pid)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
	char folder[HOST_PATH_BYTES], door[PLACE_BYTES], curl[PLACE_BYTES + 16], number[16];
	char python[PLACE_BYTES + 16];

	if (!run_folder(folder, run))
		return;
	snprintf(door, sizeof(door), "%s/door", folder);
	snprintf(curl, sizeof(curl), "%s/curl", door);
	snprintf(python, sizeof(python), "%s/python3", door);
	snprintf(number, sizeof(number), "%d", (int)pid);
	unlink(curl); /* of a runner that was killed */
	unlink(python);
	if (host_detach()) {
		if (geteuid() == 0)
			execl(self, self, "lend", door, number, (char *)NULL);
		else
			execlp("sudo", "sudo", "-n", self, "lend", door, number, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < LEND_STEPS && access(curl, F_OK) != 0 && access(python, F_OK) != 0; i++)
		nanosleep(&step, NULL);
}

static int
run_container(const struct order *o, const struct words *w, const char *what)
{
	char said[HOST_SAID_BYTES];
	int status = host_engine(o, said, sizeof(said), w->v);

	if (status != 0)
		fprintf(stderr, "furrow-runner: %s a container of image %s: %s (exit status %d)\n",
			what, o->image, said[0] ? said : "the engine gives no reason", status);
	return status;
}

int
host_container_start(const struct order *o, pid_t *pid)
{
	char folder[HOST_PATH_BYTES], source[HOST_PATH_BYTES], self[HOST_PATH_BYTES];
	char image[NAME_BYTES];
	struct words w = {.n = 0};
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int fd;

	if (n <= 0 || !run_folder(folder, o->run) ||
		!host_path(source, "/var/lib/furrow/source/%s", o->source_id))
		return -1;
	self[n] = '\0';
	/* One that a killed runner has left. */
	host_container_end(o->run);
	if (note_container(o->run) != 0 || make_door(folder) != 0) {
		fprintf(stderr, "furrow-runner: making a place for the container in %s: %s\n",
			folder, strerror(errno));
		return -1;
	}
	begin(&w, o, "");
	add(&w, "--detach");
	add_source(&w, o, source);
	add_mount(&w, self, "/.furrow/runner", false);
	add_mount(&w, folder, "/.furrow/root", true);
	add_two(&w, "--entrypoint", "/.furrow/runner");
	if (o->setup[0])
		host_env_name(image, o->env_id);
	else
		host_image_name(image, o->image_id);
	add(&w, image);
	add_two(&w, "serve", "--listen");
	add(&w, "/.furrow/root/door/sock");
	if (run_container(o, &w, "starting") != 0)
		return -1;
	host_image_used(o);
	fd = dial_runner(o->run, pid);
	if (fd >= 0)
		begin_lending(o->run, self, *pid);
	return fd;
}

static void
add_quoted(FILE *f, const char *s)
{
	fputc('\'', f);
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", f);
		else
			fputc(*s, f);
	}
	fputc('\'', f);
}

/* Setup and its variables are in a script that is mounted, and so are not in the image that is kept. */
static int
write_script(const struct order *o, const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return -1;
	fputs("mkdir -p /.furrow/work && cd /.furrow/work || exit\n", f);
	fputs("cp -R /.furrow/source/. . || exit\n", f);
	for (char **v = o->setup_vars; *v; v++) {
		size_t n = strcspn(*v, "=");

		fprintf(f, "export %.*s=", (int)n, *v);
		add_quoted(f, (*v)[n] ? *v + n + 1 : "");
		fputc('\n', f);
	}
	fputs("exec /bin/sh -c ", f);
	add_quoted(f, o->setup);
	fputc('\n', f);
	return fclose(f);
}

static int
keep(const struct order *o, const char *container, const char *image)
{
	const char *const words[] = {"commit", container, image, NULL};
	char said[HOST_SAID_BYTES];
	int status = host_engine(o, said, sizeof(said), words);

	if (status == 0)
		return 0;
	fprintf(stderr,
		"furrow-runner: keeping what environment.setup changed: %s (exit status %d)\n",
		said, status);
	return -1;
}

static const char *
tail_of(const char *said, size_t most)
{
	size_t n = strlen(said);

	return n > most ? said + n - most : said;
}

/* In a container that stays until it was committed. */
static int
set_up(const struct order *o, const char *files, const char *script, const char *kept,
	struct prepared_words *how)
{
	char image[NAME_BYTES], said[HOST_SAID_BYTES];
	struct words w = {.n = 0};
	int status;

	begin(&w, o, "-setup");
	w.v[1] = "--init=false";
	add_mount(&w, files, "/.furrow/source", false);
	add_mount(&w, script, setup_place, false);
	add_two(&w, "--entrypoint", "/bin/sh");
	host_image_name(image, o->image_id);
	add_two(&w, image, setup_place);
	remove_container(w.name);
	status = host_engine(o, said, sizeof(said), w.v);
	if (status == 0)
		status = keep(o, w.name, kept);
	else
		snprintf(how->why, sizeof(how->why),
			"environment.setup ended with status %d in a container of image %.300s; it "
			"said last:\n%.512s",
			status, o->image, tail_of(said, 512));
	if (status != 0)
		fprintf(stderr, "%s\n", how->why);
	remove_container(w.name);
	return status == 0 ? 0 : -1;
}

static int
run_setup(const struct order *o, const char *kept, struct prepared_words *how)
{
	char folder[HOST_PATH_BYTES], files[PLACE_BYTES], script[PLACE_BYTES];
	int rc = -1;

	if (!run_folder(folder, o->run))
		return -1;
	snprintf(files, sizeof(files), "%s/setup", folder);
	snprintf(script, sizeof(script), "%s/setup-script", folder);
	if ((mkdir(folder, 0755) != 0 && errno != EEXIST) ||
		(mkdir(files, 0755) != 0 && errno != EEXIST) || write_script(o, script) != 0)
		fprintf(stderr, "furrow-runner: cannot write into %s: %s\n", folder,
			strerror(errno));
	else if (note_container(o->run) == 0 && host_copy_setup_files(o, files) == 0)
		rc = set_up(o, files, script, kept, how);
	unlink(script);
	if (note_path(script, o->run)) /* its container is gone */
		unlink(script);
	return rc;
}

int
host_container_setup(const struct order *o, struct prepared_words *how)
{
	char kept[NAME_BYTES], why[sizeof(how->why) / 2];

	if (!o->setup[0])
		return 0;
	host_env_name(kept, o->env_id);
	if (host_image_begin(o) != 0)
		return -1;
	if (host_image_is_there(o, kept))
		return 0;
	if (o->share_url[0] && !o->build_file[0]) {
		if (host_image_fetch(o, kept, why, sizeof(why)) == 0) {
			how->how = PREPARED_FETCHED;
			return 0;
		}
		snprintf(how->why, sizeof(how->why), "not fetched: %s", why);
	}
	if (!o->build_file[0] && host_image(o, how) != 0)
		return -1;
	if (run_setup(o, kept, how) != 0) {
		how->how = PREPARED_FAILED;
		return -1;
	}
	how->how = PREPARED_RAN;
	return 0;
}
