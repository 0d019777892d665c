/* host_build: environment.build on a host: the engine builds the image from the source that lies here, or loads
 * what it built on another one. It has a name by what it was built from, which is how it is found again. */
#include "cmd/runner/host.h"

#include "cmd/runner/text.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

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
	snprintf(how->why, sizeof(how->why),
		"environment.build: building %.200s ended with status %d; it said last:\n%.512s",
		o->build_file, status, text_tail(said, 512));
	fprintf(stderr, "%s\n", how->why);
	return -1;
}

int
host_build(const struct order *o, struct prepared_words *how)
{
	char name[NAME_BYTES], why[sizeof(how->why) / 2] = "";
	int rc;

	host_image_name(name, o->image_id);
	if (o->share_url[0]) {
		if (host_image_fetch(o, name, why, sizeof(why)) == 0) {
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
