/* reader: what the files of this folder share behind source_open(): one opened source. Private to
 * providers/git. */
#ifndef FURROW_GIT_READER_H
#define FURROW_GIT_READER_H

#include "planner/base/buf.h"
#include "providers/git/blob.h"
#include "providers/git/lib.h"
#include "providers/git/tree.h"

enum {
	PATH_MAX_BYTES = 4095,	/* what the system opens in one go */
	ENTRIES_MAX = 2000000,	/* trees can share subtrees, so a small repository can name endless
				   files */
	MESSAGE_NAMES = 5,	/* files that a message lists */
	MESSAGE_NAME_BYTES = 60 /* of each */
};

/* A path that git_status names, relative to the repository. */
struct working_change {
	struct str path;
	unsigned flags; /* git_status_t */
};

struct source_reader {
	struct arena arena; /* everything below lives here */
	enum workdir_kind workdir;
	const struct libgit2 *git; /* NULL: workdir {path: …}, and all of git's below */
	git_repository *repo;
	git_odb *odb;
	git_tree *commit_tree;
	git_tree *tree;	   /* of the workdir; NULL: the commit has none (allow_dirty only) */
	struct str commit; /* 40 hex */
	struct str describe;
	struct str repo_root; /* absolute, without trailing '/'; the repository itself when bare */
	struct str prefix;    /* of the workdir in the repository: "" or "a/b" */
	struct str root; /* absolute folder of the workdir's files; absent: only objects are read */
	struct str manifest;	  /* of the manifest in the repository; absent: outside */
	struct str manifest_path; /* likewise within the workdir */
	/* Folders within the workdir that are furrow's own, hence no source: results, store. */
	struct str aside[2];
	size_t n_aside;
	struct working_change *changes; /* allow_dirty: sorted by path */
	size_t n_changes;
	size_t n_untracked;
	struct str untracked;
	struct str changed;	/* allow_dirty: what would be refused without */
	struct source *listing; /* source_read's own */
	struct blob_hasher *hasher;
};

/* relative.c: names of places, without asking the file system. */

/* base and path joined, with "." and ".." and double slashes resolved; no slash at either end. A
 * path that begins with '/' stands for itself. Absent when ".." leaves the top. */
struct str relative_join(struct arena *a, struct str base, struct str path);
/* The part of path below base ("" for base itself); absent when it isn't below. base "" holds
 * everything. */
struct str relative_below(struct str base, struct str path);
/* Cuts the last part off a path without '/' at its ends; false when there is none. */
bool relative_cut(struct buf *path);
/* The real path of the longest part of path that exists, and the rest behind it as it is. Absolute.
 */
struct str relative_real(struct arena *a, const char *path);

/* The first few names of many, for a message. */
struct name_list {
	char text[MESSAGE_NAMES * (MESSAGE_NAME_BYTES + 24)];
	size_t n;
};
/* what: "modified", …, or NULL. */
void name_list_add(struct name_list *l, const char *what, struct str name);
/* "modified a, deleted b and 7 more" */
const char *name_list_text(struct name_list *l);

/* entries.c: a listing while it grows. v is malloc'ed. */
struct entries {
	struct arena *arena; /* of the paths */
	struct source_entry *v;
	size_t n, cap;
};
int entries_add(struct entries *e, const struct source_entry *entry, struct error *err);
/* Sorts, moves the entries into the arena. */
void entries_finish(struct entries *e, struct source *out);
void entries_drop(struct entries *e);
struct source_entry *entries_find(const struct entries *e, struct str path); /* while sorted */

/* Whether something at this path within the workdir is never part of a source. */
bool reader_skips(const struct source_reader *r, struct str path, bool is_folder);

/* repository.c */

/* The repository at or above dir (which need not exist): repo, its root and dir's place in it. */
int repository_open(const struct libgit2 *git, struct arena *a, const char *dir,
	git_repository **repo, struct str *root, struct str *inside, struct error *err);
/* The commit that rev (absent: HEAD) names, as hex, for people, and its tree. */
int repository_resolve(const struct libgit2 *git, struct arena *a, git_repository *repo,
	struct str root, struct str rev, struct str *commit, struct str *describe, git_tree **tree,
	struct error *err);
/* status.c: refuses uncommitted changes, or keeps them in r->changes. */
int status_check(struct source_reader *r, const struct source_where *where, struct error *err);
/* status.c: applies r->changes to the commit's entries; changed: whether anything differs, with its
 * digest. */
int status_apply(struct source_reader *r, struct entries *e, bool *changed, struct digest *patch,
	struct error *err);

/* walk.c: the commit's files. */
int walk_tree(struct source_reader *r, struct entries *e, struct error *err);
/* folder.c: working files without git. */
int folder_walk(struct source_reader *r, struct entries *e, struct error *err);
/* links.c: no symbolic link leads out of the tree. */
int links_check(struct source_reader *r, const struct source *s, struct error *err);
/* Where path leads to after all links: an entry that is no link, or NULL. */
int links_follow(struct source_reader *r, const struct source *s, struct str path,
	const struct source_entry **out, struct error *err);

/* bytes.c: what a file or link holds, piece by piece: begin once, with their number, then write.
 * When it fails in the end, what was written is worthless. */
struct bytes_out {
	void *ctx;
	int (*begin)(void *ctx, int64_t n_bytes, struct error *err);
	int (*write)(void *ctx, const char *bytes, size_t n, struct error *err);
};
int reader_bytes(struct source_reader *r, const struct source_entry *e, const struct bytes_out *to,
	struct error *err);
/* All of it, in the arena. */
int reader_read(struct source_reader *r, struct arena *a, const struct source_entry *e,
	struct str *bytes, struct error *err);

/* export.c */
int reader_export(
	struct source_reader *r, const struct source *s, const char *dir, struct error *err);
int reader_pack(
	struct source_reader *r, const struct source *s, int fd, bool gzip, struct error *err);

/* remote.c: fetches {url, ref} and opens the bare copy. */
int remote_open(struct source_reader *r, const struct source_where *where, struct error *err);

#endif
