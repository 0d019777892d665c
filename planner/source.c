/* source: finding an entry, and the identity of a listing.
 *
 * The identity is the SHA-256 of "furrow-source 1" as a field (its length as 8 bytes,
 * little-endian, then the bytes), followed for each entry, in the listing's order, by
 *
 *   path    a field
 *   mode    4 bytes, little-endian
 *   id      20 bytes
 */
#include "planner/source.h"

size_t
source_lower_bound(const struct source *s, struct str path)
{
	size_t lo = 0, hi = s->n_entries;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (str_cmp(s->entries[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct source_entry *
source_find(const struct source *s, struct str path)
{
	size_t i = source_lower_bound(s, path);

	return i < s->n_entries && str_eq(s->entries[i].path, path) ? &s->entries[i] : NULL;
}

static void
add_entry(struct hasher *h, const struct source_entry *e)
{
	uint32_t mode = (uint32_t)e->mode;
	uint8_t tail[4 + BLOB_ID_BYTES];

	for (int i = 0; i < 4; i++)
		tail[i] = (uint8_t)(mode >> (8 * i));
	memcpy(tail + 4, e->id, BLOB_ID_BYTES);
	hasher_add_field(h, e->path);
	hasher_add(h, tail, sizeof(tail));
}

struct digest
source_identity(const struct source *s, source_skip_fn skip, void *ctx)
{
	struct hasher *h = hasher_new();
	struct digest d;

	hasher_add_field(h, STR("furrow-source 1"));
	for (size_t i = 0; i < s->n_entries; i++) {
		if (!skip || !skip(ctx, &s->entries[i]))
			add_entry(h, &s->entries[i]);
	}
	d = hasher_end(h);
	hasher_free(h);
	return d;
}
