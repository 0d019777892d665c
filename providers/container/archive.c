/* archive: an image's id out of its archive. Only the small JSON files in it are read; layers are passed over.
 *
 * oci-archive (opencontainers/image-spec, image-layout): index.json names manifests, a manifest names its configuration,
 * both as blobs/sha256/HEX. docker-archive (`docker save`): manifest.json names the configuration file. */
#include "providers/container/archive.h"

#include "planner/base/buf.h"
#include "planner/base/digest.h"
#include "providers/archive/lib.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { JSON_FILE_BYTES = 4 << 20, READ_BLOCK_BYTES = 256 << 10, INDEX_DEPTH = 4 };

bool
archive_parse(struct arena *a, struct image_archive *out, struct str text)
{
	struct str rest = text, scheme = str_cut(&rest, ':'), path;

	*out = (struct image_archive){.is_oci = str_is(scheme, "oci-archive")};
	if (!rest.p || !(out->is_oci || str_is(scheme, "docker-archive")))
		return false;
	out->path = arena_str(a, rest);
	if (access(out->path.p, F_OK) == 0)
		return true;
	path = str_cut(&rest, ':');
	if (rest.n) {
		out->path = arena_str(a, path);
		out->ref = arena_str(a, rest);
	}
	return true;
}

struct str
archive_absolute(struct arena *a, const char *dir, struct str image)
{
	struct str path = image, scheme = str_cut(&path, ':');

	if (!(str_is(scheme, "oci-archive") || str_is(scheme, "docker-archive")) || !path.n ||
		path.p[0] == '/')
		return image;
	return arena_printf(a, "%.*s:%s/%.*s", STR_ARG(scheme), dir, STR_ARG(path));
}

static int
unreadable(const struct image_archive *x, const char *why, struct error *err)
{
	return error_set(err, ERR_INPUT, "image %s-archive:%.*s: %s", x->is_oci ? "oci" : "docker",
		STR_ARG(x->path), why);
}

static struct archive *
open_archive(const struct libarchive *lib, int fd)
{
	struct archive *in = lib->archive_read_new();

	if (!in)
		return NULL;
	lib->archive_read_support_format_tar(in);
	lib->archive_read_support_filter_gzip(in);
	lib->archive_read_support_filter_xz(in);
	lib->archive_read_support_filter_zstd(in);
	lib->archive_read_support_filter_bzip2(in);
	if (lib->archive_read_open_fd(in, fd, READ_BLOCK_BYTES) == ARCHIVE_OK)
		return in;
	lib->archive_read_free(in);
	return NULL;
}

/* The bytes of the entry that the archive stands on. */
static int
read_entry(const struct libarchive *lib, struct archive *in, struct archive_entry *entry,
	struct arena *a, struct str *bytes)
{
	int64_t size = lib->archive_entry_size(entry);
	char *p;

	if (size < 0 || size > JSON_FILE_BYTES)
		return -1;
	p = arena_alloc(a, (size_t)size + 1);
	for (int64_t at = 0; at < size;) {
		la_ssize_t n = lib->archive_read_data(in, p + at, (size_t)(size - at));

		if (n <= 0)
			return -1;
		at += n;
	}
	*bytes = (struct str){p, (size_t)size};
	return 0;
}

static bool
is_entry(const char *path, const char *name)
{
	if (!path)
		return false;
	if (strncmp(path, "./", 2) == 0)
		path += 2;
	return strcmp(path, name) == 0;
}

/* The file `name` of the archive. */
static int
read_file(struct arena *a, const struct image_archive *x, const char *name, struct str *bytes,
	struct error *err)
{
	const struct libarchive *lib;
	struct archive_entry *entry;
	struct archive *in;
	int fd, rc = libarchive_load(&lib, err), got = ARCHIVE_OK;

