/* Tests of whether another instance pays: facts in, answer and words out. */
#include "planner/execute/replace.h"

#include "planner/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define S(n) ((int64_t)(n)*NS_PER_S)

/* A hundred tasks of a minute wait, four slots are busy, a new instance is up in 40 s and gives two. */
static const struct replace_facts usual = {.waiting = 100,
	.slots = 4,
	.running = 4,
	.gained = 2,
	.task_ns = S(60),
	.boot_ns = S(40),
	.left_ns = -1};

static void
expect(const struct replace_facts *f, bool pays, const char *part)
{
	char words[REPLACE_WORDS_BYTES] = "";

	assert_int_equal(replace_pays(f, words), pays);
	if (!strstr(words, part))
		fail_msg("\"%s\" lacks \"%s\"", words, part);
}

static void
much_is_left(void **state)
{
	(void)state;
	/* 25 more rounds of the four after the half that they are through; or 17 of all six, and the boot. */
	expect(&usual, true, "what is left ends in about 18 min with it, in 26 min without");
}

static void
little_is_left(void **state)
{
	struct replace_facts f = usual;

	(void)state;
	f.waiting = 4;
	expect(&f, false, "ends in about 90 s with it, in 90 s without");
	f.waiting = 0;
	expect(&f, false, "no task waits");
	f.waiting = 100;
	f.gained = 0; /* -j leaves no slot for it */
	expect(&f, false, "no task waits for a slot");
}

static void
it_is_up_too_late(void **state)
{
	struct replace_facts f = usual;

	(void)state;
	f.boot_ns = S(1700);
	expect(&f, false, "in 26 min without");
	f.boot_ns = S(40);
	f.left_ns = S(30);
	expect(&f, false, "max_duration is over before");
	f.left_ns = S(50);
	expect(&f, true, "what is left");
}

/* A tenth of what is left, and five seconds. */
static void
the_margin(void **state)
{
	struct replace_facts f = usual;

	(void)state;
	f.slots = f.running = 100;
	f.waiting = 10000;
	expect(&f, false, "in 101 min without"); /* two minutes of a hundred */
	f = usual;
	f.waiting = 40;
	f.task_ns = S(1) / 10;
	f.boot_ns = S(1) / 10;
	expect(&f, false, "ends in about 0.8 s with it, in 1.1 s without");
}

static void
others_are_on_their_way(void **state)
{
	struct replace_facts f = usual;

	(void)state;
	f.coming = 100;
	expect(&f, false, "without");
}

static void
nobody_else(void **state)
{
	struct replace_facts f = usual;

	(void)state;
	f.slots = f.running = 0;
	f.waiting = 1;
	expect(&f, true, "1 waiting task can run nowhere else, and end in about 100 s with it");
	f.too_dear = true;
	expect(&f, false, "max_cost leaves no room for it");
}

static void
nothing_is_known(void **state)
{
	struct replace_facts f = usual;

	(void)state;
	f.task_ns = -1;
	expect(&f, true,
		"100 tasks wait for 4 slots elsewhere, and how long they take is not known");
	f.waiting = 4;
	expect(&f, false, "4 tasks wait for 4 slots elsewhere");
	f.slots = 0;
	f.waiting = 1;
	f.task_ns = S(1);
	f.boot_ns = -1;
	expect(&f, true, "1 task waits for 0 slots elsewhere");
	f.too_dear = true;
	expect(&f, false, "max_cost");
}

/* Whatever comes, it ends, and there are words. */
static void
at_the_edges(void **state)
{
	const int64_t times[] = {-1, 0, 1, S(60), INT64_MAX / 8};
	const uint32_t counts[] = {0, 1, 7, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < 4 * 4 * 4 * 5 * 5; i++) {
		const struct replace_facts f = {.waiting = counts[i % 4],
			.slots = counts[i / 4 % 4],
			.running = counts[i / 16 % 4],
			.coming = counts[i / 16 % 4],
			.gained = counts[(i + 1) % 4],
			.task_ns = times[i / 64 % 5],
			.boot_ns = times[i / 320 % 5],
			.left_ns = -1};
		char words[REPLACE_WORDS_BYTES] = "";

		replace_pays(&f, words);
		assert_true(strlen(words) > 10);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(much_is_left),
		cmocka_unit_test(little_is_left),
		cmocka_unit_test(it_is_up_too_late),
		cmocka_unit_test(the_margin),
		cmocka_unit_test(others_are_on_their_way),
		cmocka_unit_test(nobody_else),
		cmocka_unit_test(nothing_is_known),
		cmocka_unit_test(at_the_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
