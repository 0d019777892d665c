/* pool: real threads, a real mailbox. Run under the thread sanitizer, too. */
#include "planner/execute/pool.h"

#include "planner/execute/journal.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A provider whose doings the tests choose by the kind of a node. */
struct doings {
	struct provider provider;
	atomic_int running, most_running, steps, submitted, stopped;
	atomic_int order[64];
	pthread_t coordinator;
	bool answer_at_once;
	bool tells; /* at the first task, that the place will be taken away */
	pthread_t threads[64];
	atomic_int n_threads;
	struct ear ear;	   /* notice NULL: nobody listens */
	struct call *held; /* a task that is answered when it is stopped */
};

static void
nap(int64_t ns)
{
	const struct timespec t = {.tv_nsec = ns};

	nanosleep(&t, NULL);
}

static enum step
do_step(void *ctx, struct call *call, struct outcome *outcome, struct error *err)
{
	struct doings *d = ctx;
	int n = atomic_fetch_add(&d->running, 1) + 1, most = atomic_load(&d->most_running);
	enum step step = STEP_DONE;

	while (n > most && !atomic_compare_exchange_weak(&d->most_running, &most, n))
		;
	n = atomic_fetch_add(&d->steps, 1);
	if (n < 64)
		atomic_store(&d->order[n], (int)call->node->index);
	if (call->node->kind == KIND_ENVIRONMENT)
		outcome->slots = 4;
	if (call->node->kind == KIND_ACCESS) {
		step = call->sink->intent(call, "CreateSecurityGroup", "t-1", err) ? STEP_FAILED
										   : STEP_DONE;
		if (step == STEP_DONE && call->sink->effect(call, "sg-1", err) != 0)
			step = STEP_FAILED;
	}
	if (call->node->kind == KIND_INSTANCE && !call->provider_data) {
		call->provider_data = d;
		call->pending_until_ns = call->sink->now_ns(call) + 3 * NS_PER_MS;
		call->sink->phase(call, PHASE_BOOT);
		step = STEP_PENDING;
	}
	if (call->node->kind == KIND_IMAGE) {
		error_set(err, ERR_HOST, "no image %d", 7);
		step = STEP_FAILED;
	}
	nap(NS_PER_MS);
	atomic_fetch_sub(&d->running, 1);
	return step;
}

static void *
run_task(void *ctx)
{
	struct call *call = ctx;
	struct outcome o = {.ran = true, .begun_ns = call->sink->now_ns(call)};

	call->sink->begun(call, o.begun_ns);
	nap(NS_PER_MS / 10);
	o.ended_ns = call->sink->now_ns(call);
	call->sink->answer(call, STEP_DONE, &o, NULL);
	return NULL;
}

static void
do_submit(void *ctx, struct call *call)
{
	struct doings *d = ctx;
	int n = atomic_fetch_add(&d->submitted, 1);

	if (d->tells && n == 0)
		d->ear.notice(d->ear.ctx, 0, NS_PER_S, "host 0 will be gone");
	assert_true(pthread_equal(pthread_self(), d->coordinator));
	if (d->answer_at_once) {
		call->sink->answer(call, STEP_DONE, NULL, NULL);
	} else if (call->node->index == 999) {
		call->sink->begun(call, 1);
		d->held = call;
	} else {
		assert_true(n < 64);
		assert_int_equal(pthread_create(&d->threads[n], NULL, run_task, call), 0);
		atomic_fetch_add(&d->n_threads, 1);
	}
}

static void
do_stop(void *ctx, struct call *call, int64_t grace_ns)
{
	struct doings *d = ctx;
	struct error e;

	(void)grace_ns;
	atomic_fetch_add(&d->stopped, 1);
	assert_ptr_equal(call, d->held);
	error_set(&e, ERR_CANCELLED, "stopped");
	call->sink->answer(call, STEP_FAILED, NULL, &e);
}

static void
do_listen(void *ctx, const struct ear *ear)
{
	struct doings *d = ctx;

	d->ear = ear ? *ear : (struct ear){0};
}

