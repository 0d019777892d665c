/* run: the steps of a run on this machine that are no tasks: the source's folder, the image, the
 * environment with its runner, bringing results together, and letting go. */
#include "providers/local/internal.h"

#include "providers/base_env.h"
#include "providers/host/spawn.h"
#include "providers/store/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* How much of a task's stdout, and of its stderr, is kept. */
static const int64_t kept_bytes = INT64_C(64) << 20;

static int
sync_folder(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "cannot open %s", path);
	if (syncfs(fd) != 0)
		rc = error_set_errno(err, ERR_HOST, errno, "cannot write %s to its disk", path);
	close(fd);
	return rc;
}

/* What is not root may not write where there is no permission. For root the runner lays a read-only
 * mount over the source, which leaves modes as they are, for copies that a task makes. */
static void
forbid_writing(const char *dir)
{
	char *const roots[] = {(char *)dir, NULL};
	FTS *tree = geteuid() ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
	FTSENT *e;

	while (tree && (e = fts_read(tree))) {
		if (e->fts_info == FTS_F || e->fts_info == FTS_DP)
			(void)chmod(e->fts_accpath, e->fts_statp->st_mode & 0555);
	}
	if (tree)
		fts_close(tree);
}

/* The source goes into a folder of its own in the cache, complete under its name or not there. */
static int
make_source(struct local_run *r, struct arena *a, struct error *err)
{
	struct local *l = r->l;
	const char *dir = local_source_dir(l, a, &r->plan->job);
	const char *partial = arena_printf(a, "%s.partial", dir).p;
	int rc = state_remove_tree(partial, err);

	if (rc == 0)
		rc = state_make_dir(partial, err);
	if (rc == 0)
		rc = source_export(l->reader, &l->site.seen.source, partial, err);
	if (rc == 0)
		forbid_writing(partial);
	if (rc == 0)
		rc = sync_folder(partial, err);
	if (rc == 0 && rename(partial, dir) != 0 && errno != EEXIST && errno != ENOTEMPTY)
		rc = error_set_errno(err, ERR_HOST, errno, "cannot rename %s", partial);
	state_remove_tree(partial, NULL); /* unless it is in place */
	return rc;
}

static void
keep_log(struct local_run *r, struct arena *a, const char *name, struct str text)
{
	const char *path = arena_printf(a, "%s/%s", r->dir, name).p;
	int fd = text.n ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;

	if (fd < 0)
		return;
	if (write(fd, text.p, text.n) < 0) {
		/* A log for people: what matters of it is in the error as well. */
	}
	close(fd);
}

static int
make_image(struct local_run *r, struct arena *a, struct error *err)
{
	struct local *l = r->l;
	struct image_wish wish = l->image;
	struct buf log = {0};
	int rc;

	wish.source_dir = local_source_dir(l, a, &r->plan->job);
	if (wish.build.context.p)
		wish.build.context = arena_printf(a, "%s/%.*s", wish.source_dir,
			STR_ARG(job_source_path(a, l->site.config.manifest, &l->site.seen.source,
				l->site.config.manifest->environment.build.context)));
	rc = engine_ensure(l->engine, a, &wish, l->image_digest, &r->image_id, &log, err);
	keep_log(r, a, "image.log", buf_str(&log));
	buf_free(&log);
	if (rc == 0)
		r->image_id = arena_str(&r->arena, r->image_id);
	return rc;
}

static void
add_pair(struct arena *a, struct pairs *pairs, const char *name, struct str value)
{
	struct pair *v = ARENA_ARRAY(a, struct pair, pairs->n + 1);

	if (pairs->n)
		memcpy(v, pairs->v, pairs->n * sizeof(*v));
	v[pairs->n] = (struct pair){.name = str_from(name), .value = value};
	pairs->v = v;
	pairs->n++;
}

