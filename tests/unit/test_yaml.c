/* yaml: the tree with its places, and everything that is refused. */
#include "planner/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct fixture {
	struct arena arena;
	struct diagnostics diags;
	struct doc_node *root;
};

static int
set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.diags = {.arena = &f.arena}};
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	arena_free(&f->arena);
	return 0;
}

static int
parse_bytes(struct fixture *f, struct str bytes)
{
	f->diags = (struct diagnostics){.arena = &f->arena};
	return doc_parse(&f->arena, &f->root, &f->diags, STR("f"), bytes);
}

static void
parses(struct fixture *f, const char *text)
{
	if (parse_bytes(f, str_from(text)) || f->diags.n_errors)
		fail_msg("%s: %.*s", text, STR_ARG(f->diags.v[0].message));
}

static void
refuses_bytes(struct fixture *f, struct str bytes, uint32_t line, uint32_t col, const char *part)
{
	const struct diagnostic *d;

	parse_bytes(f, bytes);
	if (!f->diags.n_errors)
		fail_msg("taken: %.*s", STR_ARG(bytes));
	d = &f->diags.v[0];
	if (!strstr(d->message.p, part))
		fail_msg("\"%s\" lacks \"%s\"", d->message.p, part);
	assert_int_equal(d->pos.line, line);
	assert_int_equal(d->pos.col, col);
}

static void
refuses(struct fixture *f, const char *text, uint32_t line, uint32_t col, const char *part)
{
	refuses_bytes(f, str_from(text), line, col, part);
}

static void
tree_and_places(void **state)
{
	struct fixture *f = *state;
	const struct doc_node *n;

	parses(f, "a: 1\nlist:\n  - x\n  - \"y\\tz\"\nflow: {k: [1, no]}\nempty:\nnull: ~\n");
	assert_int_equal(f->root->kind, DOC_MAP);
	assert_int_equal(f->root->n, 5);
	n = doc_find(f->root, "a")->value;
	assert_true(str_is(n->text, "1") && n->plain);
	assert_int_equal(n->pos.line, 1);
	assert_int_equal(n->pos.col, 4);
	assert_int_equal(n->pos.len, 1);
	n = doc_find(f->root, "list")->value;
	assert_int_equal(n->kind, DOC_LIST);
	assert_true(str_is(n->items[1]->text, "y\tz") && !n->items[1]->plain);
	assert_int_equal(n->items[1]->pos.line, 4);
	assert_int_equal(n->items[1]->pos.col, 5);
	assert_int_equal(n->items[1]->pos.len, 6);
	n = doc_find(doc_find(f->root, "flow")->value, "k")->value;
	assert_true(str_is(n->items[1]->text, "no"));
	assert_int_equal(n->items[1]->pos.col, 15);
	n = doc_find(f->root, "empty")->value;
	assert_true(doc_is_empty(n) && !doc_is_null(n));
	n = doc_find(f->root, "null")->value;
	assert_true(doc_is_null(n) && !doc_is_empty(n));
	assert_null(doc_find(f->root, "nope"));
	assert_int_equal(f->root->height, 4);
}

static void
scalars_stay_text(void **state)
{
	struct fixture *f = *state;

	parses(f, "[no, 010, 1.10, 0x1F, 1_000, 2001-01-01, 'null', on]");
	assert_true(str_is(f->root->items[0]->text, "no"));
	assert_true(str_is(f->root->items[1]->text, "010"));
	assert_true(str_is(f->root->items[2]->text, "1.10"));
	assert_false(doc_is_null(f->root->items[6]));
	assert_true(str_is(f->root->items[7]->text, "on"));
}

static void
columns_are_bytes(void **state)
{
	struct fixture *f = *state;

	parses(f, "\xef\xbb\xbf\"\xc3\xa4\xe6\x97\xa5\": x\r\nb: y\n");
	assert_int_equal(f->root->entries[0].value->pos.col, 10);
	assert_int_equal(f->root->entries[1].value->pos.line, 2);
	assert_int_equal(f->root->entries[1].value->pos.col, 4);
}

