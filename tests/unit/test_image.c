/* Names of images, and the images in archives. */
#include "engine_fixture.h"

#include "providers/container/archive.h"
#include "providers/container/internal.h"

static void
references(void **state)
{
	static const struct {
		const char *text, *registry, *repository, *tag, *digest;
	} good[] = {
		{"python", "docker.io", "library/python", "latest", NULL},
		{"python:3.12-slim", "docker.io", "library/python", "3.12-slim", NULL},
		{"me/tool:V_1.0", "docker.io", "me/tool", "V_1.0", NULL},
		{"index.docker.io/library/python", "docker.io", "library/python", "latest", NULL},
		{"docker.io/python", "docker.io", "library/python", "latest", NULL},
		{"quay.io/a/b/c:1", "quay.io", "a/b/c", "1", NULL},
		{"localhost/x", "localhost", "x", "latest", NULL},
		{"localhost:5000/x:y", "localhost:5000", "x", "y", NULL},
		{"127.0.0.1:5000/x", "127.0.0.1:5000", "x", "latest", NULL},
		{"a@sha256:" HEX_A, "docker.io", "library/a", NULL, "sha256:" HEX_A},
		{"ghcr.io/a/b:t@sha256:" HEX_A, "ghcr.io", "a/b", "t", "sha256:" HEX_A},
		{"a__b/c-d.e", "docker.io", "a__b/c-d.e", "latest", NULL},
	};
	static const char *const bad[] = {"", ":", "A", "a:", "a:-x", "a b", "a/", "/a", "a//b",
		"-a", "--x", "a@", "a@sha256:abc", ("a@md5:" HEX_A), "docker://a", "a:b:c", "a..b",
		"a.io:99999/x", "a.io:x/y", "a\n", "dir:/x", "a.io/", "$(x)", "a.io:0/x"};
	struct fixture *f = *state;
	struct reference ref;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (reference_parse(&f->arena, &ref, str_from(good[i].text), &f->err) < 0)
			fail_msg("%s: %s", good[i].text, f->err.message);
		assert_string_equal(ref.registry.p, good[i].registry);
		assert_string_equal(ref.repository.p, good[i].repository);
		assert_true(good[i].tag ? str_is(ref.tag, good[i].tag) : !ref.tag.p);
		assert_true(good[i].digest ? str_is(ref.digest, good[i].digest) : !ref.digest.p);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (reference_parse(&f->arena, &ref, str_from(bad[i]), &f->err) != ERR_INPUT)
			fail_msg("'%s' was taken for an image", bad[i]);
	}
}

static int
id_of(struct fixture *f, const char *scheme, const char *file, struct str *id)
{
	struct image_archive x;

	assert_true(archive_parse(
		&f->arena, &x, arena_printf(&f->arena, "%s-archive:%s/%s", scheme, f->dir, file)));
	return archive_image_id(&f->arena, &x, NULL, id, &f->err);
}

static void
assert_id(struct fixture *f, const char *scheme, const char *file, const char *hex_file)
{
	struct str id;
	char hex[65] = "";
	int fd = open(below(f, hex_file), O_RDONLY | O_CLOEXEC);

	assert_int_equal(read(fd, hex, 64), 64);
	close(fd);
	if (id_of(f, scheme, file, &id) < 0)
		fail_msg("%s", f->err.message);
	assert_true(str_is(id, arena_printf(&f->arena, "sha256:%s", hex).p));
}

static void
assert_bad(struct fixture *f, const char *scheme, const char *file, const char *part)
{
	struct str id;

	assert_int_equal(id_of(f, scheme, file, &id), ERR_INPUT);
	assert_has(f->err.message, part);
}

/* For instances that are not this machine. */
static void
archives_for_others(void **state)
{
	struct fixture *f = *state;
	struct image_archive x;
	struct str id;

	sh(f, "printf '{\"architecture\":\"arm64\"}' > c.json; C=$(sha256sum c.json | cut -c1-64); "
	      "echo '[{\"Config\":\"c.json\"}]' > manifest.json; tar -cf docker.tar c.json "
	      "manifest.json; mkdir -p blobs/sha256; cp c.json blobs/sha256/$C; "
	      "printf '{\"config\":{\"digest\":\"sha256:%s\"}}' $C > m; M=$(sha256sum m | cut "
	      "-c1-64); cp m blobs/sha256/$M; printf "
	      "'{\"manifests\":[{\"digest\":\"sha256:%s\"}]}' "
	      "$M > index.json; tar -cf oci.tar blobs index.json; echo $C > want");
	assert_id(f, "docker", "docker.tar", "want");
	assert_id(f, "oci", "oci.tar", "want");
	for (int i = 0; i < 2; i++) {
		assert_true(archive_parse(&f->arena, &x,
			arena_printf(&f->arena, "%s-archive:%s/%s.tar", i ? "oci" : "docker",
				f->dir, i ? "oci" : "docker")));
		assert_int_equal(archive_image_id(&f->arena, &x, "arm64", &id, &f->err), 0);
		assert_int_equal(archive_image_id(&f->arena, &x, "amd64", &id, &f->err), ERR_INPUT);
		assert_has(f->err.message, "is for linux/arm64, and instances are linux/amd64");
	}
}

