/* manifest: every key and its default, every way to be wrong, `extends`, and what infra local cannot give. */
#include "planner/base/clock.h"
#include "planner/diag.h"
#include "planner/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define GIB (INT64_C(1) << 30)
#define MINIMAL "furrow: 1\nname: j\nentrypoint: x\n"

struct file {
	const char *name, *text;
};

struct fixture {
	struct arena arena;
	struct diagnostics diags;
	struct manifest m;
	struct file files[12]; /* what `extends` finds */
	const char *infra;
};

static int
set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.diags = {.arena = &f.arena}};
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	arena_free(&f->arena);
	return 0;
}

static int
load(void *ctx, struct str path, struct str from, struct str *file, struct str *bytes,
	struct error *err)
{
	struct fixture *f = ctx;

	(void)from;
	for (size_t i = 0; i < 12 && f->files[i].name; i++) {
		if (!str_is(path, f->files[i].name))
			continue;
		*file = path;
		*bytes = str_from(f->files[i].text);
		return 0;
	}
	return error_set(err, ERR_MISSING, "%.*s: no such file", STR_ARG(path));
}

static int
parse(struct fixture *f, const char *text)
{
	const struct manifest_loader loader = {.ctx = f, .load = load};
	const struct manifest_options options = {.infra = str_from(f->infra)};
	struct error err = {0};
	int rc;

	f->diags = (struct diagnostics){.arena = &f->arena};
	rc = manifest_parse(
		&f->arena, &f->m, &f->diags, STR("f"), str_from(text), &loader, &options, &err);
	assert_int_equal(rc, f->diags.n_errors ? ERR_INPUT : 0);
	return rc;
}

static void
parses(struct fixture *f, const char *text)
{
	if (parse(f, text))
		fail_msg("%u:%u: %.*s", f->diags.v[0].pos.line, f->diags.v[0].pos.col,
			STR_ARG(f->diags.v[0].message));
}

static bool
says(const struct diagnostic *d, const char *part)
{
	return strstr(d->message.p, part) || (d->hint.p && strstr(d->hint.p, part));
}

/* Some diagnostic stands at line:col and has `part` in its message or hint. */
static void
told(struct fixture *f, uint32_t line, uint32_t col, const char *part)
{
	for (size_t i = 0; i < f->diags.n; i++) {
		const struct diagnostic *d = &f->diags.v[i];

		if (d->pos.line == line && d->pos.col == col && says(d, part))
			return;
	}
	for (size_t i = 0; i < f->diags.n; i++)
		print_message("%u:%u: %.*s; %.*s\n", f->diags.v[i].pos.line, f->diags.v[i].pos.col,
			STR_ARG(f->diags.v[i].message), STR_ARG(f->diags.v[i].hint));
	fail_msg("nothing at %u:%u says \"%s\"", line, col, part);
}

/* `text` behind the minimal manifest (so its first line is line 4) has one error, there. */
static void
refuses(struct fixture *f, const char *text, uint32_t line, uint32_t col, const char *part)
{
	struct str whole = arena_printf(&f->arena, MINIMAL "%s", text);

	parse(f, whole.p);
	told(f, line, col, part);
	assert_int_equal(f->diags.n_errors, 1);
}

static void
defaults(void **state)
{
	struct fixture *f = *state;
	const struct manifest *m = &f->m;

	parses(f, MINIMAL);
	assert_int_equal(f->diags.n, 0);
	assert_true(str_is(m->file, "f"));
	assert_true(str_is(m->name, "j"));
	assert_true(str_is(m->entrypoint.shell, "x"));
	assert_false(m->entrypoint.is_list);
	assert_null(m->environment.image.p);
	assert_null(m->environment.build.context.p);
	assert_null(m->environment.setup.p);
	assert_int_equal(m->workdir.kind, WORKDIR_GIT);
	assert_true(str_is(m->workdir.path, "."));
	assert_int_equal(m->instances.infra.kind, INFRA_LOCAL);
	assert_true(m->instances.cpus.min < 0 && m->instances.memory_bytes.min < 0);
	assert_null(m->instances.gpus.name.p);
	assert_int_equal(m->instances.arch, ARCH_ANY);
	assert_true(m->instances.disk.size_bytes < 0 && m->instances.disk.warm_bytes_per_s < 0);
	assert_int_equal(m->instances.spot, TRI_AUTO);
	assert_true(m->instances.max_hourly_cost_usd < 0);
	assert_int_equal(m->instances.max, 1);
	assert_int_equal(m->instances.idle_ns, 0);
	assert_int_equal(m->map.kind, MAP_NONE);
	assert_true(m->map.per_instance < 0);
	assert_false(m->map.fail_fast);
	assert_null(m->outputs.p);
	assert_true(str_is(m->results, "results"));
	assert_int_equal(m->retry.attempts, 1);
	assert_int_equal(m->retry.for_mask, RETRY_INTERRUPTION | RETRY_NO_CAPACITY | RETRY_ERROR);
	assert_int_equal(m->retry.delay_ns, NS_PER_S);
	assert_true(m->timeout_ns < 0 && m->max_duration_ns < 0 && m->max_cost_usd < 0);
	assert_null(m->store.p);
	assert_int_equal(m->pos_store.line, 0);
}

