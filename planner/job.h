/* job: a manifest with everything that it refers to resolved: the inputs expanded into tasks, each
 * with its key. What a job is does not depend on what exists.
 *
 * A key stands for what a task is told and given, not for how or where it runs. Files of the source
 * play one of three roles (role.h): a map's input belongs to its own task alone; the manifest, the
 * list of inputs, the results folder and .furrow belong to no task; all others belong to every
 * task. So one more input file, or one more line in the list, is one more task to run, and another
 * `instances.max` is none. What follows from it: a task that reads the input file of another one is
 * not run again when that file changes. */
#ifndef FURROW_JOB_H
#define FURROW_JOB_H

#include "planner/base/digest.h"
#include "planner/manifest.h"
#include "planner/object.h"
#include "planner/source.h"

struct diagnostics;

/* A task is small: there may be 100,000. Its command line and environment are made when needed. */
struct task {
	struct digest key; /* SHA-256 of the canonical record, see key.c */
	/* FURROW_INPUT: the value; for a glob the path relative to the workdir; for an object its
	 * URL, in place of which the host gives the task the path of a file. */
	struct str input;
	struct str label;     /* its folder's name below results, unique in the job, see label.h */
	uint32_t input_entry; /* glob: index into source->entries; else UINT32_MAX */
};

struct job {
	const struct manifest *manifest;
	const struct source *source;
	struct str image_digest; /* "sha256:…"; absent without an image, or not built yet */
	/* Of the files that belong to every task: what keys are made of. */
	struct digest source_identity;
	/* Of all files: names an exported copy of the source. */
	struct digest export_identity;
	struct digest build_identity; /* see job_build_identity */
	/* Image or build, setup's text, files and environment; zero: nothing to prepare. */
	struct digest environment_identity;
	struct digest common; /* of what all tasks' records share, see key.c */
	struct task *tasks;
	uint32_t n_tasks;
	struct object *objects; /* MAP_S3: the input of each task; else NULL */
};

/* What resolving needs besides manifest and source. */
struct job_inputs {
	struct str image_digest; /* "sha256:…": what environment.image or .build resolved to */
	struct str list;	 /* MAP_FILE: the bytes of the list */
	/* MAP_S3: what the bucket has of keys that begin as all that match do, by key. */
	const struct object *objects;
	size_t n_objects;
};

/* Expands the map, computes identities, labels and keys. Input errors (a glob that matches nothing,
 * an input twice, too many tasks, a setup_file that isn't there, an input with a NUL byte, a
 * template that names nothing, an image without a digest, two tasks with one results folder) go to
 * diags. Returns 0 or ERR_INPUT. `source` and `m` must outlive the job; all else is in the arena.
 */
int job_resolve(struct arena *a, struct job *out, const struct manifest *m,
	const struct source *source, const struct job_inputs *inputs, struct diagnostics *diags,
	struct error *err);

/* What environment.build is made from: the Dockerfile and the files below the context, which is a
 * folder of the source. It names the built image, and stands for it in the keys: whether and when
 * the image was built, and what its digest came out as, changes no key. Zero without a build. */
struct digest job_build_identity(const struct manifest *m, const struct source *source);

/* Where a path relative to the manifest's folder lies within the workdir: "" for the workdir
 * itself, absent when it is outside of it. With a workdir from a URL, that tree's root stands for
 * the manifest's folder. The list of a MAP_FILE is read from here. */
struct str job_source_path(
	struct arena *a, const struct manifest *m, const struct source *source, struct str path);

/* The environment that `setup` is given, and that the environment's identity counts:
 * environment.env without the values that have a template, since these differ from task to task. */
void job_setup_env(const struct manifest *m, struct arena *a, struct pairs *out);

/* What a runner is told about one task: templates replaced. Without the variables that only an
 * attempt knows (FURROW_OUT, FURROW_ATTEMPT, FURROW_RUN, TRACEPARENT, FURROW_TRACE_FILE, the
 * absolute FURROW_INPUT of a glob) and without secrets. */
struct task_command {
	struct strings argv; /* {"/bin/sh", "-c", text} for a string */
	/* The manifest's env, matrix axes, FURROW_INPUT, FURROW_TASK_INDEX, _COUNT, _KEY,
	 * FURROW_JOB; each name once. */
	struct pairs env;
};
void job_task_command(
	const struct job *job, uint32_t index, struct arena *a, struct task_command *out);

/* The record behind a task's key, part by part, for `furrow why` and result.json: schema,
 * entrypoint, image, setup, setup_files, source, env, secrets, outputs, input. A value is text when
 * it is short (<= 200 bytes) and UTF-8, else "sha256:…"; two tasks have the same key exactly when
 * all values are the same. */
void job_task_record(const struct job *job, uint32_t index, struct arena *a, struct pairs *out);

/* The whole folders of `results` before its first template: "results" of "results/${{ input }}/";
 * "." when there are none. "s3://bucket/prefix" stays that. */
struct str job_results_root(const struct job *job);

/* The folder below that for a task: the label, or what the template in `results` gives, each part
 * of it written as a label is. Relative, unique in the job, and none lies in another. */
struct str job_task_folder(const struct job *job, uint32_t index, struct arena *a);

#endif
