/* collect_s3_folder: a local folder's files as the objects of a task's folder in a bucket. */
#ifndef FURROW_STORE_COLLECT_S3_FOLDER_H
#define FURROW_STORE_COLLECT_S3_FOLDER_H

#include "planner/manifest.h"
#include "providers/store/collect_s3_look.h"

/* The files below local (a folder's fd), as collect_s3.h has it: sorted, relative. ERR_INPUT: a name
 * that S3 cannot hold. */
int collect_s3_folder_files(const struct collect_s3_place *place, struct str folder, int local,
	struct arena *a, struct strings *files, struct error *err);

/* Puts them, so many at a time. On failure some of them may be there. */
int collect_s3_folder_put(const struct collect_s3_place *place, struct str folder, int local,
	const struct strings *files, size_t threads, struct error *err);

/* Removes what lies there and is not among files. */
int collect_s3_folder_prune(const struct collect_s3_place *place, struct str folder,
	const struct strings *files, struct error *err);

#endif
