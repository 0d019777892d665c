/* tree: reading a job's source, and writing it out as a folder. libgit2 is loaded when first
 * needed. */
#ifndef FURROW_GIT_TREE_H
#define FURROW_GIT_TREE_H

#include "planner/base/error.h"
#include "planner/manifest.h"
#include "planner/source.h"

struct source_reader;

struct source_where {
	const char *manifest_dir;  /* absolute */
	const char *manifest_name; /* within manifest_dir */
	struct workdir workdir;	   /* as in the manifest */
	struct str rev;		   /* absent: HEAD */
	bool allow_dirty;
	/* With allow_dirty: the commit nevertheless when that could be had without: manifest
	 * committed, no tracked file changed. */
	bool prefer_commit;
	struct str results;    /* a local results folder relative to manifest_dir (or absent): never
				  part of the source */
	struct str store;      /* likewise a store in a folder */
	const char *cache_dir; /* for WORKDIR_URL: bare clones are kept here */
};

/* Opens the repository (or folder) and resolves the revision. Errors (ERR_INPUT), each with what to
 * do: no git repository, unborn branch, bare repository without --rev (with --rev it works),
 * unknown revision, workdir not in that tree, a repository owned by someone else, uncommitted
 * changes below the workdir or in the manifest without allow_dirty (the message lists the first
 * few). `.furrow` folders are never part of a source. */
int source_open(struct source_reader **out, const struct source_where *where, struct error *err);

/* The listing. ERR_INPUT: a submodule, a symlink that leaves the tree or is absolute, a special
 * file, each named. */
int source_list(struct source_reader *r, struct arena *a, struct source *out, struct error *err);

/* The bytes of one file by path relative to the workdir ("list.txt"); ERR_MISSING. */
int source_read(struct source_reader *r, struct arena *a, struct str path, struct str *bytes,
	struct error *err);

/* The time of everything that is written out: 1980-02-01. Fixed, so that the same source gives the
 * same bytes, and late enough for zip files, which know no time before 1980 (in any time zone). */
#define SOURCE_TIME_S 318211200

/* Writes all entries below dir (an empty folder), with their modes (0644, 0755) and SOURCE_TIME_S,
 * in order. Durable only when the caller makes it so. Fails with ERR_STALE when a working file
 * changed since it was listed. */
int source_export(
	struct source_reader *r, const struct source *s, const char *dir, struct error *err);

/* A deterministic pax archive of all entries (sorted, SOURCE_TIME_S, no owners), into fd; through
 * gzip when asked. */
int source_archive(
	struct source_reader *r, const struct source *s, int fd, bool gzip, struct error *err);

void source_close(struct source_reader *r);

/* The manifest's bytes at a revision (absent: HEAD), for --rev: path is absolute or relative to the
 * current folder and need not exist: its folder stands for the manifest's own, also in
 * source_where. ERR_INPUT, as source_open. In a bare repository DIR a path is DIR/furrow.yaml. */
int source_manifest_at(
	struct arena *a, const char *path, struct str rev, struct str *bytes, struct error *err);

/* Fills id as git hash-object would. */
int source_blob_id(uint8_t id[BLOB_ID_BYTES], struct str bytes, struct error *err);

#endif
