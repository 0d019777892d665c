/* tree: a folder as a tar stream, and out of one: what `environment.setup` left on one host, for the others.
 * The same folder makes the same bytes: names are sorted, owners left out; times in whole seconds are kept,
 * since caches of compiled code go by them.
 *
 * Files, folders and symlinks. A symlink may point to what lies in the folder, or to where systems keep
 * their programs (/usr, /bin, /sbin, /lib…, /opt), as those of a Python environment do. Unpacking goes
 * through no symlink, and takes nothing that packing would not have made: who can write into the store
 * gets nothing outside of the folder. */
#ifndef RUNNER_TREE_H
#define RUNNER_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct tree {
	const char *place;  /* the folder's own path: absolute symlinks below it stay inside */
	const char *marker; /* of this name at the top there is nothing in the tar */
	/* Asked now and then, after up to 1 MiB; false: nobody waits for it any more. */
	bool (*go_on)(void *ctx);
	void *ctx;
	uint64_t bytes; /* of the tar, written or read so far */
	char why[512];	/* after -1: what is wrong, for people */
};

/* Both: 0 or -1. The folder's descriptor stays the caller's. */
int tree_pack(struct tree *t, int dir_fd, int tar_fd);
/* Into an empty folder; reads no more than limit_bytes of tar. What was unpacked before it failed is left. */
int tree_unpack(struct tree *t, int dir_fd, int tar_fd, uint64_t limit_bytes);

/* Whether a symlink that lies so many folders below the top is one of those. */
bool tree_takes_link(const struct tree *t, const char *target, unsigned depth);

#endif
