/* Any bytes as an answer in XML: refused with a place, or a tree that holds together. */
#include "providers/aws/xml.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
give_up(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static void
check(const struct xml *x, int depth)
{
	if (depth > XML_MAX_DEPTH)
		give_up("deeper than promised");
	if (!x->name.p || x->name.n == 0 || x->name.p[x->name.n] != '\0')
		give_up("an element without a name");
	if (!x->text.p || x->text.p[x->text.n] != '\0' || !str_is_utf8(x->text))
		give_up("a text that is none");
	if (str_trim(x->text).n != x->text.n)
		give_up("a text with blanks around it");
	if (xml_find(x, x->name.p) != x)
		give_up("an element that isn't found");
	for (const struct xml *c = x->first; c; c = c->next) {
		if (xml_next(c) && !str_eq(xml_next(c)->name, c->name))
			give_up("a next one of another name");
		check(c, depth + 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = {.p = (const char *)data, .n = size};
	struct error err = {0};
	struct arena a = {0};
	struct xml *root;
	int rc = xml_parse(&a, &root, bytes, "fuzz", &err);

	if (rc &&
		(rc != ERR_HOST || root || !err.message[0] || !str_is_utf8(str_from(err.message))))
		give_up("refused without a reason");
	if (!rc) {
		check(root, 1);
		xml_int(root, "a/b", 0);
		xml_text(root, "Errors/Error/Code");
	}
	arena_free(&a);
	return 0;
}
