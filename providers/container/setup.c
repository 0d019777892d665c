/* setup: environment.setup, run once for each environment and kept as an image.
 *
 * It is handed over in a script, not as arguments or --env: a committed image keeps those in its configuration, and
 * environments may hold what belongs into no image. */
#include "providers/container/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char script_place[] = "/.furrow/setup";

static const char *
setup_image(struct arena *a, const struct digest *identity)
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(hex, identity);
	return arena_printf(a, "localhost/furrow-env:%s", hex).p;
}

bool
engine_has_setup(struct engine_handle *e, const struct digest *identity)
{
	struct arena a = {0};
	struct held_image image;
	bool there = engine_find_image(e, &a, setup_image(&a, identity), &image, NULL) > 0;

	arena_free(&a);
	return there;
}

/* A word of sh, whatever is in it. */
static void
add_quoted(struct buf *b, struct str s)
{
	buf_add_char(b, '\'');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\'')
			buf_add_cstr(b, "'\\''");
		else
			buf_add_char(b, s.p[i]);
	}
	buf_add_char(b, '\'');
}

static void
add_script(struct buf *b, bool has_source, struct str setup, struct pairs env)
{
	buf_add_cstr(b, "mkdir -p /.furrow/work && cd /.furrow/work || exit\n");
	if (has_source)
		buf_add_cstr(b, "cp -R /.furrow/source/. . || exit\n");
	for (size_t i = 0; i < env.n; i++) {
		buf_addf(b, "export %.*s=", STR_ARG(env.v[i].name));
		add_quoted(b, env.v[i].value);
		buf_add_char(b, '\n');
	}
	buf_add_cstr(b, "exec /bin/sh -c ");
	add_quoted(b, setup);
	buf_add_char(b, '\n');
}

static int
write_script(const char *path, struct str text, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0)
		return error_set_errno(err, ERR_HOST, errno, "create %s", path);
	if (write(fd, text.p, text.n) != (ssize_t)text.n)
		rc = error_set_errno(err, ERR_HOST, errno, "write %s", path);
	close(fd);
	return rc;
}

static int
run_script(struct engine_handle *e, struct arena *a, const struct container_wish *wish,
	const char *name, const char *script, struct buf *log, struct error *err)
{
	struct words w = {.arena = a};
	struct buf said = {0};
	int rc;

	words_add(&w, "run");
	rc = container_add_words(&w, wish, name, err);
	if (rc == 0)
		rc = container_add_mount(&w, script, script_place, false, err);
	container_add_user(&w, e, true);
	WORDS_ADD(&w, "--workdir", "/", "--entrypoint", "/bin/sh", wish->image_id, script_place);
	if (rc == 0)
		rc = engine_call(e, &w, &said, &said, -1, err);
	if (log)
		buf_add_str(log, buf_str(&said));
	if (rc > 0)
		rc = error_set(err, ERR_HOST,
			"environment.setup ended with status %d in a container of image %.20s; it "
			"said "
			"last:\n%.*s",
			rc, wish->image_id, STR_ARG(last_lines(buf_str(&said), 5)));
	buf_free(&said);
	return rc;
}

static int
keep(struct engine_handle *e, struct arena *a, const char *name, const char *image, struct str *id,
	struct error *err)
{
	struct words w = {.arena = a};
	struct buf errs = {0};
	struct held_image held;
	int rc;

	WORDS_ADD(&w, "commit", name, image);
	rc = engine_call(e, &w, NULL, &errs, -1, err);
	if (rc > 0)
		rc = engine_failed(e, err, rc, &errs, "keep what environment.setup changed");
	buf_free(&errs);
	if (rc < 0)
		return rc;
	rc = engine_find_image(e, a, image, &held, err);
	if (rc == 0)
		return error_set(err, ERR_HOST,
			"%s has no image %s although it said that it kept it", e->name, image);
	*id = arena_str(a, str_from(held.id));
	return rc < 0 ? rc : 0;
}

int
engine_setup(struct engine_handle *e, struct arena *a, const struct container_wish *wish,
	struct str setup, struct pairs env, const struct digest *identity, struct str *image_id,
	struct buf *log, struct error *err)
{
	const char *image = setup_image(a, identity);
	const char *script = arena_printf(a, "%s/setup-script", wish->root).p;
	char name[CONTAINER_NAME_BYTES];
	struct held_image held;
	struct buf text = {0};
	int rc = engine_find_image(e, a, image, &held, err);

	if (rc > 0)
		*image_id = arena_str(a, str_from(held.id));
	if (rc != 0)
		return rc < 0 ? rc : 0;
	container_name(e, name, wish->run);
	add_script(&text, wish->source != NULL, setup, env);
	rc = write_script(script, buf_str(&text), err);
	buf_free(&text);
	if (rc == 0)
		rc = run_script(e, a, wish, name, script, log, err);
	if (rc == 0)
		rc = keep(e, a, name, image, image_id, err);
	unlink(script);
	engine_remove(e, name, NULL);
	return rc;
}
