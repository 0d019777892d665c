/* leftovers: listing and removing. */
#include "cmd/furrow/leftovers.h"

#include "cmd/furrow/cloud_left.h"
#include "cmd/furrow/file.h"
#include "cmd/furrow/out.h"
#include "cmd/furrow/text.h"
#include "planner/base/clock.h"
#include "planner/base/json.h"
#include "providers/host/spawn.h"
#include "providers/state_dir.h"

#include <sys/stat.h>

void
leftovers_add(struct arena *a, struct leftovers *l, enum leftover_kind kind, const char *what,
	const char *name, const char *path)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct leftover *v = ARENA_ARRAY(a, struct leftover, cap);

		if (l->n)
			memcpy(v, l->v, l->n * sizeof(*v));
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = (struct leftover){.kind = kind,
		.what = what,
		.name = name,
		.path = path,
		.bytes = path ? file_disk_bytes(path) : -1};
}

static bool
is_in(const char *name, const char *const *list)
{
	for (; list && *list; list++) {
		if (strcmp(name, *list) == 0)
			return true;
	}
	return false;
}

void
leftovers_add_folder(struct arena *a, struct leftovers *l, const char *what, const char *dir,
	const char *const *except, int64_t before_ns)
{
	struct names names = file_names(a, dir);

	for (size_t i = 0; i < names.n; i++) {
		const char *path = arena_printf(a, "%s/%s", dir, names.v[i]).p;
		struct stat st;

		if (is_in(names.v[i], except) || lstat(path, &st) != 0)
			continue;
		if ((int64_t)st.st_ctim.tv_sec * NS_PER_S + st.st_ctim.tv_nsec <= before_ns)
			leftovers_add(a, l, LEFT_CACHED, what, names.v[i], path);
	}
}

void
leftovers_add_image(struct arena *a, struct leftovers *l, const struct kept_image *image)
{
	static const char *const what[] = {[KEPT_SETUP] = "kept setup",
		[KEPT_BUILD] = "built image",
		[KEPT_IMAGE] = "loaded image"};
	struct leftover *added;

	leftovers_add(a, l, LEFT_IMAGE, what[image->kind], arena_cstr(a, image->names.v[0]), NULL);
	added = &l->v[l->n - 1];
	added->image = image;
	added->bytes = image->bytes;
}

void
leftovers_write(struct buf *b, const struct leftovers *l)
{
	char size[TEXT_BYTES];

	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].stays)
			continue;
		buf_addf(b, "- %-22s ", l->v[i].what);
		text_add_safe(b, str_from(l->v[i].name), l->v[i].cloud ? 0 : 48);
		if (l->v[i].bytes >= 0)
			buf_addf(b, "  %s", text_bytes(size, l->v[i].bytes));
		if (l->v[i].cloud)
			cloud_left_add_words(b, l->v[i].cloud);
		buf_add_char(b, '\n');
	}
}

void
leftovers_write_json(struct buf *b, const struct leftovers *l)
{
	size_t n = 0;

	buf_add_char(b, '[');
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].stays)
			continue;
		buf_add_cstr(b, n++ ? ",{" : "{");
		json_add_member_string(b, "what", str_from(l->v[i].what));
		json_add_member_string(b, "name", str_from(l->v[i].name));
		if (l->v[i].path)
			json_add_member_string(b, "path", str_from(l->v[i].path));
		if (l->v[i].bytes >= 0)
			json_add_member_int(b, "bytes", l->v[i].bytes);
		if (l->v[i].cloud)
			cloud_left_add_members(b, l->v[i].cloud, l->v[i].region);
		buf_add_char(b, '}');
	}
	buf_add_char(b, ']');
}

size_t
leftovers_count(const struct leftovers *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += !l->v[i].stays;
	return n;
}

int64_t
leftovers_bytes(const struct leftovers *l)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < l->n; i++)
		bytes += l->v[i].kind != LEFT_IMAGE && l->v[i].bytes > 0 ? l->v[i].bytes : 0;
	return bytes;
}

static int
remove_one(struct leftover *l, struct engine_handle *engine, struct error *err)
{
	int rc;

	switch (l->kind) {
	case LEFT_RUN:
		spawn_sweep(l->name);
		return state_remove_tree(l->path, err);
	case LEFT_CONTAINER:
		return engine_remove(engine, l->name, err);
	case LEFT_FOLDER:
		return state_remove_tree(l->path, err);
	case LEFT_CACHED:
		return state_remove_whole(l->path, err);
	case LEFT_IMAGE:
		rc = engine_remove_image(engine, l->image, &l->stays, err);
		if (rc == 0 && l->stays)
			out_say("furrow: image %s stays: a container uses it", l->name);
		return rc;
	case LEFT_CLOUD:
		break;
	}
	return 0;
}

int
leftovers_remove(struct leftovers *l, struct engine_handle *engine, struct error *err)
{
	struct error later;
	int rc = 0;

	for (size_t i = 0; i < l->n; i++) {
		int one = remove_one(&l->v[i], engine, rc < 0 ? &later : err);

		rc = rc < 0 ? rc : one;
	}
	return rc;
}
