/* host_prepare: what a run stands on: the source, which the host fetches by itself while it boots
 * or, when it is warm, now; and what `environment.setup` makes, once for each identity. */
#include "cmd/runner/host.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/dir.h"
#include "cmd/runner/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	STEP_MS = 20,
	TAIL_BYTES = 2048,
	VARIABLE_BYTES = HOST_PATH_BYTES + 128,
	/* The boot's own fetching is given so long; then both are at it, and either may win. */
	BOOT_FETCH_STEPS = 300 * 1000 / STEP_MS
};

static const char clean_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* As user_data.c's, for what the host was not launched with. The URL is in the environment, where other
 * users don't see it. */
static const char fetch_file[] =
	"if command -v curl >/dev/null; then\n"
	"	printf 'url = \"%s\"\n' \"$URL\" | curl -K - -gfsS --retry 6 --retry-connrefused "
	"\\\n"
	"		--connect-timeout 5 --speed-limit 1000 --speed-time 20 -o \"$1\"\n"
	"else\n"
	"	python3 -c 'import os, shutil, sys, urllib.request as r\n"
	"try:\n"
	"	shutil.copyfileobj(r.urlopen(os.environ[\"URL\"], timeout=20), open(sys.argv[1], "
	"\"wb\"))\n"
	"except Exception as e:\n"
	"	sys.exit(str(e))' \"$1\"\n"
	"fi || exit\n";
static const char unpack_source[] =
	"rm -rf \"$1\".*.partial\n"
	"trap 'rm -rf \"$1.$$.partial\"' EXIT && mkdir \"$1.$$.partial\" || exit\n"
	"tar -xzf \"$2\" --no-same-owner -C \"$1.$$.partial\" &&\n"
	"	find \"$1.$$.partial\" -type f -exec chmod a-w '{}' + &&\n"
	"	{ sync -f \"$1.$$.partial\" || sync; } || exit\n"
	"mv -T \"$1.$$.partial\" \"$1\" || [ -d \"$1\" ]\n";

static void
pause_step(void)
{
	const struct timespec t = {.tv_nsec = STEP_MS * 1000000L};

	nanosleep(&t, NULL);
}

