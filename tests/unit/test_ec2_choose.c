/* ec2: the choice among the 1,263 types of a region, and the file that keeps them. */
#include "tests/unit/ec2_fixture.h"

#include "providers/state_dir.h"

#include <dirent.h>
#include <unistd.h>

#define GIB (INT64_C(1) << 30)
/* When types.txt says that it was asked for. */
#define ASKED_NS (INT64_C(1795600000) * NS_PER_S)

static struct ec2_type *types;
static size_t n_types;

static int
load(void **state)
{
	(void)state;
	assert_true(ec2_type_cache_parse(&service.arena, fixture(&service.arena, "types.txt"),
		"us-east-2", ASKED_NS, &types, &n_types));
	return 0;
}

static struct instances
no_wish(void)
{
	return (struct instances){
		.cpus = {-1, -1},
		.memory_bytes = {-1, -1},
		.gpus = {.count = {-1, -1}},
		.arch = ARCH_ANY,
		.disk = {-1, -1},
		.spot = TRI_AUTO,
		.max_hourly_cost_usd = -1,
		.pos_cpus = {.line = 3},
		.pos_memory = {.line = 4},
		.pos_gpus = {.line = 5},
		.pos_type = {.line = 6},
	};
}

static int
choose(const struct instances *w, const struct ec2_type ***out, size_t *n)
{
	return ec2_choose(&service.arena, w, types, n_types, out, n, &service.err);
}

/* "how many: the first ones" */
static void
gives(const struct instances *w, const char *want)
{
	const struct ec2_type **fit;
	struct buf got = {0};
	size_t n;

	assert_int_equal(choose(w, &fit, &n), 0);
	buf_addf(&got, "%zu:", n);
	for (size_t i = 0; i < n && i < 4; i++)
		buf_addf(&got, " %.*s", STR_ARG(fit[i]->name));
	assert_string_equal(buf_cstr(&got), want);
	buf_free(&got);
}

static void
refuses(const struct instances *w, uint32_t line, const char *want)
{
	const struct ec2_type **fit;
	size_t n;

	assert_int_equal(choose(w, &fit, &n), ERR_INPUT);
	assert_int_equal(n, 0);
	assert_string_equal(service.err.message, want);
	assert_int_equal(service.err.line, line);
}

static void
chooses(void **state)
{
	struct instances w = no_wish();

	(void)state;
	gives(&w, "1127: t2.micro c6g.medium c7a.medium c7g.medium");
	w.cpus = (struct range){4, INT64_MAX};
	w.memory_bytes = (struct range){16 * GIB, INT64_MAX};
	gives(&w, "917: m5a.xlarge m6a.xlarge m6g.xlarge m7a.xlarge");
	w.arch = ARCH_X86_64;
	gives(&w, "692: m5a.xlarge m6a.xlarge m7a.xlarge m7i-flex.xlarge");
	w.arch = ARCH_ARM64;
	gives(&w, "225: m6g.xlarge m7g.xlarge m8g.xlarge t4g.xlarge");
	w.spot = TRI_TRUE;
	gives(&w, "222: m6g.xlarge m7g.xlarge m8g.xlarge t4g.xlarge");
	w = no_wish(), w.cpus = (struct range){2, 2};
	gives(&w, "129: t3.micro t3a.micro t4g.micro t3.small");
	w = no_wish(), w.cpus = (struct range){192, 256},
	w.memory_bytes = (struct range){1024 * GIB, INT64_MAX};
	gives(&w, "30: r6a.48xlarge r7a.48xlarge r7i.48xlarge r8a.48xlarge");
	w = no_wish(), w.gpus = (struct gpus){STR("L4"), {1, 1}};
	gives(&w, "7: g6.xlarge g6.2xlarge g6.4xlarge gr6.4xlarge");
	w.gpus = (struct gpus){STR("l4"), {2, INT64_MAX}};
	gives(&w, "3: g6.12xlarge g6.24xlarge g6.48xlarge");
	w.gpus = (struct gpus){STR("any"), {1, INT64_MAX}};
	gives(&w, "58: g5g.xlarge g4ad.xlarge g4dn.xlarge g5.xlarge");
	w.gpus = (struct gpus){STR("H100"), {8, 8}};
	gives(&w, "1: p5.48xlarge");
	w = no_wish(), w.type = STR("m7i.large");
	gives(&w, "1: m7i.large");
	w.type = STR("m7i.metal-24xl");
	gives(&w, "1: m7i.metal-24xl");
}

