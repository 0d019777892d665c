/* source: the files that a job takes along, as a sorted listing. Providers read it (git objects, a
 * folder), the planner takes identities and map inputs from it.
 *
 * A file's id is its git blob id, also outside git: the same bytes have the same id wherever they
 * were read, so a working file that equals the committed one changes nothing. */
#ifndef FURROW_SOURCE_H
#define FURROW_SOURCE_H

#include "planner/base/arena.h"
#include "planner/base/digest.h"

enum { BLOB_ID_BYTES = 20 };

enum file_mode { FILE_REGULAR = 0100644, FILE_EXECUTABLE = 0100755, FILE_SYMLINK = 0120000 };

struct source_entry {
	struct str path; /* relative to the workdir, '/' between parts, never starts with one */
	enum file_mode mode;
	uint8_t id[BLOB_ID_BYTES]; /* SHA-1 of "blob N\0" and the bytes (a symlink's: its target) */
	int64_t size_bytes;	   /* < 0: not known without reading (a blob that nobody opened) */
};

enum source_kind { SOURCE_COMMIT, SOURCE_DIRTY, SOURCE_PATH };

struct source {
	enum source_kind kind;
	struct source_entry *entries; /* sorted by path bytes (str_cmp), no duplicates */
	size_t n_entries;
	struct str commit;	 /* 40 hex; absent outside git */
	struct str describe;	 /* "main@1a2b3c4", for people; absent outside git */
	struct str patch_sha256; /* DIRTY: 64 hex, over what differs from the commit */
	size_t n_untracked;   /* COMMIT: files neither tracked nor ignored, hence not part of it */
	struct str untracked; /* the first few of their names, comma-separated */
	struct str changed;   /* "modified a, new b": what is taken uncommitted; absent: nothing */
	struct str manifest_path; /* of the manifest within the workdir; absent when outside */
};

/* The entry at path, or NULL. */
const struct source_entry *source_find(const struct source *s, struct str path);

/* The index of the first entry whose path is not less than `path`; n_entries when there is none.
 * What lies below a folder follows its lower bound. */
size_t source_lower_bound(const struct source *s, struct str path);

/* One digest over path, mode and id of every entry that `skip` does not name (NULL: all). Fields
 * are framed, so no two listings collide by concatenation. */
typedef bool (*source_skip_fn)(void *ctx, const struct source_entry *e);
struct digest source_identity(const struct source *s, source_skip_fn skip, void *ctx);

/* Shell-like pattern against a whole path: '*' and '?' stop at '/', '**' as a whole part matches
 * any number of parts (as the last one: at least one), [a-z] and [!a-z], '\' quotes. A part that
 * starts with '.' is matched by an explicit '.' only. '?' and sets take a character of UTF-8 as
 * one. Empty parts and "." in the pattern are left out; a pattern that starts with '/' matches
 * nothing. A '[' without its ']', and a '\' that ends a part, stand for themselves. Costs at most
 * pattern length times path length. */
bool source_glob_match(struct str pattern, struct str path);

/* The same pattern without what is left out, so that what it begins with is what paths begin with. One
 * that starts with '/' stays, and so does a "..": it matches nothing. */
struct str source_glob_tidy(struct arena *a, struct str pattern);
/* How many bytes of a tidy pattern every path that matches begins with. */
size_t source_glob_fixed(struct str pattern);

#endif
