/* meter: counting what instances cost. */
#include "planner/execute/meter.h"

#include "planner/base/arena.h"
#include "planner/cost.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 64 };

static struct metered *
item(struct meter *m, uint32_t index)
{
	if (index >= m->cap) {
		uint32_t cap = m->cap ? m->cap : 16;

		while (cap <= index)
			cap *= 2;
		m->v = mem_realloc(m->v, cap * sizeof(*m->v));
		memset(&m->v[m->cap], 0, (cap - m->cap) * sizeof(*m->v));
		m->cap = cap;
	}
	if (index >= m->n)
		m->n = index + 1;
	m->changes++;
	return &m->v[index];
}

static double
usd_of(const struct metered *i, int64_t t_ns)
{
	int64_t ns = t_ns > i->since_ns ? t_ns - i->since_ns : 0;

	return i->hourly_usd > 0 ? cost_usd(i->hourly_usd, ns, i->launched) : 0;
}

void
meter_ask(struct meter *m, uint32_t index, int64_t t_ns, double hourly_usd)
{
	struct metered *i = item(m, index);

	meter_end(m, index, t_ns);
	*i = (struct metered){
		.asked = true, .launched = true, .since_ns = t_ns, .hourly_usd = hourly_usd};
}

void
meter_begin(struct meter *m, uint32_t index, int64_t t_ns, double hourly_usd, bool launched)
{
	struct metered *i = item(m, index);

	meter_end(m, index, t_ns);
	*i = (struct metered){
		.runs = true, .launched = launched, .since_ns = t_ns, .hourly_usd = hourly_usd};
	m->least |= hourly_usd < 0;
}

void
meter_end(struct meter *m, uint32_t index, int64_t t_ns)
{
	struct metered *i = item(m, index);

	if (i->runs)
		m->gone_usd += usd_of(i, t_ns);
	*i = (struct metered){.hourly_usd = i->hourly_usd};
}

void
meter_unask(struct meter *m, uint32_t index)
{
	if (index < m->n && m->v[index].asked)
		item(m, index)->asked = false;
}

double
meter_usd(const struct meter *m, int64_t t_ns)
{
	double sum = m->gone_usd;

	for (uint32_t i = 0; i < m->n; i++) {
		if (m->v[i].runs)
			sum += usd_of(&m->v[i], t_ns);
	}
	return sum;
}

double
meter_hourly_usd(const struct meter *m)
{
	double sum = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		if (m->v[i].runs && m->v[i].hourly_usd > 0)
			sum += m->v[i].hourly_usd;
	}
	return sum;
}

/* All that runs, may run, and the one more. */
static double
usd_at(const struct meter *m, const struct metered *more, int64_t t_ns)
{
	double sum = m->gone_usd + usd_of(more, t_ns);

	for (uint32_t i = 0; i < m->n; i++) {
		if (m->v[i].runs || m->v[i].asked)
			sum += usd_of(&m->v[i], t_ns);
	}
	return sum;
}

int64_t
meter_when(const struct meter *m, int64_t now_ns, double more_usd, double usd)
{
	const struct metered more = {.launched = true, .since_ns = now_ns, .hourly_usd = more_usd};
	double hourly = more_usd > 0 ? more_usd : 0, span_ns;
	int64_t low = now_ns, high;

	for (uint32_t i = 0; i < m->n; i++) {
		if ((m->v[i].runs || m->v[i].asked) && m->v[i].hourly_usd > 0)
			hourly += m->v[i].hourly_usd;
	}
	if (usd_at(m, &more, now_ns) >= usd)
		return now_ns;
	if (hourly <= 0)
		return INT64_MAX;
	/* Each counts from its least on at the latest. */
	span_ns = usd / hourly * 3600e9 + (double)COST_LEAST_NS;
	if (span_ns > (double)(INT64_MAX / 4))
		return INT64_MAX;
	high = now_ns + (int64_t)span_ns;
	for (int i = 0; i < ROUNDS && high - low > 1; i++) {
		int64_t mid = low + (high - low) / 2;

		if (usd_at(m, &more, mid) >= usd)
			high = mid;
		else
			low = mid;
	}
	return low;
}

void
meter_free(struct meter *m)
{
	free(m->v);
	*m = (struct meter){0};
}
