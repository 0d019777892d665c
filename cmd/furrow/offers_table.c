/* offers_table: how offers look. */
#include "cmd/furrow/offers_table.h"

#include "cmd/furrow/out.h"
#include "cmd/furrow/text.h"
#include "planner/base/json.h"
#include "planner/units.h"

#include <math.h>
#include <stdlib.h>

enum { COLUMNS = 10, CELL_BYTES = 64 };

/* A type in a market at a price, wherever. */
struct row {
	const struct offer *first;
	size_t rank;
	struct str zones;
	struct str region; /* of the last of these */
};

static const char *const titles[COLUMNS] = {"RANK", "INSTANCE", "ZONES", "CPUS", "MEMORY", "GPUS",
	"MARKET", "$/H", "$/H SLOT", "INTERRUPTED"};
static const bool is_number[COLUMNS] = {[0] = true, [3] = true, [4] = true, [7] = true, [8] = true};

static bool
is_same(const struct offer *x, const struct offer *y)
{
	return str_eq(x->type, y->type) && x->spot == y->spot &&
	       fabs(offer_hourly_usd(x) - offer_hourly_usd(y)) < 1e-9;
}

/* "us-east-2a,b,c", "us-east-2a,b,us-west-2a,b" */
static void
add_zone(struct arena *a, struct row *row, const struct offer *o, struct str home)
{
	struct str region = o->region.p ? o->region : home, zone = o->zone;

	if (str_eq(row->region, region) && str_starts(zone, region))
		zone = str_from_index(zone, region.n);
	row->zones = row->zones.n ? arena_printf(a, "%.*s,%.*s", STR_ARG(row->zones), STR_ARG(zone))
				  : zone;
	row->region = region;
}

static size_t
make_rows(struct arena *a, const struct offers_shown *s, struct row *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct offer *o = &s->offers[i];
		size_t k = 0;

		while (k < n && !is_same(rows[k].first, o))
			k++;
		if (k == n && n == s->most)
			continue; /* its zones may still complete the last one's */
		if (k == n)
			rows[n++] = (struct row){.first = o, .rank = i + 1};
		add_zone(a, &rows[k], o, s->fleet->region);
	}
	return n;
}

static struct str
describe_gpus(struct arena *a, const struct offer *o)
{
	return o->gpus ? arena_printf(a, "%lldx %.*s", (long long)o->gpus, STR_ARG(o->gpu_name))
		       : STR("-");
}

static struct str
describe_usd(struct arena *a, double usd)
{
	return usd < 0 ? STR("?") : arena_printf(a, usd < 10 ? "%.4f" : "%.2f", usd);
}

static struct str
describe_risk(const struct offer *o)
{
	static const char *const brackets[] = {"<5%", "5-10%", "10-15%", "15-20%", ">20%"};

	if (!o->spot)
		return STR("-");
	return o->interrupted == OFFER_UNRATED ? STR("?") : str_from(brackets[o->interrupted]);
}

static void
fill(struct arena *a, const struct row *r, struct str cells[COLUMNS])
{
	const struct offer *o = r->first;

	cells[0] = arena_printf(a, "%zu", r->rank);
	cells[1] = o->type;
	cells[2] = r->zones;
	cells[3] = arena_printf(a, "%lld", (long long)o->cpus);
	cells[4] = units_format_size(a, o->memory_bytes);
	cells[5] = describe_gpus(a, o);
	cells[6] = o->spot ? STR("spot") : STR("on-demand");
	cells[7] = describe_usd(a, offer_hourly_usd(o));
	cells[8] = describe_usd(a, offer_slot_usd(o));
	cells[9] = describe_risk(o);
}

static void
add_cells(struct buf *b, const struct str cells[COLUMNS], const size_t widths[COLUMNS])
{
	for (int i = 0; i < COLUMNS; i++) {
		size_t pad = widths[i] - text_columns(cells[i]);

		if (i)
			buf_add_cstr(b, "  ");
		if (is_number[i])
			text_add_pad(b, pad);
		text_add_safe(b, cells[i], 0);
		if (!is_number[i] && i + 1 < COLUMNS)
			text_add_pad(b, pad);
	}
}

void
offers_add_table(struct buf *b, const struct offers_shown *s, bool color)
{
	struct arena a = {0};
	size_t most = s->most < s->n ? s->most : s->n, n, widths[COLUMNS];
	struct row *rows = ARENA_ARRAY(&a, struct row, most);
	struct str(*cells)[COLUMNS], head[COLUMNS];

	n = make_rows(&a, s, rows);
	cells = arena_alloc_array(&a, n, sizeof(*cells));
	for (int i = 0; i < COLUMNS; i++) {
		head[i] = str_from(titles[i]);
		widths[i] = head[i].n;
	}
	for (size_t k = 0; k < n; k++) {
		fill(&a, &rows[k], cells[k]);
		for (int i = 0; i < COLUMNS; i++) {
			size_t width = text_columns(cells[k][i]);

			widths[i] = width > widths[i] ? width : widths[i];
		}
	}
	buf_add_cstr(b, out_ink(color, INK_BOLD));
	add_cells(b, head, widths);
	buf_addf(b, "%s\n", out_ink(color, INK_PLAIN));
	for (size_t k = 0; k < n; k++) {
		bool chosen = k == 0 && s->n_launched;

		buf_add_cstr(b, out_ink(color && chosen, INK_GREEN));
		add_cells(b, cells[k], widths);
		buf_addf(b, "%s%s\n", chosen ? "  <- chosen" : "",
			out_ink(color && chosen, INK_PLAIN));
	}
	if (rows && n && rows[n - 1].rank < s->n)
		buf_addf(b, "%zu offers in all\n", s->n);
	arena_free(&a);
}

void
offers_add_json(struct buf *b, const struct offers_shown *s)
{
	buf_add_char(b, '{');
	json_add_member_int(b, "furrow_offers", 1);
	json_add_member_string(b, "job", s->job);
	json_add_member_string(b, "region", s->fleet->region);
	json_add_member_int(b, "n_offers", (int64_t)s->n);
	json_add_member_int(b, "launched", s->n_launched);
	json_add_member_string(b, "prices_missing", s->fleet->prices_missing);
	json_add_name(b, "offers");
	buf_add_char(b, '[');
	for (size_t i = 0; i < s->n && i < s->most; i++) {
		const struct offer *o = &s->offers[i];

		buf_add_cstr(b, i ? ",{" : "{");
		json_add_member_int(b, "rank", (int64_t)i + 1);
		json_add_member_bool(b, "chosen", i == 0 && s->n_launched);
		plan_add_offer(b, o);
		json_add_member_usd(b, "slot_hourly_usd", offer_slot_usd(o));
		json_add_member_usd(b, "instance_hourly_usd", o->instance_usd);
		json_add_member_usd(b, "credits_hourly_usd", o->credits_usd);
		json_add_member_usd(b, "extras_hourly_usd", o->extras_usd);
		buf_add_char(b, '}');
	}
	buf_add_cstr(b, "]}\n");
}
