/* source_fixture: what the tests of sources share: a folder of their own for each test, shell
 * scripts that make repositories in it with the git command, and opening, listing and reading what
 * they made. */
#ifndef FURROW_TESTS_SOURCE_FIXTURE_H
#define FURROW_TESTS_SOURCE_FIXTURE_H

#include "providers/git/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	char dir[64];
	struct arena arena;
	struct source_where where;
	struct source_reader *reader;
	struct source source;
	struct error err;
};

/* Runs a script in the fixture's folder; the test fails when it does. */
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
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("script failed: %s", script);
}

static inline int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_D || type == FTW_DP || type == FTW_DNR)
		return rmdir(path);
	return unlink(path);
}

static inline int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/furrow-source.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	*state = f;
	return 0;
}

static inline void
close_source(struct fixture *f)
{
	source_close(f->reader);
	f->reader = NULL;
}

static inline int
tear_down(void **state)
{
	struct fixture *f = *state;

	close_source(f);
	arena_free(&f->arena);
	nftw(f->dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* Opens with the manifest `dir`/furrow.yaml, dir below the fixture's folder. */
static inline int
try_open(struct fixture *f, const char *dir)
{
	struct str full = arena_printf(&f->arena, "%s/%s", f->dir, dir);

	close_source(f);
	f->where.manifest_dir = full.p;
	f->where.manifest_name = "furrow.yaml";
	if (!f->where.workdir.path.p)
		f->where.workdir.path = STR(".");
	f->where.cache_dir = arena_printf(&f->arena, "%s/cache", f->dir).p;
	return source_open(&f->reader, &f->where, &f->err);
}

static inline int
try_list(struct fixture *f)
{
	return source_list(f->reader, &f->arena, &f->source, &f->err);
}

static inline void
open_and_list(struct fixture *f, const char *dir)
{
	if (try_open(f, dir) < 0 || try_list(f) < 0)
		fail_msg("%s", f->err.message);
}

/* The paths of the listing, '|' between them. */
static inline const char *
paths(struct fixture *f)
{
	struct str all = STR("");

	for (size_t i = 0; i < f->source.n_entries; i++)
		all = arena_printf(&f->arena, "%.*s%s%.*s", STR_ARG(all), i ? "|" : "",
			STR_ARG(f->source.entries[i].path));
	return all.p;
}

static inline void
assert_refused(struct fixture *f, int rc, const char *part)
{
	assert_int_equal(rc, ERR_INPUT);
	assert_int_equal(f->err.code, ERR_INPUT);
	if (!strstr(f->err.message, part))
		fail_msg("'%s' is not in: %s", part, f->err.message);
}

static inline void
assert_message_has(struct fixture *f, const char *part)
{
	if (!strstr(f->err.message, part))
		fail_msg("'%s' is not in: %s", part, f->err.message);
}

static inline void
assert_content(struct fixture *f, const char *path, const char *want)
{
	struct str bytes = {0};
	int rc = source_read(f->reader, &f->arena, str_from(path), &bytes, &f->err);

	if (rc < 0)
		fail_msg("%s", f->err.message);
	assert_int_equal(bytes.n, strlen(want));
	assert_string_equal(bytes.p, want);
}

static inline const struct source_entry *
entry(struct fixture *f, const char *path)
{
	const struct source_entry *e = source_find(&f->source, str_from(path));

	if (!e)
		fail_msg("%s is not in the listing", path);
	return e;
}

/* libgit2 1.5 loses what it matched url.*.insteadOf with, 20 KB for each remote. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libpcre2\n";
}

/* The environment of git itself; before libgit2 is loaded, as it looks at HOME then. */
static inline void
clean_git_environment(void)
{
	static char home[] = "/tmp/furrow-source-home.XXXXXX";

	if (!mkdtemp(home))
		abort();
	rmdir(home);
	setenv("HOME", home, 1);
	setenv("XDG_CONFIG_HOME", home, 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	setenv("GIT_AUTHOR_NAME", "t", 1);
	setenv("GIT_AUTHOR_EMAIL", "t@localhost", 1);
	setenv("GIT_COMMITTER_NAME", "t", 1);
	setenv("GIT_COMMITTER_EMAIL", "t@localhost", 1);
	unsetenv("GIT_DIR");
	unsetenv("GIT_WORK_TREE");
	unsetenv("GIT_INDEX_FILE");
}

#endif
