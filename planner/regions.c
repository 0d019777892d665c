/* regions: no region is told twice. */
#include "planner/regions.h"

static struct region_wish *
find(struct region_wish *v, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(v[i].name, name))
			return &v[i];
	}
	return NULL;
}

bool
region_has_own_image(const struct instances *in, const struct instances *one)
{
	return one->pos_ami.line &&
	       (one->pos_ami.line != in->pos_ami.line || one->pos_ami.col != in->pos_ami.col ||
		       !str_eq(one->pos_ami.file, in->pos_ami.file));
}

size_t
regions_of(struct arena *a, const struct instances *in, struct region_wish **out)
{
	struct region_wish *v = ARENA_ARRAY(a, struct region_wish, in->n_any_of + 1);
	size_t n = 1;

	*out = v;
	if (in->infra.kind != INFRA_AWS)
		return 0;
	v[0] = (struct region_wish){.name = in->infra.region,
		.key = STR("instances.infra"),
		.wish = in,
		.image = in,
		.launches = in->n_any_of == 0};
	for (size_t i = 0; i < in->n_any_of; i++) {
		const struct instances *one = &in->any_of[i];
		struct region_wish *r = find(v, n, one->infra.region);

		if (!r) {
			r = &v[n++];
			*r = (struct region_wish){.name = one->infra.region,
				.key = arena_printf(a, "instances.any_of[%zu].infra", i),
				.wish = one,
				.image = in};
		}
		if (r->image == in && r != v && region_has_own_image(in, one))
			r->image = one;
		r->launches = true;
	}
	return n;
}