static void
small_ones_are_asked_for(void **state)
{
	struct instances w = no_wish();

	(void)state;
	w.memory_bytes = (struct range){0, GIB / 2};
	gives(&w, "4: t2.nano t3.nano t3a.nano t4g.nano");
	w = no_wish(), w.type = STR("t3.nano");
	gives(&w, "1: t3.nano");
}

static void
none_fits(void **state)
{
	struct instances w = no_wish();

	(void)state;
	w.cpus = (struct range){5000, INT64_MAX};
	refuses(&w, 3,
		"no instance type fits: of 1127, 'cpus 5000+' excludes all; without 'cpus 5000+' "
		"1127 would fit");
	w = no_wish(), w.cpus = (struct range){2, 2};
	w.memory_bytes = (struct range){1024 * GIB, 2048 * GIB};
	refuses(&w, 4,
		"no instance type fits: of 1132, 'cpus 2' excludes 1000, 'memory 1TiB..2TiB' "
		"excludes 1072; without 'cpus 2' 60 would fit, without 'memory 1TiB..2TiB' 132 "
		"would fit");
	w.arch = ARCH_ARM64;
	w.gpus = (struct gpus){STR("H100"), {3, 3}};
	w.spot = TRI_TRUE;
	refuses(&w, 5,
		"no instance type fits: of 1132, 'cpus 2' excludes 1000, 'memory 1TiB..2TiB' "
		"excludes 1072, 'gpus H100:3' excludes all, 'arch arm64' excludes 826, 'spot true' "
		"excludes 32; no single wish is to blame: loosen more than one");
	w = no_wish(), w.gpus = (struct gpus){STR("A10"), {1, 1}};
	refuses(&w, 5,
		"no instance type fits: of 1127, 'gpus A10:1' excludes all; without 'gpus A10:1' "
		"1127 would fit; did you mean 'A10G'? there are GPUs named Gaudi HL-205, Radeon "
		"Pro V520, T4, A10G, T4g, L4, L40S, RTX PRO Server 6000, V100, A100, H100, H200, "
		"B200, B300");
	w = no_wish(), w.type = STR("m7i.larg");
	refuses(&w, 6,
		"no instance type fits: of 1127, 'type m7i.larg' excludes all; without 'type "
		"m7i.larg' 1127 would fit");
	w = no_wish(), w.type = STR("m7i.large"),
	w.memory_bytes = (struct range){16 * GIB, INT64_MAX};
	refuses(&w, 6,
		"no instance type fits: of 1132, 'type m7i.large' excludes 1131, 'memory 16GiB+' "
		"excludes 171; without 'type m7i.large' 961 would fit, without 'memory 16GiB+' 1 "
		"would fit");
	w = no_wish(), w.type = STR("mac2.metal");
	refuses(&w, 6,
		"no instance type fits: of 1127, 'type mac2.metal' excludes all; without 'type "
		"mac2.metal' 1127 would fit");
}

static void
no_types(void **state)
{
	struct instances w = no_wish();
	const struct ec2_type **fit;
	size_t n;

	(void)state;
	assert_int_equal(
		ec2_choose(&service.arena, &w, NULL, 0, &fit, &n, &service.err), ERR_INPUT);
	says("no instance type fits");
}

static bool
parses(struct str bytes, const char *region, int64_t wall_ns)
{
	struct ec2_type *t;
	size_t n;

	return ec2_type_cache_parse(&service.arena, bytes, region, wall_ns, &t, &n);
}

static void
cache_file(void **state)
{
	struct str text = fixture(&service.arena, "types.txt"), bad;
	struct buf again = {0};

	(void)state;
	ec2_type_cache_write(&again, "us-east-2", ASKED_NS, types, n_types);
	assert_int_equal(again.n, text.n);
	assert_memory_equal(again.p, text.p, text.n);
	assert_true(parses(text, "us-east-2", ASKED_NS + (4 * 3600 - 1) * NS_PER_S));
	assert_false(parses(text, "us-east-2", ASKED_NS + 4 * 3600 * NS_PER_S));
	assert_false(parses(text, "us-east-2", ASKED_NS - NS_PER_S));
	assert_false(parses(text, "us-east-1", ASKED_NS));
	assert_false(parses((struct str){0}, "us-east-2", ASKED_NS));
	/* Every cut, and a flipped bit anywhere. */
	for (size_t n = 0; n < text.n; n += n < text.n - 100 ? 997 : 1)
		assert_false(parses((struct str){text.p, n}, "us-east-2", ASKED_NS));
	bad = arena_str(&service.arena, text);
	for (size_t i = 0; i < bad.n; i += 499) {
		((char *)(uintptr_t)bad.p)[i] ^= 4;
		assert_false(parses(bad, "us-east-2", ASKED_NS));
		((char *)(uintptr_t)bad.p)[i] ^= 4;
	}
	assert_true(parses(bad, "us-east-2", ASKED_NS));
	buf_free(&again);
}

