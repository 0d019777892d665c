/* saved_plan: writing and reading saved plans, and seeing to it that one is applied once.
 * .furrow/applied/ID, made with O_EXCL before anything runs, holds the run that applies the plan
 * ID. */
#include "cmd/furrow/saved_plan.h"

#include "cmd/furrow/file.h"
#include "planner/path.h"
#include "providers/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char plan_head[] = "{\"furrow_plan\"";

static bool
is_plan_or_empty(const char *path)
{
	char head[sizeof(plan_head) - 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	if (fd >= 0)
		close(fd);
	return n == 0 || (n == (ssize_t)sizeof(head) && memcmp(head, plan_head, sizeof(head)) == 0);
}

int
saved_plan_may_write(const char *path, bool *is_stdout, struct error *err)
{
	struct stat st, out;

	*is_stdout = false;
	if (stat(path, &st) != 0) {
		if (errno == ENOENT && lstat(path, &st) == 0)
			return error_set(
				err, ERR_INPUT, "-o %s: it is a symbolic link to nowhere", path);
		return 0; /* writing tells what is wrong with the folder */
	}
	*is_stdout = fstat(STDOUT_FILENO, &out) == 0 && st.st_dev == out.st_dev &&
		     st.st_ino == out.st_ino;
	if (S_ISDIR(st.st_mode))
		return error_set(err, ERR_INPUT, "-o %s: it is a folder; name a file", path);
	if (!S_ISREG(st.st_mode) || *is_stdout || is_plan_or_empty(path))
		return 0;
	return error_set(err, ERR_INPUT,
		"-o %s: that file is there already and is no saved plan of furrow; remove it, or "
		"name another",
		path);
}

/* An existing path without links; NULL when there is none. In the arena. */
static const char *
real_path(struct arena *a, const char *path)
{
	char *real = realpath(path, NULL);
	const char *out = real ? arena_cstr(a, str_from(real)) : NULL;

	free(real);
	return out;
}

/* Where a file is or would be, without links; NULL when its folder isn't there. */
static const char *
real_target(struct arena *a, const char *path)
{
	const char *real = real_path(a, path), *slash = strrchr(path, '/');
	const char *dir;

	if (real)
		return real;
	if (!slash)
		dir = real_path(a, ".");
	else
		dir = real_path(
			a, slash == path ? "/" : arena_cstr(a, path_folder(str_from(path))));
	if (!dir)
		return NULL;
	return path_join(a, str_from(dir), str_from(slash ? slash + 1 : path)).p;
}

/* Files that come among the working files make another source of them, and the plan stale. */
static int
check_apart(struct prepared *p, const char *path, const char *target, struct error *err)
{
	const struct workdir *workdir = &p->manifest.workdir;
	const char *source;

	if (workdir->kind == WORKDIR_URL ||
		(p->plan.job.source->kind == SOURCE_COMMIT && !p->plan.allow_dirty))
		return 0;
	source = real_path(&p->arena,
		arena_cstr(&p->arena, path_join(&p->arena, str_from(p->place.dir), workdir->path)));
	if (!source || !path_within(str_from(target), str_from(source)) ||
		path_within(str_from(target), str_from(p->state.root)))
		return 0;
	return error_set(err, ERR_INPUT,
		"-o %s: the plan would lie among the working files that it is made of, and be out "
		"of date at once; save it outside of %s, or in .furrow/, which is never part of a "
		"source",
		path, source);
}

int
saved_plan_write(struct prepared *p, const char *path, struct error *err)
{
	const char *target = real_target(&p->arena, path);
	struct buf b = {0};
	struct stat st;
	bool is_stdout;
	int rc = saved_plan_may_write(path, &is_stdout, err);

	if (rc < 0)
		return rc;
	plan_write_file(&b, &p->plan);
	if (is_stdout || (stat(path, &st) == 0 && !S_ISREG(st.st_mode))) {
		rc = file_write_through(path, buf_str(&b), err);
	} else {
		rc = target ? check_apart(p, path, target, err) : 0;
		if (rc == 0)
			rc = file_replace(target ? target : path, buf_str(&b), err);
	}
	buf_free(&b);
	return rc;
}

/* A folder, or what can't be opened, is for those who read manifests. */
static bool
starts_like_a_plan(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char c = 0;

	if (fd < 0)
		return false;
	while (read(fd, &c, 1) == 1 && (c == ' ' || c == '\n' || c == '\t' || c == '\r'))
		;
	close(fd);
	return c == '{';
}

static int
refuse_options(const struct options *o, const char *path, struct error *err)
{
	const char *name = o->rev	       ? "--rev"
			   : o->infra	       ? "--infra"
			   : o->allow_dirty    ? "--allow-dirty"
			   : o->refresh_prices ? "--refresh-prices"
					       : NULL;

	if (!name)
		return 0;
	return error_set(err, ERR_INPUT, "%s: a saved plan is applied as it was made; leave %s out",
		path, name);
}

/* Steps of a pipeline, and people, check a repository out where they like, and mean the job that
 * they stand in: so the folder that the plan was made in comes last. */
static int
find_manifest(struct arena *a, struct options *o, const struct plan_file *file, const char *plan,
	struct error *err)
{
	const char *made_of = arena_cstr(a, file->manifest_path);
	const char *slash = strrchr(made_of, '/'), *here = slash ? slash + 1 : made_of;

	if (o->manifest)
		return 0;
	if (access(here, F_OK) == 0)
		o->manifest = here;
	else if (file->rev.p || access(made_of, F_OK) == 0)
		o->manifest = made_of;
	else
		return error_set(err, ERR_INPUT,
			"%s: there is neither a %s here nor %s, which the plan was made of; -C DIR "
			"or -m FILE says where its manifest is",
			plan, here, made_of);
	return 0;
}

int
saved_plan_open(struct saved_plan *s, struct arena *a, struct options *o, const char *argument,
	struct error *err)
{
	struct plan_file *file = &s->file;
	struct str bytes;
	int rc;

	*s = (struct saved_plan){.path = argument};
	if (!argument || !starts_like_a_plan(argument))
		return 0;
	rc = refuse_options(o, argument, err);
	if (rc == 0)
		rc = file_read(a, argument, PLAN_FILE_MAX_BYTES, &bytes, err);
	if (rc == 0)
		rc = plan_file_parse(a, file, bytes, str_from(argument), err);
	if (rc == 0)
		rc = find_manifest(a, o, file, argument, err);
	if (rc < 0)
		return rc;
	s->there = true;
	o->rev = arena_cstr(a, file->rev);
	o->infra = arena_cstr(a, file->infra_override);
	o->allow_dirty = file->allow_dirty;
	return 0;
}

static const char *
mark_of(const struct saved_plan *s, const struct prepared *p, struct arena *a)
{
	return arena_printf(a, "%s/applied/%.*s", p->state.root, STR_ARG(s->file.id)).p;
}

static int
applied_already(const struct saved_plan *s, struct str run, struct error *err)
{
	return error_set(err, ERR_STALE,
		"%s was applied already as run %.*s; make a new plan with `furrow plan -o`",
		s->path, STR_ARG(str_trim(run)));
}

int
saved_plan_check(const struct saved_plan *s, const struct prepared *p, struct error *err)
{
	struct arena a = {0};
	struct str run;
	int rc;

	if (!s->there)
		return 0;
	rc = file_read(&a, mark_of(s, p, &a), 256, &run, err);
	if (rc == 0)
		rc = applied_already(s, run, err);
	else if (rc == ERR_MISSING)
		rc = plan_file_check(&s->file, &p->plan, err);
	if (rc == ERR_STALE && !str_is(s->file.manifest_path, p->place.path))
		error_wrap(err, "%s (the plan was made of %.*s)", p->place.shown,
			STR_ARG(s->file.manifest_path));
	arena_free(&a);
	return rc;
}

int
saved_plan_take(
	const struct saved_plan *s, const struct prepared *p, const char *run, struct error *err)
{
	struct arena a = {0};
	int rc;

	if (!s->there)
		return 0;
	rc = state_make_dir(arena_printf(&a, "%s/applied", p->state.root).p, err);
	if (rc == 0)
		rc = file_create(mark_of(s, p, &a), arena_printf(&a, "%s\n", run), err);
	if (rc == ERR_INPUT && err->os_errno == EEXIST)
		rc = applied_already(s, STR("(just now)"), err);
	arena_free(&a);
	return rc;
}
