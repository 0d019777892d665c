/* saved_plan: a plan that `furrow plan -o` saves, and `furrow apply` applies: exactly that, and
 * once. */
#ifndef FURROW_SAVED_PLAN_H
#define FURROW_SAVED_PLAN_H

#include "cmd/furrow/options.h"
#include "cmd/furrow/prepare.h"

struct saved_plan {
	bool there; /* false: a manifest was named, or nothing */
	const char *path;
	struct plan_file file;
};

/* Whether a plan may be saved there: nothing is there yet, or an empty file, a saved plan, or what
 * is no regular file (a pipe, a device), links followed. Else ERR_INPUT: what lies there is
 * somebody's. *is_stdout: it is what our standard output goes to. */
int saved_plan_may_write(const char *path, bool *is_stdout, struct error *err);

/* Saves p->plan where it may be written, whole or not at all when that is a file. ERR_INPUT: the
 * working files are the source and the plan would lie among them, which would make it stale. */
int saved_plan_write(struct prepared *p, const char *path, struct error *err);

/* Whether the argument names a saved plan (its content starts with '{'); if so, reads it, and sets
 * the options that it was made with. Its manifest is the one that -m names, else the one of the
 * same name in the current folder, else the very one that it was made of. ERR_INPUT: it can't be
 * read, was edited, the options contradict it, or there is no manifest for it. */
int saved_plan_open(struct saved_plan *s, struct arena *a, struct options *o, const char *argument,
	struct error *err);

/* ERR_STALE when it was applied already, naming the run; or when what it was made from has moved. A
 * plan that is not there is fine. */
int saved_plan_check(const struct saved_plan *s, const struct prepared *p, struct error *err);

/* Marks it as applied by a run, durably, in .furrow/applied; ERR_STALE when somebody was faster. */
int saved_plan_take(
	const struct saved_plan *s, const struct prepared *p, const char *run, struct error *err);

#endif
