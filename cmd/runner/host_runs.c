/* host_runs: the runners of runs on this host: whether they live, starting one, ending those that
 * nobody will come back to. A run lives when the process that its file names does. */
#include "cmd/runner/host.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/dir.h"
#include "cmd/runner/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	STEP_MS = 5,
	OPEN_STEPS = 2000,
	TERM_STEPS = 2000,
	KILL_STEPS = 1000,
	NOT_STARTED = 126 /* exit status of one that has told why it did not become the runner */
};

static void
pause_step(void)
{
	const struct timespec t = {.tv_nsec = STEP_MS * 1000000L};

	nanosleep(&t, NULL);
}

/* Its runner's pid; 0: it has none that lives. */
static pid_t
pid_of(const char *run)
{
	char path[HOST_PATH_BYTES], text[64];
	uint64_t start = 0;
	struct proc now;
	int pid = 0, fd;
	ssize_t n;

	fd = host_path(path, "/run/furrow/runs/%s", run) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%d %" SCNu64, &pid, &start) != 2 || pid <= 0)
		return 0;
	return proc_read(pid, &now) && !now.zombie && now.start == start ? pid : 0;
}

bool
host_run_lives(const char *run)
{
	return pid_of(run) != 0;
}

/* Processes that a killed runner has left. */
static void
kill_left(const char *run)
{
	struct proc_list all;
	char of[256];

	proc_all(&all);
	for (size_t i = 0; i < all.n; i++) {
		if (all.v[i].pid != getpid() &&
			proc_variable(all.v[i].pid, "FURROW_RUN", of, sizeof(of)) &&
			strcmp(of, run) == 0)
			kill(all.v[i].pid, SIGKILL);
	}
	free(all.v);
}

static void
end_run(const char *run)
{
	pid_t pid = pid_of(run);

	if (host_has_container(run)) {
		host_container_end(run);
		return;
	}
	if (pid)
		kill(pid, SIGTERM);
	for (int i = 0; i < TERM_STEPS && pid_of(run); i++)
		pause_step();
	if (pid_of(run))
		kill(pid, SIGKILL);
	for (int i = 0; i < KILL_STEPS && pid_of(run); i++)
		pause_step();
	kill_left(run);
}

/* In the child: what belongs to a container's root is not ours to remove. */
static void
become_remover(const char *path)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0)
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
	execlp("sudo", "sudo", "-n", "rm", "-rf", "--one-file-system", path, (char *)NULL);
	_exit(127);
}

/* Removes an entry of a folder below the root, with all that is in it, whoever's that is. */
static void
remove_entry(const char *folder, const char *name)
{
	char path[HOST_PATH_BYTES];
	int fd =
		host_path(path, "%s", folder) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	pid_t pid;

	if (fd < 0)
		return;
	if (dir_remove(fd, name) != 0 && errno != ENOENT && geteuid() != 0 &&
		host_path(path, "%s/%s", folder, name)) {
		pid = fork();
		if (pid == 0)
			become_remover(path);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
	close(fd);
}

enum visit { END, REMOVE, PUT_AWAY, CLEAN };

struct others {
	const char *run;
	int fd;
	enum visit what;
};

/* So a folder is called that is to be removed; a run's name has no dot. */
static const char gone_suffix[] = ".gone";

static int
each_other(void *ctx, const char *name, unsigned char type)
{
	const struct others *o = ctx;
	const char *dot = strchr(name, '.');
	size_t n = dot ? (size_t)(dot - name) : strlen(name);
	char gone[NAME_MAX + 1];
	bool ours = strncmp(name, o->run, n) == 0 && o->run[n] == '\0';

	(void)type;
	if (o->what == CLEAN) {
		if (dot && strcmp(dot, gone_suffix) == 0)
			remove_entry("/var/lib/furrow/run", name);
	} else if (o->what == PUT_AWAY && !ours && !dot) {
		if (snprintf(gone, sizeof(gone), "%s%s", name, gone_suffix) < (int)sizeof(gone))
			renameat(o->fd, name, o->fd, gone);
	} else if (o->what == REMOVE && !ours) {
		dir_remove(o->fd, name);
	} else if (o->what == END && !ours && !dot) {
		end_run(name);
	}
	return 0;
}

static void
visit(const char *folder, const char *run, enum visit what)
{
	struct others o = {.run = run, .fd = -1, .what = what};
	char path[HOST_PATH_BYTES];

	if (host_path(path, "%s", folder))
		o.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o.fd < 0)
		return;
	dir_each(o.fd, each_other, &o);
	close(o.fd);
}

bool
host_detach(void)
{
	pid_t pid = fork();

	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (pid != 0)
		return false;
	if (setsid() < 0 || fork() != 0)
		_exit(0);
	close_range(0, ~0u, 0);
	for (int fd = 0; fd < 3; fd++)
		(void)open("/dev/null", O_RDWR); /* the lowest that is free */
	return true;
}

