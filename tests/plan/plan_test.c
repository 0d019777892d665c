/* plan_test: golden plans. Each tests/plan/NAME.test is one case: a manifest, what is observed, and
 * exactly what comes of it. Prints TAP, one test a file. With UPDATE=1 the expectations in the
 * files are rewritten: look at the diff. Arguments, when given, are the files to run.
 *
 * A file is text in sections, each begun by a line "--- NAME"; what stands before the first one is
 * a remark whose first line names the case.
 *
 *   manifest         furrow.yaml
 *   state            what is observed, see state.h; absent: the defaults
 *   later manifest   for "stale": what there is when the saved plan is applied; absent: as before
 *   later state
 *
 * and what is expected, any of (at least one):
 *
 *   plan             the text for people
 *   color            the same in colour, ESC shown as ^
 *   curve, curve json   what `furrow plan --curve` says
 *   cost             whether the manifest's max_cost can hold
 *   json             the document, broken into lines in front of objects with an id and a few
 * others dot              for Graphviz diagnostics      what is wrong with the manifest; without
 * this section, nothing must be stale            what applying the saved plan says later; "fits"
 * when nothing moved */
#include "cmd/furrow/show_curve.h"
#include "cmd/furrow/show_plan.h"
#include "planner/cost.h"
#include "tests/plan/state.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_SECTIONS = 16 };

struct section {
	struct str name;
	struct str text; /* up to the next one */
};

struct test {
	struct arena arena;
	const char *path;
	struct str remark;
	struct section sections[MAX_SECTIONS];
	size_t n_sections;
	struct buf problem; /* why it failed; empty: it didn't */
};

/* Reading the file. */

static bool
read_file(struct arena *a, const char *path, struct str *out)
{
	FILE *f = fopen(path, "rb");
	struct buf b = {0};
	size_t n;

	if (!f)
		return false;
	while ((n = fread(buf_reserve(&b, 65536), 1, 65536, f)) > 0)
		b.n += n;
	fclose(f);
	*out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return true;
}

static bool
split(struct test *t, struct str bytes)
{
	struct str rest = bytes, *text = &t->remark;

	t->remark = (struct str){.p = bytes.p, .n = 0};
	while (rest.n) {
		const char *end = memchr(rest.p, '\n', rest.n);
		struct str line = {.p = rest.p, .n = end ? (size_t)(end - rest.p) : rest.n};

		rest = str_from_index(rest, line.n + 1);
		if (!str_starts(line, STR("--- "))) {
			text->n = (size_t)(rest.p - text->p);
			continue;
		}
		if (t->n_sections == MAX_SECTIONS)
			return false;
		t->sections[t->n_sections].name = str_trim(str_from_index(line, 4));
		text = &t->sections[t->n_sections++].text;
		*text = (struct str){.p = rest.p, .n = 0};
	}
	return true;
}

static struct section *
find_section(struct test *t, const char *name)
{
	for (size_t i = 0; i < t->n_sections; i++) {
		if (str_is(t->sections[i].name, name))
			return &t->sections[i];
	}
	return NULL;
}

static struct str
section_text(struct test *t, const char *name, struct str otherwise)
{
	struct section *s = find_section(t, name);

	return s ? s->text : otherwise;
}

/* Planning: what `furrow plan` does, without the world. */

static bool
make_job(struct side *s, struct str state)
{
	struct manifest_options options = {0};
	struct error err = {0};

	s->diags.arena = s->arena;
	side_read_state(s, state);
	options.infra = s->plan.infra_override;
	if (manifest_parse(s->arena, &s->manifest, &s->diags, STR("furrow.yaml"), s->bytes, NULL,
		    &options, &err))
		return false;
	if (s->manifest.instances.infra.kind == INFRA_AWS)
		manifest_check_aws(&s->manifest, &s->diags);
	else
		manifest_check_local(&s->manifest, s->plan.observed.machine.cpus,
			s->plan.observed.machine.memory_bytes, s->plan.observed.machine.arch,
			&s->diags);
	if (s->diags.n_errors)
		return false;
	return job_resolve(s->arena, &s->plan.job, &s->manifest, &s->source, &s->inputs, &s->diags,
		       &err) == 0;
}

static void
make_plan(struct test *t, struct side *s, struct str manifest, struct str state)
{
	struct plan *p = &s->plan;
	struct error err = {0};

	s->arena = &t->arena;
	s->problem = &t->problem;
	s->bytes = manifest;
	if (!make_job(s, state)) {
		s->broken = true;
		diag_sort(&s->diags);
		return;
	}
	side_read_tasks(s, state);
	p->id = STR("01JD9XTPG0000000000000TEST");
	p->manifest_path = STR("/repo/furrow.yaml");
	p->manifest_digest = digest_of(manifest.p, manifest.n);
	p->allow_dirty = s->source.kind == SOURCE_DIRTY;
	diff(&t->arena, &p->changes, &p->job, &p->observed);
	if (graph_of_changes(&t->arena, &p->graph, &p->job, &p->observed, &p->changes, &err))
		test_fail(&t->problem, "graph: %s", err.message);
	if (p->observed.fleet.there)
		p->slots = p->changes.n_instances * p->changes.offers[0].slots;
	plan_estimate(&t->arena, p);
	plan_state(p);
}

