/* prices: the parts of what a region costs, each kept, asked for and told of by itself, side by side. */
#include "providers/aws/prices_parts.h"

#include "providers/aws/printable.h"
#include "providers/parallel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DOUBTS_TOLD = 3, DOUBT_BYTES = 200, PRICE_TEXT_BYTES = 32 };

static const struct {
	const char *file, *variable, *what; /* file: its name in the cache */
} parts[PRICE_PARTS] = {
	[PRICES_ON_DEMAND] = {"prices-on-demand", "AWS_ENDPOINT_URL_PRICING", "on-demand prices"},
	[PRICES_SPOT] = {"prices-spot", "AWS_ENDPOINT_URL_EC2", "spot prices"},
	[PRICES_DISK] = {"prices-disk", "AWS_ENDPOINT_URL_PRICING", "the price of disks"},
	[PRICES_ADDRESS] = {"prices-address", "AWS_ENDPOINT_URL_PRICING",
		"the price of public addresses"},
};

/* One part on its way; a thread each. */
struct reading {
	struct kept_lines kept;
	struct aws *aws;
	int64_t wall_ns;
	struct arena arena;
	struct price_finding found;
	struct str told; /* what is to be said of it, absent: nothing */
	int64_t asked_wall_ns;
	enum price_part part;
	int rc;
	bool refresh;
	struct error err;
};

