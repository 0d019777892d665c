/* curve: the same tasks on ever more instances: what it takes, what it costs, and where more begin to
 * cost more than they give. */
#include "planner/curve.h"

#include "planner/cost.h"
#include "planner/estimate.h"
#include "planner/units.h"

#include <math.h>
#include <stdlib.h>

/* How much of the cheapest a halving of the time may cost, up to the knee. */
static const double knee_share = 0.2;
/* Less is no gain. */
static const double least_gain = 0.05;

enum { MAX_POINTS = 24 };

int
curve_parse_times(struct str text, struct curve_times *out, struct error *err)
{
	struct str rest = text, first = str_trim(str_cut(&rest, ','));
	struct unit_problem why;

	if (!units_duration(first, &out->p50_ns, &why))
		return error_set(err, ERR_INPUT, "%s", why.message);
	out->p90_ns = out->p50_ns;
	if (rest.p && !units_duration(str_trim(rest), &out->p90_ns, &why))
		return error_set(err, ERR_INPUT, "%s", why.message);
	if (out->p50_ns <= 0)
		return error_set(err, ERR_INPUT,
			"expected how long a task takes, such as 90s, got '%.*s'", STR_ARG(text));
	if (out->p90_ns < out->p50_ns)
		return error_set(err, ERR_INPUT,
			"'%.*s': 9 of 10 tasks take at least as long as half of them; expected "
			"P50,P90, "
			"such as 60s,90s",
			STR_ARG(text));
	return 0;
}

/* The normal distribution's quantile, to two digits: Tukey's lambda. */
static double
normal_quantile(double q)
{
	return 4.91 * (pow(q, 0.14) - pow(1 - q, 0.14));
}

/* The i-th of n tasks of which half take p50 and 9 of 10 at most p90: durations spread by factors. */
static int64_t
spread_ns(const struct curve_times *t, uint32_t i, uint32_t n)
{
	double sigma = log((double)t->p90_ns / (double)t->p50_ns) / normal_quantile(0.9);
	double ns = (double)t->p50_ns * exp(sigma * normal_quantile((i + 0.5) / n));

	return ns < 9e18 ? (int64_t)ns : INT64_MAX;
}

static int
longest_first(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x < y) - (x > y);
}

/* One for each task, the longest first; < 0: nobody knows of one. */
static int64_t *
task_times(struct arena *a, struct curve *c, const struct plan *p, const struct curve_times *given)
{
	bool all = p->changes.n_tasks_run == 0;
	int64_t *ns = ARENA_ARRAY(a, int64_t, p->job.n_tasks + 1);
	struct estimator e;

	estimator_init(&e, &p->job, &p->observed.history);
	c->n_tasks = 0;
	for (uint32_t i = 0; i < p->job.n_tasks; i++) {
		struct node n = {.kind = KIND_TASK, .index = i};

		if (!all && !p->changes.task_runs[i])
			continue;
		estimate_node(&e, &n);
		ns[c->n_tasks++] = n.estimate_ns;
	}
	c->given = given->p50_ns > 0;
	for (uint32_t i = 0; c->given && i < c->n_tasks; i++)
		ns[i] = spread_ns(given, i, c->n_tasks);
	if (c->n_tasks)
		qsort(ns, c->n_tasks, sizeof(*ns), longest_first);
	return ns;
}

static void
sink_down(int64_t *heap, uint32_t n)
{
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;
		int64_t top = heap[at];

		if (child + 1 < n && heap[child + 1] < heap[child])
			child++;
		if (child >= n || heap[child] >= top)
			return;
		heap[at] = heap[child];
		heap[child] = top;
		at = child;
	}
}

/* The longest first, each on the slot that is free first, as the executor does. */
static int64_t
play_ns(const int64_t *tasks, uint32_t n, uint32_t slots)
{
	int64_t *heap = mem_alloc((slots + 1) * sizeof(*heap)), last = 0;

	memset(heap, 0, (slots + 1) * sizeof(*heap));
	for (uint32_t i = 0; i < n; i++) {
		if (__builtin_add_overflow(heap[0], tasks[i], &heap[0]))
			heap[0] = INT64_MAX;
		last = heap[0] > last ? heap[0] : last;
		sink_down(heap, slots);
	}
	free(heap);
	return last;
}

static int64_t
known_ns(const struct history *h, enum kind kind)
{
	const struct history_entry *e = history_find(h, kind, STR("-"));

	return e && e->ns >= 0 ? e->ns : -1;
}