struct fixture {
	struct arena a;
	struct graph g;
	struct doings d;
	struct exec_options options;
	struct exec_result result;
	struct error err;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	graph_init(&f->g, &f->a);
	f->d.provider = (struct provider){.ctx = &f->d,
		.listen = do_listen,
		.step = do_step,
		.submit = do_submit,
		.stop = do_stop};
	f->d.coordinator = pthread_self();
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	arena_free(&f->a);
	free(f);
	return 0;
}

static uint32_t
add(struct fixture *f, enum kind kind, uint32_t index, int64_t estimate_ns)
{
	const struct node node = {.kind = kind,
		.index = index,
		.needs_slot = kind == KIND_TASK,
		.gives_slots = kind == KIND_ENVIRONMENT,
		.always = kind == KIND_RELEASE,
		.estimate_ns = estimate_ns};

	return graph_add(&f->g, &node, NULL, 0);
}

static int
run_with(struct fixture *f, struct pool *p, struct journal *j)
{
	int code;

	if (!f->g.frozen)
		assert_int_equal(graph_freeze(&f->g, &f->err), 0);
	code = executor_run(&f->a, &f->g, &f->options, pool_port(p), j, NULL, &f->result, &f->err);
	for (int i = 0; i < atomic_load(&f->d.n_threads); i++)
		pthread_join(f->d.threads[i], NULL);
	return code;
}

static int
run(struct fixture *f, unsigned workers)
{
	struct pool *p = pool_open(&f->d.provider, clock_system(), workers);
	int code = run_with(f, p, NULL);

	pool_close(p);
	return code;
}

static void
no_more_workers_than_allowed(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 30; i++)
		add(f, KIND_READ, i, 1);
	assert_int_equal(run(f, 3), 0);
	assert_int_equal(atomic_load(&f->d.steps), 30);
	assert_in_range(atomic_load(&f->d.most_running), 1, 3);
	assert_int_equal(f->result.n_ok, 30);
}

static void
one_worker_takes_the_longest_way_first(void **state)
{
	static const int64_t estimates[] = {3, 9, 1, 9, 5};
	static const int order[] = {3, 4, 0, 2};
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 5; i++)
		add(f, KIND_READ, i, estimates[i]);
	assert_int_equal(run(f, 0), 0);
	assert_int_equal(atomic_load(&f->d.most_running), 1);
	assert_int_equal(atomic_load(&f->d.order[0]), 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(atomic_load(&f->d.order[i + 1]), order[i]);
}

static void
nothing_to_run_starts_no_thread(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, 8), 0);
	pool_close(NULL);
}

static void
tasks_answer_from_their_threads(void **state)
{
	struct fixture *f = *state;

	add(f, KIND_ENVIRONMENT, 0, 1);
	for (uint32_t i = 0; i < 40; i++)
		add(f, KIND_TASK, i, 1);
	assert_int_equal(run(f, 2), 0);
	assert_int_equal(f->result.tasks_ok, 40);
}

static void
tasks_answer_from_within_submit(void **state)
{
	struct fixture *f = *state;

	f->d.answer_at_once = true;
	add(f, KIND_ENVIRONMENT, 0, 1);
	for (uint32_t i = 0; i < 2000; i++)
		add(f, KIND_TASK, i, 1);
	assert_int_equal(run(f, 2), 0);
	assert_int_equal(f->result.tasks_ok, 2000);
}

static void
pending_and_failing_steps(void **state)
{
	struct fixture *f = *state;

	add(f, KIND_INSTANCE, 0, 1);
	add(f, KIND_IMAGE, 0, 1);
	assert_int_equal(run(f, 2), ERR_HOST);
	assert_string_equal(f->err.message, "image: no image 7");
	assert_int_equal(atomic_load(&f->d.steps), 3);
	assert_true(f->result.wall_ns >= 3 * NS_PER_MS);
}

