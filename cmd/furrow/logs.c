/* logs: what tasks said: from the run's folder while it runs and for what failed, else from the
 * store. */
#include "cmd/furrow/file.h"
#include "cmd/furrow/find_store.h"
#include "cmd/furrow/in_place.h"
#include "cmd/furrow/kept.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/place.h"
#include "cmd/furrow/run_dir.h"
#include "cmd/furrow/text.h"
#include "planner/base/clock.h"
#include "planner/base/json.h"
#include "providers/store/lock.h"
#include "providers/store/result.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
	"usage: furrow logs [RUN] [TASK] [options]\n"
	"\n"
	"Prints what tasks of a run wrote to stdout and stderr: all of them, or one.\n"
	"RUN is `latest` (the default), ^1 for the one before, or the beginning of a\n"
	"run's id; TASK is task[7], or the task's name, or 7. Of a task that the latest run\n"
	"found in place, it prints what the run that made its result left.\n"
	"\n"
	"Examples:\n"
	"  furrow logs task[7]              of the latest run\n"
	"  furrow logs -f a.txt             go on until the task ends\n"
	"  furrow logs ^1 7 --stderr        one stream, of the run before the latest\n"
	"\n"
	"Options:\n"
	"  -f, --follow             print what comes until the task ends (one task)\n"
	"      --stdout             only what went to stdout\n"
	"      --stderr             only what went to stderr\n"
	"      --attempt N          of the N-th attempt, not of the last\n"
	"      --json               print one JSON document\n"
	"  -m, --manifest FILE      its folder has the runs (default: furrow.yaml)\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  nothing of its own\n"
	"\n"
	"Exit codes:\n"
	"  0    printed\n"
	"  3    reading failed\n"
	"  64   there is no such run or task\n";

enum { STREAMS = 2, STATUS_UNREAD = 3 };
static const char *const stream_names[STREAMS] = {"stdout", "stderr"};

struct logs {
	struct arena arena;
	struct arena journal; /* what timings are made of: read anew while one follows */
	struct options options;
	struct place place;
	struct state_dir state;
	struct run_dir run;
	struct run_tasks tasks;
	struct timings timings;
	struct found_store where;
	struct store *store; /* of it; NULL: none there */
	bool in_place;	     /* the task did not run: `stored` is its result, of an earlier run */
	struct run_task found;
	struct result stored;
	struct buf out;
	uint32_t n_unread; /* streams that could not be read, of which the first was told */
};

static bool
wanted(const struct logs *l, int stream)
{
	return stream == 0 ? !l->options.only_stderr : !l->options.only_stdout;
}

static int
load_timings(struct logs *l, struct error *err)
{
	arena_reset(&l->journal);
	return run_dir_timings(&l->journal, &l->run, &l->timings, err);
}

/* How often a task was begun. */
static uint32_t
last_attempt(const struct logs *l, const struct run_task *t)
{
	const struct timing_node *n = timings_find(&l->timings, KIND_TASK, t->index);

	return n && n->n_attempts ? n->attempts[n->n_attempts - 1].attempt : 0;
}

/* The attempt to show: the one that was asked for, else the last that began; 0: there was none. */
static uint32_t
attempt_of(const struct logs *l, const struct run_task *t)
{
	uint32_t last = last_attempt(l, t);

	if (l->in_place)
		return l->stored.attempt;
	if (l->options.attempt && (l->options.follow || l->options.attempt <= last))
		return (uint32_t)l->options.attempt;
	return l->options.attempt ? 0 : last;
}

static bool
still_runs(struct logs *l)
{
	char run[32];

	return lock_holder(l->state.lock, run) != 0 && strcmp(run, l->run.id) == 0;
}

