/* The job's lock in a bucket, against a stand-in of the client: of many who want it one gets it,
 * whatever answers get lost, whoever dies, and whatever clocks say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/s3_standin.h"

#include "providers/store/job_holder.h"
#include "providers/store/job_lock.h"

#include <sys/wait.h>

#define KEY "store/locks/job"

static atomic_llong ahead_ns; /* of the machine's clock that the lock is given */

static int64_t
now_ns(void *ctx)
{
	(void)ctx;
	return clock_system()->now_ns(clock_system()->ctx) + ahead_ns;
}

/* Years off. */
static int64_t
wall_ns(void *ctx)
{
	(void)ctx;
	return 1000 * NS_PER_S;
}

static const struct clock odd_clock = {.now_ns = now_ns, .wall_ns = wall_ns};

struct fixture {
	struct arena a;
	struct error err;
	struct job_lock_options options;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->options = (struct job_lock_options){.bucket = STR("bucket"),
		.prefix = STR("store"),
		.job = STR("job"),
		.run = STR("01RUN"),
		.clock = &odd_clock};
	ahead_ns = 0;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	standin_reset();
	arena_free(&f->a);
	free(f);
	return 0;
}

static struct job_lock *
take(struct fixture *f)
{
	struct job_lock *l;

	if (job_lock_take(&l, NULL, &f->options, &f->err) < 0)
		fail_msg("%s", f->err.message);
	return l;
}

static void
put_document(struct fixture *f, const char *bytes)
{
	assert_int_equal(
		s3_put(NULL, &f->a, STR("bucket"), STR(KEY), str_from(bytes), NULL, NULL, &f->err),
		0);
}

static void
test_taking_and_giving_back(void **state)
{
	struct fixture *f = *state;
	struct job_holder h;
	struct job_lock *l, *other;

	assert_int_equal(job_lock_holder(NULL, &f->a, &f->options, &h, &f->err), 0);
	assert_false(h.held);
	l = take(f);
	assert_true(standin_has(KEY));
	assert_int_equal(job_lock_check(l, &f->err), 0);
	assert_int_equal(job_lock_holder(NULL, &f->a, &f->options, &h, &f->err), 0);
	assert_true(h.held && str_is(h.run, "01RUN"));
	assert_int_equal(h.pid, getpid());
	f->options.run = STR("02RUN");
	assert_int_equal(job_lock_take(&other, NULL, &f->options, &f->err), ERR_LOCKED);
	assert_null(other);
	assert_non_null(strstr(f->err.message, "run 01RUN"));
	assert_non_null(strstr(f->err.message, "since 1970-01-01"));
	assert_non_null(strstr(f->err.message, "until 2026-"));
	f->options.job = STR("another");
	other = take(f);
	job_lock_release(other);
	job_lock_release(l);
	assert_int_equal(standin.n, 0);
	job_lock_release(NULL);
}

static void
test_expiry_is_told_by_the_clock_of_s3(void **state)
{
	struct fixture *f = *state;
	struct job_lock *l = take(f), *other;

	/* Our own clock may say what it likes; the holder's lasts 60 s and two more. */
	standin.now_ns += 61 * NS_PER_S;
	assert_int_equal(job_lock_take(&other, NULL, &f->options, &f->err), ERR_LOCKED);
	standin.now_ns += 2 * NS_PER_S;
	other = take(f);
	assert_int_equal(job_lock_check(other, &f->err), 0);
	job_lock_release(l); /* not its own any more: left alone */
	assert_true(standin_has(KEY));
	job_lock_release(other);
	assert_false(standin_has(KEY));
}

static void
test_check_by_the_monotonic_clock(void **state)
{
	struct fixture *f = *state;
	struct job_lock *l = take(f);
	size_t requests = standin.n_log;

	ahead_ns = 53 * NS_PER_S;
	assert_int_equal(job_lock_check(l, &f->err), 0);
	ahead_ns = 55 * NS_PER_S;
	assert_int_equal(job_lock_check(l, &f->err), ERR_HOST);
	assert_int_equal(f->err.class, CLASS_TRANSIENT);
	assert_non_null(strstr(f->err.message, "could not be renewed"));
	assert_int_equal(standin.n_log, requests);
	job_lock_release(l);
}