static const char everything[] =
	"furrow: 1\n"
	"name: word-count2\n"
	"environment:\n"
	"  build: {context: docker}\n"
	"  setup: pip install -r requirements.txt\n"
	"  setup_files: [requirements.txt, ./lock//file.txt]\n"
	"  env: {LANG: C.UTF-8, NO: no, N: 010, E: \"\"}\n"
	"  secrets: [HF_TOKEN]\n"
	"workdir: {url: https://example.org/r.git, ref: v1}\n"
	"instances:\n"
	"  infra: aws/us-east-2/us-east-2a\n"
	"  cpus: 4+\n"
	"  memory: 8GiB..16GiB\n"
	"  gpus: L4:2\n"
	"  arch: arm64\n"
	"  disk: {size: 50GiB, warm: 300MiB/s}\n"
	"  type: m7g.large\n"
	"  ami: ami-0123456789abcdef0\n"
	"  spot: true\n"
	"  max_hourly_cost: 0.50\n"
	"  any_of: [{infra: aws/us-west-2}, {memory: 32GiB, spot: false}]\n"
	"  max: 20\n"
	"  idle: 10m\n"
	"entrypoint: [./count.sh, \"${{ input }}\", \"\"]\n"
	"map:\n"
	"  inputs: texts/**/*.txt\n"
	"  per_instance: 4\n"
	"  fail_fast: true\n"
	"outputs: ./out/\n"
	"results: results/${{ task.key }}\n"
	"retry: {attempts: 3, for: [error, timeout], exit_codes: [75, 1], delay: 5s}\n"
	"timeout: 20m\n"
	"max_duration: 2h\n"
	"max_cost: 5.00\n"
	"store: s3://my-bucket/furrow\n";

static void
every_key(void **state)
{
	struct fixture *f = *state;
	const struct manifest *m = &f->m;
	const struct instances *in = &m->instances;

	parses(f, everything);
	assert_int_equal(f->diags.n, 0);
	assert_true(str_is(m->environment.build.context, "docker"));
	assert_true(str_is(m->environment.build.dockerfile, "Dockerfile"));
	assert_true(str_is(m->environment.setup_files.v[1], "lock/file.txt"));
	assert_int_equal(m->environment.env.n, 4);
	assert_true(str_is(m->environment.env.v[1].value, "no"));
	assert_true(str_is(m->environment.env.v[2].value, "010"));
	assert_true(m->environment.env.v[3].value.p && !m->environment.env.v[3].value.n);
	assert_true(str_is(m->environment.secrets.v[0], "HF_TOKEN"));
	assert_int_equal(m->workdir.kind, WORKDIR_URL);
	assert_true(str_is(m->workdir.ref, "v1"));
	assert_int_equal(in->infra.kind, INFRA_AWS);
	assert_true(str_is(in->infra.region, "us-east-2") && str_is(in->infra.zone, "us-east-2a"));
	assert_int_equal(in->infra.pos.line, 11);
	assert_true(in->cpus.min == 4 && in->cpus.max == INT64_MAX);
	assert_true(in->memory_bytes.min == 8 * GIB && in->memory_bytes.max == 16 * GIB);
	assert_true(str_is(in->gpus.name, "L4") && in->gpus.count.min == 2);
	assert_int_equal(in->arch, ARCH_ARM64);
	assert_int_equal(in->disk.size_bytes, 50 * GIB);
	assert_int_equal(in->disk.warm_bytes_per_s, INT64_C(300) << 20);
	assert_true(str_is(in->type, "m7g.large") && str_is(in->ami, "ami-0123456789abcdef0"));
	assert_int_equal(in->spot, TRI_TRUE);
	assert_int_equal(in->max, 20);
	assert_int_equal(in->idle_ns, 600 * NS_PER_S);
	assert_int_equal(in->n_any_of, 2);
	assert_true(str_is(in->any_of[0].infra.region, "us-west-2") && in->any_of[0].cpus.min == 4);
	assert_true(in->any_of[1].memory_bytes.max == 32 * GIB && in->any_of[1].spot == TRI_FALSE);
	assert_true(str_is(in->any_of[1].infra.zone, "us-east-2a"));
	assert_int_equal(in->any_of[1].n_any_of, 0);
	assert_true(m->entrypoint.is_list && m->entrypoint.argv.n == 3);
	assert_int_equal(m->map.kind, MAP_GLOB);
	assert_true(str_is(m->map.glob, "texts/**/*.txt"));
	assert_int_equal(m->map.per_instance, 4);
	assert_true(m->map.fail_fast);
	assert_true(str_is(m->outputs, "out"));
	assert_true(str_is(m->results, "results/${{ task.key }}"));
	assert_int_equal(m->retry.attempts, 3);
	assert_int_equal(m->retry.for_mask, RETRY_ERROR | RETRY_TIMEOUT);
	assert_true(m->retry.n_exit_codes == 2 && m->retry.exit_codes[0] == 75);
	assert_int_equal(m->retry.delay_ns, 5 * NS_PER_S);
	assert_int_equal(m->timeout_ns, 1200 * NS_PER_S);
	assert_int_equal(m->max_duration_ns, 7200 * NS_PER_S);
	assert_true(m->max_cost_usd > 4.99 && m->max_cost_usd < 5.01);
	assert_true(str_is(m->store, "s3://my-bucket/furrow"));
	assert_int_equal(m->pos_store.line, 35);
	assert_int_equal(m->pos_store.col, 8);
}

