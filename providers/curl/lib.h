/* lib: libcurl, loaded when first needed. Its functions are members of a const table under their own names:
 * lib->curl_easy_init(). A function that is missing here is one more line in LIBCURL_FUNCTIONS. */
#ifndef FURROW_CURL_LIB_H
#define FURROW_CURL_LIB_H

#include "planner/base/error.h"

/* The checking macros would take the members' names for their own. */
#ifndef CURL_DISABLE_TYPECHECK
#define CURL_DISABLE_TYPECHECK
#endif
#include <curl/curl.h>

#define LIBCURL_FUNCTIONS(X)        \
	X(curl_easy_cleanup)        \
	X(curl_easy_getinfo)        \
	X(curl_easy_init)           \
	X(curl_easy_perform)        \
	X(curl_easy_reset)          \
	X(curl_easy_setopt)         \
	X(curl_easy_strerror)       \
	X(curl_getdate)             \
	X(curl_global_init)         \
	X(curl_multi_add_handle)    \
	X(curl_multi_cleanup)       \
	X(curl_multi_info_read)     \
	X(curl_multi_init)          \
	X(curl_multi_perform)       \
	X(curl_multi_poll)          \
	X(curl_multi_remove_handle) \
	X(curl_share_cleanup)       \
	X(curl_share_init)          \
	X(curl_share_setopt)        \
	X(curl_slist_append)        \
	X(curl_slist_free_all)

struct libcurl {
#define LIBCURL_MEMBER(name) __typeof__(&name) name;
	LIBCURL_FUNCTIONS(LIBCURL_MEMBER)
#undef LIBCURL_MEMBER
};

/* Gives the table; loads and initialises the library on the first call. Any thread. ERR_HOST when it cannot be loaded. */
int libcurl_load(const struct libcurl **out, struct error *err);

#endif
