/* boot: the names of the marks. */
#include "planner/boot.h"

static const char *const names[BOOT_MARKS] = {"accepted", "running", "kernel", "init", "runner",
	"source", "warm", "sshd", "connect", "login", "ready"};

const char *
boot_mark_name(enum boot_mark m)
{
	return names[m];
}

bool
boot_mark_parse(struct str s, enum boot_mark *m)
{
	for (int i = 0; i < BOOT_MARKS; i++) {
		if (str_is(s, names[i])) {
			*m = (enum boot_mark)i;
			return true;
		}
	}
	return false;
}
