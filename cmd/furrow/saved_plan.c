/* saved_plan: reading saved plans, and seeing to it that one is applied once. .furrow/applied/ID,
 * made with O_EXCL before anything runs, holds the run that applies the plan ID. */
#include "cmd/furrow/saved_plan.h"

#include "cmd/furrow/file.h"
#include "providers/local/state.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

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
	const char *name = o->manifest	    ? "-m"
			   : o->rev	    ? "--rev"
			   : o->infra	    ? "--infra"
			   : o->allow_dirty ? "--allow-dirty"
					    : NULL;

	if (!name)
		return 0;
	return error_set(err, ERR_INPUT, "%s: a saved plan is applied as it was made; leave %s out",
		path, name);
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
	if (rc < 0)
		return rc;
	s->there = true;
	o->manifest = arena_cstr(a, file->manifest_path);
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
