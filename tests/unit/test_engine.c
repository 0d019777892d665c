/* podman and docker as this program calls them: finding one, and images, against a scripted engine. */
#include "engine_fixture.h"

#define ABSENT \
	"'image inspect'*) echo 'Error: inspecting object: x: image not known' >&2; exit 125 ;;\n"

static void
finds_podman_then_docker(void **state)
{
	struct fixture *f = *state;

	setenv("PATH", f->dir, 1);
	assert_int_equal(engine_open(&f->engine, &f->arena, &f->info, &f->err), ERR_HOST);
	assert_has(f->err.message, "neither podman nor docker is here");
	assert_has(f->err.message, "apt-get install podman");
	setenv("PATH", arena_printf(&f->arena, "%s:/usr/bin:/bin", f->dir).p, 1);
	answers(f, "podman", "");
	answers(f, "docker", "");
	assert_int_equal(engine_open(&f->engine, &f->arena, &f->info, &f->err), 0);
	assert_true(str_is(f->info.name, "podman"));
	assert_true(str_is(f->info.version, "4.3.1"));
	assert_int_equal(f->info.rootless, geteuid() != 0);
	engine_close(f->engine);
	f->engine = NULL;
	answers(f, "podman", "*) echo 'cannot set up namespace' >&2; exit 125 ;;");
	assert_int_equal(engine_open(&f->engine, &f->arena, &f->info, &f->err), 0);
	assert_true(str_is(f->info.name, "docker"));
	assert_true(str_is(f->info.version, "20.10.24"));
	assert_false(f->info.rootless);
}

static void
engines_that_fail(void **state)
{
	struct fixture *f = *state;

	setenv("PATH", arena_printf(&f->arena, "%s:/usr/bin:/bin", f->dir).p, 1);
	answers(f, "podman", "*) echo 'cannot set up namespace' >&2; exit 125 ;;");
	answers(f, "docker", "*) echo 'Cannot connect to the Docker daemon' >&2; exit 1 ;;");
	assert_int_equal(engine_open(&f->engine, &f->arena, &f->info, &f->err), ERR_HOST);
	assert_has(f->err.message, "podman cannot be used");
	assert_has(f->err.message, "cannot set up namespace");
	setenv("FURROW_ENGINE", "docker", 1);
	assert_int_equal(engine_open(&f->engine, &f->arena, &f->info, &f->err), ERR_HOST);
	assert_has(f->err.message, "FURROW_ENGINE=docker");
	assert_has(f->err.message, "Cannot connect to the Docker daemon");
	answers(f, "docker", "info*) exit 0 ;;"); /* as some do without their daemon */
	assert_int_equal(engine_open(&f->engine, &f->arena, &f->info, &f->err), ERR_HOST);
	assert_has(f->err.message, "daemon does not answer");
	setenv("FURROW_ENGINE", "/nowhere/podman", 1);
	assert_int_equal(engine_open(&f->engine, &f->arena, &f->info, &f->err), ERR_HOST);
	assert_has(f->err.message, "/nowhere/podman");
	setenv("FURROW_ENGINE", "/bin/echo", 1);
	assert_int_equal(engine_open(&f->engine, &f->arena, &f->info, &f->err), ERR_HOST);
	assert_has(f->err.message, "neither podman nor docker");
}

static void
rootless_docker(void **state)
{
	struct fixture *f = *state;

	open_engine(f, "docker",
		"info*) echo '24.0.7 [name=seccomp,profile=builtin name=rootless]' ;;");
	assert_true(f->info.rootless);
	assert_true(str_is(f->info.version, "24.0.7"));
}

static int
resolve(struct fixture *f, const char *image, struct str *digest, bool *present)
{
	struct image_wish wish = {.image = str_from(image)};

	*digest = (struct str){0};
	return engine_resolve(f->engine, &f->arena, &wish, digest, present, &f->err);
}

