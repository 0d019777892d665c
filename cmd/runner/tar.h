/* tar: headers of a tar stream: ustar (POSIX.1-1988), with a pax header (POSIX.1-2001) before it
 * for what ustar cannot say: names and targets over 100 bytes or beyond ASCII, sizes of 8 GiB and
 * more. Owners and groups are 0, and so are times unless they are asked for: the same files make the same bytes. */
#ifndef RUNNER_TAR_H
#define RUNNER_TAR_H

#include <stddef.h>
#include <stdint.h>

enum { TAR_BLOCK_BYTES = 512, TAR_NAME_MAX = 4096, TAR_HEADER_MAX = 20 * TAR_BLOCK_BYTES };

struct tar_entry {
	char type;	    /* '0' file, '2' symlink, '5' folder */
	const char *name;   /* a folder's ends in '/'; at most TAR_NAME_MAX bytes */
	const char *target; /* of a symlink, at most TAR_NAME_MAX bytes; else NULL */
	unsigned mode;	    /* 0 to 0777 */
	uint64_t size;	    /* of a file */
	uint64_t mtime_s;   /* since 1970, below 2^33 */
};

/* Writes all headers of an entry; returns their bytes, a multiple of a block. */
size_t tar_header(char out[TAR_HEADER_MAX], const struct tar_entry *e);

#endif
