/* upload_child: packing in a fork, sending by curl or python3, the host's when they are lent. */
#include "cmd/runner/upload_child.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/child.h"
#include "cmd/runner/lend.h"
#include "cmd/runner/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PACK_BYTES = 256 << 10, SAID_BYTES = 64 << 10, URL_MAX_BYTES = 16 << 10 };

/* What curl reads on its stdin: the URL, the descriptor of the file. No redirects: a signature is
 * for one place. */
static const char curl_config[] = "url = \"%s\"\n"
				  "upload-file = \"/proc/self/fd/%d\"\n"
				  "proto = \"=http,https\"\n"
				  "globoff\n"
				  "path-as-is\n"
				  "silent\n"
				  "show-error\n"
				  "connect-timeout = 10\n"
				  "speed-limit = 1000\n"
				  "speed-time = 60\n"
				  "write-out = \"\\n%%{http_code}\"\n";

/* The same, for where there is no curl: Debian's images have but python3, for cloud-init. An answer
 * that comes before all was sent is read all the same. */
static const char python_input[] = "%s\n/proc/self/fd/%d\n";
static char python_script[] =
	"import http.client as h, os, sys\n"
	"from urllib.parse import urlsplit\n"
	"try:\n"
	"	url, path = sys.stdin.read().split()\n"
	"	u, f = urlsplit(url), open(path, 'rb')\n"
	"	c = h.HTTPSConnection if u.scheme == 'https' else h.HTTPConnection\n"
	"	c = c(u.netloc, timeout=60)\n"
	"	try:\n"
	"		c.request('PUT', u.path + '?' + u.query, f,\n"
	"			{'Content-Length': str(os.fstat(f.fileno()).st_size)})\n"
	"	except (BrokenPipeError, ConnectionResetError):\n"
	"		pass\n"
	"	a = c.getresponse()\n"
	"	print(a.read(4000).decode('ascii', 'replace'), a.status, sep='\\n')\n"
	"except Exception as e:\n"
	"	sys.exit('python3: ' + str(e))\n";

/* In the child: 0 or an errno. */
static int
pack_all(struct pack *p, int fd)
{
	static char chunk[PACK_BYTES];
	ssize_t n;

	while ((n = pack_read(p, chunk, sizeof(chunk))) > 0) {
		for (ssize_t at = 0; at < n;) {
			ssize_t done = write(fd, chunk + at, (size_t)(n - at));

			if (done < 0 && errno != EINTR)
				return errno;
			at += done > 0 ? done : 0;
		}
	}
	return n < 0 ? EIO : 0;
}

pid_t
upload_child_pack(int task_fd, int tar_fd, const char *outputs, const char *source)
{
	pid_t pid = child_fork(task_fd, tar_fd);

	if (pid != 0)
		return pid;
	setpgid(0, 0);
	_exit(pack_all(pack_open(task_fd, outputs, source), tar_fd));
}

bool
upload_child_takes(struct str url)
{
	for (size_t i = 0; i < url.n; i++) {
		if (url.p[i] <= ' ' || url.p[i] > '~' || url.p[i] == '"' || url.p[i] == '\\')
			return false;
	}
	return url.n <= URL_MAX_BYTES &&
	       (str_starts(url, STR("https://")) || str_starts(url, STR("http://")));
}

