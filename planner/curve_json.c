/* curve_json: the curve as one JSON document; its members stand in curve.h. */
#include "planner/curve.h"

#include "planner/base/json.h"

static void
add_point(struct buf *out, const struct curve_point *p)
{
	double hourly = offer_hourly_usd(&p->offer);

	buf_add_char(out, '{');
	json_add_member_int(out, "instances", p->instances);
	json_add_member_string(out, "type", p->offer.type);
	json_add_member_string(out, "zone", p->offer.zone);
	json_add_member_string(out, "market", p->offer.spot ? STR("spot") : STR("on-demand"));
	json_add_member_int(out, "slots", p->slots);
	json_add_member_usd(out, "hourly_usd", hourly < 0 ? -1 : hourly * p->instances);
	json_add_member_seconds(out, "s", p->ns);
	json_add_member_usd(out, "usd", p->usd);
	json_add_member_bool(out, "beyond_max", p->beyond_max);
	buf_add_char(out, '}');
}

void
curve_write_json(struct buf *out, const struct curve *c, const struct plan *p)
{
	const struct manifest *m = p->job.manifest;

	buf_add_cstr(out, "{\"furrow_curve\":1");
	json_add_member_string(out, "job", m->name);
	json_add_member_string(out, "infra", m->instances.infra.text);
	json_add_member_int(out, "tasks", c->n_tasks);
	buf_add_cstr(out, ",\"task\":{");
	json_add_member_seconds(out, "p50_s", c->p50_ns);
	json_add_member_seconds(out, "p90_s", c->p90_ns);
	json_add_member_string(out, "from", c->given ? STR("given") : STR("history"));
	buf_add_cstr(out, "},\"ready\":{");
	json_add_member_seconds(out, "s", c->ready_ns);
	json_add_member_string(out, "from", c->assumed ? STR("assumed") : STR("history"));
	buf_add_char(out, '}');
	json_add_member_int(out, "max", c->max);
	buf_add_cstr(out, ",\"points\":[");
	for (size_t i = 0; i < c->n_points; i++) {
		if (i)
			buf_add_char(out, ',');
		add_point(out, &c->points[i]);
	}
	buf_add_cstr(out, "],\"knee\":{");
	json_add_member_int(out, "instances", c->points[c->knee].instances);
	json_add_member_usd(out, "usd_per_halving", c->before_usd);
	json_add_member_usd(out, "beyond_usd_per_halving", c->beyond_usd);
	json_add_member_bool(out, "faster_beyond", c->faster_beyond);
	buf_add_cstr(out, "}}\n");
}
