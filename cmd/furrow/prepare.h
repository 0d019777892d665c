/* prepare: what plan, apply, why and status have in common: from a manifest to a plan. In order:
 * manifest, observe, diff, graph; each needs the one before. */
#ifndef FURROW_PREPARE_H
#define FURROW_PREPARE_H

#include "cmd/furrow/manifest_file.h"
#include "cmd/furrow/options.h"
#include "planner/plan.h"
#include "providers/site.h"

struct prepared {
	struct arena arena;
	struct place place;
	struct manifest_file file;
	struct state_dir state;
	struct str store, results; /* absolute paths, or s3://…; store absent: the infra's own */
	uint32_t max_slots;	   /* -j; 0: as the manifest says */
	bool refresh_prices;	   /* don't take those of the last hours */
	bool prefer_commit;	   /* with allow_dirty: only when a plan needs it; set before */
	struct manifest manifest;
	struct site *site;
	const char *lock_run; /* apply: the run to come, for the infra's own lock; set before */
	struct plan plan;
};

/* Reads and checks the manifest that `argument` or the options name (at --rev). What is wrong with
 * it is shown on standard error; err then tells how much. Zero *p first. */
int prepare_manifest(
	struct prepared *p, const struct options *o, const char *argument, struct error *err);

/* For who opens the infra: after prepare_manifest, and for as long as *p. */
struct site_config prepare_site_config(const struct prepared *p);

/* Reads the source and what exists, concurrently; changes nothing. */
int prepare_observe(struct prepared *p, struct error *err);

/* Makes the job out of manifest and source, and says what has to change. */
int prepare_diff(struct prepared *p, struct error *err);

/* Whether what the tasks leave could be brought together: after prepare_diff. Asks of a folder only;
 * a bucket says so when it is written to. */
int prepare_check_results(struct prepared *p, struct error *err);

/* Puts the changes in order, and completes p->plan. */
int prepare_graph(struct prepared *p, struct error *err);

/* All four. */
int prepare_plan(
	struct prepared *p, const struct options *o, const char *argument, struct error *err);

void prepare_close(struct prepared *p);

/* A new identifier: of a plan, or a run. */
void prepare_ulid(char out[27]);

#endif
