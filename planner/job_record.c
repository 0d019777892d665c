/* job_record: the record behind a task's key, as people and result.json read it. */
#include "planner/job.h"

#include "planner/base/json.h"
#include "planner/expand.h"
#include "planner/key.h"

enum { TEXT_MAX_BYTES = 200 };

/* A part's text. */
struct shown {
	struct buf b;
	bool exact; /* other bytes in the key would be another text; what is no UTF-8 would not */
};

static void
show(struct shown *s, const char *text)
{
	buf_add_cstr(&s->b, text);
}

static void
show_str(struct shown *s, struct str v)
{
	s->exact &= str_is_utf8(v);
	buf_add_str(&s->b, v);
}

static void
show_quoted(struct shown *s, struct str v)
{
	s->exact &= str_is_utf8(v);
	json_add_string(&s->b, v);
}

static void
show_list(struct shown *s, struct strings v)
{
	show(s, "[");
	for (size_t i = 0; i < v.n; i++) {
		show(s, i > 0 ? "," : "");
		show_quoted(s, v.v[i]);
	}
	show(s, "]");
}

static void
show_pairs(struct shown *s, struct pairs v)
{
	show(s, "{");
	for (size_t i = 0; i < v.n; i++) {
		show(s, i > 0 ? "," : "");
		show_quoted(s, v.v[i].name);
		show(s, ":");
		show_quoted(s, v.v[i].value);
	}
	show(s, "}");
}

static void
show_digest(struct shown *s, const struct digest *d)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, d);
	show(s, "sha256:");
	show(s, hex);
}

/* PATH MODE BLOB: what `git ls-tree` tells, the path quoted. */
static void
show_file(struct shown *s, const struct source_entry *e)
{
	show_quoted(s, e->path);
	buf_addf(&s->b, " %06o ", (unsigned)e->mode);
	for (int i = 0; i < BLOB_ID_BYTES; i++)
		buf_addf(&s->b, "%02x", e->id[i]);
}

static void
show_object(struct shown *s, struct str url, const struct object *o)
{
	show(s, "object ");
	show_quoted(s, url);
	show(s, " ");
	show_str(s, o->etag);
	buf_addf(&s->b, " %lld bytes", (long long)o->size_bytes);
}

static void
show_image(struct shown *s, const struct job *job)
{
	const struct environment *env = &job->manifest->environment;

	if (env->build.context.p) {
		show(s, "build ");
		show_digest(s, &job->build_identity);
	} else {
		show_str(s, env->image.p ? job->image_digest : STR("none"));
	}
}

static void
show_setup_files(struct shown *s, const struct job *job, struct arena *a)
{
	size_t n;
	const struct source_entry **files = key_setup_files(a, job, &n);

	if (n == 0)
		show(s, "none");
	for (size_t i = 0; i < n; i++) {
		show(s, i > 0 ? ", " : "");
		show_file(s, files[i]);
	}
}

static void
show_axes(struct shown *s, const struct map *map, uint32_t index, struct arena *a)
{
	struct str *values = ARENA_ARRAY(a, struct str, map->n_axes);
	struct pairs axes = {.v = ARENA_ARRAY(a, struct pair, map->n_axes), .n = map->n_axes};

	expand_axis_values(map, index, values);
	for (size_t k = 0; k < map->n_axes; k++)
		axes.v[k] = (struct pair){.name = map->axes[k].name, .value = values[k]};
	show_pairs(s, axes);
}

static void
show_input(struct shown *s, const struct job *job, uint32_t index, struct arena *a)
{
	const struct map *map = &job->manifest->map;
	const struct task *t = &job->tasks[index];

	if (map->kind == MAP_NONE) {
		show(s, "none");
	} else if (map->kind == MAP_GLOB) {
		show(s, "file ");
		show_file(s, &job->source->entries[t->input_entry]);
	} else if (map->kind == MAP_S3) {
		show_object(s, t->input, &job->objects[index]);
	} else if (map->kind == MAP_MATRIX) {
		show(s, "matrix ");
		show_axes(s, map, index, a);
	} else {
		show(s, "value ");
		show_quoted(s, t->input);
	}
	if (key_has_index(job->manifest))
		buf_addf(&s->b, ", index %u", (unsigned)index);
}

/* "WORD TEXT", or "none" when it is absent. */
static void
show_optional(struct shown *s, const char *word, struct str text)
{
	show(s, text.p ? word : "none");
	show_str(s, text);
}

static void
show_part(
	struct shown *s, const struct job *job, enum key_part part, uint32_t index, struct arena *a)
{
	const struct manifest *m = job->manifest;

	switch (part) {
	case KEY_SCHEMA:
		show(s, key_schema());
		break;
	case KEY_ENTRYPOINT:
		if (m->entrypoint.is_list) {
			show(s, "list ");
			show_list(s, m->entrypoint.argv);
		} else {
			show_optional(s, "shell ", m->entrypoint.shell);
		}
		break;
	case KEY_IMAGE:
		show_image(s, job);
		break;
	case KEY_SETUP:
		show_optional(s, "shell ", m->environment.setup);
		break;
	case KEY_SETUP_FILES:
		show_setup_files(s, job, a);
		break;
	case KEY_SOURCE:
		show_digest(s, &job->source_identity);
		break;
	case KEY_ENV:
		show_pairs(s, key_env(a, m->environment.env));
		break;
	case KEY_SECRETS:
		show_list(s, key_secrets(a, m->environment.secrets));
		break;
	case KEY_OUTPUTS:
		show_optional(s, "path ", m->outputs);
		break;
	case KEY_INPUT:
		show_input(s, job, index, a);
		break;
	case KEY_PARTS:
		break;
	}
}

/* What is no text, or too long, by the digest of the bytes that are in the key. */
static struct str
part_value(const struct job *job, enum key_part part, uint32_t index, struct arena *a)
{
	struct shown s = {.exact = true};
	struct str out;

	show_part(&s, job, part, index, a);
	if (s.b.n > TEXT_MAX_BYTES || !s.exact) {
		struct buf bytes = {0};
		struct digest d;

		key_add_part(&bytes, job, part, index, key_has_index(job->manifest));
		d = digest_of(bytes.p, bytes.n);
		buf_free(&bytes);
		buf_clear(&s.b);
		show_digest(&s, &d);
	}
	out = arena_str(a, buf_str(&s.b));
	buf_free(&s.b);
	return out;
}

void
job_task_record(const struct job *job, uint32_t index, struct arena *a, struct pairs *out)
{
	*out = (struct pairs){.v = ARENA_ARRAY(a, struct pair, KEY_PARTS), .n = KEY_PARTS};
	for (enum key_part part = KEY_SCHEMA; part < KEY_PARTS; part++) {
		out->v[part].name = str_from(key_part_name(part));
		out->v[part].value = part_value(job, part, index, a);
	}
}
