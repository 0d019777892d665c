/* repository: finding and opening the git repository, and resolving what names a commit in it. */
#include "providers/git/reader.h"

#include <stdlib.h>
#include <unistd.h>

enum { SHORT_ID_HEX = 7 };

/* libgit2 1.5 looks whether the user trusts the folder (safe.directory), and when no configuration
 * speaks of that at all it hands on that this was not found. */
static bool
is_foreign(const struct libgit2 *git, int rc)
{
	const git_error *last = git->git_error_last();

	return rc == GIT_EOWNER || (rc == GIT_ENOTFOUND && last && last->klass == GIT_ERROR_CONFIG);
}

/* The folder at or above dir that has ".git" in it; dir itself when there is none. */
static struct str
repository_folder(struct arena *a, const char *dir)
{
	struct buf path = {0};
	struct str out = str_from(dir);

	buf_add_cstr(&path, dir);
	do {
		struct str candidate = buf_str(&path);

		if (access(arena_printf(a, "%.*s/.git", STR_ARG(candidate)).p, F_OK) == 0) {
			out = arena_str(a, candidate);
			break;
		}
	} while (relative_cut(&path));
	buf_free(&path);
	return out;
}

static int
open_failed(const struct libgit2 *git, struct arena *a, int rc, const char *dir, struct error *err)
{
	struct str folder;

	if (is_foreign(git, rc)) {
		folder = repository_folder(a, dir);
		return error_set(err, ERR_INPUT,
			"the git repository %.*s belongs to another user, whose settings could run "
			"programs here; if you trust it: git config --global --add safe.directory "
			"'%.*s'",
			STR_ARG(folder), STR_ARG(folder));
	}
	if (rc == GIT_ENOTFOUND)
		return error_set(err, ERR_INPUT,
			"no git repository at %s or above: a job's source is a git tree; make one "
			"with "
			"`git init && git add . && git commit`, or say `workdir: {path: .}` for a "
			"folder outside git",
			dir);
	return libgit2_fail(git, err, ERR_INPUT, "open the git repository at %s", dir);
}

/* The longest part of an absolute path that is there. */
static char *
existing_folder(struct arena *a, struct str path)
{
	char *dir = arena_cstr(a, path);
	size_t n = path.n;

	while (n > 1 && access(dir, F_OK) < 0) {
		while (n > 1 && dir[n - 1] != '/')
			n--;
		if (n > 1)
			n--;
		dir[n] = '\0';
	}
	return dir;
}

static struct str
without_slash(struct arena *a, const char *path)
{
	struct str s = str_from(path);

	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	return arena_str(a, s);
}

int
repository_open(const struct libgit2 *git, struct arena *a, const char *dir, git_repository **repo,
	struct str *root, struct str *inside, struct error *err)
{
	struct str real = relative_real(a, dir);
	char *start = existing_folder(a, real);
	const char *top;
	int rc;

	*repo = NULL;
	rc = git->git_repository_open_ext(repo, start, 0, NULL);
	if (rc < 0)
		return open_failed(git, a, rc, start, err);
	top = git->git_repository_workdir(*repo);
	if (!top)
		top = git->git_repository_path(*repo);
	*root = without_slash(a, top);
	*inside = relative_below(*root, real);
	if (!inside->p)
		return error_set(err, ERR_INPUT,
			"%.*s is in a git repository whose working files lie elsewhere, in %.*s; "
			"run "
			"furrow there",
			STR_ARG(real), STR_ARG(*root));
	return 0;
}

static int
head_failed(const struct libgit2 *git, int rc, struct str root, struct error *err)
{
	if (rc == GIT_EUNBORNBRANCH)
		return error_set(err, ERR_INPUT,
			"the git repository %.*s has no commit yet; commit the job first: git add "
			". && "
			"git commit",
			STR_ARG(root));
	return libgit2_fail(git, err, ERR_INPUT, "read HEAD of %.*s", STR_ARG(root));
}

