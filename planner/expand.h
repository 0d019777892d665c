/* expand: a map's inputs, one for each task.
 *
 *   glob    the files that match, by path; never the manifest, nor what lies in `results` or .furrow
 *   values  as they stand
 *   file    its lines. LF or CRLF ends one, the last need not end; a UTF-8 byte order mark at the
 *           start and empty lines are left out; all else, blanks and '#' too, belongs to the input
 *   s3      the objects that match, by key, as URLs; never a key that ends in '/'
 *   count   0, 1, … in decimal
 *   matrix  every combination, the last axis turning fastest, as "a=1,b=x"
 *   no map  one task with an empty input
 *
 * An input twice is an error, since equal inputs are the same work under the same key. */
#ifndef FURROW_EXPAND_H
#define FURROW_EXPAND_H

#include "planner/job.h"
#include "planner/role.h"

enum {
	/* What the kernel takes as one string of an environment is 128 KiB, "FURROW_INPUT=" and a
	 * NUL in it. Some room is left for the path that the runner puts before a file's name. */
	EXPAND_INPUT_MAX_BYTES = (128 << 10) - 4096
};

/* Makes job->tasks with input and input_entry, and job->objects; job has manifest and source. What is
 * taken of inputs is copied. What is wrong goes to diags; ERR_INPUT then, else 0. */
int expand_map(struct arena *a, struct job *job, const struct roles *roles,
	const struct job_inputs *inputs, struct diagnostics *diags);

/* A task's value on each axis, into v[map->n_axes]. */
void expand_axis_values(const struct map *map, uint32_t index, struct str *v);

#endif
