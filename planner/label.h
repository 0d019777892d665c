/* label: the name of a task's folder, made from its input: [A-Za-z0-9._,=+-]{1,100}, not starting
 * with '.' or '-'.
 *
 *   glob    the path without the pattern's constant leading folders, '/' as '-': of texts/sub/a.txt, found
 *           by texts/ and a pattern, sub-a.txt
 *   s3      likewise, of the key
 *   count   the number, as it is: it stays the same when the count grows
 *   others  the input; without a map the job's name
 *
 * Where more than that had to be changed or cut, '-' and 8 hex digits of the input's digest follow,
 * so a label depends on its own input only and stays when others are added. The one exception: of
 * labels that are equal after all, those that are not the input itself get (more) digits. */
#ifndef FURROW_LABEL_H
#define FURROW_LABEL_H

#include "planner/job.h"

enum { LABEL_MAX_BYTES = 100 };

/* Fills in the labels of all tasks. prefix: what a glob's inputs begin with (role.h).
 * ERR_INPUT, with a diagnostic, when inputs were chosen so that no label is left for one. */
int label_tasks(struct arena *a, struct job *job, struct str prefix, struct diagnostics *diags);

/* One part of a path, written as a label is. */
struct str label_of_part(struct arena *a, struct str part);

#endif
