/* source: finding entries, and an identity that is for ever. */
#include "tests/unit/job_fixture.h"

static bool
skip_named(void *ctx, const struct source_entry *e)
{
	return str_is(e->path, ctx);
}

static void
assert_identity(struct fixture *f, const char *hex)
{
	struct digest d = source_identity(&f->source, NULL, NULL);
	char got[DIGEST_HEX_BYTES];

	digest_hex(got, &d);
	assert_string_equal(got, hex);
}

static void
entries_are_found(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "a/b", "");
	fixture_file(f, "a-b", "");
	fixture_file(f, "a", "");
	fixture_file(f, "z", "");
	for (size_t i = 0; i < f->source.n_entries; i++)
		assert_ptr_equal(source_find(&f->source, f->entries[i].path), &f->entries[i]);
	assert_null(source_find(&f->source, STR("a/")));
	assert_null(source_find(&f->source, STR("")));
	assert_null(source_find(&f->source, STR("zz")));
	assert_null(source_find(&(struct source){0}, STR("a")));
	assert_int_equal(source_lower_bound(&f->source, STR("")), 0);
	assert_int_equal(source_lower_bound(&f->source, STR("zz")), f->source.n_entries);
	assert_str(f->entries[source_lower_bound(&f->source, STR("a/"))].path, "a/b");
}

/* Computed from the description on top of source.c by another program. */
static void
the_identity_is_for_ever(void **state)
{
	struct fixture *f = *state;
	struct source_entry *e;

	f->source.n_entries = 0;
	assert_identity(f, "ea1ba983a091e16dd0eccf423578827274b6d1e3c9edde703cd69df6b2fc8759");
	e = fixture_file(f, "a.txt", "");
	memset(e->id, 0x11, sizeof(e->id));
	e = fixture_file(f, "bin/run", "");
	memset(e->id, 0x22, sizeof(e->id));
	e->mode = FILE_EXECUTABLE;
	assert_identity(f, "322c29f23aab911b65add94ac1b010ae9626341db2247bdc7b49f5c81d92fd54");
}

static void
every_field_counts(void **state)
{
	struct fixture *f = *state;
	struct digest before = source_identity(&f->source, NULL, NULL), after;
	struct source_entry *e = &f->entries[0];

	e->mode = FILE_SYMLINK;
	after = source_identity(&f->source, NULL, NULL);
	assert_int_not_equal(digest_cmp(&before, &after), 0);
	e->mode = FILE_EXECUTABLE;
	e->size_bytes = 12345; /* is not known everywhere, so it must not count */
	after = source_identity(&f->source, NULL, NULL);
	assert_int_equal(digest_cmp(&before, &after), 0);
	e->id[19] ^= 1;
	after = source_identity(&f->source, NULL, NULL);
	assert_int_not_equal(digest_cmp(&before, &after), 0);
	e->id[19] ^= 1;
	e->path = STR("count.sg");
	after = source_identity(&f->source, NULL, NULL);
	assert_int_not_equal(digest_cmp(&before, &after), 0);
}

static void
what_is_skipped_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct digest without = source_identity(&f->source, NULL, NULL), d;

	fixture_file(f, "other", "x");
	d = source_identity(&f->source, NULL, NULL);
	assert_int_not_equal(digest_cmp(&without, &d), 0);
	d = source_identity(&f->source, skip_named, (void *)(uintptr_t) "other");
	assert_int_equal(digest_cmp(&without, &d), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(entries_are_found),
		fixture_test(the_identity_is_for_ever),
		fixture_test(every_field_counts),
		fixture_test(what_is_skipped_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
