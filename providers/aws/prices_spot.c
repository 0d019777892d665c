/* prices_spot: what spot instances cost now, by type and zone: of the history since now, which begins
 * with the price that holds. */
#include "providers/aws/prices_parts.h"

#include <stdlib.h>

/* A line of the history. */
struct heard {
	struct str type, zone, price;
	int64_t wall_ns;
};

struct hearing {
	struct arena *arena;
	struct ec2_list rows; /* of struct heard */
};

static int
add_page(void *ctx, const struct xml *root, struct error *err)
{
	const struct xml *item = xml_at(root, "spotPriceHistorySet/item");
	struct hearing *h = ctx;

	(void)err;
	for (; item; item = xml_next(item)) {
		struct str product = xml_text(item, "productDescription");
		struct heard *row;

		if (!str_is(product, "Linux/UNIX") && !str_is(product, "Linux/UNIX (Amazon VPC)"))
			continue;
		row = ec2_list_add(h->arena, &h->rows, sizeof(*row));
		*row = (struct heard){arena_str(h->arena, xml_text(item, "instanceType")),
			arena_str(h->arena, xml_text(item, "availabilityZone")),
			arena_str(h->arena, xml_text(item, "spotPrice")),
			ec2_parse_time(xml_text(item, "timestamp"))};
	}
	return 0;
}

/* The newest of a type and zone first. */
static int
compare(const void *a, const void *b)
{
	const struct heard *x = a, *y = b;
	int c = str_cmp(x->type, y->type);

	if (c == 0)
		c = str_cmp(x->zone, y->zone);
	if (c == 0)
		c = (x->wall_ns < y->wall_ns) - (x->wall_ns > y->wall_ns);
	return c ? c : str_cmp(x->price, y->price);
}

static bool
same_place(const struct heard *x, const struct heard *y)
{
	return str_eq(x->type, y->type) && str_eq(x->zone, y->zone);
}

static void
judge(struct price_finding *out, const struct heard *h, const struct heard *next)
{
	struct ec2_price *row;
	const char *why;
	double usd;

	if (!h->type.n || !h->zone.n || memchr(h->type.p, ' ', h->type.n) ||
		memchr(h->zone.p, ' ', h->zone.n)) {
		price_doubt(out->arena, &out->doubts,
			"a spot price of '%.*s' without a type or zone", STR_ARG(h->price));
	} else if (next && next->wall_ns == h->wall_ns && !str_eq(next->price, h->price)) {
		price_doubt(out->arena, &out->doubts,
			"%.*s in %.*s: two spot prices of one time, '%.*s' and '%.*s' USD",
			STR_ARG(h->type), STR_ARG(h->zone), STR_ARG(h->price),
			STR_ARG(next->price));
	} else if (!price_parse(h->price, &usd, &why)) {
		price_doubt(out->arena, &out->doubts,
			"%.*s in %.*s: a spot price of '%.*s' USD: %s", STR_ARG(h->type),
			STR_ARG(h->zone), STR_ARG(h->price), why);
	} else {
		row = ec2_list_add(out->arena, &out->rows, sizeof(*row));
		*row = (struct ec2_price){h->type, h->zone, true, usd};
	}
}

int
price_spot_ask(struct aws *aws, struct str region, struct price_finding *out, struct error *err)
{
	struct query q = {
		.service = AWS_EC2, .action = "DescribeSpotPriceHistory", .region = region};
	struct hearing h = {.arena = out->arena};
	const struct clock *c = clock_system();
	char now[CLOCK_RFC3339_BYTES];
	struct heard *v;
	int rc;

	clock_format_rfc3339(now, c->wall_ns(c->ctx));
	query_add(&q, str_from(now), "StartTime");
	query_add(&q, STR("Linux/UNIX"), "ProductDescription.1");
	query_add(&q, STR("Linux/UNIX (Amazon VPC)"), "ProductDescription.2");
	query_add_int(&q, 1000, "MaxResults");
	rc = ec2_each_page(aws, NULL, &q, add_page, &h, err);
	query_free(&q);
	v = h.rows.v;
	if (rc == 0 && h.rows.n)
		qsort(v, h.rows.n, sizeof(*v), compare);
	for (size_t i = 0, end; rc == 0 && i < h.rows.n; i = end) {
		end = i + 1;
		while (end < h.rows.n && same_place(&v[i], &v[end]))
			end++;
		judge(out, &v[i], end > i + 1 ? &v[i + 1] : NULL);
	}
	return rc;
}
