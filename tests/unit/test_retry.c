/* retry: which failures are met with another attempt, and when. */
#include "planner/execute/retry.h"

#include "planner/base/clock.h"
#include "planner/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct outcome exited_1 = {.ran = true, .exit_status = 1};
static const struct outcome exited_75 = {.ran = true, .exit_status = 75};
static const struct outcome killed = {.ran = true, .exit_status = -1, .signal = 9};
static const struct outcome timed_out = {
	.ran = true, .exit_status = -1, .signal = 15, .timed_out = true};
static const struct outcome nothing;
static const struct outcome lost = {.ran = true, .place_lost = true};

/* Whether a task's first failure is tried again under this policy. */
static bool
task_again(const struct retry_policy *p, const struct outcome *o, enum error_code code,
	enum error_class class)
{
	const struct error e = {.code = code, .class = class};
	struct retrier r;
	int64_t delay;

	retry_init(&r, p);
	return retry_again(&r, true, 1, o, &e, &delay);
}

static void
the_manifest_decides_for_tasks(void **state)
{
	struct retry_policy p = {
		.task_attempts = 2, .step_attempts = 2, .task_for_mask = RETRY_ERROR};

	(void)state;
	assert_true(task_again(&p, &exited_1, ERR_TASK, CLASS_FATAL));
	assert_true(task_again(&p, &killed, ERR_TASK, CLASS_FATAL));
	assert_false(task_again(&p, &timed_out, ERR_TASK, CLASS_FATAL));
	assert_false(task_again(&p, &lost, ERR_HOST, CLASS_INTERRUPTED));
	assert_false(task_again(&p, &nothing, ERR_HOST, CLASS_FATAL));
	assert_false(task_again(&p, &nothing, ERR_HOST, CLASS_CAPACITY));

	p.task_for_mask = RETRY_TIMEOUT;
	assert_true(task_again(&p, &timed_out, ERR_TASK, CLASS_FATAL));
	assert_false(task_again(&p, &exited_1, ERR_TASK, CLASS_FATAL));

	p.task_for_mask = RETRY_INTERRUPTION;
	assert_true(task_again(&p, &lost, ERR_HOST, CLASS_FATAL));
	assert_true(task_again(&p, &nothing, ERR_HOST, CLASS_INTERRUPTED));
	assert_false(task_again(&p, &exited_1, ERR_TASK, CLASS_FATAL));

	p.task_for_mask = RETRY_NO_CAPACITY;
	assert_true(task_again(&p, &nothing, ERR_HOST, CLASS_CAPACITY));
}

static void
exit_codes_narrow_it_down(void **state)
{
	static const int codes[] = {75, 137};
	const struct retry_policy p = {.task_attempts = 2,
		.task_for_mask = RETRY_ERROR,
		.exit_codes = codes,
		.n_exit_codes = 2};

	(void)state;
	assert_false(task_again(&p, &exited_1, ERR_TASK, CLASS_FATAL));
	assert_true(task_again(&p, &exited_75, ERR_TASK, CLASS_FATAL));
	assert_true(task_again(&p, &killed, ERR_TASK, CLASS_FATAL));
}

static void
without_a_policy_nothing_is_tried_again(void **state)
{
	const struct retry_policy p = {.task_for_mask = RETRY_ERROR};

	(void)state;
	assert_false(task_again(&p, &exited_1, ERR_TASK, CLASS_FATAL));
	assert_false(task_again(&p, &nothing, ERR_HOST, CLASS_TRANSIENT));
}

/* What ran may have done something; what failed while it fetched its input has not. */
static void
inputs_are_fetched_again(void **state)
{
	static const struct outcome fetching = {.ran = true, .exit_status = 119, .fetching = true};
	const struct retry_policy p = {.task_attempts = 1, .step_attempts = 2};

	(void)state;
	assert_false(task_again(&p, &exited_1, ERR_HOST, CLASS_TRANSIENT));
	assert_true(task_again(&p, &fetching, ERR_HOST, CLASS_TRANSIENT));
	assert_false(task_again(&p, &fetching, ERR_STALE, CLASS_FATAL));
}

