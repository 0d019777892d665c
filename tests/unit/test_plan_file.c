/* plan_file: saved plans there and back; everything that may be wrong with a file. */
#include "tests/unit/plan_world.h"

#include <jansson.h>

static void
test_there_and_back(void **state)
{
	struct world w;
	struct plan_file f;
	struct error err;
	struct buf b;

	(void)state;
	world_open(&w);
	w.plan.rev = STR("v1\n\"x\"");
	w.plan.infra_override = STR("local");
	w.plan.allow_dirty = true;
	w.source.patch_sha256 = STR("abc");
	replan(&w);
	b = saved(&w);
	assert_int_equal(parse(&w, &f, buf_str(&b), &err), 0);
	assert_true(str_eq(f.id, w.plan.id));
	assert_true(str_is(f.job, "job"));
	assert_true(str_eq(f.manifest_path, w.plan.manifest_path));
	assert_true(str_eq(f.rev, w.plan.rev));
	assert_true(str_eq(f.infra_override, w.plan.infra_override));
	assert_true(str_eq(f.commit, w.source.commit));
	assert_true(str_eq(f.patch_sha256, w.source.patch_sha256));
	assert_true(str_eq(f.image_digest, w.plan.job.image_digest));
	assert_true(f.allow_dirty);
	assert_int_equal(digest_cmp(&f.manifest_digest, &w.plan.manifest_digest), 0);
	assert_int_equal(digest_cmp(&f.state, &w.plan.state), 0);
	assert_int_equal(digest_cmp(&f.source_identity, &w.plan.job.source_identity), 0);
	assert_int_equal(digest_cmp(&f.environment_identity, &w.plan.job.environment_identity), 0);
	assert_false(digest_is_zero(&f.file_digest));
	assert_int_equal(f.n_tasks, TASKS);
	assert_int_equal(f.n_run, 4);
	assert_int_equal(f.n_in_place, 2);
	assert_int_equal(f.n_to_collect, 2);
	for (uint32_t i = 0; i < TASKS; i++)
		assert_int_equal(f.task_runs[i], i >= 2);
	assert_int_equal(f.n_means, 6); /* source, image, environment, collect, release, instance */
	assert_int_equal(f.means[0].kind, KIND_SOURCE);
	assert_int_equal(f.means[0].verb, VERB_CREATE);
	assert_int_equal(f.means[0].cause, CAUSE_MISSING);
	assert_int_equal(f.means[2].cause, CAUSE_NEEDS_SETUP);
	assert_int_equal(plan_file_check(&f, &w.plan, &err), 0);
	buf_free(&b);

	w.plan.rev = w.plan.infra_override = (struct str){0};
	w.source.commit = w.source.patch_sha256 = (struct str){0};
	w.plan.job.image_digest = (struct str){0};
	replan(&w);
	b = saved(&w);
	assert_int_equal(parse(&w, &f, buf_str(&b), &err), 0);
	assert_null(f.rev.p);
	assert_null(f.infra_override.p);
	assert_null(f.commit.p);
	assert_null(f.image_digest.p);
	assert_int_equal(plan_file_check(&f, &w.plan, &err), 0);
	buf_free(&b);
	world_close(&w);
}