void
price_doubt(struct arena *a, struct price_doubts *d, const char *fmt, ...)
{
	char text[DOUBT_BYTES * 2], clean[DOUBT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printable(clean, sizeof(clean), str_from(text));
	*(struct str *)ec2_list_add(a, &d->list, sizeof(struct str)) =
		arena_str(a, str_from(clean));
}

struct str
price_doubts_told(struct arena *a, const struct price_doubts *d)
{
	const struct str *v = d->list.v;
	struct buf b = {0};
	struct str out;

	if (!d->list.n)
		return (struct str){0};
	buf_addf(&b, "%zu %s not believed: ", d->list.n, d->list.n == 1 ? "is" : "are");
	for (size_t i = 0; i < d->list.n && i < DOUBTS_TOLD; i++)
		buf_addf(&b, "%s%.*s", i ? "; " : "", STR_ARG(v[i]));
	if (d->list.n > DOUBTS_TOLD)
		buf_addf(&b, "; and %zu more", d->list.n - DOUBTS_TOLD);
	out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

static bool
is_decimal(struct str text)
{
	size_t digits = 0, points = 0;

	for (size_t i = 0; i < text.n; i++) {
		digits += text.p[i] >= '0' && text.p[i] <= '9';
		points += text.p[i] == '.';
	}
	return digits && points <= 1 && digits + points == text.n;
}

bool
price_parse(struct str text, double *usd, const char **why)
{
	char copy[PRICE_TEXT_BYTES];

	*why = NULL;
	if (text.n > 1 && text.p[0] == '-' && is_decimal(str_from_index(text, 1)))
		*why = "it is negative";
	else if (!is_decimal(text) || text.n >= sizeof(copy))
		*why = "it is no number";
	if (*why)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	*usd = strtod(copy, NULL);
	if (!(*usd > 0))
		*why = "it is 0";
	else if (*usd < PRICE_HOURLY_LEAST_USD)
		*why = "nothing is that cheap";
	else if (*usd > PRICE_HOURLY_MOST_USD)
		*why = "nothing is that dear";
	return !*why;
}

/* "price TYPE ZONE USD", ZONE "-": all; and "told TEXT". */
static void
save(const struct reading *r)
{
	const struct ec2_price *v = r->found.rows.v;
	struct buf out = {0};

	for (size_t i = 0; i < r->found.rows.n; i++)
		buf_addf(&out, "price %.*s %.*s %.10f\n", STR_ARG(v[i].type),
			STR_ARG(v[i].zone.p ? v[i].zone : STR("-")), v[i].hourly_usd);
	if (r->told.p)
		buf_addf(&out, "told %.*s\n", STR_ARG(r->told));
	kept_lines_save(&r->kept, r->wall_ns, buf_str(&out));
	buf_free(&out);
}

static bool
load_price(struct reading *r, struct str line)
{
	struct str type = str_cut(&line, ' '), zone = str_cut(&line, ' ');
	struct ec2_price *row;
	const char *why;
	double usd;

	if (!type.n || !zone.n || !line.p || !price_parse(line, &usd, &why))
		return false;
	row = ec2_list_add(&r->arena, &r->found.rows, sizeof(*row));
	*row = (struct ec2_price){.type = type, .spot = r->part == PRICES_SPOT, .hourly_usd = usd};
	if (!str_is(zone, "-"))
		row->zone = zone;
	return true;
}

/* From the lines of the file; false: they are none of ours. */
static bool
load(struct reading *r, struct str lines)
{
	r->found = (struct price_finding){.arena = &r->arena};
	r->told = (struct str){0};
	while (lines.n) {
		struct str line = str_cut(&lines, '\n'), word = str_cut(&line, ' ');

		if (str_is(word, "told"))
			r->told = line;
		else if (!str_is(word, "price") || !load_price(r, line))
			return false;
	}
	return r->found.rows.n > 0;
}

static int
ask(struct reading *r)
{
	struct str doubts;
	int rc;

	r->found = (struct price_finding){.arena = &r->arena};
	if (r->part == PRICES_SPOT)
		rc = price_spot_ask(r->aws, r->kept.region, &r->found, &r->err);
	else
		rc = price_list_ask(r->aws, r->part, r->kept.region, &r->found, &r->err);
	if (rc < 0)
		return rc;
	doubts = price_doubts_told(&r->arena, &r->found.doubts);
	r->told = doubts.p ? arena_printf(&r->arena, "%s of %.*s: %.*s", parts[r->part].what,
				     STR_ARG(r->kept.region), STR_ARG(doubts))
			   : (struct str){0};
	if (!r->found.rows.n)
		return error_set(&r->err, ERR_HOST, "%s",
			doubts.p ? doubts.p : "AWS's list has none for this region");
	return 0;
}

static void
read_part(void *ctx, size_t i)
{
	struct reading *r = &((struct reading *)ctx)[i];
	struct str lines = {0};
	bool kept = kept_lines_load(&r->arena, &r->kept, r->wall_ns, &r->asked_wall_ns, &lines);

	if (kept && !r->refresh && kept_lines_are_fresh(r->asked_wall_ns, r->wall_ns) &&
		load(r, lines))
		return;
	r->rc = ask(r);
	if (r->rc == 0) {
		r->asked_wall_ns = r->wall_ns;
		save(r);
		return;
	}
	if (r->rc == ERR_CANCELLED)
		return;
	kept = kept && load(r, lines);
	if (!kept) {
		r->found.rows.n = 0;
		r->told = (struct str){0};
	}
	r->told = arena_printf(&r->arena, "%s of %.*s cannot be had: %s%s%s%.*s",
		parts[r->part].what, STR_ARG(r->kept.region), r->err.message,
		kept ? kept_lines_age(&r->arena, r->asked_wall_ns, r->wall_ns).p : "",
		r->told.p ? "; " : "", STR_ARG(r->told));
}

/* By type, on-demand before spot, then by zone. */
static int
compare(const void *a, const void *b)
{
	const struct ec2_price *x = a, *y = b;
	int c = str_cmp(x->type, y->type);

	if (c == 0)
		c = (int)x->spot - (int)y->spot;
	return c ? c : str_cmp(x->zone, y->zone);
}

static void
take_prices(struct ec2_prices *out, struct arena *a, const struct reading *r)
{
	const struct ec2_price *v = r->found.rows.v;

	for (size_t i = 0; i < r->found.rows.n; i++)
		out->v[out->n++] = (struct ec2_price){arena_str(a, v[i].type),
			arena_str(a, v[i].zone), r->part == PRICES_SPOT, v[i].hourly_usd};
}

/* The only one there is, else the one that is assumed, which is told. */
static double
take_one(struct buf *missing, const struct reading *r, double assumed, const char *unit)
{
	if (r->found.rows.n)
		return ((const struct ec2_price *)r->found.rows.v)->hourly_usd;
	buf_addf(missing, ": %g USD %s is assumed", assumed, unit);
	return assumed;
}

/* Three of the parts are asked of one service: what keeps it from answering is told once. */
static struct str
told_of(struct arena *a, const struct reading *r, enum price_part part)
{
	const struct reading *first = &r[PRICES_ON_DEMAND], *this = &r[part];

	if ((part != PRICES_DISK && part != PRICES_ADDRESS) || this->rc == 0 ||
		this->rc != first->rc || this->err.class != first->err.class ||
		this->found.doubts.list.n)
		return this->told;
	return arena_printf(a, "nor can %s", parts[part].what);
}

static void
collect(struct ec2_prices *out, struct arena *a, const struct reading *r)
{
	struct buf missing = {0};

	out->v = ARENA_ARRAY(a, struct ec2_price,
		r[PRICES_ON_DEMAND].found.rows.n + r[PRICES_SPOT].found.rows.n);
	take_prices(out, a, &r[PRICES_ON_DEMAND]);
	take_prices(out, a, &r[PRICES_SPOT]);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), compare);
	out->on_demand = r[PRICES_ON_DEMAND].found.rows.n > 0;
	out->spot = r[PRICES_SPOT].found.rows.n > 0;
	out->disk = r[PRICES_DISK].found.rows.n > 0;
	for (int i = 0; i < PRICE_PARTS; i++) {
		if (missing.n && r[i].told.p)
			buf_add_cstr(&missing, "; ");
		buf_add_str(&missing, told_of(a, r, (enum price_part)i));
		if (i == PRICES_DISK)
			out->disk_gib_month_usd = take_one(
				&missing, &r[i], PRICE_DISK_ASSUMED_USD, "a GiB and month");
		if (i == PRICES_ADDRESS)
			out->address_hourly_usd =
				take_one(&missing, &r[i], PRICE_ADDRESS_ASSUMED_USD, "an hour");
		if (r[i].found.rows.n &&
			(!out->read_wall_ns || r[i].asked_wall_ns < out->read_wall_ns))
			out->read_wall_ns = r[i].asked_wall_ns;
	}
	if (missing.n)
		out->missing = arena_str(a, buf_str(&missing));
	buf_free(&missing);
}

int
ec2_prices_read(struct aws *aws, struct arena *a, const char *cache_dir, struct str region,
	bool refresh, struct ec2_prices *out, struct error *err)
{
	const struct clock *c = clock_system();
	int64_t wall_ns = c->wall_ns(c->ctx);
	struct reading r[PRICE_PARTS] = {0};
	int rc = 0;

	*out = (struct ec2_prices){0};
	for (int i = 0; i < PRICE_PARTS; i++)
		r[i] = (struct reading){.part = (enum price_part)i,
			.kept = {cache_dir, parts[i].file, parts[i].variable, region},
			.aws = aws,
			.refresh = refresh,
			.wall_ns = wall_ns};
	parallel_for(PRICE_PARTS, PRICE_PARTS, read_part, r);
	for (int i = 0; i < PRICE_PARTS && rc == 0; i++) {
		if (r[i].rc != ERR_CANCELLED)
			continue;
		rc = ERR_CANCELLED;
		if (err)
			*err = r[i].err;
	}
	if (rc == 0)
		collect(out, a, r);
	for (int i = 0; i < PRICE_PARTS; i++)
		arena_free(&r[i].arena);
	return rc;
}