	*bytes = (struct str){0};
	if (rc < 0)
		return rc;
	fd = open(x->path.p, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(
			err, ERR_INPUT, errno, "image archive %.*s", STR_ARG(x->path));
	in = open_archive(lib, fd);
	if (!in) {
		close(fd);
		return unreadable(x, "it is no tar archive", err);
	}
	rc = ERR_MISSING;
	while (rc == ERR_MISSING &&
		(got = lib->archive_read_next_header(in, &entry)) >= ARCHIVE_WARN &&
		got != ARCHIVE_EOF) {
		if (is_entry(lib->archive_entry_pathname(entry), name))
			rc = read_entry(lib, in, entry, a, bytes) < 0 ? ERR_INPUT : 0;
	}
	if (rc == ERR_MISSING && got == ARCHIVE_EOF)
		rc = error_set(err, ERR_INPUT, "image %s-archive:%.*s: it has no file %s in it",
			x->is_oci ? "oci" : "docker", STR_ARG(x->path), name);
	else if (rc < 0)
		rc = unreadable(x, "it is damaged, or no image archive", err);
	lib->archive_read_free(in);
	close(fd);
	return rc;
}

static int
read_json(struct arena *a, const struct image_archive *x, const char *name, json_t **out,
	struct str *bytes, struct error *err)
{
	int rc = read_file(a, x, name, bytes, err);

	if (rc < 0)
		return rc;
	*out = json_loadb(bytes->n ? bytes->p : "", bytes->n, JSON_REJECT_DUPLICATES, NULL);
	if (!*out)
		return unreadable(x, "its JSON cannot be read", err);
	return 0;
}

static struct str
member(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)}
				 : (struct str){0};
}

/* Whether one tag is the other, with or without what docker.io's names leave out. */
static bool
same_tag(struct str tag, struct str wanted)
{
	if (str_eq(tag, wanted))
		return true;
	return str_ends(tag, wanted) && tag.n > wanted.n && tag.p[tag.n - wanted.n - 1] == '/';
}

static struct str
with_prefix(struct arena *a, const struct digest *d)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, d);
	return arena_printf(a, "sha256:%s", hex);
}

/* Whether its configuration is of the architecture; one that does not tell may be. */
static int
check_arch(const struct image_archive *x, const json_t *config, const char *arch, struct error *err)
{
	struct str is = member(config, "architecture");

	if (!arch || !is.p || str_is(is, arch))
		return 0;
	return error_set(err, ERR_INPUT,
		"image %s-archive:%.*s is for linux/%.*s, and instances are linux/%s "
		"(instances.arch): name an image for that, or another arch",
		x->is_oci ? "oci" : "docker", STR_ARG(x->path), STR_ARG(is), arch);
}

/* docker-archive: the one image of manifest.json, or the one with the tag. */
static const json_t *
choose_docker(const struct image_archive *x, const json_t *images)
{
	const json_t *image, *tag;
	size_t i, k;

	if (!x->ref.p)
		return json_array_size(images) == 1 ? json_array_get(images, 0) : NULL;
	json_array_foreach(images, i, image)
	{
		json_array_foreach(json_object_get(image, "RepoTags"), k, tag)
		{
			if (json_is_string(tag) &&
				same_tag(str_from(json_string_value(tag)), x->ref))
				return image;
		}
	}
	return NULL;
}

static int
docker_id(struct arena *a, const struct image_archive *x, const char *arch, struct str *id,
	struct error *err)
{
	json_t *images = NULL, *config_json;
	struct str bytes = {0}, config;
	struct digest d;
	int rc = read_json(a, x, "manifest.json", &images, &bytes, err);

	if (rc < 0)
		return rc;
	config = member(choose_docker(x, images), "Config");
	if (!config.p) {
		rc = unreadable(x,
			x->ref.p ? "it has no image with that tag"
				 : "it holds several images, or none; name one: "
				   "docker-archive:PATH:NAME:TAG",
			err);
	} else {
		rc = read_file(a, x, config.p, &bytes, err);
	}
	json_decref(images);
	if (rc < 0)
		return rc;
	d = digest_of(bytes.p, bytes.n);
	*id = with_prefix(a, &d);
	config_json = json_loadb(bytes.n ? bytes.p : "", bytes.n, 0, NULL);
	rc = check_arch(x, config_json, arch, err);
	json_decref(config_json);
	return rc;
}

