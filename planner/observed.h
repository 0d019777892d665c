/* observed: what exists now, as the providers found it. Presence is explicit: absent is not
 * empty. */
#ifndef FURROW_OBSERVED_H
#define FURROW_OBSERVED_H

#include "planner/base/digest.h"
#include "planner/history.h"
#include "planner/manifest.h"

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

struct observed {
	struct machine machine;
	struct engine engine;
	bool source_ready; /* the exported source lies in the cache under its identity */
	bool image_ready;  /* the engine holds the image under its digest */
	bool setup_ready;  /* setup's kept result is there under the environment's identity */
	struct digest
		*results; /* keys with a complete result in the store, sorted, no duplicates */
	size_t n_results;
	struct collected *
		collected; /* what lies in `results`, sorted by label; only folders that are there */
	size_t n_collected;
	struct history history; /* durations of earlier runs; empty: none */
};

#endif
