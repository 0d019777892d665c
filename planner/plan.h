/* plan: all of one planning together, and how it is written down: JSON (which is also the saved
 * plan), DOT. */
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
	uint32_t slots;	    /* task slots that the plan counts on */
	int64_t ns, p90_ns; /* of the whole; < 0: unknown */
	double usd;	    /* < 0: unknown, and why_usd says why */
	double hourly_usd;  /* of all its instances together; < 0: unknown */
	double idle_usd;    /* what they cost afterwards, warm, when nobody comes; < 0: unknown */
	struct str why_usd; /* "no price of m7i.large is known"; absent: usd is known */
	struct str manifest_path; /* absolute */
	struct digest manifest_digest;
	struct str rev;		   /* --rev as given; absent: the working copy's HEAD */
	struct str infra_override; /* --infra; absent: none */
	bool allow_dirty;
	struct str id;	     /* a ULID: what makes a saved plan applicable once */
	struct digest state; /* see plan_state */
};

/* Sets p->state: the digest that a saved plan is checked against. Of job's name, manifest, commit,
 * patch, source and image; of all tasks' keys and which of them run; of all else: id, verb and
 * cause. Not of estimates, slots and words, which may differ from one look to the next. */
void plan_state(struct plan *p);

/* Over the keys of all tasks, in their order. */
struct digest plan_keys(const struct job *job);

/* The one JSON document: {"furrow_plan":1,…}, see plan_json.c. A saved plan is this with its own
 * "sha256" as last member, see plan_file.c. */
void plan_write_json(struct buf *out, const struct plan *p);
void plan_write_file(struct buf *out, const struct plan *p);

/* The members of an offer, as a plan's "offers" have them, into an object that is open. */
void plan_add_offer(struct buf *out, const struct offer *o);
/* All members of the document but neither its last '}' nor a newline: what both of these are made
 * of. */
void plan_add_members(struct buf *out, const struct plan *p);

/* What a person should know beside what the plan does, and a word for it that programs know; absent: nothing.
 * Both are static. */
struct str plan_hint(const struct plan *p, struct str *name);

/* Graphviz; groups of like nodes (of the same kind and verb, with the same neighbours) are folded
 * into one with its count. A dashed edge stands for slots. */
void plan_write_dot(struct buf *out, const struct plan *p);

/* What a saved plan tells of a change that is no task. */
struct plan_means {
	enum kind kind;
	uint32_t index;
	enum verb verb;
	enum cause cause;
};

/* What apply needs of a saved plan, and what tells how things stood. Absent strings and zero
 * digests were absent in the plan, too. */
struct plan_file {
	struct str id, job, manifest_path, rev, infra_override, commit, image_digest;
	struct str machine_image; /* of instances to be launched; absent: none */
	bool allow_dirty;
	struct digest manifest_digest, state, source_identity, file_digest;
	int64_t n_run, n_in_place;
	struct str patch_sha256;
	struct digest environment_identity;
	struct digest keys; /* plan_keys */
	uint32_t n_tasks;
	uint8_t *task_runs; /* [n_tasks] */
	uint32_t n_to_collect, n_to_replace;
	struct plan_means *means; /* all changes but tasks: first todo, then in place */
	size_t n_means;
};

/* ERR_INPUT, saying which, for: no JSON, no plan, a newer version, truncated, or edited (its digest
 * doesn't match). Limits: 256 MiB. Everything in *out lives in the arena. */
enum { PLAN_FILE_MAX_BYTES = 256 << 20 };
int plan_file_parse(struct arena *a, struct plan_file *out, struct str bytes, struct str name,
	struct error *err);

/* What instances would be launched from; absent: none are to be. */
struct str plan_machine_image(const struct plan *p);

/* 0, or ERR_STALE and a message that lists what moved: manifest, commit, source, image, tasks.
 * now->state must have been set. */
int plan_file_check(const struct plan_file *file, const struct plan *now, struct error *err);

#endif