static void
forms(void **state)
{
	struct fixture *f = *state;

	parses(f, MINIMAL "workdir: {path: ../x/.}\ninstances: {disk: 50GiB, gpus: 2+}\n"
			  "environment: {image: \"oci-archive:img.tar\"}\nresults: ./r//s/\n");
	assert_int_equal(f->m.workdir.kind, WORKDIR_PATH);
	assert_true(str_is(f->m.workdir.path, "../x"));
	assert_true(str_is(f->m.instances.gpus.name, "any") &&
		    f->m.instances.gpus.count.max == INT64_MAX);
	assert_true(str_is(f->m.results, "r/s"));
	parses(f, MINIMAL "workdir: {url: 'git@host:r.git'}\n");
	assert_true(str_is(f->m.workdir.ref, "HEAD"));
	parses(f, MINIMAL "instances: {gpus: A100-80GB}\nenvironment: {build: {}}\n");
	assert_int_equal(f->m.instances.gpus.count.min, 1);
	assert_true(str_is(f->m.environment.build.context, "."));
	parses(f, MINIMAL "instances: {warm_files: [/opt/model/*.bin, /usr/lib/a b], "
			  "ami: /aws/service/x-1/image_id}\n");
	assert_int_equal(f->m.instances.warm_files.n, 2);
	assert_true(str_is(f->m.instances.warm_files.v[0], "/opt/model/*.bin"));
	assert_true(str_is(f->m.instances.warm_files.v[1], "/usr/lib/a b"));
	assert_true(str_is(f->m.instances.ami, "/aws/service/x-1/image_id"));
	/* Text is what is written. */
	parses(f, "furrow: 1\nname: yes\nentrypoint: true\n");
	assert_true(str_is(f->m.name, "yes") && str_is(f->m.entrypoint.shell, "true"));
}

static void
inputs(void **state)
{
	struct fixture *f = *state;
	const struct map *map = &f->m.map;

	parses(f, MINIMAL "map: {inputs: [a, no, 1.0, \"\"]}\n");
	assert_int_equal(map->kind, MAP_VALUES);
	assert_int_equal(map->values.n, 4);
	assert_true(str_is(map->values.v[2], "1.0"));
	parses(f, MINIMAL "map: {inputs: {file: ./list.txt}}\n");
	assert_true(map->kind == MAP_FILE && str_is(map->file, "list.txt"));
	parses(f, MINIMAL "map: {inputs: {count: 100000}}\n");
	assert_true(map->kind == MAP_COUNT && map->count == 100000);
	parses(f, MINIMAL "map: {inputs: {s3: \"s3://b-1/in/*\"}}\n");
	assert_true(map->kind == MAP_S3 && str_is(map->glob, "s3://b-1/in/*"));
	parses(f, MINIMAL "map: {inputs: {matrix: {a: [1, 2], b_2: [x, y, z]}}}\n");
	assert_true(map->kind == MAP_MATRIX && map->n_axes == 2 && map->axes[1].values.n == 3);
	assert_int_equal(map->pos_inputs.line, 4);
	parses(f, MINIMAL "map: {inputs: \"200\"}\n");
	assert_int_equal(map->kind, MAP_GLOB);

	refuses(f, "map: {}\n", 4, 1, "map: 'inputs' is missing; expected a glob");
	refuses(f, "map:\n", 4, 1, "map: no value");
	refuses(f, "map: texts/*.txt\n", 4, 6, "did you mean {inputs: texts/*.txt}?");
	refuses(f, "map: {inputs: []}\n", 4, 15, "map.inputs: an empty list");
	refuses(f, "map: {inputs: {}}\n", 4, 15, "found a mapping; expected a glob");
	refuses(f, "map: {inputs: }\n", 4, 7, "map.inputs: no value");
	refuses(f, "map: {inputs: \"\"}\n", 4, 15, "map.inputs: empty");
	refuses(f, "map: {inputs: 200}\n", 4, 15, "did you mean {count: 200}?");
	refuses(f, "map: {inputs: 's3://b-1/*'}\n", 4, 15, "did you mean {s3: \"s3://b-1/*\"}?");
	refuses(f, "map: {inputs: /etc/*}\n", 4, 15, "begins with '/'");
	refuses(f, "map: {inputs: ../*}\n", 4, 15, "has a part '..'");
	refuses(f, "map: {inputs: [a, [b]]}\n", 4, 19, "map.inputs[1]: found a list");
	refuses(f, "map: {inputs: [a, b, a]}\n", 4, 22, "'a' is in the list already");
	refuses(f, "map: {inputs: [a, ~]}\n", 4, 19, "map.inputs[1]: null");
	refuses(f, "map: {inputs: {count: 0}}\n", 4, 23, "map.inputs.count: '0' is too small");
	refuses(f, "map: {inputs: {count: -5}}\n", 4, 23, "is too small");
	refuses(f, "map: {inputs: {count: 100001}}\n", 4, 23,
		"is too large; expected a whole number from 1 to 100000");
	refuses(f, "map: {inputs: {count: 99999999999999999999}}\n", 4, 23, "is too large");
	refuses(f, "map: {inputs: {count: 1, file: x}}\n", 4, 15, "exclude each other");
	refuses(f, "map: {inputs: {fiel: x}}\n", 4, 16, "did you mean 'file'?");
	refuses(f, "map: {inputs: {s3: \"s3://B/x\"}}\n", 4, 20, "expected an S3 pattern");
	refuses(f, "map: {inputs: {s3: s3://b-1}}\n", 4, 20,
		"all of its objects are \"s3://b-1/**\"");
	refuses(f, "map: {inputs: {s3: s3://b-1/}}\n", 4, 20, "expected an S3 pattern");
	refuses(f, "map: {inputs: {matrix: {}}}\n", 4, 24, "expected a mapping of names to lists");
	refuses(f, "map: {inputs: {matrix: {a: 1}}}\n", 4, 28, "did you mean [1]?");
	refuses(f, "map: {inputs: {matrix: {a: []}}}\n", 4, 28, "an empty list");
	refuses(f, "map: {inputs: {matrix: {a: [1, 1]}}}\n", 4, 32, "is in the list already");
	refuses(f, "map: {inputs: {matrix: {1a: [1]}}}\n", 4, 25, "cannot name a variable");
	refuses(f, "map: {inputs: {matrix: {X: [1]}}}\nenvironment: {env: {X: 2}}\n", 4, 28,
		"'X' is a variable in the environment already");
	refuses(f, "map: {inputs: a, per_instance: 0}\n", 4, 32, "is too small");
	refuses(f, "map: {inputs: a, fail_fast: yes}\n", 4, 29, "did you mean 'true'?");
}