static void
parsing(void **state)
{
	struct fixture *f = *state;
	struct image_archive x;

	assert_false(archive_parse(&f->arena, &x, STR("python:3")));
	assert_false(archive_parse(&f->arena, &x, STR("oci-archive")));
	assert_true(archive_parse(&f->arena, &x, STR("oci-archive:/a/b.tar")));
	assert_true(x.is_oci && str_is(x.path, "/a/b.tar") && !x.ref.p);
	assert_true(archive_parse(&f->arena, &x, STR("docker-archive:/a/b.tar:localhost/x:1")));
	assert_true(!x.is_oci && str_is(x.path, "/a/b.tar") && str_is(x.ref, "localhost/x:1"));
	write_file(below(f, "a:b"), "", 0600);
	assert_true(archive_parse(
		&f->arena, &x, arena_printf(&f->arena, "oci-archive:%s/a:b", f->dir)));
	assert_true(str_ends(x.path, STR("/a:b")) && !x.ref.p);
}

static void
docker_archives(void **state)
{
	struct fixture *f = *state;

	sh(f, "head -c 3000000 /dev/urandom > layer; echo '{\"architecture\":\"amd64\"}' > c.json; "
	      "sha256sum c.json | cut -c1-64 > want; echo '{}' > d.json; sha256sum d.json | cut "
	      "-c1-64 > want2; "
	      "echo '[{\"Config\":\"c.json\",\"RepoTags\":[\"localhost/a:1\"]}]' > manifest.json; "
	      "tar -cf 1.tar layer c.json manifest.json; tar -cf 2.tar ./manifest.json ./c.json; "
	      "gzip -k 1.tar; tar -cf 3.tar manifest.json; "
	      "echo "
	      "'[{\"Config\":\"c.json\",\"RepoTags\":[\"localhost/"
	      "a:1\"]},{\"Config\":\"d.json\",\"RepoTags\":"
	      "[\"docker.io/library/b:2\"]}]' > manifest.json; tar -cf many.tar c.json d.json "
	      "manifest.json; "
	      "echo '[{\"Config\":7}]' > manifest.json; tar -cf 4.tar manifest.json; "
	      "echo '[]' > manifest.json; tar -cf 5.tar manifest.json; echo '{' > manifest.json; "
	      "tar -cf 6.tar manifest.json; echo nothing > no.tar; : > empty.tar; head -c 2500 "
	      "1.tar > cut.tar; "
	      "tar -cf 7.tar c.json");
	assert_id(f, "docker", "1.tar", "want");
	assert_id(f, "docker", "2.tar", "want");
	assert_id(f, "docker", "1.tar.gz", "want");
	assert_id(f, "docker", "many.tar:localhost/a:1", "want");
	assert_id(f, "docker", "many.tar:b:2", "want2");
	assert_bad(f, "docker", "many.tar", "several images");
	assert_bad(f, "docker", "many.tar:b:3", "no image with that tag");
	assert_bad(f, "docker", "3.tar", "no file c.json");
	assert_bad(f, "docker", "4.tar", "several images, or none");
	assert_bad(f, "docker", "5.tar", "several images, or none");
	assert_bad(f, "docker", "6.tar", "JSON cannot be read");
	assert_bad(f, "docker", "7.tar", "no file manifest.json");
	assert_bad(f, "docker", "no.tar", "it is");
	assert_bad(f, "docker", "empty.tar", "it is no tar archive");
	assert_bad(f, "docker", "cut.tar", "damaged");
	assert_bad(f, "docker", "absent.tar", "No such file");
}

/* Shell functions that write an image layout: blob FILE prints its digest, index ARGS... writes index.json. */
#define OCI                                                                               \
	"mkdir -p blobs/sha256; d() { sha256sum $1 | cut -c1-64; }; "                     \
	"blob() { x=$(d $1); cp $1 blobs/sha256/$x; echo $x; }; "                         \
	"image() { printf '{\"rootfs\":\"%s\"}' $1 > c; C=$(blob c); echo $C > want.$1; " \
	"printf '{\"config\":{\"digest\":\"sha256:%s\"},\"layers\":[]}' $C > m; M=$(blob m); }; "