static void
aliases(void **state)
{
	struct fixture *f = *state;
	const struct doc_node *n;

	parses(f, "a: &one {x: 1, y: 2}\nb: *one\nc:\n  <<: *one\n  y: 3\n  z: 4\n");
	assert_ptr_equal(doc_find(f->root, "a")->value, doc_find(f->root, "b")->value);
	n = doc_find(f->root, "c")->value;
	assert_int_equal(n->n, 3);
	assert_true(str_is(doc_find(n, "y")->value->text, "3"));
	assert_true(str_is(doc_find(n, "x")->value->text, "1"));
	assert_null(doc_find(n, "<<"));
	/* The earlier of a list wins; a quoted << is a key like any other. */
	parses(f, "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\nd: {\"<<\": 1}\n");
	n = doc_find(f->root, "c")->value;
	assert_true(str_is(doc_find(n, "x")->value->text, "1"));
	assert_true(str_is(doc_find(n, "y")->value->text, "2"));
	assert_non_null(doc_find(doc_find(f->root, "d")->value, "<<"));
	/* An anchor is not part of where its text stands. */
	parses(f, "a: &name text\n");
	assert_int_equal(doc_find(f->root, "a")->value->pos.col, 10);
	refuses(f, "a: *gone\n", 1, 4, "the alias *gone names no anchor");
	refuses(f, "a: &a [1, *a]\n", 1, 11, "stands within what it names");
	refuses(f, "a: {<<: 1}\n", 1, 5, "<< merges mappings, but finds text");
}

static void
duplicates(void **state)
{
	struct fixture *f = *state;

	refuses(f, "a: 1\nb: 2\na: 3\n", 3, 1,
		"the key 'a' is given twice; it stands in line 1 already");
	assert_int_equal(f->root->n, 2);
	refuses(f, "a: {b: 1, \"b\": 2}\n", 1, 11, "the key 'b' is given twice");
	refuses(f, "a: 1\n{b: c}: 2\n", 2, 1, "a key has to be text, not a mapping");
	refuses(f, "? \n: 2\n", 1, 2, "a key has to be text, not nothing");
}

static void
tags_and_documents(void **state)
{
	struct fixture *f = *state;

	refuses(f, "a: !!str 1\n", 1, 4, "the tag '!!str'");
	refuses(f, "a: !include other.yaml\n", 1, 4, "the tag '!include'");
	refuses(f, "a: !x {b: 1}\n", 1, 4, "the tag '!x'");
	refuses(f, "a: 1\n---\nb: 2\n", 2, 1, "a second document begins here");
	parses(f, "---\na: 1\n...\n");
}

static void
no_yaml(void **state)
{
	struct fixture *f = *state;

	refuses(f, "a: b: c\n", 1, 5, "a ':' where no key can stand");
	refuses(f, "a:\n\tb: 1\n", 2, 1, "a tab: YAML is indented with blanks");
	refuses(f, "a: 1\n b: 2\n", 2, 3, "a ':' where no key can stand");
	refuses(f, "a: [1, 2\nb: 3\n", 2, 2, "the list in [ ] is not closed");
	refuses(f, "a: {b: 1\nc: 3\n", 2, 2, "the mapping in { } is not closed");
	refuses(f, "x: 1\na: \"text\nmore\n", 2, 4, "what begins here is never closed");
	refuses(f, "a: 1\nkey\nb: 2\n", 2, 1, "a key without its ': '");
	refuses(f, "a: 1\n\tb: 2\n", 2, 1, "a tab: YAML is indented with blanks");
	refuses(f, "a: *\n", 1, 5, "a name is missing behind the '*'");
	refuses(f, "a: |x\n", 1, 5, "nothing but a comment can follow");
	refuses(f, "a: \"\\q\"\n", 1, 5, "no such escape");
	refuses(f, "a: @x\n", 1, 4, "put it in quotes");
	refuses(f, "a: %x\n", 1, 4, "put it in quotes");
	refuses(f, "a: - 1\n", 1, 4, "a list's '- ' cannot stand on the line of its key");
	refuses(f, "a: \"x\\0y\"\n", 1, 4, "a NUL byte (\\0) cannot be part of a value");
}

