/* lib: the table of expat's functions. */
#include "providers/expat/lib.h"

#include "providers/dynlib.h"

#include <pthread.h>

_Static_assert(XML_MAJOR_VERSION == 2, "the soname below is that of expat 2");

static struct expat table;
static struct error load_error;
static int load_result;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void
load(void)
{
	static const struct dynlib_symbol symbols[] = {
#define EXPAT_SYMBOL(name) {#name, offsetof(struct expat, name)},
		EXPAT_FUNCTIONS(EXPAT_SYMBOL)
#undef EXPAT_SYMBOL
	};

	load_result = dynlib_load(&table, "libexpat.so.1", "libexpat1", symbols,
		sizeof(symbols) / sizeof(symbols[0]), &load_error);
}

int
expat_load(const struct expat **out, struct error *err)
{
	pthread_once(&load_once, load);
	if (load_result < 0) {
		if (err)
			*err = load_error;
		return load_result;
	}
	*out = &table;
	return 0;
}