static void
intents_wait_for_the_journal(void **state)
{
	const struct journal_head head = {.run = "x", .trace = "0"};
	struct fixture *f = *state;
	char folder[] = "/tmp/furrow-pool.XXXXXX", path[64];
	struct pool *p;
	struct journal *j = NULL;
	char text[4096] = "";
	FILE *file;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/j", folder);
	add(f, KIND_ACCESS, 0, 1);
	assert_int_equal(graph_freeze(&f->g, &f->err), 0);
	assert_int_equal(journal_create(&j, path, &head, &f->g, &f->err), 0);
	p = pool_open(&f->d.provider, clock_system(), 2);
	assert_int_equal(run_with(f, p, j), 0);
	pool_close(p);
	assert_int_equal(journal_close(j, &f->result, 0, &f->err), 0);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_non_null(strstr(text, "\"op\":\"CreateSecurityGroup\",\"token\":\"t-1\"}\n"));
	assert_non_null(strstr(text, "\"id\":\"sg-1\"}\n"));
	unlink(path);
	rmdir(folder);
}

/* What runs may end; the others have no place any more. */
static void
a_notice_reaches_the_executor(void **state)
{
	struct fixture *f = *state;
	struct pool *p;

	f->d.tells = true;
	f->options.max_slots = 1;
	add(f, KIND_ENVIRONMENT, 0, 1);
	for (uint32_t i = 0; i < 8; i++)
		add(f, KIND_TASK, i, 1);
	p = pool_open(&f->d.provider, clock_system(), 2);
	assert_non_null(f->d.ear.notice);
	assert_int_equal(run_with(f, p, NULL), ERR_HOST);
	assert_int_equal(f->result.tasks_ok, 1);
	assert_int_equal(f->result.tasks_cancelled, 7);
	pool_close(p);
	assert_null(f->d.ear.notice);
}

static struct pool *interrupted;

static void
on_alarm(int sig)
{
	pool_interrupt(interrupted, sig);
}

static void
a_signal_handler_may_interrupt(void **state)
{
	struct sigaction action = {.sa_handler = on_alarm}, before;
	struct fixture *f = *state;
	const struct timespec soon = {.tv_nsec = 20 * NS_PER_MS};
	struct itimerspec when = {.it_value = soon, .it_interval = soon};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	timer_t timer;

	add(f, KIND_ENVIRONMENT, 0, 1);
	add(f, KIND_TASK, 999, 1);
	interrupted = pool_open(&f->d.provider, clock_system(), 1);
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &when, NULL), 0);
	assert_int_equal(run_with(f, interrupted, NULL), ERR_CANCELLED);
	timer_delete(timer);
	sigaction(SIGALRM, &before, NULL);
	assert_true(f->result.interrupted);
	assert_int_equal(atomic_load(&f->d.stopped), 1); /* by the second one */
	assert_int_equal(f->result.tasks_cancelled, 1);
	pool_close(interrupted);
}

static void
an_interrupt_keeps_errno(void **state)
{
	struct fixture *f = *state;
	struct pool *p = pool_open(&f->d.provider, clock_system(), 1);

	errno = EXDEV;
	pool_interrupt(p, SIGINT);
	assert_int_equal(errno, EXDEV);
	pool_close(p);
}

static void
waiting_has_an_end(void **state)
{
	struct fixture *f = *state;
	struct pool *p = pool_open(&f->d.provider, clock_system(), 1);
	const struct exec_port *port = pool_port(p);
	struct exec_event e;
	int64_t before = port->now_ns(port->ctx);

	assert_false(port->wait(port->ctx, 0, &e));
	assert_false(port->wait(port->ctx, before + 5 * NS_PER_MS, &e));
	assert_true(port->now_ns(port->ctx) >= before + 5 * NS_PER_MS);
	pool_interrupt(p, SIGTERM);
	assert_true(port->wait(port->ctx, INT64_MAX, &e));
	assert_int_equal(e.type, EVENT_INTERRUPT);
	assert_int_equal(e.signal, SIGTERM);
	assert_false(port->wait(port->ctx, 0, &e));
	pool_close(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_more_workers_than_allowed),
		TEST(one_worker_takes_the_longest_way_first),
		TEST(nothing_to_run_starts_no_thread),
		TEST(tasks_answer_from_their_threads),
		TEST(tasks_answer_from_within_submit),
		TEST(pending_and_failing_steps),
		TEST(intents_wait_for_the_journal),
		TEST(a_notice_reaches_the_executor),
		TEST(a_signal_handler_may_interrupt),
		TEST(an_interrupt_keeps_errno),
		TEST(waiting_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
