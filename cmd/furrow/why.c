/* why: why a task runs, or where its result came from. */
#include "cmd/furrow/out.h"
#include "cmd/furrow/prepare.h"
#include "cmd/furrow/run_dir.h"
#include "cmd/furrow/text.h"
#include "planner/base/json.h"
#include "planner/base/ulid.h"
#include "providers/store/result.h"

#include <unistd.h>

enum { VALUE_COLUMNS = 72 };

static const char help[] =
	"usage: furrow why [TASK] [options]\n"
	"\n"
	"Says where a task's result came from: which run, when, how long it took, which\n"
	"commit. If it has none, says which part of the task's key is new since its\n"
	"last result. TASK is task[17], or the task's name, or 17\n"
	"when no task has that name.\n"
	"\n"
	"Examples:\n"
	"  furrow why task[17]              by its number\n"
	"  furrow why a.txt                 by its name\n"
	"  furrow why 17 --rev v1.2         as it was at a revision\n"
	"\n"
	"Options:\n"
	"      --rev REV            manifest and sources as of a git revision\n"
	"      --allow-dirty        take the working files as they are\n"
	"      --infra INFRA        instead of the manifest's instances.infra: local, or\n"
	"                           aws/REGION[/ZONE]\n"
	"      --json               print one JSON document\n"
	"  -m, --manifest FILE      the manifest (default: ./furrow.yaml)\n"
	"      --color WHEN         auto, always or never\n"
	"  -h, --help               this text\n"
	"\n"
	"Environment:\n"
	"  FURROW_COLOR, NO_COLOR, FURROW_ENGINE\n"
	"\n"
	"Exit codes:\n"
	"  0    told\n"
	"  3    the host failed\n"
	"  64   there is no such task, or the command line or the manifest is\n"
	"       wrong\n";

struct why {
	struct arena arena;
	const struct job *job;
	const struct task *task;
	uint32_t index;
	bool in_place;
	struct str reason;
	struct pairs record; /* of the key as it is now */
	bool has_last;	     /* last holds: the result under this key, or the one before it */
	struct result last;
	bool last_gone; /* history knows of an earlier result that the store has no more */
	struct str failed_run, failed_error; /* of the latest run, when it tried this very key;
						absent: it didn't */
};

static int
find_task(const struct job *job, const char *word, uint32_t *index, struct error *err)
{
	enum kind kind;

	if (!word && job->n_tasks != 1)
		return error_set(err, ERR_INPUT,
			"why of which task? there are %u: task[0] to task[%u]", job->n_tasks,
			job->n_tasks - 1);
	*index = 0;
	if (!word)
		return 0;
	for (uint32_t i = 0; i < job->n_tasks; i++) {
		*index = i;
		if (str_is(job->tasks[i].label, word))
			return 0;
	}
	if (kind_parse_id(str_from(word), &kind, index) && kind == KIND_TASK &&
		*index < job->n_tasks)
		return 0;
	return error_set(err, ERR_INPUT, "there is no task '%s': there are task[0] to task[%u]",
		word, job->n_tasks - 1);
}

static void
load_last(struct why *w, const struct prepared *p)
{
	const struct history_entry *before =
		history_find(&p->plan.observed.history, KIND_TASK, w->task->label);
	struct digest key = w->task->key;
	struct store *store = p->site->store;

	if (!w->in_place && !before)
		return;
	if (!w->in_place)
		key = before->key;
	if (!store)
		return;
	w->has_last = result_load(store, &w->arena, &w->last, &key, NULL) == 0;
	w->last_gone = !w->has_last && !digest_is_zero(&key);
}

/* What the latest run made of the task, when it tried the same key and failed. */
static void
load_failure(struct why *w, const struct prepared *p)
{
	struct run_dir run;
	struct run_tasks tasks;
	struct timings timings;

	if (run_dir_find(&w->arena, &p->state, NULL, &run, NULL) != 0)
		return;
	run_tasks_read(&w->arena, run.path, &tasks);
	for (size_t i = 0; i < tasks.n; i++) {
		const struct timing_node *n;

		if (digest_cmp(&tasks.v[i].key, &w->task->key) != 0 ||
			run_dir_timings(&w->arena, &run, &timings, NULL) != 0)
			continue;
		n = timings_find(&timings, KIND_TASK, tasks.v[i].index);
		if (!n || n->state != NODE_FAILED || n->n_attempts == 0)
			return;
		w->failed_run = str_from(run.id);
		w->failed_error = n->attempts[n->n_attempts - 1].error;
		return;
	}
}

static void
gather(struct why *w, const struct prepared *p, uint32_t index)
{
	w->job = &p->plan.job;
	w->index = index;
	w->task = &w->job->tasks[index];
	w->in_place = !p->plan.changes.task_runs[index];
	w->reason = diff_task_reason(&p->plan.changes, w->job, &p->plan.observed, index);
	job_task_record(w->job, index, &w->arena, &w->record);
	load_last(w, p);
	if (!w->in_place)
		load_failure(w, p);
}

/* The value of a part in a record; absent when it isn't there. */
static struct str
part_of(const struct pairs *record, struct str name)
{
	for (size_t i = 0; i < record->n; i++) {
		if (str_eq(record->v[i].name, name))
			return record->v[i].value;
	}
	return (struct str){0};
}

static void
add_origin(struct buf *b, const struct result *r)
{
	const struct clock *clock = clock_system();
	char took[TEXT_BYTES], ago[TEXT_BYTES];
	int64_t then = ulid_wall_ns(r->run);

	buf_addf(b, "run %.*s", STR_ARG(r->run));
	if (then)
		buf_addf(b, ", %s", text_ago(ago, clock->wall_ns(clock->ctx) - then));
	buf_addf(b, ", took %s", text_duration(took, r->outcome.ended_ns - r->outcome.begun_ns));
	if (r->attempt > 1)
		buf_addf(b, " at attempt %u", r->attempt);
	if (r->commit.n)
		buf_addf(b, ", commit %.*s%s", (int)(r->commit.n < 12 ? r->commit.n : 12),
			r->commit.p, r->patch_sha256.n ? " with uncommitted changes" : "");
	buf_add_char(b, '\n');
}

