/* key: the canonical record of a task and its SHA-256. The format stands on top of key.c. */
#ifndef FURROW_KEY_H
#define FURROW_KEY_H

#include "planner/base/buf.h"
#include "planner/job.h"

/* The parts of a record, in its order. All but the last are the same for all tasks of a job. */
enum key_part {
	KEY_SCHEMA,
	KEY_ENTRYPOINT,
	KEY_IMAGE,
	KEY_SETUP,
	KEY_SETUP_FILES,
	KEY_SOURCE,
	KEY_ENV,
	KEY_SECRETS,
	KEY_OUTPUTS,
	KEY_INPUT,
	KEY_PARTS
};

const char *key_part_name(enum key_part part);
const char *key_schema(void); /* the version that is hashed */

/* What is hashed of lists where order says nothing: sorted, in the arena. */
struct pairs key_env(struct arena *a, struct pairs env);
struct strings key_secrets(struct arena *a, struct strings secrets);
/* Without names that the source has not (job_resolve refused them); none is there twice. */
const struct source_entry **key_setup_files(struct arena *a, const struct job *job, size_t *n);

/* Appends one part's bytes, as they are hashed. with_index: whether a template in entrypoint or env
 * names the task's index. Identities that a part needs are in job already. */
void key_add_part(struct buf *out, const struct job *job, enum key_part part, uint32_t index,
	bool with_index);

/* Whether a template in entrypoint or env names the task's index. */
bool key_has_index(const struct manifest *m);

/* See job.h. Zero: no image, no build, no setup. */
struct digest key_environment(const struct job *job);

/* The digest of what all tasks share. */
struct digest key_common(const struct job *job);

/* Fills in the keys of all tasks from job->common. */
void key_tasks(struct job *job);

#endif
