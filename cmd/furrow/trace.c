/* trace: reading a task's own spans. */
#include "cmd/furrow/trace.h"

#include "cmd/furrow/file.h"
#include "planner/base/clock.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_BYTES = 4 << 20, MAX_NAME = 200, MAX_DEPTH = 32 };

/* Seconds, or nanoseconds when there are that many: since 1970 either way. Beyond what fits, the
 * line is bad. */
static bool
read_time(const json_t *value, int64_t *ns)
{
	double v;

	if (json_is_integer(value) && json_integer_value(value) > INT64_C(100000000000000)) {
		*ns = json_integer_value(value);
		return true;
	}
	v = json_number_value(value);
	if (!json_is_number(value) || !isfinite(v) || v < 0 || v > 9e9)
		return false;
	*ns = (int64_t)v * NS_PER_S + (int64_t)((v - floor(v)) * 1e9);
	return true;
}

static bool
read_span(struct arena *a, struct trace_span *out, struct str line, int64_t wall0_ns)
{
	json_t *o = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *name = json_object_get(o, "name");
	bool good =
		json_is_string(name) && read_time(json_object_get(o, "start"), &out->start_ns) &&
		read_time(json_object_get(o, "end"), &out->end_ns) && out->end_ns >= out->start_ns;

	if (good) {
		struct str s = {.p = json_string_value(name), .n = json_string_length(name)};

		if (s.n > MAX_NAME)
			s.n = MAX_NAME;
		out->name = arena_str(a, s);
		out->start_ns -= wall0_ns;
		out->end_ns -= wall0_ns;
	}
	json_decref(o);
	return good;
}

static int
by_start(const void *a, const void *b)
{
	const struct trace_span *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return (x->end_ns < y->end_ns) - (x->end_ns > y->end_ns);
}

/* A span lies within the ones before it that end no earlier. */
static void
nest(struct trace *t)
{
	int64_t ends[MAX_DEPTH];
	uint32_t depth = 0;

	for (size_t i = 0; i < t->n; i++) {
		while (depth && t->v[i].end_ns > ends[depth - 1])
			depth--;
		t->v[i].depth = depth;
		if (depth < MAX_DEPTH)
			ends[depth++] = t->v[i].end_ns;
	}
}

void
trace_parse(struct arena *a, struct trace *out, struct str bytes, int64_t wall0_ns)
{
	size_t lines = 1;

	*out = (struct trace){0};
	for (size_t i = 0; i < bytes.n && lines < TRACE_MAX_SPANS; i++)
		lines += bytes.p[i] == '\n';
	out->v = ARENA_ARRAY(a, struct trace_span, lines);
	while (bytes.p && out->n < lines) {
		struct str line = str_trim(str_cut(&bytes, '\n'));

		if (!line.n)
			continue;
		if (read_span(a, &out->v[out->n], line, wall0_ns))
			out->n++;
		else
			out->n_bad++;
	}
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), by_start);
	nest(out);
}

void
trace_read(struct arena *a, struct trace *out, const char *run_path, uint32_t task,
	uint32_t attempt, int64_t wall0_ns)
{
	struct str bytes;

	*out = (struct trace){0};
	if (file_read(a, arena_printf(a, "%s/logs/%u.%u.trace", run_path, task, attempt).p,
		    MAX_BYTES, &bytes, NULL) == 0)
		trace_parse(a, out, bytes, wall0_ns);
}
