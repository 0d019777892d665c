/* strset: a table with open addressing, at most half full. */
#include "planner/strset.h"

#include "planner/base/arena.h"

#include <stdlib.h>

struct strset_slot {
	uint32_t hash;
	uint32_t index1; /* index + 1; 0: free */
};

/* Eight bytes at a time, each mixed by a multiplication (the constant is the golden ratio's). */
static uint32_t
hash_str(struct str s)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = s.n * k, word;

	for (; s.n >= sizeof(word); s.p += sizeof(word), s.n -= sizeof(word)) {
		memcpy(&word, s.p, sizeof(word));
		h = (h ^ word) * k;
		h ^= h >> 32;
	}
	if (s.n) {
		word = 0;
		memcpy(&word, s.p, s.n);
		h = (h ^ word) * k;
		h ^= h >> 32;
	}
	h *= k;
	return (uint32_t)(h >> 32);
}

static struct str
string_at(const struct strset *s, uint32_t i)
{
	return *(const struct str *)((const char *)s->first + i * s->stride);
}

/* The slot that holds an equal string, or the free one where it belongs. */
static struct strset_slot *
probe(const struct strset *s, struct str key, uint32_t hash)
{
	uint32_t at = hash & s->mask;

	while (s->slots[at].index1 != 0 &&
		(s->slots[at].hash != hash || !str_eq(string_at(s, s->slots[at].index1 - 1), key)))
		at = (at + 1) & s->mask;
	return &s->slots[at];
}

void
strset_init(struct strset *s, const struct str *first, size_t stride, uint32_t n)
{
	uint32_t size = 16;

	while (size / 2 < n)
		size *= 2;
	*s = (struct strset){.first = first, .stride = stride, .mask = size - 1};
	s->slots = mem_alloc(size * sizeof(*s->slots));
	memset(s->slots, 0, size * sizeof(*s->slots));
}

uint32_t
strset_add(struct strset *s, uint32_t i)
{
	struct str key = string_at(s, i);
	uint32_t hash = hash_str(key);
	struct strset_slot *slot = probe(s, key, hash);

	if (slot->index1 == 0)
		*slot = (struct strset_slot){.hash = hash, .index1 = i + 1};
	return slot->index1 - 1;
}

uint32_t
strset_find(const struct strset *s, struct str key)
{
	return probe(s, key, hash_str(key))->index1 - 1;
}

void
strset_free(struct strset *s)
{
	free(s->slots);
	s->slots = NULL;
}
