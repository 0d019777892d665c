/* task: from the frame that brings it to the end that is told. */
#include "cmd/runner/task.h"

#include "cmd/runner/alloc.h"
#include "cmd/runner/reap.h"
#include "cmd/runner/runner.h"
#include "cmd/runner/start.h"
#include "cmd/runner/stream.h"
#include "cmd/runner/tell.h"
#include "cmd/runner/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS_NS INT64_C(1000000)

enum {
	LOOK_MS = 10,	   /* between looks at what an ended task left */
	HOLDERS_MS = 100,  /* after that long its streams' holders are searched for */
	GIVE_UP_MS = 5000, /* and after that long its end is told all the same */
	DRAIN_READS = 64,  /* of a stream in one go, at the end of a process */
	PREPARED = 4	   /* waiting tasks that are made ready beforehand */
};

void
task_list_add(struct task_list *l, struct task *t)
{
	t->next = NULL;
	t->prev = l->last;
	if (l->last)
		l->last->next = t;
	else
		l->first = t;
	l->last = t;
	l->n++;
}

void
task_list_remove(struct task_list *l, struct task *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		l->first = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		l->last = t->prev;
	l->n--;
}

static void
say(struct task *t, const char *fmt, va_list ap)
{
	if (!t->message[0])
		vsnprintf(t->message, sizeof(t->message), fmt, ap);
}

static void
move(struct task_list *from, struct task_list *to, struct task *t)
{
	task_list_remove(from, t);
	task_list_add(to, t);
}

/* It has nothing (more) to run: what is left is to tell. Folders in which nothing happened go back
 * right now. */
static void
finish(struct runner *r, struct task *t)
{
	t->state = TASK_FINISHING;
	t->wake_ns = INT64_MAX;
	free(t->stragglers);
	t->stragglers = NULL;
	t->n_stragglers = 0;
	if (t->has_folder && folder_give_back_new(&r->folders, t->id))
		t->has_folder = false;
	tell(r, t);
}

/* Ends a task that was never started. */
static void __attribute__((format(printf, 4, 5)))
refuse(struct runner *r, struct task *t, enum ended_why why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(t, fmt, ap);
	va_end(ap);
	start_undo(r, t);
	t->why = why;
	t->exit_status = -1;
	t->ended_ns = runner_now();
	move(&r->waiting, &r->active, t);
	finish(r, t);
}

void
task_fail(struct runner *r, struct task *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(t, fmt, ap);
	va_end(ap);
	if (t->why == ENDED_SELF)
		t->why = ENDED_BAD_OUTPUT;
	if (t->state == TASK_RUNNING && t->kill_ns == INT64_MAX) {
		t->kill_ns = t->wake_ns = runner_now();
		reap_kill(r, t);
	}
}

static struct task *
new_task(struct runner *r, uint64_t id)
{
	struct task *t = must_alloc(sizeof(*t)), **bucket = &r->by_id[id % RUNNER_BUCKETS];

	t->id = id;
	t->wake_ns = t->kill_ns = INT64_MAX;
	t->trace_fd = t->write_fds[0] = t->write_fds[1] = -1;
	stream_init(&t->streams[0], t, STREAM_STDOUT);
	stream_init(&t->streams[1], t, STREAM_STDERR);
	t->next_by_id = *bucket;
	*bucket = t;
	task_list_add(&r->waiting, t);
	return t;
}

static bool
parse(struct task *t, struct str payload)
{
	struct fields f = {.rest = payload};
	char *at;

	t->attempt = field_u32(&f);
	t->timeout_ms = field_i64(&f);
	t->grace_ms = field_u32(&f);
	t->block = at = must_alloc(payload.n + 1);
	return text_list(&f, &at, &t->argv) && text_list(&f, &at, &t->env) &&
	       text_string(&f, &at, &t->input);
}

