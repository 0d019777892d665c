/* ignore: the rules of .gitignore files (gitignore(5)), for folders that are walked without git. */
#ifndef FURROW_GIT_IGNORE_H
#define FURROW_GIT_IGNORE_H

#include "planner/base/arena.h"

struct ignore_rule {
	struct str pattern; /* without '!', and without '/' at either end */
	struct str base;    /* folder of the .gitignore that it stands in, "" at the top */
	bool negated;
	bool folders_only;
	bool anchored; /* against the path below base, else against the last part */
};

/* The rules that hold now: of a folder's .gitignore behind those of the folders around it. */
struct ignore_rules {
	struct arena *arena;
	struct ignore_rule *v; /* malloc'ed */
	size_t n, cap;
};

/* Adds the rules in the text of base's .gitignore. Cut n back to what it was when base is left. */
void ignore_add(struct ignore_rules *rules, struct str base, struct str text);

/* Whether path is ignored. A folder around it that is ignored is the caller's to prune, as nothing
 * below such a folder can come back. */
bool ignore_match(const struct ignore_rules *rules, struct str path, bool is_folder);

void ignore_free(struct ignore_rules *rules);

#endif
