/* lib: expat, loaded when first needed. Its functions are members of a const table under their own
 * names: lib->XML_Parse(). A function that is missing here is one more line in EXPAT_FUNCTIONS. */
#ifndef FURROW_EXPAT_LIB_H
#define FURROW_EXPAT_LIB_H

#include "planner/base/error.h"

#include <expat.h>

#define EXPAT_FUNCTIONS(X)                \
	X(XML_ErrorString)                \
	X(XML_GetCurrentColumnNumber)     \
	X(XML_GetCurrentLineNumber)       \
	X(XML_GetErrorCode)               \
	X(XML_Parse)                      \
	X(XML_ParserCreate)               \
	X(XML_ParserFree)                 \
	X(XML_SetCharacterDataHandler)    \
	X(XML_SetElementHandler)          \
	X(XML_SetStartDoctypeDeclHandler) \
	X(XML_SetUserData)                \
	X(XML_StopParser)

struct expat {
#define EXPAT_MEMBER(name) __typeof__(&name) name;
	EXPAT_FUNCTIONS(EXPAT_MEMBER)
#undef EXPAT_MEMBER
};

/* Gives the table; loads the library on the first call. Any thread. ERR_HOST when it cannot be
 * loaded. */
int expat_load(const struct expat **out, struct error *err);

#endif
