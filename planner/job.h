/* job: a manifest with everything that it refers to resolved: the inputs expanded into tasks, each with its
 * key. What a job is does not depend on what exists. */
#ifndef FURROW_JOB_H
#define FURROW_JOB_H

#include "planner/base/digest.h"
#include "planner/manifest.h"
#include "planner/source.h"

struct diagnostics;

/* A task is small: there may be 100,000. Its command line and environment are made when needed. */
struct task {
	struct digest key;    /* SHA-256 of the canonical record, see key.h */
	struct str input;     /* FURROW_INPUT: the value; for a glob the path relative to the workdir */
	struct str label;     /* its folder's name below results, unique in the job: [A-Za-z0-9._,=+-]{1,100} */
	uint32_t input_entry; /* glob: index into source->entries; else UINT32_MAX */
};

struct job {
	const struct manifest *manifest;
	const struct source *source;
	struct str image_digest;     /* "sha256:…"; absent without an image */
	struct digest source_identity;
	struct digest environment_identity; /* image digest, setup text, hashes of setup_files; zero: nothing to prepare */
	struct digest common;        /* of the part of the record that all tasks share */
	struct task *tasks;
	uint32_t n_tasks;
};

/* What resolving needs besides manifest and source. */
struct job_inputs {
	struct str image_digest; /* "sha256:…": what manifest.environment.image or .build resolved to */
	struct str list;         /* MAP_FILE: the bytes of the list */
};

/* Expands the map, computes identities, labels and keys. Input errors (a glob that matches nothing, too many
 * tasks, a setup_file that isn't there, an input with a NUL byte, a template that names nothing) go to
 * diags. Returns 0 or ERR_INPUT. `source` and `m` must outlive the job; the rest is in the arena. */
int job_resolve(struct arena *a, struct job *out, const struct manifest *m, const struct source *source,
	const struct job_inputs *inputs, struct diagnostics *diags, struct error *err);

/* What a runner is told about one task: templates replaced. Without the variables that only an attempt knows
 * (FURROW_OUT, FURROW_ATTEMPT, FURROW_RUN, TRACEPARENT, FURROW_TRACE_FILE, the absolute FURROW_INPUT of a glob)
 * and without secrets. */
struct task_command {
	struct strings argv; /* {"/bin/sh", "-c", text} for a string */
	struct pairs env;    /* manifest's env, matrix axes, FURROW_INPUT, FURROW_TASK_INDEX, _COUNT, _KEY, FURROW_JOB */
};
void job_task_command(const struct job *job, uint32_t index, struct arena *a, struct task_command *out);

/* The record behind a task's key, part by part, for `furrow why` and result.json. value is text when it is short
 * (<= 200 bytes), else "sha256:…". The parts: schema, entrypoint, image, setup, setup_files, source, env, input. */
void job_task_record(const struct job *job, uint32_t index, struct arena *a, struct pairs *out);

/* The folder below the results folder for a task: the label, or what the template in `results` gives. */
struct str job_results_root(const struct job *job);
struct str job_task_folder(const struct job *job, uint32_t index, struct arena *a);

#endif
