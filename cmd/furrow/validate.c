/* validate: whether a manifest is right, with all that is wrong in one go. Reads the manifest and
 * what it extends, and nothing else: no git, no container engine. */
#include "cmd/furrow/manifest_file.h"
#include "cmd/furrow/out.h"
#include "planner/base/json.h"
#include "planner/observed.h"
#include "providers/local/local.h"

static const char help[] =
	"usage: furrow validate [MANIFEST] [options]\n"
	"\n"
	"Checks a manifest (default: ./furrow.yaml) and shows everything that is wrong\n"
	"with it at once: the line, the place, what was expected and what was probably\n"
	"meant. For editors, hooks and CI. Reads manifests only: whether the files, globs\n"
	"and revisions that they name are there, and which folders tasks get, is seen by\n"
	"`furrow plan`.\n"
	"\n"
	"Examples:\n"
	"  furrow validate                  ./furrow.yaml\n"
	"  furrow validate --infra local    would it run on this machine?\n"
	"  furrow validate --json job.yaml  the same for programs\n"
	"\n"
	"Options:\n"
	"      --infra INFRA        instead of instances.infra: local, aws/REGION[/ZONE]\n"
	"      --rev REV            the manifest as it stands at a git revision\n"
	"  -m, --manifest FILE      the manifest, instead of the argument\n"
	"      --json               print one JSON document\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  none\n"
	"\n"
	"Exit codes:\n"
	"  0 valid, perhaps with warnings; 64 not valid, not there, or the command line\n"
	"  is wrong\n";

static void
check_here(struct arena *a, const struct manifest *m, struct diagnostics *diags)
{
	struct machine machine;

	local_read_machine(a, &machine);
	manifest_check_local(m, machine.cpus, machine.memory_bytes, machine.arch, diags);
}

static int64_t
count_combinations(const struct map *map)
{
	int64_t n = 1;

	for (size_t i = 0; i < map->n_axes; i++)
		n *= (int64_t)map->axes[i].values.n;
	return n;
}

static struct str
describe_tasks(struct arena *a, const struct map *map)
{
	int64_t n = 0;

	switch (map->kind) {
	case MAP_NONE:
		return STR("one task");
	case MAP_GLOB:
		return arena_printf(
			a, "a task for each file that matches %.*s", STR_ARG(map->glob));
	case MAP_FILE:
		return arena_printf(a, "a task for each line of %.*s", STR_ARG(map->file));
	case MAP_S3:
		return arena_printf(
			a, "a task for each object that matches %.*s", STR_ARG(map->glob));
	case MAP_VALUES:
		n = (int64_t)map->values.n;
		break;
	case MAP_COUNT:
		n = map->count;
		break;
	case MAP_MATRIX:
		n = count_combinations(map);
		break;
	}
	return arena_printf(a, "%lld task%s", (long long)n, n == 1 ? "" : "s");
}

static struct str
describe_environment(struct arena *a, const struct environment *e)
{
	if (e->image.p)
		return arena_printf(a, " in image %.*s", STR_ARG(e->image));
	if (e->build.context.p)
		return arena_printf(
			a, " in an image built from %.*s", STR_ARG(e->build.dockerfile));
	return STR("");
}

static int
print_words(struct arena *a, const struct manifest_file *file, const struct manifest *m,
	struct diagnostics *diags)
{
	struct str tasks = describe_tasks(a, &m->map),
		   where = describe_environment(a, &m->environment);
	struct buf b = {0};
	int status;

	manifest_file_show(file, diags);
	if (diags->n_errors) {
		out_say("%.*s: %zu error%s, %zu warning%s", STR_ARG(m->file), diags->n_errors,
			diags->n_errors == 1 ? "" : "s", diags->n_warnings,
			diags->n_warnings == 1 ? "" : "s");
		return error_exit_code(ERR_INPUT);
	}
	buf_addf(&b, "%.*s: valid (%.*s: %.*s%.*s, infra %.*s", STR_ARG(m->file), STR_ARG(m->name),
		STR_ARG(tasks), STR_ARG(where), STR_ARG(m->instances.infra.text));
	if (diags->n_warnings)
		buf_addf(&b, "; %zu warning%s", diags->n_warnings,
			diags->n_warnings == 1 ? "" : "s");
	buf_add_cstr(&b, "); `furrow plan` looks at its files\n");
	status = out_data(&b);
	buf_free(&b);
	return status;
}

static int
print_json(const struct manifest *m, struct diagnostics *diags)
{
	struct buf b = {0};
	int status;

	diag_sort(diags);
	buf_add_char(&b, '{');
	json_add_member_int(&b, "furrow_validate", 1);
	json_add_member_string(&b, "file", m->file);
	json_add_member_bool(&b, "valid", diags->n_errors == 0);
	json_add_member_int(&b, "errors", (int64_t)diags->n_errors);
	json_add_member_int(&b, "warnings", (int64_t)diags->n_warnings);
	json_add_member_string(&b, "job", m->name);
	json_add_member_string(&b, "infra", m->instances.infra.text);
	json_add_name(&b, "diagnostics");
	buf_add_char(&b, '[');
	for (size_t i = 0; i < diags->n; i++) {
		if (i)
			buf_add_char(&b, ',');
		diag_render_json(&b, &diags->v[i]);
	}
	buf_add_cstr(&b, "]}\n");
	status = out_data(&b);
	buf_free(&b);
	return status ? status : diags->n_errors ? error_exit_code(ERR_INPUT) : 0;
}

static int
validate(struct arena *a, const struct options *o)
{
	struct diagnostics diags = {.arena = a};
	struct manifest_file file;
	struct manifest m;
	struct place place;
	struct error err;

	if (place_from_options(a, &place, o, options_arg(o, 0), &err) ||
		manifest_file_read(&file, a, &place, str_from(o->rev), &err))
		return out_fail(&err);
	if (manifest_file_parse(&file, a, &m, &diags, str_from(o->infra), &err) == 0) {
		if (m.instances.infra.kind == INFRA_AWS)
			manifest_check_aws(&m, &diags);
		else
			check_here(a, &m, &diags);
	}
	return o->json ? print_json(&m, &diags) : print_words(a, &file, &m, &diags);
}

static int
run(int argc, char **argv)
{
	struct arena arena = {0};
	struct options o;
	int status = options_parse(&o, &command_validate, "infra rev manifest json", 1, argc, argv);

	if (status >= 0)
		return status;
	status = validate(&arena, &o);
	arena_free(&arena);
	return status;
}

const struct command command_validate = {
	.name = "validate",
	.summary = "check a manifest, and show all that is wrong with it",
	.help = help,
	.run = run,
};