/* An attempt that was asked for by number and never was; one that may still come can be followed. */
static int
check_attempt(struct logs *l, const struct run_task *t, struct error *err)
{
	uint32_t last = last_attempt(l, t);

	if (l->in_place || !l->options.attempt || l->options.attempt <= last ||
		(l->options.follow && still_runs(l)))
		return 0;
	return error_set(err, ERR_INPUT, "run %s: task[%u] %.*s has no attempt %u: there %s %u",
		l->run.id, t->index, STR_ARG(t->label), (uint32_t)l->options.attempt,
		last == 1 ? "is" : "are", last);
}

/* What is known of an attempt's process; NULL: nothing, or not yet. */
static const struct outcome *
outcome_of(const struct logs *l, const struct run_task *t, uint32_t attempt)
{
	const struct timing_node *n = timings_find(&l->timings, KIND_TASK, t->index);

	if (l->in_place)
		return &l->stored.outcome;
	for (uint32_t i = 0; n && i < n->n_attempts; i++) {
		if (n->attempts[i].attempt == attempt && n->attempts[i].outcome.ran)
			return &n->attempts[i].outcome;
	}
	return NULL;
}

/* Words, not data: what is printed is as the task wrote it. */
static void
say_kept(const struct logs *l, const struct run_task *t, uint32_t attempt)
{
	const struct outcome *o = outcome_of(l, t, attempt);
	struct buf b = {0};

	if (!o || !kept_less(o))
		return;
	kept_add(&b, o);
	out_say("furrow: task[%u] %.*s: only %s was kept", t->index, STR_ARG(t->label),
		buf_cstr(&b));
	buf_free(&b);
}

/* Of one task that was asked for: why there may be nothing to print. */
static void
say_end(const struct logs *l, const struct run_task *t, uint32_t attempt)
{
	const struct timing_node *n = timings_find(&l->timings, KIND_TASK, t->index);

	if (l->in_place)
		return;
	if (!attempt)
		out_say("furrow: task[%u] %.*s did not run", t->index, STR_ARG(t->label));
	for (uint32_t i = 0; n && i < n->n_attempts; i++) {
		struct str why = text_first_line(n->attempts[i].error);

		if (n->attempts[i].attempt == attempt && why.n)
			out_say("furrow: task[%u] %.*s: %.*s", t->index, STR_ARG(t->label),
				STR_ARG(why));
	}
}

static int
open_live(const struct logs *l, const struct run_task *t, uint32_t attempt, int stream)
{
	struct arena a = {0};
	int fd = open(arena_printf(&a, "%s/logs/%u.%u.%s", l->run.path, t->index, attempt,
			      stream_names[stream])
			      .p,
		O_RDONLY | O_CLOEXEC);

	arena_free(&a);
	return fd;
}

/* What is there and could not be read is no empty stream. */
static void
say_unread(struct logs *l, const struct run_task *t, int stream, const struct error *why)
{
	if (l->n_unread++ == 0)
		out_say("furrow: task[%u] %.*s: its %s could not be read: %s", t->index,
			STR_ARG(t->label), stream_names[stream], why->message);
}

/* Appends all of fd to l->out, or prints it as it comes. Closes fd. Returns an exit status. */
static int
take_fd(struct logs *l, const struct run_task *t, int stream, int fd, bool print)
{
	struct error err;
	int status = 0;

	for (;;) {
		ssize_t n = read(fd, buf_reserve(&l->out, 64 << 10), 64 << 10);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			error_set_errno(&err, ERR_HOST, errno, "read");
			say_unread(l, t, stream, &err);
		}
		if (n <= 0)
			break;
		l->out.n += (size_t)n;
		if (print && (status = out_data(&l->out)) != 0)
			break;
	}
	close(fd);
	return status;
}

/* Opens what is no part of result.json, or adds what is to l->out (*fd < 0 then). */
static int
open_stored(struct logs *l, const struct run_task *t, int stream, int *fd, struct error *err)
{
	char name[STORE_NAME_BYTES];
	struct arena a = {0};
	struct result result;
	struct str text;
	int64_t size;
	int rc;

	*fd = -1;
	if (!l->store)
		return error_set(err, ERR_HOST, "it lies in the store, which was not reached");
	rc = result_load(l->store, &a, &result, &t->key, err);
	if (rc == 0) {
		text = stream == 0 ? result.stdout_text : result.stderr_text;
		buf_add_str(&l->out, text);
		store_result_name(name, &t->key, stream_names[stream]);
		if (!text.p)
			rc = store_open(l->store, name, fd, &size, err);
	}
	arena_free(&a);
	return rc;
}

