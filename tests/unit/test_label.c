/* label: folder names that are allowed everywhere, unique, and stay when inputs are added. */
#include "tests/unit/job_fixture.h"

#include "planner/label.h"

static void
assert_labels(struct fixture *f, size_t n, const char *const *v)
{
	fixture_good(f);
	assert_int_equal(f->job.n_tasks, n);
	for (uint32_t i = 0; i < n; i++)
		assert_str(f->job.tasks[i].label, v[i]);
}
#define LABELS(f, ...)                                                             \
	assert_labels((f), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
		(const char *[]){__VA_ARGS__})

static bool
is_allowed(struct str s)
{
	static const char chars[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._,=+-";

	if (s.n < 1 || s.n > 100 || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\0' || !strchr(chars, s.p[i]))
			return false;
	}
	return true;
}

static void
without_a_map_it_is_the_name(void **state)
{
	struct fixture *f = *state;

	LABELS(f, "wordcount");
}

static void
plain_inputs_are_their_own(void **state)
{
	struct fixture *f = *state;

	fixture_values(f, STRINGS(f, "a", "x.tar.gz", "lr=0.1,n=3", "a+b", "_", "A-1"));
	LABELS(f, "a", "x.tar.gz", "lr=0.1,n=3", "a+b", "_", "A-1");
	assert_ptr_equal(f->job.tasks[1].label.p, f->job.tasks[1].input.p);
	f->m.map.kind = MAP_COUNT;
	f->m.map.count = 3;
	LABELS(f, "0", "1", "2");
}

static void
constant_folders_go(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "texts/a.txt", "");
	fixture_file(f, "texts/sub/b.txt", "");
	fixture_glob(f, "texts/*.txt");
	LABELS(f, "a.txt");
	fixture_glob(f, "./texts/**");
	LABELS(f, "a.txt", "sub-b.txt");
	fixture_glob(f, "*/**/*.txt");
	LABELS(f, "texts-a.txt", "texts-sub-b.txt");
	fixture_glob(f, "texts/sub/b.txt");
	LABELS(f, "b.txt");
}

/* Digests: the first 8 hex digits of the input's SHA-256. */
static void
what_was_changed_has_digits(void **state)
{
	struct fixture *f = *state;

	fixture_values(f, STRINGS(f, "k\xc3\xa4se.txt", "a b", " ", "", "-rf", ".hidden", "\xff"));
	LABELS(f, "k_se.txt-53055f40", "a_b-c8687a08", "_-36a9e7f1", "empty-e3b0c442",
		"_rf-686c39ac", "_hidden-16924190", "_-a8100ae6");
}

static void
long_ones_are_cut(void **state)
{
	struct fixture *f = *state;
	char *y = arena_alloc(&f->arena, 4001), *cut;

	memset(y, 'y', 4000);
	cut = arena_cstr(&f->arena, (struct str){.p = y, .n = 91 + 9});
	memcpy(cut + 91, "-2b274a02", 9);
	fixture_values(f, STRINGS(f, y, y + 3900));
	LABELS(f, cut, y + 3900);
	fixture_values(f, STRINGS(f, y + 3899));
	fixture_good(f);
	assert_int_equal(f->job.tasks[0].label.n, 100);
	assert_int_equal(f->job.tasks[0].label.p[91], '-');
}

static void
all_are_allowed_and_differ(void **state)
{
	struct fixture *f = *state;
	unsigned seed = 7;
	enum { N = 3000 };
	struct strings v = {.v = ARENA_ARRAY(&f->arena, struct str, N), .n = N};

	for (size_t i = 0; i < N; i++) {
		size_t n = 1 + (size_t)rand_r(&seed) % 12;
		char *p = arena_alloc(&f->arena, n + 8);

		/* few different bytes, so that many look alike when sanitised; the number keeps
		 * them apart */
		for (size_t k = 0; k < n; k++)
			p[k] = "a/. \n\xc3\"-"[rand_r(&seed) % 8];
		for (size_t k = 0, rest = i; k < 6; k++, rest /= 4)
			p[n + k] = "\x01\x02\x03\x04"[rest % 4];
		v.v[i] = (struct str){.p = p, .n = n + 6};
	}
	fixture_values(f, v);
	fixture_good(f);
	for (uint32_t i = 0; i < N; i++) {
		assert_true(is_allowed(f->job.tasks[i].label));
		for (uint32_t k = 0; k < i; k++)
			assert_false(str_eq(f->job.tasks[i].label, f->job.tasks[k].label));
	}
}