static void
local_references(void **state)
{
	struct fixture *f = *state;
	struct str digest;
	bool present;

	/* Imported or built: podman has a digest for it that no registry knows. */
	open_engine(f, "podman",
		"'image inspect'*my-image) printf '%s\\n%s\\n%s\\n' " HEX_A
		" '[\"localhost/my-image@sha256:" HEX_B
		"\"]' '[\"localhost/my-image:latest\"]' ;;\n"
		"'image inspect'*two) printf '%s\\n%s\\n%s\\n' " HEX_A
		" '[\"docker.io/library/two@sha256:" HEX_C
		"\",\"docker.io/library/two@sha256:" HEX_B
		"\"]' '[\"docker.io/library/two:latest\"]' ;;\n"
		"'image inspect'*kept) printf '%s\\n%s\\n%s\\n' " HEX_A
		" '[\"docker.io/library/kept@sha256:" HEX_B
		"\",\"docker.io/library/kept@sha256:" HEX_C "\"]' '[\"localhost/furrow-image:" HEX_C
		"\"]' ;;\n");
	assert_int_equal(resolve(f, "my-image", &digest, &present), 0);
	assert_true(str_is(digest, "sha256:" HEX_A));
	assert_true(present);
	assert_int_equal(resolve(f, "two", &digest, &present), 0);
	assert_true(str_is(digest, "sha256:" HEX_B));
	assert_int_equal(resolve(f, "kept", &digest, &present), 0);
	assert_true(str_is(digest, "sha256:" HEX_C)); /* the one that furrow fetched it by */
	engine_close(f->engine);
	open_engine(f, "docker",
		"'image inspect'*python:3.12) printf '%s\\n%s\\n%s\\n' sha256:" HEX_A
		" '[\"python@sha256:" HEX_B "\"]' '[\"python:3.12\"]' ;;\n"
		"'image inspect'*built) printf '%s\\n%s\\n%s\\n' sha256:" HEX_A
		" null '[\"built:latest\"]' ;;\n");
	assert_int_equal(resolve(f, "python:3.12", &digest, &present), 0);
	assert_true(str_is(digest, "sha256:" HEX_B)); /* docker leaves docker.io/library/ out */
	assert_int_equal(resolve(f, "built", &digest, &present), 0);
	assert_true(str_is(digest, "sha256:" HEX_A));
}

static void
pinned_references(void **state)
{
	struct fixture *f = *state;
	struct str digest;
	bool present;

	open_engine(f, "podman", ABSENT);
	assert_int_equal(resolve(f, "quay.io/a/b@sha256:" HEX_B, &digest, &present), 0);
	assert_true(str_is(digest, "sha256:" HEX_B));
	assert_false(present);
	assert_int_equal(resolve(f, "localhost/nope", &digest, &present), ERR_INPUT);
	assert_has(f->err.message, "no registry has images of localhost");
}

static void
answers_that_make_no_sense(void **state)
{
	struct fixture *f = *state;
	struct str digest;
	bool present;

	open_engine(f, "podman", "'image inspect'*) echo what ;;");
	assert_int_equal(resolve(f, "x", &digest, &present), ERR_HOST);
	assert_has(f->err.message, "not understood: what");
	answers(f, "podman", "'image inspect'*) echo 'database is locked' >&2; exit 125 ;;");
	assert_int_equal(resolve(f, "x", &digest, &present), ERR_HOST);
	assert_has(f->err.message, "database is locked");
	assert_int_equal(resolve(f, "Bad Name", &digest, &present), ERR_INPUT);
	assert_int_equal(resolve(f, "docker://x", &digest, &present), ERR_INPUT);
	assert_int_equal(resolve(f, "--privileged", &digest, &present), ERR_INPUT);
}

static int
ensure(struct fixture *f, const char *image, const char *digest, struct str *id, struct buf *log)
{
	struct image_wish wish = {.image = str_from(image)};

	return engine_ensure(f->engine, &f->arena, &wish, str_from(digest), id, log, &f->err);
}

