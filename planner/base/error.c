/* error: filling and wrapping. */
#include "planner/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	*err = (struct error){.code = code};
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return code;
}

static const char *
what_to_do(int os_errno)
{
	switch (os_errno) {
	case ENOSPC:
		return " (free some space there, then run this again: what was finished is kept)";
	case EDQUOT:
		return " (your disk quota is used up)";
	case EMFILE:
		return " (raise the limit on open files: ulimit -n)";
	default:
		return "";
	}
}

int
error_set_errno(struct error *err, enum error_code code, int os_errno, const char *fmt, ...)
{
	va_list ap;
	char text[128];
	size_t n;

	if (!err)
		return code;
	*err = (struct error){.code = code, .os_errno = os_errno};
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	n = strlen(err->message);
	snprintf(err->message + n, sizeof(err->message) - n, ": %s%s",
		strerror_r(os_errno, text, sizeof(text)), what_to_do(os_errno));
	return code;
}

int
error_wrap(struct error *err, const char *fmt, ...)
{
	char old[ERROR_MESSAGE_BYTES];
	va_list ap;
	size_t n;

	if (!err)
		return ERR_INTERNAL;
	memcpy(old, err->message, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	n = strlen(err->message);
	snprintf(err->message + n, sizeof(err->message) - n, ": %s", old);
	return err->code;
}

const char *error_class_name(enum error_class class)
{
	switch (class) {
	case CLASS_FATAL:
		return "fatal";
	case CLASS_TRANSIENT:
		return "transient";
	case CLASS_THROTTLED:
		return "throttled";
	case CLASS_CAPACITY:
		return "capacity";
	case CLASS_QUOTA:
		return "quota";
	case CLASS_DENIED:
		return "denied";
	case CLASS_INTERRUPTED:
		return "interrupted";
	}
	return "fatal";
}

int
error_exit_code(enum error_code code)
{
	switch (code) {
	case ERR_NONE:
		return 0;
	case ERR_INPUT:
	case ERR_MISSING:
		return 64;
	case ERR_TASK:
		return 1;
	case ERR_STALE:
		return 4;
	case ERR_LOCKED:
		return 75;
	case ERR_CANCELLED:
	case ERR_HOST:
	case ERR_INTERNAL:
		return 3;
	}
	return 3;
}
