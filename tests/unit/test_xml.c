/* Answers as trees: shapes of EC2, STS and S3, and bytes that are none. */
#include "providers/aws/printable.h"
#include "providers/aws/xml.h"

#include "planner/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_has(text, part)                                       \
	do {                                                         \
		if (!strstr((text), (part)))                         \
			fail_msg("'%s' lacks '%s'", (text), (part)); \
	} while (0)

struct fixture {
	struct arena arena;
	struct error err;
	struct xml *root;
};

static int
parse(struct fixture *f, struct str bytes)
{
	f->err = (struct error){0};
	return xml_parse(&f->arena, &f->root, bytes, "ec2 Test", &f->err);
}

static int
set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	arena_free(&((struct fixture *)*state)->arena);
	return 0;
}

static void
instances(void **state)
{
	struct fixture *f = *state;
	const struct xml *x;
	int n = 0;

	assert_int_equal(
		parse(f,
			STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			    "<DescribeInstancesResponse "
			    "xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n"
			    " <requestId> r-1 </requestId><set><item><id>i-1</id>"
			    "<placement><availabilityZone>us-east-2a</availabilityZone></placement>"
			    "<code>16</code><n>x</n></item><other/><item><id>i-2</id></item>"
			    "<empty></empty></set></DescribeInstancesResponse>\n")),
		0);
	assert_true(str_is(f->root->name, "DescribeInstancesResponse"));
	assert_true(str_is(f->root->text, ""));
	assert_true(str_is(xml_text(f->root, "requestId"), "r-1"));
	for (x = xml_at(f->root, "set/item"); x; x = xml_next(x))
		n++;
	assert_int_equal(n, 2);
	x = xml_at(f->root, "set/item");
	assert_true(str_is(xml_text(x, "placement/availabilityZone"), "us-east-2a"));
	assert_null(xml_text(x, "placement/none/deeper").p);
	assert_null(xml_at(NULL, "a"));
	assert_null(xml_text(NULL, "a").p);
	assert_non_null(xml_text(f->root, "set/empty").p);
	assert_int_equal(xml_text(f->root, "set/empty").n, 0);
	assert_int_equal(xml_int(x, "code", -1), 16);
	assert_int_equal(xml_int(x, "n", -1), -1);
	assert_int_equal(xml_int(x, "none", -7), -7);
	assert_ptr_equal(xml_find(f->root, "item"), x);
	assert_true(str_is(xml_find(f->root, "availabilityZone")->text, "us-east-2a"));
	assert_null(xml_find(f->root, "nothing"));
	assert_null(xml_find(NULL, "nothing"));
}

static void
text_and_names(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		parse(f, STR("  \r\n\t<?xml version='1.0'?><n:a xmlns:n='x'>one "
			     "<b>inner</b>&lt;two&gt;<![CDATA[ &raw; ]]>&#xe9;<n:c/></n:a>")),
		0);
	assert_true(str_is(f->root->name, "a"));
	assert_true(str_is(f->root->text, "one <two> &raw; é"));
	assert_true(str_is(xml_text(f->root, "b"), "inner"));
	assert_non_null(xml_at(f->root, "c"));
	assert_int_equal(f->root->text.p[f->root->text.n], '\0');
	assert_int_equal(parse(f, STR("<m:/>")), 0);
	assert_true(str_is(f->root->name, "m:"));
}

static void
latin1(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		parse(f, STR("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>")), 0);
	assert_true(str_is(f->root->text, "é"));
}

static void
refuses(struct fixture *f, struct str bytes, const char *why)
{
	assert_int_equal(parse(f, bytes), ERR_HOST);
	assert_null(f->root);
	assert_has(f->err.message, "ec2 Test: ");
	assert_has(f->err.message, why);
}

static void
no_xml(void **state)
{
	struct fixture *f = *state;

	refuses(f, STR(""), "empty");
	refuses(f, (struct str){0}, "empty");
	refuses(f, STR(" \n "), "empty");
	refuses(f, STR("\0\0"), "column 1");
	refuses(f, STR("{\"a\":1}"), "begins: {\"a\":1}");
	refuses(f, STR("<a><b></a>"), "line 1, column 9: mismatched tag");
	refuses(f, STR("<a>\n<b>"), "line 2, column 4: no element found");
	refuses(f, STR("<a/><b/>"), "junk after document element");
	refuses(f, STR("<a>&undefined;</a>"), "undefined entity");
	refuses(f, STR("<a>\xff\xfe</a>"), "not well-formed");
	refuses(f, STR("<a>\x01</a>"), "not well-formed");
	refuses(f, STR("<html>\n\t<h1>Bad \x1b[31mGateway</h1>"),
		"begins: <html> <h1>Bad [31mGateway");
	refuses(f, STR("<!DOCTYPE html><html></html>"), "document type");
	refuses(f, STR("<!DOCTYPE a [<!ENTITY x \"xxxx\"><!ENTITY y \"&x;&x;&x;\">]><a>&y;</a>"),
		"document type");
	assert_int_equal(f->err.line, 1);
}

static int
nested(struct fixture *f, int depth)
{
	struct buf b = {0};
	int rc;

	for (int i = 0; i < depth; i++)
		buf_add_cstr(&b, "<a>");
	for (int i = 0; i < depth; i++)
		buf_add_cstr(&b, "</a>");
	rc = parse(f, buf_str(&b));
	buf_free(&b);
	return rc;
}

static void
depth(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(nested(f, XML_MAX_DEPTH), 0);
	assert_int_equal(nested(f, XML_MAX_DEPTH + 1), ERR_HOST);
	assert_has(f->err.message, "too deep");
	assert_int_equal(nested(f, 100000), ERR_HOST);
}

static void
large(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};
	size_t n = 0;

	buf_add_cstr(&b, "<r>");
	for (int i = 0; i < 50000; i++)
		buf_addf(&b, "<item><k>%d</k></item>", i);
	buf_add_cstr(&b, "</r>");
	assert_int_equal(parse(f, buf_str(&b)), 0);
	for (const struct xml *x = xml_at(f->root, "item"); x; x = xml_next(x))
		assert_int_equal(xml_int(x, "k", -1), n++);
	assert_int_equal(n, 50000);
	buf_free(&b);
}

static void
words(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(printable(out, sizeof(out), STR("  a \n\t b\x1b[0m")), 7);
	assert_string_equal(out, "a b [0m");
	printable(out, sizeof(out), STR("0123456789abcde"));
	assert_string_equal(out, "0123456789abcde");
	printable(out, sizeof(out), STR("0123456789abcdef"));
	assert_string_equal(out, "0123456789ab…");
	printable(out, sizeof(out), STR("ü\xff\xc3 \xed\xa0\x80\xc2\x85"));
	assert_string_equal(out, "ü?? ?????");
	printable(out, sizeof(out), STR("01234567890ü2345678"));
	assert_string_equal(out, "01234567890…");
	printable(out, sizeof(out), STR(""));
	assert_string_equal(out, "");
	printable(out, sizeof(out), (struct str){0});
	assert_string_equal(out, "");
	/* What is cut at its end may shrink below the room. */
	printable(out, sizeof(out), STR("a                            b"));
	assert_string_equal(out, "a b");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(instances, set_up, tear_down),
		cmocka_unit_test_setup_teardown(text_and_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(latin1, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_xml, set_up, tear_down),
		cmocka_unit_test_setup_teardown(depth, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large, set_up, tear_down),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
