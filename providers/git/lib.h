/* lib: libgit2, loaded when first needed. Its functions are members of a const table under their
 * own names: lib->git_repository_open_ext(). A function that is missing here is one more line in
 * LIBGIT2_FUNCTIONS. */
#ifndef FURROW_GIT_LIB_H
#define FURROW_GIT_LIB_H

#include "planner/base/error.h"

#include <git2.h>

#define LIBGIT2_FUNCTIONS(X)           \
	X(git_commit_free)             \
	X(git_commit_id)               \
	X(git_commit_lookup)           \
	X(git_commit_tree)             \
	X(git_error_last)              \
	X(git_ignore_add_rule)         \
	X(git_libgit2_init)            \
	X(git_libgit2_opts)            \
	X(git_object_free)             \
	X(git_object_peel)             \
	X(git_object_type)             \
	X(git_object_type2string)      \
	X(git_odb_exists_ext)          \
	X(git_odb_free)                \
	X(git_odb_object_data)         \
	X(git_odb_object_free)         \
	X(git_odb_object_size)         \
	X(git_odb_object_type)         \
	X(git_odb_read)                \
	X(git_oid_cpy)                 \
	X(git_oid_fromstrn)            \
	X(git_oid_tostr)               \
	X(git_reference_free)          \
	X(git_reference_is_branch)     \
	X(git_reference_peel)          \
	X(git_reference_shorthand)     \
	X(git_remote_connect)          \
	X(git_remote_create_anonymous) \
	X(git_remote_fetch)            \
	X(git_remote_free)             \
	X(git_remote_ls)               \
	X(git_repository_free)         \
	X(git_repository_head)         \
	X(git_repository_init_ext)     \
	X(git_repository_is_bare)      \
	X(git_repository_is_shallow)   \
	X(git_repository_odb)          \
	X(git_repository_open_bare)    \
	X(git_repository_open_ext)     \
	X(git_repository_path)         \
	X(git_repository_workdir)      \
	X(git_revparse_single)         \
	X(git_status_byindex)          \
	X(git_status_list_entrycount)  \
	X(git_status_list_free)        \
	X(git_status_list_new)         \
	X(git_tree_entry_byindex)      \
	X(git_tree_entry_bypath)       \
	X(git_tree_entry_filemode)     \
	X(git_tree_entry_free)         \
	X(git_tree_entry_id)           \
	X(git_tree_entry_name)         \
	X(git_tree_entrycount)         \
	X(git_tree_free)               \
	X(git_tree_lookup)

struct libgit2 {
#define LIBGIT2_MEMBER(name) __typeof__(&name) name;
	LIBGIT2_FUNCTIONS(LIBGIT2_MEMBER)
#undef LIBGIT2_MEMBER
};

extern const char libgit2_soname[];

/* Gives the table; loads and initialises the library on the first call. Any thread. ERR_HOST when
 * it cannot be loaded. */
int libgit2_load(const struct libgit2 **out, struct error *err);

/* Fills *err with the text and, behind it, what libgit2 said last on this thread; returns code. */
int libgit2_fail(const struct libgit2 *lib, struct error *err, enum error_code code,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