static void
matrix_overflow(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};

	buf_add_cstr(&b, MINIMAL "map: {inputs: {matrix: {");
	for (int axis = 0; axis < 40; axis++) {
		buf_addf(&b, "a%d: [", axis);
		for (int i = 0; i < 50; i++)
			buf_addf(&b, "%d,", i);
		buf_add_cstr(&b, "],");
	}
	buf_add_cstr(&b, "}}}\n");
	parse(f, buf_cstr(&b));
	assert_int_equal(f->diags.n_errors, 1);
	told(f, 4, 24, "more than 100000 combinations");
	buf_free(&b);
}

static void
names_and_texts(void **state)
{
	struct fixture *f = *state;

	parse(f, "furrow: 1\nname: Word_Count\nentrypoint: x\n");
	told(f, 2, 7, "did you mean 'word-count'?");
	parse(f, "furrow: 1\nname: abcdefghijabcdefghijabcdefghijabcdefghija\nentrypoint: x\n");
	told(f, 2, 7, "expected 1 to 40 of a-z");
	parse(f, "furrow: 1\nname: [a]\nentrypoint: {a: b}\n");
	told(f, 2, 7, "name: found a list");
	told(f, 3, 13, "entrypoint: found a mapping; expected a shell command");
	parse(f, "furrow: 1\nname: a\nentrypoint: []\n");
	told(f, 3, 13, "entrypoint: an empty list");
	parse(f, "furrow: 1\nname: a\nentrypoint: ['', x]\n");
	told(f, 3, 14, "the program has an empty name");
	parse(f, "furrow: 1\nname: a\nentrypoint: '  '\n");
	told(f, 3, 13, "entrypoint: empty");
	parse(f, "furrow: 1\nname: null\nentrypoint:\n");
	told(f, 2, 7, "name: null; expected");
	told(f, 3, 1, "entrypoint: no value; expected a shell command");
	parse(f, "furrow: 1\n");
	told(f, 1, 1, "'name' is missing");
	told(f, 1, 1, "'entrypoint' is missing");
	parse(f, "- a\n");
	told(f, 1, 1, "a list; a manifest is a mapping of keys to values");
	parse(f, "just text\n");
	told(f, 1, 1, "text; a manifest is a mapping");
}

static void
versions(void **state)
{
	struct fixture *f = *state;

	parse(f, "name: a\nentrypoint: x\n");
	told(f, 1, 1, "'furrow' is missing");
	parse(f, "furrow: 2\nnew_key: x\n");
	assert_int_equal(f->diags.n_errors, 1);
	told(f, 1, 9, "version 2 and needs a newer furrow: this one reads version 1");
	parse(f, "furrow: one\nname: a\nentrypoint: x\n");
	assert_int_equal(f->diags.n_errors, 1);
	told(f, 1, 9, "expected the version");
	parse(f, "furrow: 0\nname: a\nentrypoint: x\n");
	told(f, 1, 9, "expected the version");
	parse(f, "furrow: {a: b}\nname: a\nentrypoint: x\n");
	told(f, 1, 9, "expected the version");
}

static void
environments(void **state)
{
	struct fixture *f = *state;

	refuses(f, "environment: python:3.12\n", 4, 14, "did you mean {image: python:3.12}?");
	refuses(f, "environment: {image: a b}\n", 4, 22, "expected an image");
	refuses(f, "environment: {image: -v}\n", 4, 22, "expected an image");
	refuses(f, "environment: {image: 'docker://a/b'}\n", 4, 22, "did you mean 'a/b'?");
	refuses(f, "environment: {image: 'oci-archive:'}\n", 4, 22, "names no file");
	refuses(f, "environment: {image: a, build: {}}\n", 4, 32, "not both; image stands in f:4");
	refuses(f, "environment: {build: .}\n", 4, 22, "did you mean {context: .}?");
	refuses(f, "environment: {build: {context: ..}}\n", 4, 32, "has a part '..'");
	refuses(f, "environment: {build: {dockerfile: .}}\n", 4, 35,
		"expected a file in the context");
	refuses(f, "environment: {setup: [a]}\n", 4, 22, "environment.setup: found a list");
	refuses(f, "environment: {setup: 'x ${{ input }}'}\n", 4, 22, "'${{' has no meaning here");
	refuses(f, "environment: {setup: x, setup_files: req.txt}\n", 4, 38,
		"did you mean [req.txt]?");
	refuses(f, "environment: {setup: x, setup_files: [/etc/x]}\n", 4, 39, "begins with '/'");
	refuses(f, "environment: {setup: x, setup_files: [a/../../x]}\n", 4, 39, "has a part '..'");
	refuses(f, "environment: {setup: x, setup_files: ['']}\n", 4, 39, "empty");
	refuses(f, "environment: {setup: x, setup_files: [a, ./a]}\n", 4, 42,
		"in the list already");
	refuses(f, "environment: {env: [A=b]}\n", 4, 20, "did you mean {A: b}?");
	refuses(f, "environment: {env: {A-B: x}}\n", 4, 21, "'A-B' cannot name a variable");
	refuses(f, "environment: {env: {FURROW_RUN: x}}\n", 4, 21, "that furrow sets itself");
	refuses(f, "environment: {env: {TRACEPARENT: x}}\n", 4, 21, "that furrow sets itself");
	refuses(f, "environment: {env: {A: [x]}}\n", 4, 24,
		"environment.env.A: a list; expected text");
	refuses(f, "environment: {env: {A: }}\n", 4, 21,
		"no value; expected text (\"\" for an empty one)");
	refuses(f, "environment: {env: {A: \"a\\0b\"}}\n", 4, 24, "NUL byte");
	refuses(f, "environment: {secrets: [A, A]}\n", 4, 28, "in the list already");
	refuses(f, "environment: {secrets: [A B]}\n", 4, 25, "cannot name a variable");
	refuses(f, "environment: {secrets: [FURROW_X]}\n", 4, 25, "that furrow sets itself");
	refuses(f, "environment: {secrets: {A: b}}\n", 4, 24, "names alone");
	refuses(f, "environment: {secrets: [A], env: {A: b}}\n", 4, 25,
		"in environment.env as well");
	refuses(f, "environment: {FOO: bar}\n", 4, 15, "did you mean 'env: {FOO: …}'?");
	parses(f, MINIMAL "environment: {setup_files: [a]}\n");
	told(f, 4, 28, "without a 'setup' they have no effect");
}

