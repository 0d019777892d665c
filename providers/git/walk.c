/* walk: the files of a commit's tree, from the object database alone. Blobs are not read. */
#include "providers/git/reader.h"

bool
reader_skips(const struct source_reader *r, struct str path, bool is_folder)
{
	size_t slash = path.n;

	for (size_t i = 0; i < r->n_aside; i++) {
		if (str_eq(path, r->aside[i]))
			return true;
	}
	while (slash && path.p[slash - 1] != '/')
		slash--;
	return is_folder && str_is(str_from_index(path, slash), ".furrow");
}

/* Names that git never writes, but that a made-up object can hold, and that would lead out of the
 * tree. */
static int
check_name(const char *name, const struct buf *folder, struct error *err)
{
	if (*name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		strcmp(name, ".git") != 0 && !strchr(name, '/'))
		return 0;
	return error_set(err, ERR_INPUT,
		"the git tree holds an entry named '%s' in '%.*s', which no git would make; it is "
		"damaged or made to harm",
		name, STR_ARG(buf_str(folder)));
}

static int walk_folder(struct source_reader *r, const git_tree *tree, struct buf *path,
	struct entries *e, struct error *err);

static int
walk_subtree(struct source_reader *r, const git_oid *id, struct buf *path, struct entries *e,
	struct error *err)
{
	git_tree *tree = NULL;
	int rc;

	if (reader_skips(r, buf_str(path), true))
		return 0;
	if (r->git->git_tree_lookup(&tree, r->repo, id) < 0)
		return libgit2_fail(r->git, err, ERR_INPUT,
			"read folder %.*s of commit %.*s (git fsck tells what is broken)",
			STR_ARG(buf_str(path)), STR_ARG(r->commit));
	rc = walk_folder(r, tree, path, e, err);
	r->git->git_tree_free(tree);
	return rc;
}

static int
walk_entry(struct source_reader *r, const git_tree_entry *te, struct buf *path, struct entries *e,
	struct error *err)
{
	const git_oid *id = r->git->git_tree_entry_id(te);
	struct source_entry entry = {.path = buf_str(path), .size_bytes = -1};

	switch (r->git->git_tree_entry_filemode(te)) {
	case GIT_FILEMODE_TREE:
		return walk_subtree(r, id, path, e, err);
	case GIT_FILEMODE_BLOB:
		entry.mode = FILE_REGULAR;
		break;
	case GIT_FILEMODE_BLOB_EXECUTABLE:
		entry.mode = FILE_EXECUTABLE;
		break;
	case GIT_FILEMODE_LINK:
		entry.mode = FILE_SYMLINK;
		break;
	case GIT_FILEMODE_COMMIT:
		return error_set(err, ERR_INPUT,
			"%.*s is a git submodule, whose files are not in this repository's commit; "
			"add "
			"them to it, or point workdir at a folder without submodules",
			STR_ARG(entry.path));
	default:
		return error_set(err, ERR_INPUT,
			"%.*s has a mode in the git tree that furrow "
			"doesn't know; a newer git made it?",
			STR_ARG(entry.path));
	}
	if (reader_skips(r, entry.path, false))
		return 0;
	memcpy(entry.id, id->id, sizeof(entry.id));
	return entries_add(e, &entry, err);
}

static int
walk_folder(struct source_reader *r, const git_tree *tree, struct buf *path, struct entries *e,
	struct error *err)
{
	size_t n = r->git->git_tree_entrycount(tree), keep = path->n;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		const git_tree_entry *te = r->git->git_tree_entry_byindex(tree, i);
		const char *name = r->git->git_tree_entry_name(te);

		rc = check_name(name, path, err);
		if (rc < 0)
			break;
		if (path->n)
			buf_add_char(path, '/');
		buf_add_cstr(path, name);
		if (path->n > PATH_MAX_BYTES)
			rc = error_set(err, ERR_INPUT,
				"a path in the git tree is longer than %d "
				"bytes: %.60s...",
				PATH_MAX_BYTES, buf_cstr(path));
		else
			rc = walk_entry(r, te, path, e, err);
		path->n = keep;
	}
	return rc;
}

int
walk_tree(struct source_reader *r, struct entries *e, struct error *err)
{
	struct buf path = {0};
	int rc = 0;

	if (r->tree)
		rc = walk_folder(r, r->tree, &path, e, err);
	buf_free(&path);
	return rc;
}
