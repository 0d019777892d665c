/* lib: the table of libarchive's functions. */
#include "providers/archive/lib.h"

#include "providers/dynlib.h"

#include <pthread.h>

_Static_assert(ARCHIVE_VERSION_NUMBER >= 3006000 && ARCHIVE_VERSION_NUMBER < 4000000,
	"the soname below is that of libarchive 3");

static struct libarchive table;
static struct error load_error;
static int load_result;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void
load(void)
{
	static const struct dynlib_symbol symbols[] = {
#define LIBARCHIVE_SYMBOL(name) {#name, offsetof(struct libarchive, name)},
		LIBARCHIVE_FUNCTIONS(LIBARCHIVE_SYMBOL)
#undef LIBARCHIVE_SYMBOL
	};

	load_result = dynlib_load(&table, "libarchive.so.13", "libarchive13", symbols,
		sizeof(symbols) / sizeof(symbols[0]), &load_error);
}

int
libarchive_load(const struct libarchive **out, struct error *err)
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