/* The stream of the attempt that became the result. */
static int
take_stored(struct logs *l, const struct run_task *t, uint32_t attempt, int stream, bool print)
{
	const struct outcome *o = outcome_of(l, t, attempt);
	struct error err;
	int fd;

	if (o && (stream == 0 ? o->stdout_kept_bytes : o->stderr_kept_bytes) == 0)
		return 0;
	if (open_stored(l, t, stream, &fd, &err) < 0)
		say_unread(l, t, stream, &err);
	else if (fd >= 0)
		return take_fd(l, t, stream, fd, print);
	return print ? out_data(&l->out) : 0;
}

static int
take_stream(struct logs *l, const struct run_task *t, uint32_t attempt, int stream, bool print)
{
	const struct timing_node *n = timings_find(&l->timings, KIND_TASK, t->index);
	int fd = l->in_place ? -1 : open_live(l, t, attempt, stream);

	if (fd >= 0)
		return take_fd(l, t, stream, fd, print);
	if (l->in_place)
		return take_stored(l, t, attempt, stream, print);
	/* Only the last attempt of what went well is in the store. */
	if (n && n->state == NODE_OK && n->attempts[n->n_attempts - 1].attempt == attempt)
		return take_stored(l, t, attempt, stream, print);
	return 0;
}

static int
print_task(struct logs *l, const struct run_task *t, bool heading)
{
	uint32_t attempt;
	int status = 0;

	assert(t);
	attempt = attempt_of(l, t);
	if (heading) {
		buf_addf(&l->out, "==> task[%u] %.*s%s <==\n", t->index, STR_ARG(t->label),
			attempt		     ? ""
			: last_attempt(l, t) ? " (has no such attempt)"
					     : " (did not run)");
		status = out_data(&l->out);
	}
	for (int i = 0; i < STREAMS && status == 0 && attempt; i++) {
		if (wanted(l, i))
			status = take_stream(l, t, attempt, i, true);
	}
	say_kept(l, t, attempt);
	if (!heading && status == 0)
		say_end(l, t, attempt);
	return status;
}

static void
add_task_json(struct logs *l, struct buf *doc, const struct run_task *t)
{
	const struct outcome *outcome;
	char id[KIND_ID_BYTES];
	uint32_t attempt;

	assert(t);
	attempt = attempt_of(l, t);
	outcome = outcome_of(l, t, attempt);
	kind_id(id, KIND_TASK, t->index);
	buf_add_char(doc, '{');
	json_add_member_string(doc, "id", str_from(id));
	json_add_member_string(doc, "label", t->label);
	json_add_member_int(doc, "attempt", attempt);
	if (outcome)
		kept_add_json(doc, outcome);
	for (int i = 0; i < STREAMS && attempt; i++) {
		uint32_t n_unread = l->n_unread;
		struct str text = STR("");

		if (!wanted(l, i))
			continue;
		buf_clear(&l->out);
		take_stream(l, t, attempt, i, false);
		if (l->out.n)
			text = buf_str(&l->out);
		if (l->n_unread > n_unread)
			text = (struct str){0};
		json_add_member_string(doc, stream_names[i], text);
	}
	buf_add_char(doc, '}');
}

