/* internal: what the files of the infra `local` share. */
#ifndef FURROW_LOCAL_INTERNAL_H
#define FURROW_LOCAL_INTERNAL_H

#include "planner/base/buf.h"
#include "providers/container/engine.h"
#include "providers/local/local.h"
#include "providers/tasks/tasks.h"

#include <stdatomic.h>
#include <sys/types.h>

/* What is read before there is a plan, each by a node of the read graph. */
enum read { READ_SOURCE, READ_LIST, READ_IMAGE, READ_STORE, READ_RESULTS, READ_COUNT };

struct local_run;

struct local {
	struct site site;
	struct arena arena;		/* the coordinator's */
	struct arena reads[READ_COUNT]; /* one each: reads run side by side */
	struct source_reader *reader;
	struct engine_handle *engine;
	struct image_wish image;
	struct str image_digest; /* as the engine knows it; absent: not built yet */
	struct lock
		*store_lock; /* of the job, in a store that others may have too; NULL: not taken */
	struct local_run *run; /* NULL before local_begin_run */
};

/* observe.c */
int local_read_graph(struct site *i, struct arena *a, struct graph *out, struct error *err);
void local_observe_identities(struct site *i, const struct job *job, struct observed *obs);
enum step local_read(struct local *l, enum read what, struct error *err);
/* The exported source in the cache. */
const char *local_source_dir(struct local *l, struct arena *a, const struct job *job);
const char *local_setup_dir(struct local *l, struct arena *a, const struct digest *environment);
bool local_has_image(const struct local *l);

/* local.c: the job's lock in a store outside of the state folder, for who applies: another clone may
 * use that as well. ERR_LOCKED: somebody else is at this job. */
int local_lock_store(struct local *l, struct error *err);

/* local.c: how many tasks at a time. */
uint32_t local_slots(const struct local *l);

/* One execution of a plan. */
struct local_run {
	struct local *l;
	const struct plan *plan;
	char run[32], trace[33];
	char *dir, *logs, *work; /* runs/RUN, runs/RUN/logs, work/RUN */
	char *runner;		 /* the binary */
	struct str image_id;	 /* what containers are made of */
	struct arena arena;	 /* lives as long as the run */
	struct tasks *tasks;
	struct runner seat;
	pid_t runner_pid;	/* 0: none on this host */
	char container[80];	/* empty: none */
	atomic_bool stop_steps; /* what can be made later is not to be waited for */
};

/* run.c */
enum step local_step(
	struct local_run *r, struct call *call, struct outcome *outcome, struct error *err);

#endif
