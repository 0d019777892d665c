/* status: how the working files below the workdir, and the manifest, differ from the commit.
 *
 * git_status compares stat data with the index and reads only files that look changed. It is given
 * the workdir and the manifest alone, and told to take the results folder for ignored, so that a
 * hundred thousand results cost nothing. The index is not written: a plan changes nothing. */
#include "providers/git/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *
change_name(unsigned flags)
{
	if (flags & GIT_STATUS_CONFLICTED)
		return "conflicted";
	if (flags & (GIT_STATUS_WT_DELETED | GIT_STATUS_INDEX_DELETED))
		return "deleted";
	if (flags & (GIT_STATUS_WT_MODIFIED | GIT_STATUS_WT_TYPECHANGE))
		return "modified";
	return "staged";
}

/* A rule of .gitignore that means this path of the repository and no other. */
static void
ignore_path(struct source_reader *r, struct str path)
{
	struct buf rule = {0};

	buf_add_char(&rule, '/');
	for (size_t i = 0; i < path.n; i++) {
		if (strchr("*?[]\\ !#", path.p[i]))
			buf_add_char(&rule, '\\');
		buf_add_char(&rule, path.p[i]);
	}
	buf_add_char(&rule, '\n');
	/* Without the rule it is slower, and reader_skips() leaves the files out all the same. */
	r->git->git_ignore_add_rule(r->repo, buf_cstr(&rule));
	buf_free(&rule);
}

static int
list_status(struct source_reader *r, git_status_list **list, struct error *err)
{
	char *paths[2] = {arena_cstr(&r->arena, r->prefix), arena_cstr(&r->arena, r->manifest)};
	git_status_options options = {
		.version = GIT_STATUS_OPTIONS_VERSION,
		.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR,
		.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_RECURSE_UNTRACKED_DIRS |
			 GIT_STATUS_OPT_DISABLE_PATHSPEC_MATCH | GIT_STATUS_OPT_EXCLUDE_SUBMODULES |
			 GIT_STATUS_OPT_SORT_CASE_SENSITIVELY,
		.pathspec = {.strings = paths, .count = paths[1] ? 2 : 1},
	};

	if (r->prefix.n == 0) /* the whole repository, and the manifest is in it */
		options.pathspec.count = 0;
	r->git->git_ignore_add_rule(r->repo, ".furrow/\n");
	for (size_t i = 0; i < r->n_aside; i++)
		ignore_path(r, r->prefix.n ? arena_printf(&r->arena, "%.*s/%.*s",
						     STR_ARG(r->prefix), STR_ARG(r->aside[i]))
					   : r->aside[i]);
	if (r->git->git_status_list_new(list, r->repo, &options) < 0)
		return libgit2_fail(r->git, err, ERR_INPUT,
			"compare the working files of %.*s with "
			"its commit",
			STR_ARG(r->repo_root));
	return 0;
}

/* The path of the repository that an entry is about. */
static struct str
entry_path(const git_status_entry *e)
{
	const git_diff_delta *d = e->head_to_index ? e->head_to_index : e->index_to_workdir;

	return str_from(d->new_file.path ? d->new_file.path : d->old_file.path);
}

/* Whether a path of the repository is the manifest or part of the source. Listings prune folders
 * that are no part; here each folder on the way is looked at. */
static bool
is_relevant(const struct source_reader *r, struct str path)
{
	struct str inside = relative_below(r->prefix, path);

	if (str_eq(path, r->manifest))
		return true;
	if (!inside.p || reader_skips(r, inside, false))
		return false;
	for (size_t i = 0; i < inside.n; i++) {
		if (inside.p[i] == '/' && reader_skips(r, (struct str){inside.p, i}, true))
			return false;
	}
	return true;
}

static int
refuse_changes(struct source_reader *r, struct name_list *names, struct error *err)
{
	return error_set(err, ERR_INPUT,
		"uncommitted changes in %.*s%s%.*s: %s; commit them, or take the working files "
		"with "
		"--allow-dirty",
		STR_ARG(r->repo_root), r->prefix.n ? "/" : "", STR_ARG(r->prefix),
		name_list_text(names));
}

