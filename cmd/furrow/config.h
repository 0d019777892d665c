/* config: the few settings that hold for a person or a machine rather than for a job. Precedence:
 * the command line, then FURROW_* in the environment, then the manifest (where it speaks of the
 * same), then $XDG_CONFIG_HOME/furrow/config.yaml (or ~/.config/furrow/config.yaml):
 *
 *   progress: plain     # auto | tty | plain | json | quiet    FURROW_PROGRESS   --progress
 *   color: never        # auto | always | never                FURROW_COLOR      --color
 *   jobs: 4             # tasks at a time on this machine       FURROW_JOBS       -j
 */
#ifndef FURROW_CONFIG_H
#define FURROW_CONFIG_H

#include "cmd/furrow/out.h"

enum progress { PROGRESS_AUTO, PROGRESS_TTY, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_QUIET };

enum config_from { FROM_NOWHERE, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

/* Zero-initialised: nothing said. */
struct config {
	enum progress progress;
	enum color color;
	uint32_t jobs; /* 0: as the manifest says */
	enum config_from progress_from, color_from, jobs_from;
};

/* Sets one by its name, unless a stronger word was said before. ERR_INPUT: no such setting, or no
 * such value; the message doesn't say where it stands. */
int config_set(struct config *c, enum config_from from, struct str name, struct str value,
	struct error *err);

/* What the environment says, then the file (none there is fine). */
int config_load(struct config *c, struct error *err);

#endif
