/* mend: reaching a host again after its connection was cut. Its tasks go on meanwhile; what they did
 * is taken up where it was. Ends when the host is reached, when EC2 says that it is gone, when it
 * alone has been out of reach for a while, or when it must have powered itself off. */
#include "providers/fleet/internal.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

/* Its lease is over then. */
static const int64_t give_up_ns = 660 * NS_PER_S;
/* While EC2 is reached and the host is not, it is not our own network that is away. */
static const int64_t alone_ns = 180 * NS_PER_S;
static const int64_t try_ns = 10 * NS_PER_S;
static const int64_t poll_ns = 2 * NS_PER_S;

/* How long a host has been out of reach. */
struct absence {
	int64_t since_ns, looked_ns;
	int64_t alone_ns; /* of that, while EC2 was reached */
};

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

/* false, and why: there is nothing to be reached any more. */
static bool
may_live(struct fleet_run *r, struct host *h, struct absence *gone, struct error *err)
{
	int64_t now_ns = fleet_now(r->site);
	bool asked;

	if (host_alive(r, h, poll_ns, &asked, err) < 0)
		return false;
	if (asked)
		gone->alone_ns += now_ns - gone->looked_ns;
	gone->looked_ns = fleet_now(r->site);
	if (gone->alone_ns < alone_ns && gone->looked_ns - gone->since_ns < give_up_ns)
		return true;
	h->spent = true;
	error_set(err, ERR_HOST,
		"%s was not reached again for %lld s, although EC2 says that it runs", h->id,
		(long long)((gone->looked_ns - gone->since_ns) / NS_PER_S));
	return false;
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
	return host_lists(&h->words.runs, run);
}

/* 1: its tasks go on; 0: it was cut once more; < 0: it has lost them. */
static int
resume(struct fleet_run *r, struct host *h, struct error *err)
{
	struct session *session = NULL;
	struct session_host far = {0};

	if (!is_live_there(h, r->id) && atomic_load(&h->reclaimed)) {
		/* It goes down as it said it would, and EC2 does not tell it yet. */
		host_ended(h);
		return error_set(err, ERR_HOST,
			"EC2 has interrupted %s, a spot instance: its runner has ended", h->id);
	}
	if (!is_live_there(h, r->id))
		return error_set(err, ERR_HOST,
			"%s does not serve the run (any more); its connection ended with: %s",
			h->id, h->cut_why);
	if (host_begin(r, h, &session, &far, err) < 0)
		return 0;
	runner_resume(&h->runner, session, &far);
	return 1;
}

static void *
mend(void *arg)
{
	struct host *h = arg;
	struct fleet_run *r = h->site->run;
	struct absence gone = {.since_ns = fleet_now(h->site), .looked_ns = fleet_now(h->site)};
	struct session *cut;
	struct error err;
	int rc = 0;

	error_set(&err, ERR_HOST, "the connection to %s was cut", h->id);
	cut = runner_take_session(&h->runner);
	session_close(cut, 0, NULL);
	while (rc == 0 && !is_over(r, h) && may_live(r, h, &gone, &err)) {
		if (reach(r, h, &err))
			rc = resume(r, h, &err);
		if (rc > 0)
			return NULL;
		if (rc == 0)
			pause_ms(500);
	}
	h->ready = false;
	host_disconnect(h);
	runner_give_up(&h->runner, &err);
	return NULL;
}

/* With mend_lock. */
static bool
start_mender_locked(struct host *h)
{
	sigset_t all, before;

	/* One from an earlier cut has reached the host since, and ended. */
	if (h->mending)
		pthread_join(h->mender, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	h->mending = pthread_create(&h->mender, NULL, mend, h) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return h->mending;
}

bool
host_was_cut(void *ctx, const struct error *err)
{
	struct host *h = ctx;
	char said[512];
	bool began;

	ssh_said(h->ssh, said, sizeof(said));
	pthread_mutex_lock(&h->mend_lock);
	snprintf(h->cut_why, sizeof(h->cut_why), "%s", said[0] ? said : err->message);
	began = !is_over(h->site->run, h) && start_mender_locked(h);
	pthread_mutex_unlock(&h->mend_lock);
	return began;
}

void
host_stop_mending(struct host *h)
{
	pthread_t mender;
	bool mending;

	pthread_mutex_lock(&h->mend_lock);
	mending = h->mending;
	mender = h->mender;
	h->mending = false;
	pthread_mutex_unlock(&h->mend_lock);
	if (mending)
		pthread_join(mender, NULL);
}