void
task_submit(struct runner *r, const struct frame *f)
{
	struct task *t;

	if (runner_task(r, f->id)) {
		conn_note(&r->conn, "task id %llu is taken: a second task under it was not started",
			(unsigned long long)f->id);
		return;
	}
	t = new_task(r, f->id);
	if (!parse(t, f->payload) || !t->argv[0])
		refuse(r, t, ENDED_NOT_STARTED,
			"its command cannot be used: no program, or a NUL byte in it");
	else if (!r->has_base)
		refuse(r, t, ENDED_NOT_STARTED, "the runner has no base folder");
	else
		t->record = record_add(
			&r->record, t->id, t->attempt, text_variable(t->env, "FURROW_TASK_KEY"));
}

static void
free_command(struct task *t)
{
	free(t->block);
	free(t->argv);
	free(t->env);
	t->block = t->input = NULL;
	t->argv = t->env = NULL;
}

/* It has a process: from now on it is that. */
static void
begin(struct runner *r, struct task *t)
{
	struct task **bucket = &r->by_pid[(unsigned)t->pid % RUNNER_BUCKETS];

	t->group = t->pid;
	t->next_by_pid = *bucket;
	*bucket = t;
	t->state = TASK_RUNNING;
	if (t->timeout_ms > 0 && t->timeout_ms < (INT64_MAX - t->begun_ns) / MS_NS)
		t->wake_ns = t->begun_ns + t->timeout_ms * MS_NS;
	t->has_slot = true;
	r->n_slots_taken++;
	move(&r->waiting, &r->active, t);
	free_command(t);
	tell_begun(r, t);
}

static void
give_slot_back(struct runner *r, struct task *t)
{
	r->n_slots_taken -= t->has_slot;
	t->has_slot = false;
}

static void
start_first(struct runner *r, bool prepared_only)
{
	struct task *t;

	while ((t = r->waiting.first) && t->record <= r->record.durable &&
		(t->prepared || !prepared_only)) {
		if (t->record <= r->record.failed)
			refuse(r, t, ENDED_NOT_STARTED,
				"recording the attempt in %.300s/attempts.log: %s", r->root,
				strerror(r->record.error));
		else if (r->n_slots_taken == r->slots)
			break;
		else if (start(r, t) == 0)
			begin(r, t);
		else
			refuse(r, t, ENDED_NOT_STARTED, "%s", "it cannot be started");
	}
}

void
task_start_waiting(struct runner *r)
{
	start_first(r, false);
}

void
task_start_prepared(struct runner *r)
{
	start_first(r, true);
}

void
task_prepare_waiting(struct runner *r)
{
	struct task *t = r->waiting.first;

	for (int i = 0; i < PREPARED && t && t->record <= r->record.durable; i++) {
		/* Why it cannot be is told when it is to be started. */
		if (t->record > r->record.failed && start_prepare(r, t) != 0)
			break;
		t = t->next;
	}
}

static void
ask_to_end(struct runner *r, struct task *t, enum ended_why why, uint32_t grace_ms)
{
	int64_t until = runner_now() + (int64_t)grace_ms * MS_NS;
	bool first = t->kill_ns == INT64_MAX;

	if (first)
		t->why = why;
	if (until < t->kill_ns)
		t->kill_ns = until;
	t->wake_ns = t->kill_ns;
	if (grace_ms == 0)
		reap_kill(r, t);
	else if (first)
		reap_ask(t);
}

void
task_stop(struct runner *r, struct task *t, uint32_t grace_ms)
{
	if (t->state == TASK_WAITING)
		refuse(r, t, ENDED_STOPPED, "stopped before it was started");
	else if (grace_ms == STOP_WAITING)
		return;
	else if (t->state == TASK_RUNNING)
		ask_to_end(r, t, ENDED_STOPPED, grace_ms);
	else if (t->state == TASK_FINISHING && t->upload && upload_stop(r, t->upload))
		t->why = ENDED_STOPPED;
}