static struct pairs
base_environment(struct local_run *r, struct arena *a, const char *setup_dir, bool secrets)
{
	const struct base_env wish = {.run = r->run,
		.on_host = !local_has_image(r->l),
		.setup_dir = setup_dir,
		.secrets = secrets};

	return base_env(a, r->l->site.config.manifest, &wish);
}

static int
copy_file(const char *from, const char *to, struct error *err)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int out, rc = 0;
	ssize_t n;
	char *bytes;

	if (in < 0 || fstat(in, &st) != 0) {
		rc = error_set_errno(err, ERR_HOST, errno, "cannot read %s", from);
		if (in >= 0)
			close(in);
		return rc;
	}
	/* The source is not to be written to; this is setup's own, and made again when that is. */
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (st.st_mode & 0777) | 0200);
	if (out < 0) {
		close(in);
		return error_set_errno(err, ERR_HOST, errno, "cannot write %s", to);
	}
	bytes = mem_alloc(1 << 16);
	while (rc == 0 && (n = read(in, bytes, 1 << 16)) != 0) {
		ssize_t wrote = n < 0 ? -1 : write(out, bytes, (size_t)n);

		if (wrote != n || n < 0)
			rc = error_set_errno(err, ERR_HOST, wrote < 0 ? errno : ENOSPC,
				"cannot copy %s to %s", from, to);
	}
	free(bytes);
	close(in);
	if (close(out) != 0 && rc == 0)
		rc = error_set_errno(err, ERR_HOST, errno, "cannot write %s", to);
	return rc;
}

/* Setup sees the files that its identity was made of, and no others: so what it makes depends on
 * nothing else. */
static int
copy_setup_files(struct local_run *r, struct arena *a, const char *to, struct error *err)
{
	const struct strings *files = &r->l->site.config.manifest->environment.setup_files;
	const char *source = local_source_dir(r->l, a, &r->plan->job);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < files->n; i++) {
		char *path = (char *)arena_printf(a, "%s/%.*s", to, STR_ARG(files->v[i])).p;

		for (char *at = path + strlen(to) + 1; rc == 0 && (at = strchr(at, '/')); at++) {
			*at = '\0';
			rc = state_make_dir(path, err);
			*at = '/';
		}
		if (rc == 0)
			rc = copy_file(arena_printf(a, "%s/%.*s", source, STR_ARG(files->v[i])).p,
				path, err);
	}
	return rc;
}

static const char *const *
environment_strings(struct arena *a, const struct pairs *env, const struct pairs *more)
{
	const char **v = ARENA_ARRAY(a, const char *, env->n + more->n + 1);
	size_t n = 0;

	for (size_t i = 0; i < env->n; i++)
		v[n++] = arena_printf(
			a, "%.*s=%.*s", STR_ARG(env->v[i].name), STR_ARG(env->v[i].value))
				 .p;
	for (size_t i = 0; i < more->n; i++)
		v[n++] = arena_printf(
			a, "%.*s=%.*s", STR_ARG(more->v[i].name), STR_ARG(more->v[i].value))
				 .p;
	return v;
}

/* The last `lines` lines of a text, for an error message. */
static struct str
last_lines(struct str text, int lines)
{
	size_t at;

	text = str_trim(text);
	for (at = text.n; at > 0; at--) {
		if (text.p[at - 1] == '\n' && --lines == 0)
			break;
	}
	return str_from_index(text, at);
}

/* Runs `setup` on this host in a folder that is kept. The marker, written last, says that it is
 * whole. */
