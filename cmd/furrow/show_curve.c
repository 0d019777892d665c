/* show_curve: time and cost by the number of instances, as a table with bars. */
#include "cmd/furrow/show_curve.h"

#include "cmd/furrow/out.h"
#include "cmd/furrow/text.h"
#include "planner/base/clock.h"

enum { BAR_COLUMNS = 24 };

static void
add_head(struct buf *b, const struct curve *c, const struct plan *p, bool color)
{
	const struct manifest *m = p->job.manifest;
	char time[TEXT_BYTES];

	buf_addf(b, "%sfurrow plan --curve: %.*s%s on ", out_ink(color, INK_BOLD), STR_ARG(m->name),
		out_ink(color, INK_PLAIN));
	text_add_safe(b, m->instances.infra.text, 0);
	buf_addf(b, "\n\n%u task%s of about %s", c->n_tasks, c->n_tasks == 1 ? "" : "s",
		text_duration(time, c->p50_ns));
	if (c->p90_ns > c->p50_ns + c->p50_ns / 20)
		buf_addf(b, " (p90 %s)", text_duration(time, c->p90_ns));
	buf_addf(b, ", %s; an instance runs them %s after it was launched%s.\n\n",
		c->given ? "as given" : "as before", text_duration(time, c->ready_ns),
		c->assumed ? ", it is assumed: none was seen yet" : "");
}

static size_t
widest_offer(struct arena *a, const struct curve *c)
{
	size_t widest = 5;

	for (size_t i = 0; i < c->n_points; i++) {
		size_t n = text_columns(offer_name(a, &c->points[i].offer));

		widest = n > widest ? n : widest;
	}
	return widest;
}

static void
add_point(struct buf *b, struct arena *a, const struct curve *c, const struct curve_point *at,
	size_t columns, bool color)
{
	struct str name = offer_name(a, &at->offer);
	double share = c->points[0].ns > 0 ? (double)at->ns / (double)c->points[0].ns : 0;
	int bar = (int)(share * BAR_COLUMNS + 0.5);
	char time[TEXT_BYTES], usd[TEXT_BYTES];

	buf_addf(b, "%s%9u  ", at->beyond_max ? out_ink(color, INK_DIM) : "", at->instances);
	text_add_safe(b, name, 0);
	text_add_pad(b, columns - text_columns(name));
	buf_addf(b, "  %9u  %9s  %9s  ", at->slots, text_duration(time, at->ns),
		at->usd < 0 ? "unknown" : text_usd(usd, at->usd));
	for (int i = 0; i < (bar > 1 ? bar : 1); i++)
		buf_add_char(b, '#');
	buf_addf(b, "%s%s\n", at->is_max ? "  <- instances.max" : "",
		at->beyond_max ? out_ink(color, INK_PLAIN) : "");
}

static void
add_beyond(struct buf *b, const struct curve *c)
{
	uint32_t knee = c->points[c->knee].instances;
	char usd[TEXT_BYTES];

	if (c->knee + 1 == c->n_points)
		buf_addf(b, "; more than %u the tasks cannot use", knee);
	else if (c->faster_beyond)
		buf_addf(b, "; beyond %u each halving costs %s%s", knee,
			text_usd(usd, c->beyond_usd), c->n_points - c->knee > 2 ? " or more" : "");
	else
		buf_addf(b, "; beyond %u it hardly gets faster", knee);
}

static void
add_words(struct buf *b, const struct curve *c)
{
	uint32_t knee = c->points[c->knee].instances;
	char usd[TEXT_BYTES];

	buf_add_char(b, '\n');
	if (c->n_points == 1) {
		buf_addf(b, "More than %u instance%s the tasks cannot use.\n", knee,
			knee == 1 ? "" : "s");
		return;
	}
	if (c->points[0].usd < 0 || c->points[c->n_points - 1].usd < 0) {
		buf_add_cstr(b, "Not all prices are known, so only the times can be compared.\n");
		return;
	}
	if (c->knee == 0)
		buf_addf(b, "%u instance%s cheapest by far", knee,
			knee == 1 ? " is the" : "s are the");
	else if (c->before_usd < 0.00005)
		buf_addf(b, "Up to %u instances halving the time costs nothing", knee);
	else
		buf_addf(b, "Up to %u instances each halving of the time costs %s at most", knee,
			text_usd(usd, c->before_usd));
	add_beyond(b, c);
	buf_add_cstr(b, ".\n");
}

void
show_curve(struct buf *b, const struct curve *c, const struct plan *p, bool color)
{
	struct arena a = {0};
	size_t columns = widest_offer(&a, c);

	add_head(b, c, p, color);
	buf_addf(b, "%sinstances  %-*s  %9s  %9s  %9s%s\n", out_ink(color, INK_BOLD), (int)columns,
		"offer", "at a time", "time", "cost", out_ink(color, INK_PLAIN));
	for (size_t i = 0; i < c->n_points; i++)
		add_point(b, &a, c, &c->points[i], columns, color);
	add_words(b, c);
	arena_free(&a);
}
