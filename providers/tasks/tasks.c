/* tasks: tasks on their way: from the executor to the session, and from what the session tells to a
 * result in the store. */
#include "providers/tasks/internal.h"

#include "planner/base/protocol.h"
#include "providers/store/result.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const stream_names[STREAMS] = {"stdout", "stderr"};

void
tasks_open(struct tasks **out, const struct tasks_config *config)
{
	struct tasks *all = mem_alloc(sizeof(*all));

	*all = (struct tasks){.config = *config, .job = &config->plan->job};
	pthread_mutex_init(&all->lock, NULL);
	pthread_cond_init(&all->offers.changed, NULL);
	all->v = mem_alloc(all->job->n_tasks * sizeof(struct task_run *));
	memset(all->v, 0, all->job->n_tasks * sizeof(struct task_run *));
	all->left_nothing = mem_alloc(all->job->n_tasks * sizeof(bool));
	memset(all->left_nothing, 0, all->job->n_tasks * sizeof(bool));
	atomic_init(&all->n_left, config->plan->changes.n_tasks_run);
	*out = all;
}

void
tasks_close(struct tasks *all)
{
	if (!all)
		return;
	offers_end(all);
	pthread_cond_destroy(&all->offers.changed);
	pthread_mutex_destroy(&all->lock);
	free(all->v);
	free(all->left_nothing);
	free(all);
}

uint32_t
tasks_left(struct tasks *all)
{
	return atomic_load(&all->n_left);
}

struct collect_item *
tasks_to_collect(struct tasks *all, struct arena *a)
{
	const struct job *job = all->job;
	struct collect_item *items = ARENA_ARRAY(a, struct collect_item, job->n_tasks);

	for (uint32_t i = 0; i < job->n_tasks; i++)
		items[i] = (struct collect_item){.key = job->tasks[i].key,
			.folder = job_task_folder(job, i, a),
			.is_empty = all->left_nothing[i]};
	return items;
}

struct task_run *
task_find_locked(struct runner *r, uint64_t id)
{
	uint64_t index = (id & UINT32_MAX) - 1;
	struct task_run *t = index < r->tasks->job->n_tasks ? r->tasks->v[index] : NULL;

	return t && t->id == id && t->runner == r ? t : NULL;
}

static struct task_run *
find(struct runner *r, uint64_t id)
{
	struct task_run *t;

	pthread_mutex_lock(&r->tasks->lock);
	t = task_find_locked(r, id);
	pthread_mutex_unlock(&r->tasks->lock);
	return t;
}

struct task_run *
task_take(struct runner *r, uint64_t id)
{
	struct task_run *t;

	pthread_mutex_lock(&r->tasks->lock);
	t = task_find_locked(r, id);
	if (t)
		r->tasks->v[t->index] = NULL;
	pthread_mutex_unlock(&r->tasks->lock);
	return t;
}

static void
log_path(struct buf *out, const struct task_run *t, int stream)
{
	buf_clear(out);
	buf_addf(out, "%s/%u.%u.%s", t->all->config.logs, t->index, t->attempt,
		stream_names[stream]);
}

void
task_finish(struct task_run *t, enum step step, const struct error *err)
{
	struct call *call = t->call;
	struct outcome outcome = t->outcome;

	for (int i = 0; i < STREAMS; i++)
		buf_free(&t->streams[i].head);
	if (t->result)
		store_result_abort(t->result);
	if (t->offer)
		store_result_abort(t->offer);
	free(t->input_url);
	free(t);
	call->sink->answer(call, step, &outcome, err);
}

static void
on_begun(void *ctx, uint64_t id, int64_t t_ns)
{
	struct task_run *t = find(ctx, id);

	if (!t || t->begun)
		return; /* a runner that was reached again says it once more */
	t->begun = true;
	t->call->sink->begun(t->call, t_ns - t->run_start_ns);
}

void
task_fail_once(struct task_run *t, const struct error *err)
{
	if (t->failure.code == ERR_NONE)
		t->failure = *err;
}

/* All of it, or -1 and errno. Opened each time: more tasks may run than there are descriptors. */
static int
append_file(const char *path, struct str bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	int failed = fd < 0 ? errno : 0;

	while (!failed && bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n >= 0)
			bytes = str_from_index(bytes, (size_t)n);
		else if (errno != EINTR)
			failed = errno;
	}
	if (fd >= 0)
		close(fd);
	errno = failed;
	return failed ? -1 : 0;
}