static void
instances(void **state)
{
	struct fixture *f = *state;

	refuses(f, "instances: {infra: gcp/x}\n", 4, 20,
		"is no infra; expected local, or aws/REGION[/ZONE]");
	refuses(f, "instances: {infra: aws}\n", 4, 20, "names no region");
	refuses(f, "instances: {infra: us-east-2}\n", 4, 20, "did you mean 'aws/us-east-2'?");
	refuses(f, "instances: {infra: us-east-2b}\n", 4, 20,
		"did you mean 'aws/us-east-2/us-east-2b'?");
	refuses(f, "instances: {infra: aws/us-east-2/b}\n", 4, 20,
		"did you mean 'aws/us-east-2/us-east-2b'?");
	refuses(f, "instances: {infra: aws/us-east-2/us-west-2b}\n", 4, 20,
		"has no zone of that region");
	refuses(f, "instances: {infra: aws/useast}\n", 4, 20, "has no region of AWS");
	refuses(f, "instances: {infra: aws/us-east-2/us-east-2a/x}\n", 4, 20, "has no zone");
	refuses(f, "instances: {infra: localhost}\n", 4, 20, "did you mean 'local'?");
	refuses(f, "instances: {cpus: 0}\n", 4, 19, "instances.cpus: '0' is too small");
	refuses(f, "instances: {cpus: -1}\n", 4, 19, "is negative");
	refuses(f, "instances: {cpus: 8..4}\n", 4, 19, "ends before it begins");
	refuses(f, "instances: {cpus: [4]}\n", 4, 19, "found a list; expected a count or range");
	refuses(f, "instances: {memory: 16Gb}\n", 4, 21, "did you mean '16GiB'?");
	refuses(f, "instances: {gpus: {L4: 1}}\n", 4, 19, "did you mean 'L4:1'?");
	refuses(f, "instances: {gpus: 0}\n", 4, 19, "leave the key out when none is needed");
	refuses(f, "instances: {gpus: 'L4:x'}\n", 4, 19, "is no count");
	refuses(f, "instances: {gpus: ':1'}\n", 4, 19, "expected NAME:COUNT");
	refuses(f, "instances: {arch: amd64}\n", 4, 19, "did you mean 'x86_64'?");
	refuses(f, "instances: {arch: aarch64}\n", 4, 19, "did you mean 'arm64'?");
	refuses(f, "instances: {disk: 50}\n", 4, 19, "did you mean '50GiB'?");
	refuses(f, "instances: {disk: {warm: 300MiB/s}}\n", 4, 13,
		"instances.disk: 'size' is missing");
	refuses(f, "instances: {disk: {size: 1GiB, warm: 300MB/s}}\n", 4, 38,
		"did you mean '300MiB/s'?");
	refuses(f, "instances: {disk: {size: 1GiB, warm: 5MiB/s}}\n", 4, 38,
		"from 100MiB/s to 300MiB/s");
	refuses(f, "instances: {type: large}\n", 4, 19, "expected an instance type");
	refuses(f, "instances: {ami: ubuntu}\n", 4, 18, "expected an image id");
	refuses(f, "instances: {ami: /}\n", 4, 18, "or an SSM parameter");
	refuses(f, "instances: {ami: /a b}\n", 4, 18, "or an SSM parameter");
	refuses(f, "instances: {warm_files: /opt}\n", 4, 25, "a list of files and folders");
	refuses(f, "instances: {warm_files: [opt]}\n", 4, 26, "an absolute path, or pattern");
	refuses(f, "instances: {warm_files: [/opt/../x]}\n", 4, 26, "an absolute path");
	refuses(f, "instances: {warm_files: [/opt, /opt]}\n", 4, 32, "is in the list already");
	refuses(f, "instances: {spot: yes}\n", 4, 19, "did you mean 'true'?");
	refuses(f, "instances: {max_hourly_cost: $1}\n", 4, 30, "did you mean '1'?");
	refuses(f, "instances: {max_hourly_cost: 0}\n", 4, 30, "allows nothing");
	refuses(f, "instances: {max: 0}\n", 4, 18, "is too small");
	refuses(f, "instances: {idle: 10}\n", 4, 19, "did you mean '10s'?");
	refuses(f, "instances: {any_of: []}\n", 4, 21, "an empty list");
	refuses(f, "instances: {any_of: [local]}\n", 4, 22, "did you mean {infra: local}?");
	refuses(f, "instances: {any_of: [{max: 2}]}\n", 4, 23, "did you mean 'instances.max'?");
	refuses(f, "instances: {any_of: [{memory: 1}]}\n", 4, 31,
		"instances.any_of[0].memory: '1' is no size");
	refuses(f, "instances: {any_of: [{infra: local}, {infra: aws/us-east-2}]}\n", 4, 38,
		"don't mix");
	refuses(f, "instances: {use_spot: true}\n", 4, 13, "did you mean 'spot'?");
	refuses(f, "cpus: 4\n", 4, 1, "did you mean 'instances.cpus'?");
}