/* What comes out. */

static struct str
manifest_source(void *ctx, struct str file)
{
	struct side *s = ctx;

	return str_is(file, "furrow.yaml") ? s->bytes : (struct str){0};
}

static void
show_diagnostics(struct buf *out, struct side *s)
{
	for (size_t i = 0; i < s->diags.n; i++)
		diag_render(out, &s->diags.v[i], manifest_source, s);
}

static void
show_color(struct buf *out, const struct plan *p)
{
	size_t from = out->n;

	show_plan(out, p, true);
	for (size_t i = from; i < out->n; i++) {
		if (out->p[i] == '\033')
			out->p[i] = '^';
	}
}

/* The document in lines that a person can compare. */
static void
show_json(struct buf *out, const struct plan *p)
{
	static const char *const breaks[] = {"{\"id\":", "\"manifest\":", "\"actions\":",
		"\"in_place\":[", "\"summary\":", "\"state_sha256\":"};
	struct buf json = {0};
	struct str rest;

	plan_write_json(&json, p);
	for (rest = buf_str(&json); rest.n; rest = str_from_index(rest, 1)) {
		for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
			if (str_starts(rest, str_from(breaks[i])))
				buf_add_char(out, '\n');
		}
		buf_add_char(out, rest.p[0]);
	}
	buf_free(&json);
}

/* Saves the plan, reads it back, and compares it with what there is later. */
static void
show_stale(struct test *t, struct buf *out, struct side *s, struct side *later)
{
	struct plan_file file;
	struct buf bytes = {0};
	struct error err = {0};

	plan_write_file(&bytes, &s->plan);
	if (plan_file_parse(&t->arena, &file, buf_str(&bytes), STR("saved.json"), &err))
		test_fail(&t->problem, "saved plan: %s", err.message);
	else if (plan_file_check(&file, &later->plan, &err))
		buf_addf(out, "%s\n", err.message);
	else
		buf_add_cstr(out, "fits\n");
	buf_free(&bytes);
}

static void
show_the_curve(struct test *t, struct buf *out, struct side *s, bool json)
{
	struct curve_times times = {0};
	struct error err = {0};
	struct curve curve;

	if ((s->task_time.p && curve_parse_times(s->task_time, &times, &err) < 0) ||
		curve_of_plan(&t->arena, &curve, &s->plan, &times, &err) < 0)
		buf_addf(out, "%s\n", err.message);
	else if (json)
		curve_write_json(out, &curve, &s->plan);
	else
		show_curve(out, &curve, &s->plan, false);
}

static void
show_cost(struct buf *out, const struct plan *p)
{
	struct error err = {0};

	buf_addf(out, "%s\n", plan_check_cost(p, &err) < 0 ? err.message : "fits");
}

/* What has to hold for every plan. */
static void
check_always(struct test *t, struct side *s)
{
	struct buf json = {0}, stale = {0};
	json_error_t where;
	json_t *document;

	plan_write_json(&json, &s->plan);
	document = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, &where);
	if (!document)
		test_fail(&t->problem, "json: %d:%d: %s", where.line, where.column, where.text);
	else if (json_array_size(json_object_get(document, "actions")) != s->plan.graph.n_nodes)
		test_fail(&t->problem, "json: as many actions as nodes expected");
	json_decref(document);
	show_stale(t, &stale, s, s);
	if (!str_is(buf_str(&stale), "fits\n"))
		test_fail(&t->problem, "a saved plan does not fit itself: %s", buf_cstr(&stale));
	buf_free(&json);
	buf_free(&stale);
}

/* The new content of an expectation; false when the section is none. */
static bool
produce(struct test *t, struct buf *out, struct str section, struct side *s)
{
	if (str_is(section, "diagnostics"))
		show_diagnostics(out, s);
	else if (str_is(section, "plan"))
		show_plan(out, &s->plan, false);
	else if (str_is(section, "color"))
		show_color(out, &s->plan);
	else if (str_is(section, "json"))
		show_json(out, &s->plan);
	else if (str_is(section, "curve") || str_is(section, "curve json"))
		show_the_curve(t, out, s, str_is(section, "curve json"));
	else if (str_is(section, "cost"))
		show_cost(out, &s->plan);
	else if (str_is(section, "dot"))
		plan_write_dot(out, &s->plan);
	else if (str_is(section, "stale")) {
		struct str manifest = section_text(t, "manifest", STR(""));
		struct str state = section_text(t, "state", STR(""));
		struct side later = {0};

		make_plan(t, &later, section_text(t, "later manifest", manifest),
			section_text(t, "later state", state));
		if (later.broken)
			show_diagnostics(out, &later);
		else
			show_stale(t, out, s, &later);
		buf_free(&later.list);
	} else {
		return false;
	}
	return true;
}

