/* error: what went wrong, on the caller's stack.
 *
 * A function that can fail returns 0 or a negative enum error_code, and takes a struct error
 * last. A message tells what was tried, on what, what came back and what to do; each floor wraps
 * it once. */
#ifndef FURROW_BASE_ERROR_H
#define FURROW_BASE_ERROR_H

#include <stdint.h>

enum error_code {
	ERR_NONE = 0,
	ERR_INPUT = -1,	    /* the user's manifest, arguments or files: exit 64 */
	ERR_TASK = -2,	    /* a task failed: exit 1 */
	ERR_HOST = -3,	    /* cloud, host, container engine, disk: exit 3 */
	ERR_STALE = -4,	    /* a saved plan no longer fits: exit 4 */
	ERR_LOCKED = -5,    /* another apply holds the job: exit 75 */
	ERR_CANCELLED = -6, /* not begun, or ended by request */
	ERR_MISSING = -7, /* what was looked for is not there; the caller decides what that means */
	ERR_INTERNAL = -8, /* a bug in furrow */
};

/* How a failure is to be met. The provider says which it is, the executor decides. */
enum error_class {
	CLASS_FATAL = 0,  /* trying again gives the same */
	CLASS_TRANSIENT,  /* try again soon */
	CLASS_THROTTLED,  /* try again later, and slow the whole API down */
	CLASS_CAPACITY,	  /* try elsewhere */
	CLASS_QUOTA,	  /* stop, name the quota */
	CLASS_DENIED,	  /* stop, name the permission */
	CLASS_INTERRUPTED /* the host went away under it */
};

enum { ERROR_MESSAGE_BYTES = 1024, ERROR_DETAIL_BYTES = 64 };

struct error {
	enum error_code code;
	enum error_class class;
	int os_errno;	 /* 0: none */
	int http_status; /* 0: none */
	uint32_t line;	 /* of an input, 1-based; 0: none */
	uint32_t col;
	char message[ERROR_MESSAGE_BYTES];
};

/* Fills *err (when not NULL) and returns code. */
int error_set(struct error *err, enum error_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of os_errno behind the message, and os_errno kept. ENOSPC,
 * EDQUOT, EMFILE and ENOMEM get what to do about it. */
int error_set_errno(struct error *err, enum error_code code, int os_errno, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "PREFIX: " before the message and returns err->code. */
int error_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

const char *error_class_name(enum error_class class);

/* The exit code that every command promises for a code (0 for ERR_NONE). */
int error_exit_code(enum error_code code);

#endif