static void
pulls_by_digest(void **state)
{
	struct fixture *f = *state;
	struct buf log = {0};
	struct str id;

	open_engine(f, "podman",
		"'image inspect'*@sha256:" HEX_B ") printf '%s\\nnull\\nnull\\n' " HEX_A
		" ;;\n" ABSENT "pull*) echo pulling ;;\ntag*) ;;\n");
	assert_int_equal(ensure(f, "python:3.12", "sha256:" HEX_B, &id, &log), 0);
	assert_true(str_is(id, "sha256:" HEX_A));
	assert_has(calls(f), "pull --quiet docker.io/library/python@sha256:" HEX_B " \n");
	assert_has(calls(f), "tag sha256:" HEX_A " localhost/furrow-image:" HEX_B " \n");
	assert_has(calls(f), "tag sha256:" HEX_A " docker.io/library/python:3.12 \n");
	assert_string_equal(buf_cstr(&log), "pulling\n");
	buf_free(&log);
	answers(f, "podman", ABSENT "pull*) echo 'toomanyrequests: slow down' >&2; exit 125 ;;\n");
	assert_int_equal(ensure(f, "python:3.12", "sha256:" HEX_B, &id, NULL), ERR_HOST);
	assert_int_equal(f->err.class, CLASS_THROTTLED);
	assert_has(f->err.message, "toomanyrequests");
	answers(f, "podman", ABSENT "pull*) ;;\n"); /* well, it said */
	assert_int_equal(ensure(f, "python:3.12", "sha256:" HEX_B, &id, NULL), ERR_HOST);
	assert_has(f->err.message, "although");
}

static void
tags_that_moved(void **state)
{
	struct fixture *f = *state;
	struct str id;

	open_engine(f, "podman",
		"'image inspect'*) printf '%s\\n[\"docker.io/library/x@sha256:" HEX_B
		"\"]\\nnull\\n' " HEX_A " ;;\n");
	assert_int_equal(ensure(f, "x", "sha256:" HEX_B, &id, NULL), 0);
	assert_true(str_is(id, "sha256:" HEX_A));
	assert_int_equal(ensure(f, "x", "sha256:" HEX_C, &id, NULL), ERR_STALE);
	assert_has(f->err.message, "plan again");
	answers(f, "podman", ABSENT);
	assert_int_equal(ensure(f, "localhost/x", "sha256:" HEX_C, &id, NULL), ERR_STALE);
}

/* A docker-archive whose configuration is "{}". */
#define EMPTY_CONFIG "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define MAKE_ARCHIVE                                                                    \
	"printf '{}' > c.json; printf "                                                 \
	"'[{\"Config\":\"c.json\",\"RepoTags\":null,\"Layers\":[]}]' > manifest.json; " \
	"tar -cf i.tar c.json manifest.json"

static void
archives(void **state)
{
	struct fixture *f = *state;
	struct str digest, id;
	const char *image;
	bool present;

	sh(f, MAKE_ARCHIVE);
	image = arena_printf(&f->arena, "docker-archive:%s/i.tar", f->dir).p;
	open_engine(f, "podman", ABSENT);
	assert_int_equal(resolve(f, image, &digest, &present), 0);
	assert_true(str_is(digest, "sha256:" EMPTY_CONFIG));
	assert_false(present);
	assert_has(calls(f), "localhost/furrow-image:" EMPTY_CONFIG " \n");
	answers(f, "podman",
		"tag*|pull*) ;;\n"
		"*furrow-image:*) echo 'image not known' >&2; exit 125 ;;\n"
		"'image inspect'*sha256:*) printf '%s\\nnull\\nnull\\n' " EMPTY_CONFIG " ;;\n");
	assert_int_equal(ensure(f, image, "sha256:" EMPTY_CONFIG, &id, NULL), 0);
	assert_true(str_is(id, "sha256:" EMPTY_CONFIG));
	assert_has(calls(f), arena_printf(&f->arena, "pull --quiet %s \n", image).p);
	assert_has(calls(f), "tag sha256:" EMPTY_CONFIG " localhost/furrow-image:" EMPTY_CONFIG);
	assert_int_equal(ensure(f, image, "sha256:" HEX_A, &id, NULL), ERR_STALE);
	assert_int_equal(resolve(f, "docker-archive:/nowhere", &digest, &present), ERR_INPUT);
	assert_has(f->err.message, "/nowhere");
}