void
task_wake(struct runner *r, struct task *t)
{
	int64_t now = runner_now();

	if (now < t->wake_ns)
		return;
	if (t->state == TASK_ENDING) {
		t->wake_ns = now + LOOK_MS * MS_NS;
		reap_orphans(r);
		task_check_end(r, t);
	} else if (t->state == TASK_RUNNING && t->kill_ns == INT64_MAX) {
		ask_to_end(r, t, ENDED_TIMEOUT, t->grace_ms);
	} else if (t->state == TASK_RUNNING) {
		t->wake_ns = now + LOOK_MS * MS_NS;
		reap_kill(r, t);
	} else {
		t->wake_ns = INT64_MAX;
	}
}

static void
forget_pid(struct runner *r, struct task *t)
{
	struct task **at = &r->by_pid[(unsigned)t->pid % RUNNER_BUCKETS];

	while (*at && *at != t)
		at = &(*at)->next_by_pid;
	if (*at)
		*at = t->next_by_pid;
	t->pid = 0;
}

void
task_exited(struct runner *r, struct task *t, int status, int64_t cpu_ns, int64_t max_rss_bytes)
{
	forget_pid(r, t);
	t->state = TASK_ENDING;
	t->ended_ns = runner_now();
	t->wake_ns = t->ended_ns + LOOK_MS * MS_NS;
	t->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	t->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	t->cpu_ns = cpu_ns;
	t->max_rss_bytes = max_rss_bytes;
	/* What is left of it is killed right now, unless it has its grace: that doesn't keep the
	 * next one waiting. */
	if (t->kill_ns == INT64_MAX)
		give_slot_back(r, t);
}

/* Reads what its streams hold. false: they are not at their end. */
static bool
drain(struct runner *r, struct task *t)
{
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < DRAIN_READS && stream_take(r, &t->streams[i]); k++)
			;
	}
	return t->streams[0].fd < 0 && t->streams[1].fd < 0;
}

void
task_check_end(struct runner *r, struct task *t)
{
	bool open;
	int64_t late;

	if (t->state != TASK_ENDING)
		return;
	open = !drain(r, t);
	late = runner_now() -
	       (t->kill_ns == INT64_MAX || t->kill_ns < t->ended_ns ? t->ended_ns : t->kill_ns);
	if ((t->n_orphans || open) && late < GIVE_UP_MS * MS_NS) {
		if (!t->n_orphans && late > HOLDERS_MS * MS_NS)
			reap_holders(t);
		return;
	}
	if (t->n_orphans || open)
		conn_note(&r->conn, "a process that task %llu left behind cannot be ended",
			(unsigned long long)t->id);
	stream_close(r, &t->streams[0]);
	stream_close(r, &t->streams[1]);
	give_slot_back(r, t);
	finish(r, t);
}

void
task_mute(struct task *t)
{
	t->muted = true;
	tell_stop(t);
}

void
task_resume(struct runner *r, struct task *t, uint64_t stdout_from, uint64_t stderr_from)
{
	if (!t->muted)
		return;
	stream_rewind(&t->streams[0], stdout_from);
	stream_rewind(&t->streams[1], stderr_from);
	if (t->state == TASK_DONE) {
		move(&r->done, &r->active, t);
		t->state = TASK_FINISHING;
	}
	tell_again(r, t);
}

void
task_free(struct runner *r, struct task *t)
{
	struct task **at = &r->by_id[t->id % RUNNER_BUCKETS];

	while (*at != t)
		at = &(*at)->next_by_id;
	*at = t->next_by_id;
	tell_stop(t);
	if (t->upload)
		upload_free(r, t->upload);
	start_undo(r, t);
	stream_free(r, &t->streams[0]);
	stream_free(r, &t->streams[1]);
	free_command(t);
	free(t->stragglers);
	free(t);
}

void
task_ack(struct runner *r, struct task *t)
{
	if (t->state != TASK_DONE)
		return;
	if (t->has_folder)
		folder_give_back(&r->folders, t->id);
	task_list_remove(&r->done, t);
	task_free(r, t);
}
