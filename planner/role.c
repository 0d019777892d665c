/* role: by path alone. */
#include "planner/role.h"

#include "planner/job.h"
#include "planner/path.h"

/* Pattern in: without "." and empty parts, so that its prefix is one of paths. A ".." stays: it
 * matches nothing. */
static struct str
tidy(struct arena *a, struct str pattern)
{
	char *p = arena_alloc(a, pattern.n + 1);
	size_t n = 0;

	if (str_starts(pattern, STR("/")))
		return pattern;
	while (pattern.p) {
		struct str part = str_cut(&pattern, '/');

		if (part.n == 0 || str_is(part, "."))
			continue;
		if (n > 0)
			p[n++] = '/';
		memcpy(p + n, part.p, part.n);
		n += part.n;
	}
	return (struct str){.p = p, .n = n};
}

static struct str
constant_folders(struct str pattern)
{
	size_t n = 0;

	for (size_t i = 0; i < pattern.n && !strchr("*?[\\", pattern.p[i]); i++) {
		if (pattern.p[i] == '/')
			n = i + 1;
	}
	return (struct str){.p = pattern.p, .n = n};
}

/* Below a folder of this name, at whatever depth. */
static bool
in_state_folder(struct str path)
{
	return str_starts(path, STR(".furrow/")) ||
	       (path.n > 9 && memmem(path.p, path.n, "/.furrow/", 9) != NULL);
}

enum role
role_of(const struct roles *r, const struct source_entry *e)
{
	if (r->manifest.p && str_eq(e->path, r->manifest))
		return ROLE_ASIDE;
	if (r->list.p && str_eq(e->path, r->list))
		return ROLE_ASIDE;
	if (r->results.n && path_within(e->path, r->results))
		return ROLE_ASIDE;
	if (in_state_folder(e->path))
		return ROLE_ASIDE;
	if (r->glob.p && str_starts(e->path, r->prefix) && source_glob_match(r->glob, e->path))
		return ROLE_INPUT;
	return ROLE_PROGRAM;
}

bool
role_skip(void *ctx, const struct source_entry *e)
{
	const struct roles *r = ctx;
	enum role role = role_of(r, e);

	return role == ROLE_ASIDE || (role == ROLE_INPUT && !r->link_input);
}

void
roles_init(struct roles *r, struct arena *a, const struct manifest *m, const struct source *s)
{
	struct job job = {.manifest = m};

	*r = (struct roles){.manifest = s->manifest_path};
	if (m->map.kind == MAP_FILE)
		r->list = job_source_path(a, m, s, m->map.file);
	if (m->workdir.kind != WORKDIR_URL && !str_starts(m->results, STR("s3://")))
		r->results = job_source_path(a, m, s, job_results_root(&job));
	if (m->map.kind != MAP_GLOB)
		return;
	r->glob = tidy(a, m->map.glob);
	r->prefix = constant_folders(r->glob);
	for (size_t i = source_lower_bound(s, r->prefix);
		i < s->n_entries && str_starts(s->entries[i].path, r->prefix); i++) {
		if (s->entries[i].mode == FILE_SYMLINK && role_of(r, &s->entries[i]) == ROLE_INPUT)
			r->link_input = true;
	}
}
