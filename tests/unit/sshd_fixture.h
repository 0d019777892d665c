/* sshd_fixture: a real sshd on a port of loopback, as the current user, with a configuration of its own
 * in a folder under /tmp; and hosts that are started and waited for. */
#ifndef FURROW_TESTS_SSHD_FIXTURE_H
#define FURROW_TESTS_SSHD_FIXTURE_H

#include "planner/base/clock.h"
#include "providers/host/ssh.h"
#include "providers/host/ssh_key.h"
#include "providers/state_dir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SSHD "/usr/sbin/sshd"

struct sshd {
	char folder[64];
	pid_t pid;
	uint16_t port;
	char user[64];
	struct ssh_key host, caller;
};

static inline int64_t
now_ns(void)
{
	return clock_system()->now_ns(NULL);
}

static inline void
sleep_ms(long ms)
{
	usleep((useconds_t)ms * 1000);
}

/* A port that was free a moment ago; *fd listens there when it isn't NULL. */
static inline uint16_t
free_port(int *fd)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) != 0 ||
		getsockname(s, (struct sockaddr *)&a, &n) != 0 || (fd && listen(s, 512) != 0))
		abort();
	if (fd)
		*fd = s;
	else
		close(s);
	return ntohs(a.sin_port);
}

static inline void
sshd_write(const struct sshd *d, const char *name, const char *mode, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", d->folder, name);
	f = fopen(path, mode);
	if (!f || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, 0600) != 0)
		abort();
}

static inline void
sshd_file(const struct sshd *d, const char *name, const char *text)
{
	sshd_write(d, name, "w", text);
}

static inline bool
sshd_is_there(void)
{
	return access(SSHD, X_OK) == 0;
}

static inline bool
sshd_listens(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool there = connect(s, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(s);
	return there;
}

/* Starts it at d->port; its files are there already. */
static inline bool
sshd_run(struct sshd *d)
{
	char config[128], log[128];

	snprintf(config, sizeof(config), "%s/config", d->folder);
	snprintf(log, sizeof(log), "%s/log", d->folder);
	d->pid = fork();
	if (d->pid == 0) {
		setsid();
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a time limit ends the test */
		execl(SSHD, SSHD, "-D", "-E", log, "-f", config, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && d->pid > 0; i++) {
		if (sshd_listens(d->port))
			return true;
		if (waitpid(d->pid, NULL, WNOHANG) == d->pid)
			break;
		sleep_ms(10);
	}
	return false;
}

/* Makes keys and configuration; `more` are lines of sshd_config. A home of its own: the user's bash would
 * read the user's .bashrc there, which may take seconds. */
static inline void
sshd_prepare(struct sshd *d, const char *more)
{
	const struct passwd *me = getpwuid(getuid());
	char text[2048];
	struct error err;

	*d = (struct sshd){.folder = "/tmp/furrow-sshd-XXXXXX"};
	if (!me || !mkdtemp(d->folder) || ssh_key_make(&d->host, &err) != 0 ||
		ssh_key_make(&d->caller, &err) != 0)
		abort();
	/* Debian's sshd wants it, and only its service makes it. */
	if (getuid() == 0)
		mkdir("/run/sshd", 0755);
	snprintf(d->user, sizeof(d->user), "%s", me->pw_name);
	d->port = free_port(NULL);
	sshd_file(d, "host", d->host.private_key);
	sshd_file(d, "authorized", d->caller.public_key);
	snprintf(text, sizeof(text),
		"%sListenAddress 127.0.0.1:%u\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\n"
		"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
		"KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
		"PermitUserRC no\nPrintMotd no\nUseDNS no\nSetEnv HOME=%s\n",
		more, d->port, d->folder, d->folder, d->folder);
	sshd_file(d, "config", text);
}

static inline bool
sshd_start(struct sshd *d, const char *more)
{
	sshd_prepare(d, more);
	return sshd_run(d);
}

/* Ends it and the connections it has. */
static inline void
sshd_kill(struct sshd *d)
{
	if (d->pid <= 0)
		return;
	kill(-d->pid, SIGKILL);
	kill(d->pid, SIGKILL);
	waitpid(d->pid, NULL, 0);
	d->pid = 0;
}

/* A connection that was just taken may open the log anew, behind the removal: then once more. */
static inline void
sshd_end(struct sshd *d)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	struct error err;
	int rc = ERR_HOST;

	sshd_kill(d);
	for (int i = 0; rc < 0 && i < 500; i++) {
		rc = state_remove_tree(d->folder, &err);
		if (rc < 0)
			nanosleep(&pause, NULL);
	}
	if (rc < 0)
		abort();
}

static inline struct ssh_wish
sshd_wish(const struct sshd *d, const char *command)
{
	return (struct ssh_wish){.address = STR("127.0.0.1"),
		.port = d->port,
		.user = str_from(d->user),
		.private_key = str_from(d->caller.private_key),
		.host_key = str_from(d->host.public_key),
		.command = str_from(command),
		.wait_ns = -1,
		.handshake_ns = 20 * NS_PER_S};
}

#endif
