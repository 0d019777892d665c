/* A manifest, and behind a line "%%%" one that it may extend: whatever the bytes are, reading them ends, what is wrong can
 * be shown, and what was taken holds to its limits. */
#include "planner/diag.h"
#include "planner/manifest.h"
#include "planner/units.h"

#include <stdlib.h>

static struct str first, second;

static int
load(void *ctx, struct str path, struct str from, struct str *file, struct str *bytes,
	struct error *err)
{
	(void)ctx;
	(void)from;
	if (!second.p)
		return error_set(err, ERR_MISSING, "%.*s: no such file", STR_ARG(path));
	*file = STR("second");
	*bytes = second;
	return 0;
}

static struct str
source(void *ctx, struct str file)
{
	(void)ctx;
	return str_is(file, "second") ? second : first;
}

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_manifest(const struct manifest *m)
{
	const struct map *map = &m->map;
	uint64_t product = 1;

	check(m->name.n >= 1 && m->name.n <= 40);
	check(m->entrypoint.is_list ? m->entrypoint.argv.n > 0 : m->entrypoint.shell.n > 0);
	check(m->results.n > 0);
	check(!m->outputs.p || (m->outputs.n && m->outputs.p[0] != '/'));
	check(map->kind != MAP_COUNT || (map->count >= 1 && map->count <= MANIFEST_MAX_TASKS));
	check(map->kind != MAP_VALUES || map->values.n > 0);
	check(map->kind != MAP_MATRIX || map->n_axes > 0);
	for (size_t i = 0; i < map->n_axes; i++)
		product *= map->axes[i].values.n;
	check(product >= 1 && product <= MANIFEST_MAX_TASKS);
	check(m->instances.cpus.min <= m->instances.cpus.max);
	check(m->instances.max >= 1 && m->instances.idle_ns >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = {0};
	struct diagnostics diags = {.arena = &a};
	const struct manifest_loader loader = {.load = load};
	const char *cut = size ? memmem(data, size, "\n%%%\n", 5) : NULL;
	struct manifest m;
	struct error err = {0};
	struct buf b = {0};
	int rc;

	first = (struct str){
		.p = (const char *)data, .n = cut ? (size_t)(cut - (const char *)data) : size};
	second = (struct str){.p = cut ? cut + 5 : NULL, .n = cut ? size - first.n - 5 : 0};
	rc = manifest_parse(&a, &m, &diags, STR("first"), first, &loader, NULL, &err);
	check((rc == 0) == (diags.n_errors == 0));
	if (rc == 0) {
		check_manifest(&m);
		manifest_check_local(&m, 2, INT64_C(4) << 30, ARCH_X86_64, &diags);
	}
	for (size_t i = 0; i < diags.n; i++) {
		diag_render(&b, &diags.v[i], source, NULL);
		diag_render_json(&b, &diags.v[i]);
	}
	check(str_is_utf8(buf_str(&b)));
	buf_free(&b);
	arena_free(&a);
	return 0;
}
