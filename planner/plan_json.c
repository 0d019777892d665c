/* plan_json: the plan as one JSON document, written straight into a buffer. Its members, in this
 * order; new ones are only ever added at the end of an object:
 *
 *   {"furrow_plan":1,"job":…,"infra":…,
 *    "manifest":{"path":…,"sha256":…,"commit":…|null,"dirty":…,"describe":…|null,"patch_sha256":…|null},
 *    "actions":[{"id":"task[17]","kind":"task","verb":"create|change|remove|run","reason":…,"after":["…"],
 *                "needs":"slot"|null,"estimate":{"s":…|null,"p90_s":…|null,"usd":…|null},"cause":…,"label":…}],
 *    "in_place":[{"id":…,"kind":…,"reason":…,"label":…}],
 *    "summary":{"create":…,"change":…,"remove":…,"run":…,"in_place":…,"s":…|null,"p90_s":…|null,"usd":…|null,
 *               "tasks":…,"tasks_in_place":…,"to_collect":…,
 *               "hourly_usd":…|null,"idle_usd":…|null,"why_usd":…|null},
 *    "state_sha256":…,"slots":…,
 *    "offers":[{"type":…,"zone":…|null,"region":…|null,"market":"spot|on-demand","cpus":…,"memory_bytes":…,"gpus":…,
 *               "gpu":…|null,"slots":…,"hourly_usd":…|null,"instances":…,"interruption":…|null}],
 *    "n_offers":…,"prices_missing":…|null,"hints":[{"name":"spot-without-retry","text":…}]}
 *
 * Times are in seconds, null when unknown. "label", the task's folder below results, is there for
 * tasks only. "after" names what an action comes after; a task that needs a slot takes one of any
 * environment's. "offers": what new instances can be had as, the first is what the plan launches, the
 * next ones in this order when EC2 has none of it; the first OFFERS_SHOWN of n_offers. hourly_usd: of
 * one, with its disk, its public address and, of burstable ones, CPU credits. "usd": of a node, what its
 * instance costs until the run's end; idle_usd: what instances cost at most that are left warm, when
 * nobody uses them again; why_usd: why usd is null. */
#include "planner/plan.h"

#include "planner/base/json.h"

#include <assert.h>

enum { OFFERS_SHOWN = 8 };

static void
add_digest(struct buf *out, const char *name, const struct digest *d)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, d);
	json_add_member_string(out, name, (struct str){.p = hex, .n = DIGEST_HEX_BYTES - 1});
}

static void
add_ns(struct buf *out, const char *name, int64_t ns)
{
	json_add_name(out, name);
	if (ns < 0)
		buf_add_cstr(out, "null");
	else
		json_add_seconds(out, ns);
}

/* By hand: a large plan has hundreds of thousands. */
static void
add_id(struct buf *out, enum kind kind, uint32_t index)
{
	char digits[10];
	size_t at = sizeof(digits);

	buf_add_char(out, '"');
	buf_add_cstr(out, kind_name(kind));
	if (kind_is_indexed(kind)) {
		do {
			digits[--at] = (char)('0' + index % 10);
			index /= 10;
		} while (index);
		buf_add_char(out, '[');
		buf_add(out, digits + at, sizeof(digits) - at);
		buf_add_char(out, ']');
	}
	buf_add_char(out, '"');
}

/* {"id":…,"kind":… of an object in a list. */
static void
open_item(struct buf *out, enum kind kind, uint32_t index)
{
	if (out->p[out->n - 1] != '[')
		buf_add_char(out, ',');
	buf_add_cstr(out, "{\"id\":");
	add_id(out, kind, index);
	json_add_member_string(out, "kind", str_from(kind_name(kind)));
}

static void
add_head(struct buf *out, const struct plan *p)
{
	const struct manifest *m = p->job.manifest;
	const struct source *s = p->job.source;

	buf_add_cstr(out, "{\"furrow_plan\":1");
	json_add_member_string(out, "job", m->name);
	json_add_member_string(
		out, "infra", m->instances.infra.text.p ? m->instances.infra.text : STR("local"));
	buf_add_cstr(out, ",\"manifest\":{");
	json_add_member_string(out, "path", p->manifest_path);
	add_digest(out, "sha256", &p->manifest_digest);
	json_add_member_string(out, "commit", s->commit);
	json_add_member_bool(out, "dirty", s->kind == SOURCE_DIRTY);
	json_add_member_string(out, "describe", s->describe);
	json_add_member_string(out, "patch_sha256", s->patch_sha256);
	buf_add_char(out, '}');
}

static void
add_action(struct buf *out, const struct plan *p, uint32_t at)
{
	const struct node *n = &p->graph.nodes[at];

	open_item(out, n->kind, n->index);
	json_add_member_string(out, "verb", str_from(verb_name(n->verb)));
	json_add_member_string(out, "reason", n->reason);
	buf_add_cstr(out, ",\"after\":[");
	for (uint32_t e = 0; e < n->n_after; e++) {
		const struct node *first = &p->graph.nodes[p->graph.edges[n->after + e]];

		if (e)
			buf_add_char(out, ',');
		add_id(out, first->kind, first->index);
	}
	buf_add_cstr(out, n->needs_slot ? "],\"needs\":\"slot\"" : "],\"needs\":null");
	buf_add_cstr(out, ",\"estimate\":{");
	add_ns(out, "s", n->estimate_ns);
	add_ns(out, "p90_s", n->p90_ns);
	json_add_member_usd(out, "usd", n->usd);
	buf_add_char(out, '}');
	json_add_member_string(out, "cause", str_from(cause_name(p->changes.todo[at].cause)));
	if (n->kind == KIND_TASK)
		json_add_member_string(out, "label", p->job.tasks[n->index].label);
	buf_add_char(out, '}');
}