static void
until(struct job_lock *l, int rc, struct error *err)
{
	for (int i = 0; i < 1000 && job_lock_check(l, err) != rc; i++)
		usleep(10000);
	assert_int_equal(job_lock_check(l, err), rc);
}

static void
test_renewal(void **state)
{
	struct fixture *f = *state;
	struct job_lock *l;

	f->options.lease_ns = NS_PER_S;
	l = take(f);
	for (int i = 0; i < 25; i++) {
		assert_int_equal(job_lock_check(l, &f->err), 0);
		usleep(100000);
	}
	assert_in_range(standin_count("PUT " KEY), 5, 10);
	job_lock_release(l);
	assert_int_equal(standin.n, 0);
}

static atomic_bool failing;

static int
fail_puts(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	if (after || !failing || strcmp(r->method, "PUT") != 0)
		return 0;
	return standin_fail(answer, 503, "SlowDown", err);
}

static void
test_renewals_that_fail(void **state)
{
	struct fixture *f = *state;
	struct job_lock *l;

	standin.hook = fail_puts;
	failing = false;
	f->options.lease_ns = NS_PER_S;
	l = take(f);
	failing = true;
	until(l, ERR_HOST, &f->err);
	assert_non_null(strstr(f->err.message, "SlowDown"));
	failing = false; /* nobody had it meanwhile: it still is ours */
	until(l, 0, &f->err);
	job_lock_release(l);
	assert_int_equal(standin.n, 0);
	failing = true;
	assert_int_equal(job_lock_take(&l, NULL, &f->options, &f->err), ERR_HOST);
	assert_null(l);
}

static void
test_losing_it(void **state)
{
	struct fixture *f = *state;
	struct job_lock *l;

	f->options.lease_ns = NS_PER_S;
	l = take(f);
	put_document(f, "{\"furrow_lock\":1,\"run\":\"THIEF\",\"lease_s\":60}");
	until(l, ERR_LOCKED, &f->err);
	assert_non_null(strstr(f->err.message, "taken over by run THIEF"));
	job_lock_release(l);
	assert_true(standin_has(KEY));
	standin_reset();
	l = take(f);
	assert_int_equal(s3_delete(NULL, &f->a, STR("bucket"), STR(KEY), NULL, &f->err), 0);
	until(l, ERR_LOCKED, &f->err);
	assert_non_null(strstr(f->err.message, "was removed"));
	job_lock_release(l);
}

/* Every PUT goes through, but the first answer to it is lost and the repetition meets itself. */
static int
lose_replies(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	if (!after || strcmp(r->method, "PUT") != 0)
		return 0;
	return standin_fail(answer, 412, "PreconditionFailed", err);
}

/* Given up after it went through, and not even its own object can be seen. */
static int
lose_everything(
	const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	if (!after || (strcmp(r->method, "PUT") != 0 && strcmp(r->method, "HEAD") != 0))
		return 0;
	return standin_fail(answer, strcmp(r->method, "PUT") == 0 ? 412 : 500, "Lost", err);
}

static void
test_lost_replies(void **state)
{
	struct fixture *f = *state;
	struct job_lock *l, *other;

	standin.hook = lose_replies;
	f->options.lease_ns = NS_PER_S;
	l = take(f);
	assert_int_equal(job_lock_take(&other, NULL, &f->options, &f->err), ERR_LOCKED);
	usleep(1500000);
	assert_int_equal(job_lock_check(l, &f->err), 0);
	standin.hook = lose_everything;
	until(l, ERR_HOST, &f->err);
	standin.hook = NULL;
	until(l, 0, &f->err); /* it found itself */
	standin.hook = lose_everything;
	usleep(500000);
	standin.hook = NULL;
	job_lock_release(l);
	assert_int_equal(standin.n, 0);
}