void
host_end_others(const char *run)
{
	visit("/run/furrow/runs", run, END);
	visit("/run/furrow/runs", run, REMOVE);
	/* Their folders may be large; while they are removed other runs may begin. */
	visit("/var/lib/furrow/run", run, PUT_AWAY);
	if (host_detach()) {
		visit("/var/lib/furrow/run", run, CLEAN);
		_exit(0);
	}
}

void
host_forget_run(const char *run)
{
	remove_entry("/run/furrow/runs", run);
	remove_entry("/var/lib/furrow/run", run);
}

int
host_dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd;

	if (n >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(a.sun_path, path, n + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* In the child: becomes the runner. It is not furrow's to end by closing the connection. */
static void
become_runner(const char *run, const char *sock)
{
	char self[HOST_PATH_BYTES], log[HOST_PATH_BYTES];
	char *argv[] = {"furrow-runner", "serve", "--listen", (char *)sock, NULL};
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int in = open("/dev/null", O_RDWR | O_CLOEXEC), err = -1;

	if (host_path(log, "/run/furrow/runs/%s.log", run))
		err = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (n <= 0 || in < 0 || err < 0 || setsid() < 0 || dup2(in, 0) < 0 || dup2(in, 1) < 0) {
		fprintf(stderr, "furrow-runner: starting the runner of %s: %s\n", run,
			strerror(errno));
		_exit(NOT_STARTED);
	}
	dup2(err, 2);
	self[n] = '\0';
	execv(self, argv);
	fprintf(stderr, "furrow-runner: starting %s: %s\n", self, strerror(errno));
	_exit(1);
}

static int
write_pid(const char *run, pid_t pid)
{
	char path[HOST_PATH_BYTES], line[64];
	struct proc now;
	int fd, n;

	if (!proc_read(pid, &now) || !host_path(path, "/run/furrow/runs/%s", run))
		return -1;
	n = snprintf(line, sizeof(line), "%d %" PRIu64 "\n", (int)pid, now.start);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	n = write(fd, line, (size_t)n) == n ? 0 : -1;
	close(fd);
	return n;
}

/* What the runner said before it ended. */
static void
tell_log(const char *run)
{
	char path[HOST_PATH_BYTES], text[2048];
	int fd = host_path(path, "/run/furrow/runs/%s.log", run) ? open(path, O_RDONLY | O_CLOEXEC)
								 : -1;
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));

	fprintf(stderr, "furrow-runner: the runner of %s did not start: %.*s\n", run,
		(int)(n > 0 ? n : 0), text);
	if (fd >= 0)
		close(fd);
}

static int
start_here(const char *run, const char *sock, pid_t *pid)
{
	int status = 0;

	*pid = fork();
	if (*pid == 0)
		become_runner(run, sock);
	if (*pid < 0) {
		fprintf(stderr, "furrow-runner: starting the runner of %s: %s\n", run,
			strerror(errno));
		return -1;
	}
	for (int i = 0; i < OPEN_STEPS; i++) {
		int fd = host_dial(sock);

		if (fd >= 0)
			return fd;
		if (waitpid(*pid, &status, WNOHANG) == *pid) {
			*pid = 0;
			break;
		}
		pause_step();
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != NOT_STARTED)
		tell_log(run);
	return -1;
}

static int
start(const struct order *o, const char *sock)
{
	char folder[HOST_PATH_BYTES];
	pid_t pid = 0;
	int fd;

	if (!host_path(folder, "/var/lib/furrow/run/%s", o->run) ||
		(mkdir(folder, 0755) != 0 && errno != EEXIST)) {
		fprintf(stderr, "furrow-runner: cannot make %s: %s\n", folder, strerror(errno));
		return -1;
	}
	fd = o->image[0] ? host_container_start(o, &pid) : start_here(o->run, sock, &pid);
	if (fd >= 0 && write_pid(o->run, pid) != 0) {
		fprintf(stderr, "furrow-runner: starting the runner of %s: %s\n", o->run,
			strerror(errno));
		close(fd);
		fd = -1;
	}
	if (fd < 0 && o->image[0])
		host_container_end(o->run);
	else if (fd < 0 && pid > 0)
		kill(pid, SIGKILL);
	return fd;
}

int
host_open_run(const struct order *o)
{
	char folder[HOST_PATH_BYTES], sock[HOST_PATH_BYTES];
	int fd;

	if (!host_path(folder, "/run/furrow/runs") ||
		!host_path(sock, "/run/furrow/runs/%s.sock", o->run) ||
		(o->image[0] && !host_container_door(sock, o->run)))
		return -1;
	if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
		fprintf(stderr, "furrow-runner: cannot make %s: %s\n", folder, strerror(errno));
		return -1;
	}
	if (!host_run_lives(o->run))
		return start(o, sock);
	fd = host_dial(sock);
	if (fd < 0)
		fprintf(stderr, "furrow-runner: the runner of %s lives, but %s: %s\n", o->run, sock,
			strerror(errno));
	return fd;
}
