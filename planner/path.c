/* path: file names as text. */
#include "planner/path.h"

/* Takes the last part off what is written so far; false when there is none to take. */
static bool
take_back(const char *p, size_t *n, size_t root)
{
	struct str last = path_folder((struct str){.p = p + root, .n = *n - root});
	size_t at = root + last.n;
	size_t from = at == root ? root : at + 1;

	if (*n == root || (*n - from == 2 && memcmp(p + from, "..", 2) == 0))
		return false;
	*n = at;
	return true;
}

struct str
path_clean(struct arena *a, struct str path)
{
	char *p = arena_alloc(a, path.n + 1);
	size_t n = 0, root = 0;

	if (path.n && path.p[0] == '/') {
		p[n++] = '/';
		root = n;
	}
	while (path.p) {
		struct str part = str_cut(&path, '/');

		if (part.n == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..") && (take_back(p, &n, root) || root))
			continue;
		if (n > root)
			p[n++] = '/';
		memcpy(p + n, part.p, part.n);
		n += part.n;
	}
	p[n] = '\0';
	return (struct str){.p = p, .n = n};
}

struct str
path_join(struct arena *a, struct str folder, struct str path)
{
	if (folder.n == 0 || str_starts(path, STR("/")))
		return path_clean(a, path);
	return path_clean(a, arena_printf(a, "%.*s/%.*s", STR_ARG(folder), STR_ARG(path)));
}

struct str
path_folder(struct str path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

	return (struct str){.p = path.p, .n = slash ? (size_t)(slash - path.p) : 0};
}

bool
path_within(struct str path, struct str folder)
{
	if (folder.n == 0)
		return path.n == 0 ||
		       (path.p[0] != '/' && !str_is(path, "..") && !str_starts(path, STR("../")));
	return str_starts(path, folder) &&
	       (path.n == folder.n || path.p[folder.n] == '/' || str_is(folder, "/"));
}
