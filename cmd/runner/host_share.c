/* host_share: what `environment.setup` left on one host of a fleet, for all others: packed, compressed and put
 * to furrow's store; or fetched from there, checked, and unpacked. Another host's work is never waited for
 * here: furrow tells a host when there is something to be fetched. */
#include "cmd/runner/host.h"

#include "cmd/runner/tree.h"
#include "cmd/runner/upload_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 5, SHA256_HEX = 64, PUT_URL_BYTES = 16 << 10 };

/* Of the disk, for others, when all is there. */
static const uint64_t spare_bytes = UINT64_C(64) << 20;
/* What S3 takes as one body. */
static const uint64_t put_max_bytes = UINT64_C(5) << 30;

static const char marker[] = ".furrow-ready";

static int __attribute__((format(printf, 3, 4))) say(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return -1;
}

static bool
go_on(void *ctx)
{
	const struct order *o = ctx;

	host_lease_renew(o->lease_s, 0);
	return !host_is_left();
}

/* The program's stdin and stdout are these; its stderr is ours. -1: there is no process. */
static pid_t
start(char *const *argv, int in_fd, int out_fd)
{
	char *env[] = {(char *)"PATH=/usr/local/bin:/usr/bin:/bin", (char *)"LC_ALL=C", NULL};
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGPIPE, SIG_DFL);
		if (dup2(in_fd, 0) >= 0 && dup2(out_fd, 1) >= 0)
			execvpe(argv[0], argv, env);
		_exit(127);
	}
	if (pid > 0)
		setpgid(pid, pid);
	return pid;
}

/* A child that is to end: it reads what is at its end, or writes to nobody any more. */
static int
end_of(const struct order *o, pid_t pid)
{
	return pid < 0 ? 127 : host_wait_for(pid, o->lease_s);
}

/* In hex; from the file's beginning on. */
static int
sha256_of(const struct order *o, int fd, char out[SHA256_HEX + 1])
{
	char *argv[] = {(char *)"sha256sum", NULL};
	size_t n = 0;
	int pipe_fd[2], status;

	if (lseek(fd, 0, SEEK_SET) != 0 || pipe2(pipe_fd, O_CLOEXEC) != 0)
		return -1;
	status = end_of(o, start(argv, fd, pipe_fd[1])); /* a line is no more than a pipe holds */
	close(pipe_fd[1]);
	while (n < SHA256_HEX) {
		ssize_t got = read(pipe_fd[0], out + n, SHA256_HEX - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(pipe_fd[0]);
	out[n] = '\0';
	return status == 0 && strspn(out, "0123456789abcdef") == SHA256_HEX ? 0 : -1;
}

/* A file without a name beside the folder, that is the size of what setup left. */
static int
open_file(char *why, size_t size)
{
	char path[HOST_PATH_BYTES];
	int fd = host_path(path, "/var/lib/furrow/env")
			 ? open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
			 : -1;

	if (fd < 0)
		say(why, size, "cannot make a file in %s: %s", path, strerror(errno));
	return fd;
}

/* The folder through gzip into the file; *tar_bytes: before that. */
static int
pack(const struct order *o, int fd, uint64_t *tar_bytes, char *why, size_t size)
{
	char *argv[] = {(char *)"gzip", (char *)"-n1", NULL};
	char dir[HOST_PATH_BYTES];
	struct tree t = {.place = dir, .marker = marker, .go_on = go_on, .ctx = (void *)o};
	int pipe_fd[2], rc = -1, status;
	int dir_fd = host_path(dir, "/var/lib/furrow/env/%s", o->env_id)
			     ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			     : -1;
	pid_t pid;

	if (dir_fd < 0 || pipe2(pipe_fd, O_CLOEXEC) != 0) {
		say(why, size, "cannot pack %s: %s", dir, strerror(errno));
		goto out;
	}
	pid = start(argv, pipe_fd[0], fd);
	close(pipe_fd[0]);
	rc = tree_pack(&t, dir_fd, pipe_fd[1]);
	close(pipe_fd[1]);
	status = end_of(o, pid);
	*tar_bytes = t.bytes;
	if (rc != 0)
		say(why, size, "%s", t.why);
	else if (status != 0)
		rc = say(why, size, "gzip ended with status %d", status);
out:
	if (dir_fd >= 0)
		close(dir_fd);
	return rc;
}

/* Furrow's answer to the offer: a URL, or "": it is to be kept here. */
static int
ask(uint64_t bytes, uint64_t tar_bytes, const char *sha256, char url[PUT_URL_BYTES + 1])
{
	uint8_t payload[128], *at = put_u8(payload, OFFER_SETUP), *block;
	struct fields f;
	struct frame frame;
	struct str said;
	int rc = -1;

	at = put_u64(at, bytes);
	at = put_u64(at, tar_bytes);
	at = put_str(at, (struct str){.p = sha256, .n = strlen(sha256)});
	if (host_say(FRAME_OFFER, payload, (size_t)(at - payload)) != 0)
		return -1;
	if (host_read_frame(&frame, &block) > 0 && frame.type == FRAME_PUT) {
		f = (struct fields){.rest = frame.payload};
		rc = field_u8(&f) == OFFER_SETUP ? 0 : -1;
		said = field_str(&f);
		if (f.bad || (said.n && !upload_child_takes(said)))
			rc = -1;
		if (rc == 0)
			snprintf(url, PUT_URL_BYTES + 1, "%.*s", STR_ARG(said));
	}
	free(block);
	return rc;
}

/* 1: it is there; 0: again; -1. */
static int
try_to_put(const struct order *o, int fd, const char *url, char *why, size_t size)
{
	struct upload_said said = {0};
	struct rlimit files;
	const char *what;
	int said_fd, status = 0;
	pid_t pid;

	getrlimit(RLIMIT_NOFILE, &files);
	pid = upload_child_send(fd, url, &files, &said_fd, &what);
	if (pid < 0)
		return say(why, size, "%s: %s", what, strerror(errno));
	while (waitpid(pid, &status, WNOHANG) == 0) {
		const struct timespec step = {.tv_nsec = 20 * 1000000L};

		if (!go_on((void *)o))
			kill(pid, SIGKILL);
		nanosleep(&step, NULL);
	}
	upload_child_said(said_fd, status, &said);
	close(said_fd);
	if (said.http == 200)
		return 1;
	say(why, size, "it could not be put into the store: %s", said.words);
	return said.http == 0 || said.http >= 500 || said.http == 408 || said.http == 429 ? 0 : -1;
}

static int
put_file(const struct order *o, int fd, const char *url, char *why, size_t size)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < TRIES && go_on((void *)o); i++) {
		if (i)
			sleep(1u << (i - 1));
		rc = try_to_put(o, fd, url, why, size);
	}
	return rc > 0 ? 0 : -1;
}

