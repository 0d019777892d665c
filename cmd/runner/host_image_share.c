/* host_image_share: an image that the engine made here, for other hosts: through furrow's store, as an archive
 * that holds it under the name that it has here. */
#include "cmd/runner/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAME_BYTES = 128 };

/* The one image of that name alone: an archive could hold others, under names that are not its own. */
int
host_image_fetch(const struct order *o, const char *name, char *why, size_t size)
{
	char path[HOST_PATH_BYTES], from[HOST_PATH_BYTES + 2 * NAME_BYTES];
	char said[HOST_SAID_BYTES];
	const char *const docker[] = {"load", "--quiet", "--input", path, NULL};
	const char *const podman[] = {"pull", "--quiet", from, NULL};
	int status;

	if (!host_path(path, "/var/lib/furrow/image/%s.%d.tar", o->image_id, (int)getpid()))
		return -1;
	if (host_share_fetch_file(o, path, why, size) != 0)
		return -1;
	snprintf(from, sizeof(from), "docker-archive:%s:%s", path, name);
	status = host_engine(o, said, sizeof(said), host_engine_is_docker() ? docker : podman);
	unlink(path);
	if (status == 0 && host_image_is_there(o, name))
		return 0;
	snprintf(why, size, "the engine does not load it (exit status %d): %.400s", status, said);
	return -1;
}

int
host_image_offer(const struct order *o, const char *name, char *why, size_t size)
{
	const char *const podman[] = {"save", "--format", "docker-archive", name, NULL};
	const char *const docker[] = {"save", name, NULL};
	char said[HOST_SAID_BYTES], path[HOST_PATH_BYTES];
	int fd, status, rc = -1;

	fd = host_path(path, "/var/lib/furrow/image")
		     ? open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
		     : -1;
	if (fd < 0) {
		snprintf(why, size, "cannot make a file in /var/lib/furrow/image: %s",
			strerror(errno));
		return -1;
	}
	status = host_engine_to(
		o, fd, said, sizeof(said), host_engine_is_docker() ? docker : podman);
	if (status != 0)
		snprintf(why, size, "the engine does not save it (exit status %d): %.400s", status,
			said);
	else
		rc = host_share_offer_file(o, fd, why, size);
	close(fd);
	return rc;
}
