/* plan_file: saved plans, written and read. A saved plan is the document of plan_json.c, followed
 * by two members:
 *
 *   "saved":{"id":…,"job":…,"manifest_path":…,"manifest_sha256":…,"rev":…|null,"infra":…|null,
 *            "allow_dirty":…,"commit":…|null,"patch_sha256":…|null,"source_sha256":…,"image_digest":…|null,
 *            ["machine_image":…,]"environment_sha256":…,"keys_sha256":…,"tasks":…,"run":"0..4,7","to_collect":…,"to_replace":…,
 *            "means":[{"id":…,"verb":…,"cause":…}],"state_sha256":…},
 *   "sha256":"<64 hex>"}LF
 *
 * "saved" is all that apply needs, so nothing else is ever parsed: 100,000 tasks in place cost no
 * memory. "sha256" is over all bytes before the comma in front of it; it tells damage and edits, it
 * is no signature. */
#include "planner/plan.h"

#include "planner/base/json.h"
#include "planner/base/ulid.h"
#include "planner/ranges.h"

#include <jansson.h>
#include <stdlib.h>

/* Whatever stands before or behind it in a string has a backslash in front of its quotes, so these
 * bytes can only be the member itself. */
static const struct str SAVED = {.p = ",\"saved\":", .n = 9};
static const struct str HEAD = {.p = "{\"furrow_plan\":", .n = 15};
static const struct str SUM = {.p = ",\"sha256\":\"", .n = 11};
static const struct str TAIL = {.p = "\"}\n", .n = 3};

enum {
	HEX_BYTES = DIGEST_HEX_BYTES - 1,
	SUM_BYTES = 11 + HEX_BYTES + 3,
	PARSED_MAX_BYTES = 16 << 20, /* "saved" is far smaller; a larger file is not parsed only to
					say what it is */
	MEANS_MAX = 10000
};

static void
add_digest(struct buf *out, const char *name, const struct digest *d)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, d);
	json_add_member_string(out, name, (struct str){.p = hex, .n = DIGEST_HEX_BYTES - 1});
}

static void
add_run(struct buf *out, const struct plan *p)
{
	uint32_t *v = mem_alloc(p->changes.n_tasks_run * sizeof(*v));
	struct buf text = {0};
	size_t n = 0;

	for (uint32_t i = 0; i < p->job.n_tasks; i++) {
		if (p->changes.task_runs[i])
			v[n++] = i;
	}
	ranges_add(&text, v, n, 0);
	json_add_member_string(out, "run", buf_str(&text));
	buf_free(&text);
	free(v);
}

static void
add_means(struct buf *out, const struct change *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char id[KIND_ID_BYTES];

		if (c[i].kind == KIND_TASK)
			continue;
		if (out->p[out->n - 1] != '[')
			buf_add_char(out, ',');
		kind_id(id, c[i].kind, c[i].index);
		buf_add_char(out, '{');
		json_add_member_string(out, "id", str_from(id));
		json_add_member_string(out, "verb", str_from(verb_name(c[i].verb)));
		json_add_member_string(out, "cause", str_from(cause_name(c[i].cause)));
		buf_add_char(out, '}');
	}
}

static void
add_saved(struct buf *out, const struct plan *p)
{
	struct digest keys = plan_keys(&p->job);

	buf_add_str(out, SAVED);
	buf_add_char(out, '{');
	json_add_member_string(out, "id", p->id);
	json_add_member_string(out, "job", p->job.manifest->name);
	json_add_member_string(out, "manifest_path", p->manifest_path);
	add_digest(out, "manifest_sha256", &p->manifest_digest);
	json_add_member_string(out, "rev", p->rev);
	json_add_member_string(out, "infra", p->infra_override);
	json_add_member_bool(out, "allow_dirty", p->allow_dirty);
	json_add_member_string(out, "commit", p->job.source->commit);
	json_add_member_string(out, "patch_sha256", p->job.source->patch_sha256);
	add_digest(out, "source_sha256", &p->job.source_identity);
	json_add_member_string(out, "image_digest", p->job.image_digest);
	if (plan_machine_image(p).p)
		json_add_member_string(out, "machine_image", plan_machine_image(p));
	add_digest(out, "environment_sha256", &p->job.environment_identity);
	add_digest(out, "keys_sha256", &keys);
	json_add_member_int(out, "tasks", p->job.n_tasks);
	add_run(out, p);
	json_add_member_int(out, "to_collect", p->changes.n_to_collect);
	json_add_member_int(out, "to_replace", p->changes.n_to_replace);
	buf_add_cstr(out, ",\"means\":[");
	add_means(out, p->changes.todo, p->changes.n_todo);
	add_means(out, p->changes.in_place, p->changes.n_in_place);
	buf_add_char(out, ']');
	add_digest(out, "state_sha256", &p->state);
	buf_add_char(out, '}');
}

void
plan_write_file(struct buf *out, const struct plan *p)
{
	size_t from = out->n;
	char hex[DIGEST_HEX_BYTES];
	struct digest sum;

	plan_add_members(out, p);
	add_saved(out, p);
	sum = digest_of(out->p + from, out->n - from);
	digest_hex(hex, &sum);
	buf_add_str(out, SUM);
	buf_add_cstr(out, hex);
	buf_add_str(out, TAIL);
}

