/* local: the infra `local`: this machine, as a provider. Knows which folder below .furrow holds
 * what. */
#ifndef FURROW_LOCAL_H
#define FURROW_LOCAL_H

#include "planner/base/clock.h"
#include "planner/plan.h"
#include "planner/provider.h"
#include "providers/git/tree.h"
#include "providers/store/store.h"

/* The state folder beside the manifest. */
struct state_dir {
	char *root; /* DIR/.furrow */
	char *store, *runs, *cache, *work, *lock;
};
int state_dir_open(struct arena *a, struct state_dir *out, const char *manifest_dir, bool create,
	struct error *err);

struct local_config {
	const struct state_dir *state;
	const struct manifest *manifest;
	const char *manifest_dir;
	struct str results_dir; /* absolute */
	struct str store_path;	/* absolute */
	struct source_where source;
	const struct clock *clock;
	uint32_t max_slots; /* -j; 0: as the manifest says */
};

struct local;

int local_open(struct local **out, const struct local_config *config, struct error *err);

/* Observing is a graph of read nodes, run by the executor through this same provider. After it
 * ran, what was read is in local_observed. */
int local_read_graph(struct local *l, struct arena *a, struct graph *out, struct error *err);
struct local_observation {
	struct source source;
	struct job_inputs inputs;
	struct observed observed;
};
const struct local_observation *local_observed(const struct local *l);
/* Source identity and environment identity are known only once the job is resolved: fills
 * source_ready, setup_ready. */
void local_observe_identities(struct local *l, const struct job *job, struct observed *obs);

/* This machine: its name, cpus, memory and architecture. */
void local_read_machine(struct arena *a, struct machine *out);

/* How many tasks at a time on this machine. */
uint32_t local_slots(const struct local *l);

/* Before executing: the run's id, and where its logs go. */
int local_begin_run(struct local *l, const struct plan *plan, const char *run, const char *trace,
	struct error *err);
const struct provider *local_provider(struct local *l);
/* Ends whatever is left of the run. */
void local_end_run(struct local *l);

void local_close(struct local *l);

#endif