static void
no_text(void **state)
{
	static char big[MANIFEST_MAX_BYTES + 1];
	struct fixture *f = *state;

	refuses(f, "", 0, 0, "there is nothing in it");
	refuses(f, "# only a comment\n\n", 0, 0, "there is nothing in it");
	refuses_bytes(f, (struct str){0}, 0, 0, "there is nothing in it");
	refuses_bytes(f, STR("a: 1\nb\0c: 2"), 2, 2, "a NUL byte: this is a binary file");
	refuses(f, "a: \x1b[1m\n", 1, 4, "the control character 0x1b");
	refuses(f, "a: \xff\n", 1, 4, "the byte 0xff is no UTF-8");
	refuses(f, "a: 1\nb: \xc3(\n", 2, 4, "the byte 0xc3 is no UTF-8");
	refuses_bytes(f,
		STR("\xff\xfe"
		    "a\0:\0"),
		0, 0, "the text is UTF-16");
	refuses_bytes(f, STR("a: \xc2\x80\n"), 1, 4, "");
	memset(big, '#', sizeof(big));
	refuses_bytes(
		f, (struct str){.p = big, .n = sizeof(big)}, 0, 0, "1048577 bytes are too many");
	big[0] = 'a', big[1] = ':', big[2] = ' ';
	assert_int_equal(parse_bytes(f, (struct str){.p = big, .n = MANIFEST_MAX_BYTES}), 0);
}

static void
depth(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};

	for (int levels = 63; levels <= 64; levels++) {
		buf_clear(&b);
		for (int i = 0; i < levels; i++)
			buf_add_char(&b, '[');
		buf_add_char(&b, 'x');
		for (int i = 0; i < levels; i++)
			buf_add_char(&b, ']');
		if (levels == 63)
			parses(f, buf_cstr(&b));
		else
			refuses(f, buf_cstr(&b), 1, 65, "nested too deep: more than 64 levels");
	}
	/* And much deeper, and through aliases. */
	for (int i = 0; i < 100000; i++)
		buf_add_char(&b, '[');
	refuses(f, buf_cstr(&b) + 64 + 1 + 64, 1, 65, "nested too deep");
	buf_clear(&b);
	buf_add_cstr(&b, "a: &a [[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]\nb: &b "
			 "[[[[[[[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]]]]]]\nc: "
			 "[[[[[[[[[[[[[[[[[[[[[[[[[*b]]]]]]]]]]]]]]]]]]]]]]]]]\n");
	refuses(f, buf_cstr(&b), 3, 29, "nested too deep");
	buf_free(&b);
}

static void
too_many(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};

	buf_add_char(&b, '[');
	for (int i = 0; i < MANIFEST_MAX_NODES - 1; i++)
		buf_add_cstr(&b, "x,");
	buf_add_char(&b, ']');
	parses(f, buf_cstr(&b));
	b.n--;
	buf_add_cstr(&b, "x]");
	refuses(f, buf_cstr(&b), 1, 2 * MANIFEST_MAX_NODES, "more than 10000 values");
	buf_free(&b);
}

static void
bombs(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};
	size_t before;

	refuses(f,
		"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
		"b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
		"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
		"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
		"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
		"f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
		4, 29, "each alias counted with all that it stands for");
	assert_int_equal(f->diags.n_errors, 1);
	/* The same by merging. */
	buf_add_cstr(&b, "a: &a {");
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "k%d: 1,", i);
	buf_add_cstr(&b, "}\nl:\n");
	for (int i = 0; i < 2000; i++)
		buf_add_cstr(&b, "- {<<: *a}\n");
	before = f->arena.total_bytes;
	refuses(f, buf_cstr(&b), 6, 8, "more than 10000 values");
	assert_true(f->arena.total_bytes - before < 8 << 20);
	buf_free(&b);
}

static void
places_within_blocks(void **state)
{
	struct fixture *f = *state;
	struct pos pos;

	parses(f, "a: |\n  one ${{ x }}\n  two ${{ y }}\nb: 1\n");
	pos = doc_pos_within(doc_find(f->root, "a")->value, "${{", 1, 8);
	assert_int_equal(pos.line, 3);
	assert_int_equal(pos.col, 7);
	assert_int_equal(pos.len, 8);
	/* Not there as such: an escape hid it. */
	parses(f, "a: \"\\u0024{{ x }}\"\n");
	pos = doc_pos_within(doc_find(f->root, "a")->value, "${{", 0, 8);
	assert_int_equal(pos.line, 1);
	assert_int_equal(pos.col, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tree_and_places, set_up, tear_down),
		cmocka_unit_test_setup_teardown(scalars_stay_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(columns_are_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(aliases, set_up, tear_down),
		cmocka_unit_test_setup_teardown(duplicates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tags_and_documents, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_yaml, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(depth, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bombs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(places_within_blocks, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
