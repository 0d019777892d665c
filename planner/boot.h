/* boot: the way of an instance from being asked for to its runner, as its marks. */
#ifndef FURROW_BOOT_H
#define FURROW_BOOT_H

#include "planner/base/str.h"

enum boot_mark {
	BOOT_ACCEPTED, /* EC2 said yes */
	BOOT_RUNNING,  /* and then "running", as far as it was asked before it was reached */
	BOOT_KERNEL,   /* its kernel began */
	BOOT_INIT,     /* cloud-init runs what it was told */
	BOOT_RUNNER,   /* it has fetched the runner, */
	BOOT_SOURCE,   /* the source, */
	BOOT_WARM,     /* and read its warm_files */
	BOOT_SSHD,     /* sshd was started there */
	BOOT_CONNECT,  /* we were connected, */
	BOOT_LOGIN,    /* let in, */
	BOOT_READY,    /* and the runner spoke */
	BOOT_MARKS
};

enum { BOOT_WHY_BYTES = 160 };

struct boot {
	int64_t ns[BOOT_MARKS];	       /* since it was asked for; 0: not known */
	int64_t warm_ns, warm_bytes;   /* of warm_files; warm_ns 0: none, or not done yet */
	char warm_why[BOOT_WHY_BYTES]; /* what of them was not to be read, at first; "": all was */
	/* What was asked of EBS: to fill a disk of so many bytes so fast; 0: nothing. */
	int64_t disk_bytes, disk_bytes_per_s;
};

const char *boot_mark_name(enum boot_mark m); /* "accepted" */
bool boot_mark_parse(struct str s, enum boot_mark *m);

#endif
