/* kind: the names of kinds, verbs and phases, and ids such as "task[17]". */
#include "planner/kind.h"

#include <stdio.h>

static const struct {
	const char *name;
	bool indexed;
} kinds[KIND_COUNT] = {
	[KIND_READ] = {"read", true},
	[KIND_SOURCE] = {"source", false},
	[KIND_IMAGE] = {"image", false},
	[KIND_ACCESS] = {"access", false},
	[KIND_INSTANCE] = {"instance", true},
	[KIND_ENVIRONMENT] = {"environment", true},
	[KIND_TASK] = {"task", true},
	[KIND_COLLECT] = {"collect", false},
	[KIND_RELEASE] = {"release", true},
};

static const struct {
	const char *name;
	char sign;
} verbs[] = {
	[VERB_IN_PLACE] = {"in-place", '='},
	[VERB_CREATE] = {"create", '+'},
	[VERB_CHANGE] = {"change", '~'},
	[VERB_REMOVE] = {"remove", '-'},
	[VERB_RUN] = {"run", '>'},
};

static const char *const phases[PHASE_COUNT] = {
	[PHASE_QUEUE] = "queue",
	[PHASE_LAUNCH] = "launch",
	[PHASE_BOOT] = "boot",
	[PHASE_SSH] = "ssh",
	[PHASE_ENV] = "env",
	[PHASE_UPLOAD] = "upload",
	[PHASE_RUN] = "run",
	[PHASE_COLLECT] = "collect",
	[PHASE_TEARDOWN] = "teardown",
	[PHASE_OTHER] = "other",
};

const char *
kind_name(enum kind k)
{
	return kinds[k].name;
}

bool
kind_is_indexed(enum kind k)
{
	return kinds[k].indexed;
}

const char *
verb_name(enum verb v)
{
	return verbs[v].name;
}

char
verb_sign(enum verb v)
{
	return verbs[v].sign;
}

void
kind_id(char out[KIND_ID_BYTES], enum kind k, uint32_t index)
{
	if (kinds[k].indexed)
		snprintf(out, KIND_ID_BYTES, "%s[%u]", kinds[k].name, (unsigned)index);
	else
		snprintf(out, KIND_ID_BYTES, "%s", kinds[k].name);
}

/* One way to write a number only, so that an id has one way to be written. */
static bool
parse_index(struct str s, uint32_t *index)
{
	int64_t v;

	if (s.n == 0 || s.p[0] == '-' || (s.n > 1 && s.p[0] == '0'))
		return false;
	if (!str_to_i64(s, &v) || v > UINT32_MAX)
		return false;
	*index = (uint32_t)v;
	return true;
}

static bool
parse_kind(struct str s, enum kind *k)
{
	for (int i = 0; i < KIND_COUNT; i++) {
		if (str_is(s, kinds[i].name)) {
			*k = (enum kind)i;
			return true;
		}
	}
	return false;
}

bool
kind_parse_id(struct str s, enum kind *k, uint32_t *index)
{
	struct str rest = s, name;

	if (parse_index(s, index)) {
		*k = KIND_TASK;
		return true;
	}
	name = str_cut(&rest, '[');
	if (!parse_kind(name, k) || kinds[*k].indexed != (rest.p != NULL))
		return false;
	if (!rest.p) {
		*index = 0;
		return true;
	}
	if (!str_ends(rest, STR("]")))
		return false;
	rest.n--;
	return parse_index(rest, index);
}

const char *
phase_name(enum phase p)
{
	return phases[p];
}

bool
phase_parse(struct str s, enum phase *p)
{
	for (int i = 0; i < PHASE_COUNT; i++) {
		if (str_is(s, phases[i])) {
			*p = (enum phase)i;
			return true;
		}
	}
	return false;
}