static int
check_manifest(struct source_reader *r, struct error *err)
{
	git_tree_entry *te = NULL;

	if (!r->manifest.p)
		return 0;
	if (r->git->git_tree_entry_bypath(&te, r->commit_tree, arena_cstr(&r->arena, r->manifest)) <
		0)
		return error_set(err, ERR_INPUT,
			"the manifest %.*s is not committed; commit it (git add %.*s && git "
			"commit), or "
			"take the working files with --allow-dirty",
			STR_ARG(r->manifest), STR_ARG(r->manifest));
	r->git->git_tree_entry_free(te);
	return 0;
}

/* Sorts the list's entries into untracked ones, changed ones, and r->changes for both. */
static void
read_status(struct source_reader *r, git_status_list *list, bool keep, struct name_list *changed)
{
	size_t n = r->git->git_status_list_entrycount(list);
	struct name_list untracked = {0};

	if (keep)
		r->changes = ARENA_ARRAY(&r->arena, struct working_change, n);
	for (size_t i = 0; i < n; i++) {
		const git_status_entry *e = r->git->git_status_byindex(list, i);
		struct str path = entry_path(e);

		if (e->status == GIT_STATUS_CURRENT || e->status & GIT_STATUS_IGNORED ||
			!is_relevant(r, path))
			continue;
		if (e->status == GIT_STATUS_WT_NEW)
			name_list_add(&untracked, NULL, path);
		else
			name_list_add(changed, change_name(e->status), path);
		if (keep)
			r->changes[r->n_changes++] = (struct working_change){
				.path = arena_str(&r->arena, path), .flags = e->status};
	}
	r->n_untracked = untracked.n;
	if (untracked.n)
		r->untracked = arena_str(&r->arena, str_from(name_list_text(&untracked)));
}

int
status_check(struct source_reader *r, const struct source_where *where, struct error *err)
{
	struct name_list changed = {0};
	git_status_list *list = NULL;
	int rc = 0;

	if (!where->allow_dirty)
		rc = check_manifest(r, err);
	if (rc == 0)
		rc = list_status(r, &list, err);
	if (rc < 0)
		return rc;
	read_status(r, list, where->allow_dirty, &changed);
	r->git->git_status_list_free(list);
	if (changed.n && !where->allow_dirty)
		return refuse_changes(r, &changed, err);
	if (where->allow_dirty && !r->tree)
		name_list_add(&changed, "new", r->prefix);
	if (where->allow_dirty && check_manifest(r, NULL) < 0)
		name_list_add(&changed, "new", r->manifest);
	if (changed.n)
		r->changed = arena_str(&r->arena, str_from(name_list_text(&changed)));
	else if (where->prefer_commit)
		r->n_changes = 0; /* untracked files are no part of a commit */
	return 0;
}

/* What lies in the working files under a changed path: 1 and *out, 0 when nothing does. */
static int
working_entry(struct source_reader *r, int root_fd, const struct working_change *c,
	struct source_entry *out, struct error *err)
{
	const char *path = c->path.p, *name;
	struct stat st;
	int fd, rc;

	if (c->flags & GIT_STATUS_WT_DELETED)
		return 0;
	if (str_ends(c->path, STR("/")))
		return error_set(err, ERR_INPUT,
			"%s is a git repository of its own; add it to .gitignore, or its files to "
			"this "
			"one",
			path);
	fd = blob_open_folder(root_fd, path, &name);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	if (fd < 0)
		return error_set_errno(err, ERR_INPUT, errno, "open the folder of %s", path);
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		rc = errno == ENOENT ? 0 : error_set_errno(err, ERR_INPUT, errno, "stat %s", path);
	else if (S_ISDIR(st.st_mode))
		rc = 0; /* its files are changes of their own */
	else if ((rc = blob_of_file(r->hasher, fd, name, &st, c->path, out, err)) == 0)
		rc = 1;
	close(fd);
	return rc;
}

