/* state: reading what a golden plan's file says is observed. The format stands in state.h. */
#include "tests/plan/state.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_WORDS = 64, MAX_OFFERS = 16 };

void
test_fail(struct buf *problem, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(problem, fmt, ap);
	va_end(ap);
	buf_add_char(problem, '\n');
}

struct words {
	struct str v[MAX_WORDS];
	size_t n;
	struct str after_first; /* the line from the second word on, as it is */
	struct str after_second;
};

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct str
unquote(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && i + 2 < s.n && hex_digit(s.p[i + 1]) >= 0) {
			p[n++] = (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2]));
			i += 2;
		} else {
			p[n++] = s.p[i];
		}
	}
	return (struct str){.p = p, .n = n};
}

static bool
cut_words(struct arena *a, struct str line, struct words *w)
{
	*w = (struct words){0};
	line = str_trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return false;
	while (line.p && w->n < MAX_WORDS) {
		struct str word = str_cut(&line, ' ');

		if (word.n == 0)
			continue;
		w->v[w->n++] = unquote(a, word);
		if (w->n == 1)
			w->after_first = line;
		if (w->n == 2)
			w->after_second = line;
	}
	return true;
}

static int64_t
number(struct side *s, struct str text)
{
	int64_t n = 0;

	if (!str_to_i64(text, &n))
		test_fail(s->problem, "state: '%.*s' is no number", STR_ARG(text));
	return n;
}

static struct str
hex_of(struct arena *a, struct str seed, size_t n)
{
	struct digest d = digest_of(seed.p, seed.n);
	char *hex = arena_alloc(a, DIGEST_HEX_BYTES);

	digest_hex(hex, &d);
	return (struct str){.p = hex, .n = n};
}

static int
by_path(const void *a, const void *b)
{
	return str_cmp(
		((const struct source_entry *)a)->path, ((const struct source_entry *)b)->path);
}

static void
add_file(struct side *s, struct str path, struct str seed, enum file_mode mode)
{
	struct digest d = digest_of(seed.p, seed.n);
	struct source *source = &s->source;
	struct source_entry *e;

	if (source->n_entries % 256 == 0) {
		e = ARENA_ARRAY(s->arena, struct source_entry, source->n_entries + 256);
		if (source->n_entries)
			memcpy(e, source->entries, source->n_entries * sizeof(*e));
		source->entries = e;
	}
	e = &source->entries[source->n_entries++];
	*e = (struct source_entry){.path = path, .mode = mode, .size_bytes = (int64_t)seed.n};
	memcpy(e->id, d.b, BLOB_ID_BYTES);
}

static void
add_files(struct side *s, int64_t n, struct str prefix, struct str seed)
{
	for (int64_t i = 0; i < n; i++)
		add_file(s, arena_printf(s->arena, "%.*s%05lld", STR_ARG(prefix), (long long)i),
			seed, FILE_REGULAR);
}

static int
by_key(const void *a, const void *b)
{
	return str_cmp(((const struct object *)a)->key, ((const struct object *)b)->key);
}

/* What a listing of the bucket has: keys in order. */
static void
add_object(struct side *s, struct str key, struct str seed)
{
	size_t n = s->inputs.n_objects;
	struct object *v = ARENA_ARRAY(s->arena, struct object, n + 1);
	struct str hex = hex_of(s->arena, seed, 32);

	if (n)
		memcpy(v, s->inputs.objects, n * sizeof(*v));
	v[n] = (struct object){.key = key,
		.etag = arena_printf(s->arena, "\"%.*s\"", STR_ARG(hex)),
		.size_bytes = (int64_t)seed.n};
	qsort(v, n + 1, sizeof(*v), by_key);
	s->inputs.objects = v;
	s->inputs.n_objects = n + 1;
}

static enum file_mode
mode_of(const struct words *w)
{
	if (w->n > 3 && str_is(w->v[3], "x"))
		return FILE_EXECUTABLE;
	return w->n > 3 && str_is(w->v[3], "l") ? FILE_SYMLINK : FILE_REGULAR;
}

/* The statements about what the source is. */
static bool
state_source(struct side *s, const struct words *w)
{
	struct source *src = &s->source;

	if (str_is(w->v[0], "commit") && w->n == 3) {
		src->commit = hex_of(s->arena, w->v[2], 40);
		src->describe =
			arena_printf(s->arena, "%.*s@%.*s", STR_ARG(w->v[1]), 7, src->commit.p);
	} else if (str_is(w->v[0], "dirty") && w->n == 2) {
		src->kind = SOURCE_DIRTY;
		src->patch_sha256 = hex_of(s->arena, w->v[1], 64);
	} else if (str_is(w->v[0], "folder")) {
		src->kind = SOURCE_PATH;
		src->commit = src->describe = (struct str){0};
	} else if (str_is(w->v[0], "untracked") && w->n > 2) {
		src->n_untracked = (size_t)number(s, w->v[1]);
		src->untracked = unquote(s->arena, w->after_second);
	} else if (str_is(w->v[0], "manifest-at") && w->n == 2) {
		src->manifest_path = str_is(w->v[1], "-") ? (struct str){0} : w->v[1];
	} else if (str_is(w->v[0], "file") && w->n >= 3) {
		add_file(s, w->v[1], w->v[2], mode_of(w));
	} else if (str_is(w->v[0], "files") && w->n == 4) {
		add_files(s, number(s, w->v[1]), w->v[2], w->v[3]);
	} else {
		return false;
	}
	return true;
}

