/* engine: finding podman or docker. Both have the same commands; where they differ, the files beside say so. */
#include "providers/container/internal.h"

#include <stdlib.h>
#include <unistd.h>

enum { FIRST_CALL_S = 30 };

/* Docker's client answers --version without its daemon, and whether that runs as this user only the daemon knows. */
static const char docker_info[] = "{{.ServerVersion}} {{.SecurityOptions}}";

/* The word behind "version ": "4.3.1" of "podman version 4.3.1". */
static struct str
version_word(struct str text)
{
	const char *at = text.n ? memmem(text.p, text.n, "version ", 8) : NULL;
	struct str rest;
	size_t n = 0;

	if (!at)
		return STR("unknown");
	rest = str_from_index(text, (size_t)(at - text.p) + 8);
	while (n < rest.n && !strchr(", \n", rest.p[n]))
		n++;
	return (struct str){rest.p, n};
}

static int
ask_docker(struct engine_handle *e, struct arena *a, struct engine *info, struct error *err)
{
	struct words w = {.arena = a};
	struct buf out = {0}, errs = {0};
	struct str rest, version;
	int rc;

	WORDS_ADD(&w, "info", "--format", docker_info);
	rc = engine_call(e, &w, &out, &errs, FIRST_CALL_S * NS_PER_S, err);
	rest = str_trim(buf_str(&out));
	version = str_cut(&rest, ' ');
	/* Some versions end with 0 and an empty answer when the daemon is not there. */
	if (rc > 0 || (rc == 0 && version.n == 0))
		rc = engine_failed(e, err, rc, &errs, "its daemon does not answer");
	if (rc == 0) {
		info->version = arena_str(a, version);
		e->rootless = rest.p && memmem(rest.p, rest.n, "name=rootless", 13);
	}
	buf_free(&out);
	buf_free(&errs);
	return rc;
}

/* Whether e->program is an engine that answers: fills the rest of *e, and *info. */
static int
try_engine(struct engine_handle *e, struct arena *a, struct engine *info, struct error *err)
{
	struct words w = {.arena = a};
	struct buf out = {0}, errs = {0};
	struct str text;
	int rc;

	e->name = e->program;
	words_add(&w, "--version");
	rc = engine_call(e, &w, &out, &errs, FIRST_CALL_S * NS_PER_S, err);
	text = arena_str(a, str_trim(buf_str(&out)));
	if (rc > 0)
		rc = engine_failed(e, err, rc, &errs, "--version");
	buf_free(&out);
	buf_free(&errs);
	if (rc < 0)
		return rc;
	e->is_docker = str_starts(text, STR("Docker "));
	if (!e->is_docker && !str_starts(text, STR("podman ")))
		return error_set(err, ERR_HOST, "%s is neither podman nor docker; it says '%.60s'",
			e->program, text.p);
	e->name = e->is_docker ? "docker" : "podman";
	*info = (struct engine){.name = str_from(e->name), .version = version_word(text)};
	e->rootless = geteuid() != 0;
	rc = e->is_docker ? ask_docker(e, a, info, err) : 0;
	info->rootless = e->rootless;
	return rc;
}

static int
none_found(const char *named, const struct error *podman, const struct error *docker,
	struct error *err)
{
	if (named)
		return error_set(err, ERR_HOST, "FURROW_ENGINE=%s cannot be used: %s", named,
			podman->message);
	if (podman->os_errno != 2) /* it is there, and something is wrong with it */
		return error_set(err, ERR_HOST, "podman cannot be used: %s", podman->message);
	if (docker->os_errno != 2)
		return error_set(err, ERR_HOST,
			"docker cannot be used: %s (is your user in the group "
			"docker? podman needs no daemon: sudo apt-get install "
			"podman)",
			docker->message);
	return error_set(err, ERR_HOST,
		"the manifest's environment names an image, but neither podman nor docker is here; "
		"install one: sudo apt-get install podman");
}

int
engine_open(struct engine_handle **out, struct arena *a, struct engine *info, struct error *err)
{
	const char *named = getenv("FURROW_ENGINE");
	struct engine_handle *e = mem_alloc(sizeof(*e));
	struct error first = {0}, second = {0};
	int rc;

	memset(e, 0, sizeof(*e));
	if (named && !named[0])
		named = NULL;
	e->program = named ? named : "podman";
	rc = try_engine(e, a, info, &first);
	if (rc < 0 && !named) {
		e->program = "docker";
		rc = try_engine(e, a, info, &second);
	}
	if (rc < 0) {
		engine_close(e);
		return none_found(named, &first, &second, err);
	}
	e->program = arena_cstr(&e->arena, str_from(e->program));
	*out = e;
	return 0;
}

void
engine_close(struct engine_handle *e)
{
	if (!e)
		return;
	arena_free(&e->arena);
	free(e);
}
