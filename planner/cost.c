/* cost: what the instances of a plan cost. */
#include "planner/cost.h"

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
