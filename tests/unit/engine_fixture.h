/* engine_fixture: an engine that is a shell script: it writes down how it was called, one line a call, and answers as the
 * test says, in the body of a `case "$*" in`. */
#ifndef FURROW_TESTS_ENGINE_FIXTURE_H
#define FURROW_TESTS_ENGINE_FIXTURE_H

#include "providers/container/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	char dir[64];
	struct arena arena;
	struct engine_handle *engine;
	struct engine info;
	struct error err;
	char *path_before;
};

static inline void
write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline char *
below(struct fixture *f, const char *name)
{
	return arena_cstr(&f->arena, arena_printf(&f->arena, "%s/%s", f->dir, name));
}

static inline void
sh(const struct fixture *f, const char *script)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (chdir(f->dir) == 0)
			execl("/bin/sh", "sh", "-euc", script, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("script failed: %s", script);
}

static inline int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/furrow-engine.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->path_before = strdup(getenv("PATH"));
	*state = f;
	return 0;
}

static inline int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return type == FTW_DP || type == FTW_D ? rmdir(path) : unlink(path);
}

static inline int
tear_down(void **state)
{
	struct fixture *f = *state;

	engine_close(f->engine);
	arena_free(&f->arena);
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	setenv("PATH", f->path_before, 1);
	unsetenv("FURROW_ENGINE");
	free(f->path_before);
	free(f);
	return 0;
}

/* What the engine answers from now on: clauses of case, before those for --version and info. */
static inline void
answers(struct fixture *f, const char *name, const char *clauses)
{
	struct str text = arena_printf(&f->arena,
		"#!/bin/sh\n"
		"D=%s\n"
		"printf '%%s\\n' \"$*\" | tr '\\n' ' ' >> $D/log; echo >> $D/log\n"
		"case \"$*\" in\n%s\n"
		"--version) echo '%s' ;;\n"
		"'info --format'*) echo '20.10.24 [name=seccomp,profile=default]' ;;\n"
		"*) echo \"unexpected: $*\" >&2; exit 99 ;;\n"
		"esac\n",
		f->dir, clauses,
		strcmp(name, "docker") == 0 ? "Docker version 20.10.24+dfsg1, build 297e128"
					    : "podman version 4.3.1");
	write_file(below(f, name), text.p, 0755);
}

static inline void
open_engine(struct fixture *f, const char *name, const char *clauses)
{
	answers(f, name, clauses);
	setenv("FURROW_ENGINE", below(f, name), 1);
	if (engine_open(&f->engine, &f->arena, &f->info, &f->err) < 0)
		fail_msg("%s", f->err.message);
	unlink(below(f, "log"));
}

/* All calls so far, a line each. */
static inline const char *
calls(struct fixture *f)
{
	static char text[65536];
	int fd = open(below(f, "log"), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n] = '\0';
	return text;
}

static inline void
assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static inline void
assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in: %s", part, text);
}

/* Two digests for answers. */
#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#endif