/* Whether the commit holds exactly this at path; e NULL: holds nothing there. */
static bool
equals_commit(struct source_reader *r, struct str path, const struct source_entry *e)
{
	git_tree_entry *te = NULL;
	bool same;

	if (r->git->git_tree_entry_bypath(&te, r->commit_tree, path.p) < 0)
		return !e;
	if (r->git->git_tree_entry_filemode(te) == GIT_FILEMODE_TREE)
		same = !e;
	else
		same = e && (int)r->git->git_tree_entry_filemode(te) == (int)e->mode &&
		       memcmp(r->git->git_tree_entry_id(te)->id, e->id, BLOB_ID_BYTES) == 0;
	r->git->git_tree_entry_free(te);
	return same;
}

static void
hash_change(struct hasher *h, struct str path, const struct source_entry *e)
{
	char mode[16];

	hasher_add_field(h, path);
	if (!e) {
		hasher_add_field(h, (struct str){0});
		return;
	}
	snprintf(mode, sizeof(mode), "%o", (unsigned)e->mode);
	hasher_add_field(h, str_from(mode));
	hasher_add_field(h, (struct str){(const char *)e->id, sizeof(e->id)});
}

/* Puts a changed file into the listing of the workdir, or takes it out. Entries that were there
 * before stand sorted in base; a removed one gets mode 0. */
static int
put_change(struct source_reader *r, struct entries *e, const struct entries *base, struct str path,
	const struct source_entry *now, struct error *err)
{
	struct str inside = relative_below(r->prefix, path);
	struct source_entry *old, entry;

	if (!inside.p || inside.n == 0)
		return 0; /* the manifest, outside of the workdir */
	old = entries_find(base, inside);
	if (!now) {
		if (old)
			old->mode = 0;
		return 0;
	}
	entry = *now;
	entry.path = inside;
	if (!old)
		return entries_add(e, &entry, err);
	entry.path = old->path;
	*old = entry;
	return 0;
}

static void
drop_removed(struct entries *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++) {
		if (e->v[i].mode != 0)
			e->v[n++] = e->v[i];
	}
	e->n = n;
}

static int
apply_changes(struct source_reader *r, int root_fd, struct entries *e, struct hasher *h,
	bool *changed, struct error *err)
{
	size_t n_base = e->n;

	for (size_t i = 0; i < r->n_changes; i++) {
		const struct working_change *c = &r->changes[i];
		struct source_entry now = {.size_bytes = -1};
		int there = working_entry(r, root_fd, c, &now, err), rc;
		/* Made anew each time: adding an entry may move the vector. */
		struct entries base = {.v = e->v, .n = n_base};

		if (there < 0)
			return there;
		if (equals_commit(r, c->path, there ? &now : NULL))
			continue;
		*changed = true;
		hash_change(h, c->path, there ? &now : NULL);
		rc = put_change(r, e, &base, c->path, there ? &now : NULL, err);
		if (rc < 0)
			return rc;
	}
	drop_removed(e);
	return 0;
}

static int
by_path(const void *a, const void *b)
{
	const struct working_change *x = a, *y = b;

	return str_cmp(x->path, y->path);
}

int
status_apply(struct source_reader *r, struct entries *e, bool *changed, struct digest *patch,
	struct error *err)
{
	int root_fd = open(arena_cstr(&r->arena, r->repo_root), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct hasher *h;
	int rc;

	if (root_fd < 0)
		return error_set_errno(err, ERR_INPUT, errno, "open %.*s", STR_ARG(r->repo_root));
	h = hasher_new();
	if (r->n_changes)
		qsort(r->changes, r->n_changes, sizeof(*r->changes), by_path);
	rc = apply_changes(r, root_fd, e, h, changed, err);
	*patch = hasher_end(h);
	hasher_free(h);
	close(root_fd);
	return rc;
}
