/* fetch: an object of S3 to a file, by a URL that needs no credentials. This binary speaks no TLS: curl
 * does, or python3, whichever the host has. Both are told the URL by their stdin, where nobody sees it.
 *
 * Its environment is the task's own, and beside that FETCH_URL and FETCH_ETAG, which the task does not
 * get. FURROW_INPUT names the object, s3://BUCKET/KEY; the task gets the path of the file instead:
 * input/NAME, beside FURROW_OUT, with the name that the key ends in. */
#include "cmd/runner/fetch.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/child.h"
#include "cmd/runner/lend.h"
#include "planner/base/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ATTEMPTS = 8,
	PAUSE_MAX_S = 15,
	WRITE_FAILED = 23, /* curl's exit status when its file cannot be written */
	NO_FETCHER = 127
};

/* What curl reads on its stdin. No redirects: a signature is for one place. */
static const char curl_config[] = "url = \"%s\"\n"
				  "header = \"If-Match: %s\"\n"
				  "proto = \"=http,https\"\n"
				  "globoff\n"
				  "path-as-is\n"
				  "silent\n"
				  "show-error\n"
				  "connect-timeout = 10\n"
				  "speed-limit = 1\n"
				  "speed-time = 60\n"
				  "write-out = \"%%{http_code}\\n\"\n";

/* The same, for where there is no curl: Debian's images have but python3, for cloud-init. A body that is
 * cut short is a failure, as it is for curl. */
static const char python_input[] = "%s\n%s\n";
static const char python_script[] =
	"import http.client as h, os, shutil, sys\n"
	"from urllib.parse import urlsplit\n"
	"try:\n"
	"	url, etag = sys.stdin.read().splitlines()\n"
	"	u, path = urlsplit(url), sys.argv[1]\n"
	"	c = h.HTTPSConnection if u.scheme == 'https' else h.HTTPConnection\n"
	"	c = c(u.netloc, timeout=60)\n"
	"	c.request('GET', u.path + '?' + u.query, headers={'If-Match': etag})\n"
	"	a = c.getresponse()\n"
	"	with open(path, 'wb') as f:\n"
	"		shutil.copyfileobj(a, f)\n"
	"	n = a.getheader('Content-Length')\n"
	"	if n and int(n) != os.path.getsize(path):\n"
	"		sys.exit('python3: the answer was cut short')\n"
	"	print(a.status)\n"
	"except Exception as e:\n"
	"	sys.exit('python3: ' + str(e))\n";

struct fetching {
	const char *object; /* its URL of S3, for messages */
	char *url, *etag;
	char path[PATH_MAX];
	int out_fd, err_fd; /* what the fetcher writes */
	int exit;	    /* its status */
	int status;	    /* of HTTP; 0: no answer */
	char said[400];	    /* by the fetcher, or by S3 */
};

