/* Any bytes as a journal: they are refused with a line, or what they say adds up. */
#include "planner/execute/timings.h"

#include "tests/exec/invariants.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
give_up(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = {.p = (const char *)data, .n = size};
	struct arena a = {0};
	struct timings t;
	struct error err = {0};
	int code = timings_parse(&a, &t, bytes, STR("fuzz"), &err);

	if (code && (code != ERR_INPUT || err.line == 0 || !err.message[0]))
		give_up("refused without a reason");
	if (!code) {
		const char *broken = broken_invariant(&t);

		if (broken)
			give_up(broken);
		if (timings_parse_head(&a, &t, bytes, STR("fuzz"), &err) != 0)
			give_up("a head that is refused alone");
	}
	timings_parse_head(&a, &t, bytes, STR("fuzz"), &err);
	arena_free(&a);
	return 0;
}
