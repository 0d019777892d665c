/* key: what a task's key is made of.
 *
 * This format is for ever: results are found by it years later. tests/unit/test_key.c holds digests
 * that must not change. Whoever has to change what is hashed gives it a new number in KEY_VERSION,
 * and all results are computed anew.
 *
 * field(s) is the length of s as 8 bytes, little-endian, and the bytes of s; a string that is
 * absent has the length 2^64 - 1. list(v) is the number of items as 8 bytes, little-endian, and a
 * field for each; pairs(v) the number of pairs and two fields for each. file(e) is field(path), the
 * mode as 4 bytes, little-endian, and the 20 bytes of the git blob id.
 *
 *   key          SHA-256( common INPUT )
 *   common       SHA-256( SCHEMA ENTRYPOINT IMAGE SETUP SETUP_FILES SOURCE ENV SECRETS OUTPUTS )
 *   environment  SHA-256( field("furrow-environment 1") IMAGE SETUP ), and with a setup also
 *                SETUP_FILES pairs(the environment that it is given, sorted by name)
 *   build        SHA-256( field("furrow-build 1") file(Dockerfile) field(context) and the source
 *                identity of what lies below the context )
 *
 *   SCHEMA       field("furrow-key 1")
 *   ENTRYPOINT   field("shell") field(text)
 *                field("list") list(argv)
 *   IMAGE        field("none")
 *                field("digest") field("sha256:...")
 *                field("build") and the 32 bytes of build
 *   SETUP        field(text)
 *   SETUP_FILES  the number of files, file(e) for each, sorted by path, none twice
 *   SOURCE       32 bytes: the source identity (source.c) of the files that belong to every task
 *   ENV          pairs(environment.env), sorted by name
 *   SECRETS      list(environment.secrets), sorted: names only
 *   OUTPUTS      field(outputs)
 *   INPUT        field("none")
 *                field("value") field(input)
 *                field("file") file(e)
 *                field("matrix") pairs(axes), in the manifest's order
 *                field("object") field(URL) field(ETag, with its quotes) and the size as 8
 *                bytes, little-endian
 *                and behind that, only when a template in entrypoint or env names task.index,
 *                field(the index in decimal)
 *
 * Templates are hashed as they are written, not replaced: what they stand for is in the record as
 * well, but for the key itself, which cannot be. A value is a value, whether from a list, a file's
 * line or a count. Not in the record, since they say how and where work is done and not which:
 * name, instances, retry, timeouts, results, store. */
#include "planner/key.h"

#include "planner/expand.h"
#include "planner/path.h"
#include "planner/role.h"
#include "planner/template.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_VERSION "furrow-key 1"
#define BUILD_VERSION "furrow-build 1"
#define ENVIRONMENT_VERSION "furrow-environment 1"

const char *
key_part_name(enum key_part part)
{
	static const char *const names[KEY_PARTS] = {
		[KEY_SCHEMA] = "schema",
		[KEY_ENTRYPOINT] = "entrypoint",
		[KEY_IMAGE] = "image",
		[KEY_SETUP] = "setup",
		[KEY_SETUP_FILES] = "setup_files",
		[KEY_SOURCE] = "source",
		[KEY_ENV] = "env",
		[KEY_SECRETS] = "secrets",
		[KEY_OUTPUTS] = "outputs",
		[KEY_INPUT] = "input",
	};

	return names[part];
}

const char *
key_schema(void)
{
	return KEY_VERSION;
}

static void
add_le(struct buf *out, uint64_t v, int n_bytes)
{
	for (int i = 0; i < n_bytes; i++)
		buf_add_char(out, (char)(v >> (8 * i)));
}

static void
add_field(struct buf *out, struct str s)
{
	add_le(out, s.p ? s.n : UINT64_MAX, 8);
	buf_add_str(out, s);
}

static void
add_list(struct buf *out, struct strings v)
{
	add_le(out, v.n, 8);
	for (size_t i = 0; i < v.n; i++)
		add_field(out, v.v[i]);
}

static void
add_file(struct buf *out, const struct source_entry *e)
{
	add_field(out, e->path);
	add_le(out, (uint64_t)e->mode, 4);
	buf_add(out, e->id, BLOB_ID_BYTES);
}

static void
add_object(struct buf *out, struct str url, const struct object *o)
{
	add_field(out, STR("object"));
	add_field(out, url);
	add_field(out, o->etag);
	add_le(out, (uint64_t)o->size_bytes, 8);
}

