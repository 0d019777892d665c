/* notice: a host that tells that it is to be interrupted, on its session's thread. What follows for the run's
 * tasks is the executor's business. */
#include "providers/fleet/internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *
words_for(const char *action)
{
	if (strcmp(action, "stop") == 0)
		return "stopped";
	if (strcmp(action, "hibernate") == 0)
		return "put to sleep";
	return "interrupted";
}

void
host_doomed(struct host *h)
{
	atomic_store(&h->doomed, true);
	atomic_store(&h->reclaimed, true);
}

void
host_noticed(void *ctx, const char *action, int64_t left_ns, int64_t wall_s)
{
	struct host *h = ctx;
	struct fleet_site *s = h->site;
	time_t at = (time_t)wall_s;
	char text[128], clock[16] = "some time";
	struct tm tm;

	host_doomed(h);
	if (!h->ready) {
		/* No task knows of it yet, and none is to wait for what would be over in two minutes. */
		host_hurry(h);
		return;
	}
	if (localtime_r(&at, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s will be %s at %s", h->id, words_for(action), clock);
	pthread_mutex_lock(&s->ear_lock);
	if (s->ear.notice)
		s->ear.notice(s->ear.ctx, h->index, left_ns, text);
	pthread_mutex_unlock(&s->ear_lock);
}

void
host_ended(struct host *h)
{
	struct fleet_site *s = h->site;

	if (atomic_exchange(&h->gone, true))
		return;
	pthread_mutex_lock(&s->ear_lock);
	if (s->ear.gone)
		s->ear.gone(s->ear.ctx, h->index);
	pthread_mutex_unlock(&s->ear_lock);
}

void
fleet_listen(void *ctx, const struct ear *ear)
{
	struct fleet_site *s = ctx;

	pthread_mutex_lock(&s->ear_lock);
	s->ear = ear ? *ear : (struct ear){0};
	pthread_mutex_unlock(&s->ear_lock);
}