static void
oci_archives(void **state)
{
	struct fixture *f = *state;

	sh(f, OCI
		"image a; printf '{\"manifests\":[{\"digest\":\"sha256:%s\"}]}' $M > index.json; "
		"tar -cf 1.tar blobs index.json; "
		"A=$M; image b; printf "
		"'{\"manifests\":[{\"digest\":\"sha256:%s\",\"annotations\":{\"org.opencontainers."
		"image.ref.name\":\"localhost/"
		"a:1\"}},{\"digest\":\"sha256:%s\",\"annotations\":{\"org.opencontainers."
		"image.ref.name\":\"two\"}}]}' $A $M > index.json; tar -cf many.tar blobs "
		"index.json");
	assert_id(f, "oci", "1.tar", "want.a");
	assert_id(f, "oci", "many.tar:localhost/a:1", "want.a");
	assert_id(f, "oci", "many.tar:a:1", "want.a");
	assert_id(f, "oci", "many.tar:two", "want.b");
	assert_bad(f, "oci", "many.tar", "several images");
	assert_bad(f, "oci", "many.tar:three", "no image of that name");
}

static void
oci_for_many_machines(void **state)
{
	struct fixture *f = *state;

	sh(f, OCI "here=amd64; other=arm64; if [ $(uname -m) = aarch64 ]; then here=arm64; "
		  "other=amd64; fi; "
		  "image a; A=$M; image b; "
		  "printf "
		  "'{\"manifests\":[{\"digest\":\"sha256:%s\",\"platform\":{\"architecture\":\"%"
		  "s\",\"os\":\"linux\"}},"
		  "{\"digest\":\"sha256:%s\",\"platform\":{\"architecture\":\"%s\",\"os\":"
		  "\"linux\"}}]}' "
		  "$A $other $M $here > i; I=$(blob i); "
		  "printf '{\"manifests\":[{\"digest\":\"sha256:%s\"}]}' $I > index.json; tar -cf "
		  "1.tar blobs index.json; "
		  "printf "
		  "'{\"manifests\":[{\"digest\":\"sha256:%s\",\"platform\":{\"architecture\":"
		  "\"s390x\",\"os\":\"linux\"}}]}'"
		  " $A > i; I=$(blob i); printf '{\"manifests\":[{\"digest\":\"sha256:%s\"}]}' $I "
		  "> index.json; "
		  "tar -cf 2.tar blobs index.json");
	assert_id(f, "oci", "1.tar", "want.b");
	assert_bad(f, "oci", "2.tar", "none for this machine");
}

static void
damaged_oci_archives(void **state)
{
	struct fixture *f = *state;

	sh(f, OCI "image a; printf '{\"manifests\":[{\"digest\":\"sha256:%s\"}]}' $M > index.json; "
		  "echo ' ' >> blobs/sha256/$M; tar -cf changed.tar blobs index.json; "
		  "echo '{\"manifests\":[{\"digest\":\"sha256:../../etc/passwd\"}]}' > index.json; "
		  "tar -cf path.tar blobs index.json; echo '{\"manifests\":7}' > index.json; "
		  "tar -cf seven.tar index.json; "
		  /* An index that names itself cannot be made; one as deep as this can. */
		  "x=$M; for i in 1 2 3 4 5 6; do printf "
		  "'{\"n\":%s,\"manifests\":[{\"digest\":\"sha256:%s\"}]}' $i $x > i; "
		  "x=$(blob i); done; cp i index.json; tar -cf deep.tar blobs index.json; "
		  "printf '{\"config\":{\"digest\":\"md5:1\"}}' > m; M=$(blob m); "
		  "printf '{\"manifests\":[{\"digest\":\"sha256:%s\"}]}' $M > index.json; tar -cf "
		  "md5.tar blobs index.json");
	assert_bad(f, "oci", "changed.tar", "damaged");
	assert_bad(f, "oci", "path.tar", "no sha256 digest");
	assert_bad(f, "oci", "seven.tar", "several images, or none");
	assert_bad(f, "oci", "deep.tar", "several images, or none");
	assert_bad(f, "oci", "md5.tar", "no sha256 digest");
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(references),
		TEST(parsing),
		TEST(docker_archives),
		TEST(archives_for_others),
		TEST(oci_archives),
		TEST(oci_for_many_machines),
		TEST(damaged_oci_archives),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