/* The first line of a small file below the root; "" when there is none. */
static void
read_line(const char *name, char *out, size_t size)
{
	char path[HOST_PATH_BYTES];
	int fd = host_path(path, "%s", name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

/* Whether that is one of the things of which boot.err says that they failed. */
static bool
boot_failed(const char *what)
{
	char path[HOST_PATH_BYTES], text[4096], *rest = text, *line;
	int fd = host_path(path, "/run/furrow/boot.err") ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	bool failed = false;

	text[n > 0 ? n : 0] = '\0';
	while ((line = strsep(&rest, "\n")))
		failed |= strncmp(line, what, strlen(what)) == 0;
	if (fd >= 0)
		close(fd);
	return failed;
}

bool
host_boot_fetches(const char *what, const char *id)
{
	char name[64], text[128];
	long pid;

	snprintf(name, sizeof(name), "/run/furrow/%s.id", what);
	read_line(name, text, sizeof(text));
	snprintf(name, sizeof(name), "%s: ", what);
	/* What the script was told may be good no more; the order's URL is fresh. */
	if ((id && strcmp(text, id) != 0) || boot_failed(name))
		return false;
	snprintf(name, sizeof(name), "/run/furrow/get_%s.pid", what);
	read_line(name, text, sizeof(text));
	pid = strtol(text, NULL, 10);
	/* It is root's, so it cannot be signalled: EPERM. */
	return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

int
host_wait_for(pid_t pid, uint32_t lease_s)
{
	int status = 0;
	pid_t got;

	while ((got = waitpid(pid, &status, WNOHANG)) == 0) {
		if (host_is_left()) {
			if (kill(-pid, SIGKILL) == 0)
				waitpid(pid, &status, 0);
			return 128 + SIGKILL;
		}
		pause_step();
		host_lease_renew(lease_s, 0);
		host_pass_notices();
	}
	if (got < 0)
		return 127; /* how it ended is not known: not well, then */
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* With two arguments; its exit status. */
static int
run_script(const struct order *o, const char *script, const char *one, const char *two,
	const char *url)
{
	size_t url_n = strlen("URL=") + strlen(url) + 1;
	char *variable = must_alloc(url_n);
	char *argv[] = {"/bin/sh", "-c", (char *)script, "sh", (char *)one, (char *)two, NULL};
	char *env[] = {(char *)"PATH=/usr/local/bin:/usr/bin:/bin", variable, NULL};
	int status;
	pid_t pid;

	snprintf(variable, url_n, "URL=%s", url);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGPIPE, SIG_DFL);
		dup2(2, 1);
		execve(argv[0], argv, env);
		_exit(127);
	}
	setpgid(pid, pid);
	status = pid < 0 ? 127 : host_wait_for(pid, o->lease_s);
	free(variable);
	return status;
}

int
host_fetch(const struct order *o, const char *url, const char *path)
{
	return run_script(o, fetch_file, path, "", url);
}

void
host_await_boot(const struct order *o, const char *what, const char *id, const char *path)
{
	for (int i = 0; i < BOOT_FETCH_STEPS && (!path || access(path, F_OK) != 0) &&
			host_boot_fetches(what, id) && !host_is_left();
		i++) {
		pause_step();
		host_lease_renew(o->lease_s, 0);
		host_pass_notices();
	}
}

int
host_source(const struct order *o)
{
	char dir[HOST_PATH_BYTES], packed[HOST_PATH_BYTES];
	int status;

	if (!o->source_id[0])
		return 0;
	if (!host_path(dir, "/var/lib/furrow/source/%s", o->source_id) ||
		!host_path(
			packed, "/var/lib/furrow/source/%s.%d.tar.gz", o->source_id, (int)getpid()))
		return -1;
	host_await_boot(o, "source", o->source_id, dir);
	if (access(dir, F_OK) == 0)
		return 0;
	status = host_fetch(o, o->source_url, packed);
	if (status == 0)
		status = run_script(o, unpack_source, dir, packed, "");
	unlink(packed);
	if (status == 0)
		return 0;
	fprintf(stderr, "furrow-runner: the source could not be fetched (status %d)\n", status);
	return -1;
}

static int
copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1, rc = -1;
	struct stat st;
	ssize_t n = 1;

	if (in >= 0 && fstat(in, &st) == 0)
		out = open(
			to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (st.st_mode & 0777) | 0200);
	while (out >= 0 && n > 0)
		n = sendfile(out, in, NULL, INT_MAX / 2);
	if (out >= 0 && n == 0)
		rc = close(out);
	else if (out >= 0)
		close(out);
	if (in >= 0)
		close(in);
	return rc;
}

int
host_copy_setup_files(const struct order *o, const char *dir)
{
	char from[HOST_PATH_BYTES], to[HOST_PATH_BYTES];

	for (char **f = o->setup_files; *f; f++) {
		if (!host_path(from, "/var/lib/furrow/source/%s/%s", o->source_id, *f) ||
			snprintf(to, sizeof(to), "%s/%s", dir, *f) >= (int)sizeof(to))
			return -1;
		for (char *at = to + strlen(dir) + 1; (at = strchr(at, '/')); at++) {
			*at = '\0';
			(void)mkdir(
				to, 0755); /* what is wrong with it shows when the file is made */
			*at = '/';
		}
		if (copy_file(from, to) != 0) {
			fprintf(stderr, "furrow-runner: cannot copy %s to %s: %s\n", from, to,
				strerror(errno));
			return -1;
		}
	}
	return 0;
}

static char **
setup_environment(const struct order *o, const char *dir)
{
	size_t n = 0, at = 0;
	char **env;

	while (o->setup_vars[n])
		n++;
	/* Room for our own, in the same block; what the manifest's env says comes last: it wins. */
	env = must_alloc((n + 6) * sizeof(*env) + 5 * (size_t)VARIABLE_BYTES);
	for (size_t i = 0; i < 5; i++)
		env[i] = (char *)(env + n + 6) + i * VARIABLE_BYTES;
	snprintf(env[at++], VARIABLE_BYTES, "PATH=%s/bin:%s", dir, clean_path);
	snprintf(env[at++], VARIABLE_BYTES, "LANG=C.UTF-8");
	snprintf(env[at++], VARIABLE_BYTES, "FURROW_ENV=%s", dir);
	snprintf(env[at++], VARIABLE_BYTES, "FURROW_RUN=%s", o->run);
	snprintf(env[at++], VARIABLE_BYTES, "HOME=%s", dir);
	for (size_t i = 0; i < n; i++) {
		size_t name_n = strcspn(o->setup_vars[i], "=") + 1, at_same = at;

		for (size_t e = 0; e < at; e++) {
			if (strncmp(env[e], o->setup_vars[i], name_n) == 0)
				at_same = e;
		}
		env[at_same] = o->setup_vars[i];
		at += at_same == at;
	}
	return env;
}

/* What setup said last goes to both, since what is left of a connection may be either. */
static void
tell_tail(const char *log, int status, struct prepared_words *how)
{
	char text[TAIL_BYTES + 1];
	int fd = open(log, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	const char *shown = text;
	ssize_t n = 0;

	if (fd >= 0)
		n = pread(fd, text, TAIL_BYTES, size > TAIL_BYTES ? size - TAIL_BYTES : 0);
	text[n > 0 ? n : 0] = '\0';
	if (size > TAIL_BYTES)
		shown = text_tail(text, TAIL_BYTES - 1);
	fprintf(stderr,
		"environment.setup ended with status %d; it said last:\n%s\n(all of it: %s on the "
		"host)\n",
		status, shown, log);
	snprintf(how->why, sizeof(how->why),
		"environment.setup ended with status %d; it said last:\n%.512s\n(all of it: %.300s "
		"on the "
		"host)",
		status, text_tail(shown, 512), log);
	if (fd >= 0)
		close(fd);
}

static int
run_setup(const struct order *o, const char *dir, const char *log)
{
	char *argv[] = {"/bin/sh", "-c", o->setup, NULL}, **env = setup_environment(o, dir);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int in = open("/dev/null", O_RDONLY);
		int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);

		setpgid(0, 0);
		signal(SIGPIPE, SIG_DFL);
		if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
			chdir(dir) != 0)
			_exit(127);
		execve(argv[0], argv, env);
		_exit(127);
	}
	setpgid(pid, pid);
	status = pid < 0 ? 127 : host_wait_for(pid, o->lease_s);
	free(env);
	return status;
}

