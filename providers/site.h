/* site: where a job runs, as the commands see it: this machine (local/) or instances (fleet/). What
 * differs between them is behind the table of functions; what they have in common stands here. */
#ifndef FURROW_SITE_H
#define FURROW_SITE_H

#include "planner/base/clock.h"
#include "planner/plan.h"
#include "planner/provider.h"
#include "providers/git/tree.h"
#include "providers/state_dir.h"
#include "providers/store/job_lock.h"
#include "providers/store/store.h"

struct site;

struct site_config {
	const struct state_dir *state;
	const struct manifest *manifest;
	const char *manifest_dir;
	struct str results; /* an absolute path, or s3://bucket/prefix */
	struct str store;   /* likewise; absent: the site's own default */
	struct source_where source;
	const struct clock *clock;
	uint32_t max_slots;  /* -j; 0: as the manifest says */
	bool refresh_prices; /* prices are asked for anew, however young those are that were kept */
	/* The run to come, for who applies; NULL: it is only looked. */
	const char *lock_run;
};

struct site_observation {
	struct source source;
	struct job_inputs inputs;
	struct observed observed;
};

/* An instance of the job, in any state but terminated. */
struct site_instance {
	struct str id, type, zone, run; /* run: that launched it */
	const char *state;		/* as EC2 calls it: "running" */
	bool spot;
	struct str why_not;	  /* why an apply would not use it; absent: it would */
	struct str busy;	  /* a run that is at work on it, as it says itself; absent: none */
	int64_t launched_wall_ns; /* 0: not told */
	int64_t left_ns; /* until it goes by itself unless somebody comes; < 0: it did not tell */
};

/* What the cloud has of a job, beside what a plan needs to know. */
struct site_cloud {
	struct site_instance *instances; /* those launched first before others */
	size_t n_instances;
	struct job_holder holder; /* who is at the job */
};

struct site_ops {
	/* Before read_graph, for an apply: the graph then also takes what keeps other machines from
	 * applying the same job, for the run to come, before it reads what these could change; held
	 * until close. NULL: nobody else can. */
	void (*lock)(struct site *s, const char *run);
	/* The reads that observing is made of: a graph for the executor and `provider`. */
	int (*read_graph)(struct site *s, struct arena *a, struct graph *out, struct error *err);
	/* What is known only once the job is resolved: source_ready, setup_ready. Makes no call. */
	void (*observe_identities)(struct site *s, const struct job *job, struct observed *obs);
	/* After the read graph: what is there, for people. Reads; in the arena, and for as long as the
	 * site is open. NULL: no cloud. */
	int (*survey)(struct site *s, struct arena *a, struct site_cloud *out, struct error *err);
	/* How many tasks at a time. */
	uint32_t (*slots)(const struct site *s, const struct changes *changes);
	/* Before executing: the run's id, and its trace. Afterwards there is a store. */
	int (*begin_run)(struct site *s, const struct plan *plan, const char *run,
		const char *trace, struct error *err);
	/* Ends whatever is left of the run; what cannot be ended is in `left`. */
	void (*end_run)(struct site *s);
	void (*close)(struct site *s);
};

/* Made by local_open or fleet_open. */
struct site {
	const struct site_ops *ops;
	struct site_config config;
	struct site_observation seen; /* filled by the read graph */
	struct store *store;	      /* NULL while there is none yet */
	/* What end_run could not let go of, so that it still costs money; the value is the command that
	 * removes, or finds, it. */
	struct pairs left;
	uint32_t n_warm; /* instances that end_run left until `idle` is over, for the next apply */
	struct provider provider;
};

#endif
