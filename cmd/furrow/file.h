/* file: whole files, and the ends of files. */
#ifndef FURROW_FILE_H
#define FURROW_FILE_H

#include "planner/base/arena.h"
#include "planner/base/error.h"

/* The bytes of a file. ERR_MISSING: there is none; ERR_INPUT: it is a folder, or larger than
 * max_bytes; ERR_HOST: reading failed. */
int file_read(
	struct arena *a, const char *path, size_t max_bytes, struct str *bytes, struct error *err);

/* The bytes of a file that only grows, without copying them; end with file_unmap. An empty file
 * gives an empty string. */
int file_map(const char *path, struct str *bytes, struct error *err);
void file_unmap(struct str bytes);

/* At most max_bytes from its end; absent when there is no such file or it cannot be read. */
struct str file_tail(struct arena *a, const char *path, size_t max_bytes);

/* Creates a file that must not exist yet, durably. ERR_INPUT with os_errno EEXIST when it does. */
int file_create(const char *path, struct str bytes, struct error *err);
/* Writes a file whole or not at all: a temporary name, then rename. */
int file_replace(const char *path, struct str bytes, struct error *err);
/* Writes to what is no file of its own, a pipe or a device. Empties it first when it is one. */
int file_write_through(const char *path, struct str bytes, struct error *err);

/* A folder's size on disk with everything in it, links not followed; 0 when it isn't there. */
int64_t file_disk_bytes(const char *path);
/* Names in a folder but "." and "..", sorted, in the arena; no folder: none. */
struct names {
	char **v;
	size_t n;
};
struct names file_names(struct arena *a, const char *dir);

#endif
