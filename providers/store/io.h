/* io: whole reads and writes of files, for the store and collect. */
#ifndef FURROW_STORE_IO_H
#define FURROW_STORE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes n bytes, whole; 0 or -errno. */
int io_write_all(int fd, const void *bytes, size_t n);

/* Reads n bytes at an offset, fewer only at the end of the file: the count or -errno. */
ssize_t io_read_at(int fd, void *bytes, size_t n, uint64_t at);

/* mkdir -p; 0, or -errno of the last one. */
int io_make_folders(const char *path);

#endif
