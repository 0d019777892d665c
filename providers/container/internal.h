/* internal: what the files of this folder share: calling the engine, and image references. Private to
 * providers/container. */
#ifndef FURROW_CONTAINER_INTERNAL_H
#define FURROW_CONTAINER_INTERNAL_H

#include "planner/base/buf.h"
#include "planner/base/clock.h"
#include "providers/container/engine.h"

#include <stdatomic.h>

enum {
	IMAGE_ID_BYTES = 7 + 2 * DIGEST_BYTES + 1, /* "sha256:", hex, NUL */
	REMOVE_TRIES = 5,
	QUICK_CALL_S = 60 /* for what touches neither network nor layers */
};

struct engine_handle {
	struct arena arena;
	const char *program; /* name or path */
	const char *name;    /* "podman" or "docker", whatever program is called */
	bool is_docker;
	bool rootless; /* the engine runs as this user: root in a container is this user outside */
	atomic_bool
		use_runc; /* podman's own runtime refuses this machine; any thread may find out */
	atomic_uint n_names;
};

/* The words of a call, without the program. Strings live in the arena or longer. */
struct words {
	struct arena *arena;
	const char **v; /* [n], then NULL */
	size_t n, cap;
};
void words_add(struct words *w, const char *word);
void words_addf(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void words_add_list(struct words *w, const char *const *list, size_t n);
#define WORDS_ADD(w, ...)                                       \
	words_add_list((w), (const char *const[]){__VA_ARGS__}, \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* call.c: runs the engine to its end. Returns its exit status, or < 0 when it could not be run. out and errs may be the
 * same, or NULL. */
int engine_call(struct engine_handle *e, struct words *w, struct buf *out, struct buf *errs,
	int64_t timeout_ns, struct error *err);
/* An error for a call that ended with status: what was tried, and the last that the engine said. */
int engine_failed(struct engine_handle *e, struct error *err, int status, const struct buf *errs,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The last lines of a text, without blanks around them. */
struct str last_lines(struct str text, int lines);

/* container.c: the words that start a container. */
enum { CONTAINER_NAME_BYTES = 80 };
/* A name that no other container has, with the run's id in it. */
void container_name(struct engine_handle *e, char name[CONTAINER_NAME_BYTES], const char *run);
/* What all containers of a run have in common: name, labels, limits, the runner and the source. */
int container_add_words(
	struct words *w, const struct container_wish *wish, const char *name, struct error *err);
int container_add_mount(
	struct words *w, const char *from, const char *to, bool writable, struct error *err);
void container_add_user(struct words *w, const struct engine_handle *e, bool as_root);

/* image.c: an image that the engine holds. */
struct held_image {
	char id[IMAGE_ID_BYTES]; /* "sha256:…": of its configuration */
	struct strings digests;	 /* "REPOSITORY@sha256:…" under which registries know it */
	struct strings tags;
};
/* 1 and *out, 0 when it isn't there, or < 0. */
int engine_find_image(struct engine_handle *e, struct arena *a, const char *name,
	struct held_image *out, struct error *err);
/* Whether it said that there is no such image. */
bool engine_says_absent(struct str said);

/* The job that an image was built for. Not "furrow.job": containers have the labels of their image, and those of furrow's are
 * known by that one. */
#define BUILT_FOR_LABEL "furrow.built-for"

/* reference.c: [REGISTRY/]REPOSITORY[:TAG][@DIGEST], with docker.io's rules for what is left out. */
struct reference {
	struct str registry;   /* "docker.io", "localhost:5000" */
	struct str repository; /* "library/python" */
	struct str
		tag; /* "latest" when neither tag nor digest is given; absent: only a digest is */
	struct str digest; /* "sha256:…"; absent: not pinned */
	struct str name;   /* REGISTRY/REPOSITORY */
	struct str login;  /* "USER:PASSWORD", from who knows; absent: see credentials_find */
};
/* ERR_INPUT for what is no reference. */
int reference_parse(struct arena *a, struct reference *out, struct str text, struct error *err);

/* registry.c: asks the registry for the digest of a tag: of the list for all architectures, if there is one. ERR_INPUT: it
 * has no such image, or doesn't show it; ERR_HOST: no answer. */
int registry_digest(
	struct arena *a, const struct reference *ref, struct str *digest, struct error *err);

/* Likewise, for other machines: that there is one for their architecture. A digest that is given is asked
 * for as well. notes: a folder for what need not be asked twice; NULL: none. */
int registry_find(struct arena *a, const struct reference *ref, bool arm64, const char *notes,
	struct str *digest, struct error *err);

/* credentials.c: "USER:PASSWORD" that the reference has, or that `podman login` or `docker login` left for its
 * registry; absent: none. */
struct str credentials_find(struct arena *a, const struct reference *ref);
/* Of base64, as docker's configuration has it; absent: it is no login. */
struct str credentials_decode(struct arena *a, struct str auth);

/* http.c: one request, of HEAD or GET. */
struct http_wish {
	const char *url;
	bool head;
	const char *accept;	   /* NULL: anything */
	const char *bearer;	   /* a token; NULL: none */
	const char *user_password; /* "USER:PASSWORD"; NULL: none */
	/* Its own certificate authority counts, where engines have it: certs.d/REGISTRY/ca.crt, see
	 * containers-certs.d(5). NULL: the system's. */
	const char *registry;
};
struct http_answer {
	long status;
	struct str digest;    /* Docker-Content-Digest; absent: none */
	struct str challenge; /* WWW-Authenticate */
	struct str body;      /* of GET; at most 4 MiB */
};
/* ERR_HOST when there was no answer. */
int http_request(
	struct arena *a, const struct http_wish *wish, struct http_answer *out, struct error *err);

#endif