/* The statements about the machine and what is ready on it. */
static bool
state_machine(struct side *s, const struct words *w)
{
	struct observed *o = &s->plan.observed;

	if (str_is(w->v[0], "machine") && w->n == 5) {
		o->machine = (struct machine){.name = w->v[1],
			.cpus = number(s, w->v[2]),
			.memory_bytes = number(s, w->v[3]) << 30,
			.arch = str_is(w->v[4], "arm64") ? ARCH_ARM64 : ARCH_X86_64};
	} else if (str_is(w->v[0], "engine") && w->n == 3) {
		o->engine = (struct engine){.name = w->v[1], .version = w->v[2]};
	} else if (str_is(w->v[0], "ready")) {
		for (size_t i = 1; i < w->n; i++) {
			o->source_ready |= str_is(w->v[i], "source");
			o->image_ready |= str_is(w->v[i], "image");
			o->setup_ready |= str_is(w->v[i], "setup");
		}
	} else if (str_is(w->v[0], "image") && w->n == 2) {
		struct str hex = hex_of(s->arena, w->v[1], 64);

		s->inputs.image_digest = arena_printf(s->arena, "sha256:%.*s", STR_ARG(hex));
	} else if (str_is(w->v[0], "object") && w->n == 3) {
		add_object(s, w->v[1], w->v[2]);
	} else if (str_is(w->v[0], "list")) {
		struct str line = w->after_first.p ? unquote(s->arena, w->after_first) : STR("");

		buf_add_str(&s->list, line);
		buf_add_char(&s->list, '\n');
	} else {
		return false;
	}
	return true;
}

static void
state_fleet(struct side *s, const struct words *w)
{
	struct fleet *f = &s->plan.observed.fleet;

	*f = (struct fleet){.there = true,
		.region = STR("us-east-2"),
		.store = STR("s3://furrow-123456789012-us-east-2"),
		.group = STR("furrow-count"),
		.image = STR("ami-1"),
		.offers = ARENA_ARRAY(s->arena, struct offer, MAX_OFFERS),
		.max = (uint32_t)number(s, w->v[4]),
		.warm = ARENA_ARRAY(s->arena, struct warm, MAX_WORDS)};
	f->offers[f->n_offers++] = (struct offer){.type = w->v[1],
		.cpus = number(s, w->v[2]),
		.memory_bytes = number(s, w->v[3]) << 30,
		.slots = (uint32_t)number(s, w->v[2]),
		.instance_usd = -1,
		.interrupted = OFFER_UNRATED};
}

/* "offer TYPE ZONE CPUS GIB on-demand|spot USD-AN-HOUR [BRACKET]": beside those there are; the first
 * takes the place of that of `fleet`. */
static void
state_offer(struct side *s, const struct words *w)
{
	struct fleet *f = &s->plan.observed.fleet;
	struct offer o = {.type = w->v[1],
		.zone = w->v[2],
		.region = {.p = w->v[2].p, .n = w->v[2].n - 1},
		.far = !str_starts(w->v[2], STR("us-east-2")),
		.cpus = number(s, w->v[3]),
		.memory_bytes = number(s, w->v[4]) << 30,
		.spot = str_is(w->v[5], "spot"),
		.instance_usd = strtod(arena_cstr(s->arena, w->v[6]), NULL),
		.interrupted = w->n == 8 ? (int)number(s, w->v[7]) : OFFER_UNRATED};

	o.credits_usd = offer_credits_usd(o.type, o.cpus);
	o.slots = (uint32_t)o.cpus;
	o.weight = o.cpus;
	if (f->n_offers == 1 && !f->offers[0].zone.p)
		f->n_offers = 0;
	if (f->n_offers < MAX_OFFERS)
		f->offers[f->n_offers++] = o;
}

