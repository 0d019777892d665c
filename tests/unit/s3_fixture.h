/* s3_fixture: an empty bucket, files to put there, and answers that are not what was put. */
#ifndef FURROW_TESTS_S3_FIXTURE_H
#define FURROW_TESTS_S3_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/s3_standin.h"

#include <sys/mman.h>

static const struct str bucket = STR("bucket");

struct fixture {
	struct arena a;
	struct error err;
};

static inline int
setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;

	standin_reset();
	arena_free(&f->a);
	free(f);
	return 0;
}

static inline int
file_of(size_t n)
{
	int fd = memfd_create("body", MFD_CLOEXEC);
	char *p;

	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	p = mmap(NULL, n, PROT_WRITE, MAP_SHARED, fd, 0);
	for (size_t i = 0; i < n; i += 4096)
		memcpy(p + i, &i, sizeof(i));
	munmap(p, n);
	return fd;
}

static inline void
put(struct fixture *f, const char *key, struct str bytes)
{
	if (s3_put(NULL, &f->a, bucket, str_from(key), bytes, NULL, NULL, &f->err) < 0)
		fail_msg("%s", f->err.message);
}

/* How many more reads give other bytes than were put. */
static atomic_int reads_to_damage; /* ranges are read side by side */

static inline int
damage(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	(void)err;
	if (!after || strcmp(r->method, "GET") != 0 || atomic_fetch_sub(&reads_to_damage, 1) <= 0)
		return 0;
	if (r->out_hasher)
		hasher_add(r->out_hasher, "?", 1);
	if (r->out_fd > 0)
		return pwrite(r->out_fd, "?", 1, r->out_offset) == 1 ? 0 : -1;
	((char *)(uintptr_t)answer->body.p)[0] = '?';
	return 0;
}

/* What every answer says. */
static struct str answer_body;

static inline int
answer_with(const struct aws_request *r, struct aws_answer *answer, struct error *err, bool after)
{
	(void)r;
	(void)err;
	if (after)
		answer->body = answer_body;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
