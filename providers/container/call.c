/* call: calling podman or docker, and what it answers when it fails. */
#include "providers/container/internal.h"

#include "providers/host/spawn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
words_add(struct words *w, const char *word)
{
	if (w->n + 2 > w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 32;
		const char **v = ARENA_ARRAY(w->arena, const char *, cap);

		if (w->n)
			memcpy(v, w->v, w->n * sizeof(*v));
		w->v = v;
		w->cap = cap;
	}
	w->v[w->n++] = word;
	w->v[w->n] = NULL;
}

void
words_addf(struct words *w, const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	words_add(w, arena_cstr(w->arena, buf_str(&b)));
	buf_free(&b);
}

void
words_add_list(struct words *w, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		words_add(w, list[i]);
}

struct str
last_lines(struct str text, int lines)
{
	size_t at;

	text = str_trim(text);
	for (at = text.n; at > 0; at--) {
		if (text.p[at - 1] == '\n' && --lines == 0)
			break;
	}
	return str_from_index(text, at);
}

static bool
is_in_path(const char *program)
{
	struct str rest = str_from(getenv("PATH"));

	while (rest.p) {
		struct str dir = str_cut(&rest, ':');
		char path[4096];
		int n = snprintf(path, sizeof(path), "%.*s/%s", STR_ARG(dir), program);

		if (n > 0 && (size_t)n < sizeof(path) && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static bool
says(struct str text, const char *part)
{
	return text.n && memmem(text.p, text.n, part, strlen(part));
}

/* Debian's podman prefers crun, which refuses to work where cgroup v1 and v2 are mixed; runc doesn't mind. */
static bool
runtime_refuses(const struct engine_handle *e, const struct buf *errs)
{
	return !e->is_docker && says(buf_str(errs), "cgroups in hybrid mode not supported") &&
	       is_in_path("runc");
}

static int
call_once(struct engine_handle *e, struct words *w, struct buf *out, struct buf *errs,
	int64_t timeout_ns, struct error *err)
{
	struct words all = {.arena = w->arena};
	int rc;

	words_add(&all, e->program);
	if (atomic_load(&e->use_runc))
		WORDS_ADD(&all, "--runtime", "runc");
	for (size_t i = 0; i < w->n; i++)
		words_add(&all, w->v[i]);
	rc = spawn_run(all.v, NULL, NULL, out, errs, timeout_ns, err);
	if (rc < 0)
		error_wrap(err, "%s %s", e->name, w->v[0]);
	return rc == ERR_MISSING ? ERR_HOST : rc;
}

/* A container that could not be started holds its name. */
static void
remove_named(struct engine_handle *e, const struct words *w)
{
	struct words rm = {.arena = w->arena};

	for (size_t i = 0; i + 1 < w->n; i++) {
		if (strcmp(w->v[i], "--name") != 0)
			continue;
		WORDS_ADD(&rm, "rm", "--force", w->v[i + 1]);
		call_once(e, &rm, NULL, NULL, QUICK_CALL_S * NS_PER_S, NULL);
		return;
	}
}

int
engine_call(struct engine_handle *e, struct words *w, struct buf *out, struct buf *errs,
	int64_t timeout_ns, struct error *err)
{
	struct buf own = {0}, *heard = errs ? errs : &own;
	size_t out_n = out ? out->n : 0, heard_n = heard->n;
	int rc = call_once(e, w, out, heard, timeout_ns, err);

	if (rc > 0 && !atomic_load(&e->use_runc) && runtime_refuses(e, heard)) {
		atomic_store(&e->use_runc, true);
		heard->n = heard_n;
		if (out)
			out->n = out_n;
		remove_named(e, w);
		rc = call_once(e, w, out, heard, timeout_ns, err);
	}
	buf_free(&own);
	return rc;
}

/* Engines have one exit status for everything; what they say tells more. */
static enum error_class
class_of(struct str said)
{
	static const struct {
		const char *part;
		enum error_class class;
	} known[] = {
		{"toomanyrequests", CLASS_THROTTLED},
		{"Too Many Requests", CLASS_THROTTLED},
		{"unauthorized", CLASS_DENIED},
		{"authentication required", CLASS_DENIED},
		{"permission denied", CLASS_DENIED},
		{"denied:", CLASS_DENIED},
		{"connection refused", CLASS_TRANSIENT},
		{"connection reset", CLASS_TRANSIENT},
		{"i/o timeout", CLASS_TRANSIENT},
		{"TLS handshake timeout", CLASS_TRANSIENT},
		{"unexpected EOF", CLASS_TRANSIENT},
		{"Service Unavailable", CLASS_TRANSIENT},
		{"Bad Gateway", CLASS_TRANSIENT},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (says(said, known[i].part))
			return known[i].class;
	}
	return CLASS_FATAL;
}

int
engine_failed(struct engine_handle *e, struct error *err, int status, const struct buf *errs,
	const char *fmt, ...)
{
	struct str said = last_lines(errs ? buf_str(errs) : STR(""), 3);
	char tried[512];
	va_list ap;
	int rc;

	va_start(ap, fmt);
	vsnprintf(tried, sizeof(tried), fmt, ap);
	va_end(ap);
	if (said.n > 400)
		said = str_from_index(said, said.n - 400);
	if (said.n == 0)
		said = STR("it gave no reason");
	rc = error_set(err, ERR_HOST, "%s: %s: %.*s (exit status %d)", e->name, tried,
		STR_ARG(said), status);
	if (err)
		err->class = class_of(said);
	return rc;
}