static int
print_json(struct logs *l, const struct run_task *only)
{
	struct buf doc = {0};
	int status;

	buf_add_char(&doc, '{');
	json_add_member_int(&doc, "furrow_logs", 1);
	json_add_member_string(&doc, "run", l->in_place ? l->stored.run : str_from(l->run.id));
	json_add_name(&doc, "tasks");
	buf_add_char(&doc, '[');
	if (only)
		add_task_json(l, &doc, only);
	for (size_t i = 0; i < l->tasks.n && !only; i++) {
		buf_add_cstr(&doc, i ? "," : "");
		add_task_json(l, &doc, &l->tasks.v[i]);
	}
	buf_add_cstr(&doc, "]}\n");
	status = out_data(&doc);
	buf_free(&doc);
	return status;
}

/* Prints what is new in the streams of an attempt. The files stay ours when they go over into the
 * store. */
static int
print_new(struct logs *l, const struct run_task *t, uint32_t attempt, int fds[STREAMS])
{
	int status = 0;

	for (int i = 0; i < STREAMS && status == 0; i++) {
		ssize_t n;

		if (!wanted(l, i))
			continue;
		if (fds[i] < 0)
			fds[i] = open_live(l, t, attempt, i);
		while (status == 0 && fds[i] >= 0 &&
			(n = read(fds[i], buf_reserve(&l->out, 64 << 10), 64 << 10)) > 0) {
			l->out.n += (size_t)n;
			status = out_data(&l->out);
		}
	}
	return status;
}

/* Sleeps ten times as long as looking took, so that a long journal doesn't keep us busy. */
static void
pause_after(int64_t looked_ns)
{
	int64_t ns = 10 * looked_ns;

	if (ns < NS_PER_S / 10)
		ns = NS_PER_S / 10;
	if (ns > 2 * NS_PER_S)
		ns = 2 * NS_PER_S;
	nanosleep(&(struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S}, NULL);
}

/* Looks at the journal, then prints what is new: so it is complete when the journal says that the
 * attempt ended. */
static int
look(struct logs *l, const struct run_task *t, uint32_t attempt, int fds[STREAMS], bool *ended,
	bool *next)
{
	const struct timing_node *n;
	bool runs = still_runs(l);
	struct error err;

	if (load_timings(l, &err) < 0)
		return out_fail(&err);
	n = timings_find(&l->timings, KIND_TASK, t->index);
	*ended = !runs || !n || n->state == NODE_CANCELLED ||
		 (n->n_attempts >= attempt && n->attempts[attempt - 1].state != NODE_RUNNING);
	*next = *ended && runs && n && n->end_ns < 0 && n->state != NODE_CANCELLED;
	return print_new(l, t, attempt, fds);
}

