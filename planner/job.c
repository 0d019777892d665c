/* job: resolving a manifest against a source. All mistakes are looked for, then all is computed. */
#include "planner/job.h"

#include "planner/diag.h"
#include "planner/expand.h"
#include "planner/folder.h"
#include "planner/key.h"
#include "planner/label.h"
#include "planner/path.h"
#include "planner/role.h"
#include "planner/suggest.h"
#include "planner/template.h"

#include <string.h>

struct str
job_source_path(
	struct arena *a, const struct manifest *m, const struct source *source, struct str path)
{
	struct str none = {0}, folder;

	if (str_starts(path, STR("/")))
		return none;
	if (m->workdir.kind == WORKDIR_URL) {
		path = path_clean(a, path);
		return path_within(path, STR("")) ? path : none;
	}
	if (source->manifest_path.p) {
		path = path_join(a, path_folder(source->manifest_path), path);
		return path_within(path, STR("")) ? path : none;
	}
	folder = path_clean(a, m->workdir.path);
	path = path_clean(a, path);
	if (!path_within(path, folder))
		return none;
	return str_from_index(path, path.n == folder.n ? path.n : folder.n + (folder.n > 0));
}

void
job_setup_env(const struct manifest *m, struct arena *a, struct pairs *out)
{
	const struct pairs *env = &m->environment.env;

	*out = (struct pairs){.v = ARENA_ARRAY(a, struct pair, env->n)};
	for (size_t i = 0; i < env->n; i++) {
		if (template_fixed(env->v[i].value) == env->v[i].value.n)
			out->v[out->n++] = env->v[i];
	}
}

static void
check_template(const struct manifest *m, struct str text, const char *where, struct pos pos,
	struct diagnostics *diags)
{
	struct error err;
	struct str hint;
	unsigned uses = 0;

	if (!pos.file.p)
		pos.file = m->file;
	if (text.p && template_check(diags->arena, text, &m->map, &uses, &hint, &err) < 0)
		diag_add(diags, DIAG_ERROR, pos, hint, "%s: %s", where, err.message);
}

static void
check_templates(const struct manifest *m, struct diagnostics *diags)
{
	const struct entrypoint *e = &m->entrypoint;
	const struct pairs *env = &m->environment.env;

	if (!e->is_list)
		check_template(m, e->shell, "entrypoint", e->pos, diags);
	for (size_t i = 0; e->is_list && i < e->argv.n; i++)
		check_template(m, e->argv.v[i], "entrypoint", e->pos, diags);
	for (size_t i = 0; i < env->n; i++) {
		struct str where =
			arena_printf(diags->arena, "environment.env.%.*s", STR_ARG(env->v[i].name));

		check_template(m, env->v[i].value, where.p, m->environment.pos_env, diags);
	}
	check_template(m, m->results, "results", m->pos_results, diags);
}

/* The path of an entry that ends in the same name, for who gave it from another folder. */
static struct str
elsewhere(struct arena *a, const struct source *s, struct str path)
{
	struct str tail = arena_printf(a, "/%.*s",
		STR_ARG(str_from_index(path, path_folder(path).n + (path_folder(path).n > 0))));

	for (size_t i = 0; i < s->n_entries; i++) {
		if (str_ends(s->entries[i].path, tail))
			return suggest_hint(a, arena_cstr(a, s->entries[i].path));
	}
	return (struct str){0};
}

static void
check_setup_file(const struct job *job, struct str name, struct diagnostics *diags)
{
	struct pos pos = job->manifest->environment.pos_setup_files;
	const struct source *s = job->source;
	struct arena *a = diags->arena;
	struct str path = path_clean(a, name);
	struct str below = arena_printf(a, "%.*s/", STR_ARG(path));
	size_t i = source_lower_bound(s, below);

	if (source_find(s, path))
		return;
	if (path.n == 0 || (i < s->n_entries && str_starts(s->entries[i].path, below)))
		diag_add(diags, DIAG_ERROR, pos, STR("name the files that setup reads"),
			"environment.setup_files: '%.*s' is a folder", STR_ARG(name));
	else
		diag_add(diags, DIAG_ERROR, pos, elsewhere(a, s, path),
			"environment.setup_files: '%.*s' is none of the %zu files of the source",
			STR_ARG(name), s->n_entries);
}

