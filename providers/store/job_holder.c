/* job_holder: writing and reading the document of a job's lock. */
#include "providers/store/job_holder.h"

#include "planner/base/json.h"
#include "providers/aws/printable.h"

#include <jansson.h>

enum { LOCK_VERSION = 1, WORD_BYTES = 200, MAX_LEASE_S = 24 * 3600 };

void
job_document_write(struct buf *out, const struct job_document *d)
{
	buf_add_char(out, '{');
	json_add_member_int(out, "furrow_lock", LOCK_VERSION);
	json_add_member_string(out, "job", d->job);
	json_add_member_string(out, "run", d->run);
	json_add_member_string(out, "host", d->host);
	json_add_member_string(out, "machine", d->machine);
	json_add_member_int(out, "pid", d->pid);
	json_add_member_string(out, "user", d->user);
	json_add_member_string(out, "since", d->since);
	json_add_member_string(out, "until", d->until);
	json_add_member_int(out, "lease_s", d->lease_s);
	json_add_member_string(out, "nonce", d->nonce);
	json_add_member_int(out, "renewals", (int64_t)d->renewals);
	if (d->released)
		json_add_member_bool(out, "released", true);
	buf_add_cstr(out, "}\n");
}

static struct str
read_string(struct arena *a, const json_t *root, const char *name)
{
	const json_t *v = json_object_get(root, name);
	char word[WORD_BYTES];

	if (!json_is_string(v))
		return STR("?");
	printable(word, sizeof(word),
		(struct str){.p = json_string_value(v), .n = json_string_length(v)});
	return arena_str(a, str_from(word));
}

static int64_t
read_int(const json_t *root, const char *name)
{
	return json_integer_value(json_object_get(root, name));
}

static void
read_members(struct arena *a, struct job_document *out, const json_t *root)
{
	out->job = read_string(a, root, "job");
	out->run = read_string(a, root, "run");
	out->host = read_string(a, root, "host");
	out->machine = read_string(a, root, "machine");
	out->user = read_string(a, root, "user");
	out->since = read_string(a, root, "since");
	out->until = read_string(a, root, "until");
	out->nonce = read_string(a, root, "nonce");
	out->pid = read_int(root, "pid");
	out->lease_s = read_int(root, "lease_s");
	out->released = json_is_true(json_object_get(root, "released"));
}

int
job_document_parse(struct arena *a, struct job_document *out, struct str bytes, struct error *err)
{
	json_error_t unwanted;
	json_t *root = json_loadb(bytes.p ? bytes.p : "", bytes.n, JSON_ALLOW_NUL, &unwanted);
	int64_t version = read_int(root, "furrow_lock");
	int rc = 0;

	*out = (struct job_document){0};
	if (version > LOCK_VERSION)
		rc = error_set(err, ERR_INPUT,
			"a newer furrow has it (version %lld, this furrow knows %d); use that one",
			(long long)version, LOCK_VERSION);
	else if (version < 1)
		rc = error_set(err, ERR_INPUT, "it is no lock of furrow; remove it");
	if (rc == 0)
		read_members(a, out, root);
	if (rc == 0 && (out->lease_s < 1 || out->lease_s > MAX_LEASE_S))
		rc = error_set(err, ERR_INPUT,
			"its lease of %lld s is none; remove it unless somebody is at it",
			(long long)out->lease_s);
	json_decref(root);
	return rc;
}
