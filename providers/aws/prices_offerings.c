/* prices_offerings: which instance types each zone of a region has. */
#include "providers/aws/prices_parts.h"

#include <stdlib.h>

struct finding {
	struct arena *arena;
	struct ec2_list list; /* of struct ec2_offering */
};

static int
add_page(void *ctx, const struct xml *root, struct error *err)
{
	const struct xml *item = xml_at(root, "instanceTypeOfferingSet/item");
	struct finding *f = ctx;

	(void)err;
	for (; item; item = xml_next(item)) {
		struct str type = xml_text(item, "instanceType"), zone = xml_text(item, "location");
		struct ec2_offering *o;

		if (!type.n || !zone.n)
			continue;
		o = ec2_list_add(f->arena, &f->list, sizeof(*o));
		*o = (struct ec2_offering){arena_str(f->arena, type), arena_str(f->arena, zone)};
	}
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const struct ec2_offering *x = a, *y = b;
	int c = str_cmp(x->type, y->type);

	return c ? c : str_cmp(x->zone, y->zone);
}

static int
ask(struct aws *aws, struct str region, struct finding *f, struct error *err)
{
	struct query q = {
		.service = AWS_EC2, .action = "DescribeInstanceTypeOfferings", .region = region};
	int rc;

	query_add(&q, STR("availability-zone"), "LocationType");
	query_add_int(&q, 1000, "MaxResults");
	rc = ec2_each_page(aws, NULL, &q, add_page, f, err);
	query_free(&q);
	if (rc == 0 && !f->list.n)
		rc = error_set(err, ERR_HOST,
			"ec2 DescribeInstanceTypeOfferings: no zone of %.*s has any instance type",
			STR_ARG(region));
	if (rc == 0)
		qsort(f->list.v, f->list.n, sizeof(struct ec2_offering), compare);
	return rc;
}

/* "TYPE ZONE…": a line a type. */
static void
save(const struct kept_lines *k, int64_t wall_ns, const struct finding *f)
{
	const struct ec2_offering *v = f->list.v;
	struct buf out = {0};

	for (size_t i = 0; i < f->list.n; i++) {
		if (i == 0 || !str_eq(v[i].type, v[i - 1].type))
			buf_addf(&out, "%s%.*s", i ? "\n" : "", STR_ARG(v[i].type));
		buf_addf(&out, " %.*s", STR_ARG(v[i].zone));
	}
	buf_add_char(&out, '\n');
	kept_lines_save(k, wall_ns, buf_str(&out));
	buf_free(&out);
}

static void
load(struct finding *f, struct str lines)
{
	while (lines.n) {
		struct str line = str_cut(&lines, '\n'), type = str_cut(&line, ' ');

		while (line.p) {
			struct ec2_offering *o = ec2_list_add(f->arena, &f->list, sizeof(*o));

			*o = (struct ec2_offering){type, str_cut(&line, ' ')};
		}
	}
}

int
ec2_offerings(struct aws *aws, struct arena *a, const char *cache_dir, struct str region,
	bool refresh, struct ec2_offering **out, size_t *n, struct error *err)
{
	struct kept_lines k = {cache_dir, "ec2-offerings", "AWS_ENDPOINT_URL_EC2", region};
	struct finding f = {.arena = a};
	const struct clock *c = clock_system();
	int64_t wall_ns = c->wall_ns(c->ctx), asked_wall_ns = 0;
	struct str lines = {0};
	bool kept = kept_lines_load(a, &k, wall_ns, &asked_wall_ns, &lines);
	int rc = 0;

	if (!kept || refresh || !kept_lines_are_fresh(asked_wall_ns, wall_ns)) {
		rc = ask(aws, region, &f, err);
		if (rc == 0)
			save(&k, wall_ns, &f);
	}
	/* What a zone has changes a few times a year: old ones are as good as none are bad. */
	if (rc < 0 && rc != ERR_CANCELLED && kept) {
		f.list = (struct ec2_list){0};
		rc = 0;
	}
	if (rc == 0 && !f.list.n)
		load(&f, lines);
	*out = rc == 0 ? f.list.v : NULL;
	*n = rc == 0 ? f.list.n : 0;
	return rc;
}