/* Streams an attempt until it ended. *next: whether another attempt follows. */
static int
follow_attempt(struct logs *l, const struct run_task *t, uint32_t attempt, bool *next)
{
	const struct clock *clock = clock_system();
	int fds[STREAMS] = {-1, -1};
	bool ended = false;
	int status = 0;

	while (status == 0 && !ended) {
		int64_t before = clock->now_ns(clock->ctx);

		status = look(l, t, attempt, fds, &ended, next);
		if (status == 0 && !ended)
			pause_after(clock->now_ns(clock->ctx) - before);
	}
	for (int i = 0; i < STREAMS; i++) {
		/* It may have been stored before we saw a file of it. */
		if (status == 0 && wanted(l, i) && fds[i] < 0)
			status = take_stream(l, t, attempt, i, true);
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return status;
}

static int
follow(struct logs *l, const struct run_task *t)
{
	uint32_t attempt = attempt_of(l, t);
	bool next = true;
	int status = 0;

	for (attempt = attempt ? attempt : 1; next && status == 0; attempt++) {
		status = follow_attempt(l, t, attempt, &next);
		say_kept(l, t, attempt);
	}
	return status;
}

/* One argument alone is a run when there is one like that, else a task of the latest. */
static int
find_run(struct logs *l, const char **task, struct error *err)
{
	const char *first = options_arg(&l->options, 0), *second = options_arg(&l->options, 1);
	bool only_run;
	int rc;

	*task = second;
	if (!first || second)
		return run_dir_find(&l->arena, &l->state, first, &l->run, err);
	only_run = first[0] == '^' || strcmp(first, "latest") == 0;
	if (run_dir_is_spec(first)) {
		rc = run_dir_find(&l->arena, &l->state, first, &l->run, err);
		if (rc == 0 || only_run)
			return rc;
	}
	*task = first;
	return run_dir_find(&l->arena, &l->state, NULL, &l->run, err);
}

/* A task that the latest run found in place: what it said is with its result. */
static bool
find_in_place(struct logs *l, const char *name, const struct run_task **task)
{
	struct run_dir latest;

	if (!l->store || run_dir_find(&l->arena, &l->state, NULL, &latest, NULL) != 0 ||
		strcmp(latest.id, l->run.id) != 0 ||
		!in_place_find(&l->arena, &l->options, name, &l->found) ||
		result_load(l->store, &l->arena, &l->stored, &l->found.key, NULL) != 0 ||
		(l->options.attempt && l->options.attempt != l->stored.attempt))
		return false;
	*task = &l->found;
	l->in_place = true;
	out_say("task[%u] %.*s did not run in %s: its result is of run %.*s", l->found.index,
		STR_ARG(l->found.label), l->run.id, STR_ARG(l->stored.run));
	return true;
}

/* Which run, and which task (NULL: all), the arguments mean. */
static int
find(struct logs *l, const struct run_task **task, struct error *err)
{
	const char *name;
	int rc = find_run(l, &name, err);

	if (rc < 0)
		return rc;
	run_tasks_read(&l->arena, l->run.path, &l->tasks);
	*task = NULL;
	rc = name ? run_tasks_named(&l->tasks, name, task, err) : 0;
	if (rc < 0 && !find_in_place(l, name, task))
		return error_wrap(err, "run %s", l->run.id);
	return load_timings(l, err);
}

static int
print(struct logs *l, const struct run_task *task)
{
	struct error err;
	int status = 0;

	run_dir_say_begun(&l->run);
	if (!task && l->tasks.n == 1)
		task = l->tasks.v;
	if (task && check_attempt(l, task, &err) < 0)
		return out_fail(&err);
	if (l->options.follow && !task)
		return out_usage("logs: -f follows one task: say which");
	if (l->options.follow && !l->in_place)
		return follow(l, task);
	if (l->options.json)
		return print_json(l, task);
	if (task)
		return print_task(l, task, false);
	for (size_t i = 0; i < l->tasks.n && status == 0; i++)
		status = print_task(l, &l->tasks.v[i], true);
	return status;
}

static int
run(int argc, char **argv)
{
	const struct run_task *task;
	struct logs l = {0};
	struct error err;
	int status = options_parse(&l.options, &command_logs,
		"follow stdout stderr attempt json manifest", 2, argc, argv);

	if (status >= 0)
		return status;
	if (l.options.follow && l.options.json)
		return out_usage("logs: -f and --json at once; choose one");
	if (l.options.only_stdout && l.options.only_stderr)
		l.options.only_stdout = l.options.only_stderr = false;
	if (place_find(&l.arena, &l.place, l.options.manifest, &err) < 0 ||
		place_state(&l.arena, &l.state, &l.place, &err) < 0) {
		status = out_fail(&err);
	} else {
		find_store(
			&l.where, &l.arena, &l.place, &l.state, find_manifest(&l.arena, &l.place));
		l.store = l.where.store;
		status = find(&l, &task, &err) < 0 ? out_fail(&err) : print(&l, task);
		if (l.n_unread > 1)
			out_say("furrow: %u streams could not be read in all", l.n_unread);
		if (l.n_unread && status == 0)
			status = STATUS_UNREAD;
	}
	find_store_close(&l.where);
	buf_free(&l.out);
	arena_free(&l.journal);
	arena_free(&l.arena);
	return status;
}

const struct command command_logs = {
	.name = "logs",
	.summary = "what tasks wrote to stdout and stderr",
	.help = help,
	.run = run,
};