/* Reading. */

struct reader {
	struct arena *arena;
	struct str name; /* of the file, for messages */
	json_t *saved;
	struct error *err;
	bool bad; /* a member was missing, or of the wrong type: err tells the first one */
};

static int
bad_member(struct reader *r, const char *member, const char *expected)
{
	if (!r->bad)
		error_set(r->err, ERR_INPUT,
			"%.*s: is a damaged plan: its \"%s\" is not %s; make a new one "
			"with furrow plan -o",
			STR_ARG(r->name), member, expected);
	r->bad = true;
	return ERR_INPUT;
}

/* Absent for null, which only `optional` ones may be. */
static struct str
read_string(struct reader *r, const json_t *object, const char *member, bool optional)
{
	const json_t *v = json_object_get(object, member);

	if (json_is_string(v))
		return arena_str(r->arena,
			(struct str){.p = json_string_value(v), .n = json_string_length(v)});
	if (!optional || !json_is_null(v))
		bad_member(r, member, "a text");
	return (struct str){0};
}

static void
read_digest(struct reader *r, const char *member, struct digest *out)
{
	if (!digest_parse(read_string(r, r->saved, member, false), out))
		bad_member(r, member, "a SHA-256 in hex");
}

static uint32_t
read_count(struct reader *r, const char *member, uint32_t max)
{
	const json_t *v = json_object_get(r->saved, member);
	json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;

	if (n >= 0 && n <= (json_int_t)max)
		return (uint32_t)n;
	bad_member(r, member, "a count");
	return 0;
}

static bool
read_flag(struct reader *r, const char *member)
{
	const json_t *v = json_object_get(r->saved, member);

	if (!json_is_boolean(v))
		bad_member(r, member, "true or false");
	return json_is_true(v);
}

static void
read_tasks(struct reader *r, struct plan_file *out)
{
	struct str run = read_string(r, r->saved, "run", false);

	out->n_tasks = read_count(r, "tasks", MANIFEST_MAX_TASKS);
	out->task_runs = ARENA_ARRAY(r->arena, uint8_t, out->n_tasks);
	if (!ranges_parse(run, out->task_runs, out->n_tasks)) {
		bad_member(r, "run", "a list of its tasks");
		return;
	}
	for (uint32_t i = 0; i < out->n_tasks; i++)
		out->n_run += out->task_runs[i];
	out->n_in_place = out->n_tasks - out->n_run;
	out->n_to_collect = read_count(r, "to_collect", out->n_tasks);
	out->n_to_replace = read_count(r, "to_replace", out->n_tasks);
}

static bool
parse_verb(struct str s, enum verb *out)
{
	for (int v = VERB_IN_PLACE; v <= VERB_RUN; v++) {
		if (str_is(s, verb_name((enum verb)v))) {
			*out = (enum verb)v;
			return true;
		}
	}
	return false;
}

static void
read_means(struct reader *r, struct plan_file *out)
{
	const json_t *list = json_object_get(r->saved, "means");
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > MEANS_MAX) {
		bad_member(r, "means", "a list of what the tasks need");
		return;
	}
	out->means = ARENA_ARRAY(r->arena, struct plan_means, n);
	for (size_t i = 0; i < n && !r->bad; i++) {
		const json_t *item = json_array_get(list, i);
		struct plan_means *m = &out->means[i];

		if (!kind_parse_id(read_string(r, item, "id", false), &m->kind, &m->index) ||
			!parse_verb(read_string(r, item, "verb", false), &m->verb) ||
			!cause_parse(read_string(r, item, "cause", false), &m->cause))
			bad_member(r, "means", "a list of what the tasks need");
	}
	out->n_means = n;
}

static int
read_saved(struct reader *r, struct plan_file *out)
{
	out->id = read_string(r, r->saved, "id", false);
	if (!ulid_is(out->id)) /* it becomes the name of a file */
		bad_member(r, "id", "a ULID");
	out->job = read_string(r, r->saved, "job", false);
	out->manifest_path = read_string(r, r->saved, "manifest_path", false);
	read_digest(r, "manifest_sha256", &out->manifest_digest);
	out->rev = read_string(r, r->saved, "rev", true);
	out->infra_override = read_string(r, r->saved, "infra", true);
	out->allow_dirty = read_flag(r, "allow_dirty");
	out->commit = read_string(r, r->saved, "commit", true);
	out->patch_sha256 = read_string(r, r->saved, "patch_sha256", true);
	read_digest(r, "source_sha256", &out->source_identity);
	out->image_digest = read_string(r, r->saved, "image_digest", true);
	if (json_object_get(r->saved, "machine_image"))
		out->machine_image = read_string(r, r->saved, "machine_image", true);
	read_digest(r, "environment_sha256", &out->environment_identity);
	read_digest(r, "keys_sha256", &out->keys);
	read_tasks(r, out);
	read_means(r, out);
	read_digest(r, "state_sha256", &out->state);
	return r->bad ? ERR_INPUT : 0;
}

