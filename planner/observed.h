/* observed: what exists now, as the providers found it. Presence is explicit: absent is not
 * empty. */
#ifndef FURROW_OBSERVED_H
#define FURROW_OBSERVED_H

#include "planner/base/digest.h"
#include "planner/history.h"
#include "planner/manifest.h"
#include "planner/offer.h"

struct machine {
	struct str name;
	int64_t cpus;
	int64_t memory_bytes;
	enum arch arch;
};

struct engine {
	struct str name; /* "podman", "docker"; absent: none is there */
	struct str version;
	bool rootless;
};

struct collected {
	struct str label;  /* task folder below results */
	struct digest key; /* of the result that lies there */
};

/* An instance of this job that is there already. */
struct warm {
	struct str id, type, zone;
	uint32_t slots; /* tasks at a time on it; 0: as on a new one */
	bool spot;
	double hourly_usd;		/* with disk, address and CPU credits; < 0: unknown */
	bool source_ready, setup_ready; /* on its disk, under their identities */
	bool image_ready;		/* its engine has the job's image */
	bool image_gone;		/* it had that once */
	bool image_other;		/* it has one of furrow's, of another digest */
	bool container_dead;		/* of a run that did not end as it should */
	struct str why_not;		/* absent: it can be used. "it did not answer within 5 s" */
};

/* What a cloud has for the job, and what a new instance would be. */
struct fleet {
	bool there; /* the job runs on instances; else on this machine, and the rest is empty */
	struct str region, store, group; /* "us-east-2", "s3://bucket/prefix", "furrow-wordcount" */
	/* Where new instances may be, and of these, where the group is still to be made; of one region
	 * alone: none, and group_ready says it. */
	struct strings regions, group_missing;
	bool bucket_ready, group_ready, runner_ready; /* the store has the runner's binary */
	struct str image; /* of each region, with its name, when there are more */
	/* What new instances can be had as, >= 1; in no order: it depends on what is to run. */
	struct offer *offers;
	size_t n_offers;
	struct str prices_missing; /* which prices are not known, and why; absent: all are */
	uint32_t max;		   /* instances */
	uint32_t max_slots;	   /* -j: over all of them; 0: no limit */
	struct warm *warm;	   /* those that can be used first, the best first */
	size_t n_warm;
	bool setup_shared;    /* setup is run on one host, for all */
	int64_t shared_bytes; /* of what it left, or the built image, in the store; < 0: not there */
};

struct observed {
	struct machine machine;
	struct fleet fleet;
	struct engine engine;
	bool source_ready; /* the exported source lies in the cache, or the cloud's store, under its
			    * identity */
	bool image_ready; /* the engine holds the image under its digest; in a cloud: hosts can get it
			    * where it is, and nothing is to be uploaded */
	bool setup_ready; /* setup's kept result is there under the environment's identity */
	struct digest
		*results; /* keys with a complete result in the store, sorted, no duplicates */
	size_t n_results;
	struct collected *
		collected; /* what lies in `results`, sorted by label; only folders that are there */
	size_t n_collected;
	struct history history; /* durations of earlier runs; empty: none */
};

#endif
