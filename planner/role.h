/* role: what a file of the source is to a job. See job.h for what follows from it. */
#ifndef FURROW_ROLE_H
#define FURROW_ROLE_H

#include "planner/manifest.h"
#include "planner/source.h"

enum role {
	ROLE_PROGRAM, /* belongs to every task */
	ROLE_INPUT,   /* the input of one task: the map's glob matches it */
	ROLE_ASIDE /* the manifest, the list of a MAP_FILE, what lies in `results` or .furrow; never
		      an input */
};

struct roles {
	const struct source *source;
	uint8_t *v; /* enum role of each entry */
	/* What all inputs begin with: of a glob its constant leading folders, with the last '/'; of
	 * objects these behind "s3://bucket/". */
	struct str prefix;
	/* A symbolic link is among the inputs. What it points to is not known here and may be
	 * another input, so the inputs then belong to every task. */
	bool link_input;
};

/* In the arena; the source must stay. */
void roles_init(struct roles *r, struct arena *a, const struct manifest *m, const struct source *s);

/* e: one of the source's entries. */
enum role role_of(const struct roles *r, const struct source_entry *e);

/* A source_skip_fn, ctx being struct roles: skips what does not belong to every task. */
bool role_skip(void *ctx, const struct source_entry *e);

#endif
