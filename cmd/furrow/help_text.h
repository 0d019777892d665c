/* help_text: reading a command's help: the lines below "Options:", which completions are made from.
 */
#ifndef FURROW_HELP_TEXT_H
#define FURROW_HELP_TEXT_H

#include "planner/base/str.h"

/* "  -j, --jobs N   tasks at a time" */
struct help_option {
	char letter;	  /* 0: none */
	struct str name;  /* without dashes */
	struct str value; /* "N"; empty: it takes none */
	struct str text;
};

/* Where the options begin; an empty text when there are none. */
const char *help_options(const char *help);

/* The next option; false when there is no other. Lines that go on with the one before are left out.
 */
bool help_next(const char **at, struct help_option *out);

#endif
