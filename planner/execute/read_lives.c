/* read_lives: what a journal says of what instances cost: which there were, and for how long. */
#include "planner/execute/reader.h"

#include "planner/cost.h"

/* More instances are no run of ours. */
enum { MAX_LIVES = 1 << 14 };

double
reader_usd(int64_t nusd)
{
	return nusd < 0 ? -1 : (double)nusd / 1e9;
}

bool
reader_hourly(struct scan *s, double *hourly_usd)
{
	bool told = false;
	struct str key;

	scan_object(s);
	while (scan_member(s, &key)) {
		if (!str_is(key, "nusd")) {
			scan_skip(s);
			continue;
		}
		*hourly_usd = reader_usd(scan_int(s));
		told = true;
	}
	return told;
}

void
reader_let_go(struct reader *r, uint32_t index, int64_t t_ns)
{
	struct timings *t = r->t;

	for (size_t i = t->n_lives; i-- > 0;) {
		if (t->lives[i].index != index)
			continue;
		if (t->lives[i].end_ns < 0)
			t->lives[i].end_ns = t_ns;
		return;
	}
}

int
reader_gone(struct reader *r, struct event *e)
{
	uint32_t place = 0;
	int code;

	while (reader_member(e)) {
		if (str_is(e->key, "place"))
			place = reader_narrow(scan_count(&e->scan));
		else
			scan_skip(&e->scan);
	}
	code = reader_check_timed(r, e);
	if (code == 0)
		reader_let_go(r, place, e->t_ns);
	return code;
}

void
reader_live(struct reader *r, uint32_t index, int64_t t_ns, double hourly_usd, struct str id)
{
	struct timings *t = r->t;

	if (t->n_lives == MAX_LIVES)
		return;
	reader_let_go(r, index, t_ns);
	t->lives = reader_grow(r, t->lives, t->n_lives, 1, &r->cap_lives, sizeof(*t->lives));
	t->lives[t->n_lives++] = (struct timing_life){.index = index,
		.id = id,
		.launched = id.p != NULL,
		.begin_ns = t_ns,
		.end_ns = -1,
		.hourly_usd = hourly_usd};
}

void
reader_sum_lives(struct timings *t)
{
	t->usd = 0;
	t->usd_least = false;
	for (size_t i = 0; i < t->n_lives; i++) {
		struct timing_life *l = &t->lives[i];
		int64_t end_ns = l->end_ns < 0 ? t->wall_ns : l->end_ns;

		l->usd = cost_usd(l->hourly_usd, end_ns - l->begin_ns, l->launched);
		t->usd += l->usd > 0 ? l->usd : 0;
		t->usd_least |= l->usd < 0;
	}
}