static int
by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int
by_name(const void *a, const void *b)
{
	return str_cmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

static int
by_path(const void *a, const void *b)
{
	return str_cmp((*(const struct source_entry *const *)a)->path,
		(*(const struct source_entry *const *)b)->path);
}

struct strings
key_secrets(struct arena *a, struct strings secrets)
{
	struct strings out = {.v = ARENA_ARRAY(a, struct str, secrets.n), .n = secrets.n};

	if (secrets.n) {
		memcpy(out.v, secrets.v, secrets.n * sizeof(*out.v));
		qsort(out.v, out.n, sizeof(*out.v), by_bytes);
	}
	return out;
}

struct pairs
key_env(struct arena *a, struct pairs env)
{
	struct pairs out = {.v = ARENA_ARRAY(a, struct pair, env.n), .n = env.n};

	if (env.n) {
		memcpy(out.v, env.v, env.n * sizeof(*out.v));
		qsort(out.v, out.n, sizeof(*out.v), by_name);
	}
	return out;
}

const struct source_entry **
key_setup_files(struct arena *a, const struct job *job, size_t *n)
{
	struct strings names = job->manifest->environment.setup_files;
	const struct source_entry **files = ARENA_ARRAY(a, const struct source_entry *, names.n);
	size_t found = 0;

	for (size_t i = 0; i < names.n; i++) {
		const struct source_entry *e = source_find(job->source, path_clean(a, names.v[i]));

		if (e)
			files[found++] = e;
	}
	if (found > 0)
		qsort(files, found, sizeof(const struct source_entry *), by_path);
	*n = 0;
	for (size_t i = 0; i < found; i++) {
		if (i == 0 || files[i] != files[i - 1])
			files[(*n)++] = files[i];
	}
	return files;
}

static void
add_pairs(struct buf *out, struct pairs v)
{
	add_le(out, v.n, 8);
	for (size_t i = 0; i < v.n; i++) {
		add_field(out, v.v[i].name);
		add_field(out, v.v[i].value);
	}
}

static void
add_entrypoint(struct buf *out, const struct entrypoint *e)
{
	if (e->is_list) {
		add_field(out, STR("list"));
		add_list(out, e->argv);
	} else {
		add_field(out, STR("shell"));
		add_field(out, e->shell);
	}
}

static void
add_image(struct buf *out, const struct job *job)
{
	const struct environment *env = &job->manifest->environment;

	if (env->build.context.p) {
		add_field(out, STR("build"));
		buf_add(out, job->build_identity.b, DIGEST_BYTES);
	} else if (env->image.p) {
		add_field(out, STR("digest"));
		add_field(out, job->image_digest);
	} else {
		add_field(out, STR("none"));
	}
}

static void
add_setup_files(struct buf *out, const struct job *job, struct arena *scratch)
{
	size_t n;
	const struct source_entry **files = key_setup_files(scratch, job, &n);

	add_le(out, n, 8);
	for (size_t i = 0; i < n; i++)
		add_file(out, files[i]);
}

static void
add_axes(struct buf *out, const struct map *map, uint32_t index)
{
	struct str *v = mem_alloc(map->n_axes * sizeof(*v));

	expand_axis_values(map, index, v);
	add_le(out, map->n_axes, 8);
	for (size_t k = 0; k < map->n_axes; k++) {
		add_field(out, map->axes[k].name);
		add_field(out, v[k]);
	}
	free(v);
}

static void
add_input(struct buf *out, const struct job *job, uint32_t index, bool with_index)
{
	const struct map *map = &job->manifest->map;
	const struct task *t = &job->tasks[index];
	char digits[16];

	switch (map->kind) {
	case MAP_NONE:
		add_field(out, STR("none"));
		break;
	case MAP_GLOB:
		add_field(out, STR("file"));
		add_file(out, &job->source->entries[t->input_entry]);
		break;
	case MAP_VALUES:
	case MAP_FILE:
	case MAP_COUNT:
		add_field(out, STR("value"));
		add_field(out, t->input);
		break;
	case MAP_S3:
		add_object(out, t->input, &job->objects[index]);
		break;
	case MAP_MATRIX:
		add_field(out, STR("matrix"));
		add_axes(out, map, index);
		break;
	}
	if (with_index) {
		int n = snprintf(digits, sizeof(digits), "%u", (unsigned)index);

		add_field(out, (struct str){.p = digits, .n = (size_t)n});
	}
}

void
key_add_part(
	struct buf *out, const struct job *job, enum key_part part, uint32_t index, bool with_index)
{
	const struct manifest *m = job->manifest;
	struct arena scratch = {0};

	switch (part) {
	case KEY_SCHEMA:
		add_field(out, STR(KEY_VERSION));
		break;
	case KEY_ENTRYPOINT:
		add_entrypoint(out, &m->entrypoint);
		break;
	case KEY_IMAGE:
		add_image(out, job);
		break;
	case KEY_SETUP:
		add_field(out, m->environment.setup);
		break;
	case KEY_SETUP_FILES:
		add_setup_files(out, job, &scratch);
		break;
	case KEY_SOURCE:
		buf_add(out, job->source_identity.b, DIGEST_BYTES);
		break;
	case KEY_ENV:
		add_pairs(out, key_env(&scratch, m->environment.env));
		break;
	case KEY_SECRETS:
		add_list(out, key_secrets(&scratch, m->environment.secrets));
		break;
	case KEY_OUTPUTS:
		add_field(out, m->outputs);
		break;
	case KEY_INPUT:
		add_input(out, job, index, with_index);
		break;
	case KEY_PARTS:
		break;
	}
	arena_free(&scratch);
}

struct build_files {
	struct roles roles;
	struct str context;
};

/* A source_skip_fn. */
static bool
not_for_build(void *ctx, const struct source_entry *e)
{
	struct build_files *b = ctx;

	return !path_within(e->path, b->context) || role_skip(&b->roles, e);
}

struct digest
job_build_identity(const struct manifest *m, const struct source *source)
{
	const struct build *build = &m->environment.build;
	struct arena scratch = {0};
	struct build_files files = {0};
	struct buf record = {0};
	const struct source_entry *dockerfile;
	struct digest d = {0};

	if (!build->context.p)
		return d;
	roles_init(&files.roles, &scratch, m, source);
	files.context = path_clean(&scratch, build->context);
	dockerfile = source_find(source, path_join(&scratch, files.context, build->dockerfile));
	add_field(&record, STR(BUILD_VERSION));
	if (dockerfile)
		add_file(&record, dockerfile);
	add_field(&record, files.context);
	d = source_identity(source, not_for_build, &files);
	buf_add(&record, d.b, DIGEST_BYTES);
	d = digest_of(record.p, record.n);
	buf_free(&record);
	arena_free(&scratch);
	return d;
}

static unsigned
uses_of(struct str text, const struct map *map)
{
	struct arena scratch = {0};
	struct str hint;
	unsigned uses = 0;

	template_check(&scratch, text, map, &uses, &hint, NULL);
	arena_free(&scratch);
	return uses;
}

bool
key_has_index(const struct manifest *m)
{
	unsigned uses = 0;

	if (!m->entrypoint.is_list)
		uses |= uses_of(m->entrypoint.shell, &m->map);
	for (size_t i = 0; m->entrypoint.is_list && i < m->entrypoint.argv.n; i++)
		uses |= uses_of(m->entrypoint.argv.v[i], &m->map);
	for (size_t i = 0; i < m->environment.env.n; i++)
		uses |= uses_of(m->environment.env.v[i].value, &m->map);
	return (uses & TEMPLATE_INDEX) != 0;
}

struct digest
key_environment(const struct job *job)
{
	const struct environment *env = &job->manifest->environment;
	struct arena scratch = {0};
	struct buf record = {0};
	struct digest d = {0};
	struct pairs setup_env;

	if (!env->image.p && !env->build.context.p && !env->setup.p)
		return d;
	add_field(&record, STR(ENVIRONMENT_VERSION));
	key_add_part(&record, job, KEY_IMAGE, 0, false);
	key_add_part(&record, job, KEY_SETUP, 0, false);
	if (env->setup.p) {
		key_add_part(&record, job, KEY_SETUP_FILES, 0, false);
		job_setup_env(job->manifest, &scratch, &setup_env);
		add_pairs(&record, key_env(&scratch, setup_env));
	}
	d = digest_of(record.p, record.n);
	buf_free(&record);
	arena_free(&scratch);
	return d;
}

struct digest
key_common(const struct job *job)
{
	struct buf record = {0};
	struct digest d;

	for (enum key_part part = KEY_SCHEMA; part < KEY_INPUT; part++)
		key_add_part(&record, job, part, 0, false);
	d = digest_of(record.p, record.n);
	buf_free(&record);
	return d;
}

void
key_tasks(struct job *job)
{
	bool with_index = key_has_index(job->manifest);
	struct hasher *h = hasher_new();
	struct buf record = {0};

	for (uint32_t i = 0; i < job->n_tasks; i++) {
		buf_clear(&record);
		buf_add(&record, job->common.b, DIGEST_BYTES);
		key_add_part(&record, job, KEY_INPUT, i, with_index);
		hasher_add(h, record.p, record.n);
		job->tasks[i].key = hasher_end(h);
	}
	buf_free(&record);
	hasher_free(h);
}
