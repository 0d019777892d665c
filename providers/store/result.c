/* result: writing and reading result.json. The format stands in result.h. */
#include "providers/store/result.h"

#include "planner/base/clock.h"
#include "planner/base/json.h"

#include <assert.h>
#include <math.h>

#include <jansson.h>

enum { RESULT_VERSION = 1 };

bool
result_is_inline(struct str bytes)
{
	return bytes.n <= RESULT_INLINE_BYTES && str_is_utf8(bytes);
}

static void
write_seconds(struct buf *out, const char *name, int64_t ns)
{
	json_add_name(out, name);
	json_add_seconds(out, ns);
}

static void
write_stream(struct buf *out, const char *name, int64_t bytes, int64_t kept, struct str text)
{
	assert(!text.p || result_is_inline(text));
	json_add_name(out, name);
	buf_add_char(out, '{');
	json_add_member_int(out, "bytes", bytes);
	json_add_member_int(out, "kept", kept);
	if (text.p)
		json_add_member_string(out, "text", text);
	buf_add_char(out, '}');
}

static void
write_record(struct buf *out, const struct pairs *record)
{
	json_add_name(out, "record");
	buf_add_char(out, '[');
	for (size_t i = 0; i < record->n; i++) {
		buf_add_cstr(out, i ? ",[" : "[");
		json_add_string(out, record->v[i].name);
		buf_add_char(out, ',');
		json_add_string(out, record->v[i].value);
		buf_add_char(out, ']');
	}
	buf_add_char(out, ']');
}

void
result_write(struct buf *out, const struct result *r)
{
	const struct outcome *o = &r->outcome;
	char key[DIGEST_HEX_BYTES];

	digest_hex(key, &r->key);
	buf_add_char(out, '{');
	json_add_member_int(out, "furrow_result", RESULT_VERSION);
	json_add_member_string(out, "key", str_from(key));
	json_add_member_string(out, "job", r->job);
	json_add_member_string(out, "label", r->label);
	json_add_member_int(out, "index", r->index);
	json_add_member_string(out, "run", r->run);
	json_add_member_int(out, "attempt", r->attempt);
	json_add_member_string(out, "commit", r->commit);
	if (r->patch_sha256.p)
		json_add_member_string(out, "dirty", r->patch_sha256);
	json_add_member_string(out, "begun", r->begun);
	write_seconds(out, "s", o->ended_ns - o->begun_ns);
	write_seconds(out, "cpu_s", o->cpu_ns);
	json_add_member_int(out, "max_rss", o->max_rss_bytes);
	json_add_member_int(out, "exit", o->exit_status);
	write_stream(out, "stdout", o->stdout_bytes, o->stdout_kept_bytes, r->stdout_text);
	write_stream(out, "stderr", o->stderr_bytes, o->stderr_kept_bytes, r->stderr_text);
	json_add_name(out, "outputs");
	buf_add_char(out, '{');
	json_add_member_int(out, "files", o->output_files);
	json_add_member_int(out, "bytes", o->output_bytes);
	json_add_member_bool(out, "tar", r->has_tar);
	buf_add_char(out, '}');
	write_record(out, &r->record);
	buf_add_char(out, '}');
}

/* Reading: a member that is absent or null is absent here, one of another type is an error. */
struct reading {
	struct arena *arena;
	const char *wrong; /* the first member that is not as it should be */
};

static struct str
read_string(struct reading *rd, const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	if (!v || json_is_null(v))
		return (struct str){0};
	if (!json_is_string(v)) {
		rd->wrong = rd->wrong ? rd->wrong : name;
		return (struct str){0};
	}
	return arena_str(
		rd->arena, (struct str){.p = json_string_value(v), .n = json_string_length(v)});
}

static int64_t
read_int(struct reading *rd, const json_t *object, const char *name, int64_t min, int64_t max)
{
	const json_t *v = json_object_get(object, name);
	int64_t i = json_integer_value(v);

	if (!v)
		return 0;
	if (!json_is_integer(v) || i < min || i > max) {
		rd->wrong = rd->wrong ? rd->wrong : name;
		return 0;
	}
	return i;
}

static int64_t
read_seconds(struct reading *rd, const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	double s = json_number_value(v);

	if (!v)
		return 0;
	if (!json_is_number(v) || !(fabs(s) < 9e9)) {
		rd->wrong = rd->wrong ? rd->wrong : name;
		return 0;
	}
	return llround(s * (double)NS_PER_S);
}

static void
read_stream(struct reading *rd, const json_t *root, const char *name, int64_t *bytes, int64_t *kept,
	struct str *text)
{
	const json_t *v = json_object_get(root, name);

	if (v && !json_is_object(v))
		rd->wrong = rd->wrong ? rd->wrong : name;
	*bytes = read_int(rd, v, "bytes", 0, INT64_MAX);
	*kept = read_int(rd, v, "kept", 0, INT64_MAX);
	*text = read_string(rd, v, "text");
}

