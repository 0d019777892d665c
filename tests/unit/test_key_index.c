/* key_index: what is there is found, what is not isn't; equal digests, and many that begin alike. */
#include "planner/key_index.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MANY = 5000 };

static struct digest
digest_number(uint32_t n)
{
	return digest_of(&n, sizeof(n));
}

static void
test_none(void **state)
{
	struct key_index zero = {0}, empty;
	struct digest d = digest_number(1);
	struct arena a = {0};

	(void)state;
	key_index_init(&a, &empty, NULL, sizeof(struct digest), 0);
	assert_int_equal(key_index_find(&zero, &d), -1);
	assert_int_equal(key_index_find(&empty, &d), -1);
	arena_free(&a);
}

static void
test_many(void **state)
{
	struct {
		void *before;
		struct digest d;
	} * v;
	struct arena a = {0};
	struct key_index x;

	(void)state;
	v = arena_alloc(&a, MANY * sizeof(*v));
	for (uint32_t i = 0; i < MANY; i++)
		v[i].d = digest_number(i);
	key_index_init(&a, &x, &v[0].d, sizeof(*v), MANY);
	for (uint32_t i = 0; i < 2 * MANY; i++) {
		struct digest d = digest_number(i);

		assert_int_equal(key_index_find(&x, &d), i < MANY ? (int64_t)i : -1);
	}
	arena_free(&a);
}

/* A list that somebody edited costs no more than another one. */
static void
test_equal(void **state)
{
	struct arena a = {0};
	struct digest *v = ARENA_ARRAY(&a, struct digest, 100000);
	struct digest other = digest_number(1);
	struct key_index x;

	(void)state;
	v[99999] = other;
	key_index_init(&a, &x, v, sizeof(*v), 100000);
	assert_int_equal(key_index_find(&x, &v[7]), 0);
	assert_int_equal(key_index_find(&x, &other), 99999);
	arena_free(&a);
}

static void
test_alike(void **state)
{
	struct digest v[64], other;
	struct arena a = {0};
	struct key_index x;

	(void)state;
	memset(v, 0xff, sizeof(v));
	for (size_t i = 0; i < 64; i++)
		v[i].b[DIGEST_BYTES - 1] = (uint8_t)i;
	key_index_init(&a, &x, v, sizeof(*v), 64);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(key_index_find(&x, &v[i]), i);
	other = v[0];
	other.b[DIGEST_BYTES - 1] = 200;
	assert_int_equal(key_index_find(&x, &other), -1);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_alike),
	};

	return cmocka_run_group_tests_name("key_index", tests, NULL, NULL);
}
