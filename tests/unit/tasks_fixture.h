/* tasks_fixture: one task on its way: the real tasks, session and store; the runner is the test, the
 * bucket a stand-in. */
#ifndef FURROW_TESTS_TASKS_FIXTURE_H
#define FURROW_TESTS_TASKS_FIXTURE_H

#include "tests/unit/session_fake.h"

#include "tests/unit/job_fixture.h"
#include "tests/unit/s3_standin.h"

#include "providers/store/s3.h"
#include "providers/tasks/tasks.h"

struct bed {
	struct fixture job;
	struct plan plan;
	struct store *store;
	struct tasks *tasks;
	struct runner runner;
	struct fake fake;
	char tmpdir[128];
	struct node node;
	struct call call;
	uint64_t id;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int cut, answered, asked;
	bool held; /* who makes a URL waits */
	int presign_rc;
	enum step step;
	struct outcome outcome;
	struct error err;
};
static struct bed *bed;

static inline void
wait_until(const int *what)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&bed->lock);
	while (!*what) {
		if (pthread_cond_timedwait(&bed->changed, &bed->lock, &until) != 0)
			fail_msg("nothing came for %d s", PATIENCE_S);
	}
	pthread_mutex_unlock(&bed->lock);
}

static inline void
set(int *what, int v)
{
	pthread_mutex_lock(&bed->lock);
	*what = v;
	pthread_cond_broadcast(&bed->changed);
	pthread_mutex_unlock(&bed->lock);
}

static inline int64_t
sink_now(struct call *call)
{
	(void)call;
	return now_of_test();
}

static inline void
sink_begun(struct call *call, int64_t t_ns)
{
	(void)call;
	(void)t_ns;
}

static inline void
sink_answer(
	struct call *call, enum step step, const struct outcome *outcome, const struct error *err)
{
	(void)call;
	bed->step = step;
	bed->outcome = *outcome;
	if (err)
		bed->err = *err;
	set(&bed->answered, 1);
}

static const struct sink sink = {.now_ns = sink_now, .begun = sink_begun, .answer = sink_answer};

static inline bool
was_cut(void *ctx, const struct error *err)
{
	(void)ctx;
	(void)err;
	set(&bed->cut, 1);
	return true;
}

static inline int
presign(struct error *err)
{
	int rc;

	pthread_mutex_lock(&bed->lock);
	bed->asked++;
	pthread_cond_broadcast(&bed->changed);
	while (bed->held)
		pthread_cond_wait(&bed->changed, &bed->lock);
	rc = bed->presign_rc;
	pthread_mutex_unlock(&bed->lock);
	return rc < 0 ? error_set(err, ERR_HOST, "the login ended") : 0;
}

static inline void
hold(bool held)
{
	pthread_mutex_lock(&bed->lock);
	bed->held = held;
	pthread_cond_broadcast(&bed->changed);
	pthread_mutex_unlock(&bed->lock);
}

/* A new connection to the fake. */
static inline struct session *
open_session(void)
{
	struct session_events events;
	struct session *session;
	struct error err = {0};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	bed->fake.peer = pair[1];
	say_welcome(&bed->fake, PROTOCOL_VERSION, now_of_test(), "x86_64");
	runner_events(&bed->runner, &events);
	if (session_open(&session, &(struct transport){.read_fd = pair[0], .write_fd = pair[0]},
		    "RUN", 0, &bed->fake.h.base, &events, 10 * NS_PER_S, NULL, &err) < 0)
		fail_msg("%s", err.message);
	return session;
}

/* configure (NULL: nothing to do): gives the job its input, and the tasks what they need for it. */
static inline void
start_as(bool bucket, void (*configure)(struct tasks_config *config))
{
	struct tasks_config config;
	struct host *h = &bed->fake.h;
	struct error err = {0};
	char path[128];
	int rc;

	host_init(h);
	snprintf(bed->tmpdir, sizeof(bed->tmpdir), "%s", h->dir);
	setenv("TMPDIR", bed->tmpdir, 1);
	fixture_init(&bed->job);
	config = (struct tasks_config){.plan = &bed->plan,
		.clock = clock_system(),
		.run = "RUN",
		.dir = h->dir,
		.logs = h->dir};
	if (configure)
		configure(&config);
	fixture_good(&bed->job);
	bed->plan.job = bed->job.job;
	bed->plan.changes.n_tasks_run = 1;
	snprintf(path, sizeof(path), "%s/store", h->dir);
	rc = bucket ? store_open_s3(&bed->store, NULL, STR("bucket"), STR("p"), &err)
		    : store_open_dir(&bed->store, path, true, &err);
	if (rc < 0)
		fail_msg("%s", err.message);
	standin.presign = presign;
	config.store = bed->store;
	tasks_open(&bed->tasks, &config);
	runner_init(&bed->runner, bed->tasks, "host-0", "the fake");
	bed->runner.cut = was_cut;
	bed->runner.session = open_session();
	bed->call =
		(struct call){.sink = &sink, .node = &bed->node, .attempt = 1, .timeout_ns = -1};
	bed->id = UINT64_C(1) << 32 | 1;
	runner_submit(&bed->runner, &bed->call);
}

static inline void
start(bool bucket)
{
	start_as(bucket, NULL);
}

static inline int
bed_setup(void **state)
{
	(void)state;
	bed = calloc(1, sizeof(*bed));
	pthread_mutex_init(&bed->lock, NULL);
	pthread_cond_init(&bed->changed, NULL);
	return 0;
}

static inline int
bed_teardown(void **state)
{
	(void)state;
	shutdown(bed->fake.peer, SHUT_RDWR);
	session_close(runner_take_session(&bed->runner), NS_PER_S, NULL);
	close(bed->fake.peer);
	tasks_close(bed->tasks);
	runner_destroy(&bed->runner);
	store_close(bed->store);
	standin_reset();
	unsetenv("TMPDIR");
	host_free(&bed->fake.h);
	fixture_free(&bed->job);
	free(bed);
	return 0;
}

static inline void
cut_and_resume(void)
{
	struct session_host far = {.tasks = &bed->id, .n_tasks = 1};
	struct session *old;
	int peer = bed->fake.peer;

	shutdown(peer, SHUT_RDWR);
	wait_until(&bed->cut);
	old = runner_take_session(&bed->runner);
	session_close(old, 0, NULL);
	close(peer);
	bed->cut = 0;
	runner_resume(&bed->runner, open_session(), &far);
}

/* The next frame of this type; what comes before it is passed over. */
static inline struct frame
hear_type(enum frame_type type)
{
	static uint8_t room[64 << 10];
	struct frame frame;

	do {
		frame = hear(&bed->fake, room, sizeof(room));
	} while (frame.type != type);
	assert_int_equal(frame.id, bed->id);
	return frame;
}

static inline void
say_begun(void)
{
	uint8_t p[8];

	put_i64(p, now_of_test());
	say(&bed->fake, FRAME_BEGUN, 0, bed->id, p, 8);
}

static inline void
say_ended(int why)
{
	int64_t now = now_of_test();

	say_end(&bed->fake, bed->id,
		&(struct end){.why = (uint8_t)why, .begun = now, .ended = now});
}

#endif