static void
places(void **state)
{
	struct fixture *f = *state;

	refuses(f, "workdir: https://x.org/r\n", 4, 10, "did you mean {url: https://x.org/r}?");
	refuses(f, "workdir: ~/src\n", 4, 10, "'~' is not expanded");
	refuses(f, "workdir: {}\n", 4, 10, "expected a folder");
	refuses(f, "workdir: {ref: x}\n", 4, 16, "a ref goes with a url");
	refuses(f, "workdir: {path: ., url: 'https://x.org/r'}\n", 4, 10, "exclude each other");
	refuses(f, "workdir: {url: '-upload-pack=x://'}\n", 4, 16, "begins with no '-'");
	refuses(f, "workdir: {url: 'https://x/r', ref: -x}\n", 4, 36,
		"expected a branch, tag or commit");
	refuses(f, "workdir: {url: nonsense}\n", 4, 16, "expected a git URL");
	refuses(f, "outputs: /out\n", 4, 10, "begins with '/'");
	refuses(f, "outputs: a/../b\n", 4, 10, "has a part '..'");
	refuses(f, "outputs: ./\n", 4, 10, "expected a folder below");
	refuses(f, "outputs: ''\n", 4, 10, "empty");
	refuses(f, "outputs: [a, b]\n", 4, 10, "one folder");
	refuses(f, "outputs: 'out-${{ input }}'\n", 4, 10, "has no meaning here");
	refuses(f, "results: .\n", 4, 10, "names no folder of its own");
	refuses(f, "results: ..\n", 4, 10, "names no folder of its own");
	refuses(f, "results: ''\n", 4, 10, "empty");
	refuses(f, "results: .furrow/x\n", 4, 10, "furrow's own state");
	refuses(f, "results: '${{ task.key }}'\n", 4, 10, "before its first template");
	refuses(f, "results: 'r-${{ task.key }}'\n", 4, 10, "before its first template");
	refuses(f, "results: 'r/${{ task.key }}/../x'\n", 4, 10, "behind a template");
	refuses(f, "results: 's3://X'\n", 4, 10, "expected a folder such as results/");
	refuses(f, "store: https://x\n", 4, 8, "expected a folder, or s3://");
	refuses(f, "store: s3://\n", 4, 8, "expected a folder, or s3://");
	refuses(f, "store: ~/x\n", 4, 8, "'~' is not expanded");
	parses(f, MINIMAL "results: /data/r\nstore: ../common\n");
	assert_true(str_is(f->m.results, "/data/r"));
}

static void
limits(void **state)
{
	struct fixture *f = *state;

	refuses(f, "retry: 3\n", 4, 8, "did you mean {attempts: 3}?");
	refuses(f, "retry: {}\n", 4, 1, "retry: 'attempts' is missing");
	refuses(f, "retry: {attempts: 0}\n", 4, 19, "is too small");
	refuses(f, "retry: {attempts: 101}\n", 4, 19, "from 1 to 100");
	refuses(f, "retry: {attempts: 2, for: error}\n", 4, 27, "did you mean [error]?");
	refuses(f, "retry: {attempts: 2, for: [eror]}\n", 4, 28, "did you mean 'error'?");
	refuses(f, "retry: {attempts: 2, for: []}\n", 4, 27, "an empty list");
	refuses(f, "retry: {attempts: 2, exit_codes: [0]}\n", 4, 35, "is too small");
	refuses(f, "retry: {attempts: 2, exit_codes: [256]}\n", 4, 35, "is too large");
	refuses(f, "retry: {attempts: 2, for: [timeout], exit_codes: [1]}\n", 4, 50,
		"only when retry.for has 'error'");
	refuses(f, "retry: {attempts: 2, delay: 5}\n", 4, 29, "did you mean '5s'?");
	refuses(f, "timeout: 0\n", 4, 10, "too short; leave the key out for no limit");
	refuses(f, "timeout: -1s\n", 4, 10, "is negative");
	refuses(f, "timeout: 99999999999999999999s\n", 4, 10, "is too large");
	refuses(f, "max_duration: 2 hours\n", 4, 15, "did you mean '2h'?");
	refuses(f, "max_cost: free\n", 4, 11, "is no amount of money");
	parses(f, MINIMAL "timeout: 3h\nmax_duration: 2h\n");
	told(f, 4, 10, "more than max_duration allows the whole run (2h)");
}