/* What is wrong with a file. */

static int
refuse(struct error *err, struct str name, const char *what)
{
	return error_set(err, ERR_INPUT, "%.*s: %s", STR_ARG(name), what);
}

static int
refuse_version(struct error *err, struct str name, int64_t version)
{
	return error_set(err, ERR_INPUT,
		"%.*s: is a plan of version %lld, this furrow reads version 1: apply it with the "
		"furrow "
		"that made it, or make a new one with furrow plan -o",
		STR_ARG(name), (long long)version);
}

static int
refuse_edited(struct error *err, struct str name)
{
	return refuse(err, name,
		"was changed after it was saved (its sha256 does not match): a saved "
		"plan is applied as it is or not at all; make a new one with furrow plan -o");
}

static int
refuse_cut(struct error *err, struct str name)
{
	return refuse(
		err, name, "is cut off: its end is missing; make a new one with furrow plan -o");
}

static int
refuse_document(struct error *err, struct str name, const json_t *document)
{
	const json_t *version = json_object_get(document, "furrow_plan");

	if (!json_is_integer(version))
		return refuse(err, name, "is JSON, but no furrow plan");
	if (json_integer_value(version) != 1)
		return refuse_version(err, name, json_integer_value(version));
	if (!json_object_get(document, "saved"))
		return refuse(err, name,
			"is what furrow plan --json prints, which cannot be applied: "
			"save a plan with furrow plan -o FILE");
	return refuse_edited(err, name);
}

/* The file has no end as a saved plan has: says what it may be instead. */
static int
explain(struct str bytes, struct str name, struct error *err)
{
	bool is_plan = str_starts(bytes, HEAD);
	json_error_t where;
	json_t *document;
	int r;

	if (bytes.n == 0)
		return refuse(err, name, "is empty, not a saved plan");
	if (memchr(bytes.p, '\0', bytes.n) || !str_is_utf8(bytes))
		return refuse(err, name,
			is_plan ? "is damaged: it is no text any more"
				: "is no text, hence no saved plan");
	if (bytes.n > PARSED_MAX_BYTES)
		return is_plan ? refuse_cut(err, name) : refuse(err, name, "is no saved plan");
	document = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, &where);
	if (document)
		r = refuse_document(err, name, document);
	else if (is_plan)
		r = refuse_cut(err, name);
	else
		r = error_set(err, ERR_INPUT, "%.*s:%d:%d: is no saved plan: no JSON (%s)",
			STR_ARG(name), where.line, where.column, where.text);
	json_decref(document);
	return r;
}

/* The bytes under the sum, whose end has been found; false when they don't add up to it. */
static bool
check_sum(struct str bytes, struct str *body, struct digest *sum)
{
	struct str end;
	struct digest is;

	if (bytes.n < SUM_BYTES)
		return false;
	*body = (struct str){.p = bytes.p, .n = bytes.n - SUM_BYTES};
	end = str_from_index(bytes, body->n);
	if (!str_starts(end, SUM) || !str_ends(end, TAIL) ||
		!digest_parse((struct str){.p = end.p + SUM.n, .n = HEX_BYTES}, sum))
		return false;
	is = digest_of(body->p, body->n);
	return digest_cmp(&is, sum) == 0;
}

/* The version in front; false when bytes don't begin as a plan does. */
static bool
read_version(struct str bytes, int64_t *version)
{
	struct str rest = str_from_index(bytes, HEAD.n);
	struct str digits = {.p = rest.p, .n = 0};

	if (!str_starts(bytes, HEAD))
		return false;
	while (digits.n < rest.n && rest.p[digits.n] >= '0' && rest.p[digits.n] <= '9')
		digits.n++;
	return str_to_i64(digits, version);
}

static int
parse_saved(struct reader *r, struct plan_file *out, struct str body)
{
	const char *at = memmem(body.p, body.n, SAVED.p, SAVED.n);
	struct str text = str_from_index(body, at ? (size_t)(at - body.p) + SAVED.n : body.n);
	json_error_t where;
	int rc;

	if (at && text.n <= PARSED_MAX_BYTES)
		r->saved = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &where);
	if (!json_is_object(r->saved))
		rc = bad_member(r, "saved", "there, or no object");
	else
		rc = read_saved(r, out);
	json_decref(r->saved);
	return rc;
}

int
plan_file_parse(struct arena *a, struct plan_file *out, struct str bytes, struct str name,
	struct error *err)
{
	struct reader r = {.arena = a, .name = name, .err = err};
	int64_t version;
	struct str body;

	*out = (struct plan_file){0};
	if (bytes.n > PLAN_FILE_MAX_BYTES)
		return refuse(err, name, "is larger than 256 MiB: no saved plan is");
	if (read_version(bytes, &version) && version != 1)
		return refuse_version(err, name, version);
	if (!check_sum(bytes, &body, &out->file_digest))
		return explain(bytes, name, err);
	if (!str_starts(bytes, HEAD))
		return refuse(err, name, "is no furrow plan");
	return parse_saved(&r, out, body);
}
