/* options: what a command line says. One table holds every option of every command, so that a name
 * means the same everywhere; a command names those that it takes. */
#ifndef FURROW_OPTIONS_H
#define FURROW_OPTIONS_H

#include "cmd/furrow/command.h"
#include "cmd/furrow/config.h"

enum { OPTION_WORDS = 64 }; /* so often an option may be given again */

struct options {
	char **args; /* what is left besides options */
	int n_args;

	const char *manifest; /* -m; NULL: ./furrow.yaml */
	const char *rev, *infra, *output;
	struct {
		const char *v[OPTION_WORDS]; /* as given: each may be a list with commas */
		int n;
	} regions;
	bool allow_dirty, json, dot, detailed_exitcode, yes, keep_going, dry_run;
	const char *task_time; /* as given */
	bool curve;
	bool all, all_regions, follow, only_stdout, only_stderr, force, policy;
	const char *arch, *cpus, *gpus, *memory, *type; /* wishes; NULL: as the manifest has them */
	bool spot, on_demand, refresh_prices;
	int64_t max;	       /* 0: not given */
	int64_t attempt;       /* 0: the last one */
	int64_t limit;	       /* < 0: not given */
	int64_t older_than_ns; /* < 0: not given */
	struct config config;  /* progress, color, jobs: from the strongest that speaks of them */
};

/* Reads argv by the options that `takes` names ("rev json jobs"; --help is always there), at most
 * max_args arguments beside them, then the environment and the config file. Returns -1 to go on,
 * else the exit status: help was shown, or what was wrong was told. */
int options_parse(struct options *o, const struct command *c, const char *takes, int max_args,
	int argc, char **argv);

/* The i-th argument, NULL when there are fewer. */
const char *options_arg(const struct options *o, int i);

#endif