static void
templates(void **state)
{
	struct fixture *f = *state;

	parses(f, MINIMAL "map: {inputs: {count: 2}}\nresults: 'r/${{input}}-${{  task.index  }}'\n"
			  "environment: {env: {K: '${{ task.key }} $${{ x }}'}}\n");
	parses(f, "furrow: 1\nname: j\nentrypoint: echo ${{ matrix.a }}\nmap: {inputs: {matrix: "
		  "{a: [1]}}}\n");
	parse(f, "furrow: 1\nname: j\nmap: {inputs: [a]}\nentrypoint: |\n  echo $${{ ok }} ${{ "
		 "input }}\n  x ${{ inptu }}\n");
	assert_int_equal(f->diags.n_errors, 1);
	told(f, 6, 5, "did you mean 'input'?");
	parse(f, "furrow: 1\nname: j\nentrypoint: [a, 'b${{ task.idx }}']\n");
	told(f, 3, 19, "entrypoint[1]: '${{ task.idx }}' names nothing");
	parse(f, "furrow: 1\nname: j\nentrypoint: |\n  a ${{ task.index\n  b }}\n");
	told(f, 4, 5, "names nothing");
	parse(f, "furrow: 1\nname: j\nentrypoint: |\n  a ${{ task.index\n  b\n");
	told(f, 4, 5, "'${{' without its '}}': '${{ task.index'");
	parse(f, "furrow: 1\nname: j\nentrypoint: echo ${{ input }}\n");
	told(f, 3, 18, "'${{ input }}' without a");
	refuses(f, "environment: {env: {K: '${{ secrets.X }}'}}\n", 4, 25, "environment.env.K:");
	refuses(f, "results: 'r/${{ nope }}'\n", 4, 13, "results:");
}

static void
all_at_once(void **state)
{
	struct fixture *f = *state;

	parse(f, "furrow: 1\nname: A\nentrypint: x\ninstances:\n  memory: 16Gb\n  cpus: "
		 "0\ntimeout: 5\nname: b\n");
	assert_int_equal(f->diags.n_errors, 7);
	for (size_t i = 1; i < f->diags.n; i++)
		assert_true(f->diags.v[i - 1].pos.line <= f->diags.v[i].pos.line);
	told(f, 1, 1, "'entrypoint' is missing");
	told(f, 3, 1, "did you mean 'entrypoint'?");
	told(f, 8, 1, "given twice");
	/* One error for a node that is used often. */
	parse(f, "furrow: 1\nname: a\nentrypoint: x\ninstances:\n  memory: &m 5x\n  any_of: "
		 "[{cpus: 1}, {cpus: 2}]\n");
	assert_int_equal(f->diags.n_errors, 1);
}

static void
extends(void **state)
{
	struct fixture *f = *state;

	f->files[0] = (struct file){"base.yaml",
		"extends: root.yaml\nname: base\nentrypoint: base\n"
		"environment: {image: a, env: {A: 1, B: 2}, secrets: [S, T]}\n"
		"map: {inputs: {count: 5}, fail_fast: true}\ntimeout: 5m\nworkdir: {url: "
		"'https://x/r', ref: m}\n"};
	f->files[1] = (struct file){
		"root.yaml", "furrow: 1\ninstances: {cpus: 4+, memory: 1GiB}\nmax_cost: 3\n"};
	parses(f, "furrow: 1\nextends: base.yaml\nname: child\n"
		  "environment: {env: {B: 3, C: 4}, secrets: [U]}\n"
		  "map: {inputs: [a]}\ntimeout: ~\nworkdir: {path: .}\ninstances: {cpus: 8}\n");
	assert_true(str_is(f->m.name, "child"));
	assert_true(str_is(f->m.entrypoint.shell, "base"));
	assert_true(str_is(f->m.environment.image, "a"));
	assert_int_equal(f->m.environment.env.n, 3);
	assert_true(str_is(f->m.environment.env.v[0].value, "3"));
	assert_int_equal(f->m.environment.secrets.n, 1);
	assert_int_equal(f->m.map.kind, MAP_VALUES);
	assert_true(f->m.map.fail_fast);
	assert_true(f->m.timeout_ns < 0);
	assert_int_equal(f->m.workdir.kind, WORKDIR_PATH);
	assert_int_equal(f->m.instances.cpus.min, 8);
	assert_int_equal(f->m.instances.memory_bytes.min, GIB);
	assert_true(str_is(f->m.instances.pos_memory.file, "root.yaml"));
	assert_true(str_is(f->m.instances.pos_cpus.file, "f"));

	/* What is wrong in an extended file is told of there. */
	f->files[1].text = "instances: {cpus: 0, memory: 16Gb}\n";
	parse(f, "furrow: 1\nextends: base.yaml\ninstances: {cpus: 8}\n");
	assert_int_equal(f->diags.n_errors, 1);
	assert_true(str_is(f->diags.v[0].pos.file, "root.yaml"));
	told(f, 1, 30, "did you mean '16GiB'?");
}

