/* images: which of furrow's images a command means. */
#include "cmd/furrow/images.h"

#include "cmd/furrow/out.h"
#include "providers/container/archive.h"

struct choice {
	const struct kept_images *images;
	enum images_wish wish;
	int64_t before_ns;
	bool knows_current;
	struct str current; /* id of what the manifest's `image` is here; absent: nothing */
};

bool
images_may_be(const struct manifest *m)
{
	return m->environment.image.p || m->environment.build.context.p;
}

static bool
is_newest(const struct kept_images *images, const struct kept_image *image)
{
	for (size_t i = 0; i < images->n; i++) {
		if (images->v[i].kind == image->kind && images->v[i].made_ns > image->made_ns)
			return false;
	}
	return true;
}

static bool
is_wanted(const struct choice *c, const struct kept_image *image)
{
	bool is_current = c->current.p && str_eq(image->id, c->current);

	switch (c->wish) {
	case IMAGES_SETUPS:
		return image->kind == KEPT_SETUP;
	case IMAGES_ALL:
		return image->kind != KEPT_IMAGE || is_current;
	case IMAGES_OLD:
		break;
	}
	if (image->made_ns >= c->before_ns)
		return false;
	if (image->kind == KEPT_IMAGE)
		return c->knows_current && !is_current;
	return !is_newest(c->images, image);
}

void
images_add(struct arena *a, struct leftovers *l, struct engine_handle *engine,
	const struct manifest *m, const char *dir, enum images_wish wish, int64_t before_ns)
{
	/* An image goes after those that are made from it. */
	static const enum kept_kind order[] = {KEPT_SETUP, KEPT_BUILD, KEPT_IMAGE};
	struct kept_images images;
	struct choice c = {.images = &images, .wish = wish, .before_ns = before_ns};
	struct error err;

	if (engine_list_images(engine, a, arena_cstr(a, m->name), &images, &err) < 0) {
		out_say("furrow: images were not looked for: %s", err.message);
		return;
	}
	if (images.n && wish != IMAGES_SETUPS)
		c.knows_current =
			engine_image_id(engine, a, archive_absolute(a, dir, m->environment.image),
				&c.current, NULL) == 0;
	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		for (size_t i = 0; i < images.n; i++) {
			if (images.v[i].kind == order[k] && is_wanted(&c, &images.v[i]))
				leftovers_add_image(a, l, &images.v[i]);
		}
	}
}
