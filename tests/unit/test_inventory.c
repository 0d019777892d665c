/* inventory: ending what is there: what counts as gone, and what is tried again. Clock and EC2 are made up. */
#include "tests/unit/ec2_fixture.h"

#include "planner/base/clock.h"
#include "providers/fleet/inventory_internal.h"

#define NOTHING "<r><reservationSet/></r>"
#define IN_STATE(code)                                                                       \
	"<r><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>"          \
	"<instanceState><code>" #code "</code></instanceState></item></instancesSet></item>" \
	"</reservationSet></r>"

/* Locks and objects are others' matter. */
int
inventory_check(const struct inventory *inv, struct str job, struct error *err)
{
	(void)inv;
	(void)job;
	(void)err;
	return 0;
}

void
inventory_unlock(struct inventory_locks *locks)
{
	(void)locks;
}

int
s3_delete_many(struct aws *aws, struct arena *a, struct str bucket, const struct strings *keys,
	struct error *err)
{
	(void)aws;
	(void)a;
	(void)bucket;
	(void)keys;
	return error_set(err, ERR_INTERNAL, "there is no store here");
}

static int64_t step_ns, now_ns;

/* Each look at it takes a while. */
static int64_t
tick(void *ctx)
{
	(void)ctx;
	return now_ns += step_ns;
}

static const struct clock clock_made_up = {.now_ns = tick, .wall_ns = tick};
static atomic_bool stopped;
static struct inventory_item items[2];

static struct inventory
inventory_of(int64_t clock_step_s, bool with_group)
{
	step_ns = clock_step_s * NS_PER_S;
	now_ns = 0;
	atomic_store(&stopped, false);
	items[0] = (struct inventory_item){.kind = INVENTORY_INSTANCE,
		.what = "instance",
		.id = STR("i-1"),
		.job = STR("left"),
		.state = "running",
		.bytes = -1};
	items[1] = (struct inventory_item){.kind = INVENTORY_GROUP,
		.what = "security group",
		.id = STR("sg-1"),
		.job = STR("left"),
		.bytes = -1};
	return (struct inventory){.clock = &clock_made_up,
		.stop = &stopped,
		.v = items,
		.n = with_group ? 2 : 1,
		.n_instances = 1};
}

static void
terminated_is_gone(void **state)
{
	struct inventory inv = inventory_of(0, true);

	(void)state;
	SCRIPT({"TerminateInstances", .body = "<r/>"}, {"DescribeInstances", .body = IN_STATE(32)},
		{"DescribeInstances", .body = IN_STATE(48)},
		{"DeleteSecurityGroup", .body = "<r/>"});
	assert_int_equal(inventory_remove(&inv, &service.err), 0);
	finished();
	assert_true(items[0].gone);
	assert_string_equal(items[0].state, "terminated");
	assert_true(items[1].gone);
	has("GroupId=sg-1\n");
	arena_free(&inv.arena);
}

/* The first look sees 15 s pass, the second 60. */
static void
not_found_is_gone_after_a_minute(void **state)
{
	struct inventory inv = inventory_of(15, false);

	(void)state;
	SCRIPT({"TerminateInstances", .body = "<r/>"}, {"DescribeInstances", .body = NOTHING},
		{"DescribeInstances", .body = NOTHING});
	assert_int_equal(inventory_remove(&inv, &service.err), 0);
	finished();
	assert_true(items[0].gone);
	arena_free(&inv.arena);
}

static void
what_is_found_again_is_waited_for(void **state)
{
	struct inventory inv = inventory_of(14, false);

	(void)state;
	SCRIPT({"TerminateInstances", .body = "<r/>"}, {"DescribeInstances", .body = NOTHING},
		{"DescribeInstances", .body = IN_STATE(32)}, {"DescribeInstances", .body = NOTHING},
		{"DescribeInstances", .body = IN_STATE(48)});
	assert_int_equal(inventory_remove(&inv, &service.err), 0);
	finished();
	assert_string_equal(items[0].state, "terminated");
	arena_free(&inv.arena);
}

static void
a_call_without_effect_is_made_again(void **state)
{
	struct inventory inv = inventory_of(40, false);

	(void)state;
	SCRIPT({"TerminateInstances", .body = "<r/>"}, {"DescribeInstances", .body = IN_STATE(16)},
		{"TerminateInstances", .body = "<r/>"},
		{"DescribeInstances", .body = IN_STATE(48)});
	assert_int_equal(inventory_remove(&inv, &service.err), 0);
	finished();
	arena_free(&inv.arena);
}

static void
what_is_not_allowed_is_told(void **state)
{
	struct inventory inv = inventory_of(0, true);

	(void)state;
	SCRIPT({"TerminateInstances", .code = "UnauthorizedOperation", .class = CLASS_DENIED});
	assert_int_equal(inventory_remove(&inv, &service.err), ERR_HOST);
	finished();
	assert_false(items[0].gone);
	assert_non_null(strstr(items[0].problem.p, "UnauthorizedOperation"));
	/* Its group is not even tried. */
	assert_non_null(strstr(items[1].problem.p, "still there"));
	arena_free(&inv.arena);
}

static void
what_stays_is_not_touched(void **state)
{
	struct inventory inv = inventory_of(0, true);

	(void)state;
	items[0].stays = items[1].stays = STR("somebody is at it");
	SCRIPT({.action = "none"});
	service.n = 0;
	assert_int_equal(inventory_remove(&inv, &service.err), 0);
	assert_int_equal(service.asked.n, 0);
	assert_false(items[0].gone);
	arena_free(&inv.arena);
}

static void
stopped_in_the_middle(void **state)
{
	struct inventory inv = inventory_of(0, true);

	(void)state;
	atomic_store(&stopped, true);
	SCRIPT({"DescribeInstances", .body = IN_STATE(16)});
	assert_int_equal(inventory_remove(&inv, &service.err), ERR_CANCELLED);
	finished();
	assert_false(items[0].gone);
	assert_string_equal(items[0].problem.p, "interrupted");
	assert_false(items[1].gone);
	arena_free(&inv.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminated_is_gone),
		cmocka_unit_test(not_found_is_gone_after_a_minute),
		cmocka_unit_test(what_is_found_again_is_waited_for),
		cmocka_unit_test(a_call_without_effect_is_made_again),
		cmocka_unit_test(what_is_not_allowed_is_told),
		cmocka_unit_test(what_stays_is_not_touched),
		cmocka_unit_test(stopped_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
