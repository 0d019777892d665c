/* remote: the source {url, ref}: a tree of another repository. What is needed of it is fetched into
 * a bare repository in the cache, one for each URL; a commit that is there already is not asked for
 * again. */
#include "providers/git/certs.h"
#include "providers/git/reader.h"

#include <errno.h>
#include <sys/stat.h>

/* The URL without user and password, for messages. */
static struct str
shown_url(struct arena *a, struct str url)
{
	const char *host = NULL;

	for (size_t i = 0; i + 2 < url.n; i++) {
		if (memcmp(url.p + i, "://", 3) == 0) {
			host = url.p + i + 3;
			break;
		}
	}
	if (host) {
		struct str rest = {host, url.n - (size_t)(host - url.p)}, after = rest;
		struct str authority = str_cut(&after, '/');
		const char *at = memchr(authority.p, '@', authority.n);

		if (at)
			return arena_printf(a, "%.*s%.*s", (int)(host - url.p), url.p,
				(int)(url.p + url.n - at - 1), at + 1);
	}
	return arena_str(a, url);
}

/* What libgit2 is to fetch from: the URL itself, or the absolute path of a local repository. */
static int
fetch_url(struct arena *a, const struct source_where *where, struct str *out, struct error *err)
{
	struct str url = where->workdir.url, path;
	const char *colon = memchr(url.p, ':', url.n), *slash = memchr(url.p, '/', url.n);

	if (str_starts(url, STR("https://")) || str_starts(url, STR("http://")) ||
		str_starts(url, STR("file:///"))) {
		*out = arena_str(a, url);
		return 0;
	}
	if (str_starts(url, STR("ssh://")) || (colon && (!slash || colon < slash)))
		return error_set(err, ERR_INPUT,
			"workdir url %.*s: furrow fetches over https:// or http://, and from "
			"file:// or "
			"a path; give the https URL, or clone it yourself and give the clone's "
			"path",
			STR_ARG(shown_url(a, url)));
	path = relative_join(a, relative_real(a, where->manifest_dir), url);
	if (!path.p)
		return error_set(err, ERR_INPUT, "workdir url %.*s leads above the root folder",
			STR_ARG(url));
	*out = arena_printf(a, "/%.*s", STR_ARG(path));
	return 0;
}

static int
make_folders(char *path, struct error *err)
{
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0777) < 0 && errno != EEXIST)
			return error_set_errno(err, ERR_HOST, errno, "make folder %s", path);
		*p = c;
		if (c == '\0')
			return 0;
	}
}

static int
open_cache(struct source_reader *r, const struct source_where *where, struct str url,
	struct error *err)
{
	struct digest d = digest_of(url.p, url.n);
	char hex[DIGEST_HEX_BYTES];
	git_repository_init_options options = {.version = GIT_REPOSITORY_INIT_OPTIONS_VERSION,
		.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH};
	char *dir;
	int rc;

	digest_hex(hex, &d);
	r->repo_root = arena_printf(&r->arena, "%s/git/%s", where->cache_dir, hex);
	dir = arena_cstr(&r->arena, r->repo_root);
	if (r->git->git_repository_open_bare(&r->repo, dir) == 0)
		return 0;
	rc = make_folders(dir, err);
	if (rc < 0)
		return rc;
	if (r->git->git_repository_init_ext(&r->repo, dir, &options) < 0)
		return libgit2_fail(
			r->git, err, ERR_HOST, "make a repository in the cache, %s", dir);
	return 0;
}

static int
fetch_failed(struct source_reader *r, int rc, struct str url, struct error *err)
{
	struct str shown = shown_url(&r->arena, url);

	if (rc == GIT_EAUTH)
		return libgit2_fail(r->git, err, ERR_INPUT,
			"fetch %.*s (furrow has no passwords to offer; clone it yourself and give "
			"the "
			"clone's path as url)",
			STR_ARG(shown));
	return libgit2_fail(r->git, err, str_starts(url, STR("/")) ? ERR_INPUT : ERR_HOST,
		"fetch %.*s", STR_ARG(shown));
}

/* A fetch brings all of a commit or nothing, so what has the commit has its tree. */
static bool
has_object(struct source_reader *r, const git_oid *id)
{
	return r->git->git_odb_exists_ext(r->odb, id, 0) == 1;
}

static int
fetch(struct source_reader *r, git_remote *remote, struct str url, char **refspecs, size_t n,
	struct error *err)
{
	git_fetch_options options = {
		.version = GIT_FETCH_OPTIONS_VERSION,
		.callbacks = {.version = GIT_REMOTE_CALLBACKS_VERSION},
		.prune = GIT_FETCH_NO_PRUNE,
		.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE,
		.proxy_opts = {.version = GIT_PROXY_OPTIONS_VERSION, .type = GIT_PROXY_AUTO},
	};
	git_strarray specs = {.strings = refspecs, .count = n};
	int rc;

