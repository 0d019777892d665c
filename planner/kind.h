/* kind: the kinds of resource that a plan speaks of, and what may happen to one. */
#ifndef FURROW_KIND_H
#define FURROW_KIND_H

#include "planner/base/arena.h"
#include "planner/base/str.h"

enum kind {
	KIND_READ, /* observing, before there is a plan; never in a plan */
	KIND_SOURCE,
	KIND_IMAGE,
	KIND_ACCESS,
	KIND_INSTANCE,
	KIND_ENVIRONMENT,
	KIND_TASK,
	KIND_COLLECT,
	KIND_RELEASE,
	KIND_COUNT
};

enum verb { VERB_IN_PLACE, VERB_CREATE, VERB_CHANGE, VERB_REMOVE, VERB_RUN };

const char *kind_name(enum kind k); /* "task" */
bool kind_is_indexed(enum kind k);  /* instance[i], environment[i], task[k], release[i], read[i] */
const char *verb_name(enum verb v); /* "create" */
char verb_sign(enum verb v);	    /* = + ~ - > */

/* "task[17]" or "source"; at most KIND_ID_BYTES with its NUL. */
enum { KIND_ID_BYTES = 32 };
void kind_id(char out[KIND_ID_BYTES], enum kind k, uint32_t index);

/* The reverse; false when it is no id. Accepts "17" as task[17]. */
bool kind_parse_id(struct str s, enum kind *k, uint32_t *index);

/* Where the time of a node goes. The phases of a node add up to its wall time. */
enum phase {
	PHASE_QUEUE,
	PHASE_LAUNCH,
	PHASE_BOOT,
	PHASE_SSH,
	PHASE_ENV,
	PHASE_UPLOAD,
	PHASE_RUN,
	PHASE_COLLECT,
	PHASE_TEARDOWN,
	PHASE_OTHER,
	PHASE_COUNT
};
const char *phase_name(enum phase p);
bool phase_parse(struct str s, enum phase *p);

#endif