static int
make_host_setup(struct local_run *r, struct arena *a, const char *dir, struct error *err)
{
	const struct environment *e = &r->l->site.config.manifest->environment;
	const char *argv[] = {"/bin/sh", "-c", arena_cstr(a, e->setup), NULL};
	struct pairs env = base_environment(r, a, dir, false);
	struct pairs own;
	struct buf log = {0};
	int rc, fd;

	job_setup_env(r->plan->job.manifest, a, &own);
	add_pair(a, &env, "HOME", str_from(dir));
	rc = state_remove_tree(dir, err);
	if (rc == 0)
		rc = state_make_dir(dir, err);
	if (rc == 0)
		rc = copy_setup_files(r, a, dir, err);
	if (rc < 0)
		return rc;
	rc = spawn_run(argv, environment_strings(a, &env, &own), dir, &log, &log, -1, err);
	keep_log(r, a, "setup.log", buf_str(&log));
	if (rc > 0) {
		struct str tail = last_lines(buf_str(&log), 5);

		rc = error_set(err, ERR_HOST,
			"environment.setup ended with status %d; it said last:\n%.*s\n(all of it: "
			"%s/setup.log)",
			rc, STR_ARG(tail), r->dir);
	}
	buf_free(&log);
	if (rc < 0)
		return rc;
	rc = sync_folder(dir, err);
	if (rc < 0)
		return rc;
	fd = open(arena_printf(a, "%s/.furrow-ready", dir).p, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "cannot write into %s", dir);
	close(fd);
	return 0;
}

static int
open_session(struct local_run *r, int fd, const struct session_base *base, struct error *err)
{
	const struct transport transport = {.read_fd = fd, .write_fd = fd};
	struct session_events events;
	struct session_host host;

	runner_events(&r->seat, &events);
	return session_open(
		&r->seat.session, &transport, r->run, 0, base, &events, 20 * NS_PER_S, &host, err);
}

/* One that did not answer. It must not come to itself later, beside the runner of another attempt:
 * on its way out it would end the tasks of that one. */
static void
end_runner(struct local_run *r)
{
	kill(r->runner_pid, SIGKILL);
	while (waitpid(r->runner_pid, NULL, 0) < 0 && errno == EINTR)
		;
	r->runner_pid = 0;
}

/* Only one container of a run is known by name, so one that is of no use does not stay. */
static void
end_container(struct local_run *r)
{
	if (engine_remove(r->l->engine, r->container, NULL) == 0)
		r->container[0] = '\0';
}

static int
start_on_host(struct local_run *r, struct arena *a, struct error *err)
{
	struct local *l = r->l;
	const struct manifest *m = l->site.config.manifest;
	const char *setup_dir = NULL;
	struct session_base base = {.root = r->work,
		.source = local_source_dir(l, a, &r->plan->job),
		.outputs = m->outputs.p ? arena_cstr(a, m->outputs) : "",
		.cap_bytes = kept_bytes,
		.slots = local_slots(l)};
	const char *log = arena_printf(a, "%s/runner.log", r->dir).p;
	int log_fd, fd, rc;

	if (m->environment.setup.p) {
		setup_dir = local_setup_dir(l, a, &r->plan->job.environment_identity);
		if (!r->plan->observed.setup_ready &&
			(rc = make_host_setup(r, a, setup_dir, err)) < 0)
			return rc;
	}
	base.env = base_environment(r, a, setup_dir, true);
	log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (log_fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "cannot write %s", log);
	rc = spawn_runner(r->runner, log_fd, &fd, &r->runner_pid, err);
	close(log_fd);
	if (rc < 0)
		return rc;
	rc = open_session(r, fd, &base, err);
	if (rc < 0)
		end_runner(r);
	return rc;
}

