/* expand: from map.inputs to tasks. */
#include "planner/expand.h"

#include "planner/diag.h"
#include "planner/strset.h"

#include <stdio.h>

/* How many inputs of a kind of mistake are named one by one. */
enum { NAMED_MAX = 10, FILE_NAME_MAX_BYTES = 255 };

static struct task *
make_tasks(struct arena *a, struct job *job, uint32_t n)
{
	job->tasks = ARENA_ARRAY(a, struct task, n);
	job->n_tasks = n;
	for (uint32_t i = 0; i < n; i++)
		job->tasks[i].input_entry = UINT32_MAX;
	return job->tasks;
}

/* Whether n tasks are allowed, and some. */
static bool
count_is_good(const struct map *map, uint64_t n, struct diagnostics *diags)
{
	struct str none = {0};

	if (n > MANIFEST_MAX_TASKS)
		diag_add(diags, DIAG_ERROR, map->pos_inputs, none,
			"map.inputs gives %llu tasks; at most %d are possible",
			(unsigned long long)n, MANIFEST_MAX_TASKS);
	else if (n == 0)
		diag_add(diags, DIAG_ERROR, map->pos_inputs, none,
			"map.inputs is empty; expected at least one input");
	return n > 0 && n <= MANIFEST_MAX_TASKS;
}

static void
no_match(const struct job *job, struct diagnostics *diags)
{
	const struct map *map = &job->manifest->map;
	const struct source *s = job->source;
	struct str hint = {0};

	if (str_starts(map->glob, STR("/")) || str_starts(map->glob, STR("..")))
		hint = STR("a pattern is relative to the workdir and stays in it");
	else if (s->kind == SOURCE_COMMIT && s->n_untracked > 0)
		hint = STR("are they committed? --allow-dirty takes the working files as they are");
	diag_add(diags, DIAG_ERROR, map->pos_inputs, hint,
		"map.inputs: '%.*s' matches none of the %zu file%s of the source",
		STR_ARG(map->glob), s->n_entries, s->n_entries == 1 ? "" : "s");
}

static void
expand_glob(struct arena *a, struct job *job, const struct roles *roles, struct diagnostics *diags)
{
	const struct source *s = job->source;
	struct task *t;
	size_t n = 0;

	for (size_t i = 0; i < s->n_entries; i++)
		n += role_of(roles, &s->entries[i]) == ROLE_INPUT;
	if (n == 0) {
		no_match(job, diags);
		return;
	}
	if (!count_is_good(&job->manifest->map, n, diags))
		return;
	t = make_tasks(a, job, (uint32_t)n);
	for (size_t i = 0; i < s->n_entries; i++) {
		if (role_of(roles, &s->entries[i]) != ROLE_INPUT)
			continue;
		t->input_entry = (uint32_t)i;
		t->input = s->entries[i].path;
		t++;
	}
}

static void
no_object(const struct job *job, const struct object_pattern *p, const struct job_inputs *inputs,
	struct diagnostics *diags)
{
	const struct map *map = &job->manifest->map;
	struct str hint = {0}, below = arena_printf(diags->arena, "%.*s/", STR_ARG(p->key));

	for (size_t i = 0; i < inputs->n_objects && !hint.p; i++) {
		if (p->key.n && str_starts(inputs->objects[i].key, below))
			hint = arena_printf(diags->arena, "did you mean s3://%.*s/%.*s*?",
				STR_ARG(p->bucket), STR_ARG(below));
	}
	diag_add(diags, DIAG_ERROR, map->pos_inputs, hint,
		"map.inputs: '%.*s' matches none of the %zu objects whose keys begin with '%.*s'",
		STR_ARG(map->glob), inputs->n_objects, STR_ARG(p->fixed));
}

/* What no file on a host can be called. */
static bool
name_is_good(const struct map *map, struct str input, struct str key, struct diagnostics *diags)
{
	char quote[DIAG_QUOTE_BYTES];
	struct str name = object_name(key);

	if (name.n <= FILE_NAME_MAX_BYTES && !str_is(name, ".") && !str_is(name, ".."))
		return true;
	diag_add(diags, DIAG_ERROR, map->pos_inputs, (struct str){0},
		"input %s: no file can have the name that its key ends in",
		diag_quote(quote, input));
	return false;
}

static void
expand_s3(struct arena *a, struct job *job, const struct job_inputs *inputs,
	struct diagnostics *diags)
{
	const struct map *map = &job->manifest->map;
	struct object_pattern pattern;
	struct task *t;
	size_t n = 0, n_bad = 0;