static void
read_record(struct reading *rd, const json_t *root, struct pairs *out)
{
	const json_t *v = json_object_get(root, "record");

	if (!v)
		return;
	if (!json_is_array(v)) {
		rd->wrong = rd->wrong ? rd->wrong : "record";
		return;
	}
	out->v = ARENA_ARRAY(rd->arena, struct pair, json_array_size(v));
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *pair = json_array_get(v, i);
		const json_t *name = json_array_get(pair, 0), *value = json_array_get(pair, 1);

		if (!json_is_string(name) || !(json_is_string(value) || json_is_null(value))) {
			rd->wrong = rd->wrong ? rd->wrong : "record";
			return;
		}
		out->v[out->n].name = arena_str(rd->arena,
			(struct str){.p = json_string_value(name), .n = json_string_length(name)});
		out->v[out->n++].value =
			arena_str(rd->arena, (struct str){.p = json_string_value(value),
						     .n = json_string_length(value)});
	}
}

static void
read_members(struct reading *rd, const json_t *root, struct result *out)
{
	struct outcome *o = &out->outcome;
	const json_t *outputs = json_object_get(root, "outputs");
	struct str key = read_string(rd, root, "key");

	if (!key.p || !digest_parse(key, &out->key))
		rd->wrong = rd->wrong ? rd->wrong : "key";
	out->job = read_string(rd, root, "job");
	out->label = read_string(rd, root, "label");
	out->index = (uint32_t)read_int(rd, root, "index", 0, UINT32_MAX);
	out->run = read_string(rd, root, "run");
	out->attempt = (uint32_t)read_int(rd, root, "attempt", 0, UINT32_MAX);
	out->commit = read_string(rd, root, "commit");
	out->patch_sha256 = read_string(rd, root, "dirty");
	out->begun = read_string(rd, root, "begun");
	o->ran = true;
	o->ended_ns = read_seconds(rd, root, "s");
	o->cpu_ns = read_seconds(rd, root, "cpu_s");
	o->max_rss_bytes = read_int(rd, root, "max_rss", 0, INT64_MAX);
	o->exit_status = (int)read_int(rd, root, "exit", INT32_MIN, INT32_MAX);
	read_stream(rd, root, "stdout", &o->stdout_bytes, &o->stdout_kept_bytes, &out->stdout_text);
	read_stream(rd, root, "stderr", &o->stderr_bytes, &o->stderr_kept_bytes, &out->stderr_text);
	if (outputs && !json_is_object(outputs))
		rd->wrong = rd->wrong ? rd->wrong : "outputs";
	o->output_files = read_int(rd, outputs, "files", 0, INT64_MAX);
	o->output_bytes = read_int(rd, outputs, "bytes", 0, INT64_MAX);
	out->has_tar = json_is_true(json_object_get(outputs, "tar"));
	read_record(rd, root, &out->record);
}

int
result_parse(struct arena *a, struct result *out, struct str bytes, struct error *err)
{
	struct reading rd = {.arena = a};
	json_error_t e;
	json_t *root = json_loadb(
		bytes.p ? bytes.p : "", bytes.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	const json_t *version = json_object_get(root, "furrow_result");
	int rc = 0;

	*out = (struct result){0};
	if (!root)
		return error_set(err, ERR_INPUT,
			"read result.json: it is no JSON: %s (line %d, column %d)", e.text, e.line,
			e.column);
	if (!json_is_integer(version) || json_integer_value(version) < 1)
		rc = error_set(err, ERR_INPUT,
			"read result.json: it is no result (it has no \"furrow_result\": 1)");
	else if (json_integer_value(version) > RESULT_VERSION)
		rc = error_set(err, ERR_INPUT,
			"read result.json: it was written by a newer furrow (version %lld, this "
			"furrow knows %d)",
			(long long)json_integer_value(version), RESULT_VERSION);
	else
		read_members(&rd, root, out);
	if (rd.wrong)
		rc = error_set(err, ERR_INPUT,
			"read result.json: its member \"%s\" is not what it should be", rd.wrong);
	json_decref(root);
	return rc;
}

int
result_load(struct store *s, struct arena *a, struct result *out, const struct digest *key,
	struct error *err)
{
	char name[STORE_NAME_BYTES];
	struct str bytes;
	int rc;

	store_result_name(name, key, NULL);
	rc = store_get(s, a, name, &bytes, err);
	if (rc < 0)
		return rc;
	rc = result_parse(a, out, bytes, err);
	if (rc == 0 && digest_cmp(&out->key, key) != 0)
		rc = error_set(err, ERR_INPUT, "read result.json: it is that of another key");
	return rc < 0 ? error_wrap(err, "store %s: %s", store_where(s), name) : 0;
}
