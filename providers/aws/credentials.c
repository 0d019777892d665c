/* credentials: keeps what a look found, and looks again before it ends. The lock is never held while
 * a place is asked. */
#include "providers/aws/credentials.h"

#include "providers/aws/credentials_internal.h"

#include <pthread.h>
#include <stdlib.h>

#define SOON_NS (15 * 60 * NS_PER_S) /* so long before the end one thread renews them */
#define LATE_NS (5 * 60 * NS_PER_S)  /* and so long before it all wait for that */
#define PAUSE_NS (60 * NS_PER_S)     /* between looks that bring nothing better */
#define PROCESS_NS (60 * NS_PER_S)

struct credentials_chain {
	const struct shared_config *config;
	struct credentials_world world; /* config and world: never change */
	pthread_mutex_t mutex;		/* of all below */
	pthread_cond_t looked;
	struct arena arena; /* of now */
	struct credentials now;
	bool have;
	bool refused;	  /* by AWS: look anew */
	bool beyond_time; /* IMDS has no better ones at present: used after their end */
	bool from_imds;
	int64_t lifetime_ns; /* when they were got */
	int64_t pause_until_ns;
	bool looking; /* a thread is */
	uint64_t looks;
	int last_rc;
	struct error last_err; /* of the last look that failed */
};

enum need { NEED_NONE, NEED_SOON, NEED_NOW };

static int64_t
left_ns(const struct credentials_chain *c)
{
	const struct clock *clock = c->world.clock;

	return c->now.expires_wall_ns - clock->wall_ns(clock->ctx);
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool
usable_locked(const struct credentials_chain *c)
{
	return c->have && !c->refused && (left_ns(c) > 0 || c->beyond_time);
}

static enum need
need_locked(const struct credentials_chain *c)
{
	const struct clock *clock = c->world.clock;
	int64_t left;

	if (!usable_locked(c))
		return NEED_NOW;
	if (c->now.expires_wall_ns == INT64_MAX || clock->now_ns(clock->ctx) < c->pause_until_ns)
		return NEED_NONE;
	left = left_ns(c);
	/* Short-lived ones would else be renewed all the time. */
	if (left > least(SOON_NS, c->lifetime_ns / 2))
		return NEED_NONE;
	return left > least(LATE_NS, c->lifetime_ns / 4) ? NEED_SOON : NEED_NOW;
}

static void
copy(struct arena *a, struct credentials *out, const struct credentials *from)
{
	*out = (struct credentials){
		.key_id = arena_str(a, from->key_id),
		.secret = arena_str(a, from->secret),
		.token = arena_str(a, from->token),
		.expires_wall_ns = from->expires_wall_ns,
		.from = arena_str(a, from->from),
	};
}

static void
keep_locked(struct credentials_chain *c, const struct credentials *found, bool from_imds)
{
	const struct clock *clock = c->world.clock;
	bool same = c->have && str_eq(c->now.key_id, found->key_id) &&
		    c->now.expires_wall_ns == found->expires_wall_ns;
	int64_t left;

	arena_wipe(&c->arena);
	copy(&c->arena, &c->now, found);
	left = left_ns(c);
	c->have = true;
	c->refused = false;
	c->from_imds = from_imds;
	c->beyond_time = from_imds && left <= 0;
	if (!same)
		c->lifetime_ns = left > 0 ? left : 0;
	/* Some places hand out what they have until shortly before its end. */
	c->pause_until_ns = clock->now_ns(clock->ctx) + PAUSE_NS;
}

static int
check_time(const struct credentials_chain *c, const struct credentials *found, bool from_imds,
	struct error *err)
{
	const struct clock *clock = c->world.clock;
	char at[CLOCK_RFC3339_BYTES];

	if (from_imds || found->expires_wall_ns > clock->wall_ns(clock->ctx))
		return 0;
	clock_format_rfc3339(at, found->expires_wall_ns);
	return credentials_wrong(err,
		"AWS credentials of %.*s ended already, at %s (is this machine's clock right?)",
		STR_ARG(found->from), at);
}

/* What a look that failed means for those that there are. */
static void
failed_locked(struct credentials_chain *c, int rc, const struct error *err, bool imds_down)
{
	const struct clock *clock = c->world.clock;

	c->last_rc = rc;
	c->last_err = *err;
	if (!c->have || c->refused || rc == ERR_CANCELLED)
		return;
	c->beyond_time = c->from_imds && imds_down;
	c->pause_until_ns = clock->now_ns(clock->ctx) + PAUSE_NS;
}

/* Unlocks meanwhile. */
static void
look_locked(struct credentials_chain *c)
{
	struct looking l = {.config = c->config, .world = &c->world};
	struct credentials found;
	struct error err = {0};
	int rc;

	c->looking = true;
	pthread_mutex_unlock(&c->mutex);
	rc = credentials_look(&l, &found, &err);
	if (rc > 0)
		rc = check_time(c, &found, l.from_imds, &err);
	pthread_mutex_lock(&c->mutex);
	c->looking = false;
	c->looks++;
	c->last_rc = 0;
	if (rc < 0)
		failed_locked(c, rc, &err, l.imds_down);
	else
		keep_locked(c, &found, l.from_imds);
	pthread_cond_broadcast(&c->looked);
	looking_end(&l);
}

static void
wait_locked(struct credentials_chain *c)
{
	uint64_t before = c->looks;

	while (c->looks == before)
		pthread_cond_wait(&c->looked, &c->mutex);
}

int
credentials_get(
	struct credentials_chain *c, struct arena *a, struct credentials *out, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&c->mutex);
	for (;;) {
		enum need need = need_locked(c);
		bool mine = !c->looking;

		if (need == NEED_NONE || (need == NEED_SOON && !mine))
			break;
		if (mine)
			look_locked(c);
		else
			wait_locked(c);
		rc = c->last_rc;
		/* Another thread's cancellation is not this one's. */
		if (rc < 0 && (mine || rc != ERR_CANCELLED))
			break;
	}
	if (usable_locked(c)) {
		copy(a, out, &c->now);
		rc = 0;
	} else if (err) {
		*err = c->last_err;
	}
	pthread_mutex_unlock(&c->mutex);
	return rc;
}

void
credentials_forget(struct credentials_chain *c, struct str key_id)
{
	pthread_mutex_lock(&c->mutex);
	if (c->have && str_eq(c->now.key_id, key_id))
		c->refused = true;
	pthread_mutex_unlock(&c->mutex);
}

int
credentials_open(struct credentials_chain **out, const struct shared_config *config,
	const struct credentials_world *world, struct error *err)
{
	struct credentials_chain *c = mem_alloc(sizeof(*c));

	(void)err;
	*c = (struct credentials_chain){.config = config};
	if (world)
		c->world = *world;
	if (!c->world.clock)
		c->world.clock = clock_system();
	if (c->world.process_timeout_ns == 0)
		c->world.process_timeout_ns = PROCESS_NS;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->looked, NULL);
	*out = c;
	return 0;
}

void
credentials_close(struct credentials_chain *c)
{
	if (!c)
		return;
	arena_wipe(&c->arena);
	pthread_cond_destroy(&c->looked);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}
