/* archive: which image lies in an oci-archive or docker-archive, read without the engine. */
#ifndef FURROW_CONTAINER_ARCHIVE_H
#define FURROW_CONTAINER_ARCHIVE_H

#include "planner/base/arena.h"
#include "planner/base/error.h"

struct image_archive {
	bool is_oci;
	struct str path;
	struct str ref; /* behind a second ':', which image of several; absent: there is one */
};

/* Whether text begins with one of the two words; then fills *out. A path may hold ':' when that file is there. */
bool archive_parse(struct arena *a, struct image_archive *out, struct str text);

/* "oci-archive:PATH" or "docker-archive:PATH" with PATH made absolute from dir; anything else as it is. */
struct str archive_absolute(struct arena *a, const char *dir, struct str image);

/* The image's id, "sha256:" and the hex digest of its configuration: what engines call it once it is loaded.
 * Compressed archives are read too. Of images for several architectures in one archive that for this machine is meant, or
 * for `arch` ("amd64", "arm64") when that is not NULL; then it is an error when the image is for another. ERR_INPUT: that, no
 * such file, no such archive, more than one image in it, damaged. */
int archive_image_id(struct arena *a, const struct image_archive *archive, const char *arch,
	struct str *id, struct error *err);

#endif