static int __attribute__((format(printf, 2, 3))) fail(int status, const char *fmt, ...)
{
	va_list ap;

	fputs(FETCH_SAYS, stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

/* Takes a variable out of the environment. */
static char *
take_variable(const char *name)
{
	const char *value = getenv(name);
	char *copy = value ? must_copy(value, strlen(value)) : NULL;

	unsetenv(name);
	return copy;
}

/* input/NAME beside FURROW_OUT. */
static int
make_place(struct fetching *f)
{
	const char *out = getenv("FURROW_OUT"), *slash = out ? strrchr(out, '/') : NULL;
	const char *name = strrchr(f->object, '/');
	int n;

	if (!slash || !name || !name[1])
		return fail(FETCH_FAILED, "FURROW_OUT or FURROW_INPUT say nothing");
	n = snprintf(f->path, sizeof(f->path), "%.*s/input", (int)(slash - out), out);
	if (n < 0 || (size_t)n >= sizeof(f->path) - NAME_MAX - 2)
		return fail(FETCH_FAILED, "%s is too long a path", out);
	if (mkdir(f->path, 0755) != 0 && errno != EEXIST)
		return fail(FETCH_FAILED, "making %s: %s", f->path, strerror(errno));
	snprintf(f->path + n, sizeof(f->path) - (size_t)n, "/%.*s", NAME_MAX, name + 1);
	return 0;
}

/* A file in memory that reads so, from its beginning; -1 with errno. */
static int __attribute__((format(printf, 1, 2))) file_of(const char *fmt, ...)
{
	int fd = memfd_create("fetch", MFD_CLOEXEC);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = fd < 0 ? -1 : vdprintf(fd, fmt, ap);
	va_end(ap);
	if (n < 0 || lseek(fd, 0, SEEK_SET) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* For curl's config: an ETag stands in quotes of its own. */
static char *
quote(const char *s)
{
	char *out = must_alloc(strlen(s) * 2 + 1), *at = out;

	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			*at++ = '\\';
		*at++ = *s;
	}
	return out;
}

/* Becomes curl, else python3, the host's when they are lent; what they read and write are files, so
 * nobody waits for anybody. */
static void
become_fetcher(struct fetching *f)
{
	char number[16], path[32];
	char *curl[] = {(char[]){BORROW_RUNNER}, (char[]){"borrow"}, number, (char[]){"curl"},
		(char[]){"-q"}, (char[]){"--config"}, (char[]){"-"}, (char[]){"--output"}, path,
		NULL};
	char *python[] = {(char[]){BORROW_RUNNER}, (char[]){"borrow"}, number, (char[]){"python3"},
		(char[]){"-I"}, (char[]){"-c"}, (char *)python_script, path, NULL};
	const char *lent = lend_program();
	size_t skip = lent ? 0 : BORROW_WORDS;
	char *etag = quote(f->etag);
	int fd = file_of(curl_config, f->url, etag), e = ENOENT;
	int to = open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (to < 0) {
		dprintf(f->err_fd, "making %s: %s\n", f->path, strerror(errno));
		_exit(WRITE_FAILED);
	}
	/* By its number: the host has no such path. */
	snprintf(number, sizeof(number), "%d", to);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	if (fd < 0 || dup2(fd, 0) < 0 || dup2(f->out_fd, 1) < 0 || dup2(f->err_fd, 2) < 0)
		_exit(1);
	if (!lent || strcmp(lent, "curl") == 0)
		e = child_exec(curl + skip, environ, getenv("PATH"));
	if (e == ENOENT) {
		fd = file_of(python_input, f->url, f->etag);
		if (fd < 0 || dup2(fd, 0) < 0)
			_exit(1);
		e = child_exec(python + skip, environ, getenv("PATH"));
	}
	_exit(e == ENOENT ? NO_FETCHER : 1);
}

/* The beginning of a file, as text. */
static void
read_text(int fd, char *out, size_t size)
{
	ssize_t n = pread(fd, out, size - 1, 0);

	out[n > 0 ? n : 0] = '\0';
}

/* Appends what is printable up to the end of its line. */
static void
say(struct fetching *f, const char *before, const char *text)
{
	size_t n = strlen(f->said), room = sizeof(f->said) - 1;

	for (; *before && n < room; before++)
		f->said[n++] = *before;
	for (; *text && !strchr("<\r\n", *text) && n < room; text++)
		f->said[n++] = *text >= ' ' && *text <= '~' ? *text : '?';
	f->said[n] = '\0';
}

/* Of an answer that is a failure: its code and message. */
static void
read_answer(struct fetching *f)
{
	char body[2048], *code, *message;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	read_text(fd, body, sizeof(body));
	close(fd);
	code = strstr(body, "<Code>");
	message = strstr(body, "<Message>");
	if (code)
		say(f, " ", code + strlen("<Code>"));
	if (message)
		say(f, ": ", message + strlen("<Message>"));
}

static int
run_fetcher(struct fetching *f)
{
	int status;
	pid_t pid = f->out_fd < 0 || f->err_fd < 0 ? -1 : fork();

	if (pid == 0)
		become_fetcher(f);
	if (pid < 0)
		return fail(FETCH_FAILED, "making a process for curl: %s", strerror(errno));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	f->exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return 0;
}

static int
try(struct fetching *f)
{
	char text[300];
	int rc;

	f->out_fd = memfd_create("out", MFD_CLOEXEC);
	f->err_fd = memfd_create("err", MFD_CLOEXEC);
	rc = run_fetcher(f);
	f->status = 0;
	f->said[0] = '\0';
	if (rc == 0) {
		read_text(f->out_fd, text, sizeof(text));
		if (f->exit == 0)
			f->status = (int)strtol(text, NULL, 10);
		read_text(f->err_fd, text, sizeof(text));
		if (f->status == 0)
			say(f, "", text);
		else if (f->status != 200)
			read_answer(f);
	}
	close(f->out_fd);
	close(f->err_fd);
	return rc;
}

static int
is_transient(const struct fetching *f)
{
	if (f->status == 0)
		return f->exit != WRITE_FAILED && f->exit != NO_FETCHER;
	return f->status >= 500 || f->status == 408 || f->status == 429;
}

/* What the last attempt means; 0: the object is there. */
static int
judge(const struct fetching *f)
{
	if (f->status == 200)
		return 0;
	if (f->status == 412)
		return fail(FETCH_CHANGED, "%s changed since the plan (ETag %s): plan again",
			f->object, f->etag);
	if (f->status == 404)
		return fail(FETCH_CHANGED, "%s is not there any more: plan again", f->object);
	if (f->status)
		return fail(FETCH_FAILED, "%s: S3 answers %d%s", f->object, f->status, f->said);
	if (f->exit == NO_FETCHER)
		return fail(FETCH_FAILED, "%s: there is neither curl nor python3 to fetch it",
			f->object);
	return fail(FETCH_FAILED, "%s: %s", f->object,
		f->said[0] ? f->said : "fetching it failed without a word");
}

static int
get(struct fetching *f)
{
	unsigned pause_s = 1;
	int rc;

	for (int i = 1;; i++) {
		rc = try(f);
		if (rc != 0 || i == ATTEMPTS || !is_transient(f))
			break;
		sleep(pause_s);
		pause_s = pause_s * 2 < PAUSE_MAX_S ? pause_s * 2 : PAUSE_MAX_S;
	}
	return rc != 0 ? rc : judge(f);
}

static int
become(const struct fetching *f, char *const *command)
{
	if (setenv("FURROW_INPUT", f->path, 1) != 0)
		return fail(FETCH_FAILED, "%s", strerror(errno));
	return fail(127, "starting %s: %s", command[0],
		strerror(child_exec(command, environ, getenv("PATH"))));
}

int
fetch(char *const *command)
{
	struct fetching f = {.object = getenv("FURROW_INPUT"),
		.url = take_variable(FETCH_URL),
		.etag = take_variable(FETCH_ETAG)};
	int rc;

	if (!f.object || !f.url || !f.etag)
		rc = fail(FETCH_FAILED, "it is not said what to fetch");
	else
		rc = make_place(&f);
	if (rc == 0)
		rc = get(&f);
	if (rc == 0)
		rc = become(&f, command);
	free(f.url);
	free(f.etag);
	return rc;
}
