/* host_build: environment.build on a host: the engine builds the image from the source that lies here, or loads
 * what it built on another one. It has a name by what it was built from, which is how it is found again. */
#include "cmd/runner/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { NAME_BYTES = 128 };

static int
check_arch(const struct order *o, const char *name, struct prepared_words *how)
{
	const char *const words[] = {
		"image", "inspect", "--format", "{{.Architecture}}", name, NULL};
	char said[HOST_SAID_BYTES];
	struct utsname host;
	int status = host_engine(o, said, sizeof(said), words);
	const char *arch;

	uname(&host);
	arch = strcmp(host.machine, "aarch64") == 0 ? "arm64" : "amd64";
	if (status == 0 && strcmp(said, arch) == 0)
		return 0;
	how->how = PREPARED_FAILED;
	snprintf(how->why, sizeof(how->why),
		"environment.build: the image that was built is for %.64s, and this host is %s: "
		"does its FROM name another platform?",
		said[0] ? said : "no architecture that it tells", arch);
	fprintf(stderr, "%s\n", how->why);
	return -1;
}

static int
build(const struct order *o, const char *name, struct prepared_words *how)
{
	char context[HOST_PATH_BYTES], file[HOST_PATH_BYTES], label[NAME_BYTES];
	char said[HOST_SAID_BYTES];
	const char *const words[] = {"build", "--network", "host", "--tag", name, "--label", label,
		"--file", file, context, NULL};
	size_t n;
	int status;

	if (!host_path(context, "/var/lib/furrow/source/%s/%s", o->source_id, o->build_context) ||
		!host_path(file, "/var/lib/furrow/source/%s/%s/%s", o->source_id, o->build_context,
			o->build_file))
		return -1;
	snprintf(label, sizeof(label), "furrow.job=%.100s", o->job);
	how->how = PREPARED_FAILED;
	status = host_engine(o, said, sizeof(said), words);
	if (status == 0)
		return check_arch(o, name, how);
	n = strlen(said);
	snprintf(how->why, sizeof(how->why),
		"environment.build: building %.200s ended with status %d; it said last:\n%.512s",
		o->build_file, status, n > 512 ? said + n - 512 : said);
	fprintf(stderr, "%s\n", how->why);
	return -1;
}

/* The one image of that name alone: an archive could hold others, under names that are not its own. */
static int
load(const struct order *o, const char *name, char *why, size_t size)
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
host_build_offer(const struct order *o, char *why, size_t size)
{
	char name[NAME_BYTES];
	const char *const podman[] = {"save", "--format", "docker-archive", name, NULL};
	const char *const docker[] = {"save", name, NULL};
	char said[HOST_SAID_BYTES], path[HOST_PATH_BYTES];
	int fd, status, rc = -1;

	host_image_name(name, o->image_id);
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

int
host_build(const struct order *o, struct prepared_words *how)
{
	char name[NAME_BYTES], why[sizeof(how->why) / 2] = "";
	int rc;

	host_image_name(name, o->image_id);
	if (o->share_url[0]) {
		if (load(o, name, why, sizeof(why)) == 0) {
			how->how = PREPARED_FETCHED;
			return check_arch(o, name, how);
		}
		snprintf(how->why, sizeof(how->why), "not fetched: %s", why);
	}
	rc = build(o, name, how);
	if (rc == 0)
		how->how = PREPARED_RAN;
	return rc;
}
