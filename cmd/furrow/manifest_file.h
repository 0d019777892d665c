/* manifest_file: the bytes of a manifest and of those that it extends, from the working copy or
 * from a revision, and how what is wrong with them is shown. */
#ifndef FURROW_MANIFEST_FILE_H
#define FURROW_MANIFEST_FILE_H

#include "cmd/furrow/place.h"
#include "planner/base/digest.h"
#include "planner/diag.h"

struct manifest_text {
	struct str file;  /* what messages call it */
	const char *path; /* absolute */
	struct str bytes;
};

struct manifest_file {
	struct arena *arena;
	struct str rev;					      /* absent: the working copy */
	struct manifest_text texts[MANIFEST_MAX_EXTENDS + 1]; /* the first is the manifest itself */
	size_t n;
};

/* Reads the manifest of a place. ERR_INPUT: it isn't there, or can't be read as text of at most 1
 * MiB. Bytes live in the arena. */
int manifest_file_read(struct manifest_file *f, struct arena *a, const struct place *place,
	struct str rev, struct error *err);

/* Parses it, with what it extends. All that is wrong or doubtful is in diags. */
int manifest_file_parse(struct manifest_file *f, struct arena *a, struct manifest *out,
	struct diagnostics *diags, struct str infra, struct error *err);

/* Of the bytes of the manifest; with others that it extends, of the digests of all. */
struct digest manifest_file_digest(const struct manifest_file *f);

/* Shows all of diags on standard error, with the lines that they speak of. */
void manifest_file_show(const struct manifest_file *f, struct diagnostics *diags);

#endif