	object_pattern_parse(a, map->glob, &pattern);
	for (size_t i = 0; i < inputs->n_objects; i++)
		n += object_matches(&pattern, inputs->objects[i].key);
	if (n == 0) {
		no_object(job, &pattern, inputs, diags);
		return;
	}
	if (!count_is_good(map, n, diags))
		return;
	t = make_tasks(a, job, (uint32_t)n);
	job->objects = ARENA_ARRAY(a, struct object, n);
	for (size_t i = 0; i < inputs->n_objects; i++) {
		const struct object *from = &inputs->objects[i];
		struct object *o = &job->objects[t - job->tasks];

		if (!object_matches(&pattern, from->key))
			continue;
		t->input = arena_printf(
			a, "s3://%.*s/%.*s", STR_ARG(pattern.bucket), STR_ARG(from->key));
		*o = (struct object){.key = str_from_index(t->input, t->input.n - from->key.n),
			.etag = arena_str(a, from->etag),
			.size_bytes = from->size_bytes};
		if (n_bad < NAMED_MAX)
			n_bad += !name_is_good(map, t->input, o->key, diags);
		t++;
	}
}

static void
expand_values(struct arena *a, struct job *job, struct diagnostics *diags)
{
	const struct map *map = &job->manifest->map;
	struct task *t;

	if (!count_is_good(map, map->values.n, diags))
		return;
	t = make_tasks(a, job, (uint32_t)map->values.n);
	for (uint32_t i = 0; i < job->n_tasks; i++)
		t[i].input = map->values.v[i];
}

/* The next line that is an input; absent at the end. *line counts all lines. */
static struct str
next_line(struct str *rest, uint32_t *line)
{
	while (rest->p) {
		struct str s = str_cut(rest, '\n');

		*line += 1;
		if (s.n && s.p[s.n - 1] == '\r')
			s.n--;
		if (s.n)
			return s;
	}
	return (struct str){0};
}

static void
expand_file(struct arena *a, struct job *job, struct str list, struct diagnostics *diags)
{
	const struct map *map = &job->manifest->map;
	struct str rest = arena_str(a, list);
	uint32_t line = 0, i = 0;
	uint64_t n = 0;
	struct task *t;

	if (str_starts(rest, STR("\xef\xbb\xbf")))
		rest = str_from_index(rest, 3);
	list = rest;
	while (next_line(&rest, &line).p)
		n++;
	if (n == 0) {
		diag_add(diags, DIAG_ERROR, map->pos_inputs, (struct str){0},
			"map.inputs: the file '%.*s' has no lines; expected one input a line",
			STR_ARG(map->file));
		return;
	}
	if (!count_is_good(map, n, diags))
		return;
	t = make_tasks(a, job, (uint32_t)n);
	for (rest = list; i < n; i++)
		t[i].input = next_line(&rest, &line);
}

static void
expand_count(struct arena *a, struct job *job, struct diagnostics *diags)
{
	const struct map *map = &job->manifest->map;
	enum { DIGITS = 12 };
	struct task *t;
	char *p;

	if (!count_is_good(map, map->count < 0 ? 0 : (uint64_t)map->count, diags))
		return;
	t = make_tasks(a, job, (uint32_t)map->count);
	p = arena_alloc(a, (size_t)job->n_tasks * 6 + DIGITS);
	for (uint32_t i = 0; i < job->n_tasks; i++) {
		char digits[DIGITS];
		int n = snprintf(digits, sizeof(digits), "%u", (unsigned)i);

		memcpy(p, digits, (size_t)n);
		t[i].input = (struct str){.p = p, .n = (size_t)n};
		p += n;
	}
}

/* A value twice on one axis would be a task twice. */
static bool
axis_is_good(const struct map *map, const struct axis *axis, struct diagnostics *diags)
{
	char quote[DIAG_QUOTE_BYTES];
	struct strset seen;
	bool good = true;

	strset_init(&seen, axis->values.v, sizeof(struct str), (uint32_t)axis->values.n);
	for (uint32_t i = 0; good && i < axis->values.n; i++) {
		uint32_t first = strset_add(&seen, i);

		if (first == i)
			continue;
		diag_add(diags, DIAG_ERROR, map->pos_inputs, (struct str){0},
			"axis '%.*s' has the value %s twice (items %u and %u)", STR_ARG(axis->name),
			diag_quote(quote, axis->values.v[i]), (unsigned)first + 1, (unsigned)i + 1);
		good = false;
	}
	strset_free(&seen);
	return good;
}

void
expand_axis_values(const struct map *map, uint32_t index, struct str *v)
{
	for (size_t k = map->n_axes; k-- > 0;) {
		const struct strings *values = &map->axes[k].values;

		v[k] = values->v[index % values->n];
		index /= (uint32_t)values->n;
	}
}

/* "a=1,b=x" */
static struct str
combination(struct arena *a, const struct map *map, const struct str *v, struct buf *b)
{
	buf_clear(b);
	for (size_t k = 0; k < map->n_axes; k++) {
		if (k > 0)
			buf_add_char(b, ',');
		buf_add_str(b, map->axes[k].name);
		buf_add_char(b, '=');
		buf_add_str(b, v[k]);
	}
	return arena_str(a, buf_str(b));
}