static void
on_stream(void *ctx, uint64_t id, int stream, uint64_t offset, struct str bytes)
{
	struct task_run *t = find(ctx, id);
	struct stream *s;
	struct buf path = {0};
	struct error err;

	if (!t || stream < 1 || stream > STREAMS)
		return;
	s = &t->streams[stream - 1];
	if (offset != (uint64_t)s->bytes) {
		error_set(&err, ERR_HOST, "the runner left a gap in %s at byte %lld",
			stream_names[stream - 1], (long long)s->bytes);
		task_fail_once(t, &err);
		return;
	}
	s->bytes += (int64_t)bytes.n;
	if (s->head.n <= RESULT_INLINE_BYTES) {
		size_t room = RESULT_INLINE_BYTES + 1 - s->head.n;

		buf_add(&s->head, bytes.p, bytes.n < room ? bytes.n : room);
	}
	log_path(&path, t, stream - 1);
	if (append_file(buf_cstr(&path), bytes) != 0) {
		error_set_errno(
			&err, ERR_HOST, errno, "cannot write the task's log %s", buf_cstr(&path));
		task_fail_once(t, &err);
	}
	buf_free(&path);
}

void
task_trace_path(struct buf *out, const struct task_run *t)
{
	buf_addf(out, "%s/%u.%u.trace", t->all->config.logs, t->index, t->attempt);
}

/* What the task says of its own time: kept in the run's folder for the report. */
static void
on_trace(void *ctx, uint64_t id, struct str bytes)
{
	struct task_run *t = find(ctx, id);
	struct buf path = {0};
	struct error err;

	if (!t)
		return;
	task_trace_path(&path, t);
	if (append_file(buf_cstr(&path), bytes) != 0) {
		error_set_errno(
			&err, ERR_HOST, errno, "cannot write the task's spans %s", buf_cstr(&path));
		task_fail_once(t, &err);
	}
	buf_free(&path);
}

static void
on_output(void *ctx, uint64_t id, struct str tar_bytes)
{
	struct task_run *t = find(ctx, id);
	struct error err;

	if (!t || t->failure.code != ERR_NONE)
		return;
	t->has_tar = true;
	if (!t->result && store_result_begin(t->all->config.store,
				  &t->all->job->tasks[t->index].key, &t->result, &err) < 0) {
		t->result = NULL;
		task_fail_once(t, &err);
	} else if (store_result_write(t->result, "tar", tar_bytes.p, tar_bytes.n, &err) < 0) {
		task_fail_once(t, &err);
	}
}

static void
acknowledge(struct runner *r, uint64_t id)
{
	pthread_mutex_lock(&r->door);
	if (r->session) /* not between a cut and a resume */
		session_ack(r->session, id);
	pthread_mutex_unlock(&r->door);
}

/* The result is durable, or could not be made so. */
static void
on_stored(void *ctx, const struct error *err)
{
	struct task_run *t = ctx;
	const struct clock *clock = t->all->config.clock;
	struct buf path = {0};
	int64_t now = clock->now_ns(clock->ctx) - t->run_start_ns;

	t->outcome.phase_ns[PHASE_COLLECT] = now - t->outcome.ended_ns;
	for (int i = 0; !err && i < STREAMS; i++) {
		if (t->streams[i].bytes == 0)
			continue;
		log_path(&path, t, i);
		unlink(buf_cstr(&path)); /* taken over by the store, or inline in the result */
	}
	buf_free(&path);
	acknowledge(t->runner, t->id);
	if (!err) {
		t->all->left_nothing[t->index] =
			!t->has_tar && !t->streams[STDOUT].bytes && !t->streams[STDERR].bytes;
		atomic_fetch_sub(&t->all->n_left, 1);
	}
	task_finish(t, err ? STEP_FAILED : STEP_DONE, err);
}

static struct str
inline_text(const struct stream *s, int64_t kept)
{
	struct str text = buf_str(&s->head);

	if (kept == 0)
		return STR("");
	if (kept > RESULT_INLINE_BYTES || !str_is_utf8(text))
		return (struct str){0};
	return text;
}

