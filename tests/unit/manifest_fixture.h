/* manifest_fixture: a manifest that is parsed from text, beside files that others extend, and what is told
 * of it where. */
#ifndef FURROW_TESTS_MANIFEST_FIXTURE_H
#define FURROW_TESTS_MANIFEST_FIXTURE_H

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

static inline int
set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.diags = {.arena = &f.arena}};
	*state = &f;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct fixture *f = *state;

	arena_free(&f->arena);
	return 0;
}

static inline int
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

static inline int
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

static inline void
parses(struct fixture *f, const char *text)
{
	if (parse(f, text))
		fail_msg("%u:%u: %.*s", f->diags.v[0].pos.line, f->diags.v[0].pos.col,
			STR_ARG(f->diags.v[0].message));
}

static inline bool
says(const struct diagnostic *d, const char *part)
{
	return strstr(d->message.p, part) || (d->hint.p && strstr(d->hint.p, part));
}

/* Some diagnostic stands at line:col and has `part` in its message or hint. */
static inline void
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
static inline void
refuses(struct fixture *f, const char *text, uint32_t line, uint32_t col, const char *part)
{
	struct str whole = arena_printf(&f->arena, MINIMAL "%s", text);

	parse(f, whole.p);
	told(f, line, col, part);
	assert_int_equal(f->diags.n_errors, 1);
}

/* Every key. */
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

#endif