static void
equal_ones_give_way(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "t/a/b.txt", "");
	fixture_glob(f, "t/**");
	LABELS(f, "a-b.txt");
	/* the file that has this name keeps it */
	fixture_file(f, "t/a-b.txt", "");
	LABELS(f, "a-b.txt", "a-b.txt-91fb8641");
	/* neither is the input itself: both give way */
	fixture_file(f, "t/x-y/z", "");
	fixture_file(f, "t/x/y-z", "");
	LABELS(f, "a-b.txt", "a-b.txt-91fb8641", "x-y-z-6b007f09", "x-y-z-a9621192");
}

static void
they_stay_when_inputs_are_added(void **state)
{
	struct fixture *f = *state;
	struct str a, b;

	fixture_values(f, STRINGS(f, "a b", "c"));
	fixture_good(f);
	a = f->job.tasks[0].label;
	b = f->job.tasks[1].label;
	fixture_values(f, STRINGS(f, "0", "a\tb", "a b", "a_b", "c"));
	fixture_good(f);
	assert_true(str_eq(f->job.tasks[2].label, a));
	assert_true(str_eq(f->job.tasks[4].label, b));
}

static void
a_name_in_the_way(void **state)
{
	struct fixture *f = *state;

	fixture_values(f, STRINGS(f, "a b", "a_b-c8687a08"));
	LABELS(f, "a_b-c8687a08aa5d6ed2", "a_b-c8687a08");
	fixture_values(
		f, STRINGS(f, "a b", "a_b-c8687a08", "a_b-c8687a08aa5d6ed2",
			   "a_b-c8687a08aa5d6ed2044328fa6a697ab8",
			   "a_b-c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65"));
	fixture_bad(f, "no folder name is left for input 'a b': another input is called "
		       "'a_b-c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65'");
}

static void
combinations_that_read_alike(void **state)
{
	struct fixture *f = *state;
	struct axis axes[] = {{.name = STR("a"), .values = STRINGS(f, "1", "1,b=2")},
		{.name = STR("b"), .values = STRINGS(f, "2,b=3", "3")}};

	f->m.map = (struct map){.kind = MAP_MATRIX, .axes = axes, .n_axes = 2};
	fixture_good(f);
	assert_str(f->job.tasks[0].input, "a=1,b=2,b=3");
	assert_str(f->job.tasks[3].input, "a=1,b=2,b=3");
	assert_int_equal(f->job.tasks[0].label.n, 11 + 9);
	assert_int_equal(f->job.tasks[3].label.n, 11 + 9);
	assert_false(str_eq(f->job.tasks[0].label, f->job.tasks[3].label));
	assert_str(f->job.tasks[1].label, "a=1,b=3");
}

static void
objects_are_called_by_their_keys(void **state)
{
	struct fixture *f = *state;

	OBJECTS(f, "s3://b/in/**", "in/a.txt", "e", "in/b c.txt", "e", "in/sub/c.txt", "e");
	LABELS(f, "a.txt", "b_c.txt-6a1b37db", "sub-c.txt");
	f->m.map.glob = STR("s3://b/**");
	LABELS(f, "in-a.txt", "in-b_c.txt-6a1b37db", "in-sub-c.txt");
}

static void
parts_of_paths(void **state)
{
	struct fixture *f = *state;

	assert_str(label_of_part(&f->arena, STR("a.txt")), "a.txt");
	assert_str(label_of_part(&f->arena, STR("a b")), "a_b-c8687a08");
	assert_str(label_of_part(&f->arena, STR("")), "empty-e3b0c442");
	assert_str(label_of_part(&f->arena, STR(".hidden")), "_hidden-16924190");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(without_a_map_it_is_the_name),
		fixture_test(plain_inputs_are_their_own),
		fixture_test(constant_folders_go),
		fixture_test(what_was_changed_has_digits),
		fixture_test(long_ones_are_cut),
		fixture_test(all_are_allowed_and_differ),
		fixture_test(equal_ones_give_way),
		fixture_test(they_stay_when_inputs_are_added),
		fixture_test(a_name_in_the_way),
		fixture_test(combinations_that_read_alike),
		fixture_test(objects_are_called_by_their_keys),
		fixture_test(parts_of_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
