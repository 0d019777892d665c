/* key_index: open addressing, at most half full. Digests are evenly distributed as they are, so
 * their first bytes are the hash. */
#include "planner/key_index.h"

static size_t
hash(const struct digest *d)
{
	size_t h;

	memcpy(&h, d->b, sizeof(h));
	return h;
}

/* Where the item with this key is, or would be. */
static uint32_t *
find_slot(const struct key_index *x, const struct digest *key)
{
	for (size_t at = hash(key);; at++) {
		uint32_t *slot = &x->slots[at & (x->n_slots - 1)];

		if (*slot == 0 ||
			memcmp(x->first + (*slot - 1) * x->stride, key->b, DIGEST_BYTES) == 0)
			return slot;
	}
}

void
key_index_init(
	struct arena *a, struct key_index *out, const struct digest *first, size_t stride, size_t n)
{
	*out = (struct key_index){.first = (const char *)first, .stride = stride, .n_slots = 2};
	if (n == 0)
		return;
	while (out->n_slots < 2 * n)
		out->n_slots *= 2;
	out->slots = ARENA_ARRAY(a, uint32_t, out->n_slots);
	for (uint32_t i = 0; i < n; i++) {
		const void *key = out->first + i * stride;
		uint32_t *slot = find_slot(out, key);

		if (*slot == 0)
			*slot = i + 1;
	}
}

int64_t
key_index_find(const struct key_index *x, const struct digest *key)
{
	return x->slots ? (int64_t)*find_slot(x, key) - 1 : -1;
}
