/* ready: the order of what is ready. */
#include "planner/execute/ready.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
empty(void **state)
{
	struct ready r = {0};
	uint32_t node = 7;

	(void)state;
	assert_null(ready_top(&r));
	assert_false(ready_pop(&r, &node));
	assert_int_equal(node, 7);
	ready_free(&r);
}

static void
highest_rank_first_ties_by_number(void **state)
{
	static const struct ready_item in[] = {{5, 3}, {9, 8}, {5, 1}, {-4, 0}, {9, 2}, {5, 2}};
	static const uint32_t out[] = {2, 8, 1, 2, 3, 0};
	struct ready r = {0};
	uint32_t node;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		ready_push(&r, in[i].rank, in[i].node);
	assert_int_equal(ready_top(&r)->rank, 9);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(ready_top(&r)->node, out[i]);
		assert_true(ready_pop(&r, &node));
		assert_int_equal(node, out[i]);
	}
	assert_false(ready_pop(&r, &node));
	ready_free(&r);
}

static void
extremes_keep_their_order(void **state)
{
	struct ready r = {0};
	uint32_t node;

	(void)state;
	ready_push(&r, INT64_MIN + 1, 1);
	ready_push(&r, INT64_MAX, 2);
	ready_push(&r, 0, 3);
	ready_pop(&r, &node);
	assert_int_equal(node, 2);
	ready_pop(&r, &node);
	assert_int_equal(node, 3);
	ready_pop(&r, &node);
	assert_int_equal(node, 1);
	ready_free(&r);
}

/* Pushes and pops mixed, against the order that must come out. */
static void
many_mixed(void **state)
{
	enum { N = 5000 };
	struct ready r = {0};
	uint64_t dice = 1;
	struct ready_item last = {INT64_MAX, 0};
	uint32_t popped = 0, node;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
		ready_push(&r, (int64_t)(dice >> 33) % 50, i);
		if (dice >> 62 == 0) {
			assert_true(ready_pop(&r, &node));
			popped++;
		}
	}
	while (r.n) {
		struct ready_item top = *ready_top(&r);

		assert_true(
			top.rank < last.rank || (top.rank == last.rank && top.node > last.node));
		last = top;
		assert_true(ready_pop(&r, &node));
		popped++;
	}
	assert_int_equal(popped, N);
	ready_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(highest_rank_first_ties_by_number),
		cmocka_unit_test(extremes_keep_their_order),
		cmocka_unit_test(many_mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