static void
extends_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

	parse(f, MINIMAL "extends: gone.yaml\n");
	told(f, 4, 10, "extends: gone.yaml: no such file");
	parse(f, MINIMAL "extends: [a]\n");
	told(f, 4, 10, "expected another manifest's file");
	parse(f, MINIMAL "extends:\n");
	told(f, 4, 1, "expected another manifest's file");
	f->files[0] = (struct file){"a", "extends: b\n"};
	f->files[1] = (struct file){"b", "extends: a\n"};
	parse(f, MINIMAL "extends: a\n");
	told(f, 1, 10, "extends: a circle: f -> a -> b -> a");
	f->files[0] = (struct file){"a", "extends: a\n"};
	parse(f, MINIMAL "extends: a\n");
	told(f, 1, 10, "a circle: f -> a -> a");
	f->files[0] = (struct file){"a", "furrow: 2\n"};
	parse(f, MINIMAL "extends: a\n");
	told(f, 1, 9, "needs a newer furrow");
	f->files[0] = (struct file){"a", "furrow: 1\nb: [\n"};
	parse(f, MINIMAL "extends: a\n");
	told(f, 3, 1, "no YAML");
	f->files[0] = (struct file){"a", "furrow: 1\n"};
	parse(f, "extends: a\nname: j\nentrypoint: x\n");
	told(f, 1, 1, "'furrow' is missing");
	parse(f, MINIMAL "extends: a\ntimeout: ~\n");
	told(f, 5, 10, "null; expected a duration");
	f->files[0] = (struct file){"a", "furrow: 1\nenvironment: {image: x}\n"};
	parse(f, MINIMAL "extends: a\nenvironment: {build: {}}\n");
	told(f, 5, 22, "takes away what `extends` brought in");
	parses(f, MINIMAL "extends: a\nenvironment: {image: ~, build: {}}\n");
	for (int i = 0; i < 10; i++) {
		struct str text =
			arena_printf(&f->arena, i < 9 ? "extends: %d\n" : "timeout: 1s\n", i + 1);

		f->files[i] = (struct file){names[i], text.p};
	}
	parses(f, MINIMAL "extends: 2\n"); /* eight */
	parse(f, MINIMAL "extends: 1\n");
	told(f, 1, 10, "more than 8 manifests deep");
}

static void
without_loader(void **state)
{
	struct fixture *f = *state;
	struct error err;

	assert_int_equal(manifest_parse(&f->arena, &f->m, &f->diags, STR("f"),
				 STR(MINIMAL "extends: a\n"), NULL, NULL, &err),
		ERR_INPUT);
	assert_string_equal(err.message, "f: 1 error in the manifest");
	told(f, 4, 10, "no other file can be read from here");
}

static void
infra_override(void **state)
{
	struct fixture *f = *state;

	f->infra = "local";
	parses(f, everything);
	assert_int_equal(f->m.instances.infra.kind, INFRA_LOCAL);
	assert_int_equal(f->m.instances.any_of[1].infra.kind, INFRA_LOCAL);
	assert_null(f->m.store.p);
	told(f, 35, 8, "not used with --infra local");
	parses(f, MINIMAL "results: s3://bucket/x\n");
	assert_true(str_is(f->m.results, "results"));
	told(f, 4, 10, "not used with --infra local");
	f->infra = "aws/us-east-2";
	parses(f, MINIMAL);
	assert_int_equal(f->m.instances.infra.kind, INFRA_AWS);
	f->infra = "moon";
	parse(f, MINIMAL);
	assert_true(str_is(f->diags.v[0].pos.file, "--infra"));
	told(f, 0, 0, "is no infra");
}

static void
check_local(void **state)
{
	struct fixture *f = *state;

	parses(f, MINIMAL);
	manifest_check_local(&f->m, 2, 4 * GIB, ARCH_X86_64, &f->diags);
	assert_int_equal(f->diags.n, 0);
	parses(f, MINIMAL "instances: {cpus: 2+, memory: 4GiB+, spot: auto, max: 1, idle: 0, arch: "
			  "any, infra: local}\n");
	manifest_check_local(&f->m, 2, 4 * GIB, ARCH_X86_64, &f->diags);
	assert_int_equal(f->diags.n, 0);

	f->infra = "local";
	parses(f, everything);
	manifest_check_local(&f->m, 2, 4 * GIB, ARCH_X86_64, &f->diags);
	told(f, 12, 9, "at least 4 wanted, this machine has 2");
	told(f, 13, 11, "at least 8GiB wanted, this machine has 4GiB");
	told(f, 14, 9, "instances.gpus:");
	told(f, 15, 9, "this machine is x86_64, so what is made for arm64 doesn't run here");
	assert_int_equal(f->diags.n_errors, 1);
	told(f, 16, 9, "instances.disk:");
	told(f, 17, 9, "instances.type:");
	told(f, 18, 8, "instances.ami:");
	told(f, 19, 9, "instances.spot:");
	told(f, 20, 20, "instances.max_hourly_cost:");
	told(f, 21, 11, "instances.any_of:");
	told(f, 22, 8, "instances.max:");
	told(f, 23, 9, "instances.idle:");
	told(f, 34, 11, "max_cost:");

	f->infra = NULL;
	parses(f, MINIMAL "store: s3://bucket/a\nresults: s3://bucket/b\nmap: {inputs: {s3: "
			  "'s3://bucket/*'}}\n"
			  "retry: {attempts: 2, for: [no-capacity]}\n");
	manifest_check_local(&f->m, 2, 4 * GIB, ARCH_X86_64, &f->diags);
	assert_int_equal(f->diags.n_errors, 3);
	told(f, 4, 8, "store: 's3://bucket/a' cannot be reached with infra local");
	told(f, 5, 10, "results:");
	told(f, 6, 15, "map.inputs:");
	told(f, 7, 8, "nothing is tried again");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(defaults),
		TEST(every_key),
		TEST(forms),
		TEST(inputs),
		TEST(matrix_overflow),
		TEST(names_and_texts),
		TEST(versions),
		TEST(environments),
		TEST(instances),
		TEST(places),
		TEST(limits),
		TEST(templates),
		TEST(all_at_once),
		TEST(extends),
		TEST(extends_refused),
		TEST(without_loader),
		TEST(infra_override),
		TEST(check_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
