/* tree: a job's source, opened, listed, read and written out. Which of its three forms it has (a
 * commit's tree, the working files that differ from one, a plain folder) is decided here; the work
 * is done by the files beside. */
#include "providers/git/reader.h"

#include <stdlib.h>
#include <sys/stat.h>

/* Names come from anywhere; what a terminal would take for a command becomes '?'. */
static int
shown(int rc, struct error *err)
{
	if (rc == 0 || !err)
		return rc;
	for (char *p = err->message; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	return rc;
}

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Remembers a folder of furrow's own that lies below the workdir. */
static void
set_aside(struct source_reader *r, struct str folder, struct str manifest_dir, struct str workdir)
{
	struct str path = relative_join(&r->arena, manifest_dir, folder);

	if (!folder.p)
		return;
	path = relative_below(workdir, path);
	if (path.n > 0) /* not the workdir itself, or a folder around it */
		r->aside[r->n_aside++] = path;
}

/* Where the manifest and the results lie, seen from the workdir. All three are paths below the same
 * top. */
static void
set_places(struct source_reader *r, const struct source_where *where, struct str manifest_dir,
	struct str workdir)
{
	struct arena *a = &r->arena;

	r->manifest = relative_join(a, manifest_dir, str_from(where->manifest_name));
	if (r->manifest.p)
		r->manifest_path = relative_below(workdir, r->manifest);
	set_aside(r, where->results, manifest_dir, workdir);
	set_aside(r, where->store, manifest_dir, workdir);
}

/* workdir {path: DIR}. */
static int
open_folder(struct source_reader *r, const struct source_where *where, struct error *err)
{
	struct arena *a = &r->arena;
	struct str dir = relative_real(a, where->manifest_dir);
	struct str wanted = relative_join(a, dir, where->workdir.path);

	if (wanted.p)
		r->root = relative_real(a, arena_printf(a, "/%.*s", STR_ARG(wanted)).p);
	if (!r->root.p || !is_folder(r->root.p))
		return error_set(err, ERR_INPUT,
			"workdir path '%.*s': there is no such folder, seen from the manifest's "
			"folder "
			"%.*s",
			STR_ARG(where->workdir.path), STR_ARG(dir));
	set_places(r, where, str_from_index(dir, 1), str_from_index(r->root, 1));
	return 0;
}

static int
find_workdir(struct source_reader *r, const struct source_where *where, struct str inside,
	struct error *err)
{
	struct str path = where->workdir.path.p ? where->workdir.path : STR(".");

	if (str_starts(path, STR("/")))
		r->prefix = relative_below(
			r->repo_root, relative_real(&r->arena, arena_cstr(&r->arena, path)));
	else
		r->prefix = relative_join(&r->arena, inside, path);
	if (!r->prefix.p)
		return error_set(err, ERR_INPUT,
			"workdir '%.*s' lies outside of the manifest's git repository %.*s; take "
			"its "
			"working files with `workdir: {path: %.*s}`, or another repository with "
			"`workdir: {url: ...}`",
			STR_ARG(path), STR_ARG(r->repo_root), STR_ARG(path));
	return 0;
}

/* The workdir's tree in the commit. */
static int
find_tree(struct source_reader *r, bool allow_dirty, struct error *err)
{
	const struct libgit2 *git = r->git;
	git_tree_entry *te = NULL;
	bool is_tree;
	int rc;

	if (r->prefix.n == 0) {
		r->tree = r->commit_tree;
		return 0;
	}
	if (git->git_tree_entry_bypath(&te, r->commit_tree, arena_cstr(&r->arena, r->prefix)) < 0) {
		if (allow_dirty && r->root.p && is_folder(r->root.p))
			return 0;
		return error_set(err, ERR_INPUT,
			"workdir '%.*s' is not in commit %.*s of %.*s; commit it, or correct "
			"`workdir`",
			STR_ARG(r->prefix), STR_ARG(r->describe), STR_ARG(r->repo_root));
	}
	is_tree = git->git_tree_entry_filemode(te) == GIT_FILEMODE_TREE;
	rc = is_tree ? git->git_tree_lookup(&r->tree, r->repo, git->git_tree_entry_id(te)) : 0;
	git->git_tree_entry_free(te);
	if (!is_tree)
		return error_set(err, ERR_INPUT,
			"workdir '%.*s' is no folder in commit %.*s of %.*s", STR_ARG(r->prefix),
			STR_ARG(r->describe), STR_ARG(r->repo_root));
	if (rc < 0)
		return libgit2_fail(git, err, ERR_INPUT, "read workdir '%.*s' of %.*s",
			STR_ARG(r->prefix), STR_ARG(r->repo_root));
	return 0;
}

/* workdir: DIR. */
static int
open_tree(struct source_reader *r, const struct source_where *where, struct error *err)
{
	bool working =
		!where->rev.p; /* a named revision has nothing to do with the working files */
	struct str inside;
	int rc = repository_open(
		r->git, &r->arena, where->manifest_dir, &r->repo, &r->repo_root, &inside, err);

	if (rc == 0)
		rc = repository_resolve(r->git, &r->arena, r->repo, r->repo_root, where->rev,
			&r->commit, &r->describe, &r->commit_tree, err);
	if (rc == 0)
		rc = find_workdir(r, where, inside, err);
	if (rc < 0)
		return rc;
	if (r->git->git_repository_odb(&r->odb, r->repo) < 0)
		return libgit2_fail(
			r->git, err, ERR_INPUT, "open the objects of %.*s", STR_ARG(r->repo_root));
	if (working)
		r->root = r->prefix.n ? arena_printf(&r->arena, "%.*s/%.*s", STR_ARG(r->repo_root),
						STR_ARG(r->prefix))
				      : r->repo_root;
	set_places(r, where, inside, r->prefix);
	rc = find_tree(r, where->allow_dirty, err);
	if (rc == 0 && working)
		rc = status_check(r, where, err);
	return rc;
}

/* workdir: {url: …}. */
static int
open_remote(struct source_reader *r, const struct source_where *where, struct error *err)
{
	int rc = remote_open(r, where, err);

	r->prefix = STR("");
	r->tree = r->commit_tree;
	return rc;
}

int
source_open(struct source_reader **out, const struct source_where *where, struct error *err)
{
	struct source_reader *r = mem_alloc(sizeof(*r));
	int rc = 0;

	*r = (struct source_reader){.workdir = where->workdir.kind, .hasher = blob_hasher_new()};
	if (r->workdir != WORKDIR_PATH)
		rc = libgit2_load(&r->git, err);
	if (rc == 0 && r->workdir == WORKDIR_PATH)
		rc = open_folder(r, where, err);
	else if (rc == 0 && r->workdir == WORKDIR_URL)
		rc = open_remote(r, where, err);
	else if (rc == 0)
		rc = open_tree(r, where, err);
	if (rc < 0) {
		source_close(r);
		return shown(rc, err);
	}
	*out = r;
	return 0;
}

void
source_close(struct source_reader *r)
{
	if (!r)
		return;
	if (r->git) {
		if (r->tree != r->commit_tree)
			r->git->git_tree_free(r->tree);
		r->git->git_tree_free(r->commit_tree);
		r->git->git_odb_free(r->odb);
		r->git->git_repository_free(r->repo);
	}
	blob_hasher_free(r->hasher);
	arena_free(&r->arena);
	free(r);
}

/* Lists what is there into e; says of which kind that is. */
static int
list_entries(struct source_reader *r, struct arena *a, struct entries *e, struct source *out,
	struct error *err)
{
	char hex[DIGEST_HEX_BYTES];
	struct digest patch;
	bool changed = false;
	int rc;

	out->kind = r->git ? SOURCE_COMMIT : SOURCE_PATH;
	if (!r->git)
		return folder_walk(r, e, err);
	rc = walk_tree(r, e, err);
	if (rc < 0 || r->n_changes == 0)
		return rc;
	rc = status_apply(r, e, &changed, &patch, err);
	if (rc < 0 || !changed)
		return rc;
	out->kind = SOURCE_DIRTY;
	digest_hex(hex, &patch);
	out->patch_sha256 = arena_str(a, str_from(hex));
	return 0;
}

int
source_list(struct source_reader *r, struct arena *a, struct source *out, struct error *err)
{
	struct entries e = {.arena = a};
	int rc;

	*out = (struct source){
		.commit = arena_str(a, r->commit),
		.describe = arena_str(a, r->describe),
		.manifest_path = arena_str(a, r->manifest_path),
		.changed = arena_str(a, r->changed),
	};
	rc = list_entries(r, a, &e, out, err);
	if (rc < 0) {
		entries_drop(&e);
		return shown(rc, err);
	}
	entries_finish(&e, out);
	if (out->kind == SOURCE_COMMIT) {
		out->n_untracked = r->n_untracked;
		out->untracked = arena_str(a, r->untracked);
	}
	return shown(links_check(r, out, err), err);
}

/* A listing of the reader's own, for reading single files. */
static int
own_listing(struct source_reader *r, struct error *err)
{
	struct source *s;
	int rc;

	if (r->listing)
		return 0;
	s = ARENA_NEW(&r->arena, struct source);
	rc = source_list(r, &r->arena, s, err);
	if (rc == 0)
		r->listing = s;
	return rc;
}

int
source_read(struct source_reader *r, struct arena *a, struct str path, struct str *bytes,
	struct error *err)
{
	const struct source_entry *e = NULL;
	int rc = own_listing(r, err);

	if (rc == 0)
		rc = links_follow(r, r->listing, path, &e, err);
	if (rc == 0 && !e)
		rc = error_set(err, ERR_MISSING, "%.*s is no file of the workdir", STR_ARG(path));
	if (rc == 0)
		rc = reader_read(r, a, e, bytes, err);
	return shown(rc, err);
}

int
source_export(struct source_reader *r, const struct source *s, const char *dir, struct error *err)
{
	return shown(reader_export(r, s, dir, err), err);
}

int
source_archive(
	struct source_reader *r, const struct source *s, int fd, bool gzip, struct error *err)
{
	return shown(reader_pack(r, s, fd, gzip, err), err);
}

/* The blob of path in a commit's tree. */
static int
blob_at(const struct libgit2 *git, git_repository *repo, git_tree *tree, struct arena *a,
	struct str path, struct str *bytes, struct error *err)
{
	git_tree_entry *te = NULL;
	git_odb_object *object = NULL;
	git_odb *odb = NULL;
	git_filemode_t mode;
	int rc;

	if (git->git_tree_entry_bypath(&te, tree, arena_cstr(a, path)) < 0)
		return error_set(err, ERR_INPUT, "there is no file '%.*s' in it", STR_ARG(path));
	mode = git->git_tree_entry_filemode(te);
	if (mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE) {
		git->git_tree_entry_free(te);
		return error_set(err, ERR_INPUT, "'%.*s' is no file in it", STR_ARG(path));
	}
	rc = git->git_repository_odb(&odb, repo);
	if (rc == 0)
		rc = git->git_odb_read(&object, odb, git->git_tree_entry_id(te));
	if (rc < 0)
		rc = libgit2_fail(git, err, ERR_INPUT, "read '%.*s'", STR_ARG(path));
	else
		*bytes = arena_str(a, (struct str){git->git_odb_object_data(object),
					      git->git_odb_object_size(object)});
	git->git_odb_object_free(object);
	git->git_odb_free(odb);
	git->git_tree_entry_free(te);
	return rc;
}

/* Splits "DIR/NAME"; without '/', DIR is ".". */
static char *
folder_of(struct arena *a, const char *path, struct str *name)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	*name = str_from(slash ? slash + 1 : path);
	if (!slash)
		return arena_cstr(a, STR("."));
	return arena_cstr(a, n ? (struct str){path, n} : STR("/"));
}

int
source_manifest_at(
	struct arena *a, const char *path, struct str rev, struct str *bytes, struct error *err)
{
	const struct libgit2 *git;
	git_repository *repo = NULL;
	git_tree *tree = NULL;
	struct str name, root, inside, commit, described;
	char *dir = folder_of(a, path, &name);
	int rc = libgit2_load(&git, err);

	if (rc < 0)
		return rc;
	rc = repository_open(git, a, dir, &repo, &root, &inside, err);
	if (rc == 0)
		rc = repository_resolve(git, a, repo, root, rev, &commit, &described, &tree, err);
	if (rc == 0) {
		rc = blob_at(git, repo, tree, a, relative_join(a, inside, name), bytes, err);
		if (rc < 0)
			error_wrap(
				err, "manifest at %.*s of %.*s", STR_ARG(described), STR_ARG(root));
	}
	git->git_tree_free(tree);
	git->git_repository_free(repo);
	return shown(rc, err);
}
