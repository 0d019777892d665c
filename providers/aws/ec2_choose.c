/* ec2_choose: which instance types fit a manifest's wishes, the cheapest first, and if none does,
 * whose fault that is. Pure. */
#include "providers/aws/ec2.h"

#include "planner/base/buf.h"
#include "planner/suggest.h"
#include "planner/units.h"

#include <stdlib.h>
#include <strings.h>

/* What a vCPU costs beside a MiB of memory, as the prices of the c, m and r families go. */
enum { MIB_PER_CPU = 11 << 10 };
/* With less than this Amazon Linux has no room left for a job. */
#define LEAST_MEMORY_BYTES (INT64_C(1) << 30)

enum wish { WISH_TYPE, WISH_CPUS, WISH_MEMORY, WISH_GPUS, WISH_ARCH, WISH_SPOT, WISHES };

static bool
in_range(struct range r, int64_t n)
{
	return r.min < 0 || (n >= r.min && n <= r.max);
}

static bool
has_gpu(const struct ec2_type *t, struct str name)
{
	return str_is(name, "any") ||
	       (t->gpu_name.n == name.n && strncasecmp(t->gpu_name.p, name.p, name.n) == 0);
}

static bool
fits_gpus(const struct gpus *g, const struct ec2_type *t)
{
	if (!g->name.p)
		return true;
	return t->gpus > 0 && has_gpu(t, g->name) && in_range(g->count, t->gpus);
}

static bool
fits_arch(enum arch arch, const struct ec2_type *t)
{
	return arch == ARCH_ANY || (arch == ARCH_ARM64 ? t->arm64 : t->x86_64);
}

static bool
fits_one(enum wish k, const struct instances *w, const struct ec2_type *t)
{
	switch (k) {
	case WISH_TYPE:
		return !w->type.p || str_eq(w->type, t->name);
	case WISH_CPUS:
		return in_range(w->cpus, t->cpus);
	case WISH_MEMORY:
		return in_range(w->memory_bytes, t->memory_bytes);
	case WISH_GPUS:
		return fits_gpus(&w->gpus, t);
	case WISH_ARCH:
		return fits_arch(w->arch, t);
	case WISH_SPOT:
		return w->spot != TRI_TRUE || t->spot;
	case WISHES:
		break;
	}
	return true;
}

/* Whether it is there to be chosen at all: furrow's runner is for two architectures, a machine
 * without a hypervisor takes many minutes to boot, and half a GiB of memory has to be asked for. */
static bool
is_candidate(const struct instances *w, const struct ec2_type *t)
{
	if (!t->x86_64 && !t->arm64)
		return false;
	if (w->type.p && str_eq(w->type, t->name))
		return true;
	return !t->bare_metal &&
	       (w->memory_bytes.min >= 0 || t->memory_bytes >= LEAST_MEMORY_BYTES);
}

/* The wishes that it doesn't meet, as bits. */
static unsigned
unmet(const struct instances *w, const struct ec2_type *t)
{
	unsigned bits = 0;

	for (enum wish k = 0; k < WISHES; k++) {
		if (!fits_one(k, w, t))
			bits |= 1u << k;
	}
	return bits;
}

/* Of no particular use: of the families a, c, m, r, t, and without the letters behind the generation
 * that stand for local disks, more network or a faster clock. */
static bool
is_general(struct str type)
{
	struct str family = str_cut(&type, '.');

	if (family.n < 2 || !strchr("acmrt", family.p[0]) || family.p[1] < '0' || family.p[1] > '9')
		return false;
	for (size_t i = 2; i < family.n; i++) {
		if (strchr("dnzb", family.p[i]))
			return false;
	}
	return true;
}

/* Special families cost about half as much again, previous generations a quarter. */
int64_t
ec2_type_weight(const struct ec2_type *t)
{
	int64_t w = t->cpus * MIB_PER_CPU + (t->memory_bytes >> 20);

	if (!is_general(t->name))
		w += w / 2;
	return t->current ? w : w + w / 4;
}

static int
cheaper_first(const void *a, const void *b)
{
	const struct ec2_type *x = *(const struct ec2_type *const *)a;
	const struct ec2_type *y = *(const struct ec2_type *const *)b;

	if (x->gpus != y->gpus)
		return x->gpus < y->gpus ? -1 : 1;
	if (ec2_type_weight(x) != ec2_type_weight(y))
		return ec2_type_weight(x) < ec2_type_weight(y) ? -1 : 1;
	return str_cmp(x->name, y->name);
}

static struct str
size_range(struct arena *a, struct range r)
{
	struct str min = units_format_size(a, r.min);

	if (r.min == r.max)
		return min;
	if (r.max == INT64_MAX)
		return arena_printf(a, "%.*s+", STR_ARG(min));
	return arena_printf(a, "%.*s..%.*s", STR_ARG(min), STR_ARG(units_format_size(a, r.max)));
}

