/* lib: libarchive, loaded when first needed. Its functions are members of a const table under their
 * own names: lib->archive_read_new(). A function that is missing here is one more line in
 * LIBARCHIVE_FUNCTIONS. */
#ifndef FURROW_ARCHIVE_LIB_H
#define FURROW_ARCHIVE_LIB_H

#include "planner/base/error.h"

#include <archive.h>
#include <archive_entry.h>

#define LIBARCHIVE_FUNCTIONS(X)                    \
	X(archive_errno)                           \
	X(archive_error_string)                    \
	X(archive_read_new)                        \
	X(archive_read_support_format_tar)         \
	X(archive_read_support_filter_bzip2)       \
	X(archive_read_support_filter_gzip)        \
	X(archive_read_support_filter_xz)          \
	X(archive_read_support_filter_zstd)        \
	X(archive_read_open_fd)                    \
	X(archive_read_open_memory)                \
	X(archive_read_next_header)                \
	X(archive_read_data)                       \
	X(archive_read_data_block)                 \
	X(archive_read_data_skip)                  \
	X(archive_read_free)                       \
	X(archive_write_new)                       \
	X(archive_write_set_format_pax)            \
	X(archive_write_set_format_pax_restricted) \
	X(archive_write_add_filter_gzip)           \
	X(archive_write_set_bytes_per_block)       \
	X(archive_write_set_bytes_in_last_block)   \
	X(archive_write_set_options)               \
	X(archive_write_open_fd)                   \
	X(archive_write_header)                    \
	X(archive_write_data)                      \
	X(archive_write_close)                     \
	X(archive_write_free)                      \
	X(archive_entry_new)                       \
	X(archive_entry_clear)                     \
	X(archive_entry_free)                      \
	X(archive_entry_filetype)                  \
	X(archive_entry_hardlink)                  \
	X(archive_entry_mode)                      \
	X(archive_entry_pathname)                  \
	X(archive_entry_perm)                      \
	X(archive_entry_size)                      \
	X(archive_entry_symlink)                   \
	X(archive_entry_set_filetype)              \
	X(archive_entry_set_gid)                   \
	X(archive_entry_set_mtime)                 \
	X(archive_entry_set_pathname)              \
	X(archive_entry_set_perm)                  \
	X(archive_entry_set_size)                  \
	X(archive_entry_set_symlink)               \
	X(archive_entry_set_uid)

struct libarchive {
#define LIBARCHIVE_MEMBER(name) __typeof__(&name) name;
	LIBARCHIVE_FUNCTIONS(LIBARCHIVE_MEMBER)
#undef LIBARCHIVE_MEMBER
};

/* Gives the table; loads the library on the first call. Any thread. ERR_HOST when it cannot be
 * loaded. */
int libarchive_load(const struct libarchive **out, struct error *err);

#endif
