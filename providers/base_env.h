/* base_env: what every process of a job is given, beneath the manifest's `env`: a clean environment,
 * and the secrets, whose values go to runners and nowhere else. */
#ifndef FURROW_BASE_ENV_H
#define FURROW_BASE_ENV_H

#include "planner/base/arena.h"
#include "planner/base/error.h"
#include "planner/manifest.h"

/* ERR_INPUT: one of environment.secrets is not set in the caller's environment; with its place in the
 * manifest. */
int base_env_check(const struct manifest *m, struct error *err);

struct base_env {
	const char *run;       /* its id */
	bool on_host;	       /* PATH and LANG are set; in a container the image's own hold */
	const char *setup_dir; /* on_host: what setup left; NULL: there is none */
	bool secrets;	       /* not for setup, whose result is kept */
};
/* In the arena. */
struct pairs base_env(struct arena *a, const struct manifest *m, const struct base_env *wish);

#endif
