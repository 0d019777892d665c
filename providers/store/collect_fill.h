/* collect_fill: the files of one result, into a folder of its own. */
#ifndef FURROW_STORE_COLLECT_FILL_H
#define FURROW_STORE_COLLECT_FILL_H

#include "providers/store/result.h"

/* Whether there is anything to put into a folder. */
bool collect_has_files(const struct result *r);

/* Writes outputs, stdout and stderr into an empty folder; adds to *bytes what that took. On
 * failure what is there is to be thrown away. */
int collect_fill(
	struct store *s, const struct result *r, int folder, int64_t *bytes, struct error *err);

#endif
