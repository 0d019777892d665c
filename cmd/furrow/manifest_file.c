/* manifest_file: reading manifests for the planner, which itself reads no file. */
#include "cmd/furrow/manifest_file.h"

#include "cmd/furrow/file.h"
#include "cmd/furrow/out.h"
#include "providers/git/tree.h"

static int
read_text(struct manifest_file *f, struct str shown, const char *path, struct error *err)
{
	struct manifest_text *text = &f->texts[f->n];
	int rc;

	if (f->n == sizeof(f->texts) / sizeof(f->texts[0]))
		return error_set(err, ERR_INPUT, "%.*s: a manifest extends at most %d others",
			STR_ARG(shown), MANIFEST_MAX_EXTENDS);
	if (f->rev.p)
		rc = source_manifest_at(f->arena, path, f->rev, &text->bytes, err);
	else
		rc = file_read(f->arena, path, MANIFEST_MAX_BYTES, &text->bytes, err);
	if (rc < 0)
		return rc;
	text->file = shown;
	text->path = path;
	f->n++;
	return 0;
}

int
manifest_file_read(struct manifest_file *f, struct arena *a, const struct place *place,
	struct str rev, struct error *err)
{
	int rc;

	*f = (struct manifest_file){.arena = a, .rev = rev};
	rc = read_text(f, str_from(place->shown), place->path, err);
	if (rc == ERR_MISSING && !rev.p)
		return error_set(err, ERR_INPUT,
			"there is no %s here: `furrow init` writes one, -C DIR or a path as "
			"argument names another",
			place->shown);
	if (rc == 0 && str_starts(f->texts[0].bytes, STR("{\"furrow_plan\":")))
		return error_set(err, ERR_INPUT,
			"%s is a saved plan, no manifest: `furrow apply %s` applies it",
			place->shown, place->shown);
	return rc;
}

/* The folder part of a path with its '/'; empty when it has none. */
static struct str
folder_of(struct str path)
{
	while (path.n && path.p[path.n - 1] != '/')
		path.n--;
	return path;
}

static const char *
path_of(const struct manifest_file *f, struct str file)
{
	for (size_t i = 0; i < f->n; i++) {
		if (str_eq(f->texts[i].file, file))
			return f->texts[i].path;
	}
	return f->texts[0].path;
}

static int
load_extended(void *ctx, struct str path, struct str from, struct str *file, struct str *bytes,
	struct error *err)
{
	struct manifest_file *f = ctx;
	struct str shown = folder_of(from), real = folder_of(str_from(path_of(f, from)));
	int rc;

	if (path.n && path.p[0] == '/')
		shown.n = real.n = 0;
	shown = arena_printf(f->arena, "%.*s%.*s", STR_ARG(shown), STR_ARG(path));
	real = arena_printf(f->arena, "%.*s%.*s", STR_ARG(real), STR_ARG(path));
	rc = read_text(f, shown, real.p, err);
	if (rc < 0)
		return rc;
	*file = f->texts[f->n - 1].file;
	*bytes = f->texts[f->n - 1].bytes;
	return 0;
}

int
manifest_file_parse(struct manifest_file *f, struct arena *a, struct manifest *out,
	struct diagnostics *diags, struct str infra, struct error *err)
{
	const struct manifest_loader loader = {.ctx = f, .load = load_extended};
	const struct manifest_options options = {.infra = infra};

	return manifest_parse(
		a, out, diags, f->texts[0].file, f->texts[0].bytes, &loader, &options, err);
}

struct digest
manifest_file_digest(const struct manifest_file *f)
{
	struct digest all[MANIFEST_MAX_EXTENDS + 1];

	for (size_t i = 0; i < f->n; i++)
		all[i] = digest_of(f->texts[i].bytes.p, f->texts[i].bytes.n);
	return f->n == 1 ? all[0] : digest_of(all, f->n * sizeof(all[0]));
}

static struct str
text_of(void *ctx, struct str file)
{
	const struct manifest_file *f = ctx;

	for (size_t i = 0; i < f->n; i++) {
		if (str_eq(f->texts[i].file, file))
			return f->texts[i].bytes;
	}
	return (struct str){0};
}

void
manifest_file_show(const struct manifest_file *f, struct diagnostics *diags)
{
	struct buf b = {0};
	size_t told = diags->n_errors + diags->n_warnings;

	diag_sort(diags);
	for (size_t i = 0; i < diags->n; i++)
		diag_render(&b, &diags->v[i], text_of, (void *)(uintptr_t)f);
	if (told > diags->n)
		buf_addf(&b, "(and %zu more)\n", told - diags->n);
	out_words(&b);
	buf_free(&b);
}
