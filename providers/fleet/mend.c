/* mend: reaching a host again after its connection was cut. Its tasks go on meanwhile; what they did
 * is taken up where it was. Ends when the host is reached, when EC2 says that it is gone, or when it
 * must have powered itself off. */
#include "providers/fleet/internal.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

static const int64_t give_up_ns = 600 * NS_PER_S;
static const int64_t try_ns = 10 * NS_PER_S;
/* What EC2 doesn't find may still be there; after so long it is taken for gone. */
static const int64_t unseen_ns = 60 * NS_PER_S;

static bool
is_over(const struct fleet_run *r, const struct host *h)
{
	return atomic_load(&r->ending) || atomic_load(&r->stop_steps) || atomic_load(&h->leaving);
}

static void
pause_ms(int ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000L};

	nanosleep(&t, NULL);
}

/* false, and why: EC2 says that there is nothing to be reached. */
static bool
may_live(struct fleet_run *r, struct host *h, int64_t *unseen_since_ns, struct error *err)
{
	struct arena scratch = {0};
	struct ec2_instance *seen;
	int rc = fleet_look(r, h, 2 * NS_PER_S, &scratch, &seen, NULL);
	bool alive = true;

	if (rc == 0 && seen) {
		*unseen_since_ns = 0;
		alive = seen->state == EC2_RUNNING || seen->state == EC2_PENDING;
		if (!alive)
			error_set(err, ERR_HOST, "%s is %s%s%.*s", h->id,
				ec2_state_name(seen->state), seen->reason.p ? ": " : "",
				STR_ARG(seen->reason));
	} else if (rc == 0) {
		if (!*unseen_since_ns)
			*unseen_since_ns = fleet_now(r->site);
		alive = fleet_now(r->site) - *unseen_since_ns < unseen_ns;
		if (!alive)
			error_set(err, ERR_HOST, "EC2 does not know %s any more", h->id);
	}
	arena_free(&scratch);
	return alive;
}

/* One try. 1: it said its words; 0: not reached. */
static int
reach(struct fleet_run *r, struct host *h, struct error *err)
{
	int64_t until = fleet_now(r->site) + try_ns;
	int rc = host_connect(h, try_ns, err);

	while (rc == 0 && !is_over(r, h) && fleet_now(r->site) < until) {
		rc = host_listen(h, err);
		if (rc == 0)
			pause_ms(20);
	}
	return rc > 0;
}

static bool
is_live_there(const struct host *h, const char *run)
{
	for (size_t i = 0; i < h->words.runs.n; i++) {
		if (str_is(h->words.runs.v[i], run))
			return true;
	}
	return false;
}

static bool
resume(struct fleet_run *r, struct host *h, struct error *err)
{
	struct session *session = NULL;
	struct session_host far = {0};

	if (!is_live_there(h, r->id)) {
		error_set(err, ERR_HOST, "%s has lost the run: was it rebooted?", h->id);
		return false;
	}
	if (host_begin(r, h, &session, &far, err) < 0)
		return false;
	runner_resume(&h->runner, session, &far);
	return true;
}

static void *
mend(void *arg)
{
	struct host *h = arg;
	struct fleet_run *r = h->site->run;
	int64_t since_ns = fleet_now(h->site), unseen_since_ns = 0;
	struct session *cut;
	struct error err;

	error_set(&err, ERR_HOST, "the connection to %s was cut", h->id);
	cut = runner_take_session(&h->runner);
	session_close(cut, 0, NULL);
	while (!is_over(r, h) && fleet_now(h->site) - since_ns < give_up_ns &&
		may_live(r, h, &unseen_since_ns, &err)) {
		if (reach(r, h, &err)) {
			if (resume(r, h, &err))
				return NULL;
			break;
		}
		pause_ms(500);
	}
	h->ready = false;
	host_disconnect(h);
	runner_give_up(&h->runner, &err);
	return NULL;
}

bool
host_was_cut(void *ctx, const struct error *err)
{
	struct host *h = ctx;
	struct fleet_run *r = h->site->run;
	sigset_t all, before;
	bool began;

	(void)err;
	if (is_over(r, h))
		return false;
	host_stop_mending(h);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	began = pthread_create(&h->mender, NULL, mend, h) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	h->mending = began;
	return began;
}

void
host_stop_mending(struct host *h)
{
	if (!h->mending)
		return;
	pthread_join(h->mender, NULL);
	h->mending = false;
}