static void
state_warm(struct side *s, const struct words *w)
{
	struct fleet *f = &s->plan.observed.fleet;
	struct warm *warm = &f->warm[f->n_warm++];

	*warm = (struct warm){.id = w->v[1],
		.type = f->offers[0].type,
		.slots = f->offers[0].slots,
		.zone = STR("us-east-2a"),
		.hourly_usd = offer_hourly_usd(&f->offers[0])};
	for (size_t i = 2; i < w->n; i++) {
		warm->source_ready |= str_is(w->v[i], "source");
		warm->setup_ready |= str_is(w->v[i], "setup");
		warm->image_ready |= str_is(w->v[i], "image");
		warm->image_gone |= str_is(w->v[i], "image-gone");
		warm->image_other |= str_is(w->v[i], "image-other");
		warm->container_dead |= str_is(w->v[i], "dead");
		if (str_starts(w->v[i], STR("not:")))
			warm->why_not = str_from_index(w->v[i], 4);
	}
}

/* "region NAME AMI [group]": one of several, where instances may be; with its image, and whether the group is there. */
static void
state_region(struct side *s, const struct words *w)
{
	struct fleet *f = &s->plan.observed.fleet;

	if (!f->regions.n) {
		f->regions.v = ARENA_ARRAY(s->arena, struct str, MAX_WORDS);
		f->group_missing.v = ARENA_ARRAY(s->arena, struct str, MAX_WORDS);
		f->group_ready = true;
		f->image = STR("");
	}
	f->regions.v[f->regions.n++] = w->v[1];
	f->image = arena_printf(s->arena, "%.*s%s%.*s in %.*s", STR_ARG(f->image),
		f->image.n ? ", " : "", STR_ARG(w->v[2]), STR_ARG(w->v[1]));
	if (w->n == 3) {
		f->group_missing.v[f->group_missing.n++] = w->v[1];
		f->group_ready = false;
	}
	for (size_t i = 0; i < f->n_offers; i++) {
		if (str_eq(f->offers[i].region, w->v[1]))
			f->offers[i].image = w->v[2];
	}
}

/* The statements about instances, and what they share. */
static bool
state_cloud(struct side *s, const struct words *w)
{
	struct fleet *f = &s->plan.observed.fleet;

	if (str_is(w->v[0], "fleet") && w->n == 5) {
		state_fleet(s, w);
	} else if (str_is(w->v[0], "setup") && w->n == 2) { /* "none": shared, not stored yet */
		f->setup_shared = true;
		f->shared_bytes = str_is(w->v[1], "none") ? -1 : number(s, w->v[1]);
	} else if (str_is(w->v[0], "warm") && w->n >= 2 && f->warm) {
		state_warm(s, w);
	} else if (str_is(w->v[0], "offer") && w->n >= 7 && f->offers) {
		state_offer(s, w);
	} else if (str_is(w->v[0], "no-prices") && w->n == 1 && f->offers) {
		f->prices_missing = STR("api.pricing did not answer");
	} else if (str_is(w->v[0], "shared")) {
		for (size_t i = 1; i < w->n; i++) {
			f->bucket_ready |= str_is(w->v[i], "bucket");
			f->group_ready |= str_is(w->v[i], "group");
			f->runner_ready |= str_is(w->v[i], "runner");
			f->offers[0].spot |= str_is(w->v[i], "spot");
		}
	} else if (str_is(w->v[0], "region") && w->n >= 3 && f->offers) {
		state_region(s, w);
	} else {
		return false;
	}
	return true;
}

/* The statements about how furrow was called. */
static bool
state_options(struct side *s, const struct words *w)
{
	if (w->n != 2)
		return false;
	if (str_is(w->v[0], "slots"))
		s->plan.slots = (uint32_t)number(s, w->v[1]);
	else if (str_is(w->v[0], "task-time"))
		s->task_time = w->v[1];
	else if (str_is(w->v[0], "infra"))
		s->plan.infra_override = w->v[1];
	else if (str_is(w->v[0], "rev"))
		s->plan.rev = w->v[1];
	else
		return false;
	return true;
}

static bool
is_about_tasks(struct str word)
{
	static const char *const words[] = {"results", "collected", "old", "took", "task"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_is(word, words[i]))
			return true;
	}
	return false;
}

/* Everything that can be known before there are tasks. */
void
side_read_state(struct side *s, struct str text)
{
	static const char defaults[] =
		"commit main 1\nmanifest-at furrow.yaml\nmachine box 2 24 x86_64\nslots 2\n";
	struct str texts[] = {str_from(defaults), text};

	for (int i = 0; i < 2; i++) {
		while (texts[i].p) {
			struct str line = str_cut(&texts[i], '\n');
			struct words w;

			if (!cut_words(s->arena, line, &w) || is_about_tasks(w.v[0]))
				continue;
			if (!state_source(s, &w) && !state_machine(s, &w) && !state_cloud(s, &w) &&
				!state_options(s, &w))
				test_fail(s->problem, "state: don't understand '%.*s'",
					STR_ARG(line));
		}
	}
	if (s->source.n_entries)
		qsort(s->source.entries, s->source.n_entries, sizeof(*s->source.entries), by_path);
	s->inputs.list = s->list.n ? buf_str(&s->list) : (struct str){0};
}

