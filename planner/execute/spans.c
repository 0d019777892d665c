/* spans: open addressing, at most three quarters full. */
#include "planner/execute/spans.h"

#include "planner/base/arena.h"

#include <stdlib.h>

struct span_entry {
	uint64_t span; /* 0: free */
	uint32_t node;
};

/* 0 when it is none. */
static uint64_t
parse_span(struct str s)
{
	uint64_t value = 0;

	if (s.n != 16)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return 0;
	}
	return value;
}

/* Where it is, or where it would go. The multiplication spreads spans that somebody numbered by
 * hand. */
static struct span_entry *
slot_of(const struct spans *s, uint64_t span)
{
	uint32_t at = (uint32_t)(span * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (s->cap - 1);

	while (s->v[at].span && s->v[at].span != span)
		at = (at + 1) & (s->cap - 1);
	return &s->v[at];
}

static void
grow(struct spans *s)
{
	struct spans bigger = {.n = s->n, .cap = s->cap ? s->cap * 2 : 256};

	bigger.v = mem_alloc(bigger.cap * sizeof(*bigger.v));
	memset(bigger.v, 0, bigger.cap * sizeof(*bigger.v));
	for (uint32_t i = 0; i < s->cap; i++) {
		if (s->v[i].span)
			*slot_of(&bigger, s->v[i].span) = s->v[i];
	}
	free(s->v);
	*s = bigger;
}

bool
spans_add(struct spans *s, struct str span, uint32_t node)
{
	uint64_t value = parse_span(span);
	struct span_entry *e;

	if (value == 0)
		return false;
	if (s->n >= s->cap / 4 * 3)
		grow(s);
	e = slot_of(s, value);
	if (e->span)
		return false;
	*e = (struct span_entry){.span = value, .node = node};
	s->n++;
	return true;
}

uint32_t
spans_find(const struct spans *s, struct str span)
{
	uint64_t value = parse_span(span);
	const struct span_entry *e;

	if (value == 0 || s->cap == 0)
		return SPANS_NONE;
	e = slot_of(s, value);
	return e->span ? e->node : SPANS_NONE;
}

void
spans_free(struct spans *s)
{
	free(s->v);
	*s = (struct spans){0};
}
