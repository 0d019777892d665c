/* far: see far.h. */
#include "providers/container/far.h"

#include "providers/container/internal.h"

int
image_far(struct arena *a, struct str image, bool arm64, const char *notes, struct str auth,
	struct str *pull, struct str *digest, struct str *login, struct error *err)
{
	struct reference ref;
	int rc = reference_parse(a, &ref, image, err);

	if (rc < 0)
		return rc;
	if (str_is(ref.registry, "localhost"))
		return error_set(err, ERR_INPUT,
			"%.*s is an image of this machine's engine, which instances don't have: "
			"push it to a registry, or save it (`podman save -o image.tar %.*s`) and "
			"name it docker-archive:image.tar",
			STR_ARG(image), STR_ARG(image));
	if (auth.p)
		ref.login = credentials_decode(a, auth);
	rc = registry_find(a, &ref, arm64, notes, digest, err);
	if (rc < 0)
		return rc;
	*pull = arena_printf(a, "%.*s@%.*s", STR_ARG(ref.name), STR_ARG(*digest));
	*login = credentials_find(a, &ref);
	return 0;
}
