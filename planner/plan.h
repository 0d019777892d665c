/* plan: all of one planning together, and how it is written down: JSON (which is also the saved plan), DOT. */
#ifndef FURROW_PLAN_H
#define FURROW_PLAN_H

#include "planner/base/buf.h"
#include "planner/diff.h"
#include "planner/graph.h"

struct plan {
	struct job job;
	struct observed observed;
	struct changes changes;
	struct graph graph;
	uint32_t slots;             /* task slots that the plan counts on */
	int64_t ns, p90_ns;         /* of the whole; < 0: unknown */
	double usd;
	struct str manifest_path;   /* absolute */
	struct digest manifest_digest;
	struct str rev;             /* --rev as given; absent: the working copy's HEAD */
	struct str infra_override;  /* --infra; absent: none */
	bool allow_dirty;
	struct str id;              /* a ULID: what makes a saved plan applicable once */
	struct digest state;        /* see plan_state */
};

/* The digest that a saved plan is checked against: of the changes with their ids, verbs and reasons' causes, the
 * tasks' keys, the source's identity, the image, and which tasks are in place. */
void plan_state(struct plan *p);

/* The one JSON document: {"furrow_plan":1,…}. A saved plan is this with its own "sha256" as last member. */
void plan_write_json(struct buf *out, const struct plan *p);
void plan_write_file(struct buf *out, const struct plan *p);
/* Graphviz; groups of like nodes (tasks with the same neighbours) are folded into one with its count. */
void plan_write_dot(struct buf *out, const struct plan *p);

/* What apply needs of a saved plan. */
struct plan_file {
	struct str id, job, manifest_path, rev, infra_override, commit, image_digest;
	bool allow_dirty;
	struct digest manifest_digest, state, source_identity, file_digest;
	int64_t n_run, n_in_place;
};

/* ERR_INPUT, saying which, for: no JSON, no plan, a newer version, truncated, or edited (its digest doesn't
 * match). Limits: 256 MiB. */
int plan_file_parse(struct arena *a, struct plan_file *out, struct str bytes, struct str name,
	struct error *err);

/* 0, or ERR_STALE and a message that lists what moved: manifest, commit, source, image, tasks. */
int plan_file_check(const struct plan_file *file, const struct plan *now, struct error *err);

#endif
