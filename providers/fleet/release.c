/* release: letting go of an instance: terminated, or left with a lease for the next apply. It runs
 * whatever became of the run, and is not done before EC2 said yes. */
#include "providers/fleet/internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t goodbye_ns = 10 * NS_PER_S;
static const int64_t poll_ns = NS_PER_S;

static void
pause_ns(int64_t ns)
{
	const struct timespec t = {ns / NS_PER_S, ns % NS_PER_S};

	nanosleep(&t, NULL);
}

/* A launch whose reply never came: there may be an instance of it, and EC2 may be late to show it. */
static int
find_lost(struct fleet_run *r, struct host *h, struct arena *a, struct error *err)
{
	struct pair filter = {.name = STR("client-token"), .value = str_from(h->token)};
	const struct pairs filters = {.v = &filter, .n = 1};
	struct ec2_instance *found;
	size_t n = 0;
	int rc;

	for (;;) {
		bool last = fleet_now(r->site) - h->sent_ns >= EC2_SHOWS_NS;

		rc = ec2_describe_instances(
			h->region->aws, a, (struct str){0}, NULL, &filters, &found, &n, err);
		if (rc < 0)
			return error_wrap(err,
				"whether an instance was launched under the client token %s, which "
				"would cost money",
				h->token);
		if (n || last)
			break;
		pause_ns(poll_ns);
	}
	if (n)
		host_set_id(h, found[0].id);
	h->unsure = false;
	return 0;
}

int
host_say_goodbye(struct host *h, int64_t timeout_ns, struct error *err)
{
	struct session *session;

	atomic_store(&h->leaving, true);
	host_stop_mending(h);
	session = runner_take_session(&h->runner);
	return session ? session_close(session, timeout_ns, err) : 0;
}

/* What was launched just now EC2 may not know yet. */
static int
terminate(struct fleet_run *r, struct host *h, struct error *err)
{
	int rc;

	for (;;) {
		bool known = !h->sent_ns || fleet_now(r->site) - h->sent_ns >= EC2_SHOWS_NS;

		rc = ec2_terminate_one(h->region->aws, str_from(h->id), err);
		if (rc != ERR_MISSING)
			break;
		if (known)
			return 0; /* it is gone by itself */
		pause_ns(poll_ns);
	}
	if (rc < 0)
		return error_wrap(err,
			"%s still runs and costs money; remove it with furrow destroy, or aws ec2 "
			"terminate-instances --region %s --instance-ids %s",
			h->id, aws_region(h->region->aws), h->id);
	return 0;
}

int
fleet_release(struct fleet_run *r, struct host *h, struct error *err)
{
	bool keep = r->site->site.config.manifest->instances.idle_ns > 0 && h->ready &&
		    !atomic_load(&h->doomed) && runner_state(&h->runner) == RUNNER_LIVE;
	struct arena scratch = {0};
	struct error local;
	int rc = 0;

	if (!err)
		err = &local;
	if (!h->id[0] && h->unsure)
		rc = find_lost(r, h, &scratch, err);
	if (rc == 0 && h->id[0] && !keep)
		rc = terminate(r, h, err);
	/* One that is kept is told so by our goodbye. */
	if (keep && rc == 0)
		rc = host_say_goodbye(h, goodbye_ns, err);
	else
		host_say_goodbye(h, 0, NULL);
	host_disconnect(h);
	h->released = rc == 0;
	h->kept = keep && rc == 0;
	h->ready = false;
	arena_free(&scratch);
	return rc;
}
