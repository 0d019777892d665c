/* out: writing, and what goes wrong with it. */
#include "cmd/furrow/out.h"

#include "cmd/furrow/text.h"
#include "planner/base/json.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *
out_ink(bool color, enum ink ink)
{
	static const char *const codes[] = {
		[INK_PLAIN] = "\033[0m",
		[INK_BOLD] = "\033[1m",
		[INK_DIM] = "\033[2m",
		[INK_RED] = "\033[31m",
		[INK_GREEN] = "\033[32m",
		[INK_YELLOW] = "\033[33m",
		[INK_CYAN] = "\033[36m",
	};

	return color ? codes[ink] : "";
}

bool
out_color(int fd, enum color wish)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (wish != COLOR_AUTO)
		return wish == COLOR_ALWAYS;
	if ((no_color && *no_color) || !term || strcmp(term, "dumb") == 0)
		return false;
	return isatty(fd);
}

/* 0, or the errno of what stopped it. A descriptor that somebody made non-blocking is waited for.
 */
static int
write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w >= 0) {
			p += w;
			n -= (size_t)w;
		} else if (errno == EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = POLLOUT};

			poll(&wait, 1, 1000);
		} else if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

int
out_data(struct buf *b)
{
	int failed = write_all(STDOUT_FILENO, b->p, b->n);
	struct error err;

	buf_clear(b);
	if (failed == 0)
		return 0;
	if (failed == EPIPE)
		return 128 + SIGPIPE;
	error_set_errno(&err, ERR_HOST, failed, "write to standard output");
	return out_fail(&err);
}

void
out_lines(struct buf *b)
{
	write_all(STDERR_FILENO, b->p, b->n);
	buf_clear(b);
}

/* A property of standard error, hence of the process. */
static bool says_json;

void
out_say_as_json(bool on)
{
	says_json = on;
}

/* exit < 0: nothing ends by it. */
static void
write_event(const char *ev, struct str text, int exit)
{
	struct buf b = {0};

	buf_add_char(&b, '{');
	json_add_member_string(&b, "ev", str_from(ev));
	json_add_member_string(&b, "text", text);
	if (exit >= 0)
		json_add_member_int(&b, "exit", exit);
	buf_add_cstr(&b, "}\n");
	out_lines(&b);
	buf_free(&b);
}

void
out_words(struct buf *b)
{
	if (says_json && b->n)
		write_event("words", str_trim(buf_str(b)), -1);
	else
		out_lines(b);
	buf_clear(b);
}

/* What is said names what others have made: files, inputs, answers of services. */
static void
say_safely(struct str words)
{
	struct buf b = {0};

	while (words.p) {
		text_add_safe(&b, str_cut(&words, '\n'), 0);
		buf_add_char(&b, '\n');
	}
	out_words(&b);
	buf_free(&b);
}

void
out_say(const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	say_safely(buf_str(&b));
	buf_free(&b);
}

int
out_fail(const struct error *err)
{
	int status = error_exit_code(err->code);

	if (says_json)
		write_event("error", str_from(err->message), status);
	else
		out_say("furrow: %s", err->message);
	return status;
}

int
out_usage(const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;

	buf_add_cstr(&b, "furrow: ");
	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	say_safely(buf_str(&b));
	buf_free(&b);
	return error_exit_code(ERR_INPUT);
}

bool
out_can_ask(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool
out_ask(const char *question)
{
	struct buf b = {0};
	char answer[64];
	struct str s;
	ssize_t n;

	buf_addf(&b, "%s [y/N] ", question);
	out_words(&b);
	buf_free(&b);
	n = read(STDIN_FILENO, answer, sizeof(answer));
	if (n <= 0) {
		out_say("%s", "");
		return false;
	}
	s = str_trim((struct str){.p = answer, .n = (size_t)n});
	return str_is(s, "y") || str_is(s, "Y") || str_is(s, "yes") || str_is(s, "Yes");
}