static void
add_means_in_place(struct buf *out, const struct change *c)
{
	open_item(out, c->kind, c->index);
	json_add_member_string(out, "reason", c->reason);
	buf_add_char(out, '}');
}

static void
add_task_in_place(struct buf *out, const struct plan *p, uint32_t index)
{
	open_item(out, KIND_TASK, index);
	json_add_member_string(
		out, "reason", diff_task_reason(&p->changes, &p->job, &p->observed, index));
	json_add_member_string(out, "label", p->job.tasks[index].label);
	buf_add_char(out, '}');
}

/* Means before and behind the tasks, and the tasks between them: in the order of kinds. */
static void
add_in_place(struct buf *out, const struct plan *p)
{
	const struct changes *c = &p->changes;
	size_t i = 0;

	buf_add_cstr(out, ",\"in_place\":[");
	for (; i < c->n_in_place && c->in_place[i].kind < KIND_TASK; i++)
		add_means_in_place(out, &c->in_place[i]);
	for (uint32_t t = 0; t < p->job.n_tasks; t++) {
		if (!c->task_runs[t])
			add_task_in_place(out, p, t);
	}
	for (; i < c->n_in_place; i++)
		add_means_in_place(out, &c->in_place[i]);
	buf_add_char(out, ']');
}

static void
add_summary(struct buf *out, const struct plan *p)
{
	static const enum verb verbs[] = {VERB_CREATE, VERB_CHANGE, VERB_REMOVE, VERB_RUN};
	int64_t counts[VERB_RUN + 1] = {0};

	for (uint32_t i = 0; i < p->graph.n_nodes; i++)
		counts[p->graph.nodes[i].verb]++;
	buf_add_cstr(out, ",\"summary\":{");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		json_add_member_int(out, verb_name(verbs[i]), counts[verbs[i]]);
	json_add_member_int(
		out, "in_place", (int64_t)p->changes.n_in_place + p->changes.n_tasks_in_place);
	add_ns(out, "s", p->ns);
	add_ns(out, "p90_s", p->p90_ns);
	json_add_member_usd(out, "usd", p->usd);
	json_add_member_int(out, "tasks", p->job.n_tasks);
	json_add_member_int(out, "tasks_in_place", p->changes.n_tasks_in_place);
	json_add_member_int(out, "to_collect", p->changes.n_to_collect);
	json_add_member_usd(out, "hourly_usd", p->hourly_usd);
	json_add_member_usd(out, "idle_usd", p->idle_usd);
	json_add_member_string(out, "why_usd", p->why_usd);
	buf_add_char(out, '}');
}

void
plan_add_offer(struct buf *out, const struct offer *o)
{
	json_add_member_string(out, "type", o->type);
	json_add_member_string(out, "zone", o->zone);
	json_add_member_string(out, "region", o->region);
	json_add_member_string(out, "market", o->spot ? STR("spot") : STR("on-demand"));
	json_add_member_int(out, "cpus", o->cpus);
	json_add_member_int(out, "memory_bytes", o->memory_bytes);
	json_add_member_int(out, "gpus", o->gpus);
	json_add_member_string(out, "gpu", o->gpu_name);
	json_add_member_int(out, "slots", o->slots);
	json_add_member_usd(out, "hourly_usd", offer_hourly_usd(o));
	json_add_member_int(out, "instances", o->n_instances);
	json_add_name(out, "interruption");
	if (o->interrupted == OFFER_UNRATED)
		buf_add_cstr(out, "null");
	else
		buf_addf(out, "%d", o->interrupted);
}

static void
add_offers(struct buf *out, const struct plan *p)
{
	const struct changes *c = &p->changes;

	buf_add_cstr(out, ",\"offers\":[");
	for (size_t i = 0; i < c->n_offers && i < OFFERS_SHOWN; i++) {
		buf_add_cstr(out, i ? ",{" : "{");
		plan_add_offer(out, &c->offers[i]);
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
	json_add_member_int(out, "n_offers", (int64_t)c->n_offers);
	json_add_member_string(out, "prices_missing", p->observed.fleet.prices_missing);
}

static void
add_hints(struct buf *out, const struct plan *p)
{
	struct str name, text = plan_hint(p, &name);

	buf_add_cstr(out, ",\"hints\":[");
	if (text.p) {
		buf_add_char(out, '{');
		json_add_member_string(out, "name", name);
		json_add_member_string(out, "text", text);
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
}

void
plan_add_members(struct buf *out, const struct plan *p)
{
	assert(p->graph.n_nodes == p->changes.n_todo);
	add_head(out, p);
	buf_add_cstr(out, ",\"actions\":[");
	for (uint32_t i = 0; i < p->graph.n_nodes; i++)
		add_action(out, p, i);
	buf_add_char(out, ']');
	add_in_place(out, p);
	add_summary(out, p);
	add_digest(out, "state_sha256", &p->state);
	json_add_member_int(out, "slots", p->slots);
	if (p->observed.fleet.there) {
		add_offers(out, p);
		add_hints(out, p);
	}
}

void
plan_write_json(struct buf *out, const struct plan *p)
{
	plan_add_members(out, p);
	buf_add_cstr(out, "}\n");
}
