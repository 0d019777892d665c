/* dynlib: a shared library that is loaded when it is first needed, as a table of typed functions.
 * Loading all of them at the start of every command would cost more than most commands take. */
#ifndef FURROW_DYNLIB_H
#define FURROW_DYNLIB_H

#include "planner/base/error.h"

#include <stddef.h>

/* A function of the library and where its pointer goes in the table. */
struct dynlib_symbol {
	const char *name;
	size_t offset;
};

/* Opens the library and fills the table. ERR_HOST, naming the Debian package, when the library
 * isn't there or lacks a function. It stays loaded until the process ends. */
int dynlib_load(void *table, const char *soname, const char *package,
	const struct dynlib_symbol *symbols, size_t n, struct error *err);

#endif
