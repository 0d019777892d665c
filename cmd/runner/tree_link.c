/* tree_link: which symlinks are packed and unpacked. */
#include "cmd/runner/tree.h"

#include <string.h>

/* Where the same image has the same things on every host. */
static const char *const system_folders[] = {
	"/usr/", "/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/opt/"};

static bool
climbs(const char *part, size_t n)
{
	return n == 2 && memcmp(part, "..", 2) == 0;
}

/* Leading ".." may go up to the top; one that comes later might go up from where another symlink leads. */
static bool
stays_inside(const char *target, unsigned depth)
{
	bool down = false;

	while (*target) {
		size_t n = strcspn(target, "/");

		if (climbs(target, n) && (down || depth-- == 0))
			return false;
		if (n && !climbs(target, n) && !(n == 1 && target[0] == '.'))
			down = true;
		target += n;
		target += strspn(target, "/");
	}
	return true;
}

bool
tree_takes_link(const struct tree *t, const char *target, unsigned depth)
{
	size_t n = strlen(t->place);

	if (!target[0])
		return false;
	if (target[0] != '/')
		return stays_inside(target, depth);
	if (strncmp(target, t->place, n) == 0 && (target[n] == '/' || target[n] == '\0'))
		return stays_inside(target + n, 0);
	for (size_t i = 0; i < sizeof(system_folders) / sizeof(system_folders[0]); i++) {
		n = strlen(system_folders[i]);
		if (strncmp(target, system_folders[i], n) == 0)
			return stays_inside(target + n, 0);
	}
	return false;
}