static bool
is_for(const json_t *descriptor, const char *wanted)
{
	struct str arch = member(json_object_get(descriptor, "platform"), "architecture");
	struct str os = member(json_object_get(descriptor, "platform"), "os");
	struct utsname machine;

	if (!arch.p)
		return true;
	if ((os.p && !str_is(os, "linux")) || uname(&machine) != 0)
		return false;
	if (wanted)
		return str_is(arch, wanted);
	if (str_is(arch, "amd64"))
		return strcmp(machine.machine, "x86_64") == 0;
	if (str_is(arch, "arm64"))
		return strcmp(machine.machine, "aarch64") == 0;
	return str_is(arch, machine.machine);
}

/* oci-archive: the descriptor in an index that is meant: by its name at the top, by the machine below. */
static const json_t *
choose_oci(const struct image_archive *x, const json_t *index, bool top, const char *arch)
{
	const json_t *list = json_object_get(index, "manifests"), *found = NULL, *d;
	size_t i;

	json_array_foreach(list, i, d)
	{
		struct str name = member(
			json_object_get(d, "annotations"), "org.opencontainers.image.ref.name");

		if (top && x->ref.p ? name.p && same_tag(name, x->ref) : is_for(d, arch)) {
			if (found && top && !x->ref.p)
				return NULL; /* several */
			if (!found)
				found = d;
		}
	}
	return found;
}

/* A blob, which has to be what its digest says. */
static int
read_blob(struct arena *a, const struct image_archive *x, struct str digest, json_t **out,
	struct error *err)
{
	struct digest named, is;
	struct str bytes;
	int rc;

	if (!str_starts(digest, STR("sha256:")) || !digest_parse(str_from_index(digest, 7), &named))
		return unreadable(x, "it names a blob that is no sha256 digest", err);
	rc = read_json(
		a, x, arena_printf(a, "blobs/sha256/%.*s", 64, digest.p + 7).p, out, &bytes, err);
	if (rc < 0)
		return rc;
	is = digest_of(bytes.p, bytes.n);
	if (digest_cmp(&is, &named) == 0)
		return 0;
	json_decref(*out);
	return unreadable(x, "a blob in it is damaged: its digest is another", err);
}

static int
oci_id(struct arena *a, const struct image_archive *x, const char *arch, struct str *id,
	struct error *err)
{
	json_t *json = NULL;
	struct str bytes, config = {0};
	struct digest d;
	int rc = read_json(a, x, "index.json", &json, &bytes, err);

	for (int depth = 0; rc == 0; depth++) {
		const json_t *chosen = choose_oci(x, json, depth == 0, arch);
		struct str digest = arena_str(a, member(chosen, "digest"));

		config = arena_str(a, member(json_object_get(json, "config"), "digest"));
		json_decref(json);
		if (config.p)
			break;
		if (!digest.p || depth == INDEX_DEPTH)
			return unreadable(x,
				x->ref.p
					? "it has no image of that name for this machine"
					: "it holds several images, or none for this machine; name "
					  "one: oci-archive:PATH:NAME",
				err);
		rc = read_blob(a, x, digest, &json, err);
	}
	if (rc < 0)
		return rc;
	if (!str_starts(config, STR("sha256:")) || !digest_parse(str_from_index(config, 7), &d))
		return unreadable(x, "its configuration has no sha256 digest", err);
	*id = with_prefix(a, &d);
	if (!arch)
		return 0;
	rc = read_blob(a, x, config, &json, err);
	if (rc < 0)
		return rc;
	rc = check_arch(x, json, arch, err);
	json_decref(json);
	return rc;
}

int
archive_image_id(struct arena *a, const struct image_archive *archive, const char *arch,
	struct str *id, struct error *err)
{
	return archive->is_oci ? oci_id(a, archive, arch, id, err)
			       : docker_id(a, archive, arch, id, err);
}