static void
expand_matrix(struct arena *a, struct job *job, struct diagnostics *diags)
{
	const struct map *map = &job->manifest->map;
	struct arena scratch = {0};
	struct str *v = ARENA_ARRAY(&scratch, struct str, map->n_axes);
	uint64_t n = map->n_axes > 0;
	bool good = true;
	struct buf b = {0};

	/* Once there are too many, only whether an axis is empty still counts, so nothing
	 * overflows. */
	for (size_t k = 0; k < map->n_axes; k++) {
		good &= axis_is_good(map, &map->axes[k], diags);
		if (n <= MANIFEST_MAX_TASKS)
			n *= map->axes[k].values.n;
		else if (map->axes[k].values.n == 0)
			n = 0;
	}
	if (count_is_good(map, n, diags) && good) {
		make_tasks(a, job, (uint32_t)n);
		for (uint32_t i = 0; i < job->n_tasks; i++) {
			expand_axis_values(map, i, v);
			job->tasks[i].input = combination(a, map, v, &b);
		}
	}
	buf_free(&b);
	arena_free(&scratch);
}

/* The place of input i in what the user wrote. */
static uint32_t
place_of(const struct map *map, struct str list, uint32_t i)
{
	uint32_t line = 0;

	if (map->kind != MAP_FILE)
		return i + 1;
	if (str_starts(list, STR("\xef\xbb\xbf")))
		list = str_from_index(list, 3);
	for (uint32_t k = 0; k <= i; k++)
		next_line(&list, &line);
	return line;
}

static void
check_twice(struct job *job, struct str list, struct diagnostics *diags)
{
	const struct map *map = &job->manifest->map;
	const char *word = map->kind == MAP_FILE ? "lines" : "items";
	char quote[DIAG_QUOTE_BYTES];
	struct strset seen;
	uint32_t n = 0;

	strset_init(&seen, &job->tasks->input, sizeof(*job->tasks), job->n_tasks);
	for (uint32_t i = 0; i < job->n_tasks; i++) {
		uint32_t first = strset_add(&seen, i);

		if (first != i && n++ < NAMED_MAX)
			diag_add(diags, DIAG_ERROR, map->pos_inputs, (struct str){0},
				"input %s occurs twice (%s %u and %u)",
				diag_quote(quote, job->tasks[i].input), word,
				(unsigned)place_of(map, list, first),
				(unsigned)place_of(map, list, i));
	}
	if (n > NAMED_MAX)
		diag_add(diags, DIAG_ERROR, map->pos_inputs, (struct str){0},
			"%u more inputs occur twice", (unsigned)(n - NAMED_MAX));
	strset_free(&seen);
}

/* What no environment variable can hold. */
static void
check_bytes(struct job *job, struct str list, struct diagnostics *diags)
{
	const struct map *map = &job->manifest->map;
	const char *word = map->kind == MAP_FILE ? "line" : "item";
	char quote[DIAG_QUOTE_BYTES];
	uint32_t n = 0;

	for (uint32_t i = 0; i < job->n_tasks && n < NAMED_MAX; i++) {
		struct str s = job->tasks[i].input;

		if (s.n > EXPAND_INPUT_MAX_BYTES)
			diag_add(diags, DIAG_ERROR, map->pos_inputs,
				STR("put it in a file, and let a glob find it"),
				"input %s (%s %u) has %zu bytes; at most %d are possible",
				diag_quote(quote, s), word, (unsigned)place_of(map, list, i), s.n,
				EXPAND_INPUT_MAX_BYTES);
		else if (s.n && memchr(s.p, '\0', s.n))
			diag_add(diags, DIAG_ERROR, map->pos_inputs, (struct str){0},
				"input %s (%s %u) has a NUL byte, which no environment variable "
				"can hold",
				diag_quote(quote, s), word, (unsigned)place_of(map, list, i));
		else
			continue;
		n++;
	}
}

int
expand_map(struct arena *a, struct job *job, const struct roles *roles,
	const struct job_inputs *inputs, struct diagnostics *diags)
{
	const struct map *map = &job->manifest->map;
	struct str list = inputs->list;
	size_t errors = diags->n_errors;

	job->tasks = NULL;
	job->n_tasks = 0;
	switch (map->kind) {
	case MAP_NONE:
		make_tasks(a, job, 1)->input = STR("");
		break;
	case MAP_GLOB:
		expand_glob(a, job, roles, diags);
		break;
	case MAP_VALUES:
		expand_values(a, job, diags);
		break;
	case MAP_FILE:
		expand_file(a, job, list, diags);
		break;
	case MAP_S3:
		expand_s3(a, job, inputs, diags);
		break;
	case MAP_COUNT:
		expand_count(a, job, diags);
		break;
	case MAP_MATRIX:
		expand_matrix(a, job, diags);
		break;
	}
	if (job->n_tasks > 0 && map->kind != MAP_COUNT)
		check_bytes(job, list, diags);
	if (job->n_tasks > 0 && (map->kind == MAP_VALUES || map->kind == MAP_FILE))
		check_twice(job, list, diags);
	return diags->n_errors > errors ? ERR_INPUT : 0;
}
