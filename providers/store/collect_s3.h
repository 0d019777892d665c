/* collect_s3: collect.h for `results: s3://bucket/prefix`. The files of each task's folder become
 * objects PREFIX/FOLDER/…, with `stdout` and `stderr` as there, and PREFIX/.furrow-index says what lies
 * where, in the same format.
 *
 * S3 has neither folders, links nor modes: an empty folder is left out, a symlink to a file becomes
 * that file's content, any other symlink is left out. Nor can a folder be exchanged at once: while it
 * changes, the index calls it pending; the new objects are put first, what an older result left is
 * removed then. */
#ifndef FURROW_COLLECT_S3_H
#define FURROW_COLLECT_S3_H

#include "providers/store/collect.h"

struct aws;

/* prefix: absent or "": none; without '/' at its end. */
int collect_s3_observe(struct aws *aws, struct arena *a, struct str bucket, struct str prefix,
	struct collected **out, size_t *n, struct error *err);

/* As collect_run. ERR_LOCKED: another furrow is bringing results there just now. */
int collect_s3_run(struct store *s, struct aws *aws, struct str bucket, struct str prefix,
	const struct collect_item *items, size_t n, struct collect_report *report,
	struct error *err);

#endif
