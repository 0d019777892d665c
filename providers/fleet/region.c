/* region: the regions of a job, and asking them side by side. */
#include "providers/fleet/internal.h"

#include "providers/parallel.h"

#include <stdlib.h>

int
regions_open(struct fleet_site *s, struct error *err)
{
	struct region_wish *wishes;
	size_t n = regions_of(&s->arena, &s->site.config.manifest->instances, &wishes);

	s->regions = ARENA_ARRAY(&s->arena, struct region, n);
	for (size_t i = 0; i < n; i++) {
		const struct aws_options options = {
			.region = wishes[i].name, .clock = s->site.config.clock};
		struct region *r = &s->regions[i];
		int rc;

		*r = (struct region){.site = s, .wish = &wishes[i]};
		rc = aws_open(&r->aws, &options, err);
		if (rc < 0)
			return rc;
		s->n_regions++;
	}
	s->aws = s->regions[0].aws;
	return 0;
}

void
regions_close(struct fleet_site *s)
{
	for (size_t i = 0; i < s->n_regions; i++) {
		aws_close(s->regions[i].aws);
		for (int k = 0; k < REGION_READS; k++)
			arena_free(&s->regions[i].reads[k]);
	}
}

bool
regions_are_many(const struct fleet_site *s)
{
	return s->n_regions > 1;
}

struct region *
region_named(struct fleet_site *s, struct str name)
{
	for (size_t i = 0; name.p && i < s->n_regions; i++) {
		if (str_eq(s->regions[i].wish->name, name))
			return &s->regions[i];
	}
	return &s->regions[0];
}

/* A region that isn't one shows as a host name without an address, or as credentials that are not good. */
bool
region_explain(struct region *r, struct arena *a, struct error *err)
{
	bool bad;

	pthread_mutex_lock(&r->site->lock);
	if (!r->asked) {
		r->asked = true;
		r->bad = ec2_check_region(r->aws, a, r->wish->name, &r->why) == ERR_INPUT &&
			 r->why.class != CLASS_DENIED;
	}
	bad = r->bad;
	if (bad)
		*err = r->why;
	pthread_mutex_unlock(&r->site->lock);
	if (bad)
		fleet_at(err, &r->wish->wish->infra.pos, arena_cstr(a, r->wish->key));
	return bad;
}

int
region_left_out(struct region *r, enum region_read what, struct arena *a, int rc, struct error *err)
{
	if (rc != ERR_HOST || err->class == CLASS_DENIED || r == &r->site->regions[0] ||
		region_explain(r, a, err))
		return rc < 0 ? err->code : rc;
	r->away[what] = arena_str(a, str_from(err->message));
	return 0;
}

struct str
region_is_away(const struct region *r)
{
	return r->away[REGION_NETWORK].p ? r->away[REGION_NETWORK] : r->away[REGION_TYPES];
}

struct reading {
	struct region **v;
	enum region_read what;
	int (*read)(struct region *r, struct arena *a, struct error *err);
	struct error *errors;
	int *rc;
};

static void
read_one(void *ctx, size_t i)
{
	struct reading *t = ctx;
	struct region *r = t->v[i];
	struct error *err = &t->errors[i];

	t->rc[i] = t->read(r, &r->reads[t->what], err);
	/* Of home the read's own node asks. */
	if (t->rc[i] < 0 && r != &r->site->regions[0] &&
		(err->code == ERR_HOST || err->class == CLASS_DENIED) &&
		region_explain(r, &r->reads[t->what], err))
		t->rc[i] = err->code;
}

int
regions_read(struct fleet_site *s, bool all, enum region_read what,
	int (*read)(struct region *r, struct arena *a, struct error *err), struct error *err)
{
	struct arena scratch = {0};
	struct reading t = {.v = ARENA_ARRAY(&scratch, struct region *, s->n_regions),
		.what = what,
		.read = read,
		.errors = ARENA_ARRAY(&scratch, struct error, s->n_regions),
		.rc = ARENA_ARRAY(&scratch, int, s->n_regions)};
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < s->n_regions; i++) {
		if (all || s->regions[i].wish->launches)
			t.v[n++] = &s->regions[i];
	}
	parallel_for(n, n, read_one, &t);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = t.rc[i];
		if (rc < 0 && err)
			*err = t.errors[i];
	}
	arena_free(&scratch);
	return rc;
}