static int64_t
sum_ns(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* What comes behind the last task. */
static int64_t
release_ns(const struct plan *p)
{
	int64_t ns = known_ns(&p->observed.history, KIND_RELEASE);

	return ns < 0 ? 0 : ns;
}

/* Returns how many of it the tasks can use. */
static uint32_t
make_point(struct arena *a, struct curve_point *out, const struct curve *c, const struct plan *p,
	const int64_t *tasks, uint32_t instances)
{
	const struct fleet *f = &p->observed.fleet;
	const struct offer_need need = {
		.tasks = c->n_tasks, .max_instances = instances, .max_slots = f->max_slots};
	struct offer *offers = ARENA_ARRAY(a, struct offer, f->n_offers);
	uint64_t slots;
	double hourly;

	memcpy(offers, f->offers, f->n_offers * sizeof(*offers));
	offers_rank(offers, f->n_offers, &need);
	*out = (struct curve_point){
		.instances = offer_count(&need, offers[0].slots), .offer = offers[0]};
	slots = (uint64_t)out->instances * offers[0].slots;
	if (f->max_slots && slots > f->max_slots)
		slots = f->max_slots;
	out->slots = slots < c->n_tasks ? (uint32_t)slots : c->n_tasks;
	out->ns = sum_ns(c->ready_ns, play_ns(tasks, c->n_tasks, out->slots));
	out->ns = sum_ns(out->ns, release_ns(p));
	hourly = offer_hourly_usd(&offers[0]);
	out->usd = hourly < 0 ? -1 : out->instances * cost_usd(hourly, out->ns, true);
	out->is_max = out->instances == c->max;
	out->beyond_max = out->instances > c->max;
	return out->instances;
}

/* 1, 2, 5, 10, … and the manifest's max among them, behind `before`. */
static uint32_t
next_count(uint32_t before, uint32_t max)
{
	static const uint32_t steps[] = {1, 2, 5};
	uint32_t next = UINT32_MAX;

	for (uint32_t ten = 1; ten <= 100000 && next == UINT32_MAX; ten *= 10) {
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && next == UINT32_MAX;
			i++) {
			if (steps[i] * ten > before)
				next = steps[i] * ten;
		}
	}
	return max > before && max < next ? max : next;
}

static void
make_points(struct arena *a, struct curve *c, const struct plan *p, const int64_t *tasks)
{
	uint32_t count = 0, last = 0;

	c->points = ARENA_ARRAY(a, struct curve_point, MAX_POINTS);
	while (c->n_points < MAX_POINTS) {
		uint32_t used;

		count = next_count(count, c->max);
		if (count == UINT32_MAX)
			return;
		used = make_point(a, &c->points[c->n_points], c, p, tasks, count);
		if (used > last)
			c->n_points++;
		last = used;
		if (used < count)
			return;
	}
}

/* What halving the time costs on the way from one point to the next; false: it gets no faster. */
static bool
halving_usd(const struct curve_point *from, const struct curve_point *to, double *usd)
{
	if (to->ns <= 0 || (double)to->ns > (double)from->ns * (1 - least_gain))
		return false;
	*usd = (to->usd - from->usd) / log2((double)from->ns / (double)to->ns);
	return true;
}

static void
find_knee(struct curve *c)
{
	double least = c->points[0].usd, usd;
	size_t i;

	c->before_usd = c->beyond_usd = -1;
	for (i = 0; i < c->n_points; i++) {
		if (c->points[i].usd < 0)
			return;
		least = c->points[i].usd < least ? c->points[i].usd : least;
	}
	for (i = 1; i < c->n_points; i++) {
		if (!halving_usd(&c->points[i - 1], &c->points[i], &usd) ||
			usd > knee_share * least)
			break;
		c->knee = i;
		c->before_usd = usd > c->before_usd ? usd : c->before_usd;
	}
	if (c->knee > 0 && c->before_usd < 0)
		c->before_usd = 0; /* it got cheaper */
	for (; i < c->n_points; i++) {
		if (!halving_usd(&c->points[i - 1], &c->points[i], &usd))
			continue;
		c->faster_beyond = true;
		c->beyond_usd = c->beyond_usd < 0 || usd < c->beyond_usd ? usd : c->beyond_usd;
	}
}

int
curve_of_plan(struct arena *a, struct curve *out, const struct plan *p,
	const struct curve_times *given, struct error *err)
{
	const struct history *h = &p->observed.history;
	int64_t launch_ns = known_ns(h, KIND_INSTANCE),
		environment_ns = known_ns(h, KIND_ENVIRONMENT);
	int64_t *tasks;

	*out = (struct curve){.max = p->observed.fleet.max};
	if (!p->observed.fleet.there)
		return error_set(err, ERR_INPUT,
			"--curve: this machine is the only one of infra local; --infra aws/REGION "
			"has "
			"more");
	tasks = task_times(a, out, p, given);
	if (out->n_tasks == 0)
		return error_set(err, ERR_INPUT, "--curve: the job has no tasks");
	if (tasks[out->n_tasks - 1] < 0)
		return error_set(err, ERR_INPUT,
			"--curve: how long a task takes is not known yet, as none has run; say it: "
			"--task-time 90s");
	out->p50_ns = tasks[out->n_tasks / 2];
	out->p90_ns = tasks[out->n_tasks / 10];
	out->assumed = launch_ns < 0 || environment_ns < 0;
	out->ready_ns = out->assumed ? CURVE_READY_NS : sum_ns(launch_ns, environment_ns);
	make_points(a, out, p, tasks);
	find_knee(out);
	return 0;
}
