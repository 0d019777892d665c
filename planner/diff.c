/* diff: job against observed. Everything that exists is looked up, never gone through for each
 * task, and tasks in place leave nothing behind but a byte each. Says why in words; does and
 * prints nothing. */
#include "planner/diff_build.h"
#include "planner/key_index.h"
#include "planner/source.h"

enum { SHORT_DIGEST = 12 + sizeof("sha256:") - 1 };

static const char *const cause_names[CAUSE_COUNT] = {
	[CAUSE_HAS_RESULT] = "has-result",
	[CAUSE_NO_RESULT] = "no-result",
	[CAUSE_KEY_CHANGED] = "key-changed",
	[CAUSE_RESULT_GONE] = "result-gone",
	[CAUSE_THERE] = "there",
	[CAUSE_MISSING] = "missing",
	[CAUSE_NEEDS_SETUP] = "needs-setup",
	[CAUSE_KEPT_SETUP] = "kept-setup",
	[CAUSE_COLLECTED] = "collected",
	[CAUSE_TO_COLLECT] = "to-collect",
	[CAUSE_TO_REPLACE] = "to-replace",
	[CAUSE_OVER] = "over",
	[CAUSE_WARM] = "warm",
	[CAUSE_UNUSED] = "unused",
	[CAUSE_KEEP] = "keep",
};

const char *
cause_name(enum cause c)
{
	return cause_names[c];
}

bool
cause_parse(struct str s, enum cause *out)
{
	for (int c = 0; c < CAUSE_COUNT; c++) {
		if (str_is(s, cause_names[c])) {
			*out = (enum cause)c;
			return true;
		}
	}
	return false;
}

static struct change *
add(struct change *list, size_t *n, const struct change *change)
{
	list[*n] = *change;
	return &list[(*n)++];
}

struct change *
diff_add_todo(
	struct builder *b, enum kind kind, enum verb verb, enum cause cause, struct str reason)
{
	const struct change c = {.kind = kind, .verb = verb, .cause = cause, .reason = reason};

	return add(b->out->todo, &b->out->n_todo, &c);
}

struct change *
diff_add_in_place(struct builder *b, enum kind kind, enum cause cause, struct str reason)
{
	const struct change c = {
		.kind = kind, .verb = VERB_IN_PLACE, .cause = cause, .reason = reason};

	return add(b->out->in_place, &b->out->n_in_place, &c);
}

bool
diff_has_image(const struct manifest *m)
{
	return m->environment.image.p || m->environment.build.context.p;
}

