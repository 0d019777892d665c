/* folder: the `results` of a manifest, cut into a root and what comes below it for each task. */
#include "planner/folder.h"

#include "planner/diag.h"
#include "planner/expand.h"
#include "planner/label.h"
#include "planner/path.h"
#include "planner/strset.h"
#include "planner/template.h"

#include <stdio.h>

enum { NAMED_MAX = 10 };

static bool
has_template(struct str results)
{
	return template_fixed(results) < results.n;
}

/* Bytes of the whole folders before the first template, with the last '/'. */
static size_t
root_bytes(struct str results)
{
	size_t n = template_fixed(results);

	if (n == results.n)
		return n;
	while (n > 0 && results.p[n - 1] != '/')
		n--;
	return n;
}

struct str
job_results_root(const struct job *job)
{
	struct str root = job->manifest->results;

	root.n = root_bytes(root);
	while (root.n > 1 && root.p[root.n - 1] == '/')
		root.n--;
	return root.n == 0 ? STR(".") : root;
}

/* Each part of a path written as a label is; without empty ones, "." and "..", which lead nowhere
 * or out. */
static struct str
label_parts(struct arena *a, struct str path)
{
	struct buf b = {0};
	struct str out;

	while (path.p) {
		struct str part = str_cut(&path, '/');

		if (part.n == 0 || str_is(part, ".") || str_is(part, ".."))
			continue;
		if (b.n)
			buf_add_char(&b, '/');
		buf_add_str(&b, label_of_part(a, part));
	}
	out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

struct str
job_task_folder(const struct job *job, uint32_t index, struct arena *a)
{
	const struct task *t = &job->tasks[index];
	const struct map *map = &job->manifest->map;
	struct str results = job->manifest->results, folder;
	struct template_vars vars = {.input = t->input, .map = map};
	char key[DIGEST_HEX_BYTES];
	struct str *values;

	if (!has_template(results))
		return t->label;
	values = ARENA_ARRAY(a, struct str, map->n_axes);
	expand_axis_values(map, index, values);
	digest_hex(key, &t->key);
	vars.axis_values = values;
	vars.index = arena_printf(a, "%u", (unsigned)index);
	vars.key = (struct str){.p = key, .n = DIGEST_HEX_BYTES - 1};
	folder = template_render(a, str_from_index(results, root_bytes(results)), &vars);
	folder = label_parts(a, folder);
	return folder.n ? folder : t->label;
}

void
folder_check_root(struct arena *a, const struct job *job, struct diagnostics *diags)
{
	const struct manifest *m = job->manifest;
	struct str root;

	if (m->workdir.kind == WORKDIR_URL || str_starts(m->results, STR("s3://")))
		return;
	root = job_source_path(a, m, job->source, job_results_root(job));
	if (!root.p || root.n > 0)
		return;
	diag_add(diags, DIAG_ERROR, m->pos_results,
		STR("begin it with a folder of its own: results/…"),
		"results: '%.*s' is the workdir itself: results would become part of the source",
		STR_ARG(m->results));
}

/* What checking the folders of all tasks takes. */
struct folders {
	const struct job *job;
	struct diagnostics *diags;
	struct strset seen;
	struct str *v;
	uint32_t n_bad;
};

static void
add_clash(struct folders *f, uint32_t i, uint32_t other, const char *relation)
{
	const struct manifest *m = f->job->manifest;
	char quote[DIAG_QUOTE_BYTES], other_quote[DIAG_QUOTE_BYTES];

	if (f->n_bad++ < NAMED_MAX)
		diag_add(f->diags, DIAG_ERROR, m->pos_results,
			STR("'${{ input }}' or '${{ task.index }}' tells tasks apart"),
			"results: the folder '%.*s' of task[%u] (%s) %s task[%u] (%s)",
			STR_ARG(f->v[i]), (unsigned)i, diag_quote(quote, f->job->tasks[i].input),
			relation, (unsigned)other,
			diag_quote(other_quote, f->job->tasks[other].input));
}

/* A folder that holds this one must be no task's. */
static void
check_above(struct folders *f, uint32_t i)
{
	struct str above = path_folder(f->v[i]);

	for (; above.n > 0; above = path_folder(above)) {
		uint32_t other = strset_find(&f->seen, above);

		if (other != UINT32_MAX)
			add_clash(f, i, other, "lies in that of");
	}
}

void
folder_check_tasks(const struct job *job, struct diagnostics *diags)
{
	struct folders f = {.job = job, .diags = diags};
	struct arena names = {0}, scratch = {0};

	if (!has_template(job->manifest->results))
		return;
	f.v = ARENA_ARRAY(&names, struct str, job->n_tasks);
	strset_init(&f.seen, f.v, sizeof(*f.v), job->n_tasks);
	for (uint32_t i = 0; i < job->n_tasks; i++) {
		uint32_t first;

		f.v[i] = arena_str(&names, job_task_folder(job, i, &scratch));
		arena_reset(&scratch);
		first = strset_add(&f.seen, i);
		if (first != i)
			add_clash(&f, i, first, "is also that of");
	}
	for (uint32_t i = 0; i < job->n_tasks; i++)
		check_above(&f, i);
	if (f.n_bad > NAMED_MAX)
		diag_add(diags, DIAG_ERROR, job->manifest->pos_results, (struct str){0},
			"results: %u more tasks have no folder of their own",
			(unsigned)(f.n_bad - NAMED_MAX));
	strset_free(&f.seen);
	arena_free(&scratch);
	arena_free(&names);
}
