/* machine: what a job needs on this machine, whatever its infra. */
#include "providers/doctor/internal.h"

#include "planner/diag.h"
#include "providers/container/archive.h"
#include "providers/container/engine.h"
#include "providers/host/spawn.h"
#include "providers/local/local.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

void
doctor_runner(struct doctor *d, struct doctor_findings *f)
{
	bool cloud = d->manifest->instances.infra.kind == INFRA_AWS;
	bool arm64 = cloud && d->manifest->instances.arch == ARCH_ARM64;
	struct str tried = STR("FURROW_RUNNER, the folder of furrow, ../libexec/furrow/");
	struct arena scratch = {0};
	struct doctor_finding *finding;
	char path[4096];
	struct error err;

	if (spawn_find_runner(path, sizeof(path), &err) < 0) {
		doctor_add_error(f, "runner", DOCTOR_FAIL, tried, &err);
		return;
	}
	tried = arena_printf(&scratch, "%s%s", path, arm64 ? "-arm64" : "");
	if (access(tried.p, R_OK) == 0) {
		doctor_add(f, "runner", DOCTOR_OK, tried, "furrow-runner for %s is there",
			arm64 ? "arm64" : "x86_64");
	} else {
		finding = doctor_add(f, "runner", DOCTOR_FAIL, tried, "%s", strerror(errno));
		if (arm64)
			doctor_advise(f, finding, "`make arm64` builds it");
	}
	arena_free(&scratch);
}

void
doctor_source(struct doctor *d, struct doctor_findings *f)
{
	const struct source_where *where = &d->config->source;
	struct source_reader *reader = NULL;
	struct arena scratch = {0};
	struct source source = {0};
	struct str tried = where->workdir.kind == WORKDIR_URL	? where->workdir.url
			   : where->workdir.kind == WORKDIR_GIT ? STR("the git repository")
								: STR("the working files");
	struct error err;
	int rc = source_open(&reader, where, &err);

	if (rc == 0)
		rc = source_list(reader, &scratch, &source, &err);
	if (rc < 0)
		doctor_add_error(f, "source", DOCTOR_FAIL, tried, &err);
	else
		doctor_add(f, "source", DOCTOR_OK, tried, "%zu file%s%s%.*s", source.n_entries,
			source.n_entries == 1 ? "" : "s", source.describe.p ? " at " : "",
			STR_ARG(source.describe));
	if (reader)
		source_close(reader);
	arena_free(&scratch);
}

/* The nearest folder above path that is there: where it would be made. */
static struct str
nearest(struct arena *a, struct str path)
{
	while (path.n > 1 && access(arena_cstr(a, path), F_OK) != 0) {
		while (path.n > 1 && path.p[path.n - 1] != '/')
			path.n--;
		if (path.n > 1)
			path.n--;
	}
	return arena_str(a, path);
}

/* 0, or the errno that stands in the way. */
static int
may_write(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
		return ENOTDIR;
	return access(dir, W_OK | X_OK) == 0 ? 0 : errno;
}

static void
tell_folder(struct doctor_findings *f, struct str folder, const char *what)
{
	struct arena scratch = {0};
	struct str at = nearest(&scratch, folder);
	int problem = may_write(at.p);

	if (problem == 0)
		doctor_add(f, "folders", DOCTOR_OK, folder, "%s can be written", what);
	else
		doctor_advise(f,
			doctor_add(f, "folders", DOCTOR_FAIL, folder, "%s: %.*s: %s", what,
				STR_ARG(at), strerror(problem)),
			"let this user write there, or name another folder");
	arena_free(&scratch);
}

void
doctor_folders(struct doctor *d, struct doctor_findings *f)
{
	tell_folder(f, str_from(d->config->state->root), "furrow's state");
	if (!str_starts(d->config->results, STR("s3://")))
		tell_folder(f, d->config->results, "results");
}

static void
tell_image(struct doctor *d, struct doctor_findings *f, struct engine_handle *engine)
{
	const struct environment *e = &d->manifest->environment;
	struct arena scratch = {0};
	const struct image_wish wish = {
		.image = archive_absolute(&scratch, d->config->manifest_dir, e->image)};
	struct str digest;
	struct error err;
	bool present;

	if (engine_resolve(engine, &scratch, &wish, &digest, &present, &err) < 0)
		doctor_add_error(f, "image", DOCTOR_FAIL, e->image, &err);
	else
		doctor_add(f, "image", DOCTOR_OK, e->image, "%.*s, %s", STR_ARG(digest),
			present ? "here already" : "to be fetched");
	arena_free(&scratch);
}

void
doctor_engine(struct doctor *d, struct doctor_findings *f)
{
	const struct environment *e = &d->manifest->environment;
	struct engine_handle *engine;
	struct arena scratch = {0};
	struct engine info = {0};
	struct error err;

	if (!e->image.p && !e->build.context.p)
		return;
	if (engine_open(&engine, &scratch, &info, &err) < 0) {
		doctor_add_error(f, "engine", DOCTOR_FAIL, STR("podman, docker"), &err);
	} else {
		doctor_add(f, "engine", DOCTOR_OK, STR("podman, docker"), "%.*s %.*s answers",
			STR_ARG(info.name), STR_ARG(info.version));
		if (e->image.p)
			tell_image(d, f, engine);
		engine_close(engine);
	}
	arena_free(&scratch);
}

static void
add_diagnostics(struct doctor_findings *f, const char *check, struct str tried,
	const struct diagnostics *diags)
{
	for (size_t i = 0; i < diags->n; i++) {
		const struct diagnostic *d = &diags->v[i];

		doctor_add(f, check, d->severity == DIAG_ERROR ? DOCTOR_FAIL : DOCTOR_WARN, tried,
			"%.*s:%u:%u: %.*s", STR_ARG(d->pos.file), d->pos.line, d->pos.col,
			STR_ARG(d->message))
			->input = true;
	}
}

void
doctor_wishes(struct doctor *d, struct doctor_findings *f)
{
	struct arena scratch = {0};
	struct diagnostics diags = {.arena = &scratch};

	manifest_check_aws(d->manifest, &diags);
	add_diagnostics(f, "manifest", STR("the wishes of the manifest"), &diags);
	arena_free(&scratch);
}

void
doctor_machine(struct doctor *d, struct doctor_findings *f)
{
	struct arena scratch = {0};
	struct diagnostics diags = {.arena = &scratch};
	const struct str tried = STR("this machine against the wishes of the manifest");
	struct machine m;

	local_read_machine(&scratch, &m);
	manifest_check_local(d->manifest, m.cpus, m.memory_bytes, m.arch, &diags);
	add_diagnostics(f, "machine", tried, &diags);
	if (!diags.n)
		doctor_add(f, "machine", DOCTOR_OK, tried, "%lld cpus, %lld MiB of memory",
			(long long)m.cpus, (long long)(m.memory_bytes >> 20));
	arena_free(&scratch);
}