/* A file that is compressed. */
static int
offer(const struct order *o, int fd, uint64_t tar_bytes, char *why, size_t size)
{
	char sha256[SHA256_HEX + 1], url[PUT_URL_BYTES + 1];
	uint8_t placed[16], *at = put_u8(placed, OFFER_SETUP);
	struct stat st;

	if (fstat(fd, &st) != 0 || sha256_of(o, fd, sha256) != 0)
		return say(why, size, "sha256sum does not work on it");
	if ((uint64_t)st.st_size > put_max_bytes)
		return say(why, size,
			"packed it is %lld bytes, and the store takes no more than %llu",
			(long long)st.st_size, (unsigned long long)put_max_bytes);
	if (ask((uint64_t)st.st_size, tar_bytes, sha256, url) != 0 || !url[0])
		return say(why, size, "furrow did not say where to put it");
	if (put_file(o, fd, url, why, size) != 0)
		return -1;
	at = put_u64(at, (uint64_t)st.st_size);
	return host_say(FRAME_PLACED, placed, (size_t)(at - placed));
}

int
host_share_offer_file(const struct order *o, int fd, char *why, size_t size)
{
	char *argv[] = {(char *)"gzip", (char *)"-n1", NULL};
	int packed = open_file(why, size), status, rc = -1;
	struct stat st;

	if (packed < 0)
		return -1;
	status = fstat(fd, &st) == 0 && lseek(fd, 0, SEEK_SET) == 0
			 ? end_of(o, start(argv, fd, packed))
			 : 127;
	if (status != 0)
		say(why, size, "gzip ended with status %d", status);
	else
		rc = offer(o, packed, (uint64_t)st.st_size, why, size);
	close(packed);
	return rc;
}

int
host_share_offer(const struct order *o, char *why, size_t size)
{
	uint64_t tar_bytes;
	int fd, rc = -1;

	fd = open_file(why, size);
	if (fd >= 0 && pack(o, fd, &tar_bytes, why, size) == 0)
		rc = offer(o, fd, tar_bytes, why, size);
	if (fd >= 0)
		close(fd);
	return rc;
}

static bool
has_room(const struct order *o, const char *dir)
{
	struct statvfs fs;

	return statvfs(dir, &fs) != 0 ||
	       (o->share_bytes < UINT64_MAX / 4 && o->share_tar_bytes < UINT64_MAX / 4 &&
		       (uint64_t)fs.f_bavail * fs.f_frsize >=
			       o->share_bytes + o->share_tar_bytes + spare_bytes);
}