/* The marker, written last, says that it is whole. */
static int
mark_ready(const char *dir)
{
	char marker[HOST_PATH_BYTES];
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fd >= 0 && syncfs(fd) == 0;

	if (fd >= 0)
		close(fd);
	if (!synced ||
		snprintf(marker, sizeof(marker), "%s/.furrow-ready", dir) >= (int)sizeof(marker))
		return -1;
	fd = open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd >= 0 ? close(fd) : -1;
}

/* An empty folder, also where a setup that did not end has left something. */
static int
make_anew(const struct order *o, const char *dir)
{
	char root[HOST_PATH_BYTES];
	int fd = host_path(root, "/var/lib/furrow/env")
			 ? open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			 : -1;
	int rc = 0;

	if (fd < 0 || (dir_remove(fd, o->env_id) != 0 && errno != ENOENT) ||
		mkdir(dir, 0755) != 0) {
		fprintf(stderr, "furrow-runner: cannot make %s anew: %s\n", dir, strerror(errno));
		rc = -1;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

static int
make_setup(const struct order *o, const char *dir, struct prepared_words *how)
{
	char log[HOST_PATH_BYTES];
	int status;

	if (!host_path(log, "/var/lib/furrow/env/%s.log", o->env_id) ||
		host_copy_setup_files(o, dir) != 0)
		return -1;
	status = run_setup(o, dir, log);
	if (status != 0)
		tell_tail(log, status, how);
	return status == 0 ? 0 : -1;
}

static int
fetch_setup(const struct order *o, const char *dir, struct prepared_words *how)
{
	char why[sizeof(how->why) / 2];
	int rc = host_share_fetch(o, dir, why, sizeof(why));

	if (rc != 0)
		snprintf(how->why, sizeof(how->why), "not fetched: %s", why);
	return rc;
}

int
host_setup(const struct order *o, struct prepared_words *how)
{
	char dir[HOST_PATH_BYTES], ready[HOST_PATH_BYTES];
	int rc;

	how->how = PREPARED_THERE;
	if (!o->env_id[0])
		return 0;
	if (!host_path(dir, "/var/lib/furrow/env/%s", o->env_id) ||
		!host_path(ready, "/var/lib/furrow/env/%s/.furrow-ready", o->env_id))
		return -1;
	if (access(ready, F_OK) == 0)
		return 0;
	how->how = PREPARED_FAILED;
	rc = make_anew(o, dir);
	if (rc == 0 && o->share_url[0] && fetch_setup(o, dir, how) == 0) {
		how->how = PREPARED_FETCHED;
	} else if (rc == 0) {
		rc = o->share_url[0] ? make_anew(o, dir) : 0;
		if (rc == 0)
			rc = make_setup(o, dir, how);
		if (rc == 0)
			how->how = PREPARED_RAN;
	}
	if (rc == 0 && mark_ready(dir) != 0) {
		how->how = PREPARED_FAILED;
		fprintf(stderr, "furrow-runner: cannot write into %s: %s\n", dir, strerror(errno));
		rc = -1;
	}
	return rc;
}
