/* replace: what is left, with another instance and without. */
#include "planner/execute/replace.h"

#include "planner/base/clock.h"

#include <stdio.h>

static const int64_t least_gain_ns = 5 * NS_PER_S;
static const int64_t for_ever_ns = INT64_MAX / 4;

static double
whole_tasks(int64_t ns, int64_t task_ns)
{
	int64_t n = ns > 0 ? ns / task_ns : 0;

	return (double)n;
}

/* How many tasks of the length are done by t: every slot takes the next one when it is free; one that is
 * busy is half through. */
static double
done_by(const struct replace_facts *f, uint64_t late_slots, int64_t t_ns)
{
	uint64_t busy = f->running < f->slots ? f->running : f->slots;
	int64_t task_ns = f->task_ns > 0 ? f->task_ns : 1;

	return (double)(f->slots - busy) * whole_tasks(t_ns, task_ns) +
	       (double)busy * whole_tasks(t_ns - task_ns / 2, task_ns) +
	       (double)late_slots * whole_tasks(t_ns - f->boot_ns, task_ns);
}

/* When all that waits is done. */
static int64_t
ends_at(const struct replace_facts *f, uint64_t late_slots)
{
	int64_t low = 0, high = for_ever_ns;

	while (low < high) {
		int64_t middle = low + (high - low) / 2;

		if (done_by(f, late_slots, middle) >= f->waiting)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static const char *
show(char out[32], int64_t ns)
{
	long long s = (long long)((ns + NS_PER_S / 2) / NS_PER_S);

	if (ns < 10 * NS_PER_S)
		snprintf(out, 32, "%.1f s", (double)ns / NS_PER_S);
	else if (s < 120)
		snprintf(out, 32, "%lld s", s);
	else
		snprintf(out, 32, "%lld min", (s + 30) / 60);
	return out;
}

static bool
judge_known(const struct replace_facts *f, char words[REPLACE_WORDS_BYTES])
{
	int64_t without_ns = ends_at(f, f->coming), with_ns = ends_at(f, f->coming + f->gained);
	int64_t gain_ns = without_ns - with_ns;
	bool pays = gain_ns >= least_gain_ns && gain_ns >= without_ns / 10;
	char without[32], with[32];

	show(without, without_ns);
	show(with, with_ns);
	if (without_ns >= for_ever_ns)
		snprintf(words, REPLACE_WORDS_BYTES,
			"%u waiting task%s can run nowhere else, and end in about %s with it",
			f->waiting, f->waiting == 1 ? "" : "s", with);
	else
		snprintf(words, REPLACE_WORDS_BYTES,
			"what is left ends in about %s with it, in %s without", with, without);
	return pays;
}

static bool
judge_unknown(const struct replace_facts *f, char words[REPLACE_WORDS_BYTES])
{
	uint64_t others = f->slots + f->coming;

	snprintf(words, REPLACE_WORDS_BYTES,
		"%u task%s wait%s for %llu slot%s elsewhere, and how long they take is not known",
		f->waiting, f->waiting == 1 ? "" : "s", f->waiting == 1 ? "s" : "",
		(unsigned long long)others, others == 1 ? "" : "s");
	return f->waiting > others;
}

bool
replace_pays(const struct replace_facts *f, char words[REPLACE_WORDS_BYTES])
{
	if (f->waiting == 0 || f->gained == 0) {
		snprintf(words, REPLACE_WORDS_BYTES, "no task waits for a slot");
		return false;
	}
	if (f->left_ns >= 0 && f->boot_ns >= f->left_ns) {
		snprintf(words, REPLACE_WORDS_BYTES,
			"max_duration is over before it could take a task");
		return false;
	}
	if (f->too_dear) {
		snprintf(words, REPLACE_WORDS_BYTES, "max_cost leaves no room for it");
		return false;
	}
	if (f->task_ns < 0 || f->boot_ns < 0)
		return judge_unknown(f, words);
	return judge_known(f, words);
}