/* Puts the result into the store; on_stored ends it. */
static int
store_task(struct task_run *t, struct error *err)
{
	const struct job *job = t->all->job;
	const struct clock *clock = t->all->config.clock;
	char begun[CLOCK_RFC3339_BYTES];
	struct arena scratch = {0};
	struct buf json = {0}, path = {0};
	int64_t since_begun = clock->now_ns(clock->ctx) - t->run_start_ns - t->outcome.begun_ns;
	struct result result = {.key = job->tasks[t->index].key,
		.job = job->manifest->name,
		.label = job->tasks[t->index].label,
		.run = str_from(t->all->config.run),
		.commit = job->source->commit,
		.patch_sha256 = job->source->patch_sha256,
		.index = t->index,
		.attempt = t->attempt,
		.outcome = t->outcome,
		.has_tar = t->has_tar};
	int rc = 0;

	result.stdout_text = inline_text(&t->streams[STDOUT], t->outcome.stdout_kept_bytes);
	result.stderr_text = inline_text(&t->streams[STDERR], t->outcome.stderr_kept_bytes);
	clock_format_rfc3339(begun, clock->wall_ns(clock->ctx) - since_begun);
	result.begun = str_from(begun);
	job_task_record(job, t->index, &scratch, &result.record);
	if (!t->result)
		rc = store_result_begin(t->all->config.store, &result.key, &t->result, err);
	for (int i = 0; rc == 0 && i < STREAMS; i++) {
		if ((i == STDOUT ? result.stdout_text : result.stderr_text).p)
			continue;
		log_path(&path, t, i);
		rc = store_result_take(t->result, stream_names[i], buf_cstr(&path), err);
	}
	if (rc == 0) {
		struct store_result *stored = t->result;

		result_write(&json, &result);
		t->result = NULL;
		store_result_commit(stored, buf_str(&json), on_stored, t);
	}
	buf_free(&json);
	buf_free(&path);
	arena_free(&scratch);
	return rc;
}

static void
describe_end(struct task_run *t, int why, struct str message, struct error *err)
{
	const struct outcome *o = &t->outcome;

	switch ((enum ended_why)why) {
	case ENDED_TIMEOUT:
		error_set(err, ERR_TASK, "ended after its timeout of %.3g s",
			(double)t->call->timeout_ns / (double)NS_PER_S);
		break;
	case ENDED_STOPPED:
		error_set(err, ERR_CANCELLED, "stopped");
		break;
	case ENDED_NOT_STARTED:
		error_set(err, ERR_TASK, "could not be started: %.*s", STR_ARG(message));
		break;
	case ENDED_BAD_OUTPUT:
		error_set(err, ERR_TASK, "its output cannot be taken: %.*s", STR_ARG(message));
		break;
	case ENDED_SELF:
		if (input_failed(t, err))
			break;
		if (o->signal)
			error_set(err, ERR_TASK, "ended by signal %d (%s)", o->signal,
				sigdescr_np(o->signal) ? sigdescr_np(o->signal) : "unknown");
		else
			error_set(err, ERR_TASK, "exit status %d", o->exit_status);
		break;
	}
}

static void
on_ended(void *ctx, uint64_t id, const struct outcome *outcome, int why, struct str message)
{
	struct runner *r = ctx;
	struct task_run *t = task_take(r, id);
	struct error err = {0};

	if (!t)
		return;
	t->outcome = *outcome;
	t->outcome.begun_ns -= t->run_start_ns;
	t->outcome.ended_ns -= t->run_start_ns;
	t->outcome.phase_ns[PHASE_RUN] = t->outcome.ended_ns - t->outcome.begun_ns;
	if (!outcome->begun_ns)
		t->outcome.begun_ns = t->outcome.ended_ns = t->outcome.phase_ns[PHASE_RUN] = 0;
	if (t->failure.code == ERR_NONE && why == ENDED_SELF && outcome->exit_status == 0 &&
		outcome->signal == 0) {
		if (store_task(t, &err) == 0)
			return;
	} else if (t->failure.code != ERR_NONE) {
		err = t->failure;
	} else {
		describe_end(t, why, message, &err);
	}
	acknowledge(r, id);
	task_finish(t, STEP_FAILED, &err);
}

void
runner_note(const struct runner *r, struct str text)
{
	struct buf path = {0};
	int fd;

	buf_addf(&path, "%s/%s.log", r->tasks->config.dir, r->name);
	fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd >= 0) {
		dprintf(fd, "%.*s\n", STR_ARG(text));
		close(fd);
	}
	buf_free(&path);
}

static void
on_note(void *ctx, struct str text)
{
	runner_note(ctx, text);
}

static void
on_notice(void *ctx, const char *action, int64_t left_ns, int64_t wall_s)
{
	struct runner *r = ctx;

	if (r->noticed)
		r->noticed(r->ctx, action, left_ns, wall_s);
}

void
runner_events(struct runner *r, struct session_events *events)
{
	*events = (struct session_events){
		.ctx = r,
		.begun = on_begun,
		.stream = on_stream,
		.trace = on_trace,
		.output = on_output,
		.offer = offers_ask,
		.placed = offers_placed,
		.ended = on_ended,
		.note = on_note,
		.notice = on_notice,
		.lost = runner_lost,
	};
}