	rc = r->git->git_remote_fetch(remote, &specs, &options, NULL);
	return rc < 0 ? fetch_failed(r, rc, url, err) : 0;
}

/* A commit by its whole id: one that no ref names cannot be asked for, so all branches and tags are
 * fetched. */
static int
get_commit(struct source_reader *r, git_remote *remote, struct str url, const git_oid *id,
	struct error *err)
{
	char *specs[] = {"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"};
	char hex[GIT_OID_HEXSZ + 1];
	int rc;

	if (has_object(r, id))
		return 0;
	rc = fetch(r, remote, url, specs, 2, err);
	if (rc < 0 || has_object(r, id))
		return rc;
	return error_set(err, ERR_INPUT, "commit %s is on no branch or tag of %.*s",
		r->git->git_oid_tostr(hex, sizeof(hex), id), STR_ARG(shown_url(&r->arena, url)));
}

/* Of the refs that the other side told, the one that a short name means, by git's own order. */
static const git_remote_head *
find_ref(const git_remote_head **heads, size_t n, struct str ref)
{
	static const char *const prefixes[] = {"", "refs/", "refs/tags/", "refs/heads/"};

	for (size_t p = 0; p < sizeof(prefixes) / sizeof(prefixes[0]); p++) {
		for (size_t i = 0; i < n; i++) {
			struct str name = str_from(heads[i]->name);

			if (str_starts(name, str_from(prefixes[p])) &&
				str_eq(str_from_index(name, strlen(prefixes[p])), ref))
				return heads[i];
		}
	}
	return NULL;
}

static int
get_ref(struct source_reader *r, git_remote *remote, struct str url, struct str ref, git_oid *id,
	struct error *err)
{
	git_proxy_options proxy = {.version = GIT_PROXY_OPTIONS_VERSION, .type = GIT_PROXY_AUTO};
	const git_remote_head **heads = NULL, *head;
	size_t n = 0;
	char *spec;
	int rc;

	rc = r->git->git_remote_connect(remote, GIT_DIRECTION_FETCH, NULL, &proxy, NULL);
	if (rc == 0)
		rc = r->git->git_remote_ls(&heads, &n, remote);
	if (rc < 0)
		return fetch_failed(r, rc, url, err);
	head = find_ref(heads, n, ref);
	if (!head)
		return error_set(err, ERR_INPUT,
			"%.*s has no branch or tag '%.*s' (a commit is named by all of its 40 "
			"digits)",
			STR_ARG(shown_url(&r->arena, url)), STR_ARG(ref));
	r->git->git_oid_cpy(id, &head->oid);
	if (has_object(r, id))
		return 0;
	spec = arena_cstr(
		&r->arena, arena_printf(&r->arena, "+%s:refs/furrow/%s", head->name, head->name));
	return fetch(r, remote, url, &spec, 1, err);
}

static bool
is_whole_id(struct str s)
{
	if (s.n != GIT_OID_HEXSZ)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!strchr("0123456789abcdef", s.p[i]))
			return false;
	}
	return true;
}

int
remote_open(struct source_reader *r, const struct source_where *where, struct error *err)
{
	struct str url = {0}, ref = where->workdir.ref.p ? where->workdir.ref : STR("HEAD");
	bool whole = is_whole_id(ref);
	git_remote *remote = NULL;
	char hex[GIT_OID_HEXSZ + 1];
	git_oid id = {0};
	int rc = fetch_url(&r->arena, where, &url, err);

	if (rc == 0)
		rc = open_cache(r, where, url, err);
	/* http too: it may be redirected. */
	if (rc == 0 && str_starts(url, STR("http")))
		rc = certs_load(r->git, err);
	if (rc < 0)
		return rc;
	if (r->git->git_repository_odb(&r->odb, r->repo) < 0 ||
		r->git->git_remote_create_anonymous(&remote, r->repo, arena_cstr(&r->arena, url)) <
			0)
		return libgit2_fail(r->git, err, ERR_HOST, "open the cached copy of %.*s",
			STR_ARG(shown_url(&r->arena, url)));
	if (whole)
		rc = r->git->git_oid_fromstrn(&id, ref.p, ref.n) < 0
			     ? error_set(err, ERR_INPUT, "'%.*s' is no commit", STR_ARG(ref))
			     : get_commit(r, remote, url, &id, err);
	else
		rc = get_ref(r, remote, url, ref, &id, err);
	r->git->git_remote_free(remote);
	if (rc < 0)
		return rc;
	r->git->git_oid_tostr(hex, sizeof(hex), &id);
	rc = repository_resolve(r->git, &r->arena, r->repo, r->repo_root, str_from(hex), &r->commit,
		&r->describe, &r->commit_tree, err);
	if (rc == 0 && !whole)
		r->describe =
			arena_printf(&r->arena, "%.*s@%.*s", STR_ARG(ref), STR_ARG(r->describe));
	return rc;
}
