/* template: what stands in "${{ }}" in entrypoint, env and results, replaced when the plan is made.
 *
 *   ${{ input }}        the task's input: its value, or the path of its file
 *   ${{ task.index }}   0, 1, …
 *   ${{ task.key }}     64 hex digits
 *   ${{ matrix.NAME }}  this task's value on that axis
 *
 * Blanks inside of the braces are free. "$${{" stands for "${{" itself. Nothing is quoted: in the
 * text of a shell, "$FURROW_INPUT" is the safe way to an input. */
#ifndef FURROW_TEMPLATE_H
#define FURROW_TEMPLATE_H

#include "planner/base/buf.h"
#include "planner/base/error.h"
#include "planner/manifest.h"

/* What a text refers to, as bits. */
enum template_use { TEMPLATE_INPUT = 1, TEMPLATE_INDEX = 2, TEMPLATE_KEY = 4, TEMPLATE_MATRIX = 8 };

/* Adds what text refers to to *uses. ERR_INPUT when a "${{" has no "}}" or names nothing that the
 * map has; *hint, in the arena, is then a "did you mean", or absent. */
int template_check(struct arena *a, struct str text, const struct map *map, unsigned *uses,
	struct str *hint, struct error *err);

struct template_vars {
	struct str input;
	struct str index;
	struct str key;
	const struct map *map;	       /* for the names of its axes */
	const struct str *axis_values; /* [map->n_axes] */
};

/* Text with everything replaced; text itself when there is nothing to replace. It has passed
 * template_check. */
struct str template_render(struct arena *a, struct str text, const struct template_vars *vars);

/* Bytes before the first "${{" or "$${{"; text.n when there is none. */
size_t template_fixed(struct str text);

#endif