static void
test_a_dead_process_of_this_machine(void **state)
{
	struct fixture *f = *state;
	struct job_lock *l = take(f), *other;
	struct job_document d;
	struct buf b = {0};
	size_t at;
	pid_t dead = fork();

	if (dead == 0)
		_exit(0);
	waitpid(dead, NULL, 0);
	assert_true(standin_find(STR(KEY), &at));
	assert_int_equal(
		job_document_parse(&f->a, &d, buf_str(&standin.objects[at]->body), &f->err), 0);
	job_lock_release(l);
	d.pid = dead;
	job_document_write(&b, &d);
	put_document(f, buf_cstr(&b));
	l = take(f); /* at once */
	job_lock_release(l);
	d.machine = STR("another"); /* there it may well live */
	buf_clear(&b);
	job_document_write(&b, &d);
	put_document(f, buf_cstr(&b));
	assert_int_equal(job_lock_take(&other, NULL, &f->options, &f->err), ERR_LOCKED);
	d.released = true;
	buf_clear(&b);
	job_document_write(&b, &d);
	put_document(f, buf_cstr(&b));
	l = take(f);
	job_lock_release(l);
	buf_free(&b);
}

static void
test_documents_of_every_kind(void **state)
{
	static const char *const bad[] = {"", "no", "[]", "{}", "{\"furrow_lock\":0}",
		"{\"furrow_lock\":\"1\"}", "{\"furrow_lock\":1}",
		"{\"furrow_lock\":1,\"lease_s\":-1}", "{\"furrow_lock\":1,\"lease_s\":1e99}",
		"{\"furrow_lock\":1,\"lease_s\":9223372036854775807}",
		"{\"furrow_lock\":2,\"lease_s\":60}", "\xff\xfe"};
	struct fixture *f = *state;
	struct job_holder h;
	struct job_lock *l;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_document(f, bad[i]);
		assert_int_equal(job_lock_take(&l, NULL, &f->options, &f->err), ERR_INPUT);
		assert_non_null(strstr(f->err.message, "s3://bucket/" KEY));
		assert_int_equal(job_lock_holder(NULL, &f->a, &f->options, &h, &f->err), ERR_INPUT);
	}
	put_document(f, "{\"furrow_lock\":1,\"lease_s\":60,\"run\":[],\"host\":\"a\\u001b[2Jb\\n\","
			"\"pid\":\"x\",\"later\":1}");
	assert_int_equal(job_lock_take(&l, NULL, &f->options, &f->err), ERR_LOCKED);
	assert_null(strchr(f->err.message, '\x1b'));
	assert_null(strchr(f->err.message, '\n'));
}

static int
no_deletes(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	if (after || strcmp(r->method, "DELETE") != 0)
		return 0;
	return standin_fail(answer, 501, "NotImplemented", err);
}

static void
test_where_nothing_can_be_removed_on_a_condition(void **state)
{
	struct fixture *f = *state;
	struct job_holder h;

	standin.hook = no_deletes;
	for (int i = 0; i < 3; i++) {
		job_lock_release(take(f));
		assert_true(standin_has(KEY));
		assert_int_equal(job_lock_holder(NULL, &f->a, &f->options, &h, &f->err), 0);
		assert_false(h.held);
	}
}

static atomic_int n_holders, n_taken;

static void *
contend(void *arg)
{
	struct fixture *f = arg;
	struct error err;

	for (int i = 0; i < 200; i++) {
		struct job_lock *l;
		int rc = job_lock_take(&l, NULL, &f->options, &err);

		assert_true(rc == 0 || rc == ERR_LOCKED);
		if (rc < 0)
			continue;
		assert_int_equal(atomic_fetch_add(&n_holders, 1), 0);
		atomic_fetch_add(&n_taken, 1);
		sched_yield();
		atomic_fetch_sub(&n_holders, 1);
		job_lock_release(l);
	}
	return NULL;
}

static void
test_one_of_many(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[8];

	n_taken = 0;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, contend, f), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_true(n_taken > 0);
	assert_int_equal(standin.n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_taking_and_giving_back),
		TEST(test_expiry_is_told_by_the_clock_of_s3),
		TEST(test_check_by_the_monotonic_clock),
		TEST(test_renewal),
		TEST(test_renewals_that_fail),
		TEST(test_losing_it),
		TEST(test_lost_replies),
		TEST(test_a_dead_process_of_this_machine),
		TEST(test_documents_of_every_kind),
		TEST(test_where_nothing_can_be_removed_on_a_condition),
		TEST(test_one_of_many),
	};

	return cmocka_run_group_tests_name("job_lock", tests, NULL, NULL);
}
