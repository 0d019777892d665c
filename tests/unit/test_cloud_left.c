/* cloud_left: what of an account is shown, and how. */
#include "cmd/furrow/cloud_left.h"
#include "planner/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct inventory_item
an_instance(void)
{
	return (struct inventory_item){.kind = INVENTORY_INSTANCE,
		.what = "instance",
		.id = STR("i-0abc"),
		.job = STR("left"),
		.run = STR("01RUN"),
		.type = STR("m5.large"),
		.zone = STR("us-east-2a"),
		.state = "running",
		.bytes = -1};
}

/* As cloud_left_add makes it of an inventory. */
static void
add(struct arena *a, struct leftovers *l, const struct inventory_item *item)
{
	leftovers_add(a, l, LEFT_CLOUD, item->what, item->id.p, NULL);
	l->v[l->n - 1].cloud = item;
	l->v[l->n - 1].region = "us-east-2";
	l->v[l->n - 1].bytes = item->bytes;
}

static void
list(void **state)
{
	struct inventory_item instance = an_instance();
	struct inventory_item group = {.kind = INVENTORY_GROUP,
		.what = "security group",
		.id = STR("sg-1"),
		.job = STR("left"),
		.name = STR("furrow-left"),
		.bytes = -1};
	struct inventory_item runner = {.kind = INVENTORY_RUNNER,
		.what = "runner in the store",
		.id = STR("s3://b/runners/0"),
		.bytes = 2048};
	struct leftovers l = {0};
	struct arena a = {0};
	struct buf b = {0};

	(void)state;
	instance.spot = true;
	add(&a, &l, &instance);
	add(&a, &l, &group);
	add(&a, &l, &runner);
	leftovers_write(&b, &l);
	assert_string_equal(buf_cstr(&b),
		"- instance               i-0abc  m5.large in us-east-2a, spot, running, of job "
		"left\n"
		"- security group         sg-1  furrow-left, of job left\n"
		"- runner in the store    s3://b/runners/0  2.0 KiB\n");
	buf_clear(&b);
	runner.since_wall_ns = 1900000000 * NS_PER_S;
	leftovers_write_json(&b, &l);
	assert_string_equal(buf_cstr(&b),
		"[{\"what\":\"instance\",\"name\":\"i-0abc\",\"region\":\"us-east-2\","
		"\"job\":\"left\",\"type\":\"m5.large\",\"zone\":\"us-east-2a\","
		"\"state\":\"running\",\"spot\":true,\"run\":\"01RUN\"},"
		"{\"what\":\"security group\",\"name\":\"sg-1\",\"region\":\"us-east-2\","
		"\"job\":\"left\"},"
		"{\"what\":\"runner in the store\",\"name\":\"s3://b/runners/0\",\"bytes\":2048,"
		"\"region\":\"us-east-2\",\"since\":\"2030-03-17T17:46:40.000Z\"}]");
	buf_free(&b);
	arena_free(&a);
}

static void
what_is_still_there_is_not_counted(void **state)
{
	struct inventory_item ended = an_instance(), denied = an_instance();
	struct leftovers l = {0};
	struct arena a = {0};

	(void)state;
	ended.gone = true;
	denied.problem = STR("not allowed");
	add(&a, &l, &ended);
	add(&a, &l, &denied);
	assert_int_equal(leftovers_count(&l), 2);
	cloud_left_settle(&l);
	assert_int_equal(leftovers_count(&l), 1);
	arena_free(&a);
}

/* A tag is whatever somebody has put there. */
static void
tags_cannot_move_the_cursor(void **state)
{
	struct inventory_item item = an_instance();
	struct buf b = {0};

	(void)state;
	item.job = STR("a\033[2Jb\nc");
	cloud_left_add_words(&b, &item);
	assert_string_equal(buf_cstr(&b), "  m5.large in us-east-2a, running, of job a?[2Jb?c");
	buf_free(&b);
}

static void
by_hand(void **state)
{
	struct inventory_item item = an_instance();
	struct arena a = {0};

	(void)state;
	assert_string_equal(inventory_by_hand(&a, &item, "us-east-2").p,
		"aws ec2 terminate-instances --region us-east-2 --instance-ids i-0abc");
	item = (struct inventory_item){.kind = INVENTORY_GROUP, .id = STR("sg-1")};
	assert_string_equal(inventory_by_hand(&a, &item, "us-east-2").p,
		"aws ec2 delete-security-group --region us-east-2 --group-id sg-1");
	item = (struct inventory_item){.kind = INVENTORY_SOURCE, .id = STR("s3://b/sources/x")};
	assert_string_equal(
		inventory_by_hand(&a, &item, "us-east-2").p, "aws s3 rm s3://b/sources/x");
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list),
		cmocka_unit_test(what_is_still_there_is_not_counted),
		cmocka_unit_test(tags_cannot_move_the_cursor),
		cmocka_unit_test(by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
