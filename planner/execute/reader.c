/* reader: lines of a journal (the format stands on top of journal.c), and those about the run as a
 * whole. */
#include "planner/execute/reader.h"

#include "planner/base/error.h"
#include "planner/execute/journal.h"

int
reader_refuse(struct reader *r, const char *fmt, ...)
{
	struct buf what = {0};
	va_list ap;
	int code;

	va_start(ap, fmt);
	buf_vaddf(&what, fmt, ap);
	va_end(ap);
	code = error_set(
		r->err, ERR_INPUT, "%.*s:%u: %s", STR_ARG(r->name), r->line, buf_cstr(&what));
	if (r->err)
		r->err->line = r->line;
	buf_free(&what);
	return code;
}

bool
reader_member(struct event *e)
{
	while (scan_member(&e->scan, &e->key)) {
		if (str_is(e->key, "n"))
			e->n = scan_count(&e->scan);
		else if (str_is(e->key, "t"))
			e->t_ns = scan_count(&e->scan);
		else if (str_is(e->key, "span"))
			e->span = scan_string(&e->scan);
		else
			return true;
	}
	scan_end(&e->scan);
	return false;
}

int
reader_check(struct reader *r, const struct event *e)
{
	if (e->scan.bad || e->n < 0)
		return reader_refuse(r, "this is no event of a journal (was the file edited?)");
	if (e->n != (int64_t)r->line - 1)
		return reader_refuse(r,
			"it says that it is number %lld where number %u belongs: lines are missing "
			"or were added",
			(long long)e->n, r->line - 1);
	return 0;
}

int
reader_check_timed(struct reader *r, const struct event *e)
{
	int code = reader_check(r, e);

	if (code)
		return code;
	if (e->t_ns < r->last_ns)
		return reader_refuse(r,
			"its time, %lld ns, is before that of the line above (%lld ns)",
			(long long)e->t_ns, (long long)r->last_ns);
	r->last_ns = e->t_ns;
	return 0;
}

void *
reader_grow(struct reader *r, void *v, size_t n, size_t more, size_t *cap, size_t size)
{
	void *bigger;

	if (more <= *cap - n)
		return v;
	*cap += *cap / 4;
	if (*cap < n + more)
		*cap = n + more;
	bigger = arena_alloc_array(r->a, *cap, size);
	if (n)
		memcpy(bigger, v, n * size);
	return bigger;
}

uint32_t
reader_narrow(int64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

int
reader_small(struct scan *s)
{
	int64_t value = scan_int(s);

	if (value < INT32_MIN || value > INT32_MAX) {
		s->bad = true;
		return 0;
	}
	return (int)value;
}

static void
read_said(struct scan *s, struct timings *t)
{
	struct str key;

	scan_object(s);
	while (scan_member(s, &key)) {
		if (str_is(key, "s"))
			t->said_ns = scan_count(s);
		else if (str_is(key, "nusd"))
			t->said_usd = reader_usd(scan_int(s));
		else
			scan_skip(s);
	}
}

int
reader_head(struct reader *r, struct event *e)
{
	struct timings *t = r->t;
	int64_t version = 0;
	const struct {
		const char *name;
		struct str *to;
	} texts[] = {{"run", &t->run}, {"trace", &t->trace}, {"job", &t->job}, {"infra", &t->infra},
		{"commit", &t->commit}, {"manifest", &t->manifest},
		{"manifest_path", &t->manifest_path}, {"plan", &t->plan}, {"patch", &t->patch},
		{"wall0", &t->wall0}};
	const size_t n_texts = sizeof(texts) / sizeof(texts[0]);
	int code;

	while (reader_member(e)) {
		size_t i;

		for (i = 0; i < n_texts && !str_is(e->key, texts[i].name); i++)
			;
		if (i < n_texts)
			*texts[i].to = arena_str(r->a, scan_string(&e->scan));
		else if (str_is(e->key, "v"))
			version = scan_count(&e->scan);
		else if (str_is(e->key, "dirty"))
			t->dirty = scan_bool(&e->scan);
		else if (str_is(e->key, "pid"))
			t->pid = scan_int(&e->scan);
		else if (str_is(e->key, "tasks"))
			t->n_tasks = reader_narrow(scan_count(&e->scan));
		else if (str_is(e->key, "in_place"))
			t->n_in_place = reader_narrow(scan_count(&e->scan));
		else if (str_is(e->key, "said"))
			read_said(&e->scan, t);
		else
			scan_skip(&e->scan);
		if (version > JOURNAL_VERSION)
			return reader_refuse(r,
				"it was written by a newer furrow (journal version %lld; this one "
				"reads %d): use that one to read it",
				(long long)version, JOURNAL_VERSION);
	}
	code = reader_check(r, e);
	if (code)
		return code;
	if (version != JOURNAL_VERSION || !t->run.n)
		return reader_refuse(
			r, "this is no journal of furrow: its head lacks \"v\" or \"run\"");
	if (e->span.n == 16)
		memcpy(t->span, e->span.p, 16);
	return 0;
}

int
reader_done(struct reader *r, struct event *e)
{
	struct timings *t = r->t;

	while (reader_member(e)) {
		if (str_is(e->key, "exit"))
			t->exit_code = reader_small(&e->scan);
		else if (str_is(e->key, "interrupted"))
			t->interrupted = scan_bool(&e->scan);
		else if (str_is(e->key, "out_of_time"))
			t->out_of_time = scan_bool(&e->scan);
		else if (str_is(e->key, "out_of_money"))
			t->out_of_money = scan_bool(&e->scan);
		else if (str_is(e->key, "nusd"))
			t->usd = reader_usd(scan_count(&e->scan));
		else if (str_is(e->key, "least"))
			t->usd_least = scan_bool(&e->scan);
		else if (str_is(e->key, "tasks_ok"))
			t->tasks_ok = reader_narrow(scan_count(&e->scan));
		else if (str_is(e->key, "tasks_failed"))
			t->tasks_failed = reader_narrow(scan_count(&e->scan));
		else if (str_is(e->key, "tasks_cancelled"))
			t->tasks_cancelled = reader_narrow(scan_count(&e->scan));
		else
			scan_skip(&e->scan);
	}
	t->done = true;
	return reader_check_timed(r, e);
}
