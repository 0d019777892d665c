/* place: finding a job's manifest and state. */
#include "cmd/furrow/place.h"

#include "cmd/furrow/file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char default_name[] = "furrow.yaml";

int
place_find(struct arena *a, struct place *out, const char *manifest, struct error *err)
{
	const char *given = manifest ? manifest : default_name, *slash;
	struct str dir = STR(".");
	struct stat st;
	char *real;

	if (stat(given, &st) == 0 && S_ISDIR(st.st_mode))
		given = arena_printf(a, "%s/%s", given, default_name).p;
	slash = strrchr(given, '/');
	if (slash)
		dir = (struct str){.p = given, .n = slash == given ? 1 : (size_t)(slash - given)};
	real = realpath(arena_cstr(a, dir), NULL);
	if (!real)
		return error_set_errno(
			err, ERR_INPUT, errno, "%s: the folder of the manifest", given);
	out->shown = arena_cstr(a, str_from(given));
	out->dir = arena_cstr(a, str_from(real));
	out->name = arena_cstr(a, str_from(slash ? slash + 1 : given));
	out->path =
		arena_printf(a, "%s%s%s", out->dir, strcmp(real, "/") == 0 ? "" : "/", out->name).p;
	free(real);
	return 0;
}

int
place_from_options(struct arena *a, struct place *out, const struct options *o,
	const char *argument, struct error *err)
{
	if (o->manifest && argument)
		return error_set(err, ERR_INPUT, "the manifest is given twice: -m %s and %s",
			o->manifest, argument);
	return place_find(a, out, argument ? argument : o->manifest, err);
}

struct str
place_shown(const struct place *place, struct str path)
{
	size_t n = strlen(place->dir);
	struct stat here, there;

	if (stat(".", &here) != 0 || stat(place->dir, &there) != 0 || here.st_ino != there.st_ino ||
		here.st_dev != there.st_dev)
		return path;
	if (!str_starts(path, str_from(place->dir)) || path.n <= n + 1 || path.p[n] != '/')
		return path;
	return str_from_index(path, n + 1);
}

int
place_state(struct arena *a, struct state_dir *out, const struct place *place, struct error *err)
{
	int rc = state_dir_open(a, out, place->dir, false, err);

	if (rc == 0 && access(out->root, F_OK) != 0)
		return error_set(err, ERR_MISSING,
			"nothing was applied in %s yet (-m names another manifest, -C another "
			"folder)",
			place->dir);
	return rc;
}
