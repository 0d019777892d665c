/* pool: steps run on worker threads, tasks are the provider's to run; what both have to tell goes
 * through one mailbox to the coordinator, who sleeps on an eventfd. That is what a signal handler
 * may write to as well. */
#include "planner/execute/pool.h"

#include "planner/base/arena.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	SPARE_MAX = 256,		 /* letters kept for the next ones */
	LOOK_AGAIN_NS = 10 * 1000 * 1000 /* without an eventfd */
};

struct letter {
	struct letter *next;
	struct exec_event event;
};

/* A thread that waits for its line to be on disk. */
struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool done;
	int result;
};

/* A step that no worker has taken yet. */
struct job {
	struct job *next;
	struct call *call;
};

struct pool {
	struct exec_port port;
	/* Calls carry a pointer to it: that is how a sink's function finds the pool. */
	struct sink sink;
	const struct provider *provider;
	const struct clock *clock;
	int64_t start_ns;
	int wake_fd; /* < 0: the system had none left; then the mail is looked at again and again */

	pthread_mutex_t mail_lock; /* of the next three */
	struct letter *mail, **mail_end;
	struct letter *spare;
	unsigned n_spare;
	struct letter *inbox;  /* taken out of the mail; the coordinator's alone */
	atomic_int interrupts; /* posted */
	atomic_int last_signal;
	int interrupts_seen; /* the coordinator's alone */

	pthread_mutex_t work_lock; /* of all below */
	pthread_cond_t work_came;
	struct job *jobs; /* longest remaining path first */
	unsigned n_idle, n_threads, max_threads;
	unsigned n_jobs;
	bool closing;
	pthread_t *threads;
};

static struct pool *
pool_of(const struct call *call)
{
	return (struct pool *)((const char *)call->sink - offsetof(struct pool, sink));
}

static int64_t
now_ns(const struct pool *p)
{
	return p->clock->now_ns(p->clock->ctx) - p->start_ns;
}