static void
archives_with_docker(void **state)
{
	struct fixture *f = *state;
	const char *image;
	struct str id;

	sh(f, MAKE_ARCHIVE);
	image = arena_printf(&f->arena, "docker-archive:%s/i.tar", f->dir).p;
	open_engine(f, "docker",
		"'image inspect'*furrow-image*) echo 'Error: No such image: x' >&2; exit 1 ;;\n"
		"'image inspect'*) printf 'sha256:%s\\n[]\\n[]\\n' " EMPTY_CONFIG
		" ;;\nload*|tag*) ;;\n");
	assert_int_equal(ensure(f, image, "sha256:" EMPTY_CONFIG, &id, NULL), 0);
	assert_has(calls(f), arena_printf(&f->arena, "load --quiet --input %s/i.tar \n", f->dir).p);
}

static void
builds(void **state)
{
	struct fixture *f = *state;
	struct image_wish wish = {
		.build = {.context = STR("/some/where")}, .source_identity = {{0xaa}}};
	char name[128], hex[DIGEST_HEX_BYTES];
	struct str digest, id;
	bool present;

	digest_hex(hex, &wish.source_identity);
	snprintf(name, sizeof(name), "localhost/furrow-build:%s", hex);
	open_engine(f, "podman", ABSENT);
	assert_int_equal(
		engine_resolve(f->engine, &f->arena, &wish, &digest, &present, &f->err), 0);
	assert_null(digest.p);
	assert_false(present);
	assert_has(calls(f), name);
	answers(f, "podman",
		"'image inspect'*) test -e $D/built || { echo 'image not known' >&2; exit 1; }; "
		"printf '%s\\nnull\\nnull\\n' " HEX_A
		" ;;\nbuild*) echo STEP; echo words >&2; touch $D/built ;;\n");
	wish.build.dockerfile = STR("sub/Containerfile");
	wish.job = "a job";
	struct buf log = {0};
	assert_int_equal(engine_ensure(f->engine, &f->arena, &wish, digest, &id, &log, &f->err), 0);
	assert_true(str_is(id, "sha256:" HEX_A));
	assert_has(calls(f), arena_printf(&f->arena,
				     "build --tag %s --label furrow.built-for=a job --file "
				     "/some/where/sub/Containerfile /some/where \n",
				     name)
				     .p);
	assert_string_equal(buf_cstr(&log), "STEP\nwords\n");
	buf_free(&log);
	assert_int_equal(
		engine_resolve(f->engine, &f->arena, &wish, &digest, &present, &f->err), 0);
	assert_true(present);
	assert_true(str_is(digest, "sha256:" HEX_A));
	sh(f, "rm built");
	answers(f, "podman",
		ABSENT "build*) echo 'STEP 1: FROM x'; echo 'no such file' >&2; exit 2 ;;\n");
	assert_int_equal(
		engine_ensure(f->engine, &f->arena, &wish, (struct str){0}, &id, NULL, &f->err),
		ERR_HOST);
	assert_has(f->err.message, "no such file");
	assert_has(f->err.message, "exit status 2");
}

/* Debian's crun refuses a machine with both kinds of cgroups. */
static void
another_runtime(void **state)
{
	struct fixture *f = *state;
	struct buf log = {0};
	struct str id;

	setenv("PATH", arena_printf(&f->arena, "%s:/usr/bin:/bin", f->dir).p, 1);
	write_file(below(f, "runc"), "#!/bin/sh\n", 0755);
	open_engine(f, "podman",
		"'--runtime runc image inspect'*|'image inspect'*) test -e $D/built || { echo "
		"'image not known' >&2; exit 1; };"
		"printf '%s\\nnull\\nnull\\n' " HEX_A " ;;\n"
		"build*) echo 'crun: cgroups in hybrid mode not supported, drop all' >&2; exit 126 "
		";;\n"
		"'--runtime runc build'*) echo fine; touch $D/built ;;\n");
	struct image_wish wish = {.build = {.context = STR("/c")}};
	assert_int_equal(
		engine_ensure(f->engine, &f->arena, &wish, (struct str){0}, &id, &log, &f->err), 0);
	assert_string_equal(buf_cstr(&log), "fine\n");
	buf_free(&log);
	unlink(below(f, "log"));
	sh(f, "rm built");
	assert_int_equal(
		engine_ensure(f->engine, &f->arena, &wish, (struct str){0}, &id, NULL, &f->err), 0);
	assert_lacks(calls(f), "\nbuild"); /* it is known by now */
}

