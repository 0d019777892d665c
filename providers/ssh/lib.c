/* lib: the table of libssh's functions. */
#include "providers/ssh/lib.h"

#include "providers/dynlib.h"

#include <pthread.h>

_Static_assert(LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 10, 6), "libssh 0.10.6 is the floor");
_Static_assert(LIBSSH_VERSION_MAJOR == 0, "the soname below is that of libssh 0");

static struct libssh table;
static struct error load_error;
static int load_result;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void
load(void)
{
	static const struct dynlib_symbol symbols[] = {
#define LIBSSH_SYMBOL(name) {#name, offsetof(struct libssh, name)},
		LIBSSH_FUNCTIONS(LIBSSH_SYMBOL)
#undef LIBSSH_SYMBOL
	};

	load_result = dynlib_load(&table, "libssh.so.4", "libssh-4", symbols,
		sizeof(symbols) / sizeof(symbols[0]), &load_error);
	if (load_result < 0)
		return;
	if (!table.ssh_version(SSH_VERSION_INT(0, 10, 6)))
		load_result = error_set(&load_error, ERR_HOST,
			"libssh.so.4 is version %s, and 0.10.6 is the least that is safe; install "
			"a newer one: sudo apt-get install libssh-4",
			table.ssh_version(0));
	else if (table.ssh_init() != SSH_OK)
		load_result = error_set(&load_error, ERR_HOST, "initialise libssh.so.4");
}

int
libssh_load(const struct libssh **out, struct error *err)
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
