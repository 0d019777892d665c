/* suggest: what somebody probably meant. Pure and small, for keys, values, commands and options
 * alike. */
#ifndef FURROW_SUGGEST_H
#define FURROW_SUGGEST_H

#include "planner/base/arena.h"
#include "planner/base/str.h"

/* Edits (a letter put in, left out, replaced, or two neighbours swapped) between a and b, letters'
 * case not counted; anything above `limit` is returned as limit + 1. Words of more than 64 bytes
 * are never near. */
unsigned suggest_distance(struct str a, struct str b, unsigned limit);

/* The one of `names` that is nearest to word and near enough to be meant (about one edit in three
 * letters; '-' and '_' are the same); NULL when none is. The first wins among equals. */
const char *suggest_nearest(struct str word, const char *const *names, size_t n);

/* What other tools (SkyPilot, AWS Batch, Kubernetes, Compose, CI systems) call `word` is this key
 * here, as a whole path ("instances.spot"); NULL when the word is none of theirs. */
const char *suggest_foreign(struct str word);

/* "did you mean 'NAME'?" in the arena; absent for NULL. */
struct str suggest_hint(struct arena *a, const char *name);

#endif