/* One image as `image inspect` tells of it. */
#define INSPECTED(id, made, names, labels) \
	"echo '\"" id "\",1000,\"" made "\",[" names "]," labels "'; "
#define LISTED "images*) printf '%s\\n' sha256:" HEX_A " sha256:" HEX_B " sha256:" HEX_A " ;;\n"

static void
lists_its_images(void **state)
{
	struct fixture *f = *state;
	struct kept_images all;

	open_engine(f, "podman",
		LISTED "'image inspect'*) " INSPECTED(HEX_A, "1970-01-01T00:00:02.5Z",
			"\"localhost/furrow-env:x\",\"localhost/furrow-env:y\"",
			"{\"furrow.job\":\"mine\"}") INSPECTED(HEX_B, "1970-01-01T01:00:03+01:00",
			"\"localhost/furrow-env:z\"", "{\"furrow.job\":\"another\"}")
		/* A setup's label is not a build's, and the other way round. */
		INSPECTED("sha256:" HEX_C, "what", "\"localhost/furrow-build:b\"",
			"{\"furrow.built-for\":\"mine\",\"furrow.job\":\"another\"}") " ;;\n");
	assert_int_equal(engine_list_images(f->engine, &f->arena, NULL, &all, &f->err), 0);
	assert_has(calls(f), "images --quiet --no-trunc --filter reference=localhost/furrow-* \n");
	assert_has(calls(f), "} sha256:" HEX_A " sha256:" HEX_B " \n"); /* each once */
	assert_int_equal(all.n, 2); /* never more than were listed */
	assert_int_equal(all.v[0].kind, KEPT_SETUP);
	assert_true(str_is(all.v[0].id, HEX_A));
	assert_true(str_is(all.v[0].job, "mine"));
	assert_int_equal(all.v[0].names.n, 2);
	assert_int_equal(all.v[0].bytes, 1000);
	assert_int_equal(all.v[0].made_ns, 2500000000);
	assert_int_equal(all.v[1].made_ns, 3000000000);
	assert_int_equal(engine_list_images(f->engine, &f->arena, "mine", &all, &f->err), 0);
	assert_int_equal(all.n, 2);
	assert_true(str_is(all.v[0].id, HEX_A));
	assert_int_equal(all.v[1].kind, KEPT_BUILD);
	assert_true(str_is(all.v[1].id, HEX_C));
	assert_int_equal(all.v[1].made_ns, 0);
}

static void
lists_no_others(void **state)
{
	struct fixture *f = *state;
	struct kept_images all;

	open_engine(f, "podman",
		LISTED "'image inspect'*) " INSPECTED(
			HEX_A, "", "\"localhost/furrow-image:x\",\"docker.io/library/x:1\"", "null")
			INSPECTED(HEX_B, "", "\"localhost/furrow-image:y\"", "null")
				INSPECTED(HEX_C, "", "\"localhost/furrow-other:y\"", "null")
		/* One went meanwhile. */
		"echo what; echo 'image not known' >&2; exit 125 ;;\n");
	assert_int_equal(engine_list_images(f->engine, &f->arena, "mine", &all, &f->err), 0);
	assert_int_equal(all.n, 1);
	assert_int_equal(all.v[0].kind, KEPT_IMAGE);
	assert_true(str_is(all.v[0].id, HEX_B));
	answers(f, "podman", "images*) ;;\n"); /* then nothing is inspected */
	assert_int_equal(engine_list_images(f->engine, &f->arena, NULL, &all, &f->err), 0);
	assert_int_equal(all.n, 0);
	answers(f, "podman", "images*) echo 'database is locked' >&2; exit 125 ;;\n");
	assert_int_equal(engine_list_images(f->engine, &f->arena, NULL, &all, &f->err), ERR_HOST);
	assert_has(f->err.message, "database is locked");
	answers(f, "podman", LISTED "'image inspect'*) echo 'database is locked' >&2; exit 1 ;;\n");
	assert_int_equal(engine_list_images(f->engine, &f->arena, NULL, &all, &f->err), ERR_HOST);
}