/* What lies in `results` under this folder, or NULL. */
static const struct collected *
find_collected(const struct observed *obs, struct str folder)
{
	size_t low = 0, high = obs->n_collected;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = str_cmp(obs->collected[mid].label, folder);

		if (order == 0)
			return &obs->collected[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static enum cause
cause_to_run(const struct observed *obs, const struct task *task)
{
	const struct history_entry *e = history_find(&obs->history, KIND_TASK, task->label);

	if (!e || digest_is_zero(&e->key))
		return CAUSE_NO_RESULT;
	return digest_cmp(&e->key, &task->key) == 0 ? CAUSE_RESULT_GONE : CAUSE_KEY_CHANGED;
}

static struct str
task_reason(enum cause cause)
{
	switch (cause) {
	case CAUSE_HAS_RESULT:
		return STR("its result is in the store");
	case CAUSE_KEY_CHANGED:
		return STR("its key changed since the last result");
	case CAUSE_RESULT_GONE:
		return STR("its result is no longer in the store");
	default:
		return STR("no result yet");
	}
}

/* What the loop over all tasks looks things up in. */
struct lookup {
	struct arena arena;
	struct arena scratch;
	struct key_index results;
	struct key_index collected;
};

static void
lookup_open(struct lookup *l, const struct observed *obs)
{
	*l = (struct lookup){0};
	key_index_init(&l->arena, &l->results, obs->results, sizeof(*obs->results), obs->n_results);
	if (obs->n_collected)
		key_index_init(&l->arena, &l->collected, &obs->collected->key,
			sizeof(*obs->collected), obs->n_collected);
}

static void
lookup_close(struct lookup *l)
{
	arena_free(&l->arena);
	arena_free(&l->scratch);
}

/* What lies in a task's folder, or NULL. Mostly it is this result, and to find it by its key is
 * quicker than by the folder's name. */
static const struct collected *
lookup_collected(struct lookup *l, const struct builder *b, uint32_t task)
{
	const struct collected *found = b->obs->collected;
	int64_t at = key_index_find(&l->collected, &b->job->tasks[task].key);
	struct str folder;

	if (b->obs->n_collected == 0)
		return NULL;
	arena_reset(&l->scratch);
	folder = job_task_folder(b->job, task, &l->scratch);
	if (at >= 0 && str_eq(found[at].label, folder))
		return &found[at];
	return find_collected(b->obs, folder);
}

/* Which tasks run, and which results are still to be brought to `results`. */
static void
look_at_tasks(struct builder *b)
{
	struct changes *out = b->out;
	struct lookup lookup;

	lookup_open(&lookup, b->obs);
	out->task_runs = ARENA_ARRAY(b->arena, uint8_t, b->job->n_tasks);
	for (uint32_t i = 0; i < b->job->n_tasks; i++) {
		const struct digest *key = &b->job->tasks[i].key;
		const struct collected *there = lookup_collected(&lookup, b, i);
		bool runs = key_index_find(&lookup.results, key) < 0;
		bool this_one = there && digest_cmp(&there->key, key) == 0;

		out->task_runs[i] = runs;
		out->n_tasks_run += runs;
		out->n_tasks_in_place += !runs;
		out->n_to_collect += !runs && !this_one;
		out->n_to_replace += there && !this_one;
	}
	lookup_close(&lookup);
}

/* A folder as people write it: "results/". */
static struct str
folder_name(struct builder *b, struct str path)
{
	return str_ends(path, STR("/")) ? path : arena_printf(b->arena, "%.*s/", STR_ARG(path));
}

struct str
diff_files_of(struct builder *b)
{
	const struct source *s = b->job->source;
	const char *files = s->n_entries == 1 ? "file" : "files";

	if (s->kind == SOURCE_PATH)
		return arena_printf(b->arena, "%zu %s of %.*s", s->n_entries, files,
			STR_ARG(folder_name(b, b->job->manifest->workdir.path)));
	return arena_printf(b->arena, "%zu %s of %.*s%s", s->n_entries, files,
		STR_ARG(s->describe.p ? s->describe : s->commit),
		s->kind == SOURCE_DIRTY ? " with uncommitted changes" : "");
}

static void
look_at_source(struct builder *b, bool needed)
{
	char hex[DIGEST_HEX_BYTES];
	struct str reason;

	digest_hex(hex, &b->job->export_identity);
	if (b->obs->source_ready) {
		reason = arena_printf(b->arena, "exported before (%.*s)", DIFF_SHORT_HEX, hex);
		diff_add_in_place(b, KIND_SOURCE, CAUSE_THERE, reason);
	} else if (needed) {
		reason = arena_printf(b->arena, "export %.*s", STR_ARG(diff_files_of(b)));
		diff_add_todo(b, KIND_SOURCE, VERB_CREATE, CAUSE_MISSING, reason);
	}
}

static struct str
image_name(struct builder *b)
{
	const struct environment *e = &b->job->manifest->environment;

	if (e->image.p)
		return e->image;
	return arena_printf(
		b->arena, "the image built from %.*s", STR_ARG(folder_name(b, e->build.context)));
}

struct str
diff_short_digest(struct str digest)
{
	if (digest.n > SHORT_DIGEST)
		digest.n = SHORT_DIGEST;
	return digest;
}

bool
diff_is_archive(struct str image)
{
	return str_starts(image, STR("oci-archive:")) || str_starts(image, STR("docker-archive:"));
}

/* "pull IMAGE (sha256:1a2b3c4d5e6f) with podman" */
static struct str
how_to_get_image(struct builder *b)
{
	const struct environment *e = &b->job->manifest->environment;
	struct str digest = diff_short_digest(b->job->image_digest);
	struct str engine = b->obs->engine.name;
	struct str what;

	if (!e->image.p)
		what = arena_printf(b->arena, "build it from %.*s (%.*s)",
			STR_ARG(folder_name(b, e->build.context)), STR_ARG(e->build.dockerfile));
	else if (diff_is_archive(e->image))
		what = arena_printf(b->arena, "load %.*s", STR_ARG(e->image));
	else
		what = arena_printf(b->arena, "pull %.*s", STR_ARG(e->image));
	if (digest.p)
		what = arena_printf(b->arena, "%.*s (%.*s)", STR_ARG(what), STR_ARG(digest));
	if (engine.p)
		what = arena_printf(b->arena, "%.*s, by %.*s", STR_ARG(what), STR_ARG(engine));
	return what;
}

static void
look_at_image(struct builder *b, bool needed)
{
	struct str reason;

	if (!diff_has_image(b->job->manifest))
		return;
	if (b->obs->image_ready) {
		reason = arena_printf(b->arena, "%.*s is here (%.*s)", STR_ARG(image_name(b)),
			STR_ARG(diff_short_digest(b->job->image_digest)));
		diff_add_in_place(b, KIND_IMAGE, CAUSE_THERE, reason);
	} else if (needed) {
		diff_add_todo(b, KIND_IMAGE, VERB_CREATE, CAUSE_MISSING, how_to_get_image(b));
	}
}

struct str
diff_memory(struct arena *a, int64_t bytes)
{
	double gib = (double)bytes / (1024.0 * 1024 * 1024);

	return gib >= 10 ? arena_printf(a, "%.0f GiB", gib) : arena_printf(a, "%.1f GiB", gib);
}

static void
look_at_instance(struct builder *b)
{
	const struct machine *m = &b->obs->machine;
	struct str memory = diff_memory(b->arena, m->memory_bytes);
	const char *arch = m->arch == ARCH_ARM64 ? "arm64" : "x86_64";

	diff_add_in_place(b, KIND_INSTANCE, CAUSE_THERE,
		arena_printf(b->arena, "this machine: %.*s, %lld cpu%s, %.*s, %s", STR_ARG(m->name),
			(long long)m->cpus, m->cpus == 1 ? "" : "s", STR_ARG(memory), arch));
}

static void
look_at_environment(struct builder *b)
{
	const struct manifest *m = b->job->manifest;
	enum cause cause = CAUSE_MISSING;
	const char *setup = "";
	struct str where = STR("on this machine");

	if (m->environment.setup.p) {
		cause = b->obs->setup_ready ? CAUSE_KEPT_SETUP : CAUSE_NEEDS_SETUP;
		setup = b->obs->setup_ready ? ", with what setup left before" : ", run setup first";
	}
	if (diff_has_image(m))
		where = arena_printf(b->arena, "in a container of %.*s", STR_ARG(image_name(b)));
	diff_add_todo(b, KIND_ENVIRONMENT, VERB_CREATE, cause,
		arena_printf(b->arena, "start a runner %.*s%s", STR_ARG(where), setup));
}

static void
add_tasks(struct builder *b)
{
	for (uint32_t i = 0; i < b->job->n_tasks; i++) {
		enum cause cause;

		if (!b->out->task_runs[i])
			continue;
		cause = cause_to_run(b->obs, &b->job->tasks[i]);
		diff_add_todo(b, KIND_TASK, VERB_RUN, cause, task_reason(cause))->index = i;
	}
}

static struct str
count_text(struct arena *a, uint32_t n, const char *one, const char *many)
{
	return arena_printf(a, "%u %s", n, n == 1 ? one : many);
}

static void
look_at_collect(struct builder *b)
{
	const struct changes *c = b->out;
	uint32_t n = c->n_tasks_run + c->n_to_collect;
	bool replaces = c->n_to_replace > 0;
	struct str root = folder_name(b, job_results_root(b->job)), reason, results;

	if (n == 0) {
		results = count_text(b->arena, c->n_tasks_in_place, "result is", "results are");
		reason = arena_printf(b->arena, "%.*s in %.*s", STR_ARG(results), STR_ARG(root));
		diff_add_in_place(b, KIND_COLLECT, CAUSE_COLLECTED, reason);
		return;
	}
	if (c->n_tasks_run) {
		results = count_text(b->arena, n, "result", "results");
		reason = arena_printf(
			b->arena, "bring %.*s to %.*s", STR_ARG(results), STR_ARG(root));
	} else {
		results = count_text(b->arena, n, "result is", "results are");
		reason = arena_printf(
			b->arena, "%.*s not in %.*s yet", STR_ARG(results), STR_ARG(root));
	}
	if (replaces)
		reason = arena_printf(b->arena, "%.*s, replacing %u older %s", STR_ARG(reason),
			c->n_to_replace, c->n_to_replace == 1 ? "one" : "ones");
	diff_add_todo(b, KIND_COLLECT, replaces ? VERB_CHANGE : VERB_CREATE,
		replaces ? CAUSE_TO_REPLACE : CAUSE_TO_COLLECT, reason);
}

static void
look_at_release(struct builder *b)
{
	diff_add_todo(b, KIND_RELEASE, VERB_REMOVE, CAUSE_OVER,
		diff_has_image(b->job->manifest) ? STR("end the runner and remove its container")
						 : STR("end the runner"));
}

static void
look_at_this_machine(struct builder *b, bool needed)
{
	look_at_source(b, needed);
	look_at_image(b, needed);
	look_at_instance(b);
	if (needed)
		look_at_environment(b);
}

void
diff(struct arena *a, struct changes *out, const struct job *job, const struct observed *obs)
{
	struct builder b = {.arena = a, .out = out, .job = job, .obs = obs};
	size_t hosts;
	bool needed;

	*out = (struct changes){0};
	look_at_tasks(&b);
	needed = out->n_tasks_run > 0;
	hosts = obs->fleet.there ? obs->fleet.n_warm + obs->fleet.max : 0;
	out->todo =
		ARENA_ARRAY(a, struct change, (size_t)KIND_COUNT + out->n_tasks_run + 3 * hosts);
	out->in_place = ARENA_ARRAY(a, struct change, (size_t)KIND_COUNT + hosts);

	if (obs->fleet.there)
		diff_fleet_means(&b);
	else
		look_at_this_machine(&b, needed);
	add_tasks(&b);
	look_at_collect(&b);
	if (obs->fleet.there)
		diff_fleet_release(&b);
	else if (needed)
		look_at_release(&b);
}

struct str
diff_task_reason(
	const struct changes *c, const struct job *job, const struct observed *obs, uint32_t index)
{
	return task_reason(
		c->task_runs[index] ? cause_to_run(obs, &job->tasks[index]) : CAUSE_HAS_RESULT);
}
