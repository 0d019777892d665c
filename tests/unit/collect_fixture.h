/* collect_fixture: results in the store that are easy to make, for the tests of what brings them
 * together. */
#ifndef FURROW_TESTS_COLLECT_FIXTURE_H
#define FURROW_TESTS_COLLECT_FIXTURE_H

#include "tests/unit/store_fixture.h"
#include "tests/unit/tar_fixture.h"

#include "providers/store/collect.h"

#define ITEM(i, name)                                 \
	{                                             \
		.key = key_of(i), .folder = STR(name) \
	}

/* Puts a result with files: `name` holds content. stdout as well when text is not empty. */
static inline void
put_tar(struct fixture *f, unsigned i, const struct buf *tar, struct str text,
	struct str large_stdout)
{
	struct waiting w = WAITING_INIT;
	struct result result = {.key = key_of(i),
		.has_tar = tar->n > 0,
		.stdout_text = large_stdout.n ? (struct str){0} : text,
		.outcome = {.stdout_bytes = (int64_t)(text.n + large_stdout.n),
			.stdout_kept_bytes = (int64_t)(text.n + large_stdout.n),
			.output_bytes = 10}};
	struct store_result *r;
	struct buf json = {0};

	assert_int_equal(store_result_begin(f->s, &result.key, &r, &f->err), 0);
	if (tar->n)
		assert_int_equal(store_result_write(r, "tar", tar->p, tar->n, &f->err), 0);
	if (large_stdout.n)
		assert_int_equal(
			store_result_write(r, "stdout", large_stdout.p, large_stdout.n, &f->err),
			0);
	result_write(&json, &result);
	store_result_commit(r, buf_str(&json), on_done, &w);
	wait_for(&w, 1);
	assert_int_equal(w.n_failed, 0);
	buf_free(&json);
}

static inline void
put_file(struct fixture *f, unsigned i, const char *name, const char *content)
{
	struct buf tar = {0};

	tar_file(&tar, name, content);
	tar_end(&tar);
	put_tar(f, i, &tar, STR(""), (struct str){0});
	buf_free(&tar);
}

#endif
