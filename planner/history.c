/* history: reading, looking up and merging. Whatever it is given, it gives what it could read of
 * that. */
#include "planner/history.h"

#include <inttypes.h>
#include <stdlib.h>

static const char header[] = "furrow-history 1";

static int
by_place(const void *a, const void *b)
{
	const struct history_entry *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return str_cmp(x->label, y->label);
}

/* In a tie the one that stands later in the text is the greater one. */
static int
by_place_and_line(const void *a, const void *b)
{
	const struct history_entry *x = a, *y = b;
	int c = by_place(x, y);

	if (c != 0)
		return c;
	return x->label.p < y->label.p ? -1 : x->label.p > y->label.p;
}

static bool
parse_kind(struct str s, enum kind *k)
{
	for (int i = 0; i < KIND_COUNT; i++) {
		if (str_is(s, kind_name((enum kind)i))) {
			*k = (enum kind)i;
			return true;
		}
	}
	return false;
}

static bool
parse_line(struct str line, struct history_entry *e)
{
	struct str kind = str_cut(&line, '\t'), key, ns;
	int64_t count;

	e->label = str_cut(&line, '\t');
	key = str_cut(&line, '\t');
	ns = str_cut(&line, '\t');
	if (!parse_kind(kind, &e->kind) || e->label.n == 0)
		return false;
	e->key = (struct digest){0};
	if (!str_is(key, "-") && !digest_parse(key, &e->key))
		return false;
	if (!str_to_i64(ns, &e->ns) || e->ns < 0 || !str_to_i64(line, &count))
		return false;
	if (count < 1 || count > UINT32_MAX)
		return false;
	e->count = (uint32_t)count;
	return true;
}

static size_t
count_lines(struct str s)
{
	size_t n = 0;

	while (s.p) {
		str_cut(&s, '\n');
		n++;
	}
	return n;
}

/* Sorts v when it isn't, and keeps the last of equal places. */
static size_t
put_in_order(struct history_entry *v, size_t n)
{
	size_t kept = 0;
	bool sorted = true;

	for (size_t i = 1; sorted && i < n; i++)
		sorted = by_place(&v[i - 1], &v[i]) < 0;
	if (sorted)
		return n;
	qsort(v, n, sizeof(*v), by_place_and_line);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 == n || by_place(&v[i], &v[i + 1]) != 0)
			v[kept++] = v[i];
	}
	return kept;
}

bool
history_parse(struct arena *a, struct history *out, struct str bytes)
{
	*out = (struct history){0};
	if (!bytes.p || !str_is(str_trim(str_cut(&bytes, '\n')), header))
		return false;
	if (!bytes.p)
		return true;
	out->v = ARENA_ARRAY(a, struct history_entry, count_lines(bytes));
	while (bytes.p) {
		struct str line = str_cut(&bytes, '\n');

		if (parse_line(line, &out->v[out->n]))
			out->n++;
	}
	out->n = put_in_order(out->v, out->n);
	return true;
}

/* The first entry that does not come before kind and label. */
static size_t
lower_bound(const struct history *h, enum kind kind, struct str label)
{
	struct history_entry key = {.kind = kind, .label = label};
	size_t lo = 0, hi = h->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (by_place(&h->v[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct history_entry *
history_find(const struct history *h, enum kind kind, struct str label)
{
	size_t i = lower_bound(h, kind, label);

	if (i == h->n || h->v[i].kind != kind || !str_eq(h->v[i].label, label))
		return NULL;
	return &h->v[i];
}

static int
by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

bool
history_quantiles(const struct history *h, enum kind kind, int64_t *p50_ns, int64_t *p90_ns)
{
	size_t from = lower_bound(h, kind, STR("")), n = 0;
	int64_t *ns;

	while (from + n < h->n && h->v[from + n].kind == kind)
		n++;
	if (n == 0)
		return false;
	ns = mem_alloc(n * sizeof(*ns));
	for (size_t i = 0; i < n; i++)
		ns[i] = h->v[from + i].ns;
	qsort(ns, n, sizeof(*ns), by_number);
	/* The nearest rank: the smallest value that so many percent of all don't exceed. */
	*p50_ns = ns[(n + 1) / 2 - 1];
	*p90_ns = ns[(n * 9 + 9) / 10 - 1];
	free(ns);
	return true;
}

static void
write_entry(struct buf *out, const struct history_entry *e, uint32_t count)
{
	char hex[DIGEST_HEX_BYTES] = "-";

	if (!digest_is_zero(&e->key))
		digest_hex(hex, &e->key);
	buf_addf(out, "%s\t", kind_name(e->kind));
	buf_add_str(out, e->label);
	buf_addf(out, "\t%s\t%" PRId64 "\t%" PRIu32 "\n", hex, e->ns, count);
}

static uint32_t
add_counts(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

void
history_merge(struct buf *out, const struct history *older, const struct history *newer)
{
	size_t i = 0, k = 0;

	buf_addf(out, "%s\n", header);
	while (i < older->n || k < newer->n) {
		int c = i == older->n	? 1
			: k == newer->n ? -1
					: by_place(&older->v[i], &newer->v[k]);

		if (c < 0) {
			write_entry(out, &older->v[i], older->v[i].count);
			i++;
			continue;
		}
		write_entry(out, &newer->v[k],
			add_counts(newer->v[k].count, c == 0 ? older->v[i].count : 0));
		k++;
		i += c == 0;
	}
}
