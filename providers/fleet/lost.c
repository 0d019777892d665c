/* lost: instances that a run asked EC2 for and died, maybe before it heard the answer. EC2 takes a moment
 * to show what it has launched, so observing may have missed them: the dead run's journal says under
 * which client tokens to look. Whoever launches waits for one such token each, until EC2 must show its
 * instance, and takes that instead of a new one.
 *
 * This machine's journals alone are read, and only the lock of their folder makes sure that their runs
 * are dead: it is held. */
#include "providers/fleet/internal.h"

#include "planner/execute/timings.h"
#include "providers/store/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { JOURNAL_BYTES = 64 << 20 };

static const int64_t poll_ns = NS_PER_S;

struct launch_asked {
	struct str token;
	int64_t shown_wall_ns; /* EC2 shows it from then on */
	bool taken;	       /* under the site's lock */
};

struct lost {
	struct arena arena;
	struct launch_asked *v;
	size_t n, cap;
};

static int64_t
wall_now(const struct fleet_run *r)
{
	const struct clock *c = r->site->site.config.clock;

	return c->wall_ns(c->ctx);
}

static void
add(struct lost *l, struct str token, int64_t shown_wall_ns)
{
	for (size_t i = 0; i < l->n; i++) {
		if (str_eq(l->v[i].token, token))
			return;
	}
	if (l->n == l->cap) {
		struct launch_asked *v;

		l->cap = l->cap ? 2 * l->cap : 16;
		v = ARENA_ARRAY(&l->arena, struct launch_asked, l->cap);
		if (l->n)
			memcpy(v, l->v, l->n * sizeof(*v));
		l->v = v;
	}
	l->v[l->n++] = (struct launch_asked){
		.token = arena_str(&l->arena, token), .shown_wall_ns = shown_wall_ns};
}

/* A run that ended in order has looked for its own. */
static void
add_launches(struct fleet_run *r, struct lost *l, struct str journal, int64_t written_wall_ns)
{
	struct arena scratch = {0};
	struct timings t;

	if (timings_parse(&scratch, &t, journal, STR("journal"), NULL) == 0 && !t.done &&
		str_eq(t.job, r->site->site.config.manifest->name)) {
		for (size_t i = 0; i < t.n_intents; i++) {
			if (str_is(t.intents[i].op, "RunInstances"))
				add(l, t.intents[i].token, written_wall_ns + EC2_SHOWS_NS);
		}
	}
	arena_free(&scratch);
}

static void
read_run(struct fleet_run *r, struct lost *l, int runs_fd, const char *run)
{
	struct arena scratch = {0};
	const char *name = arena_printf(&scratch, "%s/journal.jsonl", run).p;
	int fd = openat(runs_fd, name, O_RDONLY | O_CLOEXEC);
	int64_t written_wall_ns;
	struct stat st;
	ssize_t n;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size < JOURNAL_BYTES) {
		written_wall_ns = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
		if (wall_now(r) - written_wall_ns < EC2_SHOWS_NS) {
			char *bytes = arena_alloc(&scratch, (size_t)st.st_size + 1);

			n = io_read_at(fd, bytes, (size_t)st.st_size, 0);
			if (n > 0)
				add_launches(r, l, (struct str){bytes, (size_t)n}, written_wall_ns);
		}
	}
	if (fd >= 0)
		close(fd);
	arena_free(&scratch);
}

static struct lost *
read_runs(struct fleet_run *r)
{
	struct lost *l = mem_alloc(sizeof(*l));
	DIR *runs = opendir(r->site->site.config.state->runs);
	const struct dirent *e;

	*l = (struct lost){0};
	while (runs && (e = readdir(runs))) {
		if (e->d_name[0] != '.' && strcmp(e->d_name, r->id) != 0)
			read_run(r, l, dirfd(runs), e->d_name);
	}
	if (runs)
		closedir(runs);
	return l;
}

/* The next one that nobody waits for. */
static struct launch_asked *
claim(struct fleet_run *r)
{
	struct launch_asked *next = NULL;

	pthread_mutex_lock(&r->site->lock);
	if (!r->lost)
		r->lost = read_runs(r);
	for (size_t i = 0; i < r->lost->n && !next; i++) {
		if (!r->lost->v[i].taken)
			next = &r->lost->v[i];
	}
	if (next)
		next->taken = true;
	pthread_mutex_unlock(&r->site->lock);
	return next;
}

/* For the next try. */
static void
give_back(struct fleet_run *r, struct launch_asked *l)
{
	pthread_mutex_lock(&r->site->lock);
	l->taken = false;
	pthread_mutex_unlock(&r->site->lock);
}

static bool
was_observed(struct fleet_site *s, struct str id)
{
	bool was = false;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_hosts && !was; i++)
		was = str_is(id, s->hosts[i]->id);
	pthread_mutex_unlock(&s->lock);
	return was;
}

/* 1: there is such an instance, in whatever state. A journal does not tell in which region it was asked for. */
static int
find(struct fleet_run *r, struct arena *a, struct str token, struct ec2_instance *out,
	struct region **region, struct error *err)
{
	struct pair filter = {.name = STR("client-token"), .value = token};
	const struct pairs filters = {.v = &filter, .n = 1};
	struct ec2_instance *found;
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < r->site->n_regions && rc == 0 && n == 0; i++) {
		*region = &r->site->regions[i];
		rc = ec2_describe_instances(
			(*region)->aws, a, (struct str){0}, NULL, &filters, &found, &n, err);
	}
	if (rc < 0 || n == 0)
		return rc;
	*out = found[0];
	return 1;
}

static int
await(struct fleet_run *r, struct arena *a, const struct launch_asked *l, struct ec2_instance *out,
	struct region **region, struct error *err)
{
	const struct timespec pause = {poll_ns / NS_PER_S, poll_ns % NS_PER_S};

	for (;;) {
		bool last = wall_now(r) >= l->shown_wall_ns || atomic_load(&r->stop_steps);
		int rc = find(r, a, l->token, out, region, err);

		if (rc != 0 || last)
			return rc;
		nanosleep(&pause, NULL);
	}
}

static bool
can_serve(struct fleet_run *r, struct arena *a, const struct ec2_instance *i)
{
	return (i->state == EC2_PENDING || i->state == EC2_RUNNING) &&
	       !was_observed(r->site, i->id) && !fleet_judge_tags(r->site, a, i).p;
}

int
lost_take(struct fleet_run *r, struct arena *a, struct ec2_instance *out, struct region **region,
	struct error *err)
{
	struct launch_asked *l;
	int rc;

	while ((l = claim(r))) {
		rc = await(r, a, l, out, region, err);
		if (rc < 0)
			give_back(r, l);
		if (rc < 0 || (rc > 0 && can_serve(r, a, out)))
			return rc;
	}
	return 0;
}

void
lost_close(struct fleet_run *r)
{
	struct lost *l = r->lost;
	struct arena scratch = {0};
	struct ec2_instance i = {0};
	struct region *region;
	struct error unwanted;

	for (size_t k = 0; l && k < l->n; k++) {
		if (!l->v[k].taken &&
			find(r, &scratch, l->v[k].token, &i, &region, &unwanted) > 0 &&
			can_serve(r, &scratch, &i))
			ec2_terminate_one(region->aws, i.id, &unwanted);
	}
	arena_free(&scratch);
	if (l)
		arena_free(&l->arena);
	free(l);
	r->lost = NULL;
}