/* Whole by its sum, and wrong all the same. */
static void
cache_lies(void **state)
{
	static const char *const bodies[] = {
		"furrow-ec2-types 1 us-east-2 1795600000 1\nm 1 1 x 0 -\n",
		"furrow-ec2-types 2 us-east-2 1795600000 2\nm 1 1 x 0 -\n",
		"furrow-ec2-types 2 us-east-2 1795600000 1\nm 1 1 x 0 -\nm 1 1 x 0 -\n",
		"furrow-ec2-types 2 us-east-2 1795600000 0\n",
		"furrow-ec2-types 2 us-east-2 1795600000 9999999999\n",
		"furrow-ec2-types 2 us-east-2 1795600000\n",
		"furrow-ec2-types 2 us-east-2 x 1\nm 1 1 x 0 -\n",
		"furrow-ec2-types 2 us-east-2 1795600000 1\nm 1 x x 0 -\n",
		"furrow-ec2-types 2 us-east-2 1795600000 1\nm 1 1\n",
		"furrow-ec2-types 2 us-east-2 1795600000 1\n\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		struct digest d = digest_of(bodies[i], strlen(bodies[i]));
		char hex[DIGEST_HEX_BYTES];

		digest_hex(hex, &d);
		if (parses(arena_printf(&service.arena, "%ssha256 %s\n", bodies[i], hex),
			    "us-east-2", ASKED_NS))
			fail_msg("taken: %s", bodies[i]);
	}
}

static size_t
entries(const char *dir)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void
cached_calls(void **state)
{
	char dir[] = "/tmp/furrow-types.XXXXXX", sub[64], file[96];
	struct ec2_type *t;
	size_t n;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	unsetenv("AWS_ENDPOINT_URL");
	unsetenv("AWS_ENDPOINT_URL_EC2");
	snprintf(sub, sizeof(sub), "%s/a", dir);
	snprintf(file, sizeof(file), "%s/ec2-types-us-east-2", sub);
	SCRIPT({"DescribeInstanceTypes", .body = "@types.xml"});
	assert_int_equal(ec2_types(NULL, &service.arena, sub, &t, &n, &service.err), 0);
	assert_int_equal(n, 4);
	finished();
	assert_int_equal(ec2_types(NULL, &service.arena, sub, &t, &n, &service.err), 0);
	assert_int_equal(n, 4);
	assert_int_equal(entries(sub), 1);

	f = fopen(file, "w");
	fputs("damaged", f);
	fclose(f);
	SCRIPT({"DescribeInstanceTypes", .body = "@types.xml"});
	assert_int_equal(ec2_types(NULL, &service.arena, sub, &t, &n, &service.err), 0);
	finished();
	assert_int_equal(ec2_types(NULL, &service.arena, sub, &t, &n, &service.err), 0);

	/* Another service has a file of its own. */
	setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1);
	SCRIPT({"DescribeInstanceTypes", .body = "@types.xml"});
	assert_int_equal(ec2_types(NULL, &service.arena, sub, &t, &n, &service.err), 0);
	finished();
	assert_int_equal(entries(sub), 2);
	unsetenv("AWS_ENDPOINT_URL");

	/* What cannot be kept is asked for each time. */
	snprintf(file, sizeof(file), "%s/a/ec2-types-us-east-2/b", dir);
	SCRIPT({"DescribeInstanceTypes", .body = "@types.xml"});
	assert_int_equal(ec2_types(NULL, &service.arena, file, &t, &n, &service.err), 0);
	finished();
	assert_int_equal(state_remove_tree(dir, &service.err), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses),
		cmocka_unit_test(small_ones_are_asked_for),
		cmocka_unit_test(none_fits),
		cmocka_unit_test(no_types),
		cmocka_unit_test(cache_file),
		cmocka_unit_test(cache_lies),
		cmocka_unit_test(cached_calls),
	};

	return cmocka_run_group_tests_name("ec2 choose", tests, load, teardown);
}
