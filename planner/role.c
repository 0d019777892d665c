/* role: by path alone, looked at once for each file. */
#include "planner/role.h"

#include "planner/job.h"
#include "planner/object.h"
#include "planner/path.h"

/* Below a folder of this name, at whatever depth. */
static bool
in_state_folder(struct str path)
{
	return str_starts(path, STR(".furrow/")) ||
	       (path.n > 9 && memmem(path.p, path.n, "/.furrow/", 9) != NULL);
}

/* The folders that all files which match lie in, with the last '/'. */
static struct str
constant_folders(struct str pattern)
{
	size_t n = source_glob_fixed(pattern);

	while (pattern.p && n && pattern.p[n - 1] != '/')
		n--;
	return (struct str){.p = pattern.p, .n = n};
}

/* What roles depend on. */
struct places {
	struct str manifest; /* paths within the workdir; absent: not there */
	struct str list;
	struct str results;
	struct str glob; /* absent: no MAP_GLOB */
	struct str prefix;
};

static void
find_places(struct places *p, struct arena *a, const struct manifest *m, const struct source *s)
{
	struct job job = {.manifest = m};

	*p = (struct places){.manifest = s->manifest_path};
	if (m->map.kind == MAP_FILE)
		p->list = job_source_path(a, m, s, m->map.file);
	if (m->workdir.kind != WORKDIR_URL && !str_starts(m->results, STR("s3://")))
		p->results = job_source_path(a, m, s, job_results_root(&job));
	if (m->map.kind == MAP_S3) {
		struct object_pattern pattern;

		object_pattern_parse(a, m->map.glob, &pattern);
		p->prefix = pattern.folder;
	}
	if (m->map.kind == MAP_GLOB) {
		p->glob = source_glob_tidy(a, m->map.glob);
		p->prefix = constant_folders(p->glob);
	}
}

static enum role
find_role(const struct places *p, struct str path)
{
	if (p->manifest.p && str_eq(path, p->manifest))
		return ROLE_ASIDE;
	if (p->list.p && str_eq(path, p->list))
		return ROLE_ASIDE;
	if (p->results.n && path_within(path, p->results))
		return ROLE_ASIDE;
	if (in_state_folder(path))
		return ROLE_ASIDE;
	if (p->glob.p && str_starts(path, p->prefix) && source_glob_match(p->glob, path))
		return ROLE_INPUT;
	return ROLE_PROGRAM;
}

void
roles_init(struct roles *r, struct arena *a, const struct manifest *m, const struct source *s)
{
	struct places places;

	find_places(&places, a, m, s);
	*r = (struct roles){.source = s, .prefix = places.prefix};
	r->v = ARENA_ARRAY(a, uint8_t, s->n_entries);
	for (size_t i = 0; i < s->n_entries; i++) {
		r->v[i] = (uint8_t)find_role(&places, s->entries[i].path);
		if (r->v[i] == ROLE_INPUT && s->entries[i].mode == FILE_SYMLINK)
			r->link_input = true;
	}
}

enum role
role_of(const struct roles *r, const struct source_entry *e)
{
	return (enum role)r->v[e - r->source->entries];
}

bool
role_skip(void *ctx, const struct source_entry *e)
{
	const struct roles *r = ctx;
	enum role role = role_of(r, e);

	return role == ROLE_ASIDE || (role == ROLE_INPUT && !r->link_input);
}