/* As the manifest has it. */
static struct str
wish_text(struct arena *a, enum wish k, const struct instances *w)
{
	switch (k) {
	case WISH_TYPE:
		return arena_printf(a, "type %.*s", STR_ARG(w->type));
	case WISH_CPUS:
		return arena_printf(a, "cpus %.*s", STR_ARG(units_format_range(a, w->cpus)));
	case WISH_MEMORY:
		return arena_printf(a, "memory %.*s", STR_ARG(size_range(a, w->memory_bytes)));
	case WISH_GPUS:
		return arena_printf(a, "gpus %.*s:%.*s", STR_ARG(w->gpus.name),
			STR_ARG(units_format_range(a, w->gpus.count)));
	case WISH_ARCH:
		return w->arch == ARCH_ARM64 ? STR("arch arm64") : STR("arch x86_64");
	case WISH_SPOT:
		return STR("spot true");
	case WISHES:
		break;
	}
	return STR("");
}

struct refusals {
	size_t candidates;
	size_t by[WISHES];   /* how many a wish excludes */
	size_t only[WISHES]; /* how many no other wish excludes */
};

static struct refusals
count_refusals(const struct instances *w, const struct ec2_type *types, size_t n)
{
	struct refusals r = {0};

	for (size_t i = 0; i < n; i++) {
		unsigned bits = is_candidate(w, &types[i]) ? unmet(w, &types[i]) : 0;

		r.candidates += is_candidate(w, &types[i]);
		for (enum wish k = 0; k < WISHES; k++) {
			r.by[k] += bits >> k & 1;
			r.only[k] += bits == 1u << k;
		}
	}
	return r;
}

/* The GPUs that there are, when none has the name. */
static void
add_gpu_names(struct buf *out, struct arena *a, const struct instances *w,
	const struct ec2_type *types, size_t n)
{
	const char **names = ARENA_ARRAY(a, const char *, n);
	size_t n_names = 0;
	struct str hint;

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		if (!is_candidate(w, &types[i]) || !types[i].gpus || !types[i].gpu_name.n)
			continue;
		if (has_gpu(&types[i], w->gpus.name))
			return;
		while (k < n_names && !str_is(types[i].gpu_name, names[k]))
			k++;
		if (k == n_names)
			names[n_names++] = arena_cstr(a, types[i].gpu_name);
	}
	if (!n_names)
		return;
	hint = suggest_hint(a, suggest_nearest(w->gpus.name, names, n_names));
	buf_addf(out, "; %.*s%sthere are GPUs named ", STR_ARG(hint), hint.p ? " " : "");
	for (size_t k = 0; k < n_names; k++)
		buf_addf(out, "%s%s", k ? ", " : "", names[k]);
}

/* Which single wish to give up. */
static void
add_ways_out(struct buf *out, struct arena *a, const struct instances *w, const struct refusals *r)
{
	bool any = false;

	for (enum wish k = 0; k < WISHES; k++) {
		if (!r->only[k])
			continue;
		buf_addf(out, "%s without '%.*s' %zu would fit", any ? "," : ";",
			STR_ARG(wish_text(a, k, w)), r->only[k]);
		any = true;
	}
	if (!any)
		buf_add_cstr(out, "; no single wish is to blame: loosen more than one");
}

/* Where the manifest has the wish that excludes the most. */
static struct pos
to_blame(const struct instances *w, const struct refusals *r)
{
	const struct pos at[WISHES] = {
		w->pos_type, w->pos_cpus, w->pos_memory, w->pos_gpus, w->pos_arch, w->pos_spot};
	enum wish worst = 0;

	for (enum wish k = 0; k < WISHES; k++) {
		if (r->by[k] > r->by[worst])
			worst = k;
	}
	return at[worst];
}

static int
none_fits(struct arena *a, const struct instances *w, const struct ec2_type *types, size_t n,
	struct error *err)
{
	struct refusals r = count_refusals(w, types, n);
	struct buf text = {0};
	bool first = true;
	int rc;

	buf_addf(&text, "no instance type fits: of %zu,", r.candidates);
	for (enum wish k = 0; k < WISHES; k++) {
		if (!r.by[k])
			continue;
		buf_addf(&text, "%s '%.*s' excludes ", first ? "" : ",",
			STR_ARG(wish_text(a, k, w)));
		if (r.by[k] == r.candidates)
			buf_add_cstr(&text, "all");
		else
			buf_addf(&text, "%zu", r.by[k]);
		first = false;
	}
	if (r.candidates)
		add_ways_out(&text, a, w, &r);
	if (w->gpus.name.p)
		add_gpu_names(&text, a, w, types, n);
	rc = error_set(err, ERR_INPUT, "%s", buf_cstr(&text));
	if (err) {
		struct pos pos = to_blame(w, &r);

		err->line = pos.line;
		err->col = pos.col;
	}
	buf_free(&text);
	return rc;
}

int
ec2_choose(struct arena *a, const struct instances *wish, const struct ec2_type *types, size_t n,
	const struct ec2_type ***out, size_t *n_out, struct error *err)
{
	const struct ec2_type **fit = ARENA_ARRAY(a, const struct ec2_type *, n);
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_candidate(wish, &types[i]) && !unmet(wish, &types[i]))
			fit[found++] = &types[i];
	}
	*out = fit;
	*n_out = found;
	if (!found)
		return none_fits(a, wish, types, n, err);
	qsort(fit, found, sizeof(*fit), cheaper_first);
	return 0;
}
