/* label: most inputs are their own label, and then nothing is copied. */
#include "planner/label.h"

#include "planner/diag.h"
#include "planner/expand.h"
#include "planner/strset.h"

#include <stdlib.h>

/* How many hex digits of the digest a label ends in. */
static const uint8_t digits_of_level[] = {0, 8, 16, 32, 64};
enum { N_LEVELS = sizeof(digits_of_level) };

/* What naming the tasks of a job takes. */
struct naming {
	struct arena *arena;
	struct job *job;
	struct str prefix;
	struct hasher *hasher;
	struct str *axis_values; /* matrix: of the task at hand */
	uint8_t *level;		 /* by task: into digits_of_level */
};

static bool
is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("._,=+-", c) != NULL);
}

static bool
is_label(struct str s)
{
	if (s.n == 0 || s.n > LABEL_MAX_BYTES || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_label_char(s.p[i]))
			return false;
	}
	return true;
}

/* At most `max` bytes of s with a '-' for each '/' and one '_' for each run of what no label may
 * hold. *lost: more than a '/' was changed, or something was cut. */
static size_t
write_plain(char *out, size_t max, struct str s, bool *lost)
{
	struct str empty = STR("empty");
	size_t n = 0;

	*lost = false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i] == '/' ? '-' : s.p[i];

		if (!is_label_char(c) || (n == 0 && (c == '.' || c == '-'))) {
			c = '_';
			*lost = true;
			if (n > 0 && out[n - 1] == '_')
				continue;
		}
		if (n == max) {
			*lost = true;
			break;
		}
		out[n++] = c;
	}
	if (n > 0)
		return n;
	*lost = true;
	memcpy(out, empty.p, empty.n);
	return empty.n;
}

/* A label from s that ends in so many hex digits of d; without any, when something was lost,
 * absent. */
static struct str
make_label(struct arena *a, struct str s, const struct digest *d, size_t digits)
{
	char out[LABEL_MAX_BYTES], hex[DIGEST_HEX_BYTES];
	size_t max = LABEL_MAX_BYTES - (digits ? digits + 1 : 0);
	bool lost;
	size_t n = write_plain(out, max, s, &lost);

	if (digits == 0 && lost)
		return (struct str){0};
	if (digits == 0)
		return arena_str(a, (struct str){.p = out, .n = n});
	digest_hex(hex, d);
	out[n++] = '-';
	memcpy(out + n, hex, digits);
	return arena_str(a, (struct str){.p = out, .n = n + digits});
}

struct str
label_of_part(struct arena *a, struct str part)
{
	struct digest d;

	if (is_label(part))
		return part;
	d = digest_of(part.p, part.n);
	return make_label(a, part, &d, digits_of_level[1]);
}

/* What the label is made from. */
static struct str
base_of(const struct naming *nm, uint32_t i)
{
	const struct job *job = nm->job;
	struct str input = job->tasks[i].input;

	switch (job->manifest->map.kind) {
	case MAP_NONE:
		return job->manifest->name;
	case MAP_GLOB:
	case MAP_S3:
		return str_from_index(input, nm->prefix.n);
	default:
		return input;
	}
}

/* In a matrix, "a=1,b=2" may come from other values than 1 and 2 when one holds ',' or '='. */
static bool
is_ambiguous(const struct naming *nm, uint32_t i)
{
	const struct map *map = &nm->job->manifest->map;

	if (map->kind != MAP_MATRIX)
		return false;
	expand_axis_values(map, i, nm->axis_values);
	for (size_t k = 0; k < map->n_axes; k++) {
		struct str v = nm->axis_values[k];

		if (v.n && (memchr(v.p, ',', v.n) || memchr(v.p, '=', v.n)))
			return true;
	}
	return false;
}

/* A label that is the input itself never gives way. */
static bool
is_own(const struct naming *nm, uint32_t i)
{
	return nm->level[i] == 0 && nm->job->tasks[i].label.p == base_of(nm, i).p;
}

