/* engine: podman or docker, through its command line. Images by digest, containers with the runner as their first process. */
#ifndef FURROW_CONTAINER_ENGINE_H
#define FURROW_CONTAINER_ENGINE_H

#include "planner/base/arena.h"
#include "planner/base/digest.h"
#include "planner/manifest.h"
#include "planner/observed.h"

struct engine_handle;

/* FURROW_ENGINE (a path or name of either), else podman, else docker, whichever answers. ERR_HOST naming the Debian package
 * when none does. Finding podman costs one call, docker two: its daemon is asked. A handle may be used by any number of
 * threads. */
int engine_open(
	struct engine_handle **out, struct arena *a, struct engine *info, struct error *err);
void engine_close(struct engine_handle *e);

struct image_wish {
	struct str
		image; /* reference, oci-archive:PATH or docker-archive:PATH (PATH absolute here) */
	struct build build;	       /* context absolute here */
	const char *source_dir;	       /* build: an exported source to take the context from */
	struct digest source_identity; /* build: names the built image */
	const char *job;	       /* build: for a label; NULL: none */
};

/* Resolves to "sha256:…" without changing anything: for an archive by what lies in it, for a reference by the image that the
 * engine has, else by the registry's answer. For a build: the digest is that of the image last built from the same identity;
 * absent when it was not built yet (then the plan says "build"). present: the engine has it.
 *
 * What comes from a registry is known by its manifest's digest, what was built, imported or lies in an archive by its id (the
 * digest of its configuration). */
int engine_resolve(struct engine_handle *e, struct arena *a, const struct image_wish *wish,
	struct str *digest, bool *present, struct error *err);

/* Pulls, loads or builds, and checks the digest. ERR_STALE: the tag or archive is another image by now. log: what the engine
 * said, for people. */
int engine_ensure(struct engine_handle *e, struct arena *a, const struct image_wish *wish,
	struct str digest, struct str *image_id, struct buf *log, struct error *err);

/* Setup's kept result: an image named furrow-env:IDENTITY. */
bool engine_has_setup(struct engine_handle *e, const struct digest *identity);

enum kept_kind {
	KEPT_SETUP, /* furrow-env:… */
	KEPT_BUILD, /* furrow-build:… */
	KEPT_IMAGE  /* furrow-image:…: fetched or loaded, for any job */
};

/* An image that none but furrow has a name for. */
struct kept_image {
	enum kept_kind kind;
	struct str id;	      /* hex */
	struct strings names; /* at least one */
	struct str job;	      /* SETUP, BUILD: that it was made for; absent: not known */
	int64_t bytes;	      /* with the layers that it shares with other images */
	int64_t made_ns; /* since 1970; of a fetched or loaded one by its maker; 0: not known */
};

struct kept_images {
	struct kept_image *v;
	size_t n;
};

/* Those of a job (NULL: of all jobs), and every KEPT_IMAGE. Two calls. */
int engine_list_images(struct engine_handle *e, struct arena *a, const char *job,
	struct kept_images *out, struct error *err);
/* Takes furrow's names from an image: it goes when nothing else needs it. in_use: a container does, and it stays. Not there
 * any more: 0. */
int engine_remove_image(
	struct engine_handle *e, const struct kept_image *image, bool *in_use, struct error *err);
/* The id, in hex, that a manifest's `image` (paths absolute) has on this machine; absent: not here. No registry is asked. */
int engine_image_id(struct engine_handle *e, struct arena *a, struct str image, struct str *id,
	struct error *err);

struct container_wish {
	const char *run, *job; /* labels furrow.run, furrow.job */
	const char *image_id;
	const char *runner; /* the static binary, mounted at /.furrow/runner */
	const char *
		root; /* host folder mounted read-write at /.furrow/root; the runner listens on /.furrow/root/door/sock */
	const char *source;   /* host folder mounted read-only at /.furrow/source; NULL: none */
	int64_t memory_bytes; /* < 0: no limit */
};

/* Starts a container whose first process is the runner, and connects: *fd is a stream to it. name: at least 80 bytes.
 * Its processes run as the caller. The container goes when the runner ends. */
int engine_start(struct engine_handle *e, const struct container_wish *wish, char name[80], int *fd,
	struct error *err);

/* Runs `setup`, as root, in a container from the image, in a copy of source (/.furrow/work), keeps what it changed as the
 * image furrow-env:IDENTITY and gives its id; at once when that is there. env is not kept in the image. On failure the
 * last lines of its output are in err. */
int engine_setup(struct engine_handle *e, struct arena *a, const struct container_wish *wish,
	struct str setup, struct pairs env, const struct digest *identity, struct str *image_id,
	struct buf *log, struct error *err);

/* Removes a container, running or not; none there: 0. */
int engine_remove(struct engine_handle *e, const char *name, struct error *err);
/* Names of the containers of a job (NULL: of all jobs), running or not, in the arena; for destroy and gc. Other applies of
 * a job of this name, from other folders, have theirs among them. */
int engine_list(struct engine_handle *e, struct arena *a, const char *job, struct strings *names,
	struct error *err);
/* Likewise those of one run: what a run that died left. */
int engine_list_run(struct engine_handle *e, struct arena *a, const char *run,
	struct strings *names, struct error *err);

#endif
