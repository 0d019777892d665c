/* cost: what the instances of a plan cost. */
#include "planner/cost.h"

#include <stdio.h>

static const double hour_ns = 3600e9;

double
cost_usd(double hourly_usd, int64_t ns, bool launched)
{
	if (hourly_usd < 0)
		return -1;
	if (launched && ns < COST_LEAST_NS)
		ns = COST_LEAST_NS;
	return hourly_usd * ((double)ns / hour_ns);
}

/* They stand in the order of kinds, then indices, as changes do. */
static struct node *
find_node(const struct graph *g, enum kind kind, uint32_t index)
{
	uint32_t low = 0, high = g->n_nodes;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		struct node *n = &g->nodes[mid];

		if (n->kind == kind && n->index == index)
			return n;
		if (n->kind < kind || (n->kind == kind && n->index < index))
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* The node that an instance's cost is told with: that which launches it, or which uses a warm one.
 * NULL: the plan has no use for it. */
static struct node *
find_payer(const struct graph *g, uint32_t index)
{
	struct node *n = find_node(g, KIND_INSTANCE, index);

	return n ? n : find_node(g, KIND_ENVIRONMENT, index);
}

static const struct warm *
warm_at(const struct plan *p, uint32_t index)
{
	const struct fleet *f = &p->observed.fleet;

	return index < f->n_warm && !f->warm[index].why_not.p ? &f->warm[index] : NULL;
}

/* The first of these explains why the whole has no price. */
static void
miss_price(struct arena *a, struct plan *p, const struct node *payer)
{
	const struct warm *w = payer->kind == KIND_INSTANCE ? NULL : warm_at(p, payer->index);

	if (!p->why_usd.p)
		p->why_usd = arena_printf(a, "no price of %.*s is known",
			STR_ARG(w ? w->type : p->changes.offers[0].type));
}

static double
price_of(const struct plan *p, const struct node *payer)
{
	const struct warm *w = payer->kind == KIND_INSTANCE ? NULL : warm_at(p, payer->index);

	if (w)
		return w->hourly_usd;
	return p->changes.n_offers ? offer_hourly_usd(&p->changes.offers[0]) : -1;
}

static double
sum_usd(double a, double b)
{
	return a < 0 || b < 0 ? -1 : a + b;
}

/* Of one instance; begin_ns NULL: times are not known. */
static void
add_instance(struct arena *a, struct plan *p, uint32_t index, const int64_t *begin_ns,
	const int64_t *end_ns)
{
	int64_t idle_ns = p->job.manifest->instances.idle_ns;
	struct node *payer = find_payer(&p->graph, index);
	const struct node *release = find_node(&p->graph, KIND_RELEASE, index);
	bool launched;

	if (!payer)
		return;
	launched = payer->kind == KIND_INSTANCE;
	payer->hourly_usd = price_of(p, payer);
	payer->usd = -1;
	if (payer->hourly_usd < 0)
		miss_price(a, p, payer);
	if (begin_ns && release) {
		int64_t from = launched ? begin_ns[payer - p->graph.nodes] : 0;

		payer->usd = cost_usd(
			payer->hourly_usd, end_ns[release - p->graph.nodes] - from, launched);
	}
	p->hourly_usd = sum_usd(p->hourly_usd, payer->hourly_usd);
	p->usd = sum_usd(p->usd, payer->usd);
	if (idle_ns > 0)
		p->idle_usd = sum_usd(p->idle_usd, cost_usd(payer->hourly_usd, idle_ns, false));
}

void
plan_estimate(struct arena *a, struct plan *p)
{
	int64_t *begin_ns = NULL, *end_ns = NULL;

	graph_estimate(&p->graph, p->slots, &p->ns, &p->p90_ns);
	p->usd = p->hourly_usd = p->idle_usd = 0;
	p->why_usd = (struct str){0};
	if (!p->observed.fleet.there || p->changes.n_instances == 0)
		return;
	if (p->ns >= 0) {
		begin_ns = ARENA_ARRAY(a, int64_t, p->graph.n_nodes);
		end_ns = ARENA_ARRAY(a, int64_t, p->graph.n_nodes);
		if (!graph_schedule(&p->graph, p->slots, begin_ns, end_ns))
			begin_ns = NULL;
	}
	for (uint32_t i = 0; i < p->changes.n_instances; i++)
		add_instance(a, p, i, begin_ns, end_ns);
	if (p->usd < 0 && !p->why_usd.p)
		p->why_usd = STR("how long it takes is not known yet");
}

/* What is paid in any case: a minute of each instance that is launched. */
static double
least_usd(const struct plan *p)
{
	double sum = 0;

	for (uint32_t i = 0; i < p->graph.n_nodes; i++) {
		const struct node *n = &p->graph.nodes[i];

		if (n->kind == KIND_INSTANCE && n->hourly_usd > 0)
			sum += cost_usd(n->hourly_usd, COST_LEAST_NS, true);
	}
	return sum;
}

/* What the plan would cost with so many instances, the tasks dealt out evenly; < 0: unknown. */
static double
usd_with(const struct plan *p, uint32_t instances)
{
	const struct offer *o = &p->changes.offers[0];
	double hourly = offer_hourly_usd(o), busy_ns = 0, longest_ns = 0, ready_ns = 0, wall_ns;

	for (uint32_t i = 0; i < p->graph.n_nodes; i++) {
		const struct node *n = &p->graph.nodes[i];
		double ns = n->estimate_ns > 0 ? (double)n->estimate_ns : 0;

		if (n->kind == KIND_TASK) {
			busy_ns += ns;
			longest_ns = ns > longest_ns ? ns : longest_ns;
		} else if ((n->kind == KIND_INSTANCE || n->kind == KIND_ENVIRONMENT) &&
			   n->index + 1 == p->changes.n_instances) {
			ready_ns += ns;
		}
	}
	wall_ns = p->ns < 0 ? 0 : busy_ns / ((double)instances * o->slots);
	wall_ns = ready_ns + (wall_ns > longest_ns || p->ns < 0 ? wall_ns : longest_ns);
	/* Durations come from a file, so they may be anything. */
	return instances *
	       cost_usd(hourly, wall_ns < (double)INT64_MAX ? (int64_t)wall_ns : INT64_MAX, true);
}

/* ": 3 instances (instances.max: 3) cost about $0.90" */
static void
propose(const struct plan *p, char out[128])
{
	uint32_t n = p->changes.n_instances;

	out[0] = '\0';
	if (offer_hourly_usd(&p->changes.offers[0]) < 0)
		return;
	while (n > 1 && usd_with(p, n - 1) > p->job.manifest->max_cost_usd)
		n--;
	n--;
	if (n >= 1)
		snprintf(out, 128, "instances.max: %u would fit, with about $%.2f; or ", n,
			usd_with(p, n));
}

int
plan_check_cost(const struct plan *p, struct error *err)
{
	const struct manifest *m = p->job.manifest;
	const struct pos *pos = &m->pos_max_cost;
	bool timed = p->usd >= 0;
	double usd = timed ? p->usd : least_usd(p);
	char fits[128];

	if (!p->observed.fleet.there || m->max_cost_usd <= 0 || p->changes.n_instances == 0)
		return 0;
	if (p->hourly_usd < 0)
		return error_set(err, ERR_INPUT,
			"%.*s:%u:%u: max_cost: %.*s, so whether $%.2f is enough cannot be said and "
			"nothing is launched; leave "
			"the key out, or try again when prices can be read",
			STR_ARG(pos->file), pos->line, pos->col, STR_ARG(p->why_usd),
			m->max_cost_usd);
	if (usd <= m->max_cost_usd)
		return 0;
	propose(p, fits);
	return error_set(err, ERR_INPUT,
		"%.*s:%u:%u: max_cost: %u instance%s would cost %s $%.2f%s, which is more than "
		"$%.2f, so "
		"nothing is launched; %sraise max_cost (furrow plan --curve tells what it costs "
		"with how many)",
		STR_ARG(pos->file), pos->line, pos->col, p->changes.n_instances,
		p->changes.n_instances == 1 ? "" : "s", timed ? "about" : "at least", usd,
		timed ? "" : " (a minute of each is billed in any case)", m->max_cost_usd, fits);
}