/* The next word of a shell command, as far as a file's name may be one. */
static struct str
next_word(struct str *rest)
{
	static const char apart[] = " \t\n;&|<>()\"'`=";
	struct str word;

	while (rest->n && strchr(apart, rest->p[0]))
		rest->p++, rest->n--;
	word = (struct str){.p = rest->p};
	while (rest->n && !strchr(apart, rest->p[0]))
		rest->p++, rest->n--, word.n++;
	return word;
}

static bool
is_setup_file(struct arena *a, const struct environment *env, struct str path)
{
	for (size_t i = 0; i < env->setup_files.n; i++) {
		if (str_eq(path_clean(a, env->setup_files.v[i]), path))
			return true;
	}
	return false;
}

/* A file of the source that this word of setup means, and that is no setup file; NULL: none. */
static const struct source_entry *
unseen_by_setup(const struct job *job, struct arena *a, struct str word)
{
	const struct environment *env = &job->manifest->environment;
	const struct source *s = job->source;
	struct str path = path_clean(a, word);
	const struct source_entry *e = path.n ? source_find(s, path) : NULL;

	if (e)
		return is_setup_file(a, env, e->path) ? NULL : e;
	if (!path.n || !memchr(path.p, '*', path.n))
		return NULL;
	for (size_t i = 0; i < s->n_entries; i++) {
		if (source_glob_match(path, s->entries[i].path) &&
			!is_setup_file(a, env, s->entries[i].path))
			return &s->entries[i];
	}
	return NULL;
}

/* One warning is enough. */
static void
check_setup(const struct job *job, struct diagnostics *diags)
{
	const struct environment *env = &job->manifest->environment;
	struct arena *a = diags->arena;
	struct str rest = env->setup, word;
	const struct source_entry *e;

	while (rest.n) {
		word = next_word(&rest);
		e = unseen_by_setup(job, a, word);
		if (!e)
			continue;
		diag_add(diags, DIAG_WARNING, env->pos_setup,
			arena_printf(a, "add setup_files: [%.*s]", STR_ARG(e->path)),
			"environment.setup names '%.*s', which it does not see: of the source it "
			"has its setup_files alone",
			STR_ARG(word));
		return;
	}
}

static void
check_environment(const struct job *job, struct diagnostics *diags)
{
	struct arena *a = diags->arena;
	const struct environment *env = &job->manifest->environment;
	struct str none = {0}, dockerfile;

	for (size_t i = 0; i < env->setup_files.n; i++)
		check_setup_file(job, env->setup_files.v[i], diags);
	if (env->image.p && !job->image_digest.p)
		diag_add(diags, DIAG_ERROR, env->pos_image, none,
			"environment.image: '%.*s' was not resolved to a digest",
			STR_ARG(env->image));
	if (!env->build.context.p) {
		check_setup(job, diags);
		return;
	}
	dockerfile = path_join(a, env->build.context, env->build.dockerfile);
	if (!source_find(job->source, dockerfile))
		diag_add(diags, DIAG_ERROR, env->pos_build, elsewhere(a, job->source, dockerfile),
			"environment.build: '%.*s' is none of the %zu files of the source",
			STR_ARG(dockerfile), job->source->n_entries);
}

static void
identify(struct job *job, struct roles *roles)
{
	job->source_identity = source_identity(job->source, role_skip, roles);
	job->export_identity = source_identity(job->source, NULL, NULL);
	job->build_identity = job_build_identity(job->manifest, job->source);
	job->environment_identity = key_environment(job);
	job->common = key_common(job);
}

int
job_resolve(struct arena *a, struct job *out, const struct manifest *m, const struct source *source,
	const struct job_inputs *inputs, struct diagnostics *diags, struct error *err)
{
	size_t errors = diags->n_errors;
	struct roles roles;

	*out = (struct job){.manifest = m, .source = source};
	out->image_digest = arena_str(a, inputs->image_digest);
	roles_init(&roles, a, m, source);
	check_templates(m, diags);
	check_environment(out, diags);
	folder_check_root(a, out, diags);
	expand_map(a, out, &roles, inputs, diags);
	if (diags->n_errors == errors && label_tasks(a, out, roles.prefix, diags) == 0) {
		identify(out, &roles);
		key_tasks(out);
		folder_check_tasks(out, diags);
	}
	if (diags->n_errors == errors)
		return 0;
	return error_set(err, ERR_INPUT, "%.*s: %zu error%s", STR_ARG(m->file),
		diags->n_errors - errors, diags->n_errors - errors == 1 ? "" : "s");
}