static void
what_was_asked_for_or_is_a_bug_is_never_tried_again(void **state)
{
	const struct retry_policy p = {.task_attempts = 9, .step_attempts = 9, .task_for_mask = 15};

	(void)state;
	assert_false(task_again(&p, &exited_1, ERR_CANCELLED, CLASS_FATAL));
	assert_false(task_again(&p, &nothing, ERR_INTERNAL, CLASS_TRANSIENT));
}

static void
attempts_are_counted_in_all(void **state)
{
	const struct retry_policy p = {
		.task_attempts = 3, .step_attempts = 2, .task_for_mask = RETRY_ERROR};
	const struct error task = {.code = ERR_TASK};
	const struct error step = {.code = ERR_HOST, .class = CLASS_TRANSIENT};
	struct retrier r;
	int64_t delay;

	(void)state;
	retry_init(&r, &p);
	assert_true(retry_again(&r, true, 2, &exited_1, &task, &delay));
	assert_false(retry_again(&r, true, 3, &exited_1, &task, &delay));
	assert_true(retry_again(&r, false, 1, &nothing, &step, &delay));
	assert_false(retry_again(&r, false, 2, &nothing, &step, &delay));
}

static void
steps_are_tried_again_when_that_may_help(void **state)
{
	static const struct {
		enum error_class class;
		bool again;
	} cases[] = {
		{CLASS_FATAL, false},
		{CLASS_TRANSIENT, true},
		{CLASS_THROTTLED, true},
		{CLASS_CAPACITY, false},
		{CLASS_QUOTA, false},
		{CLASS_DENIED, false},
		{CLASS_INTERRUPTED, false},
	};
	struct retry_policy p = {.step_attempts = 2};
	struct retrier r;
	int64_t delay;

	(void)state;
	retry_init(&r, &p);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct error e = {.code = ERR_HOST, .class = cases[i].class};

		assert_int_equal(retry_again(&r, false, 1, &nothing, &e, &delay), cases[i].again);
	}
	p.task_for_mask = RETRY_NO_CAPACITY;
	assert_true(retry_again(&r, false, 1, &nothing,
		&(struct error){.code = ERR_HOST, .class = CLASS_CAPACITY}, &delay));
}

static void
retries_nobody_asked_for_have_a_quota(void **state)
{
	const struct retry_policy p = {
		.task_attempts = 9, .step_attempts = 1000000, .task_for_mask = RETRY_ERROR};
	const struct error step = {.code = ERR_HOST, .class = CLASS_THROTTLED};
	const struct error task = {.code = ERR_TASK};
	struct retrier r;
	int64_t delay;
	int n = 0;

	(void)state;
	retry_init(&r, &p);
	while (retry_again(&r, false, 1, &nothing, &step, &delay))
		n++;
	assert_int_equal(n, RETRY_QUOTA / RETRY_COST);
	assert_true(retry_again(&r, true, 1, &exited_1, &task, &delay));
	for (int i = 0; i < RETRY_COST; i++)
		retry_succeeded(&r);
	assert_true(retry_again(&r, false, 1, &nothing, &step, &delay));
	assert_false(retry_again(&r, false, 1, &nothing, &step, &delay));
	for (int i = 0; i < 10 * RETRY_QUOTA; i++)
		retry_succeeded(&r);
	assert_int_equal(r.quota, RETRY_QUOTA);
}

