/* lib: the table of libcurl's functions. */
#include "providers/curl/lib.h"

#include "providers/dynlib.h"

#include <pthread.h>

_Static_assert(LIBCURL_VERSION_MAJOR == 7 || LIBCURL_VERSION_MAJOR == 8,
	"the soname below is that of libcurl 7 and 8");

static struct libcurl table;
static struct error load_error;
static int load_result;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void
load(void)
{
	static const struct dynlib_symbol symbols[] = {
#define LIBCURL_SYMBOL(name) {#name, offsetof(struct libcurl, name)},
		LIBCURL_FUNCTIONS(LIBCURL_SYMBOL)
#undef LIBCURL_SYMBOL
	};

	load_result = dynlib_load(&table, "libcurl.so.4", "libcurl4", symbols,
		sizeof(symbols) / sizeof(symbols[0]), &load_error);
	if (load_result == 0 && table.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		load_result = error_set(&load_error, ERR_HOST, "initialise libcurl.so.4");
}

int
libcurl_load(const struct libcurl **out, struct error *err)
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
