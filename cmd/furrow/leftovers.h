/* leftovers: things that a command offers to remove: listed first, then removed, those on this machine one
 * by one, those in a cloud by its inventory. */
#ifndef FURROW_LEFTOVERS_H
#define FURROW_LEFTOVERS_H

#include "planner/base/arena.h"
#include "planner/base/buf.h"
#include "planner/base/error.h"
#include "providers/container/engine.h"

enum leftover_kind {
	LEFT_RUN,	/* processes and the work folder of a run that died; name: the run */
	LEFT_CONTAINER, /* name: of the container */
	LEFT_FOLDER,	/* or file */
	LEFT_CACHED,	/* a folder or file that is used as soon as it is there */
	LEFT_IMAGE,	/* in the container engine */
	LEFT_CLOUD	/* in an account: cloud_left.h */
};

struct inventory_item;

struct leftover {
	enum leftover_kind kind;
	const char *what; /* for people: "kept setup" */
	const char *name;
	const char *path;		    /* all but CONTAINER, IMAGE, CLOUD */
	const struct kept_image *image;	    /* IMAGE */
	const struct inventory_item *cloud; /* CLOUD; and its region */
	const char *region;
	int64_t bytes; /* < 0: not known */
	bool stays;    /* IMAGE: a container was found to use it; CLOUD: it could not be removed */
};

/* Zero-initialised is empty; lives in the arena that things are added from. */
struct leftovers {
	struct leftover *v;
	size_t n, cap;
};

void leftovers_add(struct arena *a, struct leftovers *l, enum leftover_kind kind, const char *what,
	const char *name, const char *path);

/* As cached: everything in a folder that was last changed before before_ns (since 1970; INT64_MAX:
 * everything). Names in `except` (NULL-terminated; may be NULL) are left out. */
void leftovers_add_folder(struct arena *a, struct leftovers *l, const char *what, const char *dir,
	const char *const *except, int64_t before_ns);

/* image lives as long as the list. */
void leftovers_add_image(struct arena *a, struct leftovers *l, const struct kept_image *image);

/* One line each. */
void leftovers_write(struct buf *out, const struct leftovers *l);
/* [{"what","name","path"?,"bytes"?},…], without what stays; what is in a cloud has more members, see
 * cloud_left.h. */
void leftovers_write_json(struct buf *out, const struct leftovers *l);
/* How many do not stay. */
size_t leftovers_count(const struct leftovers *l);
/* Of what is freed for sure: images share their layers with others, and are not counted. */
int64_t leftovers_bytes(const struct leftovers *l);

/* Removes all but what is in a cloud; goes on over what cannot be removed and returns the first error. An image that
 * a container uses is told of on standard error, and stays. engine: for containers and images, else
 * NULL. */
int leftovers_remove(struct leftovers *l, struct engine_handle *engine, struct error *err);

#endif
