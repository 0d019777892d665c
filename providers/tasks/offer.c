/* offer: outputs that need not come over the connection: a URL of the store for a runner that asks, and
 * what it has put there becomes part of the result.
 *
 * Making a URL sends nothing, but the login that signs it may have to be renewed first, and then who
 * asks has to wait for that. So it is done by a thread of its own, one for the run: the sessions go on
 * meanwhile. While that thread works on an offer it has the task's store_result, and the task may end;
 * then the thread finds it no more, and lets the result go.
 *
 * A store without URLs, or one that cannot make any now, is no failure: the outputs come over the
 * connection. */
#include "providers/tasks/internal.h"

#include <signal.h>
#include <stdlib.h>

struct offer_job {
	struct offer_job *next;
	struct runner *runner;
	uint64_t id;
	bool is_input; /* the URL is one that the task's input is fetched by */
	int64_t bytes;
	unsigned n_cuts; /* of the runner, when it asked */
};

/* Over the connection that it was asked over; over a later one it asks again, and has to wait for
 * the answer to that. */
static void
answer(const struct offer_job *o, const char *url)
{
	struct runner *r = o->runner;

	pthread_mutex_lock(&r->door);
	if (r->session && r->n_cuts == o->n_cuts)
		session_put(r->session, o->id, url);
	pthread_mutex_unlock(&r->door);
}

/* Takes the result that an earlier URL of the task belongs to: the new one is of the same object.
 * false: there is no such task any more. */
static bool
take_result(const struct offer_job *o, struct store_result **result, struct digest *key)
{
	struct tasks *all = o->runner->tasks;
	struct task_run *t;

	pthread_mutex_lock(&all->lock);
	t = task_find_locked(o->runner, o->id);
	if (t) {
		*result = t->offer;
		t->offer = NULL;
		*key = all->job->tasks[t->index].key;
	}
	pthread_mutex_unlock(&all->lock);
	return t != NULL;
}

/* result NULL: there is none, and what may have been placed before doesn't count. */
static void
give_result(const struct offer_job *o, struct store_result *result)
{
	struct tasks *all = o->runner->tasks;
	struct task_run *t;

	pthread_mutex_lock(&all->lock);
	t = task_find_locked(o->runner, o->id);
	if (t) {
		t->offer = result;
		t->offer_placed &= result != NULL;
		result = NULL;
	}
	pthread_mutex_unlock(&all->lock);
	if (result)
		store_result_abort(result);
}

static void
note(const struct offer_job *o, const struct error *err)
{
	struct buf text = {0};

	buf_addf(&text, "the outputs of task[%u] (%lld bytes) come over the connection: %s",
		(uint32_t)o->id - 1, (long long)o->bytes, err->message);
	runner_note(o->runner, buf_str(&text));
	buf_free(&text);
}

static void
make_offer(const struct offer_job *o)
{
	struct store_result *result = NULL;
	struct error err = {0};
	struct buf copy = {0};
	struct digest key;
	struct str url = {0};
	int rc = 0;

	if (!take_result(o, &result, &key))
		return;
	if (!result)
		rc = store_result_begin(o->runner->tasks->config.store, &key, &result, &err);
	if (rc < 0)
		result = NULL;
	else
		rc = store_result_offer(result, "tar", o->bytes, &url, &err);
	if (rc == 0) {
		/* Once it is given back the result, and the URL with it, may go any time. */
		buf_add_str(&copy, url);
	} else if (result) {
		store_result_abort(result);
		result = NULL;
	}
	if (rc < 0)
		note(o, &err);
	give_result(o, result);
	answer(o, rc == 0 ? buf_cstr(&copy) : NULL);
	buf_free(&copy);
}

static void *
thread_main(void *arg)
{
	struct tasks *all = arg;
	struct offers *q = &all->offers;

	pthread_mutex_lock(&all->lock);
	for (;;) {
		struct offer_job *o;

		while (!q->first && !q->closing)
			pthread_cond_wait(&q->changed, &all->lock);
		if (q->closing)
			break;
		o = q->first;
		q->first = o->next;
		pthread_mutex_unlock(&all->lock);
		if (o->is_input)
			input_make(o->runner, o->id);
		else
			make_offer(o);
		free(o);
		pthread_mutex_lock(&all->lock);
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

static bool
have_thread_locked(struct tasks *all)
{
	struct offers *q = &all->offers;
	sigset_t every, before;

	if (q->has_thread)
		return true;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	q->has_thread = pthread_create(&q->thread, NULL, thread_main, all) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return q->has_thread;
}

static void
queue_locked(struct offers *q, struct offer_job *o)
{
	if (q->first)
		q->last->next = o;
	else
		q->first = o;
	q->last = o;
	pthread_cond_signal(&q->changed);
}

bool
offers_input(struct runner *r, uint64_t id)
{
	struct offer_job *o = mem_alloc(sizeof(*o));
	bool taken;

	*o = (struct offer_job){.runner = r, .id = id, .is_input = true};
	pthread_mutex_lock(&r->tasks->lock);
	taken = have_thread_locked(r->tasks);
	if (taken)
		queue_locked(&r->tasks->offers, o);
	pthread_mutex_unlock(&r->tasks->lock);
	if (!taken)
		free(o);
	return taken;
}

void
offers_ask(void *ctx, uint64_t id, int64_t tar_bytes)
{
	struct runner *r = ctx;
	struct offer_job *o = mem_alloc(sizeof(*o));
	bool taken;

	*o = (struct offer_job){.runner = r, .id = id, .bytes = tar_bytes};
	pthread_mutex_lock(&r->tasks->lock);
	o->n_cuts = r->n_cuts;
	taken = task_find_locked(r, id) && have_thread_locked(r->tasks);
	if (taken)
		queue_locked(&r->tasks->offers, o);
	pthread_mutex_unlock(&r->tasks->lock);
	if (taken)
		return;
	answer(o, NULL);
	free(o);
}

void
offers_placed(void *ctx, uint64_t id, int64_t tar_bytes)
{
	struct runner *r = ctx;
	struct store_result *result = NULL;
	struct task_run *t;
	struct error err;
	bool again = false;

	pthread_mutex_lock(&r->tasks->lock);
	t = task_find_locked(r, id);
	if (t) {
		result = t->offer;
		again = t->offer_placed;
		t->offer = NULL;
		t->offer_placed = false;
	}
	pthread_mutex_unlock(&r->tasks->lock);
	if (!t)
		return;
	if (!result) {
		error_set(&err, ERR_HOST, "the runner placed outputs that it had not offered");
		task_fail_once(t, &err);
		return;
	}
	if (!again && store_result_placed(result, "tar", tar_bytes, &err) < 0)
		task_fail_once(t, &err);
	/* A host that has sent some of it all the same has changed its mind. */
	if (t->result)
		store_result_abort(t->result);
	t->result = result;
	t->has_tar = t->placed = true;
}

void
offers_end(struct tasks *all)
{
	struct offers *q = &all->offers;

	pthread_mutex_lock(&all->lock);
	q->closing = true;
	pthread_cond_signal(&q->changed);
	pthread_mutex_unlock(&all->lock);
	if (q->has_thread)
		pthread_join(q->thread, NULL);
	while (q->first) {
		struct offer_job *o = q->first;

		q->first = o->next;
		free(o);
	}
}