/* Observed things by task. */
struct tasks_state {
	struct digest *results;
	struct collected *collected;
	struct history_entry *history;
	size_t n_results, n_collected, n_history;
};

static struct digest
other_key(struct str label)
{
	return digest_of(label.p, label.n);
}

static void
add_result(struct side *s, struct tasks_state *ts, uint32_t i)
{
	ts->results[ts->n_results++] = s->plan.job.tasks[i].key;
}

static void
add_collected(struct side *s, struct tasks_state *ts, uint32_t i, bool old)
{
	const struct task *task = &s->plan.job.tasks[i];

	ts->collected[ts->n_collected++] =
		(struct collected){.label = job_task_folder(&s->plan.job, i, s->arena),
			.key = old ? other_key(task->label) : task->key};
}

static void
add_for(struct side *s, struct tasks_state *ts, struct str what, struct str label)
{
	const struct job *job = &s->plan.job;
	bool found = str_is(label, "all") || str_is(label, "other");

	if (str_is(label, "other")) {
		if (str_is(what, "results"))
			ts->results[ts->n_results++] = other_key(STR("other"));
		else
			ts->collected[ts->n_collected++] = (struct collected){
				.label = STR("other"), .key = other_key(STR("other"))};
		return;
	}
	for (uint32_t i = 0; i < job->n_tasks; i++) {
		if (!str_is(label, "all") && !str_eq(job->tasks[i].label, label))
			continue;
		found = true;
		if (str_is(what, "results"))
			add_result(s, ts, i);
		else
			add_collected(s, ts, i, str_is(what, "old"));
	}
	if (!found)
		test_fail(s->problem, "state: no task has the label '%.*s'", STR_ARG(label));
}

static void
add_history(struct side *s, struct tasks_state *ts, const struct words *w)
{
	struct history_entry *e = &ts->history[ts->n_history++];
	const struct job *job = &s->plan.job;
	char *end, *seconds = arena_cstr(s->arena, w->v[2]);
	bool is_task = str_is(w->v[0], "task");
	uint32_t index;

	e->ns = (int64_t)(strtod(seconds, &end) * 1e9);
	e->count = 1;
	e->label = is_task ? w->v[1] : w->n > 3 ? w->v[3] : STR("-");
	e->kind = KIND_TASK;
	if (*end)
		test_fail(s->problem, "state: '%s' is no number", seconds);
	if (!is_task && !kind_parse_id(w->v[1], &e->kind, &index) &&
		!kind_parse_id(
			arena_printf(s->arena, "%.*s[0]", STR_ARG(w->v[1])), &e->kind, &index))
		test_fail(s->problem, "state: '%.*s' is no kind", STR_ARG(w->v[1]));
	if (!is_task)
		return;
	e->key = other_key(e->label);
	for (uint32_t i = 0; w->n > 3 && str_is(w->v[3], "this") && i < job->n_tasks; i++) {
		if (str_eq(job->tasks[i].label, e->label))
			e->key = job->tasks[i].key;
	}
}

static int
by_digest(const void *a, const void *b)
{
	return digest_cmp(a, b);
}

static int
by_label(const void *a, const void *b)
{
	return str_cmp(((const struct collected *)a)->label, ((const struct collected *)b)->label);
}

static int
by_kind(const void *a, const void *b)
{
	const struct history_entry *x = a, *y = b;

	return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : str_cmp(x->label, y->label);
}

void
side_read_tasks(struct side *s, struct str text)
{
	size_t cap = s->plan.job.n_tasks + text.n;
	struct tasks_state ts = {.results = ARENA_ARRAY(s->arena, struct digest, cap),
		.collected = ARENA_ARRAY(s->arena, struct collected, cap),
		.history = ARENA_ARRAY(s->arena, struct history_entry, text.n + 1)};
	struct observed *o = &s->plan.observed;

	while (text.p) {
		struct words w;

		if (!cut_words(s->arena, str_cut(&text, '\n'), &w) || !is_about_tasks(w.v[0]))
			continue;
		if (str_is(w.v[0], "took") || str_is(w.v[0], "task")) {
			add_history(s, &ts, &w);
			continue;
		}
		for (size_t i = 1; i < w.n; i++)
			add_for(s, &ts, w.v[0], w.v[i]);
	}
	qsort(ts.results, ts.n_results, sizeof(*ts.results), by_digest);
	qsort(ts.collected, ts.n_collected, sizeof(*ts.collected), by_label);
	qsort(ts.history, ts.n_history, sizeof(*ts.history), by_kind);
	o->results = ts.results;
	o->n_results = ts.n_results;
	o->collected = ts.collected;
	o->n_collected = ts.n_collected;
	o->history = (struct history){.v = ts.history, .n = ts.n_history};
}
