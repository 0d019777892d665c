/* diff_build: what the files of the diff share. Nobody else includes it. */
#ifndef FURROW_DIFF_BUILD_H
#define FURROW_DIFF_BUILD_H

#include "planner/diff.h"

enum { DIFF_SHORT_HEX = 7 };

struct builder {
	struct arena *arena;
	struct changes *out;
	const struct job *job;
	const struct observed *obs;
};

/* Both return what they added, for its index to be set. */
struct change *diff_add_todo(
	struct builder *b, enum kind kind, enum verb verb, enum cause cause, struct str reason);
struct change *diff_add_in_place(
	struct builder *b, enum kind kind, enum cause cause, struct str reason);

bool diff_has_image(const struct manifest *m);
/* Whether it is an archive, not a registry's. */
bool diff_is_archive(struct str image);
struct str diff_short_digest(struct str digest);
/* "12 files of main@1a2b3c4" */
struct str diff_files_of(struct builder *b);
/* "3.8 GiB" */
struct str diff_memory(struct arena *a, int64_t bytes);

/* diff_fleet.c: on a cloud, what there is instead of this machine's source, instance, environment
 * and release; in two parts, since tasks stand between them. */
void diff_fleet_means(struct builder *b);
void diff_fleet_release(struct builder *b);

#endif