static void
delays_double_up_to_a_limit_with_full_jitter(void **state)
{
	const struct retry_policy p = {.task_attempts = 1000,
		.task_for_mask = RETRY_ERROR,
		.delay_ns = 5 * NS_PER_S,
		.seed = 42};
	const struct error e = {.code = ERR_TASK};
	struct retrier r;

	(void)state;
	retry_init(&r, &p);
	for (uint32_t attempt = 1; attempt < 200; attempt++) {
		int64_t limit = attempt == 1   ? 5
				: attempt == 2 ? 10
					       : 20,
			delay, most = 0, least = INT64_MAX;

		for (int i = 0; i < 100; i++) {
			assert_true(retry_again(&r, true, attempt, &exited_1, &e, &delay));
			assert_in_range(delay, 0, limit * NS_PER_S);
			most = delay > most ? delay : most;
			least = delay < least ? delay : least;
		}
		assert_true(most > limit * NS_PER_S * 8 / 10);
		assert_true(least < limit * NS_PER_S * 2 / 10);
	}
}

static void
a_long_delay_is_for_what_it_was_asked_for(void **state)
{
	const struct retry_policy p = {.task_attempts = 9,
		.step_attempts = 9,
		.task_for_mask = RETRY_ERROR,
		.delay_ns = 300 * NS_PER_S,
		.seed = 42};
	const struct error task = {.code = ERR_TASK},
			   step = {.code = ERR_HOST, .class = CLASS_TRANSIENT};
	struct retrier r;

	(void)state;
	retry_init(&r, &p);
	for (uint32_t attempt = 1; attempt < 9; attempt++) {
		int64_t delay, most = 0;

		for (int i = 0; i < 100; i++) {
			assert_true(retry_again(&r, true, attempt, &exited_1, &task, &delay));
			assert_in_range(delay, 0, 300 * NS_PER_S);
			most = delay > most ? delay : most;
		}
		assert_true(most > 240 * NS_PER_S);
		assert_true(retry_again(&r, false, attempt, &nothing, &step, &delay));
		assert_in_range(delay, 0, 20 * NS_PER_S);
	}
}

static void
the_same_seed_gives_the_same_delays(void **state)
{
	const struct retry_policy p = {
		.task_attempts = 9, .task_for_mask = RETRY_ERROR, .delay_ns = NS_PER_S, .seed = 3};
	struct retry_policy q = p;
	const struct error e = {.code = ERR_TASK};
	struct retrier a, b, c;
	int64_t x, y, z;
	bool differs = false;

	(void)state;
	q.seed = 4;
	retry_init(&a, &p);
	retry_init(&b, &p);
	retry_init(&c, &q);
	for (int i = 0; i < 20; i++) {
		retry_again(&a, true, 1, &exited_1, &e, &x);
		retry_again(&b, true, 1, &exited_1, &e, &y);
		retry_again(&c, true, 1, &exited_1, &e, &z);
		assert_int_equal(x, y);
		differs |= x != z;
	}
	assert_true(differs);
}

static void
another_place_is_tried_at_once(void **state)
{
	const struct retry_policy p = {.task_attempts = 2,
		.task_for_mask = RETRY_INTERRUPTION,
		.delay_ns = 10 * NS_PER_S,
		.seed = 5};
	struct retrier r;
	int64_t delay = -1;

	(void)state;
	retry_init(&r, &p);
	assert_true(retry_again(&r, true, 1, &lost, &(struct error){.code = ERR_HOST}, &delay));
	assert_int_equal(delay, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manifest_decides_for_tasks),
		cmocka_unit_test(exit_codes_narrow_it_down),
		cmocka_unit_test(without_a_policy_nothing_is_tried_again),
		cmocka_unit_test(inputs_are_fetched_again),
		cmocka_unit_test(what_was_asked_for_or_is_a_bug_is_never_tried_again),
		cmocka_unit_test(attempts_are_counted_in_all),
		cmocka_unit_test(steps_are_tried_again_when_that_may_help),
		cmocka_unit_test(retries_nobody_asked_for_have_a_quota),
		cmocka_unit_test(delays_double_up_to_a_limit_with_full_jitter),
		cmocka_unit_test(a_long_delay_is_for_what_it_was_asked_for),
		cmocka_unit_test(the_same_seed_gives_the_same_delays),
		cmocka_unit_test(another_place_is_tried_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
