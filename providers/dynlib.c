/* dynlib: dlopen, and one dlsym for each function of a table. */
#include "providers/dynlib.h"

#include <dlfcn.h>
#include <string.h>

int
dynlib_load(void *table, const char *soname, const char *package,
	const struct dynlib_symbol *symbols, size_t n, struct error *err)
{
	void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return error_set(err, ERR_HOST,
			"load library %s: %s; install it: sudo apt-get install %s", soname,
			dlerror(), package);
	for (size_t i = 0; i < n; i++) {
		void *function = dlsym(handle, symbols[i].name);

		if (!function) {
			dlclose(handle);
			return error_set(err, ERR_HOST,
				"library %s lacks the function %s; install another version of it: "
				"sudo apt-get install %s",
				soname, symbols[i].name, package);
		}
		/* POSIX promises that a function's address survives the way through void *. */
		memcpy((char *)table + symbols[i].offset, &function, sizeof(function));
	}
	return 0;
}
