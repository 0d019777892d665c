/* region_fixture: us-east-2 as it was recorded: all 1,263 instance types, what they cost (by the box's
 * sheet), in which zones they are, how often spot ones are interrupted. */
#ifndef FURROW_TEST_REGION_FIXTURE_H
#define FURROW_TEST_REGION_FIXTURE_H

#include "providers/aws/ec2_parts.h"
#include "providers/aws/prices_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORDED_REGION "us-east-2"

struct recorded_region {
	struct ec2_type *types; /* as ec2_types gives them; hourly_usd < 0 */
	size_t n_types;
	struct ec2_prices prices; /* sorted */
	struct ec2_offering *offerings;
	size_t n_offerings;
	struct ec2_interruption *interruptions;
	size_t n_interruptions;
};

static inline struct str
recorded_file(struct arena *a, const char *path)
{
	FILE *f = fopen(path, "r");
	struct buf all = {0};
	struct str out;
	size_t got;

	if (!f)
		fail_msg("no %s: tests run from the repository's root", path);
	do {
		got = fread(buf_reserve(&all, 4096), 1, 4096, f);
		all.n += got;
	} while (got);
	fclose(f);
	out = arena_str(a, buf_str(&all));
	buf_free(&all);
	return out;
}

/* By type, on-demand first, then by zone: lines and what stands on them are in that order. */
static inline void
recorded_price(
	struct arena *a, struct ec2_list *list, struct str type, struct str zone, struct str usd)
{
	struct ec2_price *p = ec2_list_add(a, list, sizeof(*p));
	const char *why;

	*p = (struct ec2_price){type, zone, zone.p != NULL, 0};
	if (!price_parse(usd, &p->hourly_usd, &why))
		fail_msg("prices.txt: %.*s: '%.*s': %s", STR_ARG(type), STR_ARG(usd), why);
}

static inline void
recorded_region_load(struct arena *a, struct recorded_region *out)
{
	struct str lines = recorded_file(a, "tests/unit/ec2/types.txt");
	struct ec2_list prices = {0}, offerings = {0}, interruptions = {0};

	memset(out, 0, sizeof(*out));
	/* When types.txt says that it was asked for. */
	if (!ec2_type_cache_parse(a, lines, RECORDED_REGION, INT64_C(1795600000) * NS_PER_S,
		    &out->types, &out->n_types))
		fail_msg("types.txt is damaged");
	lines = recorded_file(a, "tests/unit/ec2/prices.txt");
	while (lines.n) {
		struct str line = str_cut(&lines, '\n'), type = str_cut(&line, ' ');
		struct str usd = str_cut(&line, ' '), bracket = str_cut(&line, ' ');
		int64_t r;

		recorded_price(a, &prices, type, (struct str){0}, usd);
		if (str_to_i64(bracket, &r)) {
			struct ec2_interruption *i = ec2_list_add(a, &interruptions, sizeof(*i));

			*i = (struct ec2_interruption){type, (int)r};
		}
		while (line.p) {
			struct str spot = str_cut(&line, ' '), letter = str_cut(&spot, '=');
			struct ec2_offering *o = ec2_list_add(a, &offerings, sizeof(*o));

			o->type = type;
			o->zone = arena_printf(a, RECORDED_REGION "%.*s", STR_ARG(letter));
			if (!str_is(spot, "-"))
				recorded_price(a, &prices, type, o->zone, spot);
		}
	}
	out->prices = (struct ec2_prices){.v = prices.v,
		.n = prices.n,
		.disk_gib_month_usd = 0.08,
		.address_hourly_usd = 0.005,
		.read_wall_ns = INT64_C(1795600000) * NS_PER_S,
		.on_demand = true,
		.spot = true,
		.disk = true};
	out->offerings = offerings.v;
	out->n_offerings = offerings.n;
	out->interruptions = interruptions.v;
	out->n_interruptions = interruptions.n;
}

#endif