/* A saved plan is a plan as --json prints it, with two members more. */
static void
test_is_the_document(void **state)
{
	struct world w;
	struct buf json = {0}, file;
	json_t *d;

	(void)state;
	world_open(&w);
	file = saved(&w);
	plan_write_json(&json, &w.plan);
	assert_true(str_starts(buf_str(&file), (struct str){.p = json.p, .n = json.n - 2}));
	d = json_loadb(file.p, file.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(d);
	assert_true(json_is_object(json_object_get(d, "saved")));
	assert_int_equal(json_string_length(json_object_get(d, "sha256")), 64);
	json_decref(d);
	buf_free(&json);
	buf_free(&file);
	world_close(&w);
}

static void
assert_refused(struct world *w, struct str bytes, const char *why)
{
	struct plan_file f;
	struct error err;

	assert_int_equal(parse(w, &f, bytes, &err), ERR_INPUT);
	assert_int_equal(strncmp(err.message, "p.json:", 7), 0);
	if (!strstr(err.message, why))
		fail_msg("expected '%s' in: %s", why, err.message);
}

static void
test_no_plan(void **state)
{
	static const char nul[] = "{\"furrow_plan\":1,\"a\":\"\0\"}";
	struct world w;

	(void)state;
	world_open(&w);
	assert_refused(&w, STR(""), "is empty");
	assert_refused(&w, STR("\n"), "no JSON");
	assert_refused(&w, STR("furrow: 1\nname: x\n"), "p.json:1:");
	assert_refused(&w, STR("[1, 2]"), "is JSON, but no furrow plan");
	assert_refused(&w, STR("{}"), "is JSON, but no furrow plan");
	assert_refused(&w, STR("{\"furrow_plan\":\"1\"}"), "no furrow plan");
	assert_refused(&w, STR("{\"a\":1,\"a\":2}"), "no JSON");
	assert_refused(&w, STR("\177ELF\0\0\1\377"), "is no text");
	assert_refused(&w, (struct str){.p = nul, .n = sizeof(nul) - 1}, "is damaged");
	assert_refused(&w, STR("{\"furrow_result\":1}"), "no furrow plan");
	world_close(&w);
}

static void
test_versions(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	assert_refused(&w, STR("{\"furrow_plan\":2,\"whatever\":[}"), "of version 2");
	assert_refused(&w, STR("{ \"furrow_plan\": 7 }"), "of version 7");
	assert_refused(&w, STR("{\"furrow_plan\":0}"), "of version 0");
	assert_refused(&w, STR("{\"furrow_plan\":99999999999999999999}"), "");
	world_close(&w);
}

static void
test_plain_output(void **state)
{
	struct world w;
	struct buf b = {0};

	(void)state;
	world_open(&w);
	plan_write_json(&b, &w.plan);
	assert_refused(&w, buf_str(&b), "save a plan with furrow plan -o");
	buf_free(&b);
	world_close(&w);
}

static void
test_every_cut(void **state)
{
	struct world w;
	struct buf b;

	(void)state;
	world_open(&w);
	b = saved(&w);
	for (size_t n = 1; n < b.n - 1; n++)
		assert_refused(&w, (struct str){.p = b.p, .n = n}, n < 15 ? "" : "is cut off");
	assert_refused(&w, (struct str){.p = b.p, .n = b.n - 1}, "was changed");
	buf_free(&b);
	world_close(&w);
}

/* Whichever byte is turned into another one: never taken, never anything worse. */
static void
test_every_edit(void **state)
{
	struct world w;
	struct buf b;

	(void)state;
	world_open(&w);
	b = saved(&w);
	for (size_t i = 0; i < b.n; i++) {
		char was = b.p[i];

		b.p[i] = was == '1' ? '2' : '1';
		assert_refused(&w, buf_str(&b), "");
		b.p[i] = was;
	}
	b.p[40] ^= 1;
	assert_refused(&w, buf_str(&b), "was changed after it was saved");
	b.p[40] ^= 1;
	buf_add_char(&b, '\n'); /* as an editor does */
	assert_refused(&w, buf_str(&b), "was changed after it was saved");
	buf_free(&b);
	world_close(&w);
}

static void
test_reformatted(void **state)
{
	struct world w;
	struct buf b;
	char *pretty;
	json_t *d;

	(void)state;
	world_open(&w);
	b = saved(&w);
	d = json_loadb(b.p, b.n, 0, NULL);
	pretty = json_dumps(d, JSON_INDENT(2));
	assert_refused(&w, str_from(pretty), "was changed after it was saved");
	free(pretty);
	json_decref(d);
	buf_free(&b);
	world_close(&w);
}

static void
test_huge(void **state)
{
	struct world w;
	struct buf b = {0};
	static const char x[1] = {'x'};

	(void)state;
	world_open(&w);
	assert_refused(&w, (struct str){.p = x, .n = PLAN_FILE_MAX_BYTES + (size_t)1},
		"is larger than 256 MiB");
	memset(buf_reserve(&b, 20 << 20), '[', 20 << 20);
	b.n = 20 << 20;
	assert_refused(&w, buf_str(&b), "is no saved plan"); /* not parsed */
	memcpy(b.p, "{\"furrow_plan\":1", 16);
	assert_refused(&w, buf_str(&b), "is cut off");
	b.n = 1 << 20; /* parsed, and too deep */
	assert_refused(&w, buf_str(&b), "is cut off");
	buf_free(&b);
	world_close(&w);
}

/* A document with a digest that is right and a "saved" that is not. */
static struct buf
forged(const struct world *w, const char *from, const char *to)
{
	static const char sum[] = ",\"sha256\":\"";
	struct buf b = saved(w), out = {0};
	char *at, hex[DIGEST_HEX_BYTES];
	struct digest d;

	b.n -= sizeof(sum) - 1 + 64 + 3;
	at = memmem(b.p, b.n, from, strlen(from));
	assert_non_null(at);
	buf_add(&out, b.p, (size_t)(at - b.p));
	buf_add_cstr(&out, to);
	at += strlen(from);
	buf_add(&out, at, (size_t)(b.p + b.n - at));
	d = digest_of(out.p, out.n);
	digest_hex(hex, &d);
	buf_addf(&out, "%s%s\"}\n", sum, hex);
	buf_free(&b);
	return out;
}

static void
test_forged(void **state)
{
	static const struct {
		const char *from, *to, *why;
	} cases[] = {
		{",\"saved\":{\"id\"", ",\"sived\":{\"id\"", "\"saved\" is not"},
		{",\"saved\":{\"id\":", ",\"saved\":[{\"id\":", "\"saved\" is not"},
		{"\"id\":\"01JD", "\"it\":\"01JD", "\"id\" is not a text"},
		{"\"id\":\"01JD9XTPG0", "\"id\":\"../../etc0", "\"id\" is not a ULID"},
		{"\"allow_dirty\":false", "\"allow_dirty\":0", "\"allow_dirty\" is not true or"},
		{"\"run\":\"2..5\"", "\"run\":\"2..6\"", "\"run\" is not a list"},
		{"\"run\":\"2..5\"", "\"run\":\"5,2\"", "\"run\" is not a list"},
		{"\"run\":\"2..5\"", "\"run\":[2]", "\"run\" is not a text"},
		{"\"tasks\":6,\"run\"", "\"tasks\":-1,\"run\"", "\"tasks\" is not a count"},
		{"\"tasks\":6,\"run\"", "\"tasks\":100001,\"run\"", "\"tasks\" is not a count"},
		{"\"tasks\":6,\"run\"", "\"tasks\":1e5,\"run\"", "\"tasks\" is not a count"},
		{"\"to_replace\":0", "\"to_replace\":7", "\"to_replace\" is not a count"},
		{"\"means\":[{\"id\":\"source\"", "\"means\":[{\"id\":\"sauce\"", "\"means\" is"},
		{"\"means\":[", "\"means\":[3,", "\"id\" is not a text"},
		{"\"means\":[", "\"means\":7,\"mean\":[", "\"means\" is not a list"},
		{"\"verb\":\"create\",\"cause\":\"missing\"},{\"id\":\"image\"",
			"\"verb\":\"creat\",\"cause\":\"missing\"},{\"id\":\"image\"",
			"\"means\" is"},
		{"\"verb\":\"create\",\"cause\":\"missing\"},{\"id\":\"image\"",
			"\"verb\":\"create\",\"cause\":\"\"},{\"id\":\"image\"", "\"means\" is"},
		{"\"rev\":null", "\"rev\":1", "\"rev\" is not a text"},
		{"\"commit\":\"1a2b3c4d5e1a2b3c4d5e1a2b3c4d5e1a2b3c4d5e\",\"patch",
			"\"commit\":{},\"patch", "\"commit\" is not a text"},
		{"\"source_sha256\":\"", "\"source_sha256\":\"0", "\"source_sha256\" is not a"},
		{"\"saved\":{\"id\"", "\"saved\":{\"id\":\"x\",\"id\"", "\"saved\" is not"},
	};
	struct world w;

	(void)state;
	world_open(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = forged(&w, cases[i].from, cases[i].to);

		assert_refused(&w, buf_str(&b), cases[i].why);
		buf_free(&b);
	}
	world_close(&w);
}

/* Members that a later furrow adds are passed over. */
static void
test_members_to_come(void **state)
{
	struct world w;
	struct plan_file f;
	struct error err;
	struct buf b;

	(void)state;
	world_open(&w);
	b = forged(&w, "\"allow_dirty\":false", "\"allow_dirty\":false,\"more\":{\"a\":[1]}");
	assert_int_equal(parse(&w, &f, buf_str(&b), &err), 0);
	assert_int_equal(plan_file_check(&f, &w.plan, &err), 0);
	buf_free(&b);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_is_the_document),
		cmocka_unit_test(test_no_plan),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_plain_output),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_every_edit),
		cmocka_unit_test(test_reformatted),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_members_to_come),
	};

	return cmocka_run_group_tests_name("plan_file", tests, NULL, NULL);
}
