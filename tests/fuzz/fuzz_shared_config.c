/* Any bytes as a shared file of the SDKs: refused with a place in the file, or what was read can be
 * found again. */
#include "providers/aws/ini.h"

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
check_value(struct str value)
{
	if (!value.p || value.p[value.n] != '\0')
		give_up("a value without an end");
	if (str_trim(value).n != value.n)
		give_up("a value with blanks around it");
}

/* The last of a name counts, so the last key of all is what is found. */
static void
check_section(struct arena *a, const struct ini *ini, const struct ini_section *s)
{
	if (s->text.n == 0 || !ini_has(ini, (struct str){0}, s->text) ||
		!ini_has(ini, s->kind, s->name))
		give_up("a section that is not there");
	for (const struct ini_key *k = s->keys; k; k = k->next) {
		if (k->name.n == 0 || (k->nested && k->value.n))
			give_up("a key without a name, or with two meanings");
		check_value(k->value);
		for (const struct ini_key *n = k->nested; n; n = n->next)
			check_value(n->value);
		if (!k->next && !ini_get(ini, s->kind, s->name, arena_cstr(a, k->name), NULL).p)
			give_up("a key that is not there");
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = {.p = (const char *)data, .n = size};
	struct arena a = {0};
	struct error err = {0};
	struct ini ini;
	int rc = ini_parse(&a, &ini, bytes, STR("fuzz"), &err), n = 0;

	if (rc && (rc != ERR_INPUT || err.line == 0 || err.col == 0 ||
			  strncmp(err.message, "fuzz:", 5) != 0))
		give_up("refused without a reason");
	for (const struct ini_section *s = ini.sections; !rc && s && n < 100; s = s->next, n++)
		check_section(&a, &ini, s);
	arena_wipe(&a);
	return 0;
}