/* The branch that HEAD is on, "" when it is on none. */
static int
resolve_head(const struct libgit2 *git, struct arena *a, git_repository *repo, struct str root,
	git_object **object, struct str *name, struct error *err)
{
	git_reference *ref = NULL;
	int rc = git->git_repository_head(&ref, repo);

	if (rc < 0)
		return head_failed(git, rc, root, err);
	*name = git->git_reference_is_branch(ref)
			? arena_str(a, str_from(git->git_reference_shorthand(ref)))
			: STR("");
	rc = git->git_reference_peel(object, ref, GIT_OBJECT_COMMIT);
	git->git_reference_free(ref);
	if (rc < 0)
		return libgit2_fail(git, err, ERR_INPUT, "read HEAD of %.*s", STR_ARG(root));
	return 0;
}

static int
resolve_rev(const struct libgit2 *git, git_repository *repo, struct str root, const char *rev,
	git_object **object, struct error *err)
{
	git_object *named = NULL;
	int rc = git->git_revparse_single(&named, repo, rev);

	if (rc < 0 && git->git_repository_is_shallow(repo) == 1)
		return libgit2_fail(git, err, ERR_INPUT,
			"revision '%s' is not in %.*s, which is a shallow clone (git fetch "
			"--unshallow "
			"brings the rest)",
			rev, STR_ARG(root));
	if (rc == GIT_EAMBIGUOUS)
		return error_set(err, ERR_INPUT,
			"revision '%s' fits several objects of %.*s; give more of its digits", rev,
			STR_ARG(root));
	if (rc < 0)
		return libgit2_fail(git, err, ERR_INPUT,
			"revision '%s' is not in %.*s (git log --oneline lists what is)", rev,
			STR_ARG(root));
	rc = git->git_object_peel(object, named, GIT_OBJECT_COMMIT);
	if (rc < 0)
		error_set(err, ERR_INPUT, "revision '%s' of %.*s is a %s; furrow takes a commit",
			rev, STR_ARG(root),
			git->git_object_type2string(git->git_object_type(named)));
	git->git_object_free(named);
	return rc < 0 ? ERR_INPUT : 0;
}

/* "main@1a2b3c4"; what is the id itself is not said twice. */
static struct str
describe(struct arena *a, struct str name, const char *hex)
{
	if (name.n == 0 || (name.n >= 4 && str_starts(str_from(hex), name)))
		return arena_printf(a, "%.*s", SHORT_ID_HEX, hex);
	return arena_printf(a, "%.*s@%.*s", STR_ARG(name), SHORT_ID_HEX, hex);
}

int
repository_resolve(const struct libgit2 *git, struct arena *a, git_repository *repo,
	struct str root, struct str rev, struct str *commit, struct str *described, git_tree **tree,
	struct error *err)
{
	git_object *object = NULL;
	char hex[GIT_OID_HEXSZ + 1];
	struct str name = rev;
	int rc;

	if (!rev.p && git->git_repository_is_bare(repo))
		return error_set(err, ERR_INPUT,
			"the git repository %.*s is bare, it has no working files; say which "
			"revision to "
			"take, such as --rev HEAD",
			STR_ARG(root));
	rc = rev.p ? resolve_rev(git, repo, root, arena_cstr(a, rev), &object, err)
		   : resolve_head(git, a, repo, root, &object, &name, err);
	if (rc < 0)
		return rc;
	git->git_oid_tostr(hex, sizeof(hex), git->git_commit_id((git_commit *)object));
	*commit = arena_str(a, str_from(hex));
	*described = describe(a, name, hex);
	if (git->git_commit_tree(tree, (git_commit *)object) < 0)
		rc = libgit2_fail(git, err, ERR_INPUT, "read the tree of commit %s in %.*s", hex,
			STR_ARG(root));
	git->git_object_free(object);
	return rc;
}