static void
removes_images(void **state)
{
	struct fixture *f = *state;
	struct str names[] = {STR("localhost/furrow-env:x"), STR("localhost/furrow-env:y")};
	const struct kept_image image = {.names = {.v = names, .n = 2}};
	bool in_use;

	open_engine(f, "podman", "'rmi '*x) echo 'x: image not known' >&2; exit 1 ;;\nrmi*) ;;\n");
	assert_int_equal(engine_remove_image(f->engine, &image, &in_use, &f->err), 0);
	assert_false(in_use);
	assert_string_equal(calls(f), "rmi localhost/furrow-env:x \nrmi localhost/furrow-env:y \n");
	answers(f, "podman",
		"rmi*) echo 'Error: image used by 2d: image is in use by a container: consider' "
		">&2; "
		"exit 2 ;;\n");
	assert_int_equal(engine_remove_image(f->engine, &image, &in_use, &f->err), 0);
	assert_true(in_use);
	answers(f, "podman",
		"rmi*) echo 'conflict: unable to remove repository reference (must force) - "
		"container "
		"1 is using its referenced image 2' >&2; exit 1 ;;\n");
	assert_int_equal(engine_remove_image(f->engine, &image, &in_use, &f->err), 0);
	assert_true(in_use);
	answers(f, "podman", "rmi*) echo 'read-only file system' >&2; exit 125 ;;\n");
	assert_int_equal(engine_remove_image(f->engine, &image, &in_use, &f->err), ERR_HOST);
	assert_false(in_use);
	assert_has(f->err.message, "localhost/furrow-env:x: read-only");
}

static void
ids_of_images(void **state)
{
	struct fixture *f = *state;
	struct str id;

	sh(f, MAKE_ARCHIVE);
	open_engine(f, "podman",
		"'image inspect'*here) printf '%s\\nnull\\nnull\\n' " HEX_A " ;;\n" ABSENT);
	assert_int_equal(engine_image_id(f->engine, &f->arena, STR("here"), &id, &f->err), 0);
	assert_true(str_is(id, HEX_A));
	assert_int_equal(engine_image_id(f->engine, &f->arena, STR("gone"), &id, &f->err), 0);
	assert_null(id.p);
	assert_int_equal(engine_image_id(f->engine, &f->arena, (struct str){0}, &id, &f->err), 0);
	assert_null(id.p);
	assert_int_equal(
		engine_image_id(f->engine, &f->arena,
			arena_printf(&f->arena, "docker-archive:%s/i.tar", f->dir), &id, &f->err),
		0);
	assert_true(str_is(id, EMPTY_CONFIG));
	assert_int_equal(
		engine_image_id(f->engine, &f->arena, STR("oci-archive:/none"), &id, &f->err),
		ERR_INPUT);
	assert_null(id.p);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(finds_podman_then_docker),
		TEST(engines_that_fail),
		TEST(rootless_docker),
		TEST(local_references),
		TEST(pinned_references),
		TEST(answers_that_make_no_sense),
		TEST(pulls_by_digest),
		TEST(tags_that_moved),
		TEST(archives),
		TEST(archives_with_docker),
		TEST(builds),
		TEST(another_runtime),
		TEST(lists_its_images),
		TEST(lists_no_others),
		TEST(removes_images),
		TEST(ids_of_images),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