static void
add_changed(struct buf *b, const struct why *w, bool color)
{
	bool any = false;

	for (size_t i = 0; i < w->record.n; i++) {
		struct str name = w->record.v[i].name, is = w->record.v[i].value;
		struct str was = part_of(&w->last.record, name);

		if (str_eq(was, is))
			continue;
		any = true;
		buf_addf(b, "  %s%-12.*s%s ", out_ink(color, INK_BOLD), STR_ARG(name),
			out_ink(color, INK_PLAIN));
		text_add_safe(b, was.p ? was : STR("(none)"), VALUE_COLUMNS);
		buf_addf(b, "\n               %s->%s ", out_ink(color, INK_YELLOW),
			out_ink(color, INK_PLAIN));
		text_add_safe(b, is.p ? is : STR("(none)"), VALUE_COLUMNS);
		buf_add_char(b, '\n');
	}
	if (!any)
		buf_add_cstr(b, "  (no part that the record shows)\n");
}

static void
write_text(struct buf *b, const struct why *w, bool color)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, &w->task->key);
	buf_addf(b, "%stask[%u] %.*s%s: ", out_ink(color, INK_BOLD), w->index,
		STR_ARG(w->task->label), out_ink(color, INK_PLAIN));
	buf_addf(b, "%s%.*s\n  key          %s\n", w->in_place ? "" : "runs: ", STR_ARG(w->reason),
		hex);
	if (w->has_last) {
		buf_addf(b, "  %s ", w->in_place ? "result of   " : "last result ");
		add_origin(b, &w->last);
	} else if (w->last_gone) {
		buf_add_cstr(b, "  last result  is no longer in the store\n");
	}
	if (w->failed_run.p) {
		buf_addf(b, "  failed in    run %.*s: ", STR_ARG(w->failed_run));
		text_add_safe(b, text_first_line(w->failed_error), 160);
		buf_add_char(b, '\n');
	}
	if (!w->in_place && w->has_last) {
		buf_add_cstr(b, "\nnew in its key since then:\n");
		add_changed(b, w, color);
	}
}

static void
add_last_json(struct buf *b, const struct why *w)
{
	json_add_name(b, w->in_place ? "result" : "last_result");
	buf_add_char(b, '{');
	json_add_member_string(b, "run", w->last.run);
	json_add_member_string(b, "begun", w->last.begun);
	json_add_name(b, "s");
	json_add_seconds(b, w->last.outcome.ended_ns - w->last.outcome.begun_ns);
	json_add_member_int(b, "attempt", w->last.attempt);
	json_add_member_string(b, "commit", w->last.commit);
	json_add_member_bool(b, "dirty", w->last.patch_sha256.n > 0);
	buf_add_char(b, '}');
}

static void
write_json(struct buf *b, const struct why *w)
{
	char id[KIND_ID_BYTES], hex[DIGEST_HEX_BYTES];

	kind_id(id, KIND_TASK, w->index);
	digest_hex(hex, &w->task->key);
	buf_add_char(b, '{');
	json_add_member_int(b, "furrow_why", 1);
	json_add_member_string(b, "id", str_from(id));
	json_add_member_string(b, "label", w->task->label);
	json_add_member_string(b, "key", str_from(hex));
	json_add_member_bool(b, "in_place", w->in_place);
	json_add_member_string(b, "reason", w->reason);
	if (w->has_last)
		add_last_json(b, w);
	if (w->failed_run.p) {
		json_add_member_string(b, "failed_run", w->failed_run);
		json_add_member_string(b, "failed_error", w->failed_error);
	}
	json_add_name(b, "changed");
	buf_add_char(b, '[');
	for (size_t i = 0; i < w->record.n && w->has_last && !w->in_place; i++) {
		struct str was = part_of(&w->last.record, w->record.v[i].name);

		if (str_eq(was, w->record.v[i].value))
			continue;
		buf_add_cstr(b, b->p[b->n - 1] == '}' ? ",{" : "{");
		json_add_member_string(b, "part", w->record.v[i].name);
		json_add_member_string(b, "was", was);
		json_add_member_string(b, "is", w->record.v[i].value);
		buf_add_char(b, '}');
	}
	buf_add_cstr(b, "]}\n");
}

static int
print(struct why *w, const struct options *o)
{
	struct buf b = {0};
	int status;

	if (o->json)
		write_json(&b, w);
	else
		write_text(&b, w, out_color(STDOUT_FILENO, o->config.color));
	status = out_data(&b);
	buf_free(&b);
	return status;
}

static int
run(int argc, char **argv)
{
	struct prepared p = {0};
	struct why w = {0};
	struct options o;
	struct error err;
	uint32_t index = 0;
	int status = options_parse(
		&o, &command_why, "rev allow-dirty infra json manifest color", 1, argc, argv);

	if (status >= 0)
		return status;
	if (prepare_plan(&p, &o, NULL, &err) < 0 ||
		find_task(&p.plan.job, options_arg(&o, 0), &index, &err) < 0) {
		status = out_fail(&err);
	} else {
		gather(&w, &p, index);
		status = print(&w, &o);
	}
	arena_free(&w.arena);
	prepare_close(&p);
	return status;
}

const struct command command_why = {
	.name = "why",
	.summary = "why a task runs, or where its result came from",
	.help = help,
	.run = run,
};