static void
wake(const struct pool *p)
{
	static const uint64_t one = 1;

	while (p->wake_fd >= 0 && write(p->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static struct letter *
new_letter(struct pool *p)
{
	struct letter *l;

	pthread_mutex_lock(&p->mail_lock);
	l = p->spare;
	if (l) {
		p->spare = l->next;
		p->n_spare--;
	}
	pthread_mutex_unlock(&p->mail_lock);
	return l ? l : mem_alloc(sizeof(*l));
}

/* The time of most events is that of their arrival, so the mail is in the order of time. */
static void
post(struct pool *p, struct letter *l)
{
	bool was_empty;

	l->next = NULL;
	pthread_mutex_lock(&p->mail_lock);
	if (l->event.type != EVENT_BEGUN)
		l->event.t_ns = now_ns(p);
	was_empty = !p->mail;
	*p->mail_end = l;
	p->mail_end = &l->next;
	pthread_mutex_unlock(&p->mail_lock);
	if (was_empty)
		wake(p);
}

static void
post_answer(struct pool *p, struct call *call, enum step step, const struct outcome *outcome,
	const struct error *err)
{
	struct letter *l = new_letter(p);

	l->event.type = EVENT_ANSWER;
	l->event.call = call;
	l->event.step = step;
	l->event.outcome = outcome ? *outcome : (struct outcome){0};
	if (err)
		l->event.err = *err;
	else
		l->event.err.code = ERR_NONE;
	post(p, l);
}

static int64_t
sink_now_ns(struct call *call)
{
	return now_ns(pool_of(call));
}

static void
sink_phase(struct call *call, enum phase phase)
{
	struct pool *p = pool_of(call);
	struct letter *l = new_letter(p);

	l->event.type = EVENT_PHASE;
	l->event.call = call;
	l->event.phase = phase;
	post(p, l);
}

static void
sink_begun(struct call *call, int64_t t_ns)
{
	struct pool *p = pool_of(call);
	struct letter *l = new_letter(p);

	l->event.type = EVENT_BEGUN;
	l->event.t_ns = t_ns;
	l->event.call = call;
	post(p, l);
}

static void
copy_text(char out[128], const char *text)
{
	snprintf(out, 128, "%s", text ? text : "");
}

/* Has the coordinator write a line, and waits until it is on disk. */
static int
tell_and_wait(struct call *call, enum exec_event_type type, const char *text, const char *text2)
{
	struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER};
	struct pool *p = pool_of(call);
	struct letter *l = new_letter(p);

	l->event.type = type;
	l->event.call = call;
	l->event.waiter = &w;
	copy_text(l->event.text, text);
	copy_text(l->event.text2, text2);
	post(p, l);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.told, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.told);
	return w.result;
}

static int
sink_intent(struct call *call, const char *op, const char *token, struct error *err)
{
	int result = tell_and_wait(call, EVENT_INTENT, op, token);

	if (result == ERR_INPUT)
		return error_set(
			err, ERR_CANCELLED, "%s: not called, that could pass max_cost", op);
	if (result == ERR_CANCELLED)
		return error_set(err, ERR_CANCELLED, "%s: not called, the run is being ended", op);
	if (result)
		return error_set(err, ERR_HOST,
			"%s: not called, since the journal could not be written first", op);
	return 0;
}

static int
sink_effect(struct call *call, const char *id, struct error *err)
{
	if (tell_and_wait(call, EVENT_EFFECT, id, NULL))
		return error_set(err, ERR_HOST,
			"%s was made, but the journal could not be written to say so", id);
	return 0;
}

static void
sink_answer(
	struct call *call, enum step step, const struct outcome *outcome, const struct error *err)
{
	post_answer(pool_of(call), call, step, outcome, err);
}

static void
hear_notice(void *ctx, uint32_t place, int64_t left_ns, const char *text)
{
	struct pool *p = ctx;
	struct letter *l = new_letter(p);

	l->event.type = EVENT_NOTICE;
	l->event.call = NULL;
	l->event.place = place;
	l->event.until_ns = now_ns(p) + left_ns;
	copy_text(l->event.text, text);
	post(p, l);
}

static void
hear_gone(void *ctx, uint32_t place)
{
	struct pool *p = ctx;
	struct letter *l = new_letter(p);

	l->event.type = EVENT_GONE;
	l->event.call = NULL;
	l->event.place = place;
	post(p, l);
}

static void
port_ack(void *ctx, void *waiter, int result)
{
	struct waiter *w = waiter;

	(void)ctx;
	/* Under the lock to the end: the waiter lives on the stack of who waits. */
	pthread_mutex_lock(&w->lock);
	w->result = result;
	w->done = true;
	pthread_cond_signal(&w->told);
	pthread_mutex_unlock(&w->lock);
}

static struct job *
take_job(struct pool *p)
{
	struct job *job;

	pthread_mutex_lock(&p->work_lock);
	p->n_idle++;
	while (!p->jobs && !p->closing)
		pthread_cond_wait(&p->work_came, &p->work_lock);
	p->n_idle--;
	job = p->jobs;
	if (job) {
		p->jobs = job->next;
		p->n_jobs--;
	}
	pthread_mutex_unlock(&p->work_lock);
	return job;
}

static void
run_step(struct pool *p, struct call *call)
{
	struct outcome outcome = {0};
	struct error err = {0};
	enum step step = p->provider->step(p->provider->ctx, call, &outcome, &err);

	post_answer(p, call, step, &outcome, step == STEP_FAILED ? &err : NULL);
}

static void *
work(void *ctx)
{
	struct pool *p = ctx;
	struct job *job;

	while ((job = take_job(p)) != NULL) {
		struct call *call = job->call;

		free(job);
		run_step(p, call);
	}
	return NULL;
}

/* Signals are for the main thread. */
static int
start_thread_locked(struct pool *p)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&p->threads[p->n_threads], NULL, work, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code == 0)
		p->n_threads++;
	return code;
}

static void
insert_job_locked(struct pool *p, struct job *job)
{
	struct job **at = &p->jobs;

	while (*at && (*at)->call->node->rest_ns >= job->call->node->rest_ns)
		at = &(*at)->next;
	job->next = *at;
	*at = job;
	p->n_jobs++;
}

static void
port_start(void *ctx, struct call *call)
{
	struct pool *p = ctx;
	struct job *job = mem_alloc(sizeof(*job));
	struct error err;
	int code = 0;

	job->call = call;
	pthread_mutex_lock(&p->work_lock);
	if (p->n_jobs >= p->n_idle && p->n_threads < p->max_threads)
		code = start_thread_locked(p);
	if (p->n_threads > 0) { /* those there are do it in turn */
		insert_job_locked(p, job);
		pthread_cond_signal(&p->work_came);
		job = NULL;
	}
	pthread_mutex_unlock(&p->work_lock);
	if (!job)
		return;
	free(job);
	error_set_errno(&err, ERR_HOST, code, "start a thread to work on it");
	post_answer(p, call, STEP_FAILED, NULL, &err);
}

static void
port_submit(void *ctx, struct call *call)
{
	struct pool *p = ctx;

	p->provider->submit(p->provider->ctx, call);
}

static void
port_stop(void *ctx, struct call *call, int64_t grace_ns)
{
	struct pool *p = ctx;

	p->provider->stop(p->provider->ctx, call, grace_ns);
}

static int64_t
port_now_ns(void *ctx)
{
	return now_ns(ctx);
}

