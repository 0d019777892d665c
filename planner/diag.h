/* diag: what is wrong with an input, and where. Collected, sorted by place, shown with the line and
 * a caret. Prints nothing itself. */
#ifndef FURROW_DIAG_H
#define FURROW_DIAG_H

#include "planner/base/buf.h"
#include "planner/manifest.h"

enum severity { DIAG_ERROR, DIAG_WARNING };

struct diagnostic {
	enum severity severity;
	struct pos pos;
	struct str message; /* what is wrong and what was expected */
	struct str hint;    /* "did you mean 'spot'?"; absent: none */
};

enum {
	DIAG_MAX = 100, /* more are counted, not kept */
	DIAG_QUOTE_BYTES = 72
};

struct diagnostics {
	struct arena *arena; /* messages live here */
	struct diagnostic *v;
	size_t n, cap;
	size_t n_errors; /* counts the ones not kept, too */
	size_t n_warnings;
};

/* What was said before, word for word at the same place, is not said again (an alias is read once
 * for each use). fmt gives the message; hint is kept as it is. */
void diag_add(struct diagnostics *d, enum severity severity, struct pos pos, struct str hint,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* "'TEXT'" for a message, cut at about 60 bytes with "…'". Returns out. */
const char *diag_quote(char out[DIAG_QUOTE_BYTES], struct str text);

/* By file, line and column; equal places keep their order. */
void diag_sort(struct diagnostics *d);

/* The source text of a file for its lines; returns the absent string when unknown. */
typedef struct str (*diag_source_fn)(void *ctx, struct str file);

/* "FILE:LINE:COL: error: MESSAGE; HINT", then the line and a caret under the place. Control
 * characters, those that reorder text included, are shown as '?', long lines are cut around the
 * place. source may be NULL. */
void diag_render(struct buf *out, const struct diagnostic *d, diag_source_fn source, void *ctx);

/* {"severity":…,"file":…,"line":…,"column":…,"message":…,"hint":…} */
void diag_render_json(struct buf *out, const struct diagnostic *d);

#endif