/* A file in memory with this text, to be read from its beginning; -1 with errno. */
static int
file_of(const char *text)
{
	int fd = memfd_create("upload", MFD_CLOEXEC);
	size_t n = strlen(text);

	if (fd >= 0 && (write(fd, text, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) != 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* For what a server answers and programs say: it cannot grow. */
static int
open_said(void)
{
	int fd = memfd_create("said", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && (ftruncate(fd, SAID_BYTES) != 0 ||
			       fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static pid_t
start(char *const *argv, const char *input, int said_fd, const struct rlimit *files,
	const char **what)
{
	const char *path = getenv("PATH");
	int input_fd = file_of(input), e;
	pid_t pid;

	*what = "preparing what an upload reads";
	if (input_fd < 0)
		return -1;
	pid = child_start(&(struct child_plan){.argv = argv,
				  .envp = environ,
				  .path = path,
				  .dir = "/",
				  .null_fd = input_fd,
				  .stdout_fd = said_fd,
				  .stderr_fd = said_fd,
				  .files = files},
		what);
	e = errno;
	close(input_fd);
	errno = e;
	return pid;
}

pid_t
upload_child_send(
	int tar_fd, const char *url, const struct rlimit *files, int *said_fd, const char **what)
{
	char number[16];
	char *curl[] = {(char[]){BORROW_RUNNER}, (char[]){"borrow"}, number, (char[]){"curl"},
		(char[]){"-q"}, (char[]){"--config"}, (char[]){"-"}, NULL};
	char *python[] = {(char[]){BORROW_RUNNER}, (char[]){"borrow"}, number, (char[]){"python3"},
		(char[]){"-I"}, (char[]){"-c"}, python_script, NULL};
	const char *lent = lend_program();
	size_t room = strlen(url) + sizeof(curl_config) + 32, skip = lent ? 0 : BORROW_WORDS;
	char *input = must_alloc(room);
	pid_t pid = -1;
	int e;

	snprintf(number, sizeof(number), "%d", tar_fd);
	*what = "making a file for what an upload says";
	*said_fd = open_said();
	/* Inherited by this child alone: no other is started meanwhile. */
	if (*said_fd >= 0 && fcntl(tar_fd, F_SETFD, 0) == 0) {
		errno = ENOENT;
		if (!lent || strcmp(lent, "curl") == 0) {
			snprintf(input, room, curl_config, url, tar_fd);
			pid = start(curl + skip, input, *said_fd, files, what);
		}
		if (pid < 0 && errno == ENOENT) {
			snprintf(input, room, python_input, url, tar_fd);
			pid = start(python + skip, input, *said_fd, files, what);
			if (pid < 0 && errno == ENOENT)
				*what = "there is neither curl nor python3 here to send them with";
		}
	}
	e = errno;
	fcntl(tar_fd, F_SETFD, FD_CLOEXEC);
	free(input);
	if (pid < 0 && *said_fd >= 0) {
		close(*said_fd);
		*said_fd = -1;
	}
	errno = e;
	return pid;
}

/* One line of what is printable, from here up to one of these. */
static void
take_line(char *out, size_t room, const char *from, const char *ends)
{
	size_t n = strcspn(from, ends);

	if (n >= room)
		n = room - 1;
	memcpy(out, from, n);
	out[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (out[i] < ' ' || out[i] > '~')
			out[i] = '?';
	}
}

void
upload_child_said(int said_fd, int status, struct upload_said *out)
{
	static char text[SAID_BYTES + 1];
	ssize_t n = pread(said_fd, text, SAID_BYTES, 0);
	const char *last, *code;
	char line[200] = "no reason given";

	text[n > 0 ? n : 0] = '\0';
	out->http = 0;
	if (WIFSIGNALED(status)) {
		snprintf(out->words, sizeof(out->words), "ended by signal %d", WTERMSIG(status));
		return;
	}
	n = (ssize_t)strlen(text);
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	last = strrchr(text, '\n');
	last = last ? last + 1 : text;
	if (WEXITSTATUS(status) == 0)
		out->http = (int)strtol(last, NULL, 10);
	if (out->http == 0) {
		/* curl says it before its code, python3 at the end. */
		code = strstr(text, "curl: ");
		take_line(line, sizeof(line), code ? code : last, "\n");
		snprintf(out->words, sizeof(out->words), "%s", line);
		return;
	}
	code = strstr(text, "<Code>");
	if (code)
		take_line(line, sizeof(line), code + 6, "<\n");
	snprintf(out->words, sizeof(out->words), "HTTP %d, %s", out->http, line);
}