static int
start_in_container(struct local_run *r, struct arena *a, struct error *err)
{
	struct local *l = r->l;
	const struct manifest *m = l->site.config.manifest;
	struct container_wish wish = {.run = r->run,
		.job = arena_cstr(a, m->name),
		.image_id = arena_cstr(a, r->image_id),
		.runner = r->runner,
		.root = r->work,
		.source = local_source_dir(l, a, &r->plan->job),
		.memory_bytes = -1};
	struct session_base base = {.root = "/.furrow/root",
		.source = "/.furrow/source",
		.outputs = m->outputs.p ? arena_cstr(a, m->outputs) : "",
		.cap_bytes = kept_bytes,
		.slots = local_slots(l),
		.inherit_env = true};
	int fd, rc;

	if (m->environment.setup.p) {
		struct container_wish setup = wish;
		struct pairs own;
		struct str image = {0};
		struct buf log = {0};

		setup.source = arena_printf(a, "%s/setup", r->work).p;
		rc = state_make_dir(setup.source, err);
		if (rc == 0)
			rc = copy_setup_files(r, a, setup.source, err);
		job_setup_env(m, a, &own);
		if (rc == 0)
			rc = engine_setup(l->engine, a, &setup, m->environment.setup, own,
				&r->plan->job.environment_identity, &image, &log, err);
		keep_log(r, a, "setup.log", buf_str(&log));
		buf_free(&log);
		if (rc < 0)
			return rc;
		wish.image_id = arena_cstr(a, image);
	}
	base.env = base_environment(r, a, NULL, true);
	rc = engine_start(l->engine, &wish, r->container, &fd, err);
	if (rc < 0)
		return rc;
	rc = open_session(r, fd, &base, err);
	if (rc < 0)
		end_container(r);
	return rc;
}

static int
make_environment(struct local_run *r, struct arena *a, struct outcome *outcome, struct error *err)
{
	int rc;

	if (local_has_image(r->l)) {
		if (!r->image_id.p && (rc = make_image(r, a, err)) < 0)
			return rc;
		rc = start_in_container(r, a, err);
	} else {
		rc = start_on_host(r, a, err);
	}
	if (rc == 0)
		outcome->slots = local_slots(r->l);
	return rc;
}

static int
collect(struct local_run *r, struct arena *a, struct outcome *outcome, struct error *err)
{
	const struct job *job = &r->plan->job;
	struct collect_report report = {0};
	int rc;

	rc = collect_run(r->l->site.store, r->l->site.config.results.p,
		tasks_to_collect(r->tasks, a), job->n_tasks, &report, err);
	outcome->output_files = report.n_written;
	outcome->output_bytes = report.bytes;
	return rc;
}

static int
release(struct local_run *r, struct error *err)
{
	struct session *session = runner_take_session(&r->seat);
	int rc = 0;

	if (session)
		rc = session_close(session, 10 * NS_PER_S, err);
	if (r->container[0]) {
		int removed = engine_remove(r->l->engine, r->container, rc < 0 ? NULL : err);

		rc = rc < 0 ? rc : removed;
		r->container[0] = '\0';
	}
	spawn_kill_children();
	r->runner_pid = 0;
	return rc;
}

enum step
local_step(struct local_run *r, struct call *call, struct outcome *outcome, struct error *err)
{
	struct arena scratch = {0};
	int rc;

	spawn_heed(call->node->always ? NULL : &r->stop_steps);
	switch (call->node->kind) {
	case KIND_SOURCE:
		call->sink->phase(call, PHASE_UPLOAD);
		rc = make_source(r, &scratch, err);
		break;
	case KIND_IMAGE:
		call->sink->phase(call, PHASE_ENV);
		rc = make_image(r, &scratch, err);
		break;
	case KIND_ENVIRONMENT:
		call->sink->phase(call, PHASE_ENV);
		rc = make_environment(r, &scratch, outcome, err);
		break;
	case KIND_COLLECT:
		call->sink->phase(call, PHASE_COLLECT);
		rc = collect(r, &scratch, outcome, err);
		break;
	case KIND_RELEASE:
		call->sink->phase(call, PHASE_TEARDOWN);
		rc = release(r, err);
		break;
	default:
		rc = error_set(err, ERR_INTERNAL, "this machine has no %s to make",
			kind_name(call->node->kind));
		break;
	}
	spawn_heed(NULL);
	arena_free(&scratch);
	return rc < 0 ? STEP_FAILED : STEP_DONE;
}