/* The lines that differ first, of both. */
static void
tell_difference(struct test *t, struct str section, struct str expected, struct str got)
{
	for (int line = 1; expected.p || got.p; line++) {
		struct str e = expected.p ? str_cut(&expected, '\n') : (struct str){0};
		struct str g = got.p ? str_cut(&got, '\n') : (struct str){0};

		if (e.p && g.p && str_eq(e, g))
			continue;
		test_fail(&t->problem, "%.*s, line %d:\n  expected: %.*s\n  got:      %.*s",
			STR_ARG(section), line, STR_ARG(e), STR_ARG(g));
		return;
	}
}

/* Compares or, to update, replaces; the sections' texts are then what is to be in the file. */
static void
run_sections(struct test *t, struct side *s, bool update)
{
	size_t n_expected = 0;

	for (size_t i = 0; i < t->n_sections; i++) {
		struct section *section = &t->sections[i];
		bool last = i + 1 == t->n_sections;
		struct buf out = {0};

		if (s->broken && !str_is(section->name, "diagnostics"))
			continue;
		if (!produce(t, &out, section->name, s))
			continue;
		n_expected++;
		if (!last)
			buf_add_char(&out, '\n');
		if (update)
			section->text = arena_str(&t->arena, buf_str(&out));
		else if (!str_eq(buf_str(&out), section->text))
			tell_difference(t, section->name, section->text, buf_str(&out));
		buf_free(&out);
	}
	if (n_expected == 0)
		test_fail(&t->problem, "nothing is expected");
}

static void
write_back(struct test *t)
{
	FILE *f = fopen(t->path, "wb");

	if (!f) {
		test_fail(&t->problem, "cannot write: %s", strerror(errno));
		return;
	}
	fwrite(t->remark.p, 1, t->remark.n, f);
	for (size_t i = 0; i < t->n_sections; i++) {
		fprintf(f, "--- %.*s\n", STR_ARG(t->sections[i].name));
		fwrite(t->sections[i].text.p, 1, t->sections[i].text.n, f);
	}
	if (fclose(f))
		test_fail(&t->problem, "cannot write: %s", strerror(errno));
}

static void
run_test(struct test *t, bool update)
{
	struct side s = {0};
	struct str bytes;

	if (!read_file(&t->arena, t->path, &bytes) || !split(t, bytes)) {
		test_fail(&t->problem, "cannot read it");
		return;
	}
	make_plan(t, &s, section_text(t, "manifest", STR("")), section_text(t, "state", STR("")));
	if (!s.broken)
		check_always(t, &s);
	if (!find_section(t, "diagnostics") && s.diags.n) {
		struct buf b = {0};

		show_diagnostics(&b, &s);
		test_fail(&t->problem, "not expected:\n%s", buf_cstr(&b));
		buf_free(&b);
	}
	run_sections(t, &s, update);
	if (update && t->problem.n == 0)
		write_back(t);
	buf_free(&s.list);
}

static bool
report(struct test *t, int number_of)
{
	struct str problem = buf_str(&t->problem), remark = t->remark;
	struct str title = str_trim(str_cut(&remark, '\n'));
	const char *name = strrchr(t->path, '/');
	bool ok = problem.n == 0;

	name = name ? name + 1 : t->path;
	printf("%sok %d - %s: %.*s\n", ok ? "" : "not ", number_of, name, STR_ARG(title));
	while (problem.p && problem.n) {
		struct str line = str_cut(&problem, '\n');

		printf("# %.*s\n", STR_ARG(line));
	}
	return ok;
}

static int
only_tests(const struct dirent *d)
{
	return str_ends(str_from(d->d_name), STR(".test"));
}

int
main(int argc, char **argv)
{
	bool update = getenv("UPDATE") && getenv("UPDATE")[0] == '1';
	struct dirent **found = NULL;
	struct arena a = {0};
	int n = argc - 1, failed = 0;

	if (n == 0)
		n = scandir("tests/plan", &found, only_tests, alphasort);
	if (n <= 0) {
		fprintf(stderr, "no tests/plan/*.test here\n");
		return 1;
	}
	for (int i = 0; i < n; i++) {
		struct test t = {.path = argc > 1 ? argv[i + 1] : NULL};

		if (!t.path)
			t.path = arena_printf(&a, "tests/plan/%s", found[i]->d_name).p;
		run_test(&t, update);
		failed += !report(&t, i + 1);
		buf_free(&t.problem);
		arena_free(&t.arena);
		if (found)
			free(found[i]);
	}
	free(found);
	arena_free(&a);
	printf("1..%d\n", n);
	return failed > 0;
}
