/* lib: the table of libgit2's functions. */
#include "providers/git/lib.h"

#include "providers/dynlib.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* libgit2 changes its ABI with every minor version: the one that the headers describe, or none. */
const char libgit2_soname[] = "libgit2.so." LIBGIT2_SOVERSION;
static const char package[] = "libgit2-" LIBGIT2_SOVERSION;

static struct libgit2 table;
static struct error load_error;
static int load_result;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void
load(void)
{
	static const struct dynlib_symbol symbols[] = {
#define LIBGIT2_SYMBOL(name) {#name, offsetof(struct libgit2, name)},
		LIBGIT2_FUNCTIONS(LIBGIT2_SYMBOL)
#undef LIBGIT2_SYMBOL
	};

	load_result = dynlib_load(&table, libgit2_soname, package, symbols,
		sizeof(symbols) / sizeof(symbols[0]), &load_error);
	if (load_result < 0)
		return;
	/* Never shut down: the process ends with it. Said aloud although it is the default: someone
	 * else's repository can name programs to run. */
	if (table.git_libgit2_init() < 0 ||
		table.git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 1) < 0)
		load_result = libgit2_fail(
			&table, &load_error, ERR_HOST, "initialise %s", libgit2_soname);
}

int
libgit2_load(const struct libgit2 **out, struct error *err)
{
	pthread_once(&load_once, load);
	if (load_result < 0) {
		if (err)
			*err = load_error;
		return load_result;
	}
	*out = &table;
	return 0;
}

int
libgit2_fail(
	const struct libgit2 *lib, struct error *err, enum error_code code, const char *fmt, ...)
{
	const git_error *last = lib->git_error_last();
	char text[ERROR_MESSAGE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* It has no reason for what is simply not there. */
	if (!last || !last->message)
		return error_set(err, code, "%s", text);
	return error_set(err, code, "%s: %s", text, last->message);
}