static struct digest
input_digest(const struct naming *nm, uint32_t i)
{
	const struct map *map = &nm->job->manifest->map;

	if (map->kind != MAP_MATRIX) {
		hasher_add(nm->hasher, nm->job->tasks[i].input.p, nm->job->tasks[i].input.n);
		return hasher_end(nm->hasher);
	}
	expand_axis_values(map, i, nm->axis_values);
	for (size_t k = 0; k < map->n_axes; k++) {
		hasher_add_field(nm->hasher, map->axes[k].name);
		hasher_add_field(nm->hasher, nm->axis_values[k]);
	}
	return hasher_end(nm->hasher);
}

/* The next longer label of a task; false when there is none. */
static bool
lengthen(struct naming *nm, uint32_t i)
{
	struct digest d = input_digest(nm, i);

	if (nm->level[i] + 1 >= N_LEVELS)
		return false;
	nm->level[i]++;
	nm->job->tasks[i].label =
		make_label(nm->arena, base_of(nm, i), &d, digits_of_level[nm->level[i]]);
	return true;
}

static void
first_label(struct naming *nm, uint32_t i)
{
	struct task *t = &nm->job->tasks[i];
	struct str base = base_of(nm, i);

	t->label = (struct str){0};
	if (!is_ambiguous(nm, i))
		t->label = is_label(base) ? base : make_label(nm->arena, base, NULL, 0);
	if (!t->label.p)
		lengthen(nm, i);
}

/* Marks the labels that have to give way; returns how many. */
static uint32_t
mark_equal(const struct naming *nm, uint8_t *marks)
{
	const struct job *job = nm->job;
	struct strset seen;
	uint32_t n = 0;

	strset_init(&seen, &job->tasks->label, sizeof(*job->tasks), job->n_tasks);
	memset(marks, 0, job->n_tasks);
	for (uint32_t i = 0; i < job->n_tasks; i++) {
		if (is_own(nm, i))
			strset_add(&seen, i);
	}
	for (uint32_t i = 0; i < job->n_tasks; i++) {
		uint32_t first;

		if (is_own(nm, i) || (first = strset_add(&seen, i)) == i)
			continue;
		marks[i] = 1;
		n++;
		if (!is_own(nm, first) && !marks[first]) {
			marks[first] = 1;
			n++;
		}
	}
	strset_free(&seen);
	return n;
}

static int
make_unique(struct naming *nm, uint8_t *marks, struct diagnostics *diags)
{
	char quote[DIAG_QUOTE_BYTES];

	while (mark_equal(nm, marks) > 0) {
		for (uint32_t i = 0; i < nm->job->n_tasks; i++) {
			if (!marks[i] || lengthen(nm, i))
				continue;
			diag_add(diags, DIAG_ERROR, nm->job->manifest->map.pos_inputs,
				STR("rename the other input"),
				"no folder name is left for input %s: another input is called "
				"'%.*s'",
				diag_quote(quote, nm->job->tasks[i].input),
				STR_ARG(nm->job->tasks[i].label));
			return ERR_INPUT;
		}
	}
	return 0;
}

int
label_tasks(struct arena *a, struct job *job, struct str prefix, struct diagnostics *diags)
{
	struct naming nm = {.arena = a, .job = job, .prefix = prefix};
	uint32_t n_own = 0;
	int rc = 0;

	nm.hasher = hasher_new();
	nm.level = mem_alloc(job->n_tasks);
	nm.axis_values = mem_alloc(job->manifest->map.n_axes * sizeof(*nm.axis_values));
	memset(nm.level, 0, job->n_tasks);
	for (uint32_t i = 0; i < job->n_tasks; i++) {
		first_label(&nm, i);
		n_own += is_own(&nm, i);
	}
	if (n_own <
		job->n_tasks) { /* inputs differ, so what is its own label is unique among those */
		uint8_t *marks = mem_alloc(job->n_tasks);

		rc = make_unique(&nm, marks, diags);
		free(marks);
	}
	free(nm.axis_values);
	free(nm.level);
	hasher_free(nm.hasher);
	return rc;
}