/* The file is what furrow says it is, or it is not looked into. */
static int
check(const struct order *o, int fd, char *why, size_t size)
{
	char sha256[SHA256_HEX + 1];
	struct stat st;

	if (fstat(fd, &st) != 0 || (uint64_t)st.st_size != o->share_bytes)
		return say(why, size, "what the store has is %lld bytes long, not %llu: refused",
			(long long)st.st_size, (unsigned long long)o->share_bytes);
	if (sha256_of(o, fd, sha256) != 0 || strcmp(sha256, o->share_sha256) != 0)
		return say(why, size,
			"what the store has is not what was put there, by its SHA-256: refused");
	return lseek(fd, 0, SEEK_SET) == 0 ? 0 : -1;
}

static int
unpack(const struct order *o, int fd, const char *dir, char *why, size_t size)
{
	char *argv[] = {(char *)"gzip", (char *)"-dc", NULL};
	struct tree t = {.place = dir, .marker = marker, .go_on = go_on, .ctx = (void *)o};
	int pipe_fd[2], rc, dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid;

	if (dir_fd < 0 || pipe2(pipe_fd, O_CLOEXEC) != 0) {
		rc = say(why, size, "cannot unpack into %s: %s", dir, strerror(errno));
		goto out;
	}
	pid = start(argv, fd, pipe_fd[1]);
	close(pipe_fd[1]);
	rc = tree_unpack(&t, dir_fd, pipe_fd[0], o->share_tar_bytes);
	close(pipe_fd[0]);
	if (rc != 0 && pid > 0)
		kill(pid, SIGKILL); /* a bomb would go on for long */
	(void)end_of(o, pid);
	if (rc != 0)
		say(why, size, "unpacking it: %s", t.why);
out:
	if (dir_fd >= 0)
		close(dir_fd);
	return rc;
}

/* A descriptor of what was fetched and is what furrow said, without a name. */
static int
fetch_packed(const struct order *o, const char *path, char *why, size_t size)
{
	char dir[HOST_PATH_BYTES];
	int fd = -1, status;

	why[0] = '\0';
	if (host_path(dir, "/var/lib/furrow") && !has_room(o, dir))
		return say(why, size, "there is no room on the disk for %llu bytes",
			(unsigned long long)o->share_tar_bytes);
	status = host_fetch(o, o->share_url, path);
	if (status == 0)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	unlink(path);
	if (fd < 0)
		return say(why, size, "fetching it ended with status %d", status);
	if (check(o, fd, why, size) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Moves what comes in to out, if it is just so many bytes. */
static int
take(const struct order *o, int in, int out, uint64_t bytes, char *why, size_t size)
{
	static char chunk[256 << 10];
	ssize_t n;

	while ((n = read(in, chunk, sizeof(chunk))) > 0) {
		if ((uint64_t)n > bytes)
			return say(why, size,
				"it unpacks to more than the %llu bytes that were announced: "
				"refused",
				(unsigned long long)o->share_tar_bytes);
		bytes -= (uint64_t)n;
		for (ssize_t at = 0; at < n;) {
			ssize_t done = write(out, chunk + at, (size_t)(n - at));

			if (done < 0 && errno != EINTR)
				return say(why, size, "writing it: %s", strerror(errno));
			at += done > 0 ? done : 0;
		}
		if (!go_on((void *)o))
			return say(why, size, "nobody waits for it any more");
	}
	return n == 0 && bytes == 0 ? 0 : say(why, size, "it is cut short");
}

static int
inflate(const struct order *o, int fd, const char *path, char *why, size_t size)
{
	char *argv[] = {(char *)"gzip", (char *)"-dc", NULL};
	int pipe_fd[2], rc, out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	pid_t pid;

	if (out < 0 || pipe2(pipe_fd, O_CLOEXEC) != 0) {
		rc = say(why, size, "cannot make %s: %s", path, strerror(errno));
		goto out;
	}
	pid = start(argv, fd, pipe_fd[1]);
	close(pipe_fd[1]);
	rc = take(o, pipe_fd[0], out, o->share_tar_bytes, why, size);
	close(pipe_fd[0]);
	if (rc != 0 && pid > 0)
		kill(pid, SIGKILL);
	(void)end_of(o, pid);
out:
	if (out >= 0)
		close(out);
	return rc;
}

int
host_share_fetch_file(const struct order *o, const char *path, char *why, size_t size)
{
	int rc, fd = fetch_packed(o, path, why, size);

	if (fd < 0)
		return -1;
	rc = inflate(o, fd, path, why, size);
	close(fd);
	if (rc != 0)
		unlink(path);
	return rc;
}

int
host_share_fetch(const struct order *o, const char *dir, char *why, size_t size)
{
	char path[HOST_PATH_BYTES];
	int fd, rc;

	if (!host_path(path, "/var/lib/furrow/env/%s.%d.tar.gz", o->env_id, (int)getpid()))
		return say(why, size, "its path is too long");
	fd = fetch_packed(o, path, why, size);
	if (fd < 0)
		return -1;
	rc = unpack(o, fd, dir, why, size);
	close(fd);
	return rc;
}
