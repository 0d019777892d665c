/* job_fixture: a manifest and a source in memory, and what resolving them gives. For the tests
 * around planner/job.h. */
#ifndef FURROW_TEST_JOB_FIXTURE_H
#define FURROW_TEST_JOB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "planner/diag.h"
#include "planner/job.h"

enum { FIXTURE_FILES = 64 };

struct fixture {
	struct arena arena;
	struct diagnostics diags;
	struct manifest m;
	struct source source;
	struct source_entry entries[FIXTURE_FILES];
	struct job_inputs inputs;
	struct job job;
	struct error err;
};

static inline struct strings
fixture_strings(struct fixture *f, size_t n, const char *const *v)
{
	struct strings out = {.v = ARENA_ARRAY(&f->arena, struct str, n), .n = n};

	for (size_t i = 0; i < n; i++)
		out.v[i] = arena_str(&f->arena, str_from(v[i]));
	return out;
}

/* STRINGS(f, "a", "b") */
#define STRINGS(f, ...)                                                              \
	fixture_strings((f), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
		(const char *[]){__VA_ARGS__})

/* NAME, VALUE, NAME, VALUE, … */
static inline struct pairs
fixture_pairs(struct fixture *f, size_t n, const char *const *v)
{
	struct pairs out = {.v = ARENA_ARRAY(&f->arena, struct pair, n / 2), .n = n / 2};

	for (size_t i = 0; i < n / 2; i++)
		out.v[i] = (struct pair){str_from(v[2 * i]), str_from(v[2 * i + 1])};
	return out;
}
#define PAIRS(f, ...)                                                              \
	fixture_pairs((f), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
		(const char *[]){__VA_ARGS__})

static inline int
fixture_by_path(const void *a, const void *b)
{
	return str_cmp(
		((const struct source_entry *)a)->path, ((const struct source_entry *)b)->path);
}

/* Puts a file in, or gives it other bytes. The id is not git's, only as good as one. */
static inline struct source_entry *
fixture_file(struct fixture *f, const char *path, const char *bytes)
{
	struct digest d = digest_of(bytes, strlen(bytes));
	struct source_entry *e = NULL;

	for (size_t i = 0; i < f->source.n_entries; i++) {
		if (str_is(f->entries[i].path, path))
			e = &f->entries[i];
	}
	if (!e) {
		assert_true(f->source.n_entries < FIXTURE_FILES);
		e = &f->entries[f->source.n_entries++];
		*e = (struct source_entry){
			.path = arena_str(&f->arena, str_from(path)), .mode = FILE_REGULAR};
	}
	memcpy(e->id, d.b, BLOB_ID_BYTES);
	e->size_bytes = (int64_t)strlen(bytes);
	qsort(f->entries, f->source.n_entries, sizeof(f->entries[0]), fixture_by_path);
	for (e = f->entries; !str_is(e->path, path);)
		e++;
	return e;
}

/* A job with no map, one program and its manifest. */
static inline void
fixture_init(struct fixture *f)
{
	*f = (struct fixture){0};
	f->diags.arena = &f->arena;
	f->m.file = STR("furrow.yaml");
	f->m.name = STR("wordcount");
	f->m.workdir.path = STR(".");
	f->m.results = STR("results");
	f->m.entrypoint.shell = STR("./count.sh \"$FURROW_INPUT\"");
	f->m.map.pos_inputs = (struct pos){.file = f->m.file, .line = 9, .col = 11};
	f->m.pos_results = (struct pos){.file = f->m.file, .line = 12, .col = 10};
	f->source.entries = f->entries;
	f->source.manifest_path = STR("furrow.yaml");
	fixture_file(f, "furrow.yaml", "furrow: 1");
	fixture_file(f, "count.sh", "wc -w")->mode = FILE_EXECUTABLE;
}

static inline void
fixture_values(struct fixture *f, struct strings values)
{
	f->m.map.kind = MAP_VALUES;
	f->m.map.values = values;
}

static inline void
fixture_glob(struct fixture *f, const char *pattern)
{
	f->m.map.kind = MAP_GLOB;
	f->m.map.glob = str_from(pattern);
}

/* KEY, ETAG, KEY, ETAG, …, by key; one byte more each. */
static inline void
fixture_objects(struct fixture *f, const char *url, size_t n, const char *const *v)
{
	struct object *objects = ARENA_ARRAY(&f->arena, struct object, n / 2);

	f->m.map.kind = MAP_S3;
	f->m.map.glob = str_from(url);
	for (size_t i = 0; i < n / 2; i++)
		objects[i] = (struct object){.key = str_from(v[2 * i]),
			.etag = str_from(v[2 * i + 1]),
			.size_bytes = (int64_t)i};
	f->inputs.objects = objects;
	f->inputs.n_objects = n / 2;
}
#define OBJECTS(f, url, ...)                                                                \
	fixture_objects((f), (url), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
		(const char *[]){__VA_ARGS__})

static inline int
fixture_resolve(struct fixture *f)
{
	f->diags = (struct diagnostics){.arena = &f->arena};
	return job_resolve(&f->arena, &f->job, &f->m, &f->source, &f->inputs, &f->diags, &f->err);
}

static inline void
fixture_free(struct fixture *f)
{
	arena_free(&f->arena);
}

static inline void
fixture_good(struct fixture *f)
{
	if (fixture_resolve(f) != 0)
		fail_msg("%s: %.*s", f->err.message, STR_ARG(f->diags.v[0].message));
}

/* Resolving fails, and the first diagnostic says so. */
static inline void
fixture_bad(struct fixture *f, const char *message)
{
	assert_int_equal(fixture_resolve(f), ERR_INPUT);
	assert_int_equal(f->err.code, ERR_INPUT);
	assert_true(f->diags.n > 0);
	assert_string_equal(f->diags.v[0].message.p, message);
}

#define assert_str(s, text)                                                                      \
	do {                                                                                     \
		struct str s_ = (s);                                                             \
		assert_string_equal(arena_cstr(&f->arena, s_.p ? s_ : STR("(absent)")), (text)); \
	} while (0)

/* A fresh one for each test. */
static inline int
fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fixture_init(f);
	*state = f;
	return 0;
}

static inline int
fixture_teardown(void **state)
{
	fixture_free(*state);
	free(*state);
	return 0;
}

#define fixture_test(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

#endif