static bool
take_interrupt(struct pool *p, struct exec_event *out)
{
	if (atomic_load(&p->interrupts) == p->interrupts_seen)
		return false;
	p->interrupts_seen++;
	out->type = EVENT_INTERRUPT;
	out->call = NULL;
	out->t_ns = now_ns(p);
	out->signal = atomic_load(&p->last_signal);
	return true;
}

static bool
take_letter(struct pool *p, struct exec_event *out)
{
	struct letter *l = p->inbox;

	if (!l) {
		pthread_mutex_lock(&p->mail_lock);
		l = p->mail;
		p->mail = NULL;
		p->mail_end = &p->mail;
		pthread_mutex_unlock(&p->mail_lock);
		if (!l)
			return false;
	}
	p->inbox = l->next;
	*out = l->event;
	pthread_mutex_lock(&p->mail_lock);
	if (p->n_spare < SPARE_MAX) {
		l->next = p->spare;
		p->spare = l;
		p->n_spare++;
		l = NULL;
	}
	pthread_mutex_unlock(&p->mail_lock);
	free(l);
	return true;
}

/* Sleeps until woken, at most until until_ns; false: that has come. */
static bool
sleep_until(struct pool *p, int64_t until_ns)
{
	struct pollfd fd = {.fd = p->wake_fd, .events = POLLIN};
	int64_t left_ns = until_ns == INT64_MAX ? INT64_MAX : until_ns - now_ns(p);
	struct timespec t;
	uint64_t count;

	if (left_ns <= 0)
		return false;
	if (p->wake_fd < 0 && left_ns > LOOK_AGAIN_NS)
		left_ns = LOOK_AGAIN_NS;
	t = (struct timespec){
		.tv_sec = (time_t)(left_ns / NS_PER_S), .tv_nsec = left_ns % NS_PER_S};
	if (ppoll(&fd, 1, left_ns == INT64_MAX ? NULL : &t, NULL) > 0) {
		while (read(p->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
			;
	}
	return true;
}

static bool
port_wait(void *ctx, int64_t until_ns, struct exec_event *out)
{
	struct pool *p = ctx;

	do {
		if (take_interrupt(p, out) || take_letter(p, out))
			return true;
	} while (sleep_until(p, until_ns));
	return false;
}

struct pool *
pool_open(const struct provider *provider, const struct clock *clock, unsigned n_workers)
{
	struct pool *p = mem_alloc(sizeof(*p));

	*p = (struct pool){
		.port = {.ctx = p,
			.now_ns = port_now_ns,
			.start = port_start,
			.submit = port_submit,
			.stop = port_stop,
			.wait = port_wait,
			.ack = port_ack,
			.sink = &p->sink},
		.sink = {.now_ns = sink_now_ns,
			.phase = sink_phase,
			.begun = sink_begun,
			.intent = sink_intent,
			.effect = sink_effect,
			.answer = sink_answer},
		.provider = provider,
		.clock = clock,
		.start_ns = clock->now_ns(clock->ctx),
		.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.mail_lock = PTHREAD_MUTEX_INITIALIZER,
		.mail_end = &p->mail,
		.work_lock = PTHREAD_MUTEX_INITIALIZER,
		.work_came = PTHREAD_COND_INITIALIZER,
		.max_threads = n_workers ? n_workers : 1,
	};
	p->threads = mem_alloc(p->max_threads * sizeof(*p->threads));
	if (provider->listen)
		provider->listen(provider->ctx,
			&(struct ear){.ctx = p, .notice = hear_notice, .gone = hear_gone});
	return p;
}

const struct exec_port *
pool_port(struct pool *p)
{
	return &p->port;
}

void
pool_interrupt(struct pool *p, int signal)
{
	int saved = errno;

	atomic_store(&p->last_signal, signal);
	atomic_fetch_add(&p->interrupts, 1);
	wake(p);
	errno = saved;
}

static void
free_letters(struct letter *l)
{
	while (l) {
		struct letter *next = l->next;

		free(l);
		l = next;
	}
}

void
pool_close(struct pool *p)
{
	if (!p)
		return;
	if (p->provider->listen)
		p->provider->listen(p->provider->ctx, NULL);
	pthread_mutex_lock(&p->work_lock);
	assert(!p->jobs);
	p->closing = true;
	pthread_cond_broadcast(&p->work_came);
	pthread_mutex_unlock(&p->work_lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	free_letters(p->inbox);
	free_letters(p->mail);
	free_letters(p->spare);
	pthread_mutex_destroy(&p->mail_lock);
	pthread_mutex_destroy(&p->work_lock);
	pthread_cond_destroy(&p->work_came);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	free(p->threads);
	free(p);
}
